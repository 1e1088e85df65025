// SPDX-License-Identifier: Apache-2.0
//! The way back from pages: which messages a queue reads next, and what becomes of what was read.
//!
//! A queue reads in order (`Next`) while what it has in memory from pages leaves room (`max-read-page-bytes`,
//! `max-read-page-messages`) and somebody consumes. What is not to be delivered yet is left behind and read again in its
//! time (`Due`). While the memory is full of what nobody takes who has credit, those who choose look further ahead
//! (`Search`), each from where it has looked already, so that none of them waits for the others.

use bytes::Bytes;

use super::page_cursor::{Place, Purpose};
use crate::address::ledger::Ledger;
use crate::address::pages::Page;
use crate::engine::{Engine, Turn, Unit};
use crate::id::{AddressId, MessageId, PageId, QueueId};
use crate::message::Message;
use crate::notice::Notice;
use crate::storage::page::{Entries, Entry};
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
    /// Where in the file, if it comes from there.
    offset: Option<u64>,
    record: MessageRecord,
}

/// What is being looked at, for which queue and why.
#[derive(Clone, Copy)]
struct Look {
    queue: QueueId,
    purpose: Purpose,
    /// From where on.
    from: Place,
    /// The time, ms since 1970.
    wall: u64,
}

impl Engine {
    /// Queues that may want something of their pages read it, as far as it is in memory, or ask the disk for it.
    /// Whether any of them has been given something.
    pub(crate) fn read_pages(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut given = false;
        for id in std::mem::take(&mut self.page_work.wanting) {
            given |= self.read_for(id, turn);
        }
        given
    }

    fn read_for(&mut self, id: QueueId, turn: &mut Turn<'_>) -> bool {
        let Some(queue) = self.state.queues.get(id) else {
            return false;
        };
        let address = queue.address_id();
        if queue.cursor.reading.is_some() {
            return false;
        }
        let Some((purpose, place)) = self.next_read(id, turn.now.wall) else {
            if !self.has_unread(id) {
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
            queue.cursor.due = place;
        }
        let page = self.state.pages.get(place.page);
        if page.is_some_and(|page| place.index >= page.in_file) {
            self.read_from_memory(id, purpose, place, turn);
            return true;
        }
        self.ask_for(id, purpose, place, turn);
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

    /// Bytes that a queue may still take from pages into memory.
    fn room(&self, id: QueueId, times: u64) -> u64 {
        let Some(queue) = self.state.queues.get(id) else {
            return 0;
        };
        let in_memory = queue.cursor.in_memory;
        let (bytes, messages) = self.window(id);
        if in_memory.messages == 0 {
            return bytes.max(1);
        }
        if in_memory.messages >= messages.saturating_mul(times) {
            return 0;
        }
        bytes.saturating_mul(times).saturating_sub(in_memory.bytes)
    }

    /// Bytes and messages that a queue may have from pages in memory.
    fn window(&self, id: QueueId) -> (u64, u64) {
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
            Purpose::Due => queue.cursor.due = place,
        }
        let length = room.max(queue.cursor.at_least);
        self.page_work
            .reads
            .entry(key)
            .or_default()
            .push((id, purpose));
        if !asked {
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
        let readers = self.page_work.reads.remove(&(page, offset));
        for (id, purpose) in readers.unwrap_or_default() {
            self.read_chunk(id, purpose, (page, offset), bytes, turn);
        }
        self.page_work.wanting.append(&mut self.page_work.waiting);
    }

    fn read_chunk(
        &mut self,
        id: QueueId,
        purpose: Purpose,
        chunk: (PageId, u64),
        bytes: &Bytes,
        turn: &mut Turn<'_>,
    ) {
        let (page_id, offset) = chunk;
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
        let last = offset + bytes.len() as u64 >= page.written;
        let end = page.in_file.min(page.visible());
        let look = Look {
            queue: id,
            purpose,
            from,
            wall: turn.now.wall,
        };
        let mut entries = Entries::new(page_id, offset, bytes, last);
        let (found, mut missing, mut index) = self.look_through(look, &mut entries);
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
            offset: resume.offset,
        };
        let to = self.take_in(look, found, turn).unwrap_or(end);
        missing.retain(|index| *index < to.index);
        self.lose(id, page_id, &missing, what, turn);
        self.advance(look, to);
    }

    /// Decodes what a chunk has for a queue; which messages are missing in it, and which one comes next.
    fn look_through(&self, look: Look, entries: &mut Entries<'_>) -> (Vec<Found>, Vec<u32>, u32) {
        let (mut found, mut missing, mut next) = (Vec::new(), Vec::new(), look.from.index);
        let page = self.state.pages.get(look.from.page);
        let share = page.and_then(|page| page.share(look.queue));
        let visible = page.map_or(0, Page::visible);
        let mut addresses = LastAddress::default();
        for entry in entries {
            if entry.index < look.from.index || entry.index >= visible {
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
        (found, missing, next)
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
    fn is_worth_a_copy(&self, look: Look, entry: &Entry<'_>, addresses: &mut LastAddress) -> bool {
        look.purpose != Purpose::Search
            || entry
                .decode_shared(addresses)
                .is_some_and(|record| self.is_sought(look, &record.message))
    }

    fn is_sought(&self, look: Look, message: &Message) -> bool {
        let queue = self.state.queues.get(look.queue);
        queue.is_some_and(|queue| queue.is_sought(message, look.from))
    }

    /// A queue takes messages of a page into memory. Where it stopped, if it has no room for all.
    fn take_in(&mut self, look: Look, found: Vec<Found>, turn: &mut Turn<'_>) -> Option<Place> {
        let times = if look.purpose == Purpose::Next { 1 } else { 2 };
        for Found {
            index,
            offset,
            record,
        } in found
        {
            let place = PagePlace {
                page: look.from.page,
                index,
            };
            let message = &record.message;
            let Some(mark) = self.mark_of_absent(look.queue, place, message.id) else {
                continue;
            };
            if !self.is_for_now(look, place, message, mark) {
                continue;
            }
            if !message.is_expired(look.wall) && !self.has_room(look.queue, times) {
                if look.purpose == Purpose::Due {
                    self.leave_until(look.queue, place.page, look.wall + RETRY);
                    continue;
                }
                return Some(Place {
                    page: place.page,
                    index,
                    offset: offset.unwrap_or(look.from.offset),
                });
            }
            self.take_one(look.queue, place, &record, mark, turn);
        }
        None
    }

    /// What is remembered of a message that is left for the queue and not in its memory.
    fn mark_of_absent(&self, id: QueueId, place: PagePlace, message: MessageId) -> Option<Mark> {
        let share = self.state.pages.get(place.page)?.share(id)?;
        let absent = self.state.queues.get(id)?.entry(message).is_none();
        let left = share.pending.contains(place.index) && absent;
        left.then(|| share.marks.get(&place.index).copied().unwrap_or_default())
    }

    /// Whether a message is to be taken now; one whose time has not come is left behind.
    fn is_for_now(&mut self, look: Look, place: PagePlace, message: &Message, mark: Mark) -> bool {
        if message.is_expired(look.wall) {
            return true;
        }
        match look.purpose {
            Purpose::Due => self.is_due(look, place, message, mark),
            Purpose::Search if !self.is_sought(look, message) => false,
            Purpose::Search | Purpose::Next => {
                let now = mark.scheduled <= look.wall || self.has_room_to_wait(look.queue);
                if !now {
                    self.leave_behind(look.queue, place.page, message, mark);
                }
                now
            }
        }
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
        self.state
            .put_on(id, &record.message, mark.count, mark.scheduled);
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

    /// Whether a message that was left behind has to be dealt with now; one that reading in order has not come to only
    /// if it has expired.
    fn is_due(&mut self, look: Look, place: PagePlace, message: &Message, mark: Mark) -> bool {
        let queue = self.state.queues.get(look.queue);
        let next = queue.map_or_else(Place::default, |queue| queue.cursor.next);
        let come_to = (place.page, place.index) < (next.page, next.index);
        if come_to && mark.scheduled <= look.wall {
            return true;
        }
        let scheduled = if come_to { mark.scheduled } else { 0 };
        let mark = Mark { scheduled, ..mark };
        self.leave_behind(look.queue, place.page, message, mark);
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
        let queue = self.state.queues.get(id);
        let in_memory = queue.map_or_else(Ledger::default, |queue| queue.cursor.in_memory);
        let (bytes, messages) = self.window(id);
        in_memory.bytes < bytes / 2 && in_memory.messages < messages / 2
    }

    /// Reading goes on there.
    fn advance(&mut self, look: Look, to: Place) {
        let ends = self.page_ends(to);
        let Some(queue) = self.state.queues.get_mut(look.queue) else {
            return;
        };
        match look.purpose {
            Purpose::Next => queue.cursor.next = queue.cursor.next.max(to),
            Purpose::Search => {
                queue.cursor.search = to;
                queue.searched(look.from, to);
            }
            Purpose::Due => queue.cursor.due = if ends { Place::default() } else { to },
        }
        self.set_alarm(look.queue);
        self.mark_dirty(look.queue);
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
            turn.storage
                .ask(Request::Page(PageRequest::SetAside(page_id)));
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
            let to = Place {
                page: page_id,
                index: in_file.min(end),
                offset,
            };
            let look = Look {
                queue: id,
                purpose,
                from: place.unwrap_or_default(),
                wall: turn.now.wall,
            };
            self.advance(look, to);
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
        let durable = self
            .state
            .queues
            .get(queue)
            .is_some_and(|queue| queue.durable);
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
        let expired = |page: &Page| page.expires != 0 && page.expires <= wall;
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
