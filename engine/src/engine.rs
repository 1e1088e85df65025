// SPDX-License-Identifier: Apache-2.0
//! The engine: owns the parts and hands each command to the noun it is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::address::disk_full::FullDisk;
use crate::address::name::QUALIFIER;
use crate::address::paging::PageWork;
use crate::command::{Command, ConsumerCommand, SessionCommand, TransactionCommand};
use crate::event::{Event, Refusal};
use crate::gate::{Gate, Held};
use crate::id::{
    AddressId, ConnectionId, LargeId, MessageId, QueueId, SessionId, Ticket, TransactionId,
};
use crate::large_message::LargeMessages;
use crate::notice::{Notice, Spell};
use crate::queue::settle::Departure;
use crate::random::Random;
use crate::retained::Copies;
use crate::security::permissions::Permission;
use crate::session::blocks::Blocks;
use crate::session::{Client, Session};
use crate::settings::Settings;
use crate::state::State;
use crate::storage::record::{Key, Record};
use crate::storage::{Liveness, Position, Storage};
use crate::time::{Instant, Now};

/// What a step of the engine may touch besides itself: the time, the storage (owned by the node, so that live operation,
/// recovery and a standby change durable state in one place), and where to put consequences.
#[derive(Debug)]
pub struct Turn<'a> {
    /// When this happens.
    pub now: Now,
    /// Where records go.
    pub storage: &'a mut Storage,
    /// What clients are told.
    pub events: &'a mut Vec<(ConnectionId, Event)>,
    /// What the log is told.
    pub notices: &'a mut Vec<Notice>,
}

/// Records that become durable together; almost always one or two.
pub(crate) type Unit = SmallVec<[Record; 2]>;

/// How many ids are reserved in the log at a time.
const ID_BLOCK: u64 = 1 << 20;
/// How many expired messages of one queue are dealt with in one go.
const EXPIRY_PORTION: usize = 256;
/// How often in one turn queues are looked at again for what the last look brought about.
const ROUNDS: usize = 4;
/// How many scheduled messages of one queue are made ready in one go.
const SCHEDULE_PORTION: usize = 4_096;

/// The message engine of one node.
///
/// *Invariants*: durable state changes only in [`Engine::commit`] (a record is appended, then applied); whatever a
/// client is told waits at the gate for the last position the client caused.
#[derive(Debug)]
pub struct Engine {
    pub(crate) settings: Arc<Settings>,
    pub(crate) state: State,
    pub(crate) gate: Gate,
    pub(crate) clients: BTreeMap<ConnectionId, Client>,
    pub(crate) transaction_deadlines: BTreeSet<(Instant, ConnectionId, TransactionId)>,
    /// When queues have to be looked at for scheduled messages: at most one time for each, which the queue knows.
    alarms: BTreeSet<(u64, QueueId)>,
    pub(crate) large: LargeMessages,
    pub(crate) random: Random,
    dirty: BTreeSet<QueueId>,
    pub(crate) expired: Vec<(QueueId, MessageId)>,
    next_id: u64,
    expiry_scan: Option<Instant>,
    address_scan: Option<Instant>,
    pub(crate) disk_full: Option<FullDisk>,
    pub(crate) blocks: Blocks,
    /// Full addresses for which somebody waits.
    pub(crate) blocking: BTreeSet<AddressId>,
    /// All addresses together have as much in memory as they may.
    pub(crate) global_limit: Spell,
    pub(crate) page_work: PageWork,
    /// Queues that are still to be given copies of retained messages.
    pub(crate) copies: Copies,
    failed: bool,
}

impl Engine {
    /// An engine with nothing in it, to be filled by [`Engine::replay`] and started by [`Engine::start`].
    pub fn new(settings: Settings, seed: u64) -> Self {
        let settings = Arc::new(settings);
        Self {
            state: State::new(settings.clone()),
            gate: Gate::default(),
            clients: BTreeMap::new(),
            transaction_deadlines: BTreeSet::new(),
            alarms: BTreeSet::new(),
            large: LargeMessages::default(),
            random: Random::new(seed),
            dirty: BTreeSet::new(),
            expired: Vec::new(),
            next_id: 1,
            expiry_scan: None,
            address_scan: None,
            disk_full: None,
            blocks: Blocks::default(),
            blocking: BTreeSet::new(),
            global_limit: Spell::default(),
            page_work: PageWork::default(),
            copies: Copies::default(),
            failed: false,
            settings,
        }
    }

    /// A record read back from the log.
    pub fn replay(&mut self, record: &Record, live: &mut Liveness) {
        self.state.apply(record, live);
    }

    /// The last record has been read back: what the log still says of things that are gone is forgotten.
    pub fn replayed(&mut self, live: &mut Liveness) {
        self.state.forget_strays(live);
    }

    /// The log has been read back and is durable up to `durable`: deploys what the configuration names and lets
    /// messages be delivered.
    pub fn start(&mut self, durable: Position, turn: &mut Turn<'_>) {
        self.gate.open_to(durable);
        self.replayed(turn.storage.live());
        self.next_id = self.state.next_free_id();
        self.find_large_files(LargeId(self.next_id), turn);
        self.state.recount();
        self.state.release_all(turn.now.wall);
        self.start_paging(turn);
        for queue in self.state.queues.ids() {
            self.set_alarm(queue);
        }
        self.restart_client_sessions(turn);
        self.deploy(turn);
        self.expiry_scan = self
            .settings
            .expiry_scan_period
            .map(|period| turn.now.monotonic.after(period));
        self.address_scan = self
            .settings
            .address_queue_scan_period
            .map(|period| turn.now.monotonic.after(period));
    }

    /// A client has connected.
    pub fn connected(&mut self, client: ConnectionId) {
        self.clients.insert(client, Client::default());
    }

    /// A command of a client.
    pub fn command(&mut self, from: ConnectionId, command: Command, turn: &mut Turn<'_>) {
        if self.failed || !self.clients.contains_key(&from) {
            return;
        }
        match command {
            Command::Session(
                id,
                SessionCommand::Open {
                    identity,
                    client_id,
                },
            ) => {
                self.open_session(from, id, Session::new(identity, client_id), turn);
            }
            Command::Session(id, SessionCommand::Close) => self.close_session(from, id, turn),
            Command::ClientSession(id, command) => self.client_session(from, id, command, turn),
            Command::Send(session, send) if self.disk_full.is_some() => {
                self.send_on_full_disk(from, session, send, turn);
            }
            Command::Send(session, send) => self.send(from, session, send, turn),
            Command::Upload(id, command) => self.upload(from, id, command, turn),
            Command::Download(id, command) => self.download(from, id, command, turn),
            Command::Consumer(id, ConsumerCommand::Open(open)) => {
                self.open_consumer(from, id, &open, turn)
            }
            Command::Consumer(id, ConsumerCommand::Reopen(open)) => {
                self.reopen_consumer(from, id, &open, turn)
            }
            Command::Consumer(id, ConsumerCommand::Credit(credit)) => {
                self.add_credit(from, id, credit)
            }
            Command::Consumer(id, ConsumerCommand::Settle(settle)) => {
                self.settle(from, id, settle, turn)
            }
            Command::Consumer(id, ConsumerCommand::Close(ticket)) => {
                self.close_consumer((from, id), false, turn);
                self.answer(from, ticket, Ok(()), turn);
            }
            Command::Transaction(id, TransactionCommand::Begin(session)) => {
                self.begin(from, id, session, turn)
            }
            Command::Transaction(id, TransactionCommand::Commit(ticket)) => {
                self.commit_transaction(from, id, ticket, turn)
            }
            Command::Transaction(id, TransactionCommand::Rollback(ticket)) => {
                self.rollback_transaction(from, id, ticket, turn);
            }
            Command::Resource(session, resource, ticket) => {
                self.resource(from, session, &resource, ticket, turn)
            }
        }
    }

    /// A client is gone: what it held goes back, what it had open is undone.
    pub fn disconnected(&mut self, client: ConnectionId, turn: &mut Turn<'_>) {
        self.leave(client, turn);
        let Some(state) = self.clients.get(&client) else {
            return;
        };
        let transactions: Vec<_> = state.transactions.keys().copied().collect();
        let consumers: Vec<_> = state.consumers.keys().copied().collect();
        for transaction in transactions {
            self.rollback_transaction(client, transaction, None, turn);
        }
        for consumer in consumers {
            self.close_consumer((client, consumer), true, turn);
        }
        self.abort_uploads(client, None, turn);
        self.close_downloads(client);
        self.clients.remove(&client);
        self.blocks.forget(client);
    }

    /// Everything up to `position` is durable: what waited for it becomes visible.
    pub fn durable(&mut self, position: Position, turn: &mut Turn<'_>) {
        self.gate.open_to(position);
        while let Some(held) = self.gate.release() {
            match held {
                Held::Reply(to, event) => turn.events.push((to, event)),
                Held::Enqueue(queue, message) => self.make_ready(queue, message, turn.now),
                Held::Paged(place) => self.show_in_page(place),
                Held::Consumer(key, queue) => self.activate_consumer(key, queue, turn),
                Held::LargeMessage(body) => self.delete_large(body, turn),
            }
        }
    }

    /// The end of a turn: deals with what has become deliverable or expired in it, and cleans a little of the log.
    pub fn finish(&mut self, turn: &mut Turn<'_>) {
        if self.failed {
            return;
        }
        // What expires may be delivered from where it goes, and expire there again; what comes from a page makes room for
        // more: a few rounds, the rest next turn.
        if !self.copies.is_empty() {
            self.copy_retained(turn);
        }
        for _ in 0..ROUNDS {
            self.dispatch(turn);
            let given = self.read_pages(turn);
            if self.expired.is_empty() && !given {
                break;
            }
            for (queue, message) in std::mem::take(&mut self.expired) {
                self.expire_message(queue, message, turn);
            }
        }
        self.finish_pages(turn);
        if !self.blocking.is_empty() {
            self.unblock(turn);
        }
        self.note_global_limit(turn);
        self.let_large_go(turn);
        self.clean(turn);
    }

    /// Gives what is ready to those who want it, a portion per queue.
    fn dispatch(&mut self, turn: &mut Turn<'_>) {
        let limit = self.settings.limits.unsettled;
        for id in std::mem::take(&mut self.dirty) {
            let State {
                queues,
                client_sessions,
                ..
            } = &mut self.state;
            let Some(queue) = queues.get_mut(id) else {
                continue;
            };
            let dispatched = queue.dispatch(turn.now.wall, limit, client_sessions, turn.events);
            let expired = dispatched.expired.into_iter();
            self.expired.extend(expired.map(|message| (id, message)));
            self.commit(None, &dispatched.records, false, turn);
            self.deliver_packets(dispatched.packets, turn);
            if !dispatched.sent.is_empty() {
                let why = Departure::Acknowledged;
                self.remove(None, id, &dispatched.sent, why, false, turn);
            }
            if dispatched.unfinished {
                self.dirty.insert(id);
            } else if !self.state.pages.is_empty() {
                self.page_work.wanting.insert(id);
            }
        }
    }

    /// When [`Engine::expire`] must be called at the latest.
    pub fn deadline(&self, now: Now) -> Option<Instant> {
        let busy = !self.dirty.is_empty() || !self.page_work.wanting.is_empty() || self.can_copy();
        if busy && !self.failed {
            return Some(now.monotonic);
        }
        let alarm = self.alarms.first().map(|(at, _)| now.at_wall(*at));
        let session = self.state.client_sessions.next_alarm();
        let session = session.map(|at| now.at_wall(at));
        let transaction = self.transaction_deadlines.first().map(|(at, ..)| *at);
        let retry = self.page_work.retries.deadline();
        [
            alarm,
            session,
            transaction,
            retry,
            self.expiry_scan,
            self.address_scan,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Deadlines have passed.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        self.ring_alarms(turn.now);
        self.expire_client_sessions(turn);
        self.time_out_transactions(turn);
        if self.expiry_scan.is_some_and(|at| at <= turn.now.monotonic) {
            self.expiry_scan = self
                .settings
                .expiry_scan_period
                .map(|period| turn.now.monotonic.after(period));
            self.scan_expired(turn);
        }
        if self.address_scan.is_some_and(|at| at <= turn.now.monotonic) {
            self.address_scan = self
                .settings
                .address_queue_scan_period
                .map(|period| turn.now.monotonic.after(period));
            self.delete_unused(turn);
        }
    }

    /// The broker is stopping: clients are told.
    pub fn stop(&mut self, turn: &mut Turn<'_>) {
        turn.events
            .extend(self.clients.keys().map(|client| (*client, Event::Stopping)));
    }

    /// The disk has failed: nothing more is acknowledged or delivered.
    pub fn storage_failed(&mut self, turn: &mut Turn<'_>) {
        self.failed = true;
        self.gate.shut_for_ever();
        self.stop(turn);
    }

    /// Addresses, queues and messages.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is held back until it is durable.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Clients connected.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// A number nothing has had before. Reserves a block in the log when the last one is used up.
    pub(crate) fn new_id(&mut self, turn: &mut Turn<'_>) -> u64 {
        if self.next_id >= self.state.id_counter {
            let record = Record::IdCounter(self.next_id + ID_BLOCK);
            turn.storage.append(&record, false, false);
            self.state.apply(&record, turn.storage.live());
        }
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Appends records as one unit and applies them. `sync`: whether their durability needs the disk's word.
    pub(crate) fn commit(
        &mut self,
        from: Option<ConnectionId>,
        unit: &[Record],
        sync: bool,
        turn: &mut Turn<'_>,
    ) {
        for (index, record) in unit.iter().enumerate() {
            let more = index + 1 < unit.len();
            turn.storage.append(record, more, sync);
        }
        for record in unit {
            self.state.apply(record, turn.storage.live());
        }
        if let Some(client) = from.and_then(|from| self.clients.get_mut(&from))
            && !unit.is_empty()
        {
            client.last = turn.storage.appended();
        }
    }

    /// What `client` is told next depends on all that was appended so far, whoever caused it: somebody else's send, say,
    /// that made this one a duplicate.
    pub(crate) fn wait_for_everything(&mut self, client: ConnectionId, turn: &Turn<'_>) {
        self.wait_for(client, turn.storage.appended());
    }

    /// What `client` is told next, and what it sends next, is not seen before `position` is durable.
    pub(crate) fn wait_for(&mut self, client: ConnectionId, position: Position) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.last = client.last.max(position);
        }
    }

    /// The position after which something caused by `client` may be seen.
    pub(crate) fn last_position(&self, client: ConnectionId) -> Position {
        self.clients
            .get(&client)
            .map_or(Position(0), |client| client.last)
    }

    /// Tells a client how its command ended, when everything it caused is durable.
    pub(crate) fn answer(
        &mut self,
        to: ConnectionId,
        ticket: Option<Ticket>,
        end: Result<(), Refusal>,
        turn: &mut Turn<'_>,
    ) {
        let event = match (end, ticket) {
            (Ok(()), None) => return,
            (Ok(()), Some(ticket)) => Event::Done(ticket),
            (Err(refusal), ticket) => Event::Refused(ticket, refusal),
        };
        self.tell(to, event, turn);
    }

    /// Tells a client something, when everything it caused is durable.
    pub(crate) fn tell(&mut self, to: ConnectionId, event: Event, turn: &mut Turn<'_>) {
        let position = self.last_position(to);
        if self.gate.is_open(position) {
            turn.events.push((to, event));
        } else {
            let until = self.gate.hold(position, Held::Reply(to, event));
            self.wait_for(to, until);
        }
    }

    /// Lets a message on a queue be delivered once `position` is durable; what its sender sends next comes after it.
    pub(crate) fn enqueue(
        &mut self,
        from: Option<ConnectionId>,
        queue: QueueId,
        message: MessageId,
        position: Position,
        now: Now,
    ) {
        if self.gate.is_open(position) {
            self.make_ready(queue, message, now);
            return;
        }
        let until = self.gate.hold(position, Held::Enqueue(queue, message));
        if let Some(from) = from {
            self.wait_for(from, until);
        }
    }

    /// Lets a message on a queue be delivered: now, or at its time.
    pub(crate) fn make_ready(&mut self, id: QueueId, message: MessageId, now: Now) {
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        match queue.release(message, now.wall) {
            Some(_) => self.set_alarm(id),
            None => self.mark_dirty(id),
        }
    }

    /// Looks at the queue again when its next scheduled message is due.
    pub(crate) fn set_alarm(&mut self, id: QueueId) {
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        let next = queue.next_scheduled();
        if next == queue.alarm {
            return;
        }
        if let Some(at) = std::mem::replace(&mut queue.alarm, next) {
            self.alarms.remove(&(at, id));
        }
        self.alarms.extend(next.map(|at| (at, id)));
    }

    /// The queue is about to go: nothing is due on it any more.
    pub(crate) fn clear_alarm(&mut self, id: QueueId) {
        let queue = self.state.queues.get_mut(id);
        if let Some(at) = queue.and_then(|queue| queue.alarm.take()) {
            self.alarms.remove(&(at, id));
        }
    }

    /// How many queues wait for a time.
    pub fn alarms(&self) -> usize {
        self.alarms.len()
    }

    /// The queue is looked at again when the turn ends.
    pub(crate) fn mark_dirty(&mut self, queue: QueueId) {
        self.dirty.insert(queue);
    }

    /// Whether a user may do something, by the session's name.
    pub(crate) fn authorize(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        permission: Permission,
        name: &Arc<str>,
    ) -> Result<(), Refusal> {
        let session = self
            .clients
            .get_mut(&from)
            .and_then(|client| client.sessions.get_mut(&session));
        session
            .ok_or(Refusal::Unknown("session"))?
            .check(&self.settings, permission, name)
    }

    /// Whether a user may do something with a queue: what the security settings say of its FQQN, else of its address.
    pub(crate) fn authorize_queue(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        permission: Permission,
        address: &str,
        queue: &str,
    ) -> Result<(), Refusal> {
        if !self.settings.security_enabled {
            return Ok(());
        }
        let name = format!("{address}{QUALIFIER}{queue}").into();
        self.authorize(from, session, permission, &name)
    }

    fn open_session(
        &mut self,
        from: ConnectionId,
        id: SessionId,
        session: Session,
        turn: &mut Turn<'_>,
    ) {
        if let Some(client) = self.clients.get_mut(&from) {
            client.sessions.insert(id, session);
        }
        self.hold_on_full_disk(from, turn);
    }

    fn close_session(&mut self, from: ConnectionId, id: SessionId, turn: &mut Turn<'_>) {
        let Some(client) = self.clients.get(&from) else {
            return;
        };
        let open = client
            .transactions
            .iter()
            .filter(|(_, transaction)| transaction.session == id);
        let transactions: Vec<_> = open.map(|(id, _)| *id).collect();
        let of_session = |consumer: &crate::id::ConsumerId, queue: &QueueId| {
            let queue = self.state.queues.get(*queue);
            queue
                .and_then(|queue| queue.consumers.get(&(from, *consumer)))
                .is_some_and(|c| c.session == id)
        };
        let consumers: Vec<_> = client
            .consumers
            .iter()
            .filter(|(c, q)| of_session(c, q))
            .map(|(c, _)| *c)
            .collect();
        for transaction in transactions {
            self.rollback_transaction(from, transaction, None, turn);
        }
        for consumer in consumers {
            self.close_consumer((from, consumer), false, turn);
        }
        self.abort_uploads(from, Some(id), turn);
        if let Some(client) = self.clients.get_mut(&from) {
            client.sessions.remove(&id);
        }
    }

    /// Lets scheduled messages whose time has come be delivered, a portion of each queue; the next is due at once.
    fn ring_alarms(&mut self, now: Now) {
        let due = self.alarms.range(..=(now.wall, QueueId(u64::MAX)));
        let queues: Vec<QueueId> = due.map(|(_, queue)| *queue).collect();
        for id in queues {
            if let Some(queue) = self.state.queues.get_mut(id) {
                queue.release_due(now.wall, SCHEDULE_PORTION);
            }
            self.mark_dirty(id);
            self.set_alarm(id);
        }
    }

    fn scan_expired(&mut self, turn: &mut Turn<'_>) {
        for id in self.state.queues.ids() {
            let Some(queue) = self.state.queues.get_mut(id) else {
                continue;
            };
            let expired = queue.expired(turn.now.wall, EXPIRY_PORTION);
            if expired.len() == EXPIRY_PORTION {
                // More may be due: go on in the next turn instead of in the next period.
                self.expiry_scan = Some(turn.now.monotonic.after(Duration::from_millis(1)));
            }
            for message in expired {
                queue.hold(message);
                self.expired.push((id, message));
            }
        }
        if self.expire_retained(turn) {
            self.expiry_scan = Some(turn.now.monotonic.after(Duration::from_millis(1)));
        }
        self.scan_expired_pages(turn.now.wall);
    }

    /// Writes again, a little at a time, what is still alive in the oldest part of the log.
    fn clean(&mut self, turn: &mut Turn<'_>) {
        const BYTES_PER_TURN: u64 = 64 * 1024;
        for key in turn.storage.cleaning(BYTES_PER_TURN) {
            if let Key::OpenPage(page) = key {
                self.close_page(page);
            } else if let Some(record) = self.state.record(&key) {
                turn.storage.append(&record, false, false);
            } else {
                turn.storage.live().dead(key);
            }
        }
    }
}
