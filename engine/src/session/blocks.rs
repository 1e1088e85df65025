// SPDX-License-Identifier: Apache-2.0
//! Which connections' producers wait, and for what.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Block, Event};
use crate::id::ConnectionId;

/// The reasons that hold producers back, each with the connections it holds.
///
/// A connection is told when its first reason begins and when its last one ends, and of nothing in between: reasons
/// overlap (a full disk and two full addresses), and a protocol that counted them would have to know them.
///
/// *Invariants*: `reasons` of a connection is the number of reasons that hold it; never 0.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    held: BTreeMap<Block, BTreeSet<ConnectionId>>,
    reasons: BTreeMap<ConnectionId, usize>,
}

impl Blocks {
    /// The reason now holds this connection. What it is told: nothing if another reason holds it already.
    pub fn begin(&mut self, client: ConnectionId, block: Block) -> Option<(ConnectionId, Event)> {
        if !self.held.entry(block.clone()).or_default().insert(client) {
            return None;
        }
        let reasons = self.reasons.entry(client).or_default();
        *reasons += 1;
        (*reasons == 1).then_some((client, Event::Blocked(block)))
    }

    /// The reason is gone for everybody. What connections are told: nothing if another reason still holds them.
    pub fn end(&mut self, block: &Block) -> Vec<(ConnectionId, Event)> {
        let clients = self.held.remove(block).unwrap_or_default();
        let free = clients.into_iter().filter(|client| self.one_less(*client));
        free.map(|client| (client, Event::Unblocked)).collect()
    }

    fn one_less(&mut self, client: ConnectionId) -> bool {
        let Some(reasons) = self.reasons.get_mut(&client) else {
            return false;
        };
        *reasons -= 1;
        let free = *reasons == 0;
        if free {
            self.reasons.remove(&client);
        }
        free
    }

    /// The connection is gone. A reason stays until it ends, even if it holds nobody: it has been said to the log.
    pub fn forget(&mut self, client: ConnectionId) {
        if self.reasons.remove(&client).is_none() {
            return;
        }
        for clients in self.held.values_mut() {
            clients.remove(&client);
        }
    }

    #[cfg(test)]
    /// Whether the reason has begun for anybody and not ended.
    pub fn has_begun(&self, block: &Block) -> bool {
        self.held.contains_key(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u64) -> ConnectionId {
        ConnectionId(number)
    }

    fn full(address: &str) -> Block {
        Block::AddressFull(address.into())
    }

    fn told(events: impl IntoIterator<Item = (ConnectionId, Event)>) -> Vec<String> {
        let text = |(client, event): (ConnectionId, Event)| match event {
            Event::Blocked(Block::DiskFull) => format!("{} waits for the disk", client.0),
            Event::Blocked(Block::AddressFull(address)) => {
                format!("{} waits for {address}", client.0)
            }
            Event::Unblocked => format!("{} goes on", client.0),
            _ => unreachable!("blocks say nothing else"),
        };
        events.into_iter().map(text).collect()
    }

    #[test]
    fn of_several_reasons_the_first_is_said_and_the_end_of_the_last() {
        let mut blocks = Blocks::default();
        assert_eq!(told(blocks.begin(client(1), full("a"))), ["1 waits for a"]);
        assert_eq!(told(blocks.begin(client(1), Block::DiskFull)), [""; 0]);
        assert_eq!(told(blocks.begin(client(1), full("b"))), [""; 0]);
        assert_eq!(told(blocks.begin(client(1), full("b"))), [""; 0]);
        assert_eq!(
            told(blocks.begin(client(2), Block::DiskFull)),
            ["2 waits for the disk"]
        );
        assert_eq!(told(blocks.end(&full("a"))), [""; 0]);
        assert_eq!(told(blocks.end(&Block::DiskFull)), ["2 goes on"]);
        assert_eq!(told(blocks.end(&full("b"))), ["1 goes on"]);
        assert!(blocks.held.is_empty() && blocks.reasons.is_empty());
    }

    #[test]
    fn one_address_makes_room_and_those_of_another_go_on_waiting() {
        let mut blocks = Blocks::default();
        for (number, address) in [(1, "a"), (2, "b"), (3, "a")] {
            let told = blocks.begin(client(number), full(address));
            assert!(told.is_some(), "{number}");
        }
        assert_eq!(told(blocks.end(&full("a"))), ["1 goes on", "3 goes on"]);
        assert_eq!(told(blocks.end(&full("a"))), [""; 0]);
    }

    #[test]
    fn a_connection_that_is_gone_is_told_nothing_and_the_reason_stays() {
        let mut blocks = Blocks::default();
        blocks.begin(client(1), full("a"));
        blocks.forget(client(1));
        assert!(blocks.has_begun(&full("a")));
        assert_eq!(told(blocks.end(&full("a"))), [""; 0]);
        assert!(!blocks.has_begun(&full("a")) && blocks.reasons.is_empty());
    }
}
