// SPDX-License-Identifier: Apache-2.0
//! Everything durable, and the one way it changes: [`State::apply`]. Live operation, recovery and a standby call it
//! with the same records, so they end with the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use crate::address::ledger::Ledger;
use crate::address::pages::Pages;
use crate::address::registry::Addresses;
use crate::address::settings::AddressSettings;
use crate::client_session::ClientSessions;
use crate::id::{AddressId, LargeId, MessageId, MessageMap, PageId, QueueId};
use crate::large_message::References;
use crate::message::{Body, Message};
use crate::queue::{Place, Queue};
use crate::retained::Retained;
use crate::routing::duplicate_id_cache::DuplicateIdCaches;
use crate::settings::Settings;
use crate::storage::Liveness;
use crate::storage::record::{
    AddressRecord, BranchStart, Key, MessageRecord, PagePlace, PageRecord, QueueRecord, Record,
    Route,
};

/// A message of the log and the durable queues it is still on.
#[derive(Debug)]
struct Logged {
    message: Arc<Message>,
    queues: SmallVec<[QueueId; 1]>,
}

/// The queues, by number and by name.
#[derive(Debug, Default)]
pub struct Queues {
    by_id: FxHashMap<QueueId, Queue>,
    by_name: BTreeMap<Arc<str>, QueueId>,
}

impl Queues {
    /// The queue of that name.
    pub fn named(&self, name: &str) -> Option<&Queue> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// The queue of that number.
    pub fn get(&self, id: QueueId) -> Option<&Queue> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.by_id.get_mut(&id)
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    /// Their numbers by name.
    pub fn ids(&self) -> Vec<QueueId> {
        self.by_name.values().copied().collect()
    }
}

/// The durable state of a node, and beside it what only lives while the broker runs (non-durable queues and messages,
/// places, counters), kept in the same queues.
///
/// *Invariants*: a message is in `logged` exactly if its record is live in the log; it lists exactly the durable
/// queues it is on.
#[derive(Debug)]
pub struct State {
    settings: Arc<Settings>,
    /// Addresses.
    pub addresses: Addresses,
    /// Queues.
    pub queues: Queues,
    /// Duplicate ids.
    pub duplicates: DuplicateIdCaches,
    /// Ids below this one are reserved: they may have been used even if nothing in the log shows them.
    pub id_counter: u64,
    highest_id: u64,
    /// The branch being written.
    pub branch: Option<BranchStart>,
    logged: MessageMap<Logged>,
    /// Who needs the bodies of large messages.
    pub large: References,
    /// Pages.
    pub pages: Pages,
    /// Retained messages.
    pub retained: Retained,
    /// Client sessions.
    pub client_sessions: ClientSessions,
    /// What all messages in memory take, once it is counted.
    pub(crate) memory: Ledger,
    /// Whether it is.
    pub(crate) counting: bool,
    /// Queues that messages of the log are on and whose own record has not come yet: cleaning writes records again
    /// behind those that build on them.
    unnamed: BTreeSet<QueueId>,
    /// Queues whose address's record has not come yet, for the same reason.
    unbound: BTreeMap<AddressId, Vec<QueueId>>,
}

impl State {
    /// Nothing at all.
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            addresses: Addresses::new(settings.wildcard),
            queues: Queues::default(),
            duplicates: DuplicateIdCaches::default(),
            id_counter: 0,
            highest_id: 0,
            branch: None,
            logged: MessageMap::default(),
            large: References::default(),
            pages: Pages::default(),
            retained: Retained::new(settings.wildcard),
            client_sessions: ClientSessions::default(),
            memory: Ledger::default(),
            counting: false,
            unnamed: BTreeSet::new(),
            unbound: BTreeMap::new(),
            settings,
        }
    }

    /// Messages of the log that are still on a queue.
    pub fn logged_messages(&self) -> usize {
        self.logged.len()
    }

    /// The first id that nothing can have had.
    pub fn next_free_id(&self) -> u64 {
        self.id_counter.max(self.highest_id + 1)
    }

    /// The settings that rule an address, merged.
    pub fn settings_of(settings: &Settings, address: &str) -> Arc<AddressSettings> {
        Arc::new(AddressSettings::merged(
            settings.address_settings.all(address),
        ))
    }

    /// Changes the state as the record says. Applying a record again changes nothing.
    pub fn apply(&mut self, record: &Record, live: &mut Liveness) {
        match record {
            Record::Branch(start) => self.branch = Some(start.clone()),
            Record::Message(record) => self.apply_message(record, live),
            Record::Acknowledge { queue, message } => {
                self.apply_acknowledge(*queue, *message, live)
            }
            Record::DeliveryCount {
                queue,
                message,
                count,
            } => {
                if let Some(entry) = self
                    .queues
                    .get_mut(*queue)
                    .and_then(|queue| queue.entry_mut(*message))
                {
                    entry.attempts = *count;
                }
            }
            Record::Scheduled { queue, message, at } => {
                if let Some(entry) = self
                    .queues
                    .get_mut(*queue)
                    .and_then(|queue| queue.entry_mut(*message))
                {
                    entry.scheduled = *at;
                }
            }
            Record::DuplicateId(record) => {
                let limit = self.id_cache_limit(&record.address);
                self.duplicates.insert(record, limit, |sequence| {
                    live.dead(Key::DuplicateId(sequence))
                });
            }
            Record::Address(record) => self.put_address(record.clone()),
            Record::AddressRemoved(id) => {
                if let Some(address) = self.addresses.get(*id) {
                    self.duplicates.remove(&address.record.name, |sequence| {
                        live.dead(Key::DuplicateId(sequence))
                    });
                }
                self.addresses.remove(*id);
                live.dead(Key::Address(*id));
            }
            Record::Queue(record) => self.put_queue(record.clone(), true),
            Record::QueueRemoved(id) => {
                self.remove_queue(*id, live);
                live.dead(Key::Queue(*id));
            }
            Record::IdCounter(next) => self.id_counter = self.id_counter.max(*next),
            Record::Synced(_) => {}
            Record::Paged(_)
            | Record::Page(_)
            | Record::PageAcknowledge { .. }
            | Record::PageMark { .. }
            | Record::PagePurged { .. } => self.apply_to_pages(record, live),
            Record::Retained(record) => {
                self.highest_id = self.highest_id.max(record.message.id.0);
                self.apply_retained(&record.message, live);
            }
            Record::RetainedRemoved(id) => self.apply_retained_removed(*id, live),
            Record::PacketAcknowledged { flight, .. } => {
                self.apply_acknowledge(flight.queue, flight.message, live);
                self.client_sessions.apply(record, live);
            }
            Record::ClientSession(_)
            | Record::ClientSessionRemoved(_)
            | Record::ClientSessionLeft { .. }
            | Record::Subscription(_)
            | Record::SubscriptionRemoved(_)
            | Record::PacketSent { .. }
            | Record::PacketCompleted { .. }
            | Record::PacketTaken { .. }
            | Record::PacketReleased { .. } => {
                self.client_sessions.apply(record, live);
                self.highest_id = self.highest_id.max(self.client_sessions.highest_id());
            }
        }
    }

    fn apply_to_pages(&mut self, record: &Record, live: &mut Liveness) {
        match record {
            Record::Paged(record) => {
                let ids = record.message.message.id.0.max(record.place.page.0);
                self.highest_id = self.highest_id.max(ids);
                self.pages.apply_paged(record);
            }
            Record::Page(record) => {
                self.highest_id = self.highest_id.max(record.id.0);
                self.pages.apply_page(record, live);
            }
            Record::PageAcknowledge {
                queue,
                place,
                message,
            } => self.acknowledge_paged(*queue, *place, *message, live),
            Record::PageMark {
                queue, place, mark, ..
            } => self.pages.mark(*queue, *place, *mark),
            Record::PagePurged { queue, page } => self.pages.purge(*queue, *page, live),
            _ => {}
        }
    }

    /// A message of a page has left a queue, and the memory if it is there.
    pub(crate) fn acknowledge_paged(
        &mut self,
        queue: QueueId,
        place: PagePlace,
        message: MessageId,
        live: &mut Liveness,
    ) {
        self.take_off(queue, message);
        self.pages.acknowledge(queue, place, live);
    }

    fn apply_message(&mut self, record: &MessageRecord, live: &mut Liveness) {
        let id = record.message.id;
        let mut queues = SmallVec::new();
        for route in &record.routes {
            self.queues.by_id.entry(route.queue).or_insert_with(|| {
                self.unnamed.insert(route.queue);
                Queue::unnamed(route.queue)
            });
            self.put_on(route.queue, &record.message, route.count, route.scheduled);
            queues.push(route.queue);
        }
        self.highest_id = self.highest_id.max(id.0);
        if queues.is_empty() {
            self.logged.remove(&id);
            live.dead(Key::Message(id));
        } else {
            self.logged.insert(
                id,
                Logged {
                    message: record.message.clone(),
                    queues,
                },
            );
        }
    }

    fn apply_acknowledge(&mut self, queue: QueueId, message: MessageId, live: &mut Liveness) {
        self.take_off(queue, message);
        self.unlog(queue, message, live);
    }

    fn unlog(&mut self, queue: QueueId, message: MessageId, live: &mut Liveness) {
        let Some(logged) = self.logged.get_mut(&message) else {
            return;
        };
        logged.queues.retain(|other| *other != queue);
        if logged.queues.is_empty() {
            self.logged.remove(&message);
            live.dead(Key::Message(message));
        }
    }

    fn id_cache_limit(&self, address: &str) -> usize {
        let of_address = self
            .addresses
            .named(address)
            .and_then(|address| address.settings.id_cache_size);
        of_address.unwrap_or(self.settings.id_cache_size) as usize
    }

    /// Adds an address (also one that is in no log).
    pub(crate) fn put_address(&mut self, record: AddressRecord) {
        let id = record.id;
        let settings = self.settings.clone();
        self.addresses
            .put(record, |name| Self::settings_of(&settings, name));
        for queue in self.unbound.remove(&id).unwrap_or_default() {
            self.bind(queue, id);
        }
    }

    /// Adds a queue (also one that is in no log), or replaces what is said of it.
    pub(crate) fn put_queue(&mut self, record: QueueRecord, durable: bool) {
        let (id, address, name) = (record.id, record.address, record.name.clone());
        match self.queues.by_id.get_mut(&id) {
            Some(queue) => {
                queue.replace_record(record);
                if !self.unnamed.remove(&id) {
                    return;
                }
            }
            None => {
                let queue = Queue::new(record, Arc::from(""), durable);
                self.queues.by_id.insert(id, queue);
            }
        }
        self.queues.by_name.insert(name, id);
        self.bind(id, address);
    }

    /// Binds a queue to its address, now or when that is known.
    fn bind(&mut self, id: QueueId, address_id: AddressId) {
        let Some(address) = self.addresses.get_mut(address_id) else {
            self.unbound.entry(address_id).or_default().push(id);
            return;
        };
        address.unused_since = None;
        if let Some(queue) = self.queues.by_id.get_mut(&id) {
            queue.address = address.record.name.clone();
            self.addresses.bind(address_id, id);
        }
    }

    /// Removes a queue and everything on it.
    pub(crate) fn remove_queue(&mut self, id: QueueId, live: &mut Liveness) {
        let Some(queue) = self.queues.by_id.remove(&id) else {
            return;
        };
        self.unnamed.remove(&id);
        if self.queues.by_name.get(queue.name()) == Some(&id) {
            self.queues.by_name.remove(queue.name());
        }
        self.addresses.unbind(queue.address_id(), id);
        for (message, entry) in queue.entries() {
            self.large.release_of(&entry.message);
            self.uncharge(queue.address_id(), message, entry);
            if entry.paged.is_none() && queue.logs(&entry.message) {
                self.unlog(id, message, live);
            }
        }
        self.pages.remove_queue(id, live);
    }

    /// After replay: queues whose own record has not come were removed long ago, and their messages with them; so were
    /// addresses that duplicate ids are known of and that are not there, or were made after those ids.
    pub(crate) fn forget_strays(&mut self, live: &mut Liveness) {
        for id in self.unnamed.clone() {
            self.remove_queue(id, live);
        }
        let shares = self.pages.iter().flat_map(|(_, page)| page.shares());
        let queues: BTreeSet<QueueId> = shares.map(|(queue, _)| *queue).collect();
        for id in queues {
            if self.queues.get(id).is_none() {
                self.pages.remove_queue(id, live);
            }
        }
        self.client_sessions.forget_strays(live);
        let addresses = &self.addresses;
        self.duplicates.retain(
            |address, sequence| addresses.id(address).is_some_and(|id| id.0 < sequence),
            |sequence| live.dead(Key::DuplicateId(sequence)),
        );
    }

    /// Messages on a queue, in memory and in pages.
    pub fn message_count(&self, id: QueueId) -> u64 {
        let Some(queue) = self.queues.get(id) else {
            return 0;
        };
        let pages = self.pages.after(queue.address_id(), PageId(0));
        let left: u64 = pages.map(|(_, page)| u64::from(page.left(id))).sum();
        queue.len() as u64 + left - queue.cursor.in_memory.messages
    }

    /// What has to be written again to keep a key alive: the record as it would be written now.
    pub(crate) fn record(&self, key: &Key) -> Option<Record> {
        Some(match key {
            Key::Branch => Record::Branch(self.branch.clone()?),
            Key::Message(id) => Record::Message(self.message_record(*id)?),
            Key::DuplicateId(sequence) => Record::DuplicateId(self.duplicates.record(*sequence)?),
            Key::Address(id) => Record::Address(self.addresses.get(*id)?.record.clone()),
            Key::Queue(id) => Record::Queue(self.queues.get(*id)?.record.clone()),
            Key::IdCounter => Record::IdCounter(self.id_counter),
            Key::Page(id) => Record::Page(self.page_record(*id)?),
            Key::OpenPage(_) => return None,
            Key::Retained(id) => Record::Retained(self.retained.record(*id)?),
            Key::ClientSession(id) => Record::ClientSession(self.client_sessions.record(*id)?),
            Key::Subscription(id) => {
                Record::Subscription(self.client_sessions.subscription_record(*id)?)
            }
        })
    }

    /// What the log is to say of a page that stands on the disk.
    pub(crate) fn page_record(&self, id: PageId) -> Option<PageRecord> {
        let is_durable = |queue| self.queues.get(queue).is_some_and(|queue| queue.durable);
        self.pages.record(id, is_durable)
    }

    fn message_record(&self, id: MessageId) -> Option<MessageRecord> {
        let logged = self.logged.get(&id)?;
        let route = |queue: &QueueId| {
            let entry = self.queues.get(*queue)?.entry(id)?;
            Some(Route {
                queue: *queue,
                count: entry.attempts,
                scheduled: entry.scheduled,
            })
        };
        let routes = logged.queues.iter().filter_map(route).collect();
        Some(MessageRecord {
            message: logged.message.clone(),
            routes,
        })
    }

    /// A number that is equal for two states exactly if (but for collisions) everything durable in them is equal.
    pub fn durable_digest(&self) -> u64 {
        let mut hasher = FxHasher::default();
        let mut add = |bytes: &[u8]| hasher.write(bytes);
        for address in self.addresses.iter() {
            add(format!("{:?}", address.record).as_bytes());
        }
        for queue in self.queues.iter().filter(|queue| queue.durable) {
            add(format!("{:?}", queue.record).as_bytes());
            for (id, entry) in queue.sorted() {
                if entry.paged.is_none() && queue.logs(&entry.message) {
                    let head = Message {
                        body: entry
                            .message
                            .body
                            .large()
                            .map_or_else(Body::default, Body::Large),
                        ..Message::clone(&entry.message)
                    };
                    add(format!("{id} {} {} {head:?}", entry.attempts, entry.scheduled).as_bytes());
                    add(entry.message.body.inline().map_or(&[], |bytes| bytes));
                }
            }
        }
        for line in self.page_lines() {
            add(line.as_bytes());
        }
        for line in self.client_sessions.lines() {
            add(line.as_bytes());
        }
        for message in self.retained.iter() {
            add(format!("{message:?}").as_bytes());
        }
        for (address, age, id) in self.duplicates.iter() {
            add(format!("{address} {age} {id:?}").as_bytes());
        }
        hasher.finish()
    }

    /// What is durable of what pages hold, a line for each page and queue.
    pub fn page_lines(&self) -> Vec<String> {
        let record = |(id, _)| self.page_record(id);
        let shares = |page: PageRecord| {
            let line =
                move |(queue, share): &(QueueId, _)| format!("{} {queue} {share:?}", page.id);
            page.shares.iter().map(line).collect::<Vec<_>>()
        };
        self.pages
            .iter()
            .filter_map(record)
            .flat_map(shares)
            .collect()
    }

    /// Checks the invariants of every queue and of the log's index; for the simulator and tests.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check(&self) {
        let mut on_queues = 0;
        for queue in self.queues.iter() {
            queue.check();
            on_queues += queue
                .sorted()
                .iter()
                .filter(|(_, entry)| entry.paged.is_none() && queue.logs(&entry.message))
                .count();
        }
        self.check_large();
        self.pages.check();
        self.retained.check();
        self.client_sessions.check();
        self.check_ledgers();
        let logged: usize = self.logged.values().map(|logged| logged.queues.len()).sum();
        assert_eq!(
            on_queues, logged,
            "messages on durable queues and messages in the log"
        );
    }

    /// Every body of a message on a queue is needed at least once for each of its places.
    fn check_large(&self) {
        let mut places: BTreeMap<LargeId, u64> = BTreeMap::new();
        let on_queues = self.queues.iter().flat_map(|queue| queue.entries());
        for large in on_queues.filter_map(|(_, entry)| entry.message.body.large()) {
            *places.entry(large.id).or_default() += 1;
        }
        for (body, places) in places {
            assert!(
                self.large.count(body) >= places,
                "the body {body} is needed by {places}, counted {}",
                self.large.count(body)
            );
        }
    }

    /// After replay: everything held may be delivered now, or at its time.
    pub(crate) fn release_all(&mut self, wall: u64) {
        for id in self.queues.ids() {
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            // What came after messages that went to pages waits for them.
            let pages = self.pages.after(queue.address_id(), PageId(0));
            let mut pages = pages.filter(|(_, page)| page.left(id) > 0);
            let paged = pages
                .next()
                .map_or(MessageId(u64::MAX), |(_, page)| page.first);
            let held = queue.entries().filter(|(_, e)| e.place == Place::Held);
            let mut held: Vec<MessageId> = held.map(|(id, _)| id).collect();
            held.sort_unstable();
            for message in held {
                if message > paged {
                    queue.cursor.after.insert(message);
                } else {
                    queue.release(message, wall);
                }
            }
        }
    }
}
