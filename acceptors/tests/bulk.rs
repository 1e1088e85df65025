// SPDX-License-Identifier: Apache-2.0
//! What the real disk does with pages and large messages beyond the contract every disk keeps (`disk.rs` runs that).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use hind_acceptors::host::disk::bulk::{self, Bulk, BulkQueue};
use hind_acceptors::host::disk::folder::Folder;
use hind_acceptors::host::disk::group_commit::DiskQueue;
use hind_acceptors::host::disk::volatile::VolatileDisk;
use hind_acceptors::options::Directories;
use hind_engine::id::{LargeId, PageId};
use hind_engine::storage::request::{
    Completion, LargeCompletion, LargeRequest, PageCompletion, PageRequest, Request,
};
use tempfile::TempDir;

fn directories(path: &Path) -> Directories {
    Directories {
        paging: path.join("paging"),
        large_messages: path.join("large-messages"),
        ..Directories::default()
    }
}

fn open(path: &Path) -> Bulk {
    Bulk::open(&directories(path)).expect("opens")
}

fn append(page: u64, offset: u64, bytes: &[u8]) -> Request {
    Request::Page(PageRequest::Append {
        page: PageId(page),
        offset,
        pieces: vec![Bytes::copy_from_slice(bytes)],
    })
}

fn appended(page: u64, length: u64) -> Completion {
    Completion::Page(PageCompletion::Appended(PageId(page), length))
}

fn sealed(page: u64) -> Completion {
    Completion::Page(PageCompletion::Sealed(PageId(page)))
}

fn seal(page: u64) -> Request {
    Request::Page(PageRequest::Seal(PageId(page)))
}

fn read(bulk: &mut Bulk, page: u64) -> Bytes {
    let request = PageRequest::Read {
        page: PageId(page),
        offset: 0,
        length: u32::MAX,
    };
    match bulk.execute(Request::Page(request)) {
        Some(Completion::Page(PageCompletion::Read { bytes, .. })) => bytes,
        other => panic!("{other:?}"),
    }
}

fn failed(completion: Option<Completion>) -> String {
    match completion {
        Some(Completion::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Descriptors this process has open below `path`.
fn descriptors(path: &Path) -> usize {
    let all = fs::read_dir("/proc/self/fd").expect("Linux");
    let targets = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(path)).count()
}

#[test]
fn many_pages_in_turns_keep_few_files_open_and_their_content() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    let pages = Folder::OPEN_MAX as u64 * 3;
    for round in 0..3 {
        for page in 1..=pages {
            let done = bulk.execute(append(page, round * 4, &[page as u8; 4]));
            assert_eq!(done, Some(appended(page, 4)));
        }
        assert!(descriptors(directory.path()) <= Folder::OPEN_MAX);
    }
    for page in 1..=pages {
        assert_eq!(bulk.execute(seal(page)), Some(sealed(page)));
        assert_eq!(read(&mut bulk, page), vec![page as u8; 12]);
    }
    assert!(descriptors(directory.path()) <= Folder::OPEN_MAX);
}

#[test]
fn a_page_of_megabytes_is_read_back_while_it_is_written_back() {
    let directory = TempDir::new_in(".").expect("a directory");
    let mut bulk = open(directory.path());
    let piece = |n: u64| vec![n as u8; 100_000];
    let mut whole = Vec::new();
    for n in 0..40 {
        let done = bulk.execute(append(1, whole.len() as u64, &piece(n)));
        assert_eq!(done, Some(appended(1, 100_000)));
        whole.extend_from_slice(&piece(n));
    }
    assert_eq!(read(&mut bulk, 1), whole);
    assert_eq!(bulk.execute(seal(1)), Some(sealed(1)));
    assert_eq!(read(&mut bulk, 1), whole);
}

/// Names in the paging directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("paging")).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

fn delete(page: u64) -> Request {
    Request::Page(PageRequest::Delete(PageId(page)))
}

#[test]
fn a_deleted_page_is_written_over_by_another_of_which_nothing_but_its_own_is_read() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    for (page, length) in [(1, 20_000), (2, 9_001), (3, 30_000), (4, 1), (5, 0)] {
        let bytes = vec![page as u8; length];
        let (first, rest) = bytes.split_at(length / 3);
        bulk.execute(append(page, 0, first));
        bulk.execute(append(page, first.len() as u64, rest));
        assert_eq!(read(&mut bulk, page), bytes);
        assert_eq!(bulk.execute(seal(page)), Some(sealed(page)));
        assert_eq!(read(&mut bulk, page), bytes);
        let file = directory
            .path()
            .join(format!("paging/hind-page-{page}.hpg"));
        assert_eq!(fs::read(file).expect("reads"), bytes);
        assert_eq!(names(directory.path()), [format!("hind-page-{page}.hpg")]);
        assert_eq!(bulk.execute(delete(page)), None);
    }
    assert_eq!(
        names(directory.path()),
        [""; 0],
        "an empty file is not kept"
    );
}

#[test]
fn a_page_written_over_an_idle_file_keeps_its_length_when_it_is_closed_unsealed() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    bulk.execute(append(1, 0, &[1; 10_000]));
    bulk.execute(delete(1));
    bulk.execute(append(2, 0, b"two"));
    for page in 3..3 + Folder::OPEN_MAX as u64 {
        bulk.execute(append(page, 0, b"x"));
    }
    assert_eq!(read(&mut bulk, 2), &b"two"[..]);
    assert_eq!(
        bulk.execute(append(2, 3, b" and more")),
        Some(appended(2, 9))
    );
    bulk.execute(seal(2));
    assert_eq!(read(&mut bulk, 2), &b"two and more"[..]);
}

#[test]
fn idle_files_are_found_again_and_are_not_many() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    for page in 1..=100 {
        bulk.execute(append(page, 0, b"page"));
    }
    (1..=100).for_each(|page| assert_eq!(bulk.execute(delete(page)), None));
    let idle = names(directory.path());
    assert!(idle.len() == 64 && idle.iter().all(|name| name.starts_with("hind-idle-")));
    let mut bulk = open(directory.path());
    bulk.execute(append(101, 0, b"other"));
    bulk.execute(append(102, 0, b"another"));
    assert_eq!(names(directory.path()).len(), 64);
    bulk.execute(delete(101));
    bulk.execute(delete(102));
    assert_eq!(names(directory.path()).len(), 64);
    assert!(
        names(directory.path())
            .iter()
            .all(|name| name.starts_with("hind-idle-"))
    );
}

fn write_body(bulk: &mut Bulk, body: LargeId, megabytes: u64) {
    let bytes = Bytes::from(vec![7; 1 << 20]);
    for n in 0..megabytes {
        let append = LargeRequest::Append {
            body,
            offset: n << 20,
            bytes: bytes.clone(),
        };
        bulk.execute(Request::Large(append)).expect("is answered");
    }
}

#[test]
fn a_large_body_is_gone_at_once_and_given_back_bit_by_bit() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    write_body(&mut bulk, LargeId(1), 70);
    assert_eq!(bulk.doomed(), None);
    assert_eq!(
        bulk.execute(Request::Large(LargeRequest::Delete(LargeId(1)))),
        None
    );
    let none = || Some(Completion::Large(LargeCompletion::Files(vec![])));
    assert_eq!(bulk.execute(Request::Large(LargeRequest::List)), none());
    assert_eq!(bulk.doomed(), Some(70 << 20));
    assert_eq!(bulk.free_some(), None);
    assert_eq!(bulk.doomed(), Some(38 << 20));
    // The process ends, and the next one goes on.
    let mut bulk = open(directory.path());
    assert_eq!(bulk.execute(Request::Large(LargeRequest::List)), none());
    assert_eq!(bulk.doomed(), Some(38 << 20));
    assert_eq!((bulk.free_some(), bulk.free_some()), (None, None));
    assert_eq!(bulk.doomed(), None);
    let left = fs::read_dir(directory.path().join("large-messages")).expect("a directory");
    assert_eq!(left.count(), 0);
}

#[test]
fn the_thread_gives_deleted_bodies_back_when_nothing_else_is_to_be_done() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    write_body(&mut bulk, LargeId(1), 2);
    let queue = Arc::new(BulkQueue::default());
    queue.push(Request::Large(LargeRequest::Delete(LargeId(1))));
    let thread = bulk::start(bulk, Arc::clone(&queue), |_| {}).expect("starts");
    let bodies = directory.path().join("large-messages");
    while fs::read_dir(&bodies).expect("a directory").count() > 0 {
        std::thread::yield_now();
    }
    queue.close();
    thread.join().expect("ends");
}

#[test]
fn idle_and_doomed_files_that_somebody_else_deletes_are_not_missed() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    write_body(&mut bulk, LargeId(1), 40);
    bulk.execute(Request::Large(LargeRequest::Delete(LargeId(1))));
    bulk.execute(append(1, 0, b"page"));
    bulk.execute(delete(1));
    fs::remove_dir_all(directory.path().join("large-messages")).expect("removes");
    fs::remove_file(directory.path().join("paging/hind-idle-0.tmp")).expect("removes");
    assert_eq!((bulk.free_some(), bulk.doomed()), (None, None));
    assert_eq!(bulk.execute(append(2, 0, b"other")), Some(appended(2, 5)));
}

#[test]
fn a_file_that_shrank_is_read_as_far_as_it_goes() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    bulk.execute(append(1, 0, b"whole page"));
    let file = directory.path().join("paging/hind-page-1.hpg");
    fs::write(file, b"who").expect("writes");
    assert_eq!(read(&mut bulk, 1), &b"who"[..]);
}

#[test]
fn what_fails_names_the_file() {
    let directory = TempDir::new().expect("a directory");
    let mut bulk = open(directory.path());
    bulk.execute(append(1, 0, b"x"));
    let why = failed(bulk.execute(seal(2)));
    assert!(
        why.starts_with("cannot open ") && why.contains("hind-page-2.hpg"),
        "{why}"
    );
    assert_eq!(bulk.execute(seal(1)), None);

    let mut bulk = open(directory.path());
    let why = failed(bulk.execute(append(1, 7, b"y")));
    assert!(
        why.contains("hind-page-1.hpg") && why.contains("not 7"),
        "{why}"
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = TempDir::new().expect("a directory");
    fs::write(directory.path().join("paging"), b"a file").expect("writes");
    let refused = Bulk::open(&directories(directory.path())).expect_err("is refused");
    let paging = directory.path().join("paging").display().to_string();
    assert!(refused.to_string().contains(&paging), "{refused}");
}

#[test]
fn pages_and_bodies_of_artemis_are_not_hidden_behind_an_empty_broker() {
    for file in [
        "paging/2f0c4ea1-6c1c-11f0-9b3c-0242ac110002/000000007.page",
        "large-messages/2147483712.msg",
    ] {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().expect("has one")).expect("creates");
        fs::write(path, b"").expect("writes");
        let refused = Bulk::open(&directories(directory.path())).expect_err("is refused");
        let why = refused.to_string();
        let name = file.split_once('/').expect("has one").1;
        assert!(why.contains("Artemis") && why.contains(name), "{why}");
    }
}

#[test]
fn what_else_is_in_the_directories_is_left_alone() {
    let directory = TempDir::new().expect("a directory");
    let kept = [
        "paging/notes.txt",
        "paging/2f0c/address.txt",
        "large-messages/a.msg",
    ];
    for file in kept {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().expect("has one")).expect("creates");
        fs::write(path, b"").expect("writes");
    }
    let mut bulk = Bulk::temporary(&directories(directory.path())).expect("opens");
    bulk.execute(append(1, 0, b"x"));
    let listed = bulk.execute(Request::Page(PageRequest::List));
    let pages = PageCompletion::Pages(vec![PageId(1)]);
    assert_eq!(listed, Some(Completion::Page(pages)));
    assert!(kept.iter().all(|file| directory.path().join(file).exists()));
}

#[test]
fn without_persistence_pages_are_kept_in_files_but_not_over_a_restart() {
    let directory = TempDir::new().expect("a directory");
    let here = directories(directory.path());
    let mut bulk = Bulk::temporary(&here).expect("opens");
    let list = || Request::Page(PageRequest::List);
    let none = Some(Completion::Page(PageCompletion::Pages(vec![])));
    assert_eq!(bulk.execute(list()), none);
    assert!(
        !here.paging.exists(),
        "nothing is created before it is needed"
    );
    bulk.execute(append(1, 0, b"one"));
    bulk.execute(append(2, 0, b"two"));
    bulk.execute(Request::Page(PageRequest::SetAside(PageId(2))));
    assert_eq!(read(&mut bulk, 1), &b"one"[..]);
    let other = Bulk::temporary(&here).expect("opens").execute(list());
    let why = failed(other);
    assert!(why.contains("locked by"), "{why}");
    drop(bulk);
    let mut bulk = Bulk::temporary(&here).expect("opens");
    assert_eq!(bulk.execute(list()), none);
    assert!(!here.paging.join("hind-page-2.hpg.damaged").exists());
}

#[test]
fn the_queues_part_what_is_the_journals_from_what_is_not_and_keep_the_order() {
    let directory = TempDir::new().expect("a directory");
    let bulk_queue = Arc::new(BulkQueue::default());
    let queue = DiskQueue::new(Duration::ZERO, Duration::ZERO).beside(Arc::clone(&bulk_queue));
    let mut mixed = vec![
        append(1, 0, b"a"),
        Request::ReadState,
        append(1, 1, b"b"),
        Request::ListSegments,
        seal(1),
    ];
    queue.push(&mut mixed);
    assert!(mixed.is_empty());
    let mut volatile = VolatileDisk::new(Arc::clone(&bulk_queue));
    assert_eq!(volatile.execute(append(2, 0, b"c")), None);
    queue.push(&mut vec![Request::Large(LargeRequest::Seal(LargeId(9)))]);
    bulk_queue.close();
    let (sender, answers) = mpsc::channel();
    let thread = bulk::start(open(directory.path()), bulk_queue, move |done| {
        done.into_iter()
            .for_each(|it| sender.send(it).expect("is heard"));
    });
    thread.expect("starts").join().expect("ends");
    let answers: Vec<_> = answers.iter().collect();
    let (last, first) = answers.split_last().expect("some");
    assert_eq!(
        first,
        [appended(1, 1), appended(1, 1), sealed(1), appended(2, 1)]
    );
    assert!(failed(Some(last.clone())).contains("hind-large-9.hlm"));
}
