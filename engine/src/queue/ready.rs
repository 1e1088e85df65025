// SPDX-License-Identifier: Apache-2.0
//! What may be delivered next: ten priority levels, oldest first inside each.

use std::collections::VecDeque;

use crate::id::MessageId;

/// The ids of the messages ready for delivery.
///
/// *Invariants*: each level ascends, so that a message given back returns to its old place; an id is in at most one
/// level, once.
#[derive(Debug, Default)]
pub struct Ready {
    levels: [VecDeque<MessageId>; 10],
    len: usize,
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

    /// Puts a message at its place; almost always the end of its level, or (given back) its front.
    pub fn insert(&mut self, priority: u8, id: MessageId) {
        let level = &mut self.levels[usize::from(priority.min(9))];
        if level.back().is_none_or(|last| *last < id) {
            level.push_back(id);
        } else if level.front().is_some_and(|first| *first > id) {
            level.push_front(id);
        } else {
            match level.binary_search(&id) {
                Ok(_) => panic!("message {id} is ready twice"),
                Err(place) => level.insert(place, id),
            }
        }
        self.len += 1;
    }

    /// Takes a message out; whether it was there.
    pub fn remove(&mut self, priority: u8, id: MessageId) -> bool {
        let level = &mut self.levels[usize::from(priority.min(9))];
        let found = if level.front() == Some(&id) {
            level.pop_front().is_some()
        } else {
            level
                .binary_search(&id)
                .is_ok_and(|place| level.remove(place).is_some())
        };
        self.len -= usize::from(found);
        found
    }

    /// The next message: the oldest of the highest level.
    pub fn first(&self) -> Option<MessageId> {
        self.levels
            .iter()
            .rev()
            .find_map(|level| level.front().copied())
    }

    /// Ids of one level above `after`, ascending.
    pub fn after(&self, priority: usize, after: MessageId) -> impl Iterator<Item = MessageId> + '_ {
        let level = &self.levels[priority];
        let start = if level.front().is_none_or(|first| *first > after) {
            0
        } else {
            level.partition_point(|id| *id <= after)
        };
        level.range(start..).copied()
    }

    /// Every id, highest level first.
    pub fn iter(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.levels.iter().rev().flatten().copied()
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
}
