// SPDX-License-Identifier: Apache-2.0
//! The way back from pages: which messages a queue reads next, and what becomes of what was read.
//!
//! A queue reads in order (`Next`) while what it has in memory from pages leaves room (`max-read-page-bytes`,
//! `max-read-page-messages`) and somebody consumes. What is not to be delivered yet is left behind and read again in its
//! time (`Due`). While the memory is full of what nobody takes who has credit, those who choose look further ahead
//! (`Search`), each from where it has looked already, so that none of them waits for the others. What they find is theirs
//! alone until reading in order comes to it (`queue/ahead.rs`).

use std::collections::btree_map::Entry;

use bytes::Bytes;

use super::page_cursor::{Place, Purpose};
use crate::address::pages::{Page, Stage};
use crate::engine::{Engine, Turn, Unit};
use crate::id::{MessageId, PageId, QueueId};
use crate::storage::page::Entries;
use crate::storage::record::{LastAddress, MessageRecord, Record};
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

/// Something read from a page.
pub(super) struct Found {
    pub index: u32,
    /// Where in the file, if it comes from there.
    pub offset: Option<u64>,
    pub record: MessageRecord,
}

/// What is being looked at, for which queue and why.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub queue: QueueId,
    pub purpose: Purpose,
    /// From where on.
    pub from: Place,
    /// The time, ms since 1970.
    pub wall: u64,
}

impl Engine {
    /// Queues that may want something of their pages read it, as far as it is in memory, or ask the disk for it.
    /// Whether any of them has been given something.
    pub(crate) fn read_pages(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut given = false;
        for id in std::mem::take(&mut self.page_work.wanting) {
            given |= self.read_for(id, false, turn);
        }
        self.ask_again(READS, turn);
        while self.page_work.reads.len() < READS
            && let Some(id) = self.page_work.waiting.next()
        {
            given |= self.read_for(id, true, turn);
        }
        given
    }

    /// One queue reads; `first`: before all that wait for the disk.
    fn read_for(&mut self, id: QueueId, first: bool, turn: &mut Turn<'_>) -> bool {
        self.page_work.looks += 1;
        let Some(queue) = self.state.queues.get(id) else {
            return false;
        };
        let address = queue.address_id();
        if queue.cursor.reading.is_some() {
            return false;
        }
        let Some((purpose, place)) = self.next_read(id, turn.now.wall) else {
            if self.has_unread(id) {
                self.note_reads_held(id, turn);
            } else {
                self.release_after(id, MessageId(u64::MAX), turn);
                self.stop_paging_if_done(address, turn);
            }
            return false;
        };
        if purpose == Purpose::Due
            && let Some(queue) = self.state.queues.get_mut(id)
            && queue.cursor.due.page != place.page
        {
            // When it is due next is found out by looking.
            queue.cursor.behind.insert(place.page, u64::MAX);
            queue.cursor.crowded.remove(&place.page);
            queue.cursor.due = place;
        }
        if purpose == Purpose::Search
            && let Some(queue) = self.state.queues.get_mut(id)
            && let Some(least) = queue.searched_least()
        {
            let from = least.max(queue.cursor.next);
            queue.look_on(from, place);
        }
        let page = self.state.pages.get(place.page);
        if page.is_some_and(|page| place.index >= page.in_file) {
            self.read_from_memory(id, purpose, place, turn);
            return true;
        }
        if first || self.page_work.waiting.is_empty() {
            self.ask_for(id, purpose, place, turn);
        } else {
            self.page_work.waiting.wait(id);
        }
        false
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
        let crowded = cursor.crowded.first().copied();
        let crowded = crowded.filter(|_| self.has_room(id, Purpose::Next));
        if let Some(page) = cursor.due_page(wall).or(crowded) {
            let place = Place {
                page,
                ..Place::default()
            };
            return Some((Purpose::Due, place));
        }
        if queue.consumers.is_empty() {
            return None;
        }
        if self.has_room(id, Purpose::Next) && !self.has_prefetched(id) {
            return Some((Purpose::Next, self.next_place(id, cursor.next)?));
        }
        let from = queue.searched_least()?.max(cursor.next);
        if !self.has_room(id, Purpose::Search) {
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

    /// Whether a queue may take more from pages into memory.
    pub(super) fn has_room(&self, id: QueueId, purpose: Purpose) -> bool {
        self.room(id, purpose) > 0
    }

    /// Whether so much is ready for delivery that no more is to be read ahead (`prefetch-page-bytes`,
    /// `prefetch-page-messages`). A limit that is not below what may be in memory at all is none of its own.
    pub(super) fn has_prefetched(&self, id: QueueId) -> bool {
        let Some(queue) = self.state.queues.get(id) else {
            return false;
        };
        let address = self.state.addresses.get(queue.address_id());
        let Some(settings) = address.map(|address| &address.settings) else {
            return false;
        };
        let reached = |prefetch: Option<u64>, read: Option<u64>, ready: u64| {
            let below = |limit: &u64| read.is_none_or(|read| *limit < read);
            prefetch.filter(below).is_some_and(|limit| ready >= limit)
        };
        let (bytes, messages) = (queue.ready_bytes, queue.ready.len() as u64);
        reached(
            settings.prefetch_page_bytes,
            settings.max_read_page_bytes,
            bytes,
        ) || reached(
            settings.prefetch_page_messages,
            settings.max_read_page_messages,
            messages,
        )
    }

    /// Bytes that a queue may still take from pages into memory. What is found ahead for those who choose has a window of
    /// its own: others cannot make room in it, and do not wait for it. What is due has twice the usual.
    fn room(&self, id: QueueId, purpose: Purpose) -> u64 {
        let Some(queue) = self.state.queues.get(id) else {
            return 0;
        };
        let (all, ahead) = (queue.cursor.in_memory, queue.cursor.ahead.memory());
        let in_order = (all.messages - ahead.messages, all.bytes - ahead.bytes);
        let (taken_messages, taken_bytes) = match purpose {
            Purpose::Next | Purpose::Due => in_order,
            Purpose::Search => (ahead.messages, ahead.bytes),
        };
        let times = if purpose == Purpose::Due { 2 } else { 1 };
        let (bytes, messages) = self.window(id);
        if taken_messages == 0 {
            return bytes.max(1);
        }
        if taken_messages >= messages.saturating_mul(times) {
            return 0;
        }
        bytes.saturating_mul(times).saturating_sub(taken_bytes)
    }

    /// Bytes and messages that a queue may have from pages in memory.
    pub(super) fn window(&self, id: QueueId) -> (u64, u64) {
        let queue = self.state.queues.get(id);
        let address = queue.and_then(|queue| self.state.addresses.get(queue.address_id()));
        let Some(settings) = address.map(|address| &address.settings) else {
            return (0, 0);
        };
        let mut bytes = settings.max_read_page_bytes.unwrap_or(u64::MAX);
        if self.is_globally_full() {
            bytes = bytes.min(PRESSED);
        }
        (bytes, settings.max_read_page_messages.unwrap_or(u64::MAX))
    }

    /// What is not in the file yet is taken from where it waits to be written.
    fn read_from_memory(
        &mut self,
        id: QueueId,
        purpose: Purpose,
        place: Place,
        turn: &mut Turn<'_>,
    ) {
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
                offset: None,
                record: one.record.clone(),
            })
            .collect();
        let end = found.last().map_or(visible, |last| last.index + 1);
        let look = Look {
            queue: id,
            purpose,
            from: place,
            wall: turn.now.wall,
        };
        let to = self.take_in(look, found, turn).unwrap_or(Place {
            index: end,
            ..place
        });
        self.advance(look, to);
        self.page_work.wanting.insert(id);
    }

    fn ask_for(&mut self, id: QueueId, purpose: Purpose, place: Place, turn: &mut Turn<'_>) {
        let key = (place.page, place.offset);
        let fails = self.page_work.retries.get_mut(key).is_some();
        let asked = fails || self.page_work.reads.contains_key(&key);
        if !asked && self.page_work.reads.len() >= READS {
            self.page_work.waiting.wait(id);
            return;
        }
        let room = match purpose {
            Purpose::Next => self.room(id, purpose).clamp(CHUNK_MIN, CHUNK),
            Purpose::Due | Purpose::Search => CHUNK,
        };
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        queue.cursor.reading = Some(purpose);
        match purpose {
            Purpose::Next => queue.read_up_to(place),
            Purpose::Search => queue.cursor.search = place,
            Purpose::Due => queue.cursor.due = place,
        }
        let length = room.max(queue.cursor.at_least);
        let page = self.state.pages.get(place.page);
        let written = page.map_or(0, |page| page.written);
        let read = match self.page_work.retries.get_mut(key) {
            Some(read) => read,
            None => self.page_work.reads.entry(key).or_default(),
        };
        read.readers.push((id, purpose));
        if !asked {
            read.until = written.min(place.offset + length);
            turn.storage.ask(Request::Page(PageRequest::Read {
                page: place.page,
                offset: place.offset,
                length: u32::try_from(length).unwrap_or(u32::MAX),
            }));
        }
    }

    /// A part of a page has been read.
    pub(crate) fn page_read(
        &mut self,
        page: PageId,
        offset: u64,
        bytes: &Bytes,
        turn: &mut Turn<'_>,
    ) {
        let read = self.page_work.reads.remove(&(page, offset));
        let read = read.unwrap_or_default();
        let cut_short = offset + (bytes.len() as u64) < read.until;
        for (id, purpose) in read.readers {
            self.read_chunk(id, purpose, (page, offset, cut_short), bytes, turn);
        }
    }

    fn read_chunk(
        &mut self,
        id: QueueId,
        purpose: Purpose,
        chunk: (PageId, u64, bool),
        bytes: &Bytes,
        turn: &mut Turn<'_>,
    ) {
        let (page_id, offset, cut_short) = chunk;
        let Some(from) = self.end_read(id, purpose) else {
            return;
        };
        self.page_work.wanting.insert(id);
        let Some(page) = self
            .state
            .pages
            .get(page_id)
            .filter(|_| from.page == page_id)
        else {
            return;
        };
        let last = cut_short || offset + bytes.len() as u64 >= page.written;
        let end = page.in_file.min(page.visible());
        let look = Look {
            queue: id,
            purpose,
            from,
            wall: turn.now.wall,
        };
        let mut entries = Entries::new(page_id, offset, bytes, last);
        let (found, mut missing, mut index, unseen) = self.look_through(look, &mut entries);
        if last {
            missing.extend(index..end);
            index = index.max(end);
        }
        let resume = entries.resume();
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.cursor.at_least = if last { 0 } else { resume.at_least as u64 };
        }
        let damaged = entries.damaged().first();
        let what = damaged
            .map(|range| format!("bytes {} to {} cannot be verified", range.start, range.end));
        let end = Place {
            page: page_id,
            index,
            offset: unseen.unwrap_or(resume.offset),
        };
        let to = self.take_in(look, found, turn).unwrap_or(end);
        missing.retain(|index| *index < to.index);
        self.lose(id, page_id, &missing, what, turn);
        self.advance(look, to);
    }

    /// Decodes what a chunk has for a queue; which messages are missing in it, which one comes next, and where the first
    /// one is that may not be seen yet.
    fn look_through(
        &self,
        look: Look,
        entries: &mut Entries<'_>,
    ) -> (Vec<Found>, Vec<u32>, u32, Option<u64>) {
        let (mut found, mut missing, mut next) = (Vec::new(), Vec::new(), look.from.index);
        let mut unseen = None;
        let page = self.state.pages.get(look.from.page);
        let share = page.and_then(|page| page.share(look.queue));
        let visible = page.map_or(0, Page::visible);
        let mut addresses = LastAddress::default();
        for entry in entries {
            if entry.index < look.from.index {
                continue;
            }
            if entry.index >= visible {
                unseen = unseen.or(Some(entry.offset));
                continue;
            }
            missing.extend(next..entry.index);
            next = entry.index + 1;
            let pending = share.is_some_and(|share| share.pending.contains(entry.index));
            if !pending || !self.is_worth_a_copy(look, &entry, &mut addresses) {
                continue;
            }
            match entry.decode(&mut addresses) {
                Some(record) => found.push(Found {
                    index: entry.index,
                    offset: Some(entry.offset),
                    record,
                }),
                None => missing.push(entry.index),
            }
        }
        (found, missing, next, unseen)
    }

    /// The read under way for the queue has ended; where it was meant to begin.
    pub(super) fn end_read(&mut self, id: QueueId, purpose: Purpose) -> Option<Place> {
        let queue = self.state.queues.get_mut(id)?;
        queue.cursor.reading = None;
        Some(match purpose {
            Purpose::Next => queue.cursor.next,
            Purpose::Search => queue.cursor.search,
            Purpose::Due => queue.cursor.due,
        })
    }

    /// Reading goes on there.
    pub(super) fn advance(&mut self, look: Look, to: Place) {
        let page = self.state.pages.get(to.page);
        let ends = page.is_none_or(|page| to.index >= page.visible());
        // What comes to it, or may not be seen yet, may expire, too.
        let is_final = page.is_none_or(|page| page.stage > Stage::Open && page.held.is_empty());
        let Some(queue) = self.state.queues.get_mut(look.queue) else {
            return;
        };
        match look.purpose {
            Purpose::Next => queue.read_up_to(to),
            Purpose::Search => {
                queue.cursor.search = to;
                queue.searched(look.from, to);
            }
            Purpose::Due => {
                queue.cursor.due = if ends { Place::default() } else { to };
                if ends && !is_final {
                    queue.cursor.look_anew(to.page);
                }
            }
        }
        self.set_alarm(look.queue);
        self.mark_dirty(look.queue);
    }

    /// Messages in pages that expire are dealt with without waiting to be consumed.
    pub(crate) fn scan_expired_pages(&mut self, wall: u64) {
        let expired = |page: &Page| page.expires != 0 && page.expires <= wall;
        let pages = self.state.pages.iter().filter(|(_, page)| expired(page));
        let due: Vec<_> = pages
            .flat_map(|(id, page)| page.shares().map(move |(queue, _)| (id, *queue)))
            .collect();
        for (page, queue) in due {
            let Some(of) = self.state.queues.get_mut(queue) else {
                continue;
            };
            if let Entry::Vacant(unknown) = of.cursor.behind.entry(page) {
                unknown.insert(wall);
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
