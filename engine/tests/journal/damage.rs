// SPDX-License-Identifier: Apache-2.0
//! What rots on the disk is reported; what is not needed may rot.

use hind_engine::storage::record::Record;
use hind_engine::storage::request::Segment;
use hind_engine::storage::{Damage, Position};

use crate::disk::{Crash, Disk, settings};
use crate::random::{Random, seeds};
use crate::session::Session;

/// A session with crashes in it, everything synced, and a mark at its end.
fn sealed(seed: u64) -> Session {
    let mut session = Session::new(seed, 4096);
    for life in 0..3 {
        for _ in 0..30 {
            session.turn();
            if session.random.one_in(3) {
                session.sync();
            }
        }
        if life < 2 {
            let synced = session.storage.stored();
            session.disk.crash(Crash::Scatters, &mut Random(seed));
            let recovery = session.check_recovery(&session.disk, synced);
            session.resume(recovery.expect("torn at most"));
        }
    }
    session.sync();
    if let Some(batch) = session.storage.seal() {
        session.disk.write(&batch);
        session.sync();
    }
    session
}

/// After a clean stop every record is covered by a mark: a flipped bit is reported, or stands where nothing is.
#[test]
fn a_flipped_bit_is_reported_or_harmless() {
    let (mut reported, mut harmless) = (0, 0);
    for seed in seeds(8) {
        let session = sealed(seed);
        let end = session.storage.appended();
        let mut random = Random(seed);
        for _ in 0..1500 {
            let mut disk = session.disk.clone();
            let nth = random.below(disk.files.len());
            let file = disk.files.values_mut().nth(nth).expect("a file");
            let at = random.below(file.len());
            file[at] ^= 1 << random.below(8);
            match session.check_recovery(&disk, end) {
                Ok(_) => harmless += 1,
                Err(_) => reported += 1,
            }
        }
    }
    assert!(reported > 100 && harmless > 100, "{reported} {harmless}");
}

/// The same without the last mark: never anything but a prefix, and all that the mark before the last batch covers, or a
/// report.
#[test]
fn a_flipped_bit_cuts_at_most_what_no_mark_covers() {
    for seed in seeds(8) {
        let mut session = Session::new(seed, 1 << 15);
        for _ in 0..30 {
            session.turn();
            session.sync();
        }
        let marked = session.synced;
        session.unit(vec![Record::IdCounter(7)]);
        session.write();
        session.disk.sync();
        let mut random = Random(seed);
        for _ in 0..800 {
            let mut disk = session.disk.clone();
            let file = disk.files.values_mut().next_back().expect("a file");
            let at = random.below(file.len());
            file[at] ^= 1 << random.below(8);
            // Panics if anything else than such a prefix comes back.
            let _ = session.check_recovery(&disk, marked);
        }
    }
}

/// No mark was written before the crash, but the next run began behind what it had read and synced.
#[test]
fn what_a_recovery_has_read_may_not_vanish_from_the_next() {
    let mut session = Session::new(1, 4096);
    session.unit(vec![Record::IdCounter(7), Record::IdCounter(8)]);
    session.write();
    let recovery = session.check_recovery(&session.disk, Position(3));
    session.resume(recovery.expect("whole"));
    session.write();
    session.disk.sync();
    let mut disk = session.disk.clone();
    disk.put(Segment(1), 64 + 40 + 40 + 48, &[0; 8]);
    let damage = recover(&disk).expect_err("damaged");
    assert_eq!((damage.segment, damage.position), (Segment(1), Position(3)));
    assert!(
        damage.what.contains("begun after it had been synced"),
        "{damage}"
    );
}

fn recover(disk: &Disk) -> Result<(), Damage> {
    disk.recover(settings(4096), &mut |_, _, _| ()).map(|_| ())
}

#[test]
fn a_missing_segment_is_reported() {
    let session = sealed(2);
    let numbers: Vec<u64> = session.disk.files.keys().copied().collect();
    assert!(numbers.len() > 3);
    for number in &numbers[1..numbers.len() - 1] {
        let mut disk = session.disk.clone();
        disk.files.remove(number);
        let damage = recover(&disk).expect_err("a hole");
        assert!(damage.to_string().contains("cannot be read"), "{damage}");
    }
}

#[test]
fn a_header_that_cannot_be_read_is_reported_wherever_it_stands() {
    let session = sealed(2);
    for number in session.disk.files.keys() {
        let mut disk = session.disk.clone();
        disk.put(Segment(*number), 0, &[0; 64]);
        let damage = recover(&disk).expect_err("damaged");
        assert_eq!(damage.segment, Segment(*number));
    }
}

#[test]
fn a_file_that_hind_did_not_write_is_named() {
    let mut disk = Disk::default();
    disk.put(
        Segment(1),
        0,
        &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    let damage = recover(&disk).expect_err("Artemis's");
    assert_eq!(damage.what, "not written by Hind");
    let text = "journal segment 1 is damaged at byte 0 (record 0): not written by Hind";
    assert_eq!(damage.to_string(), text);
}

#[test]
fn a_file_of_a_later_format_is_named() {
    let session = sealed(1);
    let mut disk = session.disk.clone();
    let (number, file) = disk.files.first_key_value().expect("a file");
    let mut header = file[..64].to_vec();
    header[8] = 2;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..]);
    header[12..16].copy_from_slice(&checksum.to_le_bytes());
    disk.put(Segment(*number), 0, &header.clone());
    let damage = recover(&disk).expect_err("newer");
    assert_eq!(damage.what, "written by a newer version of Hind");
    assert_eq!(damage.position, Position(0));
}
