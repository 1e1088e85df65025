// SPDX-License-Identifier: Apache-2.0
//! Retained messages: the last one of each address that was sent to be kept, given to whoever subscribes later (MQTT 5.0,
//! 3.3.1.3).

mod copies;
mod retain;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) use copies::Copies;

use crate::address::ledger::Ledger;
use crate::address::name::{WildcardSyntax, split_fqqn};
use crate::id::MessageId;
use crate::message::Message;
use crate::routing::wildcard::{AddressTree, Cursor};
use crate::storage::Liveness;
use crate::storage::record::{Key, MessageRecord};

/// The retained messages of all addresses, one each. They are in the log however they were sent.
///
/// *Invariants*: `by_address` names every message of `by_id` by its address; `expiring` those that expire; `memory` is
/// the sum of what they weigh.
#[derive(Debug)]
pub struct Retained {
    by_id: BTreeMap<MessageId, Arc<Message>>,
    by_address: AddressTree<MessageId>,
    expiring: BTreeSet<(u64, MessageId)>,
    memory: Ledger,
}

impl Retained {
    /// None.
    pub fn new(syntax: WildcardSyntax) -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_address: AddressTree::new(syntax),
            expiring: BTreeSet::new(),
            memory: Ledger::default(),
        }
    }

    /// The retained message of an address.
    pub fn of(&self, address: &str) -> Option<&Arc<Message>> {
        self.by_id.get(self.by_address.get(address)?)
    }

    /// The retained message of that number.
    pub fn get(&self, id: MessageId) -> Option<&Arc<Message>> {
        self.by_id.get(&id)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Message>> {
        self.by_id.values()
    }

    /// What they take in memory.
    pub fn memory(&self) -> Ledger {
        self.memory
    }

    /// Adds one in place of an older one of its address, which is returned; an older one than there is is not added.
    pub(crate) fn put(&mut self, message: &Arc<Message>) -> Put {
        let address = split_fqqn(&message.address).0;
        if self.by_id.contains_key(&message.id) {
            return Put::Known;
        }
        if self
            .by_address
            .get(address)
            .is_some_and(|other| *other > message.id)
        {
            return Put::TooOld;
        }
        let before = self.by_address.insert(address, message.id);
        let before = before.and_then(|before| self.unlist(before));
        self.by_id.insert(message.id, message.clone());
        if message.expiration != 0 {
            self.expiring.insert((message.expiration, message.id));
        }
        self.memory.add(crate::address::ledger::weight(message));
        Put::Added(before)
    }

    pub(crate) fn remove(&mut self, id: MessageId) -> Option<Arc<Message>> {
        let message = self.unlist(id)?;
        self.by_address.remove(split_fqqn(&message.address).0);
        Some(message)
    }

    fn unlist(&mut self, id: MessageId) -> Option<Arc<Message>> {
        let message = self.by_id.remove(&id)?;
        self.expiring.remove(&(message.expiration, id));
        self.memory
            .subtract(crate::address::ledger::weight(&message));
        Some(message)
    }

    /// Those whose time is over, at most `limit`.
    pub(crate) fn expired(&self, wall: u64, limit: usize) -> Vec<MessageId> {
        let due = self.expiring.range(..=(wall, MessageId(u64::MAX)));
        due.map(|(_, id)| *id).take(limit).collect()
    }

    /// The next of those whose address matches, see [`AddressTree::search`].
    pub(crate) fn search(
        &self,
        pattern: &str,
        after: Option<&Cursor>,
        looks: usize,
    ) -> (Vec<MessageId>, Option<Cursor>) {
        let mut found = Vec::new();
        let visit = |_: &str, id: &MessageId| found.push(*id);
        let cursor = self.by_address.search(pattern, after, looks, visit);
        (found, cursor)
    }

    /// The record of one.
    pub(crate) fn record(&self, id: MessageId) -> Option<MessageRecord> {
        Some(MessageRecord {
            message: self.by_id.get(&id)?.clone(),
            routes: Default::default(),
        })
    }

    /// Checks the invariants.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check(&self) {
        assert_eq!(self.by_address.len(), self.by_id.len(), "retained: names");
        let mut memory = Ledger::default();
        for (id, message) in &self.by_id {
            let named = self.by_address.get(split_fqqn(&message.address).0);
            assert_eq!(named, Some(id), "retained: {}", message.address);
            memory.add(crate::address::ledger::weight(message));
        }
        let expiring = self
            .by_id
            .values()
            .filter(|message| message.expiration != 0);
        assert_eq!(self.expiring.len(), expiring.count(), "retained: expiring");
        assert_eq!(self.memory, memory, "retained: ledger");
    }
}

/// What became of a message that was to be retained.
#[derive(Debug)]
pub(crate) enum Put {
    /// It is, in place of that one.
    Added(Option<Arc<Message>>),
    /// It was already.
    Known,
    /// A later one is.
    TooOld,
}

/// Records about retained messages.
impl crate::state::State {
    pub(crate) fn apply_retained(&mut self, message: &Arc<Message>, live: &mut Liveness) {
        match self.retained.put(message) {
            Put::Added(before) => {
                self.large.acquire_of(message);
                self.charge_retained(message);
                if let Some(before) = before {
                    self.let_retained_go(&before, live);
                }
            }
            Put::Known => {}
            Put::TooOld => live.dead(Key::Retained(message.id)),
        }
    }

    pub(crate) fn apply_retained_removed(&mut self, id: MessageId, live: &mut Liveness) {
        match self.retained.remove(id) {
            Some(message) => self.let_retained_go(&message, live),
            None => live.dead(Key::Retained(id)),
        }
    }

    fn let_retained_go(&mut self, message: &Arc<Message>, live: &mut Liveness) {
        self.large.release_of(message);
        self.uncharge_retained(message);
        live.dead(Key::Retained(message.id));
    }
}
