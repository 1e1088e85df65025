// SPDX-License-Identifier: Apache-2.0
//! Choosing the next consumer and its next message: higher consumer priority first, in turn among equals.

use std::ops::Bound;

use super::consumer::{Consumer, ConsumerKey};
use super::{Place, Queue};
use crate::client_session::ClientSessions;
use crate::event::{Delivery, Event};
use crate::id::{ClientSessionId, ConnectionId, MessageId};
use crate::storage::record::Record;

/// How many messages of one queue are given out in one go.
const GIVEN: usize = 2_048;
/// How many looks at a message or a consumer one go may take.
const LOOKS: usize = 16_384;

/// A delivery for a client session that is kept.
#[derive(Debug)]
pub struct Guarded {
    pub session: ClientSessionId,
    pub to: ConnectionId,
    pub delivery: Delivery,
    /// What says which packet id it has, if that is new.
    pub record: Option<Record>,
}

/// What a round of dispatching leaves for the engine.
#[derive(Debug, Default)]
pub struct Dispatched {
    /// Messages found expired on the way; held, to be expired by the engine.
    pub expired: Vec<MessageId>,
    /// Messages that left with their delivery.
    pub sent: Vec<MessageId>,
    /// Deliveries of client sessions that are kept: not to be seen before these records are durable, nor before those
    /// in front of them.
    pub packets: Vec<Guarded>,
    /// Packets that have become void.
    pub records: Vec<Record>,
    /// It has done its portion, and there may be more to do.
    pub unfinished: bool,
}

impl Queue {
    /// Gives ready messages to consumers with credit until one or the other runs out, or a portion is done.
    pub(crate) fn dispatch(
        &mut self,
        wall: u64,
        unsettled_max: usize,
        sessions: &mut ClientSessions,
        events: &mut Vec<(ConnectionId, Event)>,
    ) -> Dispatched {
        let mut dispatched = Dispatched::default();
        let mut looks = LOOKS;
        for _ in 0..GIVEN {
            if self.ready.is_empty() && self.cursor.ahead.is_empty() {
                return dispatched;
            }
            let Some((key, id)) = self.next_pair(unsettled_max, &mut looks) else {
                dispatched.unfinished = looks == 0;
                return dispatched;
            };
            let entry = self.entries.get(&id).expect("ready ids have entries");
            if entry.message.is_expired(wall) {
                self.hold(id);
                dispatched.expired.push(id);
                continue;
            }
            self.give(key, id, sessions, events, &mut dispatched);
        }
        dispatched.unfinished = true;
        dispatched
    }

    /// A consumer joins.
    pub(crate) fn add_consumer(&mut self, key: ConsumerKey, consumer: Consumer) {
        if !consumer.takes_all() {
            self.choosy.insert(key);
        }
        self.consumers.insert(key, consumer);
        self.changed(key);
    }

    /// A consumer leaves.
    pub(crate) fn remove_consumer(&mut self, key: ConsumerKey) -> Option<Consumer> {
        let consumer = self.consumers.remove(&key)?;
        self.choosy.remove(&key);
        self.list(key, consumer.priority, false);
        Some(consumer)
    }

    /// What a consumer would take may have changed.
    pub(crate) fn changed(&mut self, key: ConsumerKey) {
        if let Some(consumer) = self.consumers.get(&key) {
            let (priority, hungry) = (consumer.priority, consumer.is_hungry());
            self.list(key, priority, hungry);
        }
    }

    fn list(&mut self, key: ConsumerKey, priority: i8, hungry: bool) {
        let keys = self.hungry.entry(priority).or_default();
        if hungry {
            keys.insert(key);
        } else {
            keys.remove(&key);
        }
        if keys.is_empty() {
            self.hungry.remove(&priority);
        }
    }

    /// The next consumer in turn that takes something, and what it takes; nothing either if the looks run out.
    fn next_pair(
        &mut self,
        unsettled_max: usize,
        looks: &mut usize,
    ) -> Option<(ConsumerKey, MessageId)> {
        let mut below = None;
        while *looks > 0 {
            let lower = match below {
                None => self.hungry.last_key_value(),
                Some(priority) => self.hungry.range(..priority).next_back(),
            };
            let priority = *lower?.0;
            if let Some(pair) = self.next_of(priority, unsettled_max, looks) {
                return Some(pair);
            }
            below = Some(priority);
        }
        None
    }

    /// The same among the consumers of one priority.
    fn next_of(
        &mut self,
        priority: i8,
        unsettled_max: usize,
        looks: &mut usize,
    ) -> Option<(ConsumerKey, MessageId)> {
        let last = self.last_served;
        let mut at = last;
        let mut round = last.is_none();
        while *looks > 0 {
            let keys = self.hungry.get(&priority)?;
            let after = at.map_or(Bound::Unbounded, Bound::Excluded);
            let Some(&key) = keys.range((after, Bound::Unbounded)).next() else {
                if round {
                    return None;
                }
                (at, round) = (None, true);
                continue;
            };
            if round && last.is_some_and(|last| key > last) {
                return None;
            }
            at = Some(key);
            *looks -= 1;
            let full = self.consumers[&key].unsettled.len() >= unsettled_max;
            if !full && let Some(id) = self.next_for(key, looks) {
                return Some((key, id));
            }
        }
        None
    }

    /// The next message this consumer takes; remembers what it does not take, so that nothing is looked at twice.
    fn next_for(&mut self, key: ConsumerKey, looks: &mut usize) -> Option<MessageId> {
        let consumer = self.consumers.get_mut(&key)?;
        if consumer.takes_all() {
            return self.ready.first();
        }
        for level in (0..10u8).rev() {
            let rank = 9 - level;
            let of_level = (rank, MessageId(0))..=(rank, MessageId(u64::MAX));
            let mut returned = None;
            while let Some(&(_, id)) = consumer.returned.range(of_level.clone()).next() {
                if is_there(&self.entries, id) {
                    returned = Some(id);
                    break;
                }
                consumer.returned.remove(&(rank, id));
            }
            let level = usize::from(level);
            let mut scanned = consumer.scanned[level];
            if returned.is_some_and(|id| id <= scanned) {
                return returned;
            }
            let mut found = None;
            // What was found ahead in pages comes after what has not been looked at.
            let before = returned.unwrap_or(MessageId(u64::MAX));
            let unseen = self.ready.after(level, scanned);
            for id in unseen.take_while(|id| *id < before) {
                let entry = self.entries.get(&id).expect("ready ids have entries");
                if *looks == 0 || consumer.takes(&entry.message, entry.origin, key.0) {
                    found = Some(id);
                    break;
                }
                *looks -= 1;
                scanned = id;
            }
            consumer.scanned[level] = scanned;
            self.scanned_max[level] = self.scanned_max[level].max(scanned);
            if *looks == 0 {
                return None;
            }
            if found.is_some() || returned.is_some() {
                return found.or(returned);
            }
        }
        None
    }

    /// A message has (again) become ready: consumers that have looked past its place, and take it, are told.
    pub(super) fn look_again(&mut self, id: MessageId) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let priority = entry.message.priority.min(9);
        let level = usize::from(priority);
        if id > self.scanned_max[level] {
            return;
        }
        let mut past = Vec::new();
        for key in &self.choosy {
            let scanned = self.consumers.get(key).map(|of| of.scanned[level]);
            if scanned.is_some_and(|scanned| scanned >= id) {
                past.push(*key);
            }
        }
        past.into_iter().for_each(|key| self.offer(key, id));
    }

    /// A consumer that chooses is told of a message it will not come to by looking, if it takes it.
    pub(super) fn offer(&mut self, key: ConsumerKey, id: MessageId) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let Some(consumer) = self.consumers.get_mut(&key) else {
            return;
        };
        if consumer.takes_all() || !consumer.takes(&entry.message, entry.origin, key.0) {
            return;
        }
        let priority = entry.message.priority.min(9);
        consumer.returned.insert((9 - priority, id));
        let there = self.ready.len() + self.cursor.ahead.len();
        if consumer.returned.len() > 64 && consumer.returned.len() > 2 * there {
            let entries = &self.entries;
            consumer.returned.retain(|(_, id)| is_there(entries, *id));
        }
    }
}

fn is_there(entries: &crate::id::MessageMap<super::Entry>, id: MessageId) -> bool {
    let entry = entries.get(&id);
    entry.is_some_and(|entry| matches!(entry.place, Place::Ready | Place::Ahead))
}
