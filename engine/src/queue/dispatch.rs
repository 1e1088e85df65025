// SPDX-License-Identifier: Apache-2.0
//! Choosing the next consumer and its next message: higher consumer priority first, in turn among equals.

use std::ops::Bound;

use super::consumer::{Consumer, ConsumerKey};
use super::{Place, Queue};
use crate::event::{Delivery, Event};
use crate::id::{ConnectionId, MessageId};

/// What a round of dispatching leaves for the engine.
#[derive(Debug, Default)]
pub struct Dispatched {
    /// Messages found expired on the way; held, to be expired by the engine.
    pub expired: Vec<MessageId>,
}

impl Queue {
    /// Gives ready messages to consumers with credit until one or the other runs out.
    pub(crate) fn dispatch(
        &mut self,
        wall: u64,
        unsettled_max: usize,
        events: &mut Vec<(ConnectionId, Event)>,
    ) -> Dispatched {
        let mut dispatched = Dispatched::default();
        while !self.ready.is_empty() {
            let Some((key, id)) = self.next_pair(unsettled_max) else {
                break;
            };
            let entry = self.entries.get(&id).expect("ready ids have entries");
            if entry.message.is_expired(wall) {
                self.hold(id);
                dispatched.expired.push(id);
                continue;
            }
            events.push((key.0, Event::Deliver(self.deliver(key, id))));
        }
        dispatched
    }

    fn deliver(&mut self, key: ConsumerKey, id: MessageId) -> Delivery {
        let entry = self.entries.get_mut(&id).expect("ready ids have entries");
        entry.place = Place::Delivering;
        self.ready.remove(entry.message.priority, id);
        let consumer = self
            .consumers
            .get_mut(&key)
            .expect("chosen among the consumers");
        let delivery = consumer.give(&entry.message);
        self.last_served = Some(key);
        Delivery {
            consumer: key.1,
            delivery,
            message: entry.message.clone(),
            attempts: entry.attempts,
        }
    }

    /// The next consumer in turn that takes something, and what it takes.
    fn next_pair(&mut self, unsettled_max: usize) -> Option<(ConsumerKey, MessageId)> {
        let hungry =
            |consumer: &Consumer| consumer.is_hungry() && consumer.unsettled.len() < unsettled_max;
        if self.consumers.len() == 1 {
            let (key, consumer) = self.consumers.first_key_value()?;
            let key = *key;
            return if hungry(consumer) {
                self.next_for(key).map(|id| (key, id))
            } else {
                None
            };
        }
        let mut priorities: Vec<i8> = self
            .consumers
            .values()
            .filter(|c| hungry(c))
            .map(|c| c.priority)
            .collect();
        priorities.sort_unstable();
        priorities.dedup();
        for priority in priorities.into_iter().rev() {
            let after = self.last_served.map_or(Bound::Unbounded, Bound::Excluded);
            let until = self
                .last_served
                .map_or(Bound::Excluded(Default::default()), Bound::Included);
            let turn = self
                .consumers
                .range((after, Bound::Unbounded))
                .chain(self.consumers.range((Bound::Unbounded, until)));
            let candidates: Vec<ConsumerKey> = turn
                .filter(|(_, c)| c.priority == priority && hungry(c))
                .map(|(key, _)| *key)
                .collect();
            for key in candidates {
                if let Some(id) = self.next_for(key) {
                    return Some((key, id));
                }
            }
        }
        None
    }

    /// The next message this consumer takes; remembers what it does not take, so that nothing is looked at twice.
    fn next_for(&mut self, key: ConsumerKey) -> Option<MessageId> {
        let consumer = self.consumers.get_mut(&key)?;
        if consumer.takes_all() {
            return self.ready.first();
        }
        for level in (0..10).rev() {
            let mut scanned = consumer.scanned[level];
            let mut found = None;
            for id in self.ready.after(level, scanned) {
                let entry = self.entries.get(&id).expect("ready ids have entries");
                if consumer.takes(&entry.message, entry.origin, key.0) {
                    found = Some(id);
                    break;
                }
                scanned = id;
            }
            consumer.scanned[level] = scanned;
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// A message has (again) become ready: consumers that have looked past its place look again.
    pub(super) fn forget_scan(&mut self, id: MessageId) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let level = usize::from(entry.message.priority.min(9));
        for consumer in self.consumers.values_mut() {
            if consumer.scanned[level] >= id {
                consumer.scanned[level] = MessageId(id.0 - 1);
            }
        }
    }
}
