// SPDX-License-Identifier: Apache-2.0
//! The log stays small, and gives up nothing that is needed.

use hind_engine::storage::Position;
use hind_engine::storage::record::Key;

use crate::model::Model;
use crate::random::seeds;
use crate::session::Session;

const FILE: u64 = 4096;

/// Turns, each stored, and then idle ones until nothing is left to clean.
#[test]
fn the_log_is_never_more_than_twice_what_is_live_and_two_segments() {
    let mut given_up = 0;
    for seed in seeds(40) {
        let mut session = Session::new(seed, FILE);
        for _ in 0..200 {
            session.turn();
            session.sync();
            settle(&mut session);
            let footprint = session.storage.footprint();
            assert!(
                footprint.total_bytes <= 2 * footprint.live_bytes + 2 * FILE,
                "seed {seed}: {footprint:?}"
            );
            let sizes: usize = session.disk.files.values().map(Vec::len).sum();
            assert!(sizes as u64 <= footprint.total_bytes + FILE, "seed {seed}");
            assert_eq!(session.disk.files.len(), footprint.segments);
            assert_homes_exist(&mut session);
        }
        given_up += *session.disk.files.keys().next().expect("a file") - 1;
        let recovery = session.check_recovery(&session.disk, session.storage.appended());
        recovery.expect("undamaged");
    }
    assert!(given_up > 100, "{given_up} files have been given up");
}

/// Stores and cleans until a turn changes nothing.
fn settle(session: &mut Session) {
    for _ in 0..1000 {
        let before = (session.storage.appended(), session.storage.footprint());
        session.clean();
        session.write();
        session.sync();
        if before == (session.storage.appended(), session.storage.footprint()) {
            return;
        }
    }
    panic!("cleaning does not come to an end");
}

fn assert_homes_exist(session: &mut Session) {
    for key in session.model.keys() {
        let home = session.storage.live().home(key).expect("live");
        assert!(session.disk.files.contains_key(&home.0), "{key:?}");
    }
    assert_eq!(session.storage.live().len(), session.model.keys().len());
}

/// A record applied again changes nothing: what cleaning writes again may be read beside what it replaces.
#[test]
fn folding_the_history_twice_gives_the_same_state() {
    let mut session = Session::new(5, FILE);
    for _ in 0..100 {
        session.turn();
        session.sync();
    }
    let mut once = Model::default();
    let mut twice = Model::default();
    let live = session.storage.live();
    for record in &session.history {
        once.apply(live, record);
        twice.apply(live, record);
        twice.apply(live, record);
    }
    assert_eq!(once, session.model);
    assert_eq!(twice, once);
}

/// Nothing is written again while the settings forbid it; what is dead as a whole goes all the same.
#[test]
fn with_compact_min_files_zero_nothing_is_ever_cleaned() {
    let settings = hind_engine::storage::JournalSettings {
        compact_min_files: 0,
        ..crate::disk::settings(FILE)
    };
    let mut storage = hind_engine::storage::Storage::new(settings);
    let mut disk = crate::disk::Disk::default();
    storage.begin(crate::disk::branch(1), vec![]);
    for id in 1..200 {
        let queue = hind_engine::id::QueueId(1);
        storage.append(&crate::session::message_on(id, 500, &[queue]), false, true);
        storage
            .live()
            .dead(Key::Message(hind_engine::id::MessageId(id)));
        assert!(storage.cleaning(u64::MAX).is_empty());
        disk.turn(&mut storage);
    }
    // The branch start keeps the first segment.
    assert_eq!(storage.appended(), Position(200));
    assert!(disk.files.contains_key(&1) && disk.files.len() > 20);
}
