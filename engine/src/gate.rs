// SPDX-License-Identifier: Apache-2.0
//! What stays invisible until its position is durable: journal group commit and client acknowledgement in one place.

use std::collections::VecDeque;

use crate::event::Event;
use crate::id::{ConnectionId, LargeId, MessageId, QueueId};
use crate::queue::consumer::ConsumerKey;
use crate::storage::Position;
use crate::storage::record::PagePlace;

/// Something that has happened but may not be seen yet.
#[derive(Clone, Debug)]
pub enum Held {
    /// An answer for a client.
    Reply(ConnectionId, Event),
    /// A message that may be delivered from then on.
    Enqueue(QueueId, MessageId),
    /// A message of a page, which may be seen from then on.
    Paged(PagePlace),
    /// A consumer that may be given messages from then on.
    Consumer(ConsumerKey, QueueId),
    /// The body of a large message, which may be deleted from then on.
    LargeMessage(LargeId),
}

/// Holds what depends on a position until that position is durable, in the order it was held.
///
/// *Invariants*: `durable` never falls; positions in `held` never fall from front to back, and all lie above `durable`.
#[derive(Debug, Default)]
pub struct Gate {
    durable: Position,
    held: VecDeque<(Position, Held)>,
    shut: bool,
}

impl Gate {
    /// Up to where everything may be seen.
    pub fn durable(&self) -> Position {
        self.durable
    }

    /// How many things wait.
    pub fn waiting(&self) -> usize {
        self.held.len()
    }

    /// Whether something that depends on `position` may be seen now. Things held earlier keep their place before it.
    pub fn is_open(&self, position: Position) -> bool {
        !self.shut && position <= self.durable
    }

    /// Holds `what` until `position` is durable, and behind everything held before it. Returns the position it then
    /// waits for: whatever has to come after it has to wait for that as well.
    pub fn hold(&mut self, position: Position, what: Held) -> Position {
        debug_assert!(!self.is_open(position), "what may be seen is not held");
        let position = self
            .held
            .back()
            .map_or(position, |(last, _)| position.max(*last));
        self.held.push_back((position, what));
        position
    }

    /// Everything up to `durable` may be seen. Call [`Gate::release`] until it gives nothing.
    pub fn open_to(&mut self, durable: Position) {
        assert!(durable >= self.durable, "durability never falls");
        self.durable = durable;
    }

    /// The next thing that has become visible.
    pub fn release(&mut self) -> Option<Held> {
        if self.shut || self.held.front()?.0 > self.durable {
            return None;
        }
        self.held.pop_front().map(|(_, held)| held)
    }

    /// The disk failed: nothing held is ever seen.
    pub fn shut_for_ever(&mut self) {
        self.shut = true;
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ticket;

    fn reply(n: u64) -> Held {
        Held::Reply(ConnectionId(1), Event::Done(Ticket(n)))
    }

    #[test]
    fn nothing_is_seen_before_its_position_is_durable_and_order_is_kept() {
        let mut gate = Gate::default();
        gate.hold(Position(2), reply(1));
        gate.hold(Position(1), reply(2)); // of another session, behind the first
        gate.open_to(Position(1));
        assert!(gate.release().is_none());
        gate.open_to(Position(2));
        for expected in [1, 2] {
            match gate.release() {
                Some(Held::Reply(_, Event::Done(Ticket(n)))) => assert_eq!(n, expected),
                other => panic!("{other:?}"),
            }
        }
        assert!(gate.release().is_none());
    }

    #[test]
    fn a_failed_disk_shuts_it_for_ever() {
        let mut gate = Gate::default();
        gate.hold(Position(1), reply(1));
        gate.shut_for_ever();
        gate.open_to(Position(9));
        assert!(gate.release().is_none());
        assert!(!gate.is_open(Position(0)));
    }
}
