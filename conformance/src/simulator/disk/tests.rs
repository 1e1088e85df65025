// SPDX-License-Identifier: Apache-2.0
//! The contract every disk keeps, the real one's table; and what only this one can do: what a crash leaves.

use hind_acceptors::host::disk::contract::{self, Subject};
use hind_engine::storage::request::Write;
use hind_engine::storage::{Content, Position};

use super::*;

fn disk(seed: u64) -> Disk {
    Disk::new(4096, Random::new(seed))
}

fn batch(segment: u64, offset: u64, byte: u8, length: usize, end: u64) -> Request {
    Request::Batch(Batch {
        writes: vec![Write {
            segment: Segment(segment),
            offset,
            pieces: vec![Bytes::from(vec![byte; length])],
        }],
        sync: true,
        end: Position(end),
    })
}

/// Carries out everything that waits.
fn run(disk: &mut Disk) -> Vec<Completion> {
    let mut answers = Vec::new();
    while disk.begin().is_some() {
        answers.extend(disk.finish());
    }
    while disk.begin_bulk().is_some() {
        answers.extend(disk.finish_bulk());
    }
    answers
}

fn read(disk: &mut Disk, segment: u64) -> Content {
    disk.submit(Request::ReadSegment(Segment(segment)));
    match run(disk).pop() {
        Some(Completion::Segment(_, content)) => content,
        other => panic!("expected a segment, got {other:?}"),
    }
}

/// The simulated disk as the table sees it; its processes end in one way.
struct Simulated(Disk, Crash);

impl Subject for Simulated {
    fn execute(&mut self, request: Request) -> Vec<Completion> {
        self.0.submit(request);
        run(&mut self.0)
    }

    fn restart(&mut self) {
        self.0.crash(self.1);
    }
}

#[test]
fn the_simulated_disk_keeps_the_contract_of_the_real_one() {
    for crash in [Crash::Kill, Crash::PowerLoss] {
        for seed in 0..200 {
            let broken = contract::violations(|_| Box::new(Simulated(disk(seed), crash)));
            assert!(broken.is_empty(), "seed {seed}, {crash:?}: {broken:#?}");
        }
    }
}

#[test]
fn the_contract_finds_a_simulated_disk_that_answers_before_it_syncs() {
    let broken = (0..20).any(|seed| {
        let fresh = |_: &contract::Case| -> Box<dyn Subject> {
            let mut disk = disk(seed);
            disk.planted = Some(Planted::AcknowledgesBeforeSync);
            Box::new(Simulated(disk, Crash::PowerLoss))
        };
        !contract::violations(fresh).is_empty()
    });
    assert!(broken);
}

#[test]
fn a_request_that_breaks_the_nodes_side_of_the_contract_is_remembered() {
    for request in [
        Request::ReadSegment(Segment(4)),
        Request::Release(Segment(4)),
        batch(4, 100, b'a', 10, 1),
    ] {
        let mut disk = disk(1);
        disk.submit(batch(1, 0, b'a', 10, 1));
        run(&mut disk);
        assert_eq!(disk.breach, None);
        disk.submit(request);
        run(&mut disk);
        assert!(disk.breach.is_some_and(|breach| breach.contains('4')));
    }
}

#[test]
fn batches_that_wait_share_one_answer() {
    let mut disk = disk(1);
    disk.submit(batch(1, 0, b'a', 100, 1));
    disk.submit(batch(1, 100, b'b', 100, 2));
    assert_eq!(run(&mut disk), [Completion::Stored(Position(2))]);
    let content = read(&mut disk, 1);
    assert_eq!(content.len(), 4096);
    assert!(content[..100].iter().all(|b| *b == b'a') && content[150] == b'b' && content[200] == 0);
}

#[test]
fn a_batch_that_was_answered_survives_every_crash() {
    for seed in 0..100 {
        let mut disk = disk(seed);
        disk.submit(batch(1, 0, b'a', 1000, 1));
        run(&mut disk);
        disk.submit(batch(1, 1000, b'b', 1000, 2));
        disk.begin();
        disk.crash(Crash::PowerLoss);
        let content = read(&mut disk, 1);
        assert!(content[..1000].iter().all(|b| *b == b'a'), "seed {seed}");
    }
}

#[test]
fn a_batch_under_way_may_survive_in_part() {
    let mut seen = [false; 3];
    for seed in 0..300 {
        let mut disk = disk(seed);
        disk.submit(batch(1, 0, b'a', 10, 1));
        run(&mut disk);
        disk.submit(batch(1, 10, b'b', 3000, 2));
        disk.begin();
        disk.crash(Crash::PowerLoss);
        let left = read(&mut disk, 1).iter().filter(|b| **b == b'b').count();
        seen[usize::from(left > 0) + usize::from(left == 3000)] = true;
    }
    assert_eq!(seen, [true; 3], "lost, torn and whole all happen");
}

#[test]
fn after_a_failure_nothing_is_carried_out_until_a_restart() {
    for fault in [Fault::FailedWrite, Fault::FailedSync] {
        let mut disk = disk(2);
        disk.armed.arm(fault);
        disk.submit(batch(1, 0, b'a', 10, 1));
        assert!(matches!(run(&mut disk)[..], [Completion::Failed(_)]));
        disk.submit(batch(1, 10, b'b', 10, 2));
        assert!(run(&mut disk).is_empty());
        disk.crash(Crash::Kill);
        disk.submit(Request::ListSegments);
        assert!(matches!(run(&mut disk)[..], [Completion::Segments(_)]));
        assert_eq!(disk.armed.hits.get(fault.counter()), 1);
    }
}

#[test]
fn a_full_disk_fails_only_where_a_segment_would_be_made() {
    let mut disk = disk(3);
    disk.submit(batch(1, 0, b'a', 10, 1));
    run(&mut disk);
    disk.armed.arm(Fault::Full);
    disk.submit(batch(1, 10, b'b', 10, 2));
    assert_eq!(run(&mut disk), [Completion::Stored(Position(2))]);
    disk.submit(batch(2, 0, b'c', 10, 3));
    assert!(matches!(run(&mut disk)[..], [Completion::Failed(_)]));
}

#[test]
fn the_state_file_is_old_or_new_never_mixed() {
    let (old, new) = (Bytes::from_static(b"old"), Bytes::from_static(b"new state"));
    let mut seen = [false; 2];
    for seed in 0..100 {
        let mut disk = disk(seed);
        disk.submit(Request::WriteState(old.clone()));
        assert_eq!(run(&mut disk), [Completion::StateWritten]);
        disk.submit(Request::WriteState(new.clone()));
        disk.begin();
        disk.crash(Crash::PowerLoss);
        disk.submit(Request::ReadState);
        match run(&mut disk).pop() {
            Some(Completion::State(Some(state))) if state == old => seen[0] = true,
            Some(Completion::State(Some(state))) if state == new => seen[1] = true,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn a_recycled_file_keeps_its_old_content_behind_the_new() {
    let recycled = (0..50).any(|seed| {
        let mut disk = disk(seed);
        disk.submit(batch(1, 0, b'x', 4096, 1));
        run(&mut disk);
        disk.submit(Request::Release(Segment(1)));
        disk.submit(batch(2, 0, b'y', 10, 2));
        disk.submit(batch(3, 0, b'z', 10, 3));
        run(&mut disk);
        disk.submit(batch(4, 0, b'w', 10, 4));
        run(&mut disk);
        read(&mut disk, 4)[20] == b'x'
    });
    assert!(recycled);
}

#[test]
fn what_a_killed_process_wrote_is_read_back_and_kept_by_a_sync_of_all() {
    let kept = (0..100).filter(|seed| {
        let mut disk = disk(*seed);
        disk.submit(batch(1, 0, b'a', 600, 1));
        disk.begin();
        disk.crash(Crash::Kill);
        disk.submit(Request::ListSegments);
        if run(&mut disk) != [Completion::Segments(vec![Segment(1)])] {
            return false;
        }
        let before = read(&mut disk, 1);
        disk.submit(Request::SyncAll);
        assert_eq!(run(&mut disk), [Completion::Synced]);
        disk.crash(Crash::PowerLoss);
        assert_eq!(read(&mut disk, 1), before);
        before.contains(&b'a')
    });
    assert!(kept.count() > 10);
}
