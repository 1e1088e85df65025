// SPDX-License-Identifier: Apache-2.0
//! Reads of pages that failed and are tried again: the next one may succeed, and giving a page up loses messages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::address::paging::Read;
use crate::engine::{Engine, Turn};
use crate::id::PageId;
use crate::notice::Notice;
use crate::storage::request::{PageRequest, Request};
use crate::time::Instant;

/// A part of a page: which, and from where on.
type Part = (PageId, u64);

/// Reads are tried so often, and that long after each failure but the last.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(4),
];

/// Reads that wait to be tried again.
///
/// *Invariant*: `due` has each of them once.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    reads: BTreeMap<Part, Read>,
    due: BTreeSet<(Instant, Part)>,
}

impl Retries {
    /// The read of that part, if it waits to be tried again.
    pub fn get_mut(&mut self, part: Part) -> Option<&mut Read> {
        self.reads.get_mut(&part)
    }

    /// When the first of them is tried again.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    fn put(&mut self, part: Part, read: Read, at: Instant) {
        self.due.insert((at, part));
        self.reads.insert(part, read);
    }

    /// The first one whose time has come.
    fn take_due(&mut self, now: Instant) -> Option<(Part, Read)> {
        let first = *self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.remove(&first);
        Some((first.1, self.reads.remove(&first.1)?))
    }
}

impl Engine {
    /// A read has failed: it is tried again after a while, and given back if it has been tried often enough.
    pub(super) fn read_again(
        &mut self,
        part: Part,
        mut read: Read,
        why: &str,
        turn: &mut Turn<'_>,
    ) -> Option<Read> {
        let pause = PAUSES.get(read.failures).copied();
        let page = self.state.pages.get(part.0);
        let (Some(pause), Some(page)) = (pause, page) else {
            return Some(read);
        };
        if read.failures == 0 {
            let address = self.state.addresses.get(page.address);
            let address = address.map_or_else(|| "".into(), |address| address.record.name.clone());
            turn.notices.push(Notice::PageReadFailed {
                address,
                page: part.0,
                why: why.to_owned(),
            });
        }
        read.failures += 1;
        let at = turn.now.monotonic.after(pause);
        self.page_work.retries.put(part, read, at);
        None
    }

    /// Asks the disk again, while it has not too much to read already, for what it could not read.
    pub(super) fn ask_again(&mut self, reads_max: usize, turn: &mut Turn<'_>) {
        while self.page_work.reads.len() < reads_max
            && let Some((part, read)) = self.page_work.retries.take_due(turn.now.monotonic)
        {
            let (page, offset) = part;
            let length = read.until.saturating_sub(offset);
            turn.storage.ask(Request::Page(PageRequest::Read {
                page,
                offset,
                length: u32::try_from(length).unwrap_or(u32::MAX),
            }));
            self.page_work.reads.insert(part, read);
        }
    }
}
