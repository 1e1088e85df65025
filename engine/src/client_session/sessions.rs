// SPDX-License-Identifier: Apache-2.0
//! All client sessions, and how records change them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::SessionExpiry;
use super::packets::Packets;
use crate::id::{ClientSessionId, ConnectionId, MessageId, PacketId, QueueId, SubscriptionId};
use crate::message::Qos;
use crate::queue::consumer::ConsumerKey;
use crate::storage::record::{
    ClientSessionRecord, Flight, Key, Record, SignedWill, SubscriptionRecord,
};
use crate::storage::{Liveness, Position};

/// One client session.
#[derive(Debug)]
pub struct ClientSession {
    /// Its number.
    pub id: ClientSessionId,
    /// Whose it is.
    pub client_id: Arc<str>,
    /// It is in the log, because it outlives its connection.
    pub kept: bool,
    /// How long it does.
    pub expiry: SessionExpiry,
    /// Since when it has had no connection, ms since 1970; 0 = it has one.
    pub left: u64,
    /// What its client wants to be said when it is gone.
    pub will: Option<Arc<SignedWill>>,
    /// What is on its way.
    pub packets: Packets,
    /// Its connection.
    pub connection: Option<ConnectionId>,
    /// The position that its latest delivery waits for.
    pub(crate) given: Position,
    /// Consumers that would take more if its client took more packets.
    pub(crate) stalled: Vec<(QueueId, ConsumerKey)>,
    /// When its will is to be sent, ms since 1970.
    pub(crate) will_at: Option<u64>,
    /// When it ends, ms since 1970.
    pub(crate) ends_at: Option<u64>,
}

impl ClientSession {
    /// A session that nothing is known of.
    pub(crate) fn new(id: ClientSessionId, client_id: Arc<str>, kept: bool) -> Self {
        Self {
            id,
            client_id,
            kept,
            expiry: SessionExpiry::AT_ONCE,
            left: 0,
            will: None,
            packets: Packets::default(),
            connection: None,
            given: Position(0),
            stalled: Vec::new(),
            will_at: None,
            ends_at: None,
        }
    }

    fn alarm(&self) -> Option<u64> {
        self.will_at.into_iter().chain(self.ends_at).min()
    }

    /// What the log says of it when it is written now.
    pub(crate) fn record(&self) -> ClientSessionRecord {
        ClientSessionRecord {
            id: self.id,
            client_id: self.client_id.clone(),
            expiry: self.expiry,
            left: self.left,
            will: self.will.clone(),
            sent: self.packets.all_sent(),
            received: self.packets.all_received(),
            inbound: self.packets.all_inbound(),
        }
    }
}

/// All client sessions: those of the log, and beside them those that end with their connections.
///
/// *Invariants*: `by_client` names every session, and a client has one at most; `by_filter` names every subscription, and
/// a session has one of a filter at most; `away` names messages of `sent` packets that are on their queue and not with
/// their client; `alarms` has the earliest time of every session that waits for one.
#[derive(Debug, Default)]
pub struct ClientSessions {
    by_id: FxHashMap<ClientSessionId, ClientSession>,
    by_client: BTreeMap<Arc<str>, ClientSessionId>,
    subscriptions: BTreeMap<SubscriptionId, SubscriptionRecord>,
    by_filter: BTreeMap<(ClientSessionId, Arc<str>), SubscriptionId>,
    /// How many subscriptions read a queue that sessions share.
    sharing: BTreeMap<Arc<str>, usize>,
    pub(crate) away: FxHashMap<(QueueId, MessageId), (ClientSessionId, PacketId)>,
    alarms: BTreeSet<(u64, ClientSessionId)>,
    /// The position after which it is durable that the last one of the log that has ended has done so: before it nobody is
    /// told that there is none.
    pub(crate) ended: Position,
}

impl ClientSessions {
    /// The session of a client.
    pub fn of_client(&self, client_id: &str) -> Option<&ClientSession> {
        self.by_id.get(self.by_client.get(client_id)?)
    }

    /// The session of that number.
    pub fn get(&self, id: ClientSessionId) -> Option<&ClientSession> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ClientSessionId) -> Option<&mut ClientSession> {
        self.by_id.get_mut(&id)
    }

    /// All of them, by client.
    pub fn iter(&self) -> impl Iterator<Item = &ClientSession> {
        let ids = self.by_client.values();
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// Whether the message of a packet is on its queue and not with the client.
    pub(crate) fn is_away(&self, flight: Flight) -> bool {
        !self.away.is_empty() && self.away.contains_key(&(flight.queue, flight.message))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Subscriptions of a session, oldest first.
    pub fn subscriptions_of(&self, id: ClientSessionId) -> Vec<&SubscriptionRecord> {
        let first = (id, Arc::from(""));
        let of = self.by_filter.range(first..);
        let of = of.take_while(|((session, _), _)| *session == id);
        let mut all: Vec<_> = of
            .filter_map(|(_, id)| self.subscriptions.get(id))
            .collect();
        all.sort_unstable_by_key(|record| record.id);
        all
    }

    /// The subscription of a session with that filter.
    pub fn subscription(
        &self,
        id: ClientSessionId,
        filter: &Arc<str>,
    ) -> Option<&SubscriptionRecord> {
        let id = self.by_filter.get(&(id, filter.clone()))?;
        self.subscriptions.get(id)
    }

    /// All subscriptions.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &SubscriptionRecord> {
        self.subscriptions.values()
    }

    /// How many subscriptions of the log read a shared queue.
    pub fn sharing(&self, queue: &str) -> usize {
        self.sharing.get(queue).copied().unwrap_or(0)
    }

    /// Adds a session that is in no log.
    pub(crate) fn insert(&mut self, session: ClientSession) {
        self.by_client.insert(session.client_id.clone(), session.id);
        self.by_id.insert(session.id, session);
    }

    /// Takes a session out, with its subscriptions, which it returns.
    pub(crate) fn remove(&mut self, id: ClientSessionId) -> Vec<SubscriptionRecord> {
        if let Some(session) = self.by_id.remove(&id) {
            self.by_client.remove(&session.client_id);
            if let Some(at) = session.alarm() {
                self.alarms.remove(&(at, id));
            }
            for (_, flight) in session.packets.all_sent() {
                self.forget_away(id, flight);
            }
        }
        let ids: Vec<_> = self.subscriptions_of(id).iter().map(|one| one.id).collect();
        ids.into_iter()
            .filter_map(|id| self.remove_subscription(id))
            .collect()
    }

    fn forget_away(&mut self, session: ClientSessionId, flight: Flight) {
        let key = (flight.queue, flight.message);
        if self.away.get(&key).is_some_and(|(of, _)| *of == session) {
            self.away.remove(&key);
        }
    }

    /// A message has left its queue that was to go out again under a packet id: the id is free, and if the log knows of
    /// it, it is to be told.
    pub(crate) fn recall(
        &mut self,
        queue: QueueId,
        message: MessageId,
    ) -> Option<(ClientSessionId, PacketId)> {
        if self.away.is_empty() {
            return None;
        }
        let (id, packet) = self.away.remove(&(queue, message))?;
        let session = self.by_id.get_mut(&id)?;
        let flight = session.packets.flight(packet);
        if flight.is_some_and(|flight| flight.qos == Qos::ExactlyOnce) {
            // The client may have it: its id is not free before the client has come back and released it.
            return None;
        }
        session.packets.completed(packet);
        session.kept.then_some((id, packet))
    }

    /// When a session has to be looked at.
    pub(crate) fn next_alarm(&self) -> Option<u64> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// Sessions whose time has come.
    pub(crate) fn due(&self, wall: u64) -> Vec<ClientSessionId> {
        let due = self.alarms.range(..=(wall, ClientSessionId(u64::MAX)));
        due.map(|(_, id)| *id).collect()
    }

    /// When the session's will is to be sent, and when it ends.
    pub(crate) fn set_times(
        &mut self,
        id: ClientSessionId,
        will_at: Option<u64>,
        ends_at: Option<u64>,
    ) {
        let Some(session) = self.by_id.get_mut(&id) else {
            return;
        };
        let before = session.alarm();
        session.will_at = will_at;
        session.ends_at = ends_at;
        let after = session.alarm();
        if let Some(at) = before {
            self.alarms.remove(&(at, id));
        }
        self.alarms.extend(after.map(|at| (at, id)));
    }

    /// Changes the sessions as the record says, one about them. What it says of messages is the state's.
    pub(crate) fn apply(&mut self, record: &Record, live: &mut Liveness) {
        match record {
            Record::ClientSession(record) => self.put(record, live),
            Record::ClientSessionRemoved(id) => {
                for subscription in self.remove(*id) {
                    live.dead(Key::Subscription(subscription.id));
                }
                live.dead(Key::ClientSession(*id));
            }
            Record::ClientSessionLeft {
                session,
                at,
                expiry,
                will,
            } => {
                if let Some(session) = self.by_id.get_mut(session) {
                    session.left = *at;
                    session.expiry = *expiry;
                    if !will {
                        session.will = None;
                    }
                }
            }
            Record::Subscription(record) => self.put_subscription(record, live),
            Record::SubscriptionRemoved(id) => {
                self.remove_subscription(*id);
                live.dead(Key::Subscription(*id));
            }
            _ => self.apply_packet(record),
        }
    }

    fn apply_packet(&mut self, record: &Record) {
        let (Record::PacketSent { session, .. }
        | Record::PacketAcknowledged { session, .. }
        | Record::PacketCompleted { session, .. }
        | Record::PacketTaken { session, .. }
        | Record::PacketReleased { session, .. }) = record
        else {
            return;
        };
        let Some(of) = self.by_id.get_mut(session) else {
            // Its record comes later, with all of this in it.
            return;
        };
        match record {
            Record::PacketSent { packet, flight, .. } => of.packets.put(*packet, *flight),
            Record::PacketAcknowledged {
                packet,
                flight,
                received,
                ..
            } => {
                // The id may have been given to another message since this was written.
                let is_known = of.packets.flight(*packet) == Some(*flight);
                if *received {
                    of.packets.received(*packet);
                } else if is_known {
                    of.packets.completed(*packet);
                }
                self.forget_away(*session, *flight);
            }
            Record::PacketCompleted { packet, .. } => {
                let flight = of.packets.flight(*packet);
                of.packets.completed(*packet);
                if let Some(flight) = flight {
                    self.forget_away(*session, flight);
                }
            }
            Record::PacketTaken { packet, .. } => of.packets.taken(*packet),
            Record::PacketReleased { packet, .. } => of.packets.released(*packet),
            _ => {}
        }
    }

    fn put(&mut self, record: &ClientSessionRecord, live: &mut Liveness) {
        let before = self.by_client.get(&record.client_id).copied();
        if let Some(other) = before.filter(|other| *other != record.id) {
            // Only while reading: an older session of the client, whose removal is behind its last copy.
            if other > record.id {
                live.dead(Key::ClientSession(record.id));
                return;
            }
            for subscription in self.remove(other) {
                live.dead(Key::Subscription(subscription.id));
            }
            live.dead(Key::ClientSession(other));
        }
        let session = self
            .by_id
            .entry(record.id)
            .or_insert_with(|| ClientSession::new(record.id, record.client_id.clone(), true));
        session.kept = true;
        session.expiry = record.expiry;
        session.left = record.left;
        session.will = record.will.clone();
        let packets = &mut session.packets;
        packets.restore(&record.sent, &record.received, &record.inbound);
        self.by_client.insert(record.client_id.clone(), record.id);
    }

    fn put_subscription(&mut self, record: &SubscriptionRecord, live: &mut Liveness) {
        let key = (record.session, record.subscription.filter.clone());
        if let Some(before) = self.by_filter.insert(key, record.id)
            && before != record.id
        {
            self.unlist(before);
            live.dead(Key::Subscription(before));
        }
        self.unlist(record.id);
        if record.shared {
            *self.sharing.entry(record.queue.clone()).or_default() += 1;
        }
        self.subscriptions.insert(record.id, record.clone());
    }

    /// Takes it from everything but `by_filter`.
    fn unlist(&mut self, id: SubscriptionId) -> Option<SubscriptionRecord> {
        let record = self.subscriptions.remove(&id)?;
        if record.shared
            && let Some(count) = self.sharing.get_mut(&record.queue)
        {
            *count -= 1;
            if *count == 0 {
                self.sharing.remove(&record.queue);
            }
        }
        Some(record)
    }

    fn remove_subscription(&mut self, id: SubscriptionId) -> Option<SubscriptionRecord> {
        let record = self.unlist(id)?;
        let key = (record.session, record.subscription.filter.clone());
        if self.by_filter.get(&key) == Some(&id) {
            self.by_filter.remove(&key);
        }
        Some(record)
    }

    /// After replay: subscriptions whose session has not come are of one that ended long ago.
    pub(crate) fn forget_strays(&mut self, live: &mut Liveness) {
        let strays = self.subscriptions.values();
        let strays = strays.filter(|record| !self.by_id.contains_key(&record.session));
        let strays: Vec<SubscriptionId> = strays.map(|record| record.id).collect();
        for id in strays {
            self.remove_subscription(id);
            live.dead(Key::Subscription(id));
        }
    }

    /// The record of a session of the log.
    pub(crate) fn record(&self, id: ClientSessionId) -> Option<ClientSessionRecord> {
        let session = self.by_id.get(&id)?;
        session.kept.then(|| session.record())
    }

    /// The record of a subscription.
    pub(crate) fn subscription_record(&self, id: SubscriptionId) -> Option<SubscriptionRecord> {
        self.subscriptions.get(&id).cloned()
    }

    /// What is durable of them, a line for each session and subscription.
    pub fn lines(&self) -> Vec<String> {
        let kept = self.iter().filter(|session| session.kept);
        let sessions = kept.map(|session| format!("{:?}", session.record()));
        let subscriptions = self.subscriptions.values();
        sessions
            .chain(subscriptions.map(|record| format!("{record:?}")))
            .collect()
    }

    /// Checks the invariants.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check(&self) {
        assert_eq!(self.by_client.len(), self.by_id.len(), "client ids");
        assert_eq!(self.by_filter.len(), self.subscriptions.len(), "filters");
        for session in self.by_id.values() {
            session.packets.check();
            let alarm = session.alarm();
            assert!(
                alarm.is_none_or(|at| self.alarms.contains(&(at, session.id))),
                "{}: alarm",
                session.client_id
            );
            assert!(
                session.left == 0 || session.connection.is_none(),
                "{}: connected, and has left",
                session.client_id
            );
        }
        for ((queue, message), (session, packet)) in &self.away {
            let of = self
                .by_id
                .get(session)
                .and_then(|of| of.packets.flight(*packet));
            let is_theirs = |flight: Flight| flight.queue == *queue && flight.message == *message;
            assert!(of.is_some_and(is_theirs), "a message waits for nobody");
        }
        let shared = self.subscriptions.values().filter(|record| record.shared);
        assert_eq!(
            self.sharing.values().sum::<usize>(),
            shared.count(),
            "shared"
        );
    }
}
