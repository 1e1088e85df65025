// SPDX-License-Identifier: Apache-2.0
//! Who sent the messages of a page, as far as anybody may ask.

use std::collections::BTreeMap;

use crate::id::ConnectionId;

/// The connections that sent the messages of a page, so that a consumer that does not want what its own connection sends
/// (`no-local`) is not given it when it comes back from there.
///
/// Kept for connections that have such a consumer only. Nothing of it is in the log: the connections of an earlier run
/// are gone.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// From this message on, up to the next one named, they came from there; 0: from somewhere else.
    runs: BTreeMap<u32, ConnectionId>,
}

impl Origins {
    /// So many changes from one sender to another are remembered; who is further on counts as somebody else.
    const RUNS: usize = 4_096;

    /// The message came from there.
    pub fn set(&mut self, index: u32, origin: ConnectionId) {
        let before = self.of(index);
        if before == origin || self.runs.len() + 2 > Self::RUNS {
            return;
        }
        self.runs.insert(index, origin);
        self.runs.entry(index + 1).or_insert(before);
    }

    /// Who sent the message; 0: not known.
    pub fn of(&self, index: u32) -> ConnectionId {
        let run = self.runs.range(..=index).next_back();
        run.map_or_else(ConnectionId::default, |(_, origin)| *origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_sender_in_whatever_order_they_come() {
        let senders = [0, 7, 7, 8, 0, 7, 7, 7, 9, 8];
        let orders = [
            (0..10).collect::<Vec<u32>>(),
            (0..10).rev().collect(),
            vec![3, 8, 1, 9, 2, 0, 6, 5, 4, 7],
        ];
        for order in orders {
            let mut origins = Origins::default();
            for index in order {
                origins.set(index, ConnectionId(senders[index as usize]));
            }
            let known = (0..10).map(|index| origins.of(index).0);
            assert!(known.eq(senders), "{origins:?}");
            assert_eq!(origins.of(10).0, 0);
        }
    }

    #[test]
    fn senders_that_take_turns_are_remembered_up_to_a_bound() {
        let mut origins = Origins::default();
        for index in 0..100_000 {
            origins.set(index, ConnectionId(u64::from(index % 2) + 1));
        }
        assert!(origins.runs.len() <= Origins::RUNS);
        assert_eq!((origins.of(0).0, origins.of(1).0), (1, 2));
        assert_eq!(origins.of(99_999).0, 0);
    }
}
