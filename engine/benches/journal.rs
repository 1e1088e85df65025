// SPDX-License-Identifier: Apache-2.0
//! What the log costs per message: a million messages of 1 KiB appended in batches of 64, acknowledged, read back.
//!
//! `cargo bench -p hind-engine --bench journal`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints"
)]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hind_engine::id::{MessageId, QueueId};
use hind_engine::message::{Kind, Message};
use hind_engine::storage::record::{Key, MessageRecord, Record, Route};
use hind_engine::storage::request::{Request, Segment};
use hind_engine::storage::{Branch, Content, JournalSettings, Replay, Storage};
use smallvec::smallvec;

const MESSAGES: u64 = 1_000_000;
const BATCH: u64 = 64;

fn record(id: u64, body: &Bytes) -> Record {
    let mut message = Message::new("orders".into(), Kind::Bytes, body.clone());
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

fn report(what: &str, since: Instant, n: u64) {
    let elapsed = since.elapsed();
    let nanoseconds = elapsed.as_nanos() / u128::from(n);
    println!(
        "{what:<44} {:>8.3} s  {nanoseconds:>6} ns each",
        elapsed.as_secs_f64()
    );
}

fn begun() -> Storage {
    let mut storage = Storage::new(JournalSettings::default());
    let branch = Branch {
        epoch: 1,
        holder: 7,
    };
    storage.begin(branch, vec![]);
    storage
}

/// Messages that are acknowledged in the turn after: what a busy broker does all day.
fn send_and_acknowledge(body: &Bytes) {
    let mut storage = begun();
    let records: Vec<_> = (0..BATCH).map(|id| record(id, body)).collect();
    let (mut written, mut released) = (0, 0);
    let start = Instant::now();
    for _ in 0..MESSAGES / BATCH {
        for record in &records {
            storage.append(record, false, true);
        }
        let batch = storage.take_batch().expect("a batch");
        written += batch.writes.iter().map(|write| write.len()).sum::<u64>();
        storage.on_stored(batch.end);
        for id in 0..BATCH {
            let acknowledge = Record::Acknowledge {
                queue: QueueId(1),
                message: MessageId(id),
            };
            storage.append(&acknowledge, false, true);
            storage.live().dead(Key::Message(MessageId(id)));
        }
        assert!(storage.cleaning(1 << 16).is_empty());
        let batch = storage.take_batch().expect("a batch");
        released += storage.on_stored(batch.end).len();
    }
    report("append + acknowledge, 1 KiB", start, MESSAGES);
    println!(
        "  {} MiB of messages, {released} segments released",
        written >> 20
    );
}

/// A backlog of messages written, then read back as after a crash. The files are copied into memory segment by segment
/// while time stands still.
fn write_and_replay(body: &Bytes) {
    let mut storage = begun();
    let mut files: Vec<Vec<u8>> = vec![];
    let start = Instant::now();
    let mut copying = std::time::Duration::ZERO;
    for id in 1..=MESSAGES {
        storage.append(&record(id, body), false, true);
        if id % BATCH == 0 {
            let batch = storage.take_batch().expect("a batch");
            let copy = Instant::now();
            for write in &batch.writes {
                if files.len() < write.segment.0 as usize {
                    files.push(Vec::with_capacity(10 << 20));
                }
                let file = files.last_mut().expect("a file");
                write
                    .pieces
                    .iter()
                    .for_each(|piece| file.extend_from_slice(piece));
            }
            copying += copy.elapsed();
            assert!(
                storage
                    .on_stored(batch.end)
                    .iter()
                    .all(|r| !matches!(r, Request::Batch(_)))
            );
        }
    }
    report("append a backlog, 1 KiB", start + copying, MESSAGES);
    let files: Vec<Bytes> = files.into_iter().map(Bytes::from).collect();
    replay("replay, counting only, 1 KiB", &files, &mut |_| ());
    // Most of what this adds is the kernel handing out a gigabyte of fresh memory.
    let mut messages = Vec::with_capacity(MESSAGES as usize);
    replay(
        "replay, keeping every message, 1 KiB",
        &files,
        &mut |message| {
            messages.push(message);
        },
    );
}

fn replay(what: &str, files: &[Bytes], keep: &mut dyn FnMut(Arc<Message>)) {
    let start = Instant::now();
    let mut replay = Replay::new((1..=files.len() as u64).map(Segment).collect());
    let mut n = 0;
    for (number, file) in (1..).zip(files) {
        replay
            .segment(
                Segment(number),
                Content::of(Segment(number), file.clone()),
                &mut |_, _, record| {
                    if let Record::Message(record) = record {
                        n += 1;
                        keep(record.message);
                    }
                },
            )
            .expect("undamaged");
    }
    let mut storage = Storage::new(JournalSettings::default());
    replay.finish(&mut storage).expect("undamaged");
    report(what, start, MESSAGES);
    assert_eq!(n, MESSAGES / BATCH * BATCH);
}

fn main() {
    let body = Bytes::from(vec![b'x'; 1024]);
    send_and_acknowledge(&body);
    write_and_replay(&body);
}
