// SPDX-License-Identifier: Apache-2.0
//! Power fails anywhere; what comes back is a prefix of whole units with everything synced in it.

use hind_engine::id::QueueId;
use hind_engine::storage::request::{Request, Segment};
use hind_engine::storage::{Position, Storage};

use crate::disk::{Crash, Disk, branch, settings};
use crate::random::{Random, seeds};
use crate::session::{Session, message_on};

const HOWS: [Crash; 4] = [
    Crash::LosesAll,
    Crash::KeepsAll,
    Crash::Cuts,
    Crash::Scatters,
];

/// A session of some turns, synced now and then, and lives after it: each recovers what the crash before left.
#[test]
fn any_number_of_crashes_lose_nothing_that_was_synced_and_bring_nothing_back() {
    for seed in seeds(60) {
        let mut session = Session::new(seed, 4096);
        session.lazy = seed % 3 == 0;
        for _ in 0..12 {
            live(&mut session);
            let synced = session.synced;
            for how in HOWS {
                for other in 0..3 {
                    let mut disk = session.disk.clone();
                    disk.crash(how, &mut Random(seed * 1000 + other));
                    if let Err(damage) = session.check_recovery(&disk, synced) {
                        panic!("seed {seed}, {how:?}: {damage}");
                    }
                }
            }
            let how = HOWS[session.random.below(4)];
            let mut random = session.random.clone();
            session.disk.crash(how, &mut random);
            session.random = random;
            let recovery = session
                .check_recovery(&session.disk, synced)
                .unwrap_or_else(|damage| panic!("seed {seed}, {how:?}: {damage}"));
            session.resume(recovery);
        }
    }
}

fn live(session: &mut Session) {
    for _ in 0..session.random.below(60) {
        session.turn();
        match session.random.below(6) {
            _ if session.lazy => (),
            0 => session.sync(),
            1 | 2 => session.sync_answered_late(),
            _ => (),
        }
    }
}

/// Everything ever written, cut at every eighth byte: every record boundary, and much between. The files are blank, or
/// hold an earlier segment behind what is written.
#[test]
fn every_prefix_of_what_was_written_recovers() {
    for recycled in [false, true] {
        let mut session = Session::new(11, 2048);
        // Each write with what was synced when it was made.
        let mut written = vec![];
        for turn in 0..150 {
            let synced = session.storage.stored();
            let batch = session.turn();
            let writes = batch.into_iter().flat_map(|batch| batch.writes);
            written.extend(
                writes.map(|write| (write.segment, write.offset, write.pieces.concat(), synced)),
            );
            if turn % 3 == 0 {
                session.sync();
            }
        }
        let mut disk = Disk::default();
        for (segment, offset, bytes, synced) in &written {
            if recycled && *offset == 0 {
                let left = disk.files.values().next_back().cloned();
                disk.files.insert(segment.0, left.unwrap_or_default());
            }
            for cut in (0..bytes.len()).step_by(8) {
                disk.put(*segment, *offset, &bytes[..cut]);
                if let Err(damage) = session.check_recovery(&disk, *synced) {
                    panic!("segment {segment:?} at {offset} cut at {cut}: {damage}");
                }
            }
            disk.put(*segment, *offset, bytes);
        }
        let all = session.check_recovery(&disk, session.storage.appended());
        assert_eq!(all.expect("undamaged").last, session.storage.appended());
    }
}

/// The tail of an earlier crash must never be taken for the continuation: crash, recover, append, crash, recover.
#[test]
fn a_tail_that_was_cut_stays_cut() {
    let mut session = Session::new(3, 4096);
    session.turn();
    session.sync();
    let synced = session.storage.stored();
    // A unit whose first batch is lost and whose second, with whole records in it, is not.
    for _ in 0..20 {
        session.turn();
    }
    let lost_end = session.storage.appended();
    session.disk.lose_first_unsynced_write();
    let recovery = session.check_recovery(&session.disk, synced).expect("torn");
    assert!(recovery.last < lost_end);
    session.resume(recovery);
    session.write();
    let position = session.storage.appended();
    // The new run's only batch is lost, too; then once more with it kept.
    let mut disk = session.disk.clone();
    disk.crash(Crash::LosesAll, &mut Random(1));
    let recovery = session.check_recovery(&disk, synced).expect("torn");
    assert!(recovery.last < position);
    let recovery = session
        .check_recovery(&session.disk, position)
        .expect("whole");
    assert_eq!(recovery.last, Position(position.0));
}

/// A unit over three segments, torn in the third: the two behind its beginning hold nothing, and go before it does, so
/// that they are never read without it.
#[test]
fn what_is_left_of_a_torn_unit_goes_first() {
    let mut storage = Storage::new(settings(4096));
    let mut disk = Disk::default();
    storage.begin(branch(1), vec![]);
    disk.turn(&mut storage);
    for id in 1..=6 {
        storage.append(&message_on(id, 1500, &[QueueId(1)]), id < 6, true);
    }
    let batch = storage.take_batch().expect("a batch");
    let segments: Vec<_> = batch.writes.iter().map(|write| write.segment).collect();
    assert_eq!(segments, [Segment(1), Segment(2), Segment(3)]);
    disk.write(&batch);
    disk.put(Segment(3), 100, &[0; 8]);
    let (mut storage, recovered) = disk
        .recover(settings(4096), &mut |_, _, _| ())
        .expect("torn");
    assert_eq!((recovered.records, recovered.last), (1, Position(1)));
    assert!(recovered.torn_bytes > 6 * 1500 && recovered.torn_bytes < 7 * 1600);
    storage.begin(branch(2), vec![]);
    let batch = storage.take_batch().expect("a batch");
    assert_eq!(batch.writes[0].segment, Segment(4));
    let released = storage.on_stored(batch.end);
    assert_eq!(released[..2], [2, 3].map(|n| Request::Release(Segment(n))));
}

/// A run's file is lost from the directory, but its content is not, and the next run makes a file of the same number of
/// it: the same positions at the same places with the right generation, but of another branch.
#[test]
fn a_lost_file_found_again_under_its_own_number_is_not_read_as_new() {
    let first_run = |storage: &mut Storage, epoch| {
        storage.begin(branch(epoch), vec![]);
        for id in 1..=3 {
            let id = id + 100 * epoch;
            storage.append(&message_on(id, 300, &[QueueId(1)]), false, true);
        }
    };
    let mut lost = Storage::new(settings(4096));
    first_run(&mut lost, 1);
    let mut disk = Disk::default();
    disk.write(&lost.take_batch().expect("a batch"));
    let mut second = Storage::new(settings(4096));
    first_run(&mut second, 2);
    let batch = second.take_batch().expect("a batch");
    let bytes = batch.writes[0].pieces.concat();
    // Everything but the last of three equal records has reached the disk.
    let branch_start = 64 + 64;
    let record = (bytes.len() - branch_start) / 3;
    disk.put(Segment(1), 0, &bytes[..bytes.len() - record]);
    let mut ids = vec![];
    let visit = &mut |_: &mut _, _, record: hind_engine::storage::record::Record| {
        ids.extend(record.key());
    };
    let (_, recovered) = disk.recover(settings(4096), visit).expect("torn");
    assert_eq!(recovered.records, 3, "{ids:?}");
    assert_eq!(recovered.branch, Some(branch(2)));
}

/// A unit was torn and cut; of the run after it the first segment is lost, and the second, whose records have the
/// positions of the torn ones, is not. (Simulator: damage, seed 6637.)
#[test]
fn a_segment_behind_a_lost_one_that_replaced_a_torn_unit_is_no_damage() {
    for torn in 2..=6 {
        let mut storage = Storage::new(settings(4096));
        let mut disk = Disk::default();
        storage.begin(branch(1), vec![]);
        disk.turn(&mut storage);
        for id in 1..=torn + 1 {
            storage.append(&message_on(id, 300, &[QueueId(1)]), id <= torn, true);
        }
        let batch = storage.take_batch().expect("a batch");
        let bytes = batch.writes[0].pieces.concat();
        let whole = bytes.len() - bytes.len() / (torn as usize + 1);
        disk.put(Segment(1), batch.writes[0].offset, &bytes[..whole]);
        let recover = |disk: &Disk| disk.recover(settings(4096), &mut |_, _, _| ());
        let (mut storage, recovered) = recover(&disk).expect("torn");
        assert_eq!(recovered.last, Position(1), "{torn} of the unit were read");
        storage.begin(branch(2), vec![]);
        let message = message_on(100, 3500, &[QueueId(1)]);
        storage.append(&message, false, true);
        storage.append(&message, false, true);
        let batch = storage.take_batch().expect("a batch");
        let last = batch.writes.last().expect("two segments");
        assert_eq!(last.segment, Segment(3));
        disk.put(Segment(3), 0, &last.pieces.concat());
        let (_, recovered) = recover(&disk).expect("no damage");
        assert_eq!(recovered.last, Position(1));
        assert_eq!(recovered.highest_epoch, 2);
        // Had the lost one been synced, as a later segment can show, it would be damage.
        storage.on_stored(batch.end);
        storage.append(&message, false, true);
        disk.write(&storage.take_batch().expect("a batch"));
        disk.put(Segment(2), 0, &[0; 4096]);
        let damage = recover(&disk).expect_err("damage");
        assert_eq!((damage.segment, damage.position), (Segment(1), Position(2)));
    }
}
