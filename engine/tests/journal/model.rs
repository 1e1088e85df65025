// SPDX-License-Identifier: Apache-2.0
//! What a broker makes of the records: a fold small enough to be seen to be right.

use std::collections::BTreeMap;
use std::sync::Arc;

use hind_engine::id::{AddressId, MessageId, QueueId};
use hind_engine::message::Message;
use hind_engine::storage::Liveness;
use hind_engine::storage::record::{
    AddressRecord, DuplicateIdRecord, Key, MessageRecord, QueueRecord, Record, Route,
};

/// Entries that the duplicate-id cache keeps.
const CACHE: usize = 5;

/// Delivery count and schedule, by queue.
pub type Routes = BTreeMap<QueueId, (u32, u64)>;

/// Durable state.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Model {
    pub messages: BTreeMap<MessageId, (Arc<Message>, Routes)>,
    pub addresses: BTreeMap<AddressId, AddressRecord>,
    pub queues: BTreeMap<QueueId, QueueRecord>,
    pub duplicate_ids: BTreeMap<u64, DuplicateIdRecord>,
    pub id_counter: u64,
    pub epoch: u64,
}

impl Model {
    /// Applies a record, live or at recovery, and tells what is dead by it.
    pub fn apply(&mut self, live: &mut Liveness, record: &Record) {
        match record {
            Record::Branch(start) => self.epoch = start.branch.epoch,
            Record::Message(record) => self.put_message(record),
            Record::Acknowledge { queue, message } => self.acknowledge(live, *queue, *message),
            Record::DeliveryCount {
                queue,
                message,
                count,
            } => {
                if let Some(route) = self.route(*queue, *message) {
                    route.0 = *count;
                }
            }
            Record::Scheduled { queue, message, at } => {
                if let Some(route) = self.route(*queue, *message) {
                    route.1 = *at;
                }
            }
            Record::DuplicateId(record) => self.remember(live, record),
            Record::Address(record) => {
                self.addresses.insert(record.id, record.clone());
            }
            Record::AddressRemoved(id) => {
                self.addresses.remove(id);
                live.dead(Key::Address(*id));
            }
            Record::Queue(record) => {
                self.queues.insert(record.id, record.clone());
            }
            Record::QueueRemoved(id) => self.remove_queue(live, *id),
            Record::IdCounter(next) => self.id_counter = *next,
            Record::Paged(_)
            | Record::Page(_)
            | Record::PageAcknowledge { .. }
            | Record::PageMark { .. }
            | Record::PagePurged { .. } => panic!("this model has no pages"),
            Record::Synced(_) => panic!("a mark is nobody's record"),
            _ => panic!("this model has no client sessions and retains nothing"),
        }
    }

    fn put_message(&mut self, record: &MessageRecord) {
        let routes = record
            .routes
            .iter()
            .map(|route| (route.queue, (route.count, route.scheduled)))
            .collect();
        let id = record.message.id;
        self.messages
            .insert(id, (Arc::clone(&record.message), routes));
    }

    fn route(&mut self, queue: QueueId, message: MessageId) -> Option<&mut (u32, u64)> {
        self.messages.get_mut(&message)?.1.get_mut(&queue)
    }

    fn acknowledge(&mut self, live: &mut Liveness, queue: QueueId, id: MessageId) {
        if let Some((_, routes)) = self.messages.get_mut(&id) {
            routes.remove(&queue);
            if routes.is_empty() {
                self.messages.remove(&id);
                live.dead(Key::Message(id));
            }
        }
    }

    fn remove_queue(&mut self, live: &mut Liveness, id: QueueId) {
        let ids: Vec<_> = self.messages.keys().copied().collect();
        for message in ids {
            self.acknowledge(live, id, message);
        }
        self.queues.remove(&id);
        live.dead(Key::Queue(id));
    }

    fn remember(&mut self, live: &mut Liveness, record: &DuplicateIdRecord) {
        self.duplicate_ids.insert(record.sequence, record.clone());
        while self.duplicate_ids.len() > CACHE {
            let (oldest, _) = self.duplicate_ids.pop_first().expect("not empty");
            live.dead(Key::DuplicateId(oldest));
        }
    }

    /// The record that says what the key is now: what cleaning writes again.
    pub fn record(&self, key: Key) -> Record {
        match key {
            Key::Branch => panic!("storage's own"),
            Key::Message(id) => {
                let (message, routes) = &self.messages[&id];
                Record::Message(MessageRecord {
                    message: Arc::clone(message),
                    routes: routes
                        .iter()
                        .map(|(&queue, &(count, scheduled))| Route {
                            queue,
                            count,
                            scheduled,
                        })
                        .collect(),
                })
            }
            Key::DuplicateId(sequence) => {
                Record::DuplicateId(self.duplicate_ids[&sequence].clone())
            }
            Key::Address(id) => Record::Address(self.addresses[&id].clone()),
            Key::Queue(id) => Record::Queue(self.queues[&id].clone()),
            Key::Page(_) | Key::OpenPage(_) => panic!("this model has no pages"),
            Key::IdCounter => Record::IdCounter(self.id_counter),
            Key::Retained(_) | Key::ClientSession(_) | Key::Subscription(_) => {
                panic!("this model has none of these")
            }
        }
    }

    /// Everything that has to be live in the log.
    pub fn keys(&self) -> Vec<Key> {
        let branch = (self.epoch > 0).then_some(Key::Branch);
        let counter = (self.id_counter > 0).then_some(Key::IdCounter);
        branch
            .into_iter()
            .chain(self.messages.keys().copied().map(Key::Message))
            .chain(self.duplicate_ids.keys().copied().map(Key::DuplicateId))
            .chain(self.addresses.keys().copied().map(Key::Address))
            .chain(self.queues.keys().copied().map(Key::Queue))
            .chain(counter)
            .collect()
    }
}
