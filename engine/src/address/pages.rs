// SPDX-License-Identifier: Apache-2.0
//! The pages of all addresses: which there are, and what is left of each for which queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::id::{AddressId, LargeId, MessageId, PageId, QueueId};
use crate::index_set::IndexSet;
use crate::large_message::References;
use crate::message::Message;
use crate::storage::Liveness;
use crate::storage::record::{
    Key, Mark, MessageRecord, PagePlace, PageRecord, PagedRecord, Route, Share,
};

/// Whether a page's file can be relied on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Takes messages; the log has them, and the file may have some. Ends with [`Page::close`].
    Open,
    /// Takes none any more and is to be put on the disk.
    Closed,
    /// The disk has been asked for everything. Ends with a [`PageRecord`] in the log.
    Sealing,
    /// Stands on the disk; the log has forgotten its messages.
    Sealed,
}

/// A message of a page that is not in its file yet.
#[derive(Clone, Debug)]
pub struct Unwritten {
    /// Which message of the page.
    pub index: u32,
    /// The message, with every queue of the address it is for.
    pub record: MessageRecord,
}

/// A page of an address: some of its messages, in a file instead of in memory.
///
/// *Invariants*: what is pending for a queue has been put in and not been acknowledged there; `shares` ascends by queue;
/// `unwritten` ascends, and everything before its first is in the file.
#[derive(Debug)]
pub struct Page {
    /// The address.
    pub address: AddressId,
    /// How far it is.
    pub stage: Stage,
    /// Places given out.
    pub messages: u32,
    /// Places given out whose message has not been put in yet.
    pub reserved: u32,
    /// The id of the first message.
    pub first: MessageId,
    /// The earliest time at which a message expires, ms since 1970; 0 = none does.
    pub expires: u64,
    /// Bytes of the messages in it, for the page limits.
    pub bytes: u64,
    /// Messages before this one are in the file.
    pub in_file: u32,
    /// Bytes of its file, those of `unwritten` not counted.
    pub written: u64,
    /// Where in the file some messages begin, those in front of which a piece was written by this run.
    pub pieces: Vec<(u32, u64)>,
    /// Bytes in memory of what is not in the file.
    pub unwritten_bytes: u64,
    /// What is not in the file.
    pub unwritten: VecDeque<Unwritten>,
    /// Its file has been kept for the operator, because something in it cannot be read.
    pub damaged: bool,
    durable: IndexSet,
    shares: SmallVec<[(QueueId, Share); 1]>,
    large: BTreeMap<u32, LargeId>,
    /// Messages that may not be seen before what their sender caused is durable; nor may what stands behind them.
    pub held: BTreeSet<u32>,
}

impl Page {
    fn new(address: AddressId) -> Self {
        Self {
            address,
            stage: Stage::Open,
            messages: 0,
            reserved: 0,
            first: MessageId(u64::MAX),
            expires: 0,
            bytes: 0,
            in_file: 0,
            written: 0,
            pieces: Vec::new(),
            unwritten_bytes: 0,
            unwritten: VecDeque::new(),
            damaged: false,
            durable: IndexSet::default(),
            shares: SmallVec::new(),
            large: BTreeMap::new(),
            held: BTreeSet::new(),
        }
    }

    /// Messages before this one may be seen.
    pub fn visible(&self) -> u32 {
        self.held.first().copied().unwrap_or(self.messages)
    }

    /// Where in the file the message begins, or one before it.
    pub fn offset_of(&self, index: u32) -> u64 {
        let after = self.pieces.partition_point(|(first, _)| *first <= index);
        after.checked_sub(1).map_or(0, |at| self.pieces[at].1)
    }

    /// What is left for a queue.
    pub fn share(&self, queue: QueueId) -> Option<&Share> {
        let at = self.share_at(queue).ok()?;
        Some(&self.shares[at].1)
    }

    /// Where the share of a queue is, or would be.
    fn share_at(&self, queue: QueueId) -> Result<usize, usize> {
        self.shares.binary_search_by_key(&queue, |(id, _)| *id)
    }

    /// How many messages are left for a queue.
    pub fn left(&self, queue: QueueId) -> u32 {
        self.share(queue).map_or(0, |share| share.pending.len())
    }

    /// What is left, by queue.
    pub fn shares(&self) -> impl Iterator<Item = &(QueueId, Share)> {
        self.shares.iter()
    }

    /// Whether the message is durable.
    pub fn is_durable(&self, index: u32) -> bool {
        self.durable.contains(index)
    }

    /// The large body of a message.
    pub fn large(&self) -> impl Iterator<Item = LargeId> + '_ {
        self.large.values().copied()
    }

    /// Takes no more messages.
    pub fn close(&mut self) {
        self.stage = self.stage.max(Stage::Closed);
    }

    fn share_mut(&mut self, queue: QueueId) -> &mut Share {
        let at = self.share_at(queue).unwrap_or_else(|at| {
            self.shares.insert(at, (queue, Share::default()));
            at
        });
        &mut self.shares[at].1
    }

    fn is_done(&self) -> bool {
        let left = self
            .shares
            .iter()
            .any(|(_, share)| !share.pending.is_empty());
        !left && self.reserved == 0
    }

    /// Puts a message in, for these queues; again: for more queues. For which of them it is now left and was not before.
    fn put(
        &mut self,
        index: u32,
        message: &Arc<Message>,
        routes: &[Route],
        logged: bool,
    ) -> SmallVec<[QueueId; 1]> {
        let mut fresh = SmallVec::new();
        self.messages = self.messages.max(index + 1);
        self.first = self.first.min(message.id);
        if message.expiration != 0 && (self.expires == 0 || message.expiration < self.expires) {
            self.expires = message.expiration;
        }
        if logged {
            self.durable.insert(index);
        }
        if let Some(large) = message.body.large() {
            self.large.insert(index, large.id);
        }
        for route in routes {
            let share = self.share_mut(route.queue);
            if share.pending.insert(index) {
                fresh.push(route.queue);
            }
            if route.count != 0 || route.scheduled != 0 {
                let (count, scheduled) = (route.count, route.scheduled);
                share.marks.insert(index, Mark { count, scheduled });
            }
        }
        self.keep(index, message, routes);
        fresh
    }

    /// Keeps the message until it is in the file.
    fn keep(&mut self, index: u32, message: &Arc<Message>, routes: &[Route]) {
        if index < self.in_file {
            return;
        }
        // Messages of one unit come those of the log first, whatever their places.
        let at = self.unwritten.partition_point(|kept| kept.index < index);
        match self.unwritten.get_mut(at) {
            Some(kept) if kept.index == index => {
                let known = &mut kept.record.routes;
                for route in routes {
                    if known.iter().all(|other| other.queue != route.queue) {
                        known.push(*route);
                    }
                }
            }
            _ => {
                self.bytes += message.size();
                self.unwritten_bytes += message.size();
                let record = MessageRecord {
                    message: message.clone(),
                    routes: routes.iter().copied().collect(),
                };
                self.unwritten.insert(at, Unwritten { index, record });
            }
        }
    }
}

/// What pages hold of one address.
#[derive(Debug, Default)]
pub struct OfAddress {
    /// The pages, oldest first.
    pub pages: BTreeSet<PageId>,
    /// Messages in them that are left for some queue, once for each queue.
    pub left: u64,
    /// The same by queue; none is 0.
    pub queues: BTreeMap<QueueId, u64>,
    /// Bytes of the messages in them, whether left or not.
    pub bytes: u64,
}

impl OfAddress {
    fn add(&mut self, queue: QueueId, messages: u64) {
        if messages > 0 {
            self.left += messages;
            *self.queues.entry(queue).or_default() += messages;
        }
    }

    fn subtract(&mut self, queue: QueueId, messages: u64) {
        let Some(left) = self.queues.get_mut(&queue) else {
            return;
        };
        self.left -= messages;
        *left -= messages;
        if *left == 0 {
            self.queues.remove(&queue);
        }
    }
}

/// All pages.
///
/// *Invariant*: an address is in `by_address` exactly if it has a page.
#[derive(Debug, Default)]
pub struct Pages {
    by_id: BTreeMap<PageId, Page>,
    by_address: BTreeMap<AddressId, OfAddress>,
    /// Pages that nothing is left of: their files may go when that is durable.
    done: Vec<(PageId, Page)>,
    /// Bytes of messages in memory that are to be written.
    unwritten_bytes: u64,
    /// The large bodies of messages in pages.
    pub(crate) large: References,
}

impl Pages {
    /// A page.
    pub fn get(&self, id: PageId) -> Option<&Page> {
        self.by_id.get(&id)
    }

    /// A page, to change what no record speaks of.
    pub(crate) fn get_mut(&mut self, id: PageId) -> Option<&mut Page> {
        self.by_id.get_mut(&id)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (PageId, &Page)> {
        self.by_id.iter().map(|(id, page)| (*id, page))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The pages of an address.
    pub fn of(&self, address: AddressId) -> Option<&OfAddress> {
        self.by_address.get(&address)
    }

    /// The pages of an address from this one on, oldest first.
    pub fn after(&self, address: AddressId, from: PageId) -> impl Iterator<Item = (PageId, &Page)> {
        let pages = self.by_address.get(&address);
        let ids = pages.into_iter().flat_map(move |of| of.pages.range(from..));
        ids.filter_map(|id| Some((*id, self.by_id.get(id)?)))
    }

    /// Bytes of messages that wait in memory to be written to their page.
    pub fn unwritten_bytes(&self) -> u64 {
        self.unwritten_bytes
    }

    /// Gives out the next place in a page, which is made if it is not there.
    pub(crate) fn reserve(&mut self, id: PageId, address: AddressId) -> PagePlace {
        let page = self.page(id, address);
        let index = page.messages;
        page.messages += 1;
        page.reserved += 1;
        PagePlace { page: id, index }
    }

    /// Everything of the page that is in memory leaves it for the file.
    pub(crate) fn take_unwritten(&mut self, id: PageId) -> VecDeque<Unwritten> {
        let Some(page) = self.by_id.get_mut(&id) else {
            return VecDeque::new();
        };
        self.unwritten_bytes -= std::mem::take(&mut page.unwritten_bytes);
        page.in_file = page
            .unwritten
            .back()
            .map_or(page.in_file, |last| last.index + 1);
        std::mem::take(&mut page.unwritten)
    }

    /// A message comes to its page, for these queues; from the log, or beside it (`logged` = false).
    pub(crate) fn put(
        &mut self,
        place: PagePlace,
        address: AddressId,
        message: &Arc<Message>,
        routes: &[Route],
        logged: bool,
    ) {
        let page = self.page(place.page, address);
        if page.stage == Stage::Sealed {
            return;
        }
        let (unwritten, bytes) = (page.unwritten_bytes, page.bytes);
        let bodies = page.large.len();
        let fresh = page.put(place.index, message, routes, logged);
        let has_body = page.large.len() > bodies;
        let added = page.bytes - bytes;
        self.unwritten_bytes += page.unwritten_bytes - unwritten;
        if let Some(of) = self.by_address.get_mut(&address) {
            fresh.into_iter().for_each(|queue| of.add(queue, 1));
            of.bytes += added;
        }
        if has_body {
            self.large.acquire_of(message);
        }
    }

    /// The place given out has been filled, with whatever came of it.
    pub(crate) fn filled(&mut self, place: PagePlace, live: &mut Liveness) {
        if let Some(page) = self.by_id.get_mut(&place.page) {
            page.reserved -= 1;
        }
        self.drop_if_done(place.page, live);
    }

    /// The log says that a message came to a page.
    pub(crate) fn apply_paged(&mut self, record: &PagedRecord) {
        let MessageRecord { message, routes } = &record.message;
        self.put(record.place, record.address, message, routes, true);
    }

    /// The log says that a page stands on the disk.
    pub(crate) fn apply_page(&mut self, record: &PageRecord, live: &mut Liveness) {
        live.dead(Key::OpenPage(record.id));
        let page = self.page(record.id, record.address);
        let (before, bytes) = (page.lefts(), page.bytes);
        let bodies: Vec<LargeId> = page.large().collect();
        let unwritten = match page.stage {
            Stage::Sealing | Stage::Sealed => page.stand(record),
            Stage::Open | Stage::Closed => page.restore(record),
        };
        let (now, bytes_now) = (page.lefts(), page.bytes);
        let bodies_now: Vec<LargeId> = page.large().collect();
        bodies_now
            .into_iter()
            .for_each(|body| self.large.acquire(body));
        bodies.into_iter().for_each(|body| self.large.release(body));
        self.unwritten_bytes -= unwritten;
        if let Some(of) = self.by_address.get_mut(&record.address) {
            now.into_iter()
                .for_each(|(queue, left)| of.add(queue, left));
            before
                .into_iter()
                .for_each(|(queue, left)| of.subtract(queue, left));
            of.bytes = of.bytes + bytes_now - bytes;
        }
        self.drop_if_done(record.id, live);
    }

    /// A message of a page has left a queue; whether it was there.
    pub(crate) fn acknowledge(
        &mut self,
        queue: QueueId,
        place: PagePlace,
        live: &mut Liveness,
    ) -> bool {
        let Some(page) = self.by_id.get_mut(&place.page) else {
            return false;
        };
        let address = page.address;
        let share = page.share_mut(queue);
        let was_there = share.pending.remove(place.index);
        share.marks.remove(&place.index);
        if let Some(body) = page.let_large_go(place.index) {
            self.large.release(body);
        }
        if let Some(of) = self.by_address.get_mut(&address) {
            of.subtract(queue, u64::from(was_there));
        }
        if was_there {
            self.drop_if_done(place.page, live);
        }
        was_there
    }

    /// What is remembered of a message of a page for a queue.
    pub(crate) fn mark(&mut self, queue: QueueId, place: PagePlace, mark: Mark) {
        if let Some(page) = self.by_id.get_mut(&place.page) {
            let share = page.share_mut(queue);
            if share.pending.contains(place.index) {
                share.marks.insert(place.index, mark);
            }
        }
    }

    /// Nothing of the page is left for the queue.
    pub(crate) fn purge(&mut self, queue: QueueId, id: PageId, live: &mut Liveness) {
        let Some(page) = self.by_id.get_mut(&id) else {
            return;
        };
        let Ok(at) = page.share_at(queue) else {
            return;
        };
        let (_, share) = page.shares.remove(at);
        let with_body: Vec<u32> = page.large.keys().copied().collect();
        for body in with_body
            .into_iter()
            .filter_map(|index| page.let_large_go(index))
        {
            self.large.release(body);
        }
        if let Some(of) = self.by_address.get_mut(&page.address) {
            of.subtract(queue, u64::from(share.pending.len()));
        }
        self.drop_if_done(id, live);
    }

    /// The queue is gone, and whatever was left for it.
    pub(crate) fn remove_queue(&mut self, queue: QueueId, live: &mut Liveness) {
        let with_share = self.by_id.iter();
        let with_share = with_share.filter(|(_, page)| page.share(queue).is_some());
        let pages: Vec<PageId> = with_share.map(|(id, _)| *id).collect();
        for page in pages {
            self.purge(queue, page, live);
        }
    }

    /// What the log says of a page that stands on the disk.
    pub(crate) fn record(
        &self,
        id: PageId,
        is_durable: impl Fn(QueueId) -> bool,
    ) -> Option<PageRecord> {
        let page = self.by_id.get(&id)?;
        let share = |(queue, share): &(QueueId, Share)| {
            let pending = share.pending.intersection(&page.durable);
            let mut marks = share.marks.clone();
            marks.retain(|index, _| pending.contains(*index));
            let wanted = is_durable(*queue) && !pending.is_empty();
            wanted.then_some((*queue, Share { pending, marks }))
        };
        Some(PageRecord {
            id,
            address: page.address,
            messages: page.messages,
            size: page.written,
            first: page.first,
            expires: page.expires,
            durable: page.durable.clone(),
            shares: page.shares.iter().filter_map(share).collect(),
            large: page.large.clone(),
        })
    }

    /// The pages that nothing is left of, for their files to be deleted.
    pub(crate) fn take_done(&mut self) -> Vec<(PageId, Page)> {
        std::mem::take(&mut self.done)
    }

    /// Pages that nothing is left of and whose files are still to be deleted.
    pub fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    fn page(&mut self, id: PageId, address: AddressId) -> &mut Page {
        self.by_id.entry(id).or_insert_with(|| {
            self.by_address.entry(address).or_default().pages.insert(id);
            Page::new(address)
        })
    }

    fn drop_if_done(&mut self, id: PageId, live: &mut Liveness) {
        if !self.by_id.get(&id).is_some_and(Page::is_done) {
            return;
        }
        let Some(mut page) = self.by_id.remove(&id) else {
            return;
        };
        page.unwritten.clear();
        for body in std::mem::take(&mut page.large).into_values() {
            self.large.release(body);
        }
        live.dead(Key::OpenPage(id));
        live.dead(Key::Page(id));
        self.unwritten_bytes -= std::mem::take(&mut page.unwritten_bytes);
        if let Some(of) = self.by_address.get_mut(&page.address) {
            of.pages.remove(&id);
            of.bytes -= page.bytes;
            if of.pages.is_empty() {
                assert_eq!(of.left, 0, "nothing is left of no page");
                self.by_address.remove(&page.address);
            }
        }
        self.done.push((id, page));
    }

    /// Checks the invariants; for the simulator and tests.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check(&self) {
        let mut unwritten = 0;
        let mut left: BTreeMap<AddressId, BTreeMap<QueueId, u64>> = BTreeMap::new();
        for (id, page) in &self.by_id {
            assert!(!page.is_done(), "page {id} should be gone");
            let in_memory = page.unwritten.iter();
            let sum: u64 = in_memory.map(|one| one.record.message.size()).sum();
            assert_eq!(sum, page.unwritten_bytes, "page {id}: bytes in memory");
            unwritten += sum;
            let of = left.entry(page.address).or_default();
            for (queue, count) in page.lefts() {
                *of.entry(queue).or_default() += count;
            }
        }
        assert_eq!(unwritten, self.unwritten_bytes, "bytes of pages in memory");
        for of in self.by_address.values() {
            assert_eq!(of.left, of.queues.values().sum(), "what is left of pages");
        }
        let listed = self.by_address.iter();
        let listed: BTreeMap<_, _> = listed.map(|(id, of)| (*id, of.queues.clone())).collect();
        assert_eq!(left, listed, "what is left of pages, by queue");
    }
}

impl Page {
    /// Messages left, by queue; none is 0.
    fn lefts(&self) -> Vec<(QueueId, u64)> {
        let left = |(queue, share): &(QueueId, Share)| (*queue, u64::from(share.pending.len()));
        let lefts = self.shares.iter().map(left);
        lefts.filter(|(_, left)| *left > 0).collect()
    }

    /// The file has everything. How many bytes that waited to be written this makes needless (after a restart).
    fn stand(&mut self, record: &PageRecord) -> u64 {
        if self.stage == Stage::Sealed {
            return 0;
        }
        self.stage = Stage::Sealed;
        self.unwritten.clear();
        self.in_file = record.messages;
        self.written = record.size;
        self.messages = record.messages;
        std::mem::take(&mut self.unwritten_bytes)
    }

    /// The log is read: the page is what its record says. It may be known already, but not as a whole, because the log
    /// has forgotten some of its messages since the record was written. How many bytes that waited to be written this
    /// makes needless.
    fn restore(&mut self, record: &PageRecord) -> u64 {
        self.unwritten.clear();
        self.stage = Stage::Sealed;
        self.messages = record.messages;
        self.in_file = record.messages;
        self.first = record.first;
        self.expires = record.expires;
        self.bytes = record.size;
        self.written = record.size;
        self.durable = record.durable.clone();
        self.shares = record.shares.iter().cloned().collect();
        self.shares.sort_by_key(|(queue, _)| *queue);
        self.large = record.large.clone();
        let pending = |index| {
            self.shares
                .iter()
                .any(|(_, share)| share.pending.contains(index))
        };
        self.large.retain(|index, _| pending(*index));
        std::mem::take(&mut self.unwritten_bytes)
    }

    /// The large body of a message, if no queue needs the message any more.
    fn let_large_go(&mut self, index: u32) -> Option<LargeId> {
        let mut shares = self.shares.iter();
        match shares.any(|(_, share)| share.pending.contains(index)) {
            true => None,
            false => self.large.remove(&index),
        }
    }
}

#[cfg(test)]
mod tests;
