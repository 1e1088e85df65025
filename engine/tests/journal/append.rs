// SPDX-License-Identifier: Apache-2.0
//! The log as its owner sees it: append, store, clean, read back.

use hind_engine::id::{MessageId, QueueId};
use hind_engine::storage::record::{Key, Record};
use hind_engine::storage::request::Request;
use hind_engine::storage::{JournalSettings, Position, Recovered, Storage};

use crate::disk::{Disk, branch, settings};
use crate::session::message_on;

fn message(id: u64, size: usize) -> Record {
    message_on(id, size, &[QueueId(1)])
}

fn recover(disk: &Disk) -> (Storage, Recovered, Vec<(Position, Record)>) {
    let mut records = vec![];
    let (storage, recovered) = disk
        .recover(settings(4096), &mut |_, position, record| {
            records.push((position, record))
        })
        .expect("undamaged");
    (storage, recovered, records)
}

#[test]
fn what_was_appended_comes_back_in_order() {
    let mut disk = Disk::default();
    let mut storage = Storage::new(settings(4096));
    storage.begin(branch(1), vec![[1; 16]]);
    let mut appended = vec![];
    for id in 1..=100 {
        let record = message(id, (id as usize * 37) % 900);
        let position = storage.append(&record, id % 3 == 0, true);
        appended.push((position, record));
        if id % 3 != 0 {
            disk.turn(&mut storage);
        }
    }
    disk.turn(&mut storage);
    let (mut reopened, recovered, records) = recover(&disk);
    assert_eq!(recovered.records, 101);
    assert_eq!(recovered.torn_bytes, 0);
    assert_eq!(recovered.last, Position(101));
    assert_eq!(recovered.branch, Some(branch(1)));
    assert_eq!(records[1..], appended[..]);
    assert_eq!(reopened.live().len(), 101);
    assert_eq!(
        reopened.footprint().live_bytes,
        storage.footprint().live_bytes
    );
    assert_eq!(reopened.appended(), Position(101));
    assert_eq!(reopened.stored(), Position(101));
}

#[test]
fn an_empty_disk_is_an_empty_log() {
    let (storage, recovered, records) = recover(&Disk::default());
    assert_eq!((recovered.records, recovered.branch), (0, None));
    assert_eq!(storage.appended(), Position(0));
    assert!(records.is_empty());
}

#[test]
fn a_large_body_is_handed_on_without_a_copy_and_gets_a_segment_of_its_own() {
    let mut disk = Disk::default();
    let mut storage = Storage::new(settings(4096));
    storage.begin(branch(1), vec![]);
    let large = message(1, 50_000);
    let Record::Message(record) = &large else {
        unreachable!()
    };
    let body = record.message.body.inline().expect("in memory").clone();
    storage.append(&large, false, true);
    storage.append(&message(2, 10), false, true);
    let batch = storage.take_batch().expect("a batch");
    assert!(
        batch
            .writes
            .iter()
            .flat_map(|write| &write.pieces)
            .any(|piece| piece.as_ptr() == body.as_ptr()),
        "the body itself is a piece"
    );
    let segments: Vec<_> = batch
        .writes
        .iter()
        .map(|write| (write.segment.0, write.offset))
        .collect();
    assert_eq!(segments, [(1, 0), (2, 0), (3, 0)]);
    disk.write(&batch);
    let (_, recovered, records) = recover(&disk);
    assert_eq!(recovered.records, 3);
    assert_eq!(records[1].1, large);
}

#[test]
fn a_message_gone_from_its_last_queue_gives_its_segment_back_once_that_is_stored() {
    let mut disk = Disk::default();
    let mut storage = Storage::new(settings(4096));
    storage.begin(branch(1), vec![]);
    for id in 1..=8 {
        storage.append(&message(id, 900), false, true);
    }
    disk.turn(&mut storage);
    for id in 1..=8 {
        storage.append(
            &Record::Acknowledge {
                queue: QueueId(1),
                message: MessageId(id),
            },
            false,
            true,
        );
        storage.live().dead(Key::Message(MessageId(id)));
    }
    // Only the branch start still lives in the first segment; storage moves it by itself.
    assert_eq!(storage.cleaning(1 << 20), []);
    let batch = storage.take_batch().expect("a batch");
    assert!(disk.files.contains_key(&1));
    disk.write(&batch);
    let released = storage.on_stored(batch.end);
    assert!(matches!(released[..], [Request::Release(first), ..] if first.0 == 1));
    let footprint = storage.footprint();
    assert!(footprint.total_bytes <= 2 * footprint.live_bytes + 2 * 4096);
}

#[test]
fn without_persistence_nothing_is_written_and_everything_is_stored() {
    let mut storage = Storage::new(JournalSettings {
        persistence: false,
        ..JournalSettings::default()
    });
    storage.begin(branch(1), vec![]);
    let position = storage.append(&message(1, 100), false, true);
    assert_eq!(storage.stored(), position);
    assert_eq!(storage.take_batch(), None);
    assert_eq!(storage.backlog(), 0);
}
