// SPDX-License-Identifier: Apache-2.0
//! The simulated disk: carries out the same requests as the real one, on virtual time, and fails in every way a disk can.
//!
//! It keeps apart what was *written* (a process that restarts reads it, a power loss may undo it) and what was *synced*
//! (only a bit flip changes it). Requests are carried out in order, one operation at a time; all batches that wait are
//! taken together and share one sync. Recycled files keep their old content behind what is written over it, and a
//! directory change (create, release) is undone by a power loss unless a later sync covered it.
//!
//! Pages and large messages are another matter, with an order of their own: see [`bulk`].
//!
//! The disk also holds the node to its side of the contract: a request that breaks it is answered as the real disk does
//! (one table of expectations is run against both), and remembered as a [breach](Disk::breach).

pub mod bulk;
pub mod fault;
pub mod file;
pub mod journal;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use hind_engine::storage::Content;
use hind_engine::storage::request::{Batch, Completion, Request, Segment};

use self::bulk::Bulk;
use self::fault::{Armed, Fault};
use self::file::{File, Losses, SECTOR, Survival};
use super::planted::Planted;
use super::random::Random;

/// How the process (or the machine under it) ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// The process is killed: what it wrote stays in the page cache, unsynced.
    Kill,
    /// The machine loses power: the page cache is gone.
    PowerLoss,
}

/// A simulated disk with one data directory.
#[derive(Clone, Debug)]
pub struct Disk {
    segment_size: usize,
    files: BTreeMap<Segment, File>,
    pool: Vec<File>,
    directory: Vec<Change>,
    state: Option<Bytes>,
    state_durable: Option<Bytes>,
    queue: VecDeque<Request>,
    operation: Option<Operation>,
    /// Set by [`Completion::Failed`]: nothing is carried out any more until a restart.
    failed: bool,
    /// The faults still to come.
    pub armed: Armed,
    /// The first request of the node that breaks its side of the contract, if there was one.
    pub breach: Option<String>,
    /// Pages and the bodies of large messages.
    pub bulk: Bulk,
    /// The bug planted here, if any.
    pub planted: Option<Planted>,
    random: Random,
}

/// A change of the directory that no sync has covered yet.
#[derive(Clone, Debug)]
enum Change {
    Created(Segment),
    Released(Segment, File),
}

/// What the disk is doing.
#[derive(Clone, Debug)]
struct Operation {
    what: What,
    fails: Option<Fault>,
}

#[derive(Clone, Debug)]
enum What {
    /// Batches and releases, in order, under one sync.
    Group(Vec<Request>),
    Other(Request),
}

impl Disk {
    /// How many released files are kept for recycling.
    const POOL: usize = 4;

    /// An empty disk whose journal files are `segment_size` bytes.
    pub fn new(segment_size: usize, random: Random) -> Self {
        // Not forked: what the journal meets is to be the same with and without.
        let of_bulk = Random::new(!random.clone().number());
        Self {
            segment_size,
            files: BTreeMap::new(),
            pool: Vec::new(),
            directory: Vec::new(),
            state: None,
            state_durable: None,
            queue: VecDeque::new(),
            operation: None,
            failed: false,
            armed: Armed::default(),
            breach: None,
            bulk: Bulk::new(of_bulk),
            planted: None,
            random,
        }
    }

    /// Takes a request; it is begun by [`Disk::begin`], or [`Disk::begin_bulk`] if it is about pages or large messages.
    pub fn submit(&mut self, request: Request) {
        match request {
            Request::Page(_) | Request::Large(_) => self.bulk.submit(request),
            _ => self.queue.push_back(request),
        }
    }

    /// Begins the next operation if none is under way, and says how long it takes in nanoseconds.
    pub fn begin(&mut self) -> Option<u64> {
        if self.operation.is_some() || self.failed {
            return None;
        }
        let what = match self.queue.front()? {
            Request::Batch(_) | Request::Release(_) => What::Group(self.next_group()),
            _ => What::Other(self.queue.pop_front()?),
        };
        let fails = self.armed.failure(self.would_create(&what), &what);
        let slow = if self.armed.slow() {
            self.random.between(5_000_000, 300_000_000)
        } else {
            0
        };
        let duration = slow + self.latency(&what);
        self.operation = Some(Operation { what, fails });
        Some(duration)
    }

    /// Ends the operation under way and says what became of it.
    pub fn finish(&mut self) -> Vec<Completion> {
        let Some(operation) = self.operation.take() else {
            return Vec::new();
        };
        if let Some(fault) = operation.fails {
            self.failed = true;
            self.armed.hit(fault);
            if let What::Group(group) = operation.what {
                self.write_prefix(group, fault == Fault::FailedSync);
            }
            return vec![Completion::Failed(format!("simulated: {fault}"))];
        }
        self.execute(operation.what)
    }

    /// Carries an operation out, or breaks down over it.
    fn execute(&mut self, what: What) -> Vec<Completion> {
        let done = match what {
            What::Group(group) => self.finish_group(group),
            What::Other(request) => self.answer(request).map(|answer| vec![answer]),
        };
        done.unwrap_or_else(|impossible| {
            self.failed = true;
            let why = format!("simulated: {impossible}");
            self.breach.get_or_insert(impossible);
            vec![Completion::Failed(why)]
        })
    }

    /// Nothing waits and nothing is under way: what was asked is what is stored.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.operation.is_none()
    }

    /// Whether batches are under way, or a page or large message is being written, so that a crash now catches them half done.
    pub fn is_writing(&self) -> bool {
        matches!(
            &self.operation,
            Some(Operation {
                what: What::Group(_),
                ..
            })
        ) || self.bulk.is_writing()
    }

    /// The process is gone; with [`Crash::PowerLoss`] the page cache too. The disk is ready for the next process.
    pub fn crash(&mut self, crash: Crash) {
        match self.operation.take().map(|operation| operation.what) {
            Some(What::Group(group)) => self.write_prefix(group, false),
            Some(What::Other(Request::WriteState(state))) if self.random.chance(50) => {
                self.state = Some(state);
            }
            _ => {}
        }
        self.queue.clear();
        self.failed = false;
        let losses = self.bulk.crash(crash);
        self.armed.lost(losses);
        if crash == Crash::PowerLoss {
            self.lose_power();
        }
    }

    /// The segments' files, as a process would read them.
    pub fn files(&self) -> impl Iterator<Item = (Segment, &File)> {
        self.files.iter().map(|(segment, file)| (*segment, file))
    }

    /// The file of a segment.
    pub fn file_mut(&mut self, segment: Segment) -> Option<&mut File> {
        self.files.get_mut(&segment)
    }

    /// Carries a request out at once, without latency or faults: for replaying a copy of a disk.
    pub fn serve(&mut self, request: Request) -> Vec<Completion> {
        self.execute(match request {
            Request::Batch(_) | Request::Release(_) => What::Group(vec![request]),
            Request::Page(_) | Request::Large(_) => {
                return self.bulk.execute(&request).into_iter().collect();
            }
            other => What::Other(other),
        })
    }

    /// Bytes in journal files, recycled ones not counted.
    pub fn used(&self) -> u64 {
        self.files
            .values()
            .map(|file| file.durable().len() as u64)
            .sum()
    }

    fn next_group(&mut self) -> Vec<Request> {
        let mut group = Vec::new();
        while let Some(Request::Batch(_) | Request::Release(_)) = self.queue.front() {
            group.extend(self.queue.pop_front());
        }
        group
    }

    fn would_create(&self, what: &What) -> bool {
        let What::Group(group) = what else {
            return false;
        };
        group.iter().any(|request| match request {
            Request::Batch(batch) => batch
                .writes
                .iter()
                .any(|write| !self.files.contains_key(&write.segment)),
            _ => false,
        })
    }

    fn latency(&mut self, what: &What) -> u64 {
        match what {
            What::Group(group)
                if group
                    .iter()
                    .any(|r| matches!(r, Request::Batch(b) if b.sync)) =>
            {
                self.random.between(30_000, 150_000)
            }
            What::Group(_) => self.random.between(2_000, 10_000),
            What::Other(Request::WriteState(_) | Request::SyncAll) => {
                self.random.between(60_000, 300_000)
            }
            What::Other(_) => self.random.between(5_000, 40_000),
        }
    }

    /// Writes and releases; an error says what cannot be done.
    fn finish_group(&mut self, group: Vec<Request>) -> Result<Vec<Completion>, String> {
        let late_sync = self.planted == Some(Planted::AcknowledgesBeforeSync);
        if late_sync {
            self.sync();
        }
        let mut stored = None;
        let mut sync = false;
        for request in group {
            match request {
                Request::Batch(batch) => {
                    sync |= batch.sync;
                    stored = Some(batch.end);
                    self.write(batch)?;
                }
                Request::Release(segment) => self.release(segment),
                _ => unreachable!("a group holds batches and releases"),
            }
        }
        if sync && !late_sync {
            self.sync();
        }
        Ok(stored.map(Completion::Stored).into_iter().collect())
    }

    /// Everything else; an error says what cannot be done.
    fn answer(&mut self, request: Request) -> Result<Completion, String> {
        Ok(match request {
            Request::WriteState(state) => {
                self.state_durable = Some(state.clone());
                self.state = Some(state);
                Completion::StateWritten
            }
            Request::ReadState => Completion::State(self.state.clone()),
            Request::ListSegments => Completion::Segments(self.files.keys().copied().collect()),
            Request::ReadSegment(segment) => {
                let file = self.files.get(&segment);
                let file = file.ok_or_else(|| format!("{segment:?} is not there to be read"))?;
                let mut content = file.read();
                if let Some(planted) = self.planted {
                    planted.spoil(segment, &mut content);
                }
                Completion::Segment(segment, Content::of(segment, Bytes::from(content)))
            }
            Request::SyncAll => {
                self.directory_synced();
                self.sync();
                self.state_durable.clone_from(&self.state);
                Completion::Synced
            }
            Request::Batch(_) | Request::Release(_) => unreachable!("these come as groups"),
            Request::Page(_) | Request::Large(_) => {
                unreachable!("these are not the journal's")
            }
        })
    }

    fn write(&mut self, batch: Batch) -> Result<(), String> {
        for write in batch.writes {
            if !self.files.contains_key(&write.segment) {
                if write.offset != 0 {
                    return Err(format!(
                        "the first write of {:?} is not at its start",
                        write.segment
                    ));
                }
                self.create(write.segment);
            }
            let mut bytes = BytesMut::with_capacity(usize::try_from(write.len()).expect("small"));
            for piece in &write.pieces {
                bytes.extend_from_slice(piece);
            }
            let file = self.files.get_mut(&write.segment).expect("just made");
            file.write(write.offset, bytes.freeze());
        }
        Ok(())
    }

    fn create(&mut self, segment: Segment) {
        let recycled = if self.random.chance(80) {
            self.pool.pop()
        } else {
            None
        };
        let file = recycled.unwrap_or_else(|| File::new(vec![0; self.segment_size]));
        self.files.insert(segment, file);
        self.directory.push(Change::Created(segment));
    }

    fn release(&mut self, segment: Segment) {
        match self.files.remove(&segment) {
            Some(file) => self.directory.push(Change::Released(segment, file)),
            None => {
                self.breach
                    .get_or_insert_with(|| format!("{segment:?} is not there to be released"));
            }
        }
    }

    fn sync(&mut self) {
        for file in self.files.values_mut().filter(|file| file.has_unsynced()) {
            file.sync();
        }
        if self
            .directory
            .iter()
            .any(|change| matches!(change, Change::Created(_)))
        {
            self.directory_synced();
        }
    }

    fn directory_synced(&mut self) {
        for change in self.directory.drain(..) {
            if let Change::Released(_, mut file) = change
                && self.pool.len() < Self::POOL
            {
                file.sync();
                self.pool.push(file);
            }
        }
    }

    /// A group that did not come to its end: some of its writes reached the page cache, the last of them in part.
    fn write_prefix(&mut self, group: Vec<Request>, all: bool) {
        let mut left = if all {
            usize::MAX
        } else {
            self.random.index(group.len() + 1)
        };
        for request in group {
            if left == 0 {
                if let Request::Batch(mut batch) = request {
                    self.cut(&mut batch);
                    self.write_some(batch);
                }
                return;
            }
            left -= 1;
            match request {
                Request::Batch(batch) => self.write_some(batch),
                Request::Release(segment) => self.release(segment),
                _ => unreachable!("a group holds batches and releases"),
            }
        }
    }

    /// Writes what can be written of a batch nobody will get an answer to.
    fn write_some(&mut self, batch: Batch) {
        if let Err(impossible) = self.write(batch) {
            self.breach.get_or_insert(impossible);
        }
    }

    /// Leaves of a batch the bytes before a random cut between two sectors: within one, everything is old or new.
    fn cut(&mut self, batch: &mut Batch) {
        let total: u64 = batch.writes.iter().map(|write| write.len()).sum();
        let mut left = self.random.below(total + 1);
        for write in &mut batch.writes {
            let whole = left >= write.len();
            let end = write.offset + left.min(write.len());
            let end = if whole {
                end
            } else {
                end - end % SECTOR as u64
            };
            left -= left.min(write.len());
            let mut kept = end.saturating_sub(write.offset);
            for piece in &mut write.pieces {
                let of_piece = kept.min(piece.len() as u64);
                piece.truncate(usize::try_from(of_piece).expect("at most the piece"));
                kept -= of_piece;
            }
        }
        batch.writes.retain(|write| !write.is_empty());
    }

    fn lose_power(&mut self) {
        let survival = self.random.weighted(&[
            (1, Survival::All),
            (2, Survival::Nothing),
            (2, Survival::SomeWrites),
            (3, Survival::Prefixes),
            (2, Survival::SomeSectors),
        ]);
        let mut losses = Losses::default();
        for file in self.files.values_mut().filter(|file| file.has_unsynced()) {
            losses.add(file.lose_power(survival, &mut self.random));
        }
        self.armed.lost(losses);
        self.undo_directory_changes();
        if self.random.chance(50) {
            self.state.clone_from(&self.state_durable);
        } else {
            self.state_durable.clone_from(&self.state);
        }
    }

    /// A journalling file system keeps a prefix of the changes no sync covered.
    fn undo_directory_changes(&mut self) {
        let kept = self.random.index(self.directory.len() + 1);
        for change in self.directory.drain(kept..).rev() {
            match change {
                Change::Created(segment) => {
                    let file = self
                        .files
                        .remove(&segment)
                        .expect("created and not released after");
                    self.pool.push(file);
                }
                Change::Released(segment, mut file) => {
                    file.sync();
                    self.files.insert(segment, file);
                }
            }
        }
        self.directory_synced();
    }
}

#[cfg(test)]
mod tests;
