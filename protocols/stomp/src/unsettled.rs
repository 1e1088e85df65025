// SPDX-License-Identifier: Apache-2.0
//! What a subscription has been sent and has not yet answered for.

use std::collections::VecDeque;

use hind_engine::id::{DeliveryId, MessageId};
use rustc_hash::FxHashMap;

/// Unsettled deliveries of one consumer, in the order they were sent.
///
/// *Invariants*: delivery ids rise along `slots`; `by_message` holds exactly the open slots; at most half of a long list
/// is settled slots.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    slots: VecDeque<Slot>,
    by_message: FxHashMap<MessageId, DeliveryId>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    delivery: DeliveryId,
    message: MessageId,
    bytes: u64,
    open: bool,
}

/// What was settled at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Settled {
    /// Deliveries.
    pub messages: u64,
    /// Their size, as the engine counts credit.
    pub bytes: u64,
}

impl Unsettled {
    /// From this length on settled slots in the middle are cleared out.
    const LONG: usize = 64;

    /// A delivery is on its way to the client.
    pub fn sent(&mut self, delivery: DeliveryId, message: MessageId, bytes: u64) {
        self.by_message.insert(message, delivery);
        self.slots.push_back(Slot {
            delivery,
            message,
            bytes,
            open: true,
        });
    }

    /// The delivery of that message, if the client has not answered for it.
    pub fn delivery(&self, message: MessageId) -> Option<DeliveryId> {
        match self.slots.front() {
            Some(slot) if slot.open && slot.message == message => Some(slot.delivery),
            _ => self.by_message.get(&message).copied(),
        }
    }

    /// The client has answered for this one.
    pub fn settle(&mut self, delivery: DeliveryId) -> Settled {
        let mut settled = Settled::default();
        let at = self.slots.partition_point(|slot| slot.delivery < delivery);
        if let Some(slot) = self.slots.get_mut(at)
            && slot.delivery == delivery
        {
            close(slot, &mut self.by_message, &mut settled);
        }
        while self.slots.front().is_some_and(|slot| !slot.open) {
            self.slots.pop_front();
        }
        if self.slots.len() > Self::LONG && self.slots.len() > 2 * self.by_message.len() {
            self.slots.retain(|slot| slot.open);
        }
        settled
    }

    /// The client has answered for this one and all before it.
    pub fn settle_up_to(&mut self, delivery: DeliveryId) -> Settled {
        let mut settled = Settled::default();
        while let Some(slot) = self.slots.front_mut()
            && slot.delivery <= delivery
        {
            close(slot, &mut self.by_message, &mut settled);
            self.slots.pop_front();
        }
        settled
    }
}

fn close(
    slot: &mut Slot,
    by_message: &mut FxHashMap<MessageId, DeliveryId>,
    settled: &mut Settled,
) {
    if slot.open {
        slot.open = false;
        by_message.remove(&slot.message);
        settled.messages += 1;
        settled.bytes += slot.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(count: u64) -> Unsettled {
        let mut unsettled = Unsettled::default();
        for n in 1..=count {
            unsettled.sent(DeliveryId(n), MessageId(100 + n), 10);
        }
        unsettled
    }

    #[test]
    fn settling_one_leaves_those_before_it() {
        let mut unsettled = with(3);
        assert_eq!(
            unsettled.settle(DeliveryId(2)),
            Settled {
                messages: 1,
                bytes: 10
            }
        );
        assert_eq!(unsettled.settle(DeliveryId(2)), Settled::default());
        assert_eq!(unsettled.delivery(MessageId(102)), None);
        assert_eq!(unsettled.delivery(MessageId(101)), Some(DeliveryId(1)));
        assert_eq!(
            unsettled.settle_up_to(DeliveryId(3)),
            Settled {
                messages: 2,
                bytes: 20
            }
        );
    }

    #[test]
    fn a_first_message_never_answered_for_does_not_keep_the_others_in_memory() {
        let mut unsettled = Unsettled::default();
        unsettled.sent(DeliveryId(1), MessageId(1), 1);
        for n in 2..100_000 {
            unsettled.sent(DeliveryId(n), MessageId(n), 1);
            unsettled.settle(DeliveryId(n));
            assert!(unsettled.slots.len() <= Unsettled::LONG + 1);
        }
        assert_eq!(unsettled.delivery(MessageId(1)), Some(DeliveryId(1)));
    }
}
