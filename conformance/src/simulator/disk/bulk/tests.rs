// SPDX-License-Identifier: Apache-2.0
//! What only the simulated disk does with pages: what a crash leaves of them, and what it spoils when told to. (The table
//! that every disk keeps is run in `disk/tests.rs`.)

use hind_acceptors::host::disk::contract::{self, Subject};
use hind_engine::storage::Position;
use hind_engine::storage::request::{Batch, PageRequest, Segment, Write};

use super::*;
use crate::simulator::disk::Disk;

const PAGE: PageId = PageId(1);

fn disk(seed: u64) -> Disk {
    Disk::new(4096, Random::new(seed))
}

/// Carries out one request about pages or large messages.
fn ask(disk: &mut Disk, request: Request) -> Option<Completion> {
    disk.submit(request);
    disk.begin_bulk()?;
    disk.finish_bulk().pop()
}

fn append(page: PageId, offset: u64, byte: u8, length: usize) -> Request {
    Request::Page(PageRequest::Append {
        page,
        offset,
        pieces: vec![Bytes::from(vec![byte; length])],
    })
}

fn seal() -> Request {
    Request::Page(PageRequest::Seal(PAGE))
}

/// A disk with a sealed page of so many bytes.
fn with_page(seed: u64, length: usize) -> Disk {
    let mut disk = disk(seed);
    ask(&mut disk, append(PAGE, 0, b'a', length));
    assert_eq!(
        ask(&mut disk, seal()),
        Some(Completion::Page(PageCompletion::Sealed(PAGE)))
    );
    disk
}

fn read(disk: &mut Disk, offset: u64, length: u32) -> Result<Bytes, String> {
    let request = PageRequest::Read {
        page: PAGE,
        offset,
        length,
    };
    match ask(disk, Request::Page(request)) {
        Some(Completion::Page(PageCompletion::Read { bytes, .. })) => Ok(bytes),
        Some(Completion::Page(PageCompletion::Unreadable { why, .. })) => Err(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sealed_page_survives_every_crash_and_what_comes_after_it() {
    for seed in 0..200 {
        for crash in [Crash::Kill, Crash::PowerLoss] {
            let mut disk = with_page(seed, 3000);
            ask(&mut disk, append(PageId(2), 0, b'b', 100));
            disk.submit(append(PageId(2), 100, b'b', 3000));
            disk.begin_bulk();
            disk.crash(crash);
            assert_eq!(read(&mut disk, 0, 9999), Ok(vec![b'a'; 3000].into()));
        }
    }
}

#[test]
fn an_unsealed_page_may_be_lost_torn_whole_or_without_a_name() {
    let mut seen = [false; 4];
    for seed in 0..500 {
        let mut disk = disk(seed);
        ask(&mut disk, append(PAGE, 0, b'a', 3000));
        disk.crash(Crash::PowerLoss);
        let left = disk.bulk.content(Name::Page(PAGE)).map(|content| {
            let whole = content.iter().filter(|byte| **byte == b'a').count();
            usize::from(whole > 0) + usize::from(whole == 3000)
        });
        seen[left.unwrap_or(3)] = true;
    }
    assert_eq!(seen, [true; 4]);
}

#[test]
fn a_kill_leaves_what_was_written_and_a_part_of_what_was_being_written() {
    let mut seen = [false; 3];
    for seed in 0..300 {
        let mut disk = disk(seed);
        ask(&mut disk, append(PAGE, 0, b'a', 512));
        disk.submit(append(PAGE, 512, b'b', 2048));
        disk.begin_bulk();
        disk.crash(Crash::Kill);
        let content = disk.bulk.content(Name::Page(PAGE)).expect("was written");
        assert!(content[..512].iter().all(|byte| *byte == b'a'));
        seen[match content.len() {
            512 => 0,
            2560 => 2,
            _ => 1,
        }] = true;
    }
    assert_eq!(seen, [true; 3]);
}

#[test]
fn a_deleted_page_may_be_back_after_a_power_loss_until_another_is_sealed() {
    let back = |seal_another: bool| {
        (0..100).any(|seed| {
            let mut disk = with_page(seed, 10);
            ask(&mut disk, Request::Page(PageRequest::Delete(PAGE)));
            if seal_another {
                ask(&mut disk, append(PageId(2), 0, b'b', 10));
                ask(&mut disk, Request::Page(PageRequest::Seal(PageId(2))));
            }
            disk.crash(Crash::PowerLoss);
            read(&mut disk, 0, 10).is_ok()
        })
    };
    assert!(back(false));
    assert!(!back(true));
}

#[test]
fn pages_and_the_journal_are_carried_out_beside_one_another() {
    let mut disk = disk(1);
    disk.submit(append(PAGE, 0, b'a', 10));
    disk.submit(Request::Batch(Batch {
        writes: vec![Write {
            segment: Segment(1),
            offset: 0,
            pieces: vec![Bytes::from_static(b"record")],
        }],
        sync: true,
        end: Position(1),
    }));
    disk.submit(seal());
    assert!(disk.begin_bulk().is_some() && disk.begin().is_some());
    assert!(disk.begin_bulk().is_none(), "one operation at a time");
    assert_eq!(disk.finish(), [Completion::Stored(Position(1))]);
    let appended = Completion::Page(PageCompletion::Appended(PAGE, 10));
    assert_eq!(disk.finish_bulk(), [appended]);
    assert!(disk.begin_bulk().is_some() && disk.is_writing());
}

#[test]
fn after_a_failed_write_sync_or_list_nothing_is_carried_out_until_a_restart() {
    let cases = [
        (Fault::FailedWrite, append(PAGE, 10, b'b', 600)),
        (Fault::FailedSync, seal()),
        (Fault::FailedRead, Request::Page(PageRequest::List)),
        (Fault::Full, append(PageId(2), 0, b'b', 10)),
    ];
    for (fault, request) in cases {
        let mut disk = disk(2);
        ask(&mut disk, append(PAGE, 0, b'a', 10));
        disk.armed.arm(fault);
        let failed = ask(&mut disk, request);
        assert!(matches!(failed, Some(Completion::Failed(_))), "{failed:?}");
        assert_eq!(ask(&mut disk, seal()), None);
        assert_eq!(disk.armed.hits.get(fault.counter()), 1);
        disk.crash(Crash::Kill);
        let list = ask(&mut disk, Request::Page(PageRequest::List));
        let pages = PageCompletion::Pages(vec![PAGE]);
        assert_eq!(list, Some(Completion::Page(pages)));
        assert_eq!(disk.breach, None);
    }
}

#[test]
fn an_armed_flip_turns_one_bit_of_what_is_read_for_good() {
    for seed in 0..50 {
        let mut disk = with_page(seed, 2000);
        disk.armed.arm(Fault::PageFlipped);
        let first = read(&mut disk, 500, 100).expect("can be read");
        let wrong = first.iter().filter(|byte| **byte != b'a').count();
        assert_eq!(wrong, 1);
        assert_eq!(read(&mut disk, 500, 100), Ok(first));
        let [damage] = disk.bulk.damage() else {
            panic!("{:?}", disk.bulk.damage());
        };
        assert!((500..600).contains(&damage.at) && damage.page == PAGE);
    }
}

#[test]
fn an_armed_cut_shortens_the_page_where_it_is_read() {
    let mut disk = with_page(3, 2000);
    disk.armed.arm(Fault::PageCut);
    let left = read(&mut disk, 500, 100).expect("can be read").len() as u64;
    assert_eq!(disk.bulk.damage()[0].at, 500 + left);
    assert_eq!(read(&mut disk, 1500, 100), Ok(Bytes::new()));
}

#[test]
fn an_armed_failure_to_read_is_answered_as_such_and_stops_nothing() {
    let mut disk = with_page(3, 2000);
    disk.armed.arm(Fault::PageUnreadable);
    let why = read(&mut disk, 0, 100).expect_err("fails");
    assert!(why.contains("not readable"), "{why}");
    assert_eq!(read(&mut disk, 0, 100), Ok(vec![b'a'; 100].into()));
}

#[test]
fn damage_waits_for_a_sealed_page_to_be_read() {
    let mut disk = disk(4);
    disk.armed.arm(Fault::PageFlipped);
    ask(&mut disk, append(PAGE, 0, b'a', 100));
    assert_eq!(read(&mut disk, 0, 100), Ok(vec![b'a'; 100].into()));
    ask(&mut disk, seal());
    assert_eq!(read(&mut disk, 100, 100), Ok(Bytes::new()));
    assert!(disk.armed.is_armed(Fault::PageFlipped));
    assert_ne!(read(&mut disk, 0, 100), Ok(vec![b'a'; 100].into()));
}

#[test]
fn writing_to_a_sealed_page_is_a_breach() {
    for offset in [0, 10] {
        let mut disk = with_page(5, 10);
        ask(&mut disk, append(PAGE, offset, b'b', 10));
        assert!(disk.breach.is_some_and(|breach| breach.contains("sealed")));
    }
}

/// A disk that says a page is sealed and has not synced it.
struct Hasty(Disk);

impl Subject for Hasty {
    fn execute(&mut self, request: Request) -> Vec<Completion> {
        if let Request::Page(PageRequest::Seal(page)) = request {
            return vec![Completion::Page(PageCompletion::Sealed(page))];
        }
        self.0.serve(request)
    }

    fn restart(&mut self) {
        self.0.crash(Crash::PowerLoss);
    }
}

#[test]
fn the_contract_finds_a_disk_that_seals_without_a_sync() {
    let broken = (0..20).flat_map(|seed| contract::violations(|_| Box::new(Hasty(disk(seed)))));
    let broken: Vec<String> = broken.collect();
    assert!(broken.iter().any(|what| what.starts_with("a sealed page")));
}
