// SPDX-License-Identifier: Apache-2.0
//! The log stays small, and gives up nothing that is needed.

use hind_engine::address::routing_type::RoutingType;
use hind_engine::id::{AddressId, MessageId, QueueId};
use hind_engine::storage::Position;
use hind_engine::storage::record::{AddressRecord, Key, QueueRecord, Record};

use crate::model::Model;
use crate::random::seeds;
use crate::session::{Session, message_on};

const FILE: u64 = 4096;

/// Turns, each stored, and then idle ones until nothing is left to clean.
#[test]
fn the_log_is_never_more_than_twice_what_is_live_and_two_segments() {
    for seed in seeds(40) {
        let mut session = Session::new(seed, FILE);
        let mut first = u64::MAX;
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
            first = first.min(*session.disk.files.keys().next().expect("a file"));
            assert_homes_exist(&mut session);
        }
        let oldest = *session.disk.files.keys().next().expect("a file");
        assert!(oldest > first, "seed {seed}: files have been given up");
        let recovery = session.check_recovery(&session.disk, session.storage.appended());
        recovery.expect("undamaged");
    }
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

/// Address and queue are written again behind a message that stays where it is; the message still finds its queue.
#[test]
fn a_queue_written_again_behind_its_messages_is_read_before_them() {
    let (address, queue) = (AddressId(1), QueueId(2));
    let mut session = Session::new(1, FILE);
    session.unit(vec![
        Record::Address(AddressRecord {
            id: address,
            name: "orders".into(),
            anycast: true,
            multicast: false,
            auto_created: false,
            paused: false,
        }),
        Record::Queue(QueueRecord {
            id: queue,
            name: "orders".into(),
            address,
            routing: RoutingType::Anycast,
            filter: "".into(),
            user: "".into(),
            options: vec![],
            auto_created: false,
            paused: false,
        }),
    ]);
    let acknowledge = |message| Record::Acknowledge { queue, message };
    // The first segment ends with what will be dead; the second begins with what stays.
    session.unit(vec![message_on(10, 3000, &[queue])]);
    session.unit(vec![message_on(11, 1000, &[queue])]);
    session.unit(vec![Record::DeliveryCount {
        queue,
        message: MessageId(11),
        count: 3,
    }]);
    session.unit(vec![message_on(12, 900, &[queue])]);
    session.write();
    session.sync();
    session.unit(vec![acknowledge(MessageId(10))]);
    session.unit(vec![acknowledge(MessageId(12))]);
    for id in 20..24 {
        session.unit(vec![message_on(id, 2500, &[queue])]);
        session.unit(vec![acknowledge(MessageId(id))]);
    }
    session.clean();
    session.write();
    session.sync();
    let live = session.storage.live();
    assert!(live.home(Key::Queue(queue)) > live.home(Key::Message(MessageId(11))));
    let recovery = session.check_recovery(&session.disk, session.synced);
    recovery.expect("undamaged");
}
