// SPDX-License-Identifier: Apache-2.0
//! The way back from pages: which messages a queue reads next, and what becomes of what was read.
//!
//! A queue reads in order (`Next`) while what it has in memory from pages leaves room (`max-read-page-bytes`,
//! `max-read-page-messages`) and somebody consumes. What is not to be delivered yet is left behind and read again in its
//! time (`Due`). While the memory is full of what nobody takes who has credit, those who choose look further ahead
//! (`Search`), each from where it has looked already, so that none of them waits for the others.

use bytes::Bytes;

use super::page_cursor::{Place, Purpose};
use crate::engine::{Engine, Turn, Unit};
use crate::id::{AddressId, MessageId, PageId, QueueId};
use crate::message::Message;
use crate::notice::Notice;
use crate::storage::page::Entries;
use crate::storage::record::{LastAddress, Mark, MessageRecord, PagePlace, Record};
use crate::storage::request::{PageRequest, Request};

/// Bytes read at once, unless a message is larger.
const CHUNK: u64 = 1024 * 1024;
/// At least so many, however little room there is.
const CHUNK_MIN: u64 = 64 * 1024;
/// Reads under way for all queues together.
const READS: usize = 8;
/// Messages taken from a page's memory in one go.
const PORTION: usize = 512;
/// Bytes of pages a queue may have in memory while all addresses together are full.
const PRESSED: u64 = 256 * 1024;
/// How long what is due waits for room, in milliseconds.
const RETRY: u64 = 1_000;

/// Something read from a page.
struct Found {
    index: u32,
    record: MessageRecord,
}

/// What a queue made of what was read.
struct Taken {
    /// It has no room for the message at this index.
    full_at: Option<u32>,
}

impl Engine {
    /// Queues that may want something of their pages read it, as far as it is in memory, or ask the disk for it.
    pub(crate) fn read_pages(&mut self, turn: &mut Turn<'_>) {
        for id in std::mem::take(&mut self.page_work.wanting) {
            self.read_for(id, turn);
        }
    }

    fn read_for(&mut self, id: QueueId, turn: &mut Turn<'_>) {
        let Some(queue) = self.state.queues.get(id) else {
            return;
        };
        let address = queue.address_id();
        if queue.cursor.reading.is_some() {
            return;
        }
        let Some((purpose, place)) = self.next_read(id, turn.now.wall) else {
            if !self.has_unread(id) {
                self.release_after(id, MessageId(u64::MAX), turn);
                self.stop_paging_if_done(address, turn);
            }
            return;
        };
        let page = self.state.pages.get(place.page);
        if page.is_some_and(|page| place.index >= page.in_file) {
            self.read_from_memory(id, purpose, place, turn);
        } else {
            self.ask_for(id, purpose, place, turn);
        }
    }

    /// What a queue reads next.
    fn next_read(&self, id: QueueId, wall: u64) -> Option<(Purpose, Place)> {
        let queue = self.state.queues.get(id)?;
        let cursor = &queue.cursor;
        if cursor.due.page != PageId(0) {
            let due = cursor.due;
            let there = self.state.pages.get(due.page);
            if there.is_some_and(|page| due.index < page.visible()) {
                return Some((Purpose::Due, due));
            }
        }
        if let Some(page) = cursor.due_page(wall) {
            let place = Place {
                page,
                ..Place::default()
            };
            return Some((Purpose::Due, place));
        }
        if queue.consumers.is_empty() {
            return None;
        }
        if self.has_room(id, 1) {
            return Some((Purpose::Next, self.next_place(id, cursor.next)?));
        }
        let from = queue.searched_least()?.max(cursor.next);
        if !self.has_room(id, 2) {
            return None;
        }
        Some((Purpose::Search, self.next_place(id, from)?))
    }

    /// The first place from this one on at which something is left for the queue that may be seen.
    fn next_place(&self, id: QueueId, from: Place) -> Option<Place> {
        let address = self.state.queues.get(id)?.address_id();
        for (page_id, page) in self.state.pages.after(address, from.page) {
            let index = if page_id == from.page { from.index } else { 0 };
            let pending = page.share(id).and_then(|share| share.pending.last());
            if pending.is_none_or(|last| last < index) {
                continue;
            }
            if index >= page.visible() {
                return None;
            }
            let known = if page_id == from.page { from.offset } else { 0 };
            return Some(Place {
                page: page_id,
                index,
                offset: known.max(page.offset_of(index)),
            });
        }
        None
    }

    /// Whether there is anything in pages that reading in order has not come to.
    fn has_unread(&self, id: QueueId) -> bool {
        let Some(queue) = self.state.queues.get(id) else {
            return false;
        };
        let next = queue.cursor.next;
        let pages = self.state.pages.after(queue.address_id(), next.page);
        let mut unread = pages.filter(|(page_id, page)| {
            let pending = page.share(id).and_then(|share| share.pending.last());
            pending.is_some_and(|last| *page_id > next.page || last >= next.index)
        });
        unread.next().is_some()
    }

    /// Whether a queue may take more from pages into memory; `times` the usual.
    fn has_room(&self, id: QueueId, times: u64) -> bool {
        self.room(id, times) > 0
    }

    fn room(&self, id: QueueId, times: u64) -> u64 {
        let Some(queue) = self.state.queues.get(id) else {
            return 0;
        };
        let Some(address) = self.state.addresses.get(queue.address_id()) else {
            return 0;
        };
        let in_memory = queue.cursor.in_memory;
        let settings = &address.settings;
        let mut bytes = settings.max_read_page_bytes.unwrap_or(u64::MAX);
        if self.is_globally_full() {
            bytes = bytes.min(PRESSED);
        }
        let messages = settings.max_read_page_messages.unwrap_or(u64::MAX);
        if in_memory.messages == 0 {
            return bytes.max(1);
        }
        if in_memory.messages >= messages.saturating_mul(times) {
            return 0;
        }
        bytes.saturating_mul(times).saturating_sub(in_memory.bytes)
    }

    /// What is not in the file yet is taken from where it waits to be written.
    fn read_from_memory(&mut self, id: QueueId, purpose: Purpose, place: Place, turn: &mut Turn<'_>) {
        let Some(page) = self.state.pages.get(place.page) else {
            return;
        };
        let visible = page.visible();
        let kept = page.unwritten.iter();
        let from = kept.skip_while(|one| one.index < place.index);
        let found: Vec<Found> = from
            .take_while(|one| one.index < visible)
            .take(PORTION)
            .map(|one| Found {
                index: one.index,
                record: one.record.clone(),
            })
            .collect();
        let end = found.last().map_or(visible, |last| last.index + 1);
        let taken = self.take_in(id, purpose, place, found.into_iter(), turn);
        let index = taken.full_at.unwrap_or(end);
        self.advance(id, purpose, place, Place { index, ..place }, turn);
        self.page_work.wanting.insert(id);
    }

    fn ask_for(&mut self, id: QueueId, purpose: Purpose, place: Place, turn: &mut Turn<'_>) {
        let key = (place.page, place.offset);
        let asked = self.page_work.reads.contains_key(&key);
        if !asked && self.page_work.reads.len() >= READS {
            self.page_work.waiting.insert(id);
            return;
        }
        let room = match purpose {
            Purpose::Next => self.room(id, 1).clamp(CHUNK_MIN, CHUNK),
            Purpose::Due | Purpose::Search => CHUNK,
        };
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        queue.cursor.reading = Some(purpose);
        match purpose {
            Purpose::Next => queue.cursor.next = place,
            Purpose::Search => queue.cursor.search = place,
            Purpose::Due => {
                if queue.cursor.due.page != place.page {
                    queue.cursor.behind.insert(place.page, u64::MAX);
                }
                queue.cursor.due = place;
            }
        }
        let length = room.max(queue.cursor.at_least);
        self.page_work.reads.entry(key).or_default().push((id, purpose));
        if !asked {
            turn.storage.ask(Request::Page(PageRequest::Read {
                page: place.page,
                offset: place.offset,
                length: u32::try_from(length).unwrap_or(u32::MAX),
            }));
        }
    }

    /// A part of a page has been read.
    pub(crate) fn page_read(&mut self, page: PageId, offset: u64, bytes: &Bytes, turn: &mut Turn<'_>) {
        let readers = self.page_work.reads.remove(&(page, offset));
        for (id, purpose) in readers.unwrap_or_default() {
            self.read_chunk(id, purpose, page, offset, bytes, turn);
        }
        self.page_work.wanting.append(&mut self.page_work.waiting);
    }

    fn read_chunk(
        &mut self,
        id: QueueId,
        purpose: Purpose,
        page_id: PageId,
        offset: u64,
        bytes: &Bytes,
        turn: &mut Turn<'_>,
    ) {
        let Some(place) = self.end_read(id, purpose) else {
            return;
        };
        self.page_work.wanting.insert(id);
        let Some(page) = self.state.pages.get(page_id).filter(|_| place.page == page_id) else {
            return;
        };
        let last = offset + bytes.len() as u64 >= page.written;
        let end = if last { page.in_file } else { 0 };
        let mut entries = Entries::new(page_id, offset, bytes, last);
        let mut addresses = LastAddress::default();
        let mut found = Vec::new();
        let (mut index, mut lost) = (place.index, Vec::new());
        let share = page.share(id);
        let visible = page.visible();
        for entry in entries.by_ref() {
            if entry.index < place.index || entry.index >= visible {
                continue;
            }
            lost.extend(index..entry.index);
            index = entry.index + 1;
            let wanted = share.is_some_and(|share| share.pending.contains(entry.index));
            if wanted && self.is_wanted(id, purpose, place, &entry, &mut addresses) {
                match entry.decode(&mut addresses) {
                    Some(record) => found.push(Found {
                        index: entry.index,
                        record,
                    }),
                    None => lost.push(entry.index),
                }
            }
        }
        if last {
            lost.extend(index..end.min(visible));
            index = index.max(end.min(visible));
        }
        let resume = entries.resume();
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.cursor.at_least = if last { 0 } else { resume.at_least as u64 };
        }
        let what = entries.damaged().first().map(|range| {
            format!("bytes {} to {} cannot be verified", range.start, range.end)
        });
        let taken = self.take_in(id, purpose, place, found.into_iter(), turn);
        if taken.full_at.is_none() {
            self.lose(id, page_id, &lost, what, turn);
        }
        let next = match taken.full_at {
            Some(index) => Place { index, ..place },
            None => Place {
                page: page_id,
                index,
                offset: resume.offset,
            },
        };
        self.advance(id, purpose, place, next, turn);
    }

    /// The read under way for the queue has ended; where it was meant to begin.
    fn end_read(&mut self, id: QueueId, purpose: Purpose) -> Option<Place> {
        let queue = self.state.queues.get_mut(id)?;
        queue.cursor.reading = None;
        Some(match purpose {
            Purpose::Next => queue.cursor.next,
            Purpose::Search => queue.cursor.search,
            Purpose::Due => queue.cursor.due,
        })
    }

    /// Whether a message in a page is worth a copy of its own in memory.
    fn is_wanted(
        &self,
        id: QueueId,
        purpose: Purpose,
        place: Place,
        entry: &crate::storage::page::Entry<'_>,
        addresses: &mut LastAddress,
    ) -> bool {
        if purpose != Purpose::Search {
            return true;
        }
        let Some(queue) = self.state.queues.get(id) else {
            return false;
        };
        let shared = entry.decode_shared(addresses);
        shared.is_some_and(|record| queue.is_sought(&record.message, place))
    }

    /// A queue takes messages of a page into memory as far as it has room.
    fn take_in(
        &mut self,
        id: QueueId,
        purpose: Purpose,
        place: Place,
        found: impl Iterator<Item = Found>,
        turn: &mut Turn<'_>,
    ) -> Taken {
        let times = if purpose == Purpose::Next { 1 } else { 2 };
        for Found { index, record } in found {
            let message = &record.message;
            let Some(mark) = self.mark_of_absent(id, place.page, index, message.id) else {
                continue;
            };
            if !self.is_for_now(id, purpose, place, index, message, mark, turn.now.wall) {
                continue;
            }
            if !message.is_expired(turn.now.wall) && !self.has_room(id, times) {
                if purpose == Purpose::Due {
                    self.leave_until(id, place.page, turn.now.wall + RETRY);
                    continue;
                }
                return Taken {
                    full_at: Some(index),
                };
            }
            let place = PagePlace {
                page: place.page,
                index,
            };
            self.take_one(id, place, &record, mark, turn);
        }
        Taken { full_at: None }
    }

    /// What is remembered of a message that is left for the queue and not in its memory.
    fn mark_of_absent(
        &self,
        id: QueueId,
        page: PageId,
        index: u32,
        message: MessageId,
    ) -> Option<Mark> {
        let share = self.state.pages.get(page)?.share(id)?;
        let absent = self.state.queues.get(id)?.entry(message).is_none();
        let left = share.pending.contains(index) && absent;
        left.then(|| share.marks.get(&index).copied().unwrap_or_default())
    }

    /// Whether a message is to be taken now, for this purpose; one that is not due is left behind.
    #[allow(clippy::too_many_arguments)]
    fn is_for_now(
        &mut self,
        id: QueueId,
        purpose: Purpose,
        place: Place,
        index: u32,
        message: &Message,
        mark: Mark,
        wall: u64,
    ) -> bool {
        if message.is_expired(wall) {
            return true;
        }
        match purpose {
            Purpose::Due => self.is_due(id, place.page, index, message, mark, wall),
            Purpose::Search if !self.is_sought(id, message, place) => false,
            Purpose::Search | Purpose::Next => {
                let now = mark.scheduled <= wall || self.has_room_to_wait(id);
                if !now {
                    self.leave_behind(id, place.page, message, mark);
                }
                now
            }
        }
    }

    fn is_sought(&self, id: QueueId, message: &Message, place: Place) -> bool {
        let queue = self.state.queues.get(id);
        queue.is_some_and(|queue| queue.is_sought(message, place))
    }

    fn take_one(
        &mut self,
        id: QueueId,
        place: PagePlace,
        record: &MessageRecord,
        mark: Mark,
        turn: &mut Turn<'_>,
    ) {
        let message = record.message.id;
        self.release_after(id, message, turn);
        self.state.put_on(id, &record.message, mark.count, mark.scheduled);
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.mark_paged(message, place);
            // It was counted when it came.
            queue.counters.added -= 1;
        }
        if record.message.is_expired(turn.now.wall) {
            self.expired.push((id, message));
        } else {
            self.make_ready(id, message, turn.now);
        }
    }

    /// Whether a message that was left behind, or not come to yet, has to be dealt with now; else it stays behind.
    fn is_due(
        &mut self,
        id: QueueId,
        page: PageId,
        index: u32,
        message: &Message,
        mark: Mark,
        wall: u64,
    ) -> bool {
        if message.is_expired(wall) {
            return true;
        }
        let next = self.state.queues.get(id).map(|queue| queue.cursor.next);
        let come_to = next.is_some_and(|next| (page, index) < (next.page, next.index));
        if come_to && mark.scheduled <= wall {
            return true;
        }
        let scheduled = if come_to { mark.scheduled } else { 0 };
        let mark = Mark { scheduled, ..mark };
        self.leave_behind(id, page, message, mark);
        false
    }

    /// A message stays in its page until it is to be delivered or expires.
    fn leave_behind(&mut self, id: QueueId, page: PageId, message: &Message, mark: Mark) {
        let times = [mark.scheduled, message.expiration].into_iter();
        if let Some(at) = times.filter(|at| *at != 0).min() {
            self.leave_until(id, page, at);
        }
    }

    fn leave_until(&mut self, id: QueueId, page: PageId, at: u64) {
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.cursor.leave_behind(page, at);
        }
        self.set_alarm(id);
    }

    /// Messages that wait for their time take at most half of the room.
    fn has_room_to_wait(&self, id: QueueId) -> bool {
        let Some(queue) = self.state.queues.get(id) else {
            return false;
        };
        let room = self.room(id, 1);
        room > queue.cursor.in_memory.bytes
    }

    /// Reading goes on there.
    fn advance(&mut self, id: QueueId, purpose: Purpose, from: Place, to: Place, turn: &mut Turn<'_>) {
        let ends = self.page_ends(to);
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        match purpose {
            Purpose::Next => {
                queue.cursor.next = queue.cursor.next.max(to);
            }
            Purpose::Search => {
                queue.cursor.search = to;
                queue.searched(from, to);
            }
            Purpose::Due => queue.cursor.due = if ends { Place::default() } else { to },
        }
        self.set_alarm(id);
        self.mark_dirty(id);
        let _ = turn;
    }

    fn page_ends(&self, place: Place) -> bool {
        let page = self.state.pages.get(place.page);
        page.is_none_or(|page| place.index >= page.visible())
    }

    /// Messages that came after those in pages, and not later than this one, may be delivered.
    fn release_after(&mut self, id: QueueId, message: MessageId, turn: &mut Turn<'_>) {
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        if queue.cursor.after.is_empty() {
            return;
        }
        let later = queue.cursor.after.split_off(&message);
        let now = std::mem::replace(&mut queue.cursor.after, later);
        for message in now {
            self.make_ready(id, message, turn.now);
        }
    }

    /// Messages of a page that cannot be read are given up: said once for each page, and the file is kept.
    fn lose(
        &mut self,
        id: QueueId,
        page_id: PageId,
        lost: &[u32],
        what: Option<String>,
        turn: &mut Turn<'_>,
    ) {
        let Some(page) = self.state.pages.get_mut(page_id) else {
            return;
        };
        let share = page.share(id);
        let pending = |index: &&u32| share.is_some_and(|share| share.pending.contains(**index));
        let lost: Vec<u32> = lost.iter().filter(pending).copied().collect();
        let first = !page.damaged && (what.is_some() || !lost.is_empty());
        let address = page.address;
        page.damaged |= first;
        if first {
            turn.storage.ask(Request::Page(PageRequest::SetAside(page_id)));
        }
        if first || !lost.is_empty() {
            let what = what.unwrap_or_else(|| "messages are missing".to_owned());
            self.say_damaged(address, page_id, what, lost.len() as u64, turn);
        }
        let mut unit = Unit::new();
        for index in lost {
            let place = PagePlace {
                page: page_id,
                index,
            };
            self.acknowledge_in_page(id, place, MessageId(0), &mut unit, turn);
        }
        self.commit(None, &unit, false, turn);
    }

    fn say_damaged(
        &mut self,
        address: AddressId,
        page: PageId,
        what: String,
        lost: u64,
        turn: &mut Turn<'_>,
    ) {
        let address = self.state.addresses.get(address);
        let address = address.map_or_else(|| "".into(), |address| address.record.name.clone());
        turn.notices.push(Notice::PageDamaged {
            address,
            page,
            what,
            lost,
        });
    }

    /// A page's file cannot be read at all.
    pub(crate) fn page_unreadable(
        &mut self,
        page_id: PageId,
        offset: u64,
        why: &str,
        turn: &mut Turn<'_>,
    ) {
        let readers = self.page_work.reads.remove(&(page_id, offset));
        for (id, purpose) in readers.unwrap_or_default() {
            let place = self.end_read(id, purpose);
            self.page_work.wanting.insert(id);
            let Some(page) = self.state.pages.get(page_id) else {
                continue;
            };
            let from = place.map_or(0, |place| place.index);
            let (end, in_file) = (page.visible(), page.in_file);
            let lost: Vec<u32> = (from..in_file.min(end)).collect();
            self.lose(id, page_id, &lost, Some(why.to_owned()), turn);
            let next = Place {
                page: page_id,
                index: in_file.min(end),
                offset,
            };
            self.advance(id, purpose, place.unwrap_or_default(), next, turn);
        }
        self.page_work.wanting.append(&mut self.page_work.waiting);
    }

    /// Takes a message of a page off a queue: by a record if the log knows of it, else at once.
    pub(crate) fn acknowledge_in_page(
        &mut self,
        queue: QueueId,
        place: PagePlace,
        message: MessageId,
        unit: &mut Unit,
        turn: &mut Turn<'_>,
    ) {
        let durable = self.state.queues.get(queue).is_some_and(|queue| queue.durable);
        let page = self.state.pages.get(place.page);
        if durable && page.is_some_and(|page| page.is_durable(place.index)) {
            unit.push(Record::PageAcknowledge {
                queue,
                place,
                message,
            });
        } else {
            let live = turn.storage.live();
            self.state.acknowledge_paged(queue, place, message, live);
        }
    }

    /// Messages in pages that expire are dealt with without waiting to be consumed.
    pub(crate) fn scan_expired_pages(&mut self, wall: u64) {
        let expired = |page: &crate::address::pages::Page| page.expires != 0 && page.expires <= wall;
        let pages = self.state.pages.iter().filter(|(_, page)| expired(page));
        let due: Vec<_> = pages
            .flat_map(|(id, page)| page.shares().map(move |(queue, _)| (id, *queue)))
            .collect();
        for (page, queue) in due {
            let Some(of) = self.state.queues.get_mut(queue) else {
                continue;
            };
            if !of.cursor.behind.contains_key(&page) {
                of.cursor.behind.insert(page, wall);
                self.page_work.wanting.insert(queue);
            }
        }
    }

    /// Nothing that pages have for the queue is left.
    pub(crate) fn purge_pages(&mut self, id: QueueId, turn: &mut Turn<'_>) {
        let Some(queue) = self.state.queues.get(id) else {
            return;
        };
        let pages = self.state.pages.after(queue.address_id(), PageId(0));
        let with_share = pages.filter(|(_, page)| page.left(id) > 0);
        let pages: Vec<PageId> = with_share.map(|(page, _)| page).collect();
        if queue.durable {
            let purged = |page: &PageId| Record::PagePurged {
                queue: id,
                page: *page,
            };
            let unit: Unit = pages.iter().map(purged).collect();
            self.commit(None, &unit, false, turn);
        }
        for page in pages {
            self.state.pages.purge(id, page, turn.storage.live());
        }
    }
}
