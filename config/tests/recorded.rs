// SPDX-License-Identifier: Apache-2.0
//! Files that Artemis 2.44.0 itself created: they start unchanged, or are refused at exactly the lines that say so.

use hind_config::acceptors::Protocol;
use hind_config::paging::GlobalMaxSize;
use hind_config::{ConfigError, Level, Loaded, load};
use hind_engine::address::settings::AddressFullPolicy;

macro_rules! created {
    ($name:literal) => {
        ($name, include_str!(concat!("data/created/", $name, ".xml")))
    };
}

/// Those that start.
const STARTING: [(&str, &str); 18] = [
    created!("default"),
    created!("autotuned"),
    created!("aio"),
    created!("mapped"),
    created!("queues"),
    created!("no-persistence"),
    created!("no-acceptors"),
    created!("no-fsync"),
    created!("global-max"),
    created!("no-autocreate"),
    created!("autodelete"),
    created!("blocking"),
    created!("offset"),
    created!("device"),
    created!("advisory"),
    created!("purge"),
    created!("clustered"),
    created!("static-cluster"),
];

fn read(name: &str, text: &str) -> Result<Loaded, Vec<ConfigError>> {
    load(name, &mut |_| Ok(text.to_owned()), &|_| None)
}

fn started(name: &str) -> Loaded {
    let (_, text) = STARTING
        .iter()
        .find(|(other, _)| *other == name)
        .expect("a recorded file");
    read(name, text).unwrap_or_else(|errors| panic!("{name}: {errors:?}"))
}

/// Lines and elements of the warnings, but for the one that every created file gets.
fn warnings(loaded: &Loaded) -> Vec<(u32, &str)> {
    let warnings = loaded.notes.iter().filter(|note| note.level == Level::Warn);
    let warnings = warnings.filter(|note| note.element != "critical-analyzer-policy");
    warnings
        .map(|note| (note.position.line, note.element.as_str()))
        .collect()
}

#[test]
fn every_recorded_file_that_asks_for_nothing_unbuilt_starts() {
    for (name, text) in STARTING {
        assert!(read(name, text).is_ok(), "{name}");
    }
}

#[test]
fn the_default_file_starts_with_one_warning() {
    let loaded = started("default");
    let notes: Vec<String> = loaded
        .notes
        .iter()
        .map(|note| format!("{:?} {note}", note.level))
        .collect();
    assert_eq!(
        notes,
        [
            "Info default:75: <journal-device-block-size> has no effect: the operating system's own block size is used",
            "Info default:117: <critical-analyzer-timeout> has no effect: a turn that takes longer than a second is logged",
            "Info default:119: <critical-analyzer-check-period> has no effect: a turn that takes longer than a second is logged",
            "Warn default:121: <critical-analyzer-policy> is not built yet and has no effect: a turn that takes longer than a second is logged",
            "Info default:152: useEpoll has no meaning without a JVM (also line 155, line 158, line 161, line 164)",
        ]
    );
    let ports: Vec<u16> = loaded
        .settings
        .acceptors
        .iter()
        .map(|acceptor| acceptor.port)
        .collect();
    assert_eq!(ports, [61616, 5672, 61613, 5445, 1883]);
    assert_eq!(loaded.settings.acceptors[0].protocols.len(), 6);
    assert_eq!(
        loaded.settings.acceptors[3].anycast_prefixes,
        ["jms.queue."]
    );
    let names: Vec<&str> = loaded
        .settings
        .addresses
        .iter()
        .map(|address| address.name.as_str())
        .collect();
    assert_eq!(names, ["DLQ", "ExpiryQueue"]);
    assert_eq!(loaded.settings.security.matches.len(), 1);
    assert!(loaded.settings.critical_analyzer.enabled);
}

#[test]
fn what_the_options_of_create_change_is_read() {
    assert!(!started("no-persistence").settings.persistence_enabled);
    assert!(!started("no-fsync").settings.journal.datasync);
    assert_eq!(started("mapped").settings.journal.kind.word(), "MAPPED");
    assert_eq!(started("aio").settings.journal.kind.word(), "ASYNCIO");
    assert_eq!(started("no-acceptors").settings.acceptors.len(), 1);
    assert_eq!(started("offset").settings.acceptors[4].port, 1983);
    assert_eq!(started("offset").settings.name, "other");
    assert!(
        started("no-acceptors").settings.acceptors[0]
            .protocols
            .contains(&Protocol::Stomp)
    );
    let queues = started("queues").settings;
    let names: Vec<&str> = queues
        .addresses
        .iter()
        .map(|address| address.name.as_str())
        .collect();
    assert_eq!(names, ["DLQ", "ExpiryQueue", "q1", "q2", "a1", "a2"]);
    let general = |name: &str| started(name).settings.address_settings[1].1.clone();
    assert_eq!(
        general("blocking").address_full_policy,
        Some(AddressFullPolicy::Block)
    );
    assert_eq!(general("no-autocreate").auto_create_queues, Some(false));
    assert_eq!(general("autodelete").auto_delete_queues, Some(true));
}

#[test]
fn limits_of_memory_are_read_and_act() {
    for name in ["purge", "blocking", "global-max"] {
        assert_eq!(warnings(&started(name)), [], "{name}");
    }
    let limits = started("global-max").settings.limits;
    assert_eq!(
        (limits.global_max_size, limits.global_max_messages),
        (GlobalMaxSize::Bytes(100 << 20), Some(1000))
    );
    let purge = started("purge");
    let note = purge
        .notes
        .iter()
        .find(|note| note.element == "purge-page-folders");
    assert_eq!(
        note.expect("an INFO").text,
        "<purge-page-folders> has no effect: a page file is deleted as soon as nobody needs a message in it"
    );
}

#[test]
fn what_is_asked_for_and_not_built_warns_at_its_line() {
    assert_eq!(
        warnings(&started("clustered")),
        [
            (106, "connectors"),
            (175, "cluster-user"),
            (177, "cluster-password"),
            (179, "broadcast-groups"),
            (188, "discovery-groups"),
            (196, "cluster-connections"),
        ]
    );
    assert_eq!(
        warnings(&started("static-cluster")),
        [
            (105, "connectors"),
            (175, "cluster-user"),
            (177, "cluster-password"),
            (178, "cluster-connections"),
        ]
    );
}

#[test]
fn what_would_weaken_the_operators_meaning_is_refused_at_its_line() {
    let table: [(_, &[(u32, &str)]); 7] = [
        (
            created!("ping"),
            &[
                (88, "network-check-period"),
                (89, "network-check-timeout"),
                (97, "network-check-list"),
                (100, "network-check-ping-command"),
                (103, "network-check-ping6-command"),
            ],
        ),
        (created!("replicated"), &[(207, "replication")]),
        (created!("replicated-backup"), &[(207, "replication")]),
        (created!("shared-store"), &[(207, "shared-store")]),
        (created!("shared-store-backup"), &[(191, "shared-store")]),
        (
            created!("retention"),
            &[(56, "journal-retention-directory")],
        ),
        (created!("jdbc"), &[(32, "database-store")]),
    ];
    for ((name, text), expected) in table {
        let errors = read(name, text).expect_err(name);
        let found: Vec<(u32, &str)> = errors
            .iter()
            .map(|error| (error.position.line, error.element.as_str()))
            .collect();
        assert_eq!(found, expected, "{name}: {errors:?}");
    }
}
