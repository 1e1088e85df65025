// SPDX-License-Identifier: Apache-2.0
//! A disk in memory, and records to put on it.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hind_engine::id::{MessageId, QueueId};
use hind_engine::message::{Kind, Message};
use hind_engine::storage::record::{MessageRecord, Record, Route};
use hind_engine::storage::request::{Batch, Request, Segment};
use hind_engine::storage::{Branch, Damage, JournalSettings, Position, Recovered, Replay, Storage};
use smallvec::smallvec;

/// What a recovery gives.
pub type Reopened = (Storage, Recovered, Vec<(Position, Record)>);

/// Files by segment number.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub files: BTreeMap<u64, Vec<u8>>,
}

impl Disk {
    /// Writes a batch as a host would.
    pub fn write(&mut self, batch: &Batch) {
        for write in &batch.writes {
            let bytes: Vec<u8> = write.pieces.concat();
            self.write_at(write.segment, write.offset, &bytes);
        }
    }

    pub fn write_at(&mut self, segment: Segment, offset: u64, bytes: &[u8]) {
        let file = self.files.entry(segment.0).or_default();
        let end = offset as usize + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset as usize..end].copy_from_slice(bytes);
    }

    pub fn release(&mut self, requests: &[Request]) {
        for request in requests {
            match request {
                Request::Release(segment) => {
                    self.files.remove(&segment.0).expect("released once");
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// End of a turn: writes, answers, releases.
    pub fn turn(&mut self, storage: &mut Storage) {
        if let Some(batch) = storage.take_batch() {
            self.write(&batch);
            let released = storage.on_stored(batch.end);
            self.release(&released);
        }
    }

    /// Reads everything back.
    pub fn recover(&self, settings: JournalSettings) -> Result<Reopened, Damage> {
        let mut records = vec![];
        let mut replay = Replay::new(self.files.keys().map(|n| Segment(*n)).collect());
        while let Some(segment) = replay.next_segment() {
            replay.segment(
                segment,
                &self.files[&segment.0],
                &mut |_, position, record| {
                    records.push((position, record));
                },
            )?;
        }
        let mut storage = Storage::new(settings);
        let recovered = replay.finish(&mut storage)?;
        Ok((storage, recovered, records))
    }
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

/// A message on queue 1 with a body of `size` bytes.
pub fn message(id: u64, size: usize) -> Record {
    let body: Vec<u8> = (0..size).map(|n| (n as u64 * 31 + id) as u8).collect();
    let mut message = Message::new("orders".into(), Kind::Bytes, Bytes::from(body));
    message.id = MessageId(id);
    Record::Message(MessageRecord {
        message: Arc::new(message),
        routes: smallvec![Route {
            queue: QueueId(1),
            count: 0,
            scheduled: 0
        }],
    })
}
