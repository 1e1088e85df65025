// SPDX-License-Identifier: Apache-2.0
//! What a broker makes of the records: a fold small enough to be seen to be right.

use std::collections::BTreeMap;
use std::sync::Arc;

use hind_engine::id::{AddressId, ClientSessionId, MessageId, QueueId, SubscriptionId};
use hind_engine::message::Message;
use hind_engine::storage::Liveness;
use hind_engine::storage::record::{
    AddressRecord, ClientSessionRecord, DuplicateIdRecord, Key, MessageRecord, QueueRecord, Record,
    Route, SubscriptionRecord,
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
    pub retained: BTreeMap<Arc<str>, MessageRecord>,
    pub sessions: BTreeMap<ClientSessionId, ClientSessionRecord>,
    pub subscriptions: BTreeMap<SubscriptionId, SubscriptionRecord>,
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
            Record::Retained(record) => self.retain(live, record),
            Record::RetainedRemoved(id) => {
                self.retained.retain(|_, record| record.message.id != *id);
                live.dead(Key::Retained(*id));
            }
            Record::ClientSession(record) => {
                self.sessions.insert(record.id, record.clone());
            }
            Record::ClientSessionRemoved(id) => {
                self.sessions.remove(id);
                live.dead(Key::ClientSession(*id));
                let of = |record: &SubscriptionRecord| record.session == *id;
                let ended = self.subscriptions.values().filter(|record| of(record));
                let ended: Vec<_> = ended.map(|record| record.id).collect();
                for id in ended {
                    self.subscriptions.remove(&id);
                    live.dead(Key::Subscription(id));
                }
            }
            Record::Subscription(record) => {
                self.subscriptions.insert(record.id, record.clone());
            }
            Record::SubscriptionRemoved(id) => {
                self.subscriptions.remove(id);
                live.dead(Key::Subscription(*id));
            }
            Record::ClientSessionLeft { .. }
            | Record::PacketSent { .. }
            | Record::PacketAcknowledged { .. }
            | Record::PacketCompleted { .. }
            | Record::PacketTaken { .. }
            | Record::PacketReleased { .. } => self.apply_packet(live, record),
        }
    }

    fn retain(&mut self, live: &mut Liveness, record: &MessageRecord) {
        let address = record.message.address.clone();
        let before = self.retained.insert(address, record.clone());
        let before = before.map(|before| before.message.id);
        if let Some(before) = before.filter(|before| *before != record.message.id) {
            live.dead(Key::Retained(before));
        }
    }

    fn apply_packet(&mut self, live: &mut Liveness, record: &Record) {
        if let Record::PacketAcknowledged { flight, .. } = record {
            self.acknowledge(live, flight.queue, flight.message);
        }
        let (Record::ClientSessionLeft { session, .. }
        | Record::PacketSent { session, .. }
        | Record::PacketAcknowledged { session, .. }
        | Record::PacketCompleted { session, .. }
        | Record::PacketTaken { session, .. }
        | Record::PacketReleased { session, .. }) = record
        else {
            panic!("no packet: {record:?}");
        };
        let Some(of) = self.sessions.get_mut(session) else {
            return;
        };
        match record {
            Record::ClientSessionLeft { at, expiry, .. } => {
                of.left = *at;
                of.expiry = *expiry;
            }
            Record::PacketSent { packet, flight, .. } => add(&mut of.sent, (*packet, *flight)),
            Record::PacketAcknowledged {
                packet, received, ..
            } => {
                of.sent.retain(|(other, _)| other != packet);
                if *received {
                    add(&mut of.received, *packet);
                }
            }
            Record::PacketCompleted { packet, .. } => {
                of.sent.retain(|(other, _)| other != packet);
                of.received.retain(|other| other != packet);
            }
            Record::PacketTaken { packet, .. } => add(&mut of.inbound, *packet),
            Record::PacketReleased { packet, .. } => of.inbound.retain(|other| other != packet),
            _ => {}
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
            Key::Retained(id) => {
                let mut retained = self.retained.values();
                let record = retained.find(|record| record.message.id == id);
                Record::Retained(record.expect("live").clone())
            }
            Key::ClientSession(id) => Record::ClientSession(self.sessions[&id].clone()),
            Key::Subscription(id) => Record::Subscription(self.subscriptions[&id].clone()),
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
            .chain(
                self.retained
                    .values()
                    .map(|one| Key::Retained(one.message.id)),
            )
            .chain(self.sessions.keys().copied().map(Key::ClientSession))
            .chain(self.subscriptions.keys().copied().map(Key::Subscription))
            .collect()
    }
}

/// Adds what is not there yet.
fn add<T: PartialEq>(list: &mut Vec<T>, one: T) {
    if !list.contains(&one) {
        list.push(one);
    }
}
