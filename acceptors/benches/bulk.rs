// SPDX-License-Identifier: Apache-2.0
//! What a sync of the journal costs (a batch of 2 KiB, one after the other) while pages are written or a large message is
//! deleted beside it.
//!
//! `cargo bench -p hind-acceptors --bench bulk`

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hind_acceptors::host::disk::Disk;
use hind_acceptors::host::disk::bulk::Bulk;
use hind_acceptors::options::{Directories, JournalOptions};
use hind_engine::id::{LargeId, PageId};
use hind_engine::storage::Position;
use hind_engine::storage::request::{
    Batch, Completion, LargeRequest, PageCompletion, PageRequest, Request, Segment, Write,
};
use tempfile::TempDir;

/// What stands beside the journal while its syncs are timed.
#[derive(Clone, Copy, Debug)]
enum Beside {
    Nothing,
    /// 300 MB/s of pages of 10 MiB, sealed and deleted again.
    Pages,
    /// A body of 1 GiB, deleted.
    Deleting,
}

fn main() -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(
        out,
        "beside        syncs   p50 µs   p99 µs  p99.9 µs   max µs  bulk"
    )?;
    for beside in [
        Beside::Nothing,
        Beside::Pages,
        Beside::Deleting,
        Beside::Nothing,
    ] {
        let directory = TempDir::new_in(".").expect("a directory");
        let mut bulk = open(directory.path());
        if let Beside::Deleting = beside {
            write_body(&mut bulk);
        }
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let worker = thread::spawn(move || work(bulk, beside, &stop));
        let mut times = time_syncs(directory.path(), &over);
        let done = worker.join().expect("ends");
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_micros();
        writeln!(
            out,
            "{:<10} {:8} {:8} {:8} {:9} {:8}  {done}",
            format!("{beside:?}"),
            times.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        )?;
    }
    Ok(())
}

fn time_syncs(path: &Path, over: &AtomicBool) -> Vec<Duration> {
    let here = Directories {
        journal: path.to_owned(),
        ..Directories::default()
    };
    let mut disk = Disk::open(&here, JournalOptions::default()).expect("opens");
    let write = |offset, length| {
        Request::Batch(Batch {
            writes: vec![Write {
                segment: Segment(1),
                offset,
                pieces: vec![Bytes::from(vec![7; length])],
            }],
            sync: true,
            end: Position(1),
        })
    };
    disk.execute(write(0, 10 << 20));
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(12) && !over.load(Ordering::Relaxed) {
        let offset = times.len() as u64 * 2048 % (10 << 20);
        let now = Instant::now();
        disk.execute(write(offset, 2048));
        times.push(now.elapsed());
    }
    over.store(true, Ordering::Relaxed);
    times
}

fn work(bulk: Bulk, beside: Beside, over: &AtomicBool) -> String {
    match beside {
        Beside::Nothing => String::new(),
        Beside::Pages => write_pages(bulk, over),
        Beside::Deleting => delete_body(bulk, over),
    }
}

fn write_pages(mut bulk: Bulk, over: &AtomicBool) -> String {
    const RATE: f64 = 300e6;
    let piece = Bytes::from(vec![3; 65_000]);
    let (began, mut written, mut page) = (Instant::now(), 0u64, 0);
    let mut seals = Vec::new();
    while !over.load(Ordering::Relaxed) {
        page += 1;
        for n in 0..160 + page % 3 {
            bulk.execute(append(page, n * piece.len() as u64, &piece));
            written += piece.len() as u64;
            let due = Duration::from_secs_f64(written as f64 / RATE);
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let now = Instant::now();
        let sealed = bulk.execute(Request::Page(PageRequest::Seal(PageId(page))));
        let expected = PageCompletion::Sealed(PageId(page));
        assert_eq!(sealed, Some(Completion::Page(expected)));
        seals.push(now.elapsed());
        bulk.execute(Request::Page(PageRequest::Delete(PageId(
            page.saturating_sub(20),
        ))));
    }
    seals.sort_unstable();
    format!(
        "{:.0} MB/s, seal p50 {:?} max {:?}",
        written as f64 / began.elapsed().as_secs_f64() / 1e6,
        seals[seals.len() / 2],
        seals[seals.len() - 1]
    )
}

fn write_body(bulk: &mut Bulk) {
    let piece = Bytes::from(vec![3; 1 << 20]);
    for n in 0..1024 {
        bulk.execute(Request::Large(LargeRequest::Append {
            body: LargeId(1),
            offset: n << 20,
            bytes: piece.clone(),
        }));
    }
    bulk.execute(Request::Large(LargeRequest::Seal(LargeId(1))));
}

fn delete_body(mut bulk: Bulk, over: &AtomicBool) -> String {
    thread::sleep(Duration::from_millis(300));
    let now = Instant::now();
    bulk.execute(Request::Large(LargeRequest::Delete(LargeId(1))));
    let took = now.elapsed();
    while bulk.doomed().is_some() {
        bulk.free_some();
        thread::sleep(Duration::from_millis(250));
    }
    over.store(true, Ordering::Relaxed);
    format!("deleted in {took:?}, given back in {:?}", now.elapsed())
}

fn open(path: &Path) -> Bulk {
    let directories = Directories {
        paging: path.join("paging"),
        large_messages: path.join("large-messages"),
        ..Directories::default()
    };
    Bulk::open(&directories).expect("opens")
}

fn append(page: u64, offset: u64, bytes: &Bytes) -> Request {
    Request::Page(PageRequest::Append {
        page: PageId(page),
        offset,
        pieces: vec![bytes.clone()],
    })
}
