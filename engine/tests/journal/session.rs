// SPDX-License-Identifier: Apache-2.0
//! A broker's life in random turns, with the history that a recovery is held against.

use std::sync::Arc;

use bytes::Bytes;
use hind_engine::address::routing_type::RoutingType;
use hind_engine::client_session::{ClientSubscription, SessionExpiry};
use hind_engine::id::{AddressId, ClientSessionId, MessageId, PacketId, QueueId, SubscriptionId};
use hind_engine::message::{Kind, Message, Qos};
use hind_engine::storage::record::{
    AddressRecord, ClientSessionRecord, DuplicateIdRecord, Flight, MessageRecord, QueueRecord,
    Record, Route, SubscriptionRecord,
};
use hind_engine::storage::request::Batch;
use hind_engine::storage::{Damage, Position, Storage};

use crate::disk::{Disk, branch, settings};
use crate::model::Model;
use crate::random::Random;

/// A broker with its disk.
pub struct Session {
    pub random: Random,
    pub file_size: u64,
    pub storage: Storage,
    pub model: Model,
    pub disk: Disk,
    /// Every record of the present history, from position 1.
    pub history: Vec<Record>,
    /// The state after each whole unit, by the position of its last record; the first is the empty log.
    pub states: Vec<(Position, Model)>,
    /// Some turns do not ask for a sync (`journal-sync-transactional` off).
    pub lazy: bool,
    /// Everything up to here was appended before the last sync.
    pub synced: Position,
    /// The disk has not yet answered for everything up to here, though it is synced.
    answer: Option<Position>,
    next_id: u64,
    epoch: u64,
}

impl Session {
    pub fn new(seed: u64, file_size: u64) -> Self {
        let mut session = Self {
            random: Random(seed),
            file_size,
            storage: Storage::new(settings(file_size)),
            model: Model::default(),
            disk: Disk::recycling(file_size as usize),
            history: vec![],
            states: vec![(Position(0), Model::default())],
            lazy: false,
            synced: Position(0),
            answer: None,
            next_id: 1,
            epoch: 0,
        };
        session.begin();
        session
    }

    fn begin(&mut self) {
        self.epoch += 1;
        self.storage.begin(branch(self.epoch), vec![[7; 16]]);
        let start = hind_engine::storage::record::BranchStart {
            branch: branch(self.epoch),
            in_sync: vec![[7; 16]],
            forced: false,
        };
        self.note(Record::Branch(start));
        self.end_unit();
    }

    fn note(&mut self, record: Record) {
        self.model.apply(self.storage.live(), &record);
        self.history.push(record);
    }

    fn end_unit(&mut self) {
        let end = self.storage.appended();
        assert_eq!(end.0, self.history.len() as u64);
        self.states.push((end, self.model.clone()));
    }

    /// Appends the records as one unit.
    pub fn unit(&mut self, records: Vec<Record>) {
        let sync = self.asks_for_sync();
        let last = records.len() - 1;
        for (n, record) in records.into_iter().enumerate() {
            self.append(record, n < last, sync);
        }
    }

    fn asks_for_sync(&mut self) -> bool {
        !self.lazy || self.random.one_in(20)
    }

    fn append(&mut self, record: Record, more: bool, sync: bool) {
        self.storage.append(&record, more, sync);
        self.note(record);
        if !more {
            self.end_unit();
        }
    }

    /// A turn: some units, some cleaning, the batch written.
    pub fn turn(&mut self) -> Option<Batch> {
        for _ in 0..self.random.below(4) {
            let n = 1 + self.random.below(4) * usize::from(self.random.one_in(3));
            let sync = self.asks_for_sync();
            for left in (0..n).rev() {
                let record = self.random_record();
                self.append(record, left > 0, sync);
            }
        }
        self.clean();
        let batch = self.write();
        self.late_answer();
        batch
    }

    /// Writes again what the log asks for.
    pub fn clean(&mut self) {
        let before = self.storage.appended();
        let keys = self.storage.cleaning(2_000);
        if self.storage.appended() != before {
            // Storage has moved the branch start.
            let start = self
                .history
                .iter()
                .rev()
                .find(|r| matches!(r, Record::Branch(_)));
            let start = start.expect("a branch has begun").clone();
            self.note(start);
            self.end_unit();
        }
        for key in keys {
            // Nothing but the oldest segment is cleaned; it may not even have been written yet.
            let home = self.storage.live().home(key).expect("live");
            let oldest = self.disk.files.keys().next();
            assert!(oldest.is_none_or(|oldest| home.0 <= *oldest));
            let record = self.model.record(key);
            self.unit(vec![record]);
        }
    }

    pub fn write(&mut self) -> Option<Batch> {
        let batch = self.storage.take_batch()?;
        assert!(batch.end == self.storage.appended());
        self.disk.write(&batch);
        if self.lazy {
            match batch.sync {
                true => self.sync(),
                false => self.stored(),
            }
        }
        Some(batch)
    }

    /// Everything written is synced; the answer comes behind the next batch.
    pub fn sync_answered_late(&mut self) {
        self.disk.sync();
        self.synced = self.storage.appended();
        self.answer = Some(self.synced);
    }

    fn late_answer(&mut self) {
        if let Some(position) = self.answer.take() {
            let requests = self.storage.on_stored(position);
            self.disk.release(&requests);
        }
    }

    /// Everything written is synced and answered.
    pub fn sync(&mut self) {
        self.disk.sync();
        self.synced = self.storage.appended();
        self.stored();
    }

    fn stored(&mut self) {
        self.answer = None;
        let end = self.storage.appended();
        let requests = self.storage.on_stored(end);
        assert_eq!(self.storage.stored(), end);
        assert_eq!(self.storage.backlog(), 0);
        self.disk.release(&requests);
    }

    /// Reads the disk back and holds it against the history; the last position recovered.
    pub fn check_recovery(&self, disk: &Disk, at_least: Position) -> Result<Recovery, Damage> {
        let mut model = Model::default();
        let mut expected = None;
        let visit = &mut |live: &mut _, position: Position, record: Record| {
            assert!(*expected.get_or_insert(position) == position, "in order");
            expected = Some(position.next());
            assert_eq!(record, self.history[position.0 as usize - 1], "as written");
            model.apply(live, &record);
        };
        let (mut storage, recovered) = disk.recover(settings(self.file_size), visit)?;
        let last = recovered.last;
        assert!(
            last >= at_least,
            "lost what was synced: {last:?} < {at_least:?}"
        );
        let state = self.states.binary_search_by_key(&last, |(end, _)| *end);
        let state = state.expect("ends with a whole unit");
        assert!(model == self.states[state].1, "another state at {last:?}");
        let keys = model.keys();
        assert_eq!(storage.live().len(), keys.len());
        assert!(keys.iter().all(|key| storage.live().is_live(*key)));
        let epoch = storage.branch().map(|branch| branch.epoch);
        assert!(last.0 == 0 || epoch == Some(model.epoch));
        Ok(Recovery {
            storage,
            model,
            last,
            states: state + 1,
        })
    }

    /// Goes on with what was recovered from its own disk.
    pub fn resume(&mut self, recovery: Recovery) {
        self.storage = recovery.storage;
        self.model = recovery.model;
        self.history.truncate(recovery.last.0 as usize);
        self.states.truncate(recovery.states);
        self.disk.sync();
        self.synced = recovery.last;
        self.answer = None;
        self.begin();
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn pick_message(&mut self) -> Option<(MessageId, QueueId)> {
        let n = self.model.messages.len();
        let at = self.random.below(n.max(1));
        let (id, (_, routes)) = self.model.messages.iter().nth(at)?;
        Some((*id, *routes.keys().next()?))
    }

    fn random_record(&mut self) -> Record {
        // Queues and addresses first; then the more messages there are, the more are acknowledged.
        let record = match self.random.below(56) {
            0 => Some(self.random_address()),
            1 => self
                .model
                .addresses
                .keys()
                .next()
                .copied()
                .map(Record::AddressRemoved),
            2 | 3 => Some(self.random_queue()),
            4 if self.model.queues.len() > 3 => self
                .model
                .queues
                .keys()
                .next()
                .copied()
                .map(Record::QueueRemoved),
            5 => Some(Record::IdCounter(self.id() + 1000)),
            6 | 7 => Some(self.random_duplicate_id()),
            8 | 9 => self
                .pick_message()
                .map(|(message, queue)| Record::DeliveryCount {
                    queue,
                    message,
                    count: 1,
                }),
            10 | 11 => self
                .pick_message()
                .map(|(message, queue)| Record::Scheduled {
                    queue,
                    message,
                    at: 5,
                }),
            40..=55 => self.random_session_record(),
            12..=24 => self
                .pick_message()
                .map(|(message, queue)| Record::Acknowledge { queue, message }),
            _ => None,
        };
        let crowded = self.model.messages.len() > 40;
        record.unwrap_or_else(|| match crowded {
            true => {
                let (message, queue) = self.pick_message().expect("there are messages");
                Record::Acknowledge { queue, message }
            }
            false => self.random_message(),
        })
    }

    /// Something about client sessions or retained messages.
    fn random_session_record(&mut self) -> Option<Record> {
        let n = self.model.sessions.len();
        let at = self.random.below(n.max(1));
        let session = self.model.sessions.values().nth(at).cloned();
        let Some(session) = session.filter(|_| !self.random.one_in(12)) else {
            let id = ClientSessionId(self.id());
            return Some(Record::ClientSession(ClientSessionRecord {
                id,
                client_id: format!("client {id}").into(),
                expiry: SessionExpiry::NEVER,
                left: 0,
                will: None,
                sent: vec![],
                received: vec![],
                inbound: vec![],
            }));
        };
        let id = session.id;
        match self.random.below(12) {
            0 if n > 4 => Some(Record::ClientSessionRemoved(id)),
            0 | 1 => Some(Record::ClientSessionLeft {
                session: id,
                at: self.id(),
                expiry: SessionExpiry(60),
                will: false,
            }),
            2 => Some(self.random_subscription(id)),
            3 => {
                let mut subscriptions = self.model.subscriptions.keys();
                subscriptions
                    .next()
                    .copied()
                    .map(Record::SubscriptionRemoved)
            }
            4 => Some(self.random_retained()),
            5 => {
                let retained = self.model.retained.values().next();
                retained.map(|record| Record::RetainedRemoved(record.message.id))
            }
            _ => self.random_packet(&session),
        }
    }

    fn random_subscription(&mut self, session: ClientSessionId) -> Record {
        let id = SubscriptionId(self.id());
        Record::Subscription(SubscriptionRecord {
            id,
            session,
            queue: format!("queue of {id}").into(),
            shared: false,
            subscription: ClientSubscription {
                filter: format!("filter {id}").into(),
                qos: Qos::AtLeastOnce,
                no_local: false,
                retain_as_published: false,
                retain_handling: 0,
                identifier: None,
            },
        })
    }

    fn random_retained(&mut self) -> Record {
        let id = self.id();
        let Record::Message(mut record) = message_on(id, self.random.below(300), &[]) else {
            unreachable!("a message record");
        };
        let mut message = Message::clone(&record.message);
        message.address = format!("address {}", self.random.below(5)).into();
        record.message = Arc::new(message);
        Record::Retained(record)
    }

    /// What comes next for some packet of the session: none is sent twice, acknowledged before it is sent, and so on.
    fn random_packet(&mut self, of: &ClientSessionRecord) -> Option<Record> {
        let session = of.id;
        let packet = PacketId(1 + self.random.below(5_000) as u16);
        match self.random.below(5) {
            0 if of.inbound.is_empty() => Some(Record::PacketTaken { session, packet }),
            0 => Some(Record::PacketReleased {
                session,
                packet: of.inbound[0],
            }),
            1 if !of.received.is_empty() => Some(Record::PacketCompleted {
                session,
                packet: of.received[0],
            }),
            1 | 2 if !of.sent.is_empty() => {
                let (packet, flight) = of.sent[0];
                Some(Record::PacketAcknowledged {
                    session,
                    packet,
                    flight,
                    received: self.random.one_in(2),
                })
            }
            _ => {
                let (message, queue) = self.pick_message()?;
                let in_use = of.received.contains(&packet)
                    || of.sent.iter().any(|(other, _)| *other == packet);
                let flight = Flight {
                    queue,
                    message,
                    qos: Qos::ExactlyOnce,
                };
                (!in_use).then_some(Record::PacketSent {
                    session,
                    packet,
                    flight,
                })
            }
        }
    }

    fn random_address(&mut self) -> Record {
        let id = AddressId(self.id());
        Record::Address(AddressRecord {
            id,
            name: format!("address.{id}").into(),
            anycast: self.random.one_in(2),
            multicast: self.random.one_in(2),
            auto_created: self.random.one_in(2),
            paused: self.random.one_in(2),
        })
    }

    fn random_queue(&mut self) -> Record {
        let id = QueueId(self.id());
        let routing = match self.random.one_in(2) {
            true => RoutingType::Anycast,
            false => RoutingType::Multicast,
        };
        Record::Queue(QueueRecord {
            id,
            name: format!("queue.{id}").into(),
            address: AddressId(1),
            routing,
            filter: "colour = 'red'".into(),
            user: "".into(),
            options: vec![("max-consumers".into(), "5".into())],
            auto_created: self.random.one_in(2),
            paused: self.random.one_in(2),
        })
    }

    fn random_duplicate_id(&mut self) -> Record {
        let sequence = self.id();
        Record::DuplicateId(DuplicateIdRecord {
            address: "orders".into(),
            id: Bytes::from(sequence.to_string()),
            sequence,
        })
    }

    fn random_message(&mut self) -> Record {
        let id = self.id();
        let size = match self.random.below(40) {
            0 => self.file_size as usize + self.random.below(20_000),
            1..=5 => self.random.below(self.file_size as usize / 2),
            _ => self.random.below(300),
        };
        let queues: Vec<_> = self.model.queues.keys().copied().collect();
        let mut routes = vec![queues.first().copied().unwrap_or(QueueId(1))];
        routes.extend(queues.iter().skip(1).filter(|_| self.random.one_in(2)));
        message_on(id, size, &routes)
    }
}

/// What a recovery gives.
pub struct Recovery {
    storage: Storage,
    model: Model,
    pub last: Position,
    states: usize,
}

/// A message with a body of `size` bytes.
pub fn message_on(id: u64, size: usize, queues: &[QueueId]) -> Record {
    let body: Vec<u8> = (0..size).map(|n| (n as u64 * 31 + id) as u8).collect();
    let mut message = Message::new("orders".into(), Kind::Bytes, Bytes::from(body));
    message.id = MessageId(id);
    Record::Message(MessageRecord {
        message: Arc::new(message),
        routes: queues
            .iter()
            .map(|&queue| Route {
                queue,
                count: 0,
                scheduled: 0,
            })
            .collect(),
    })
}
