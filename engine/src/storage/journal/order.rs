// SPDX-License-Identifier: Apache-2.0
//! The order in which recovery hands records out. FORMAT.md, "What a reader of the log has to bear".
//!
//! Cleaning writes the record of an old queue again, behind younger messages that are on it. So that whoever folds the
//! log never meets a message on a queue that it does not know, such messages wait here until the queue's record has
//! been read; what is said of them meanwhile is folded into them.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::super::Position;
use super::super::record::{DuplicateIdRecord, Key, MessageRecord, QueueRecord, Record, Route};
use super::liveness::Liveness;
use super::replay::Visitor;
use crate::id::{AddressId, MessageId, QueueId};

/// Holds records back until what they are on has been handed out.
///
/// *Invariants*: a message waits exactly if one of its queues is not known, a queue if its address is not; every waiting
/// message is listed under each of its queues.
#[derive(Debug, Default)]
pub(super) struct Order {
    addresses: FxHashSet<AddressId>,
    names: BTreeSet<Arc<str>>,
    queues: FxHashSet<QueueId>,
    waiting: Waiting,
}

#[derive(Debug, Default)]
struct Waiting {
    queues: BTreeMap<AddressId, BTreeMap<QueueId, (Position, QueueRecord)>>,
    duplicate_ids: BTreeMap<Arc<str>, Vec<(Position, DuplicateIdRecord)>>,
    messages: BTreeMap<MessageId, (Position, MessageRecord)>,
    messages_of: BTreeMap<QueueId, BTreeSet<MessageId>>,
}

impl Order {
    /// The next record of the log: hands out it and what has waited for it, or keeps it.
    pub fn offer(
        &mut self,
        live: &mut Liveness,
        position: Position,
        record: Record,
        out: &mut Visitor<'_>,
    ) {
        match record {
            Record::Address(record) => {
                let (id, name) = (record.id, Arc::clone(&record.name));
                out(live, position, Record::Address(record));
                self.address_known(live, id, name, out);
            }
            Record::Queue(record) => self.offer_queue(live, position, record, out),
            Record::Message(record) => self.offer_message(live, position, record, out),
            Record::DuplicateId(record) if !self.names.contains(&record.address) => {
                let address = Arc::clone(&record.address);
                let ids = self.waiting.duplicate_ids.entry(address).or_default();
                ids.push((position, record));
            }
            Record::QueueRemoved(id) => {
                self.queue_removed(live, id, out);
                out(live, position, record);
            }
            record => {
                if !self.fold_into_waiting(live, &record, out) {
                    out(live, position, record);
                }
            }
        }
    }

    /// The log has been read: hands out what still waits. In a whole log that is only what is on an address which is
    /// not in the log itself.
    pub fn flush(&mut self, live: &mut Liveness, out: &mut Visitor<'_>) {
        let waiting = mem::take(&mut self.waiting);
        for (position, record) in waiting.queues.into_values().flat_map(BTreeMap::into_values) {
            out(live, position, Record::Queue(record));
        }
        for (position, record) in waiting.messages.into_values() {
            out(live, position, Record::Message(record));
        }
        for (position, record) in waiting.duplicate_ids.into_values().flatten() {
            out(live, position, Record::DuplicateId(record));
        }
    }

    fn address_known(
        &mut self,
        live: &mut Liveness,
        id: AddressId,
        name: Arc<str>,
        out: &mut Visitor<'_>,
    ) {
        let duplicate_ids = self.waiting.duplicate_ids.remove(&name);
        for (position, record) in duplicate_ids.into_iter().flatten() {
            out(live, position, Record::DuplicateId(record));
        }
        self.names.insert(name);
        self.addresses.insert(id);
        let queues = self.waiting.queues.remove(&id);
        for (position, record) in queues.into_iter().flat_map(BTreeMap::into_values) {
            self.offer_queue(live, position, record, out);
        }
    }

    fn offer_queue(
        &mut self,
        live: &mut Liveness,
        position: Position,
        record: QueueRecord,
        out: &mut Visitor<'_>,
    ) {
        let (id, address) = (record.id, record.address);
        if !self.addresses.contains(&address) {
            let queues = self.waiting.queues.entry(address).or_default();
            queues.insert(id, (position, record));
            return;
        }
        out(live, position, Record::Queue(record));
        self.queues.insert(id);
        self.hand_out_known(live, &self.waiting.messages_of(id), out);
    }

    fn offer_message(
        &mut self,
        live: &mut Liveness,
        position: Position,
        record: MessageRecord,
        out: &mut Visitor<'_>,
    ) {
        // What is written again replaces what it was before.
        self.waiting.take(record.message.id);
        if self.knows_all(&record) {
            out(live, position, Record::Message(record));
        } else {
            self.waiting.put(position, record);
        }
    }

    fn knows_all(&self, record: &MessageRecord) -> bool {
        let known = |route: &Route| self.queues.contains(&route.queue);
        record.routes.iter().all(known)
    }

    /// Hands out those of these waiting messages that need not wait any longer.
    fn hand_out_known(&mut self, live: &mut Liveness, ids: &[MessageId], out: &mut Visitor<'_>) {
        for id in ids {
            let waiting = self.waiting.messages.get(id);
            if waiting.is_none_or(|(_, record)| !self.knows_all(record)) {
                continue;
            }
            if let Some((position, record)) = self.waiting.take(*id) {
                match record.routes.is_empty() {
                    true => live.dead(Key::Message(*id)),
                    false => out(live, position, Record::Message(record)),
                }
            }
        }
    }

    fn queue_removed(&mut self, live: &mut Liveness, id: QueueId, out: &mut Visitor<'_>) {
        for queues in self.waiting.queues.values_mut() {
            queues.remove(&id);
        }
        let ids = self.waiting.messages_of(id);
        for message in &ids {
            self.waiting.leave(id, *message);
        }
        self.hand_out_known(live, &ids, out);
    }

    /// Whether the record was about a message that waits, and is taken care of.
    fn fold_into_waiting(
        &mut self,
        live: &mut Liveness,
        record: &Record,
        out: &mut Visitor<'_>,
    ) -> bool {
        let (Record::Acknowledge { queue, message }
        | Record::DeliveryCount { queue, message, .. }
        | Record::Scheduled { queue, message, .. }) = *record
        else {
            return false;
        };
        let Some((_, waiting)) = self.waiting.messages.get_mut(&message) else {
            return false;
        };
        if let Record::Acknowledge { .. } = record {
            self.waiting.leave(queue, message);
            self.hand_out_known(live, &[message], out);
            return true;
        }
        let route = waiting.routes.iter_mut().find(|route| route.queue == queue);
        match (route, record) {
            (Some(route), Record::DeliveryCount { count, .. }) => route.count = *count,
            (Some(route), Record::Scheduled { at, .. }) => route.scheduled = *at,
            _ => {}
        }
        true
    }
}

impl Waiting {
    fn put(&mut self, position: Position, record: MessageRecord) {
        let id = record.message.id;
        for route in &record.routes {
            self.messages_of.entry(route.queue).or_default().insert(id);
        }
        self.messages.insert(id, (position, record));
    }

    fn take(&mut self, id: MessageId) -> Option<(Position, MessageRecord)> {
        let (position, record) = self.messages.remove(&id)?;
        for route in &record.routes {
            self.unlist(route.queue, id);
        }
        Some((position, record))
    }

    /// The message is not on the queue any more.
    fn leave(&mut self, queue: QueueId, id: MessageId) {
        if let Some((_, record)) = self.messages.get_mut(&id) {
            record.routes.retain(|route| route.queue != queue);
            self.unlist(queue, id);
        }
    }

    fn unlist(&mut self, queue: QueueId, id: MessageId) {
        if let Some(ids) = self.messages_of.get_mut(&queue) {
            ids.remove(&id);
            if ids.is_empty() {
                self.messages_of.remove(&queue);
            }
        }
    }

    fn messages_of(&self, queue: QueueId) -> Vec<MessageId> {
        let ids = self.messages_of.get(&queue);
        ids.into_iter().flatten().copied().collect()
    }
}
