// SPDX-License-Identifier: Apache-2.0
//! A consumer, its credit, and what it has been given and not settled.

use std::collections::{BTreeSet, VecDeque};

use super::page_cursor::Place;
use crate::command::{Credit, Deliveries, Settling};
use crate::id::{
    ClientSessionId, ConnectionId, ConsumerId, DeliveryId, MessageId, SessionId, SubscriptionId,
};
use crate::message::Message;
use crate::selector::Selector;

/// A consumer's name in the whole broker.
pub type ConsumerKey = (ConnectionId, ConsumerId);

/// One consumer of one queue.
#[derive(Debug)]
pub struct Consumer {
    /// Its session.
    pub session: SessionId,
    /// Takes only these.
    pub selector: Option<Selector>,
    /// Does not take what its own connection sent.
    pub no_local: bool,
    /// Higher ones are served first.
    pub priority: i8,
    /// What it is still willing to take.
    pub credit: Credit,
    /// Who says what becomes of deliveries.
    pub settling: Settling,
    /// Whose packet ids they have.
    pub client_session: Option<ClientSessionId>,
    /// What the client session remembers of it.
    pub subscription: Option<SubscriptionId>,
    /// Its client takes no more packets for now.
    pub stalled: bool,
    /// Has been told that it is open; before that it is given nothing.
    pub active: bool,
    /// What it has and has not settled.
    pub unsettled: Unsettled,
    /// Per priority level: everything up to this id has been looked at and not taken, or is in `returned`.
    pub(crate) scanned: [MessageId; 10],
    /// How far it has looked in pages for what it takes.
    pub(crate) searched: Place,
    /// What it takes and has looked past, because it was not there then: by nine minus its priority, and id. Some may
    /// have gone again.
    pub(crate) returned: BTreeSet<(u8, MessageId)>,
}

impl Consumer {
    /// A consumer that has seen nothing.
    pub fn new(
        session: SessionId,
        selector: Option<Selector>,
        no_local: bool,
        priority: i8,
        credit: Credit,
    ) -> Self {
        Self {
            session,
            selector,
            no_local,
            priority,
            credit,
            settling: Settling::ByDelivery,
            client_session: None,
            subscription: None,
            stalled: false,
            active: false,
            unsettled: Unsettled::default(),
            scanned: Default::default(),
            returned: BTreeSet::new(),
            searched: Place::default(),
        }
    }

    /// Whether it would take something now.
    pub fn is_hungry(&self) -> bool {
        self.active && !self.stalled && self.credit.messages > 0 && self.credit.bytes > 0
    }

    /// Whether it takes everything, so that the head of the queue is always its next.
    pub fn takes_all(&self) -> bool {
        self.selector.is_none() && !self.no_local
    }

    /// Whether it takes this message, sent by `origin`, when the consumer's connection is `connection`.
    pub fn takes(&self, message: &Message, origin: ConnectionId, connection: ConnectionId) -> bool {
        !(self.no_local && origin == connection)
            && self.selector.as_ref().is_none_or(|s| s.matches(message))
    }

    /// Adds credit; unlimited stays unlimited.
    pub fn add_credit(&mut self, credit: Credit) {
        self.credit.messages = add(self.credit.messages, credit.messages);
        self.credit.bytes = add(self.credit.bytes, credit.bytes);
    }

    /// Takes the credit for one message.
    pub(crate) fn charge(&mut self, message: &Message) {
        if self.credit.messages != Credit::UNLIMITED {
            self.credit.messages -= 1;
        }
        if self.credit.bytes != Credit::UNLIMITED {
            self.credit.bytes -= i64::try_from(message.whole_size()).unwrap_or(i64::MAX / 2);
        }
    }
}

fn add(have: i64, more: i64) -> i64 {
    if have == Credit::UNLIMITED || more == Credit::UNLIMITED {
        Credit::UNLIMITED
    } else {
        have.saturating_add(more)
    }
}

/// Deliveries without an outcome, by delivery id.
///
/// *Invariants*: ids count up by one from 1 and rise along `slots`; the front is open; `open` slots are, at least half of
/// a long list: a delivery that is never settled keeps itself in memory and nothing else.
#[derive(Debug, Default)]
pub struct Unsettled {
    last: u64,
    slots: VecDeque<(DeliveryId, Option<MessageId>)>,
    open: usize,
}

impl Unsettled {
    /// From this length on settled slots in the middle are cleared out.
    const LONG: usize = 64;

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// How many places they take.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// One more.
    pub(super) fn push(&mut self, message: MessageId) -> DeliveryId {
        self.last += 1;
        self.slots.push_back((DeliveryId(self.last), Some(message)));
        self.open += 1;
        DeliveryId(self.last)
    }

    /// Takes out the chosen deliveries, oldest first; empty if there is none of them.
    pub fn settle(&mut self, deliveries: Deliveries) -> Vec<MessageId> {
        let settled: Vec<MessageId> = match deliveries {
            Deliveries::One(id) => {
                let at = self.slots.partition_point(|(delivery, _)| *delivery < id);
                let slot = self
                    .slots
                    .get_mut(at)
                    .filter(|(delivery, _)| *delivery == id);
                slot.and_then(|(_, message)| message.take())
                    .into_iter()
                    .collect()
            }
            Deliveries::UpTo(id) => {
                let end = self.slots.partition_point(|(delivery, _)| *delivery <= id);
                self.slots
                    .drain(..end)
                    .filter_map(|(_, message)| message)
                    .collect()
            }
        };
        self.open -= settled.len();
        while let Some((_, None)) = self.slots.front() {
            self.slots.pop_front();
        }
        if self.slots.len() > Self::LONG && self.slots.len() > 2 * self.open {
            self.slots.retain(|(_, message)| message.is_some());
        }
        settled
    }

    /// Takes out everything, oldest first.
    pub fn drain(&mut self) -> Vec<MessageId> {
        self.settle(Deliveries::UpTo(DeliveryId(self.last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settling_one_leaves_a_gap_and_up_to_closes_it() {
        let mut unsettled = Unsettled::default();
        let ids: Vec<_> = (10..15).map(|n| unsettled.push(MessageId(n))).collect();
        assert_eq!(ids, (1..6).map(DeliveryId).collect::<Vec<_>>());
        assert_eq!(
            unsettled.settle(Deliveries::One(DeliveryId(2))),
            [MessageId(11)]
        );
        assert_eq!(unsettled.settle(Deliveries::One(DeliveryId(2))), []);
        assert_eq!(
            unsettled.settle(Deliveries::UpTo(DeliveryId(3))),
            [MessageId(10), MessageId(12)]
        );
        assert_eq!(
            unsettled.settle(Deliveries::UpTo(DeliveryId(99))),
            [MessageId(13), MessageId(14)]
        );
        assert_eq!(unsettled.settle(Deliveries::One(DeliveryId(0))), []);
        assert_eq!(unsettled.push(MessageId(20)), DeliveryId(6));
        assert_eq!(unsettled.drain(), [MessageId(20)]);
        assert!(unsettled.is_empty());
    }
}
