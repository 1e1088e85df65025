// SPDX-License-Identifier: Apache-2.0
//! What may be delivered next: ten priority levels, oldest first inside each.

use std::collections::{BTreeSet, VecDeque};

use crate::id::MessageId;

/// The ids of the messages ready for delivery.
///
/// *Invariants*: an id is in at most one level, once; `len` counts what is in all of them.
#[derive(Debug, Default)]
pub struct Ready {
    levels: [Level; 10],
    len: usize,
}

/// One priority level. What comes in order stands in a line; what comes back to a place before its end, in a tree, so
/// that neither a consumer that picks from the middle nor a client that gives back many has the line moved.
///
/// *Invariants*: `fresh` ascends and begins with an id that is there; `gone` of its ids are not, at most half of a long
/// one; no id is in both.
#[derive(Debug, Default)]
struct Level {
    fresh: VecDeque<Slot>,
    gone: usize,
    returned: BTreeSet<MessageId>,
}

/// A place in the line: an id, and whether it has been taken out of the middle. Ids stay below 2^63, because clients see
/// them as signed numbers.
#[derive(Clone, Copy, Debug)]
struct Slot(u64);

impl Slot {
    const GONE: u64 = 1 << 63;

    fn id(self) -> MessageId {
        MessageId(self.0 & !Self::GONE)
    }

    fn is_there(self) -> bool {
        self.0 & Self::GONE == 0
    }
}

impl Level {
    /// From this length on places that are empty are cleared out.
    const LONG: usize = 64;

    fn place(&self, id: MessageId) -> Option<usize> {
        let place = self
            .fresh
            .binary_search_by_key(&id, |slot| slot.id())
            .ok()?;
        self.fresh[place].is_there().then_some(place)
    }

    fn insert(&mut self, id: MessageId) {
        if self.fresh.back().is_none_or(|last| last.id() < id) {
            self.fresh.push_back(Slot(id.0));
            return;
        }
        let known = self.place(id).is_some() || !self.returned.insert(id);
        assert!(!known, "message {id} is ready twice");
    }

    fn remove(&mut self, id: MessageId) -> bool {
        if self.fresh.front().is_some_and(|first| first.id() == id) {
            self.fresh.pop_front();
        } else if let Some(place) = self.place(id) {
            self.fresh[place].0 |= Slot::GONE;
            self.gone += 1;
        } else {
            return self.returned.remove(&id);
        }
        while self.fresh.front().is_some_and(|first| !first.is_there()) {
            self.fresh.pop_front();
            self.gone -= 1;
        }
        if self.fresh.len() > Self::LONG && self.gone > self.fresh.len() / 2 {
            self.fresh.retain(|slot| slot.is_there());
            self.gone = 0;
        }
        true
    }

    fn first(&self) -> Option<MessageId> {
        let fresh = self.fresh.front().map(|slot| slot.id());
        let returned = self.returned.first().copied();
        fresh.into_iter().chain(returned).min()
    }

    fn after(&self, after: MessageId) -> impl Iterator<Item = MessageId> + '_ {
        let start = if self.fresh.front().is_none_or(|first| first.id() > after) {
            0
        } else {
            self.fresh.partition_point(|slot| slot.id() <= after)
        };
        let fresh = self.fresh.range(start..).filter(|slot| slot.is_there());
        let mut fresh = fresh.map(|slot| slot.id()).peekable();
        let from = MessageId(after.0.saturating_add(1));
        let mut returned = self.returned.range(from..).copied().peekable();
        std::iter::from_fn(move || match (fresh.peek(), returned.peek()) {
            (Some(one), Some(other)) if other < one => returned.next(),
            (Some(_), _) => fresh.next(),
            (None, _) => returned.next(),
        })
    }
}

impl Ready {
    /// How many messages are ready.
    pub fn len(&self) -> usize {
        self.len
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a message at its place; almost always the end of its level.
    ///
    /// # Panics
    /// If it is there already.
    pub fn insert(&mut self, priority: u8, id: MessageId) {
        self.levels[usize::from(priority.min(9))].insert(id);
        self.len += 1;
    }

    /// Takes a message out; whether it was there.
    pub fn remove(&mut self, priority: u8, id: MessageId) -> bool {
        let found = self.levels[usize::from(priority.min(9))].remove(id);
        self.len -= usize::from(found);
        found
    }

    /// The next message: the oldest of the highest level.
    pub fn first(&self) -> Option<MessageId> {
        self.levels.iter().rev().find_map(Level::first)
    }

    /// Ids of one level above `after`, ascending.
    pub fn after(&self, priority: usize, after: MessageId) -> impl Iterator<Item = MessageId> + '_ {
        self.levels[priority].after(after)
    }

    /// Every id, highest level first.
    pub fn iter(&self) -> impl Iterator<Item = MessageId> + '_ {
        let levels = self.levels.iter().rev();
        levels.flat_map(|level| level.after(MessageId(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_priority_first_then_oldest_and_given_back_at_its_place() {
        let mut ready = Ready::default();
        for (priority, id) in [(4, 1), (9, 2), (4, 3), (4, 5)] {
            ready.insert(priority, MessageId(id));
        }
        assert!(ready.remove(4, MessageId(3)));
        assert!(!ready.remove(4, MessageId(3)));
        ready.insert(4, MessageId(3));
        let order: Vec<u64> = ready.iter().map(|id| id.0).collect();
        assert_eq!(order, [2, 1, 3, 5]);
        assert_eq!(
            ready
                .after(4, MessageId(1))
                .map(|id| id.0)
                .collect::<Vec<_>>(),
            [3, 5]
        );
        assert_eq!((ready.len(), ready.first()), (4, Some(MessageId(2))));
    }

    #[test]
    fn what_is_taken_from_the_middle_and_given_back_in_any_order_is_found_in_order() {
        let mut ready = Ready::default();
        let mut expected = BTreeSet::new();
        for id in 1..=1_000 {
            ready.insert(4, MessageId(id));
            expected.insert(MessageId(id));
        }
        let mut random = crate::random::Random::new(3);
        for step in 0..20_000 {
            let id = MessageId(random.number() % 1_000 + 1);
            if expected.remove(&id) {
                assert!(ready.remove(4, id));
            } else {
                assert!(!ready.remove(4, id));
                ready.insert(4, id);
                expected.insert(id);
            }
            assert_eq!(ready.first(), expected.first().copied(), "step {step}");
            assert_eq!(ready.len(), expected.len());
            let after = ready.after(4, id).next();
            assert_eq!(after, expected.range(MessageId(id.0 + 1)..).next().copied());
        }
        assert!(ready.iter().eq(expected.iter().copied()));
        assert!(ready.levels[4].fresh.len() <= 2 * expected.len() + Level::LONG);
    }
}
