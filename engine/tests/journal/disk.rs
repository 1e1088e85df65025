// SPDX-License-Identifier: Apache-2.0
//! A disk in memory: what it must keep, and what a crash may do to the rest.

use std::collections::BTreeMap;

use bytes::Bytes;
use hind_engine::storage::record::Record;
use hind_engine::storage::request::{Batch, Request, Segment};
use hind_engine::storage::{
    Branch, Content, Damage, JournalSettings, Liveness, Position, Recovered, Replay, Storage,
};

use crate::random::Random;

/// What a crash can tear apart.
const SECTOR: usize = 512;

/// Files by segment number.
///
/// A write is kept for certain once [`Disk::sync`] has returned; before that, a crash keeps any part of it. A released
/// file may come back with a crash as long as nothing was synced since; after that its content is found in the next
/// file created.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// What a reader sees.
    pub files: BTreeMap<u64, Vec<u8>>,
    /// What is on the platter.
    durable: BTreeMap<u64, Vec<u8>>,
    /// Since the last sync.
    writes: Vec<(u64, usize, Vec<u8>)>,
    released: Vec<(u64, Vec<u8>)>,
    pool: Vec<Vec<u8>>,
    /// Files are created this large, and recycled.
    pub file_size: usize,
}

/// What a crash does to unsynced writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// Loses all.
    LosesAll,
    /// Keeps all.
    KeepsAll,
    /// Keeps some writes in order, the next one up to some byte.
    Cuts,
    /// Keeps some sectors of each.
    Scatters,
}

impl Disk {
    /// One whose files are created at this size, with whatever the last use left in them.
    pub fn recycling(file_size: usize) -> Self {
        Self {
            file_size,
            ..Self::default()
        }
    }

    /// Writes a batch as a host would.
    pub fn write(&mut self, batch: &Batch) {
        for write in &batch.writes {
            self.write_at(write.segment, write.offset, &write.pieces.concat());
        }
    }

    pub fn write_at(&mut self, segment: Segment, offset: u64, bytes: &[u8]) {
        let offset = offset as usize;
        if !self.files.contains_key(&segment.0) {
            assert_eq!(offset, 0, "a file is created by a write at its start");
            let blank = vec![0; self.file_size];
            let content = self.pool.pop().unwrap_or(blank);
            self.files.insert(segment.0, content.clone());
            self.durable.insert(segment.0, content);
        }
        put(&mut self.files, segment.0, offset, bytes);
        self.writes.push((segment.0, offset, bytes.to_vec()));
    }

    /// Changes what a reader sees, and nothing else.
    pub fn put(&mut self, segment: Segment, offset: u64, bytes: &[u8]) {
        self.files.entry(segment.0).or_default();
        put(&mut self.files, segment.0, offset as usize, bytes);
    }

    /// Power fails: of the unsynced writes all but the first are kept.
    pub fn lose_first_unsynced_write(&mut self) {
        self.files = self.durable.clone();
        for (segment, offset, bytes) in self.writes.drain(..).skip(1) {
            put(&mut self.files, segment, offset, &bytes);
        }
    }

    pub fn sync(&mut self) {
        self.durable = self.files.clone();
        self.writes.clear();
        let released = self.released.drain(..).map(|(_, content)| content);
        let size = self.file_size;
        self.pool
            .extend(released.filter(|content| content.len() == size));
    }

    pub fn release(&mut self, requests: &[Request]) {
        for request in requests {
            let Request::Release(segment) = request else {
                panic!("unexpected {request:?}");
            };
            let content = self.files.remove(&segment.0).expect("released once");
            self.durable.remove(&segment.0);
            self.released.push((segment.0, content));
        }
    }

    /// End of a turn: writes, syncs, answers, releases.
    pub fn turn(&mut self, storage: &mut Storage) {
        if let Some(batch) = storage.take_batch() {
            self.write(&batch);
            self.sync();
            let released = storage.on_stored(batch.end);
            self.release(&released);
        }
    }

    /// Power fails.
    pub fn crash(&mut self, how: Crash, random: &mut Random) {
        self.files = self.durable.clone();
        let writes = std::mem::take(&mut self.writes);
        let whole = random.below(writes.len() + 1);
        for (n, (segment, offset, bytes)) in writes.iter().enumerate() {
            let kept = match how {
                Crash::LosesAll => 0,
                Crash::Cuts if n > whole => 0,
                Crash::Cuts if n == whole => random.below(bytes.len() + 1),
                Crash::Scatters => {
                    self.scatter(*segment, *offset, bytes, random);
                    0
                }
                Crash::Cuts | Crash::KeepsAll => bytes.len(),
            };
            put(&mut self.files, *segment, *offset, &bytes[..kept]);
        }
        // The latest releases may not have reached the directory.
        let lost = random.below(self.released.len() + 1);
        for (segment, content) in self.released.drain(..).rev().take(lost) {
            self.files.insert(segment, content);
        }
        self.released.clear();
        self.sync();
    }

    fn scatter(&mut self, segment: u64, offset: usize, bytes: &[u8], random: &mut Random) {
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes
                .len()
                .min((offset + at + 1).next_multiple_of(SECTOR) - offset);
            if random.one_in(2) {
                put(&mut self.files, segment, offset + at, &bytes[at..end]);
            }
            at = end;
        }
    }

    /// Reads everything back.
    pub fn recover(
        &self,
        settings: JournalSettings,
        visit: &mut dyn FnMut(&mut Liveness, Position, Record),
    ) -> Result<(Storage, Recovered), Damage> {
        let mut replay = Replay::new(self.files.keys().map(|n| Segment(*n)).collect());
        while let Some(segment) = replay.next_segment() {
            let bytes = Bytes::copy_from_slice(&self.files[&segment.0]);
            replay.segment(segment, Content::of(segment, bytes), visit)?;
        }
        let mut storage = Storage::new(settings);
        let recovered = replay.finish(&mut storage)?;
        Ok((storage, recovered))
    }
}

fn put(files: &mut BTreeMap<u64, Vec<u8>>, segment: u64, offset: usize, bytes: &[u8]) {
    let file = files
        .get_mut(&segment)
        .expect("written after it was created");
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

pub fn settings(file_size: u64) -> JournalSettings {
    JournalSettings {
        file_size,
        ..JournalSettings::default()
    }
}

pub fn branch(epoch: u64) -> Branch {
    Branch {
        epoch,
        holder: 0x0102_0304_0506_0708,
    }
}
