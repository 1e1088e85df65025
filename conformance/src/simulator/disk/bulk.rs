// SPDX-License-Identifier: Apache-2.0
//! The side of the simulated disk that holds pages and the bodies of large messages: requests are carried out in order
//! among themselves, one at a time, and beside the journal's.
//!
//! It promises no more than the real one: until a file is sealed a power loss leaves of it what it likes, its name
//! included; a deleted file may be back, whatever is in it, and one that was set aside may have its old name again.

mod deed;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};
use hind_engine::id::{LargeId, PageId};
use hind_engine::storage::request::{Completion, LargeCompletion, PageCompletion, Request};

use self::deed::Deed;
use super::fault::{Armed, Fault};
use super::file::{File, Losses, SECTOR, Survival};
use super::{Crash, Disk};
use crate::simulator::random::Random;

/// Which file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    /// That of a page.
    Page(PageId),
    /// That of the body of a large message.
    Body(LargeId),
}

/// What was done to a sealed page, for checks to know what may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The page.
    pub page: PageId,
    /// How.
    pub fault: Fault,
    /// The byte whose bit was turned, or the length that is left, or where a read failed.
    pub at: u64,
}

/// The directories of pages and of large messages.
#[derive(Clone, Debug)]
pub struct Bulk {
    files: BTreeMap<Name, Entry>,
    /// Changes of the directories that no sync has covered yet.
    changes: Vec<Change>,
    queue: VecDeque<Request>,
    operation: Option<Operation>,
    /// Set by [`Completion::Failed`]: nothing is carried out any more until a restart.
    failed: bool,
    /// The first request of the node that breaks its side of the contract, if there was one.
    pub(super) breach: Option<String>,
    damage: Vec<Damage>,
    /// What was in pages before they were damaged, until somebody asks.
    before_damage: Vec<(PageId, Vec<u8>)>,
    random: Random,
}

#[derive(Clone, Debug)]
struct Entry {
    file: File,
    sealed: bool,
    /// Sealed by the process that runs: another one, whose log does not say so, begins the file anew.
    finished: bool,
    aside: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Created(Name),
    Deleted(Name, Entry),
    SetAside(Name),
}

#[derive(Clone, Debug)]
struct Operation {
    request: Request,
    fails: Option<Fault>,
}

impl Disk {
    /// Begins the next operation about pages or large messages if none is under way, and says how long it takes in
    /// nanoseconds.
    pub fn begin_bulk(&mut self) -> Option<u64> {
        self.bulk.begin(&mut self.armed)
    }

    /// Ends the operation about pages or large messages under way and says what became of it.
    pub fn finish_bulk(&mut self) -> Vec<Completion> {
        let done = self.bulk.finish(&mut self.armed);
        if self.breach.is_none() {
            self.breach = self.bulk.breach.take();
        }
        done.into_iter().collect()
    }
}

impl Bulk {
    /// No files.
    pub(super) fn new(random: Random) -> Self {
        Self {
            files: BTreeMap::new(),
            changes: Vec::new(),
            queue: VecDeque::new(),
            operation: None,
            failed: false,
            breach: None,
            damage: Vec::new(),
            before_damage: Vec::new(),
            random,
        }
    }

    pub(super) fn submit(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    /// Begins the next operation if none is under way, and says how long it takes in nanoseconds.
    pub(super) fn begin(&mut self, armed: &mut Armed) -> Option<u64> {
        if self.operation.is_some() || self.failed {
            return None;
        }
        let request = self.queue.pop_front()?;
        let deed = Deed::from(&request);
        let fails = match &deed {
            Deed::List => armed.first(&[Fault::FailedRead]),
            Deed::Append(_, 0, _) => armed.first(&[Fault::Full, Fault::FailedWrite]),
            Deed::Append(..) => armed.first(&[Fault::FailedWrite]),
            Deed::Seal(_) => armed.first(&[Fault::FailedSync]),
            Deed::Read(name, offset, length) if self.can_damage(*name, *offset, *length) => {
                armed.first(&Fault::OF_PAGES)
            }
            Deed::Read(..) | Deed::Delete(_) | Deed::SetAside(_) => None,
        };
        let slow = match armed.slow() {
            true => self.random.between(5_000_000, 300_000_000),
            false => 0,
        };
        let (low, high) = match deed {
            Deed::Append(..) => (2_000, 20_000),
            Deed::Seal(_) => (100_000, 2_000_000),
            Deed::Read(..) | Deed::List => (5_000, 60_000),
            Deed::Delete(_) | Deed::SetAside(_) => (5_000, 500_000),
        };
        self.operation = Some(Operation { request, fails });
        Some(slow + self.random.between(low, high))
    }

    /// Ends the operation under way and says what became of it.
    pub(super) fn finish(&mut self, armed: &mut Armed) -> Option<Completion> {
        let operation = self.operation.take()?;
        let Some(fault) = operation.fails else {
            return self.execute(&operation.request);
        };
        armed.hit(fault);
        match Deed::from(&operation.request) {
            Deed::Read(Name::Page(page), offset, length) => {
                if self.damage_page(page, offset, length, fault) {
                    let why = format!("simulated: {fault}");
                    return Some(Completion::Page(PageCompletion::Unreadable {
                        page,
                        offset,
                        why,
                    }));
                }
                return self.execute(&operation.request);
            }
            Deed::Append(name, offset, pieces) if fault == Fault::FailedWrite => {
                self.append_some(name, offset, &pieces);
            }
            _ => {}
        }
        self.failed = true;
        Some(Completion::Failed(format!("simulated: {fault}")))
    }

    /// Carries a request out at once.
    pub(super) fn execute(&mut self, request: &Request) -> Option<Completion> {
        if self.failed {
            return None;
        }
        let done = match Deed::from(request) {
            Deed::List => Ok(Some(self.list(matches!(request, Request::Page(_))))),
            Deed::Append(name, offset, pieces) => self.append(name, offset, &pieces).map(Some),
            Deed::Seal(name) => self.seal(name).map(Some),
            Deed::Read(name, offset, length) => Ok(Some(self.read(name, offset, length))),
            Deed::Delete(name) => {
                self.delete(name);
                Ok(None)
            }
            Deed::SetAside(name) => Ok(Some(self.set_aside(name))),
        };
        done.unwrap_or_else(|impossible| {
            self.failed = true;
            let why = format!("simulated: {impossible}");
            self.breach.get_or_insert(impossible);
            Some(Completion::Failed(why))
        })
    }

    /// Whether something is being appended or sealed, so that a crash now catches it half done.
    pub fn is_writing(&self) -> bool {
        let under_way = self.operation.as_ref();
        under_way.is_some_and(|operation| {
            matches!(
                Deed::from(&operation.request),
                Deed::Append(..) | Deed::Seal(_)
            )
        })
    }

    /// Nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.operation.is_none()
    }

    /// The files there are, ascending, and whether they are sealed.
    pub fn files(&self) -> impl Iterator<Item = (Name, bool)> {
        self.files.iter().map(|(name, entry)| (*name, entry.sealed))
    }

    /// Whether the file is kept for the operator.
    pub fn is_aside(&self, name: Name) -> bool {
        self.files.get(&name).is_some_and(|entry| entry.aside)
    }

    /// What a process would read of a file.
    pub fn content(&self, name: Name) -> Option<Vec<u8>> {
        self.files.get(&name).map(|entry| entry.file.read())
    }

    /// What has been done to sealed pages.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What was in the pages that have been damaged since this was last asked.
    pub fn take_before_damage(&mut self) -> Vec<(PageId, Vec<u8>)> {
        std::mem::take(&mut self.before_damage)
    }

    /// The process is gone, with [`Crash::PowerLoss`] the page cache too.
    pub(super) fn crash(&mut self, crash: Crash) -> Losses {
        if let Some(operation) = self.operation.take() {
            self.leave_half_done(&operation.request);
        }
        self.queue.clear();
        self.failed = false;
        for entry in self.files.values_mut() {
            entry.finished = false;
        }
        match crash {
            Crash::Kill => Losses::default(),
            Crash::PowerLoss => self.lose_power(),
        }
    }

    fn list(&self, of_pages: bool) -> Completion {
        let names: BTreeSet<Name> = self.files.keys().copied().collect();
        if of_pages {
            let pages = names.iter().filter_map(|name| match name {
                Name::Page(page) => Some(*page),
                Name::Body(_) => None,
            });
            return Completion::Page(PageCompletion::Pages(pages.collect()));
        }
        let bodies = names.iter().filter_map(|name| match name {
            Name::Body(body) => Some(*body),
            Name::Page(_) => None,
        });
        Completion::Large(LargeCompletion::Files(bodies.collect()))
    }

    fn append(&mut self, name: Name, offset: u64, pieces: &[Bytes]) -> Result<Completion, String> {
        let bytes = joined(pieces);
        let length = bytes.len() as u64;
        self.write(name, offset, bytes)?;
        Ok(match name {
            Name::Page(page) => Completion::Page(PageCompletion::Appended(page, length)),
            Name::Body(body) => Completion::Large(LargeCompletion::Appended(body, length)),
        })
    }

    fn write(&mut self, name: Name, offset: u64, bytes: Bytes) -> Result<(), String> {
        if offset == 0 {
            self.begin_file(name);
        }
        let Some(entry) = self.files.get_mut(&name) else {
            return Err(format!("the first write of {name:?} is not at its start"));
        };
        if entry.finished {
            self.breach
                .get_or_insert_with(|| format!("{name:?} is sealed and written to"));
        }
        let end = entry.file.len();
        if end != offset {
            return Err(format!("{name:?} is {end} bytes long, not {offset}"));
        }
        entry.file.write(offset, bytes);
        Ok(())
    }

    /// An empty file, whatever there was before.
    fn begin_file(&mut self, name: Name) {
        let fresh = Entry {
            file: File::new(Vec::new()),
            sealed: false,
            finished: false,
            aside: false,
        };
        match self.files.insert(name, fresh) {
            Some(old) if old.finished => {
                self.breach
                    .get_or_insert_with(|| format!("{name:?} is sealed and begun anew"));
            }
            Some(_) => {}
            None => self.changes.push(Change::Created(name)),
        }
    }

    /// A write that failed, or was cut off by a crash: some of it is there.
    fn append_some(&mut self, name: Name, offset: u64, pieces: &[Bytes]) {
        let mut bytes = joined(pieces);
        let (begin, end) = (small(offset), small(offset) + bytes.len());
        let sectors = begin / SECTOR..end.div_ceil(SECTOR);
        let cut = (sectors.start + self.random.index(sectors.len() + 1)) * SECTOR;
        bytes.truncate(cut.clamp(begin, end) - begin);
        if let Err(impossible) = self.write(name, offset, bytes) {
            self.breach.get_or_insert(impossible);
        }
    }

    fn seal(&mut self, name: Name) -> Result<Completion, String> {
        let Some(entry) = self.files.get_mut(&name) else {
            return Err(format!("{name:?} is not there to be sealed"));
        };
        entry.file.sync();
        entry.sealed = true;
        entry.finished = true;
        self.changes
            .retain(|change| change.folder() != name.folder());
        Ok(match name {
            Name::Page(page) => Completion::Page(PageCompletion::Sealed(page)),
            Name::Body(body) => Completion::Large(LargeCompletion::Sealed(body)),
        })
    }

    fn read(&self, name: Name, offset: u64, length: u32) -> Completion {
        let bytes = self.content(name).map(|content| {
            let from = content.len().min(small(offset));
            let to = content.len().min(from + length as usize);
            Bytes::copy_from_slice(&content[from..to])
        });
        let why = || format!("simulated: {name:?} has no file");
        match (name, bytes) {
            (Name::Page(page), Some(bytes)) => Completion::Page(PageCompletion::Read {
                page,
                offset,
                bytes,
            }),
            (Name::Page(page), None) => Completion::Page(PageCompletion::Unreadable {
                page,
                offset,
                why: why(),
            }),
            (Name::Body(body), Some(bytes)) => Completion::Large(LargeCompletion::Read {
                body,
                offset,
                bytes,
            }),
            (Name::Body(body), None) => Completion::Large(LargeCompletion::Unreadable {
                body,
                offset,
                why: why(),
            }),
        }
    }

    fn delete(&mut self, name: Name) {
        if self.files.get(&name).is_some_and(|entry| !entry.aside)
            && let Some(entry) = self.files.remove(&name)
        {
            self.changes.push(Change::Deleted(name, entry));
        }
    }

    fn set_aside(&mut self, name: Name) -> Completion {
        let mut aside = String::new();
        if let Some(entry) = self.files.get_mut(&name) {
            if !entry.aside {
                entry.aside = true;
                self.changes.push(Change::SetAside(name));
            }
            aside = format!("{name:?}, set aside");
        }
        match name {
            Name::Page(page) => Completion::Page(PageCompletion::SetAside(page, aside)),
            Name::Body(body) => Completion::Large(LargeCompletion::SetAside(body, aside)),
        }
    }

    /// Whether there is something in this part of a sealed page that could be damaged.
    fn can_damage(&self, name: Name, offset: u64, length: u32) -> bool {
        matches!(name, Name::Page(_))
            && length > 0
            && self
                .files
                .get(&name)
                .is_some_and(|entry| entry.sealed && entry.file.len() > offset)
    }

    /// Damages a sealed page in the part that is about to be read, for good; whether reading it fails this once.
    fn damage_page(&mut self, page: PageId, offset: u64, length: u32, fault: Fault) -> bool {
        let entry = self.files.get_mut(&Name::Page(page));
        let entry = entry.expect("nothing has been carried out since the fault was chosen");
        self.before_damage.push((page, entry.file.read()));
        let end = entry.file.len().min(offset + u64::from(length));
        let mut at = offset + self.random.below(end - offset);
        match fault {
            Fault::PageFlipped => {
                let bit = self.random.below(8) as u8;
                entry.file.flip(small(at), bit);
            }
            Fault::PageCut => entry.file.cut(small(at)),
            _ => at = offset,
        }
        self.damage.push(Damage { page, fault, at });
        fault == Fault::PageUnreadable
    }

    /// What a crash leaves of the operation it meets.
    fn leave_half_done(&mut self, request: &Request) {
        let begun = self.random.chance(50);
        match Deed::from(request) {
            Deed::Append(name, offset, pieces) if begun => self.append_some(name, offset, &pieces),
            Deed::Seal(name) if begun => {
                if let Some(entry) = self.files.get_mut(&name) {
                    entry.file.sync();
                }
            }
            Deed::Delete(name) if begun => self.delete(name),
            Deed::SetAside(name) if begun => {
                self.set_aside(name);
            }
            _ => {}
        }
    }

    fn lose_power(&mut self) -> Losses {
        let survival = self.random.pick(&[
            Survival::All,
            Survival::Nothing,
            Survival::SomeWrites,
            Survival::Prefixes,
            Survival::SomeSectors,
        ]);
        let mut losses = Losses::default();
        for entry in self.files.values_mut() {
            if entry.file.has_unsynced() {
                losses.add(entry.file.lose_power(survival, &mut self.random));
            }
        }
        let kept = self.random.index(self.changes.len() + 1);
        let undone = self.changes.split_off(kept);
        for change in undone.into_iter().rev() {
            match change {
                Change::Created(name) => {
                    self.files.remove(&name);
                }
                Change::Deleted(name, mut entry) => {
                    if self.random.chance(50) {
                        // Another page has been written over it.
                        entry.file = File::new(vec![0xee; small(entry.file.len())]);
                    }
                    self.files.insert(name, entry);
                }
                Change::SetAside(name) => {
                    if let Some(entry) = self.files.get_mut(&name) {
                        entry.aside = false;
                    }
                }
            }
        }
        self.changes.clear();
        losses
    }
}

impl Name {
    /// The directory it is in.
    fn folder(self) -> bool {
        matches!(self, Self::Page(_))
    }
}

impl Change {
    fn folder(&self) -> bool {
        match self {
            Self::Created(name) | Self::Deleted(name, _) | Self::SetAside(name) => name.folder(),
        }
    }
}

fn joined(pieces: &[Bytes]) -> Bytes {
    let mut bytes = BytesMut::new();
    for piece in pieces {
        bytes.extend_from_slice(piece);
    }
    bytes.freeze()
}

fn small(number: u64) -> usize {
    usize::try_from(number).expect("simulated files are small")
}

#[cfg(test)]
mod tests;
