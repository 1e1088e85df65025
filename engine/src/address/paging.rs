// SPDX-License-Identifier: Apache-2.0
//! Addresses that page: when one begins, where its messages go, and how their pages get to the disk.
//!
//! An address that is full sends what comes to its queues to *pages*. The log has such a message like any other; but in
//! memory it stays only until its page's file has it. When the file is on the disk for good the log forgets the message.
//! `queue/page_in.rs` has the way back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pages::Stage;
use super::settings::AddressFullPolicy;
use crate::engine::{Engine, Turn};
use crate::event::Block;
use crate::id::{AddressId, ConnectionId, PageId, QueueId};
use crate::notice::Notice;
use crate::queue::page_cursor::{Place, Purpose};
use crate::queue::read_again::Retries;
use crate::queue::read_turns::ReadTurns;
use crate::storage::page::{Appender, PageHeader};
use crate::storage::record::{PagePlace, Record};
use crate::storage::request::{PageCompletion, PageRequest, Request};

/// Whether an address pages.
#[derive(Debug, Default)]
pub struct Paging {
    /// What comes goes to pages.
    pub active: bool,
    /// The page that takes messages.
    pub open: Option<PageId>,
}

/// So much of a page is collected in memory before it is written.
const PIECE: u64 = 64 * 1024;
/// So much of all pages together may wait in memory, whatever the pieces.
const UNWRITTEN: u64 = 4 * 1024 * 1024;
/// So much of all open pages together may be known to the log only: it has to be read back before a broker serves.
const UNSEALED: u64 = 32 * 1024 * 1024;
/// With so much given to the disk and not yet written, those who send to addresses that page wait for it.
const UNDER_WAY: u64 = 16 * 1024 * 1024;

/// A read under way.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The file has bytes at least up to here, of those asked for: fewer mean that it was cut short.
    pub until: u64,
    /// For whom.
    pub readers: Vec<(QueueId, Purpose)>,
    /// How often it has failed.
    pub failures: usize,
}

/// What has to be done about pages, and what the disk is doing.
#[derive(Debug, Default)]
pub(crate) struct PageWork {
    /// Pages with something in memory that is not in their file.
    unwritten: BTreeSet<PageId>,
    /// Pages that take no more and are not on the disk.
    closed: BTreeSet<PageId>,
    /// Files being written, with the bytes that are in them.
    files: BTreeMap<PageId, Appender>,
    /// Bytes in the files of open pages.
    open: u64,
    /// Bytes in the files of pages that take no more and that the log still has.
    sealing: BTreeMap<PageId, u64>,
    /// Pages that something has come to in this turn.
    touched: BTreeSet<PageId>,
    /// Addresses whose pages have reached a limit.
    pub full: BTreeSet<AddressId>,
    /// Addresses whose senders wait for the disk.
    pressing: BTreeSet<Arc<str>>,
    /// Reads under way.
    pub reads: BTreeMap<(PageId, u64), Read>,
    /// Reads that failed and are tried again.
    pub retries: Retries,
    /// Files of an earlier run, of pages that are to be written anew.
    left_over: BTreeSet<PageId>,
    /// Queues that want to read and have to wait for others.
    pub waiting: ReadTurns,
    /// Queues that may want something from their pages.
    pub wanting: BTreeSet<QueueId>,
    /// How often a queue was looked at for something to read.
    pub looks: u64,
    /// Bytes given to the disk and not yet written.
    under_way: u64,
}

impl Engine {
    /// Bytes of pages given to the disk and not yet written.
    pub fn pages_under_way(&self) -> u64 {
        self.page_work.under_way
    }

    /// How often queues were looked at for something to read in pages.
    pub fn page_looks(&self) -> u64 {
        self.page_work.looks
    }

    /// Where the next message for queues of this address goes, if it goes to a page.
    pub(crate) fn page_for(&mut self, id: AddressId, turn: &mut Turn<'_>) -> Option<PagePlace> {
        let address = self.state.addresses.get(id)?;
        if !address.paging.active {
            let pages = address.settings.address_full_policy == AddressFullPolicy::Page;
            if !pages || !self.is_full(address) {
                return None;
            }
            let notice = Notice::PagingStarted {
                address: address.record.name.clone(),
                fill: self.fill(id),
            };
            turn.notices.push(notice);
        }
        let open = address.paging.open;
        let open = open.filter(|open| {
            let page = self.state.pages.get(*open);
            page.is_some_and(|page| page.stage == Stage::Open)
        });
        let page = match open {
            Some(page) => page,
            None => PageId(self.new_id(turn)),
        };
        let address = self.state.addresses.get_mut(id)?;
        address.paging = Paging {
            active: true,
            open: Some(page),
        };
        Some(self.state.pages.reserve(page, id))
    }

    /// After its record is in the log: the message is in its page, and may be seen when `position` is durable.
    pub(crate) fn arrive_in_page(&mut self, place: PagePlace, visible: bool, turn: &mut Turn<'_>) {
        self.state.pages.filled(place, turn.storage.live());
        self.page_work.unwritten.insert(place.page);
        self.page_work.touched.insert(place.page);
        let Some(page) = self.state.pages.get_mut(place.page) else {
            return;
        };
        let address = page.address;
        if visible {
            self.want_page(place.page);
        } else {
            page.held.insert(place.index);
        }
        self.look_at_page_limit(address, turn);
    }

    /// A message of a page that waited may be seen.
    pub(crate) fn show_in_page(&mut self, place: PagePlace) {
        if let Some(page) = self.state.pages.get_mut(place.page) {
            page.held.remove(&place.index);
            self.want_page(place.page);
        }
    }

    /// Something has become visible in a page.
    fn want_page(&mut self, id: PageId) {
        let shares = self.state.pages.get(id).into_iter();
        let queues = shares.flat_map(|page| page.shares().map(|(queue, _)| *queue));
        self.page_work.wanting.extend(queues);
    }

    /// End of a turn: what has to be written is, what is full is put on the disk, what is done with goes.
    pub(crate) fn finish_pages(&mut self, turn: &mut Turn<'_>) {
        for id in std::mem::take(&mut self.page_work.touched) {
            // A page that has been written since may stand on the disk by now: nothing must ever be written to it again.
            if self.page_work.unwritten.contains(&id) && self.is_due_to_be_written(id) {
                self.write_page(id, turn);
            }
        }
        self.bound_unwritten(turn);
        self.bound_unsealed(turn);
        if !self.page_work.closed.is_empty() {
            self.seal_closed(turn);
        }
        if self.state.pages.has_done() {
            self.delete_done(turn);
        }
        if !self.page_work.pressing.is_empty() {
            self.let_senders_go_on(turn);
        }
        if !self.page_work.full.is_empty() {
            self.release_page_limits(turn);
        }
    }

    fn is_due_to_be_written(&self, id: PageId) -> bool {
        let page = self.state.pages.get(id);
        page.is_none_or(|page| {
            let address = self.state.addresses.get(page.address);
            let size = address.map_or(PIECE, |address| address.settings.page_size_bytes);
            page.unwritten_bytes >= PIECE.min(size) || page.stage > Stage::Open
        })
    }

    /// Who sends to an address that pages waits while too much is on its way to the disk; nobody else does.
    pub(crate) fn wait_for_pages(
        &mut self,
        from: ConnectionId,
        id: AddressId,
        turn: &mut Turn<'_>,
    ) {
        let pressed = self.page_work.under_way > self.share_of_memory(16, UNDER_WAY);
        let address = self.state.addresses.get(id);
        if let Some(address) = address.filter(|address| pressed && address.paging.active) {
            let name = address.record.name.clone();
            self.page_work.pressing.insert(name.clone());
            turn.events
                .extend(self.blocks.begin(from, Block::AddressFull(name)));
        }
    }

    fn let_senders_go_on(&mut self, turn: &mut Turn<'_>) {
        if self.page_work.under_way > self.share_of_memory(16, UNDER_WAY) / 2 {
            return;
        }
        for name in std::mem::take(&mut self.page_work.pressing) {
            turn.events
                .extend(self.blocks.end(&Block::AddressFull(name)));
        }
    }

    /// A part of what all messages may take, but no more than `most`.
    fn share_of_memory(&self, part: u64, most: u64) -> u64 {
        let all = self.settings.global_max_bytes;
        all.map_or(most, |all| most.min(all / part))
    }

    /// Writes the oldest pages while too much waits: what came last may be consumed before it has to be written.
    fn bound_unwritten(&mut self, turn: &mut Turn<'_>) {
        let limit = self.share_of_memory(16, UNWRITTEN);
        if self.state.pages.unwritten_bytes() <= limit {
            return;
        }
        while self.state.pages.unwritten_bytes() > limit / 2 {
            let Some(id) = self.page_work.unwritten.first().copied() else {
                return;
            };
            self.write_page(id, turn);
        }
    }

    /// Writes to its file what a page has in memory.
    fn write_page(&mut self, id: PageId, turn: &mut Turn<'_>) {
        self.page_work.unwritten.remove(&id);
        let Some(page) = self.state.pages.get(id) else {
            return;
        };
        let closed = page.stage > Stage::Open;
        let address = self.state.addresses.get(page.address);
        let name = address.map_or("", |address| &address.record.name);
        let limit = address.map_or(u64::MAX, |address| address.settings.page_size_bytes);
        let file = self.page_work.files.entry(id).or_insert_with(|| {
            Appender::new(&PageHeader {
                page: id,
                address: page.address,
                name: name.to_owned(),
            })
        });
        for kept in self.state.pages.take_unwritten(id) {
            file.push(kept.index, &kept.record);
        }
        let more = file.collected();
        self.page_work.under_way += more;
        if closed {
            *self.page_work.sealing.entry(id).or_default() += more;
        } else {
            self.page_work.open += more;
        }
        let request = file.take();
        let written = file.end();
        turn.storage.ask_all(request.map(Request::Page));
        if let Some(page) = self.state.pages.get_mut(id) {
            page.pieces.push((page.in_file, written));
            page.written = written;
        }
        if written >= limit {
            self.close_page(id);
        }
    }

    /// Closes the largest open pages while too much is known to the log only.
    fn bound_unsealed(&mut self, turn: &mut Turn<'_>) {
        let limit = self.share_of_memory(8, UNSEALED);
        if self.page_work.open <= limit {
            return;
        }
        let files = self.page_work.files.iter();
        let open = files.filter(|(id, _)| !self.page_work.sealing.contains_key(id));
        let mut open: Vec<_> = open.map(|(id, file)| (file.end(), *id)).collect();
        open.sort_unstable();
        while self.page_work.open > limit / 2
            && let Some((_, id)) = open.pop()
        {
            self.close_page(id);
            if self.page_work.unwritten.contains(&id) {
                self.write_page(id, turn);
            }
        }
    }

    /// The page takes no more messages and goes to the disk; also when the log wants its room back.
    pub(crate) fn close_page(&mut self, id: PageId) {
        let Some(page) = self.state.pages.get_mut(id) else {
            return;
        };
        if page.stage > Stage::Open {
            return;
        }
        page.close();
        if page.unwritten_bytes > 0 {
            self.page_work.unwritten.insert(id);
            self.page_work.touched.insert(id);
        }
        let address = page.address;
        let written = self.page_work.files.get(&id).map_or(0, Appender::end);
        self.page_work.open -= written;
        self.page_work.sealing.insert(id, written);
        self.page_work.closed.insert(id);
        if let Some(address) = self.state.addresses.get_mut(address)
            && address.paging.open == Some(id)
        {
            address.paging.open = None;
        }
    }

    fn seal_closed(&mut self, turn: &mut Turn<'_>) {
        for id in self.page_work.closed.clone() {
            let Some(page) = self.state.pages.get_mut(id) else {
                self.page_work.closed.remove(&id);
                continue;
            };
            // What may yet be lost with the end of the log must not stand in a page.
            let complete = page.reserved == 0 && page.held.is_empty();
            if complete && page.unwritten.is_empty() {
                page.stage = Stage::Sealing;
                self.page_work.closed.remove(&id);
                turn.storage.ask(Request::Page(PageRequest::Seal(id)));
            }
        }
    }

    fn delete_done(&mut self, turn: &mut Turn<'_>) {
        for (id, page) in self.state.pages.take_done() {
            self.page_work.unwritten.remove(&id);
            self.page_work.closed.remove(&id);
            self.forget_file(id);
            if let Some(address) = self.state.addresses.get_mut(page.address) {
                if address.paging.open == Some(id) {
                    address.paging.open = None;
                }
                for queue in address.queues.clone() {
                    if let Some(queue) = self.state.queues.get_mut(queue) {
                        queue.cursor.behind.remove(&id);
                        queue.cursor.crowded.remove(&id);
                        if queue.cursor.due.page == id {
                            queue.cursor.due = Place::default();
                        }
                    }
                    self.set_alarm(queue);
                    // It may have been the last one that something waited for.
                    self.page_work.wanting.insert(queue);
                }
            }
            if self.page_work.left_over.remove(&id) || page.written > 0 {
                let delete = Request::Page(PageRequest::Delete(id));
                turn.storage.ask_when_synced(delete);
            }
        }
    }

    fn forget_file(&mut self, id: PageId) {
        let file = self.page_work.files.remove(&id);
        if self.page_work.sealing.remove(&id).is_none() {
            self.page_work.open -= file.map_or(0, |file| file.end());
        }
    }

    /// The disk has answered about a page.
    pub fn page_answered(&mut self, completion: PageCompletion, turn: &mut Turn<'_>) {
        match completion {
            PageCompletion::Pages(files) => self.delete_unknown(&files, turn),
            PageCompletion::Appended(_, bytes) => {
                self.page_work.under_way = self.page_work.under_way.saturating_sub(bytes);
            }
            PageCompletion::Sealed(id) => self.page_sealed(id, turn),
            PageCompletion::Read {
                page,
                offset,
                bytes,
            } => self.page_read(page, offset, &bytes, turn),
            PageCompletion::Unreadable { page, offset, why } => {
                self.page_unreadable(page, offset, &why, turn);
            }
            PageCompletion::SetAside(_, file) => {
                turn.notices.push(Notice::PageSetAside { file });
            }
        }
    }

    /// Files of pages that the log knows nothing of, or will write anew.
    fn delete_unknown(&mut self, files: &[PageId], turn: &mut Turn<'_>) {
        for id in files {
            match self.state.pages.get(*id) {
                None => turn.storage.ask(Request::Page(PageRequest::Delete(*id))),
                Some(page) if page.stage < Stage::Sealed => {
                    self.page_work.left_over.insert(*id);
                }
                Some(_) => {}
            }
        }
    }

    fn page_sealed(&mut self, id: PageId, turn: &mut Turn<'_>) {
        self.forget_file(id);
        let page = self.state.pages.get(id);
        if page.is_none_or(|page| page.stage != Stage::Sealing) {
            return;
        }
        if let Some(record) = self.state.page_record(id) {
            self.commit(None, &[Record::Page(record)], false, turn);
        }
    }

    /// The log has been read back: what was being paged goes on.
    pub(crate) fn start_paging(&mut self, turn: &mut Turn<'_>) {
        turn.storage.ask(Request::Page(PageRequest::List));
        let pages = self.state.pages.iter();
        let pages: Vec<_> = pages
            .map(|(id, page)| (id, page.address, page.stage))
            .collect();
        for (id, address, stage) in pages {
            let Some(address) = self.state.addresses.get_mut(address) else {
                continue;
            };
            address.paging.active = true;
            let before = match stage {
                Stage::Sealed => None,
                _ => address.paging.open.replace(id),
            };
            if stage != Stage::Sealed {
                self.page_work.unwritten.insert(id);
                self.page_work.touched.insert(id);
            }
            before
                .into_iter()
                .for_each(|before| self.close_page(before));
            self.want_page(id);
        }
        let of = self.state.pages.iter().map(|(_, page)| page.address);
        for address in of.collect::<BTreeSet<_>>() {
            self.look_at_page_limit(address, turn);
        }
    }

    /// The address stops paging if everything in its pages is in memory, too, and there is room.
    pub(crate) fn stop_paging_if_done(&mut self, id: AddressId, turn: &mut Turn<'_>) {
        let Some(address) = self.state.addresses.get(id) else {
            return;
        };
        if !address.paging.active || self.is_full(address) {
            return;
        }
        let left = self.state.pages.of(id).map_or(0, |of| of.left);
        let queues = address
            .queues
            .iter()
            .filter_map(|id| self.state.queues.get(*id));
        let in_memory: u64 = queues
            .clone()
            .map(|queue| queue.cursor.in_memory.messages)
            .sum();
        // What was found ahead has yet to come to its turn: until then nothing may come behind it.
        let in_order = queues.clone().all(|queue| queue.cursor.ahead.is_empty());
        if left == in_memory
            && in_order
            && let Some(address) = self.state.addresses.get_mut(id)
        {
            address.paging.active = false;
            let address = address.record.name.clone();
            let fill = self.fill(id);
            turn.notices.push(Notice::PagingStopped { address, fill });
        }
    }
}
