// SPDX-License-Identifier: Apache-2.0
//! What was found in pages for consumers that choose, before reading in order came to it: to everybody else it comes in
//! its turn, so that what one producer sends stays in order.

use std::collections::BTreeMap;

use super::consumer::ConsumerKey;
use super::page_cursor::Place as InPage;
use super::{Place, Queue};
use crate::address::ledger::Ledger;
use crate::id::{MessageId, PageId};
use crate::message::Message;
use crate::storage::record::PagePlace;

/// Messages in memory that reading in order has not come to. Only a consumer that has looked that far for what it chooses
/// may be given one of them.
///
/// *Invariant*: `memory` is the sum over `found`.
#[derive(Debug, Default)]
pub struct Ahead {
    /// With their sizes.
    found: BTreeMap<(PageId, u32), (MessageId, u64)>,
    memory: Ledger,
}

impl Ahead {
    /// What they take in memory, those that are with consumers included.
    pub fn memory(&self) -> Ledger {
        self.memory
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether the message in that place is among them.
    pub(super) fn contains(&self, place: PagePlace) -> bool {
        self.found.contains_key(&(place.page, place.index))
    }

    pub(super) fn insert(&mut self, place: PagePlace, message: &Message) {
        let size = message.size();
        self.found
            .insert((place.page, place.index), (message.id, size));
        self.memory.add(size);
    }

    /// A message has left the memory; it need not be among them.
    pub(super) fn remove(&mut self, place: PagePlace) {
        if let Some((_, size)) = self.found.remove(&(place.page, place.index)) {
            self.memory.subtract(size);
        }
    }

    /// Takes out those before the place.
    fn take_before(&mut self, place: InPage) -> Vec<MessageId> {
        let mut before = Vec::new();
        while let Some(first) = self.found.first_entry()
            && *first.key() < (place.page, place.index)
        {
            let (message, size) = first.remove();
            self.memory.subtract(size);
            before.push(message);
        }
        before
    }

    /// Those from one place on and before another.
    fn between(&self, from: InPage, to: InPage) -> Vec<MessageId> {
        let (from, to) = ((from.page, from.index), (to.page, to.index));
        if self.found.is_empty() || from >= to {
            return Vec::new();
        }
        let found = self.found.range(from..to);
        found.map(|(_, (message, _))| *message).collect()
    }
}

impl Queue {
    /// Reading in order goes on from there: the turn of what was found before that place has come.
    pub(crate) fn read_up_to(&mut self, to: InPage) {
        self.cursor.next = self.cursor.next.max(to);
        for id in self.cursor.ahead.take_before(self.cursor.next) {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if entry.place == Place::Ahead {
                entry.place = Place::Ready;
                self.ready.insert(entry.message.priority, id);
                self.ready_bytes += entry.message.size();
                self.look_again(id);
            }
        }
    }

    /// A consumer that chooses has looked from one place up to another: what is there in memory and ahead is offered to it.
    pub(super) fn offer_between(&mut self, key: ConsumerKey, from: InPage, to: InPage) {
        for id in self.cursor.ahead.between(from, to) {
            self.offer(key, id);
        }
    }

    /// A message that is ahead may be given out: those who have looked past its place and take it are told.
    pub(super) fn offer_ahead(&mut self, id: MessageId, place: PagePlace) {
        let has_passed = |key: &ConsumerKey| {
            let consumer = self.consumers.get(key);
            let searched = consumer.map_or_else(InPage::default, |consumer| consumer.searched);
            (place.page, place.index) < (searched.page, searched.index)
        };
        let keys = self.choosy.iter().copied();
        let keys: Vec<ConsumerKey> = keys.filter(has_passed).collect();
        keys.into_iter().for_each(|key| self.offer(key, id));
    }

    /// Checks the invariants; for the simulator and tests.
    pub(super) fn check_ahead(&self) {
        let next = (self.cursor.next.page, self.cursor.next.index);
        let mut sum = Ledger::default();
        for (id, entry) in &self.entries {
            let place = entry.paged.filter(|it| self.cursor.ahead.contains(*it));
            let Some(place) = place else {
                assert_ne!(entry.place, Place::Ahead, "{}: {id} is not", self.name());
                continue;
            };
            assert_ne!(entry.place, Place::Ready, "{}: {id} is ahead", self.name());
            assert!(
                (place.page, place.index) >= next,
                "{}: the turn of {id} has come",
                self.name()
            );
            sum.add(entry.message.size());
        }
        assert_eq!(sum, self.cursor.ahead.memory, "{}: ahead", self.name());
    }
}
