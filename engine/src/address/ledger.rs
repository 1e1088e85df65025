// SPDX-License-Identifier: Apache-2.0
//! What the messages in memory weigh, by address and in total.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::{AddressId, MessageId, QueueId};
use crate::message::Message;
use crate::queue::{Entry, Queue};
use crate::state::State;

/// Messages in memory, and what they take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// How many messages.
    pub messages: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Ledger {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }

    pub(crate) fn subtract(&mut self, bytes: u64) {
        self.messages -= 1;
        self.bytes -= bytes;
    }
}

/// What a message in memory takes beside its own bytes: its envelope, its entry on a queue, in the index of the log and
/// in the index of the journal, as measured (README, "Figures").
const OVERHEAD: u64 = 352;

/// What a message is charged with, in bytes.
pub(crate) fn weight(message: &Message) -> u64 {
    message.size() + OVERHEAD
}

/// A message is charged to the address of the queue it is on, once however many queues of that address hold it.
/// Nothing is charged before [`State::recount`]: while the log is read, queues come before their addresses.
impl State {
    /// What all messages in memory take.
    pub fn memory(&self) -> Ledger {
        self.memory
    }

    /// A message comes to a queue, held.
    pub(crate) fn put_on(
        &mut self,
        queue: QueueId,
        message: &Arc<Message>,
        attempts: u32,
        scheduled: u64,
    ) {
        let Some(on) = self.queues.get_mut(queue) else {
            return;
        };
        let new = on.entry(message.id).is_none();
        if new {
            self.large.acquire_of(message);
        }
        on.put(message.clone(), attempts, scheduled);
        let address = on.address_id();
        if new && self.counting {
            self.charge(address, queue, message);
        }
    }

    /// A message leaves a queue's memory.
    pub(crate) fn take_off(&mut self, queue: QueueId, message: MessageId) -> Option<Entry> {
        let on = self.queues.get_mut(queue)?;
        let address = on.address_id();
        let entry = on.take(message)?;
        self.large.release_of(&entry.message);
        self.uncharge(address, message, &entry);
        Some(entry)
    }

    fn charge(&mut self, id: AddressId, queue: QueueId, message: &Arc<Message>) {
        let Some(address) = self.addresses.get_mut(id) else {
            return;
        };
        let shared = address.queues.len() > 1;
        if shared {
            let holders = address.holders.entry(message.id).or_default();
            *holders += 1;
            if *holders > 1 {
                self.share(queue, message.id);
                return;
            }
        }
        address.memory.add(weight(message));
        self.memory.add(weight(message));
        if shared {
            self.share(queue, message.id);
        }
    }

    /// A retained message is charged to all addresses together and not to its own: what an address may hold is for what
    /// waits there, and its policy could do nothing against what stays.
    pub(crate) fn charge_retained(&mut self, message: &Message) {
        if self.counting {
            self.memory.add(weight(message));
        }
    }

    pub(crate) fn uncharge_retained(&mut self, message: &Message) {
        if self.counting {
            self.memory.subtract(weight(message));
        }
    }

    fn share(&mut self, queue: QueueId, message: MessageId) {
        let entry = self.queues.get_mut(queue);
        if let Some(entry) = entry.and_then(|queue| queue.entry_mut(message)) {
            entry.shared = true;
        }
    }

    pub(crate) fn uncharge(&mut self, id: AddressId, message: MessageId, entry: &Entry) {
        if !self.counting {
            return;
        }
        let Some(address) = self.addresses.get_mut(id) else {
            return;
        };
        if entry.shared {
            let Some(holders) = address.holders.get_mut(&message) else {
                return;
            };
            *holders -= 1;
            if *holders > 0 {
                return;
            }
            address.holders.remove(&message);
        }
        address.memory.subtract(weight(&entry.message));
        self.memory.subtract(weight(&entry.message));
    }

    /// Counts everything anew and keeps count from then on.
    pub(crate) fn recount(&mut self) {
        self.counting = true;
        self.memory = self.retained.memory();
        let entries = |queue: &Queue| {
            let ids = queue.entries().map(|(_, entry)| entry.message.clone());
            (queue.address_id(), queue.id(), ids.collect::<Vec<_>>())
        };
        let all: Vec<_> = self.queues.iter().map(entries).collect();
        for (address, queue, messages) in all {
            for message in messages {
                self.charge(address, queue, &message);
            }
        }
    }

    /// What the ledgers should say.
    ///
    /// # Panics
    /// If they say something else.
    pub(crate) fn check_ledgers(&self) {
        if !self.counting {
            return;
        }
        let mut total = self.retained.memory();
        for address in self.addresses.iter() {
            let mut held: BTreeMap<MessageId, Vec<&Entry>> = BTreeMap::new();
            let queues = address.queues.iter().filter_map(|id| self.queues.get(*id));
            for (id, entry) in queues.flat_map(|queue| queue.entries()) {
                held.entry(id).or_default().push(entry);
            }
            let mut ledger = Ledger::default();
            for entries in held.values() {
                let alone = entries.iter().filter(|entry| !entry.shared).count();
                let together = usize::from(alone < entries.len());
                (0..alone + together).for_each(|_| ledger.add(weight(&entries[0].message)));
            }
            assert_eq!(ledger, address.memory, "{}: ledger", address.record.name);
            total.messages += ledger.messages;
            total.bytes += ledger.bytes;
        }
        assert_eq!(total, self.memory, "the ledger of all addresses");
    }
}
