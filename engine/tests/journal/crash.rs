// SPDX-License-Identifier: Apache-2.0
//! Power fails anywhere; what comes back is a prefix of whole units with everything synced in it.

use hind_engine::storage::Position;

use crate::disk::{Crash, Disk};
use crate::random::{Random, seeds};
use crate::session::Session;

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
        for _ in 0..12 {
            live(&mut session);
            let synced = session.storage.stored();
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
        if session.random.one_in(3) {
            session.sync();
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
