// SPDX-License-Identifier: Apache-2.0
//! A queue: the messages on it, where each of them is in its life there, and who consumes.

mod ahead;
pub mod consumer;
pub mod dispatch;
mod give;
mod intake;
pub mod options;
pub mod page_cursor;
mod page_damage;
mod page_in;
pub(crate) mod read_again;
pub(crate) mod read_turns;
mod reads_held;
pub mod ready;
mod redelivery;
pub(crate) mod settle;
mod subscribe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::address::routing_type::RoutingType;
use crate::id::{AddressId, ConnectionId, MessageId, MessageMap, QueueId};
use crate::message::Message;
use crate::selector::Selector;
use crate::storage::record::{PagePlace, QueueRecord};
use consumer::{Consumer, ConsumerKey};
pub use options::QueueOptions;
use page_cursor::PageCursor;
use ready::Ready;
use settle::Departure;

/// Where a message is in its life on a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Behind the gate, or in the hands of the engine; ends with [`Queue::release`].
    Held,
    /// May be delivered.
    Ready,
    /// May be delivered to those who chose it; to others in its turn. Ends with [`Queue::read_up_to`].
    Ahead,
    /// Not before its time.
    Scheduled,
    /// With a consumer or an open transaction.
    Delivering,
}

/// One message on one queue.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The message.
    pub message: Arc<Message>,
    /// Deliveries without success so far.
    pub attempts: u32,
    /// Not to be delivered before this, ms since 1970; 0 = at once.
    pub scheduled: u64,
    /// Where it is.
    pub place: Place,
    /// The connection that sent it, for `no-local`; unknown (0) after a restart.
    pub origin: ConnectionId,
    /// Where it stands in a page, if it came from there.
    pub paged: Option<PagePlace>,
    /// Other queues of the address hold it as well: they are charged for it together.
    pub shared: bool,
}

/// How many messages went where since the broker started.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counters {
    /// Came in.
    pub added: u64,
    /// Were acknowledged.
    pub acknowledged: u64,
    /// Expired.
    pub expired: u64,
    /// Went to the dead-letter address, were dropped after their last attempt, or purged.
    pub killed: u64,
}

impl Counters {
    /// A message leaves for good.
    pub(crate) fn count(&mut self, why: Departure) {
        match why {
            Departure::Acknowledged => self.acknowledged += 1,
            Departure::Expired => self.expired += 1,
            Departure::Killed => self.killed += 1,
        }
    }
}

/// A queue.
///
/// *Invariants*: an id is in `ready` exactly if its entry says [`Place::Ready`], in `scheduled` exactly if it says
/// [`Place::Scheduled`]; `bytes` is the sum of the sizes of all entries, `ready_bytes` of those that are ready; every entry with an expiration is in `expiring`; a
/// consumer that [`Consumer::is_hungry`] says is hungry is in `hungry`.
#[derive(Debug)]
pub struct Queue {
    /// What the log says of it.
    pub record: QueueRecord,
    /// The name of its address.
    pub address: Arc<str>,
    /// Is in the log, and so are its durable messages.
    pub durable: bool,
    /// Goes with the consumer that made it.
    pub temporary: bool,
    /// Comes from the configuration.
    pub configured: bool,
    /// Options, typed.
    pub options: QueueOptions,
    /// Parsed filter; `None`: everything enters.
    pub filter: Option<Selector>,
    /// The filter cannot be parsed: nothing enters.
    pub filter_broken: bool,
    /// Since when it has had no consumer, ms since 1970; `None`: never had one, or has one now.
    pub unused_since: Option<u64>,
    /// The connection of its one consumer, if that does not want what it sends itself: such messages do not enter,
    /// because nobody would take them.
    pub no_local_of: Option<ConnectionId>,
    /// What the client of this id publishes does not enter: the one that subscribes does not want its own messages.
    pub excludes: Option<Arc<str>>,
    /// Counted since start.
    pub counters: Counters,
    /// When the engine looks at it next for scheduled messages.
    pub(crate) alarm: Option<u64>,
    /// How far it has read in pages.
    pub cursor: PageCursor,
    pub(crate) consumers: BTreeMap<ConsumerKey, Consumer>,
    /// Those of them that would take something now, by priority, lowest first. Kept by [`Queue::changed`].
    hungry: BTreeMap<i8, BTreeSet<ConsumerKey>>,
    /// Those of them that do not take everything.
    choosy: BTreeSet<ConsumerKey>,
    /// Per priority level: no consumer has looked past this id.
    scanned_max: [MessageId; 10],
    last_served: Option<ConsumerKey>,
    entries: MessageMap<Entry>,
    ready: Ready,
    expiring: BTreeSet<(u64, MessageId)>,
    scheduled: BTreeSet<(u64, MessageId)>,
    bytes: u64,
    ready_bytes: u64,
}

impl Queue {
    /// An empty queue.
    pub fn new(record: QueueRecord, address: Arc<str>, durable: bool) -> Self {
        let (filter, filter_broken) = match Selector::parse(&record.filter) {
            Ok(filter) => (filter, false),
            Err(_) => (None, true),
        };
        Self {
            address,
            durable,
            temporary: false,
            configured: false,
            options: QueueOptions::from_record(&record.options),
            filter,
            filter_broken,
            unused_since: None,
            no_local_of: None,
            excludes: None,
            counters: Counters::default(),
            alarm: None,
            cursor: PageCursor::default(),
            consumers: BTreeMap::new(),
            hungry: BTreeMap::new(),
            choosy: BTreeSet::new(),
            scanned_max: Default::default(),
            last_served: None,
            entries: MessageMap::default(),
            ready: Ready::default(),
            expiring: BTreeSet::new(),
            scheduled: BTreeSet::new(),
            bytes: 0,
            ready_bytes: 0,
            record,
        }
    }

    /// A queue of which only the number is known: its messages stand before it in the log.
    pub(crate) fn unnamed(id: QueueId) -> Self {
        let record = QueueRecord {
            id,
            name: Arc::from(""),
            address: AddressId(0),
            routing: RoutingType::Anycast,
            filter: Arc::from(""),
            user: Arc::from(""),
            options: Vec::new(),
            auto_created: false,
            paused: false,
        };
        Self::new(record, Arc::from(""), true)
    }

    /// Replaces what the log says of it; messages and consumers stay.
    pub(crate) fn replace_record(&mut self, record: QueueRecord) {
        self.options = QueueOptions::from_record(&record.options);
        if record.filter != self.record.filter {
            let parsed = Selector::parse(&record.filter);
            self.filter_broken = parsed.is_err();
            self.filter = parsed.unwrap_or(None);
        }
        self.record = record;
    }

    /// Its number.
    pub fn id(&self) -> QueueId {
        self.record.id
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.record.name
    }

    /// Its address's number.
    pub fn address_id(&self) -> AddressId {
        self.record.address
    }

    /// Its routing type.
    pub fn routing(&self) -> RoutingType {
        self.record.routing
    }

    /// Whether it wants the message.
    pub fn accepts(&self, message: &Message) -> bool {
        self.options.enabled
            && !self.filter_broken
            && self.filter.as_ref().is_none_or(|f| f.matches(message))
    }

    /// Whether it does not want what the message's publisher says.
    pub fn is_excluded(&self, message: &Message) -> bool {
        self.excludes.as_ref().is_some_and(|client_id| {
            let published = message.published.as_ref();
            published.is_some_and(|published| published.client_id == *client_id)
        })
    }

    /// Whether several consumers may read it.
    pub fn is_shared(&self) -> bool {
        self.options.max_consumers != Some(1)
    }

    /// Whether a durable message on it stands in the log.
    pub fn logs(&self, message: &Message) -> bool {
        self.durable && message.durable
    }

    /// Messages on it, wherever they are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Messages ready for delivery.
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Bytes of all messages on it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A message on it.
    pub fn entry(&self, id: MessageId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Every message on it, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (MessageId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Deliveries that are remembered for its consumers, those in between that are settled included.
    pub fn unsettled_slots(&self) -> usize {
        let slots = self
            .consumers
            .values()
            .map(|consumer| consumer.unsettled.slots());
        slots.sum()
    }

    /// Every message on it, oldest first. For scans and tests, not for the turn: it sorts.
    pub fn sorted(&self) -> Vec<(MessageId, &Entry)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(id, entry)| (*id, entry))
            .collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }

    /// Puts a message on the queue, held; replaces what the log said of it before.
    pub(crate) fn put(&mut self, message: Arc<Message>, attempts: u32, scheduled: u64) {
        let id = message.id;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.attempts = attempts;
            entry.scheduled = scheduled;
            return;
        }
        self.bytes += message.size();
        if message.expiration != 0 {
            self.expiring.insert((message.expiration, id));
        }
        self.counters.added += 1;
        let origin = ConnectionId::default();
        self.entries.insert(
            id,
            Entry {
                message,
                attempts,
                scheduled,
                place: Place::Held,
                origin,
                paged: None,
                shared: false,
            },
        );
    }

    /// Takes a message off the queue for good.
    pub(crate) fn take(&mut self, id: MessageId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.leave(entry.place, &entry.message, entry.scheduled);
        if entry.message.expiration != 0 {
            self.expiring.remove(&(entry.message.expiration, id));
        }
        self.bytes -= entry.message.size();
        if let Some(place) = entry.paged {
            self.cursor.in_memory.subtract(entry.message.size());
            self.cursor.ahead.remove(place);
        }
        Some(entry)
    }

    pub(crate) fn entry_mut(&mut self, id: MessageId) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// Lets a held or scheduled message be delivered: at once, or (`Some`) not before its time.
    pub(crate) fn release(&mut self, id: MessageId, wall: u64) -> Option<u64> {
        let entry = self.entries.get_mut(&id)?;
        if matches!(entry.place, Place::Ready | Place::Ahead | Place::Delivering) {
            return None;
        }
        if entry.scheduled > wall {
            entry.place = Place::Scheduled;
            self.scheduled.insert((entry.scheduled, id));
            return Some(entry.scheduled);
        }
        if entry.place == Place::Scheduled {
            self.scheduled.remove(&(entry.scheduled, id));
        }
        if let Some(place) = entry.paged
            && self.cursor.ahead.contains(place)
        {
            entry.place = Place::Ahead;
            self.offer_ahead(id, place);
            return None;
        }
        entry.place = Place::Ready;
        self.ready.insert(entry.message.priority, id);
        self.ready_bytes += entry.message.size();
        self.look_again(id);
        None
    }

    /// When the next scheduled message is due, in memory or in a page, ms since 1970.
    pub(crate) fn next_scheduled(&self) -> Option<u64> {
        let in_memory = self.scheduled.first().map(|(at, _)| *at);
        in_memory.into_iter().chain(self.cursor.next_due()).min()
    }

    /// Lets at most `limit` scheduled messages whose time has come be delivered.
    pub(crate) fn release_due(&mut self, wall: u64, limit: usize) {
        let due = self.scheduled.range(..=(wall, MessageId(u64::MAX)));
        let due: Vec<MessageId> = due.map(|(_, id)| *id).take(limit).collect();
        for id in due {
            self.release(id, wall);
        }
    }

    /// Takes a message out of delivery without deciding anything: it is held until [`Queue::release`].
    pub(crate) fn hold(&mut self, id: MessageId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let place = std::mem::replace(&mut entry.place, Place::Held);
            let (message, scheduled) = (entry.message.clone(), entry.scheduled);
            self.leave(place, &message, scheduled);
        }
    }

    /// The list of messages in that place forgets one.
    fn leave(&mut self, place: Place, message: &Message, scheduled: u64) {
        match place {
            Place::Ready => {
                self.ready.remove(message.priority, message.id);
                self.ready_bytes -= message.size();
            }
            Place::Scheduled => {
                self.scheduled.remove(&(scheduled, message.id));
            }
            Place::Held | Place::Ahead | Place::Delivering => {}
        }
    }

    /// Messages that have expired by `wall` and are with nobody, at most `limit`.
    pub(crate) fn expired(&self, wall: u64, limit: usize) -> Vec<MessageId> {
        let due = self.expiring.range(..=(wall, MessageId(u64::MAX)));
        let idle = due.filter(|(_, id)| {
            self.entries
                .get(id)
                .is_some_and(|e| e.place != Place::Delivering)
        });
        idle.map(|(_, id)| *id).take(limit).collect()
    }

    /// Checks the invariants; for the simulator and tests.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check(&self) {
        let ready: Vec<_> = self.ready.iter().collect();
        assert!(
            ready
                .iter()
                .all(|id| self.entries[id].place == Place::Ready),
            "{}: ready without place",
            self.name()
        );
        let places = self
            .entries
            .values()
            .filter(|entry| entry.place == Place::Ready)
            .count();
        assert_eq!(
            ready.len(),
            places,
            "{}: places and ready list differ",
            self.name()
        );
        assert_eq!(
            self.bytes,
            self.entries.values().map(|e| e.message.size()).sum::<u64>(),
            "{}: bytes",
            self.name()
        );
        let sizes = ready.iter().map(|id| self.entries[id].message.size());
        assert_eq!(
            self.ready_bytes,
            sizes.sum::<u64>(),
            "{}: ready bytes",
            self.name()
        );
        for (id, entry) in &self.entries {
            let scheduled = self.scheduled.contains(&(entry.scheduled, *id));
            assert_eq!(
                scheduled,
                entry.place == Place::Scheduled,
                "{}: {id} is in the wrong list",
                self.name()
            );
        }
        for (key, consumer) in &self.consumers {
            let listed = self.hungry.get(&consumer.priority);
            assert!(
                !consumer.is_hungry() || listed.is_some_and(|keys| keys.contains(key)),
                "{}: a hungry consumer is not listed",
                self.name()
            );
            let scanned = consumer.scanned.iter().zip(&self.scanned_max);
            assert!(
                scanned.into_iter().all(|(one, max)| one <= max),
                "{}: a consumer has looked further than any",
                self.name()
            );
        }
        let paged = self.entries.values().filter(|e| e.paged.is_some());
        assert_eq!(
            (
                paged.clone().count() as u64,
                paged.map(|e| e.message.size()).sum()
            ),
            (self.cursor.in_memory.messages, self.cursor.in_memory.bytes),
            "{}: what came from pages",
            self.name()
        );
        self.check_ahead();
        let delivering = self
            .entries
            .values()
            .filter(|entry| entry.place == Place::Delivering)
            .count();
        let unsettled: usize = self
            .consumers
            .values()
            .map(|consumer| consumer.unsettled.len())
            .sum();
        assert!(
            unsettled <= delivering,
            "{}: more unsettled than delivering",
            self.name()
        );
    }
}
