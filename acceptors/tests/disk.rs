// SPDX-License-Identifier: Apache-2.0
//! The real disk keeps what every disk promises, and what only a real one can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use hind_acceptors::host::disk::Disk;
use hind_acceptors::host::disk::bulk::{Bulk, is_bulk};
use hind_acceptors::host::disk::contract::{self, Subject};
use hind_acceptors::host::disk::file_pool::FilePool;
use hind_acceptors::options::{Directories, JournalOptions};
use hind_engine::storage::Position;
use hind_engine::storage::request::{Batch, Completion, Request, Segment, Write};
use tempfile::TempDir;

fn options() -> JournalOptions {
    JournalOptions {
        segment_size: 64 * 1024,
        ..JournalOptions::default()
    }
}

fn directories(path: &Path) -> Directories {
    Directories {
        journal: path.to_owned(),
        bindings: path.join("bindings"),
        paging: path.join("paging"),
        large_messages: path.join("large-messages"),
        ..Directories::default()
    }
}

fn open(path: &Path, options: JournalOptions) -> Disk {
    Disk::open(&directories(path), options).expect("opens")
}

fn batch(segment: u64, offset: u64, bytes: &[u8], end: u64) -> Request {
    Request::Batch(Batch {
        writes: vec![Write {
            segment: Segment(segment),
            offset,
            pieces: vec![Bytes::copy_from_slice(bytes)],
        }],
        sync: true,
        end: Position(end),
    })
}

fn names(path: &Path, prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names
}

struct Real {
    directory: TempDir,
    options: JournalOptions,
    disk: Disk,
    bulk: Bulk,
}

impl Real {
    fn new(options: JournalOptions) -> Self {
        let directory = TempDir::new().expect("a directory");
        let disk = open(directory.path(), options.clone());
        let bulk = Bulk::open(&directories(directory.path())).expect("opens");
        Self {
            directory,
            options,
            disk,
            bulk,
        }
    }
}

impl Subject for Real {
    fn execute(&mut self, request: Request) -> Vec<Completion> {
        if is_bulk(&request) {
            self.bulk.execute(request).into_iter().collect()
        } else {
            self.disk.execute(request)
        }
    }

    fn restart(&mut self) {
        self.bulk = Bulk::open(&directories(self.directory.path())).expect("opens");
        self.disk = open(self.directory.path(), self.options.clone());
    }
}

#[test]
fn the_real_disk_keeps_the_contract() {
    let broken = contract::violations(|_| Box::new(Real::new(options())));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_contract_holds_without_a_pool_and_with_full_syncs() {
    let options = JournalOptions {
        pool_files: Some(0),
        datasync: false,
        ..options()
    };
    let broken = contract::violations(|_| Box::new(Real::new(options.clone())));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_disk_that_forgets_on_restart_breaks_the_contract() {
    struct Forgetful(Real);
    impl Subject for Forgetful {
        fn execute(&mut self, request: Request) -> Vec<Completion> {
            self.0.execute(request)
        }
        fn restart(&mut self) {
            self.0 = Real::new(options());
        }
    }
    let broken = contract::violations(|_| Box::new(Forgetful(Real::new(options()))));
    assert!(!broken.is_empty());
}

#[test]
fn batches_that_wait_together_are_answered_by_one_completion() {
    let mut real = Real::new(options());
    let requests = vec![
        batch(1, 0, b"one", 1),
        batch(1, 3, b"two", 2),
        batch(1, 100, b"gap", 3),
        batch(2, 0, b"next", 4),
        Request::Release(Segment(1)),
        batch(2, 4, b"last", 5),
    ];
    let stored = |end| Completion::Stored(Position(end));
    assert_eq!(real.disk.execute_all(requests), [stored(4), stored(5)]);
    let second = real.execute(Request::ReadSegment(Segment(2)));
    let [Completion::Segment(_, content)] = &second[..] else {
        panic!("{second:?}");
    };
    assert!(content.starts_with(b"nextlast"));
}

#[test]
fn a_batch_of_thousands_of_pieces_is_written_whole() {
    let mut real = Real::new(options());
    let piece = |n: u32| Bytes::copy_from_slice(&n.to_be_bytes());
    let write = Write {
        segment: Segment(1),
        offset: 0,
        pieces: (0..5_000).map(piece).collect(),
    };
    let batch = Request::Batch(Batch {
        writes: vec![write],
        sync: true,
        end: Position(1),
    });
    assert_eq!(real.execute(batch), [Completion::Stored(Position(1))]);
    let read = real.execute(Request::ReadSegment(Segment(1)));
    let [Completion::Segment(_, content)] = &read[..] else {
        panic!("{read:?}");
    };
    for n in 0..5_000u32 {
        let at = n as usize * 4;
        assert_eq!(content[at..at + 4], n.to_be_bytes());
    }
}

#[test]
fn a_released_file_is_recycled_up_to_the_pools_limit_and_else_deleted() {
    let mut real = Real::new(JournalOptions {
        pool_files: Some(2),
        ..options()
    });
    for segment in 1..=4 {
        real.execute(batch(segment, 0, b"x", segment));
    }
    for segment in 1..=3 {
        real.execute(Request::Release(Segment(segment)));
    }
    let path = real.directory.path();
    assert_eq!(names(path, "hind-pool-").len(), 2);
    assert_eq!(names(path, "hind-data-"), ["hind-data-4.hjn"]);
    real.disk.execute(batch(5, 0, b"y", 5));
    assert_eq!(names(path, "hind-pool-").len(), 1);
}

#[test]
fn the_pool_is_filled_in_the_background_and_again_when_a_file_is_taken() {
    let directory = TempDir::new().expect("a directory");
    fs::write(directory.path().join("hind-pool-7.new"), b"half").expect("writes");
    fs::write(directory.path().join("hind-pool-8.tmp"), b"too short").expect("writes");
    let pool = FilePool::open(directory.path(), 64 * 1024, Some(10), 2).expect("opens");
    let pool = Arc::new(pool);
    assert_eq!(names(directory.path(), "hind-pool-"), [""; 0]);
    let filler = pool.start_filling().expect("starts");
    let filled = |count| {
        while pool.ready() < count {
            std::thread::yield_now();
        }
    };
    filled(2);
    let taken = directory.path().join("hind-data-1.hjn");
    pool.take(&taken).expect("takes");
    assert_eq!(fs::read(&taken).expect("reads"), vec![0; 64 * 1024]);
    filled(2);
    pool.close();
    filler.join().expect("ends");
}

#[test]
fn a_failed_write_names_the_file_and_nothing_is_carried_out_after_it() {
    let mut real = Real::new(options());
    real.execute(batch(1, 0, b"x", 1));
    fs::remove_dir_all(real.directory.path()).expect("removes");
    let failed = real.execute(batch(2, 0, b"y", 2));
    let [Completion::Failed(why)] = &failed[..] else {
        panic!("{failed:?}");
    };
    assert!(
        why.contains("hind-data-2.hjn") && why.contains("create"),
        "{why}"
    );
    assert!(real.execute(batch(1, 1, b"z", 3)).is_empty());
}

#[test]
fn artemis_files_are_not_hidden_behind_an_empty_broker() {
    for file in [
        "activemq-data-1.amq",
        "bindings/activemq-bindings-2.bindings",
    ] {
        let directory = TempDir::new().expect("a directory");
        fs::create_dir(directory.path().join("bindings")).expect("creates");
        fs::write(directory.path().join(file), b"").expect("writes");
        let refused = Disk::open(&directories(directory.path()), options());
        let why = refused.expect_err("is refused").to_string();
        assert!(why.contains("Artemis"), "{why}");
    }
}

/// A small file system in memory, gone with the value.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(at)
            .output();
        matches!(mounted, Ok(output) if output.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_full_disk_fails_and_says_so() {
    let directory = TempDir::new().expect("a directory");
    let Some(_mounted) = Mounted::new(directory.path()) else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let mut disk = open(directory.path(), options());
    let mut answers = (1..10).map(|n| disk.execute(batch(n, 0, &[1; 60_000], n)));
    let failed = answers.find_map(|answer| match &answer[..] {
        [Completion::Failed(why)] => Some(why.clone()),
        _ => None,
    });
    let why = failed.expect("256 KiB do not hold nine segments of 64 KiB");
    assert!(why.contains("No space left"), "{why}");
}

#[test]
fn segments_read_ahead_come_in_any_order_asked_for_and_never_older_than_what_was_written() {
    let mut real = Real::new(options());
    for segment in 1..=7 {
        real.execute(batch(segment, 0, b"old", segment));
    }
    let begins = |real: &mut Real, segment: u64, with: &[u8]| {
        let answer = real.execute(Request::ReadSegment(Segment(segment)));
        let [Completion::Segment(number, content)] = &answer[..] else {
            panic!("{answer:?}");
        };
        assert_eq!(*number, Segment(segment));
        assert!(content.starts_with(with), "segment {segment}");
    };
    for segment in [1, 2, 3, 7, 2, 3, 4] {
        begins(&mut real, segment, b"old");
    }
    // 5 and 6 may have been read by now.
    real.execute(batch(5, 0, b"new", 8));
    real.execute(batch(6, 0, b"new", 9));
    for segment in [5, 6] {
        begins(&mut real, segment, b"new");
    }
    begins(&mut real, 7, b"old");
    let missing = real.execute(Request::ReadSegment(Segment(9)));
    assert!(
        matches!(missing[..], [Completion::Failed(_)]),
        "{missing:?}"
    );
}
