// SPDX-License-Identifier: Apache-2.0
//! `create` as an Artemis operator meets it.

use crate::program::Place;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .expect("metadata")
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn an_instance_has_the_shape_and_the_texts_that_operators_know() {
    let place = Place::new();
    let done = place.hind(&[
        "create",
        "i",
        "--silent",
        "--user",
        "a",
        "--password",
        "a",
        "--allow-anonymous",
    ]);
    assert_eq!((done.status, done.err.as_str()), (0, ""));
    let directory = std::fs::canonicalize(place.path("i")).expect("created");
    let directory = directory.display();
    let expected = [
        format!("Creating ActiveMQ Artemis instance at: {directory}\n"),
        "\nAuto tuning journal ...\ndone! Your system can make ".to_owned(),
        " writes per millisecond, your journal-buffer-timeout will be ".to_owned(),
        format!(
            "\nYou can now start the broker by executing:  \n\n   \"{directory}/bin/artemis\" run\n"
        ),
        format!(
            "\nOr you can run the broker in the background using:\n\n   \"{directory}/bin/artemis-service\" start\n"
        ),
    ];
    let mut rest = done.out.as_str();
    for text in expected {
        let at = rest
            .find(&text)
            .unwrap_or_else(|| panic!("no {text:?} in {rest:?}"));
        rest = &rest[at + text.len()..];
    }
    assert_eq!(
        names(&place.path("i")),
        ["bin", "data", "etc", "lib", "log", "tmp"]
    );
    assert_eq!(names(&place.path("i/bin")), ["artemis", "artemis-service"]);
    let etc = [
        "artemis-roles.properties",
        "artemis-users.properties",
        "artemis-utility.profile",
        "artemis.profile",
        "bootstrap.xml",
        "broker.xml",
        "jolokia-access.xml",
        "log4j2-utility.properties",
        "log4j2.properties",
        "login.config",
        "management.xml",
    ];
    assert_eq!(names(&place.path("i/etc")), etc);
    assert!(
        names(&place.path("i/data")).is_empty(),
        "the tuning file is gone"
    );
    assert_eq!(mode(&place.path("i/etc/artemis-users.properties")), 0o600);
    assert_eq!(mode(&place.path("i/bin/artemis")), 0o755);
}

#[test]
fn a_second_create_names_the_file_and_changes_nothing() {
    let place = Place::with_instance(&["--user", "a", "--password", "a"]);
    let before = place.read("i/etc/artemis-users.properties");
    let done = place.hind(&["create", "i", "--silent", "--no-autotune"]);
    assert_eq!(done.status, 1);
    assert_eq!(
        done.err,
        "The file 'i/etc/login.config' already exists.  Use --force to overwrite.\n"
    );
    assert_eq!(place.read("i/etc/artemis-users.properties"), before);
}

#[test]
fn force_overwrites_the_configuration_and_leaves_the_data() {
    let place = Place::with_instance(&["--user", "a", "--password", "a"]);
    place.write("i/data/precious", "x");
    let done = place.hind(&[
        "create",
        "i",
        "--silent",
        "--no-autotune",
        "--force",
        "--user",
        "b",
        "--password",
        "b",
        "--name",
        "other",
    ]);
    assert_eq!(done.status, 0, "{done:?}");
    assert!(
        place
            .read("i/etc/broker.xml")
            .contains("<name>other</name>")
    );
    assert!(
        place
            .read("i/etc/artemis-users.properties")
            .contains("\nb = ENC(1024:")
    );
    assert_eq!(place.read("i/data/precious"), "x");
    assert_eq!(mode(&place.path("i/etc/artemis-users.properties")), 0o600);
}

#[test]
fn a_port_beyond_65535_is_refused_before_anything_is_written() {
    let place = Place::new();
    let done = place.hind(&["create", "i", "--silent", "--port-offset", "5000"]);
    assert_eq!(done.status, 1);
    assert!(
        done.err
            .contains("the port of acceptor artemis would be 66616; ports reach from 1 to 65535"),
        "{}",
        done.err
    );
    assert!(!place.path("i").exists());
}

#[test]
fn questions_are_asked_and_a_missing_answer_is_a_failure() {
    let place = Place::new();
    let done = place.hind(&["create", "i", "--no-autotune", "--password", "x"]);
    assert_eq!(done.status, 1);
    assert!(
        done.out.contains("--user:\nWhat is the default username?"),
        "{}",
        done.out
    );
    assert!(done.err.contains("No line found"), "{}", done.err);

    std::fs::write(place.path("answers"), "joe\nsecret\nmaybe\nN\n").expect("answers");
    let answers = std::fs::File::open(place.path("answers")).expect("answers");
    let mut command = place.command(
        Path::new(env!("CARGO_BIN_EXE_hind")),
        &["create", "i", "--no-autotune"],
    );
    command.stdin(answers);
    let done = crate::program::run(command);
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(
        done.out
            .matches("Allow anonymous access?, valid values are Y, N, True, False")
            .count(),
        2
    );
    assert!(
        !place
            .read("i/etc/login.config")
            .contains("GuestLoginModule")
    );
    assert!(
        place
            .read("i/etc/artemis-users.properties")
            .contains("\njoe = ENC(1024:")
    );
}

#[test]
fn what_create_writes_is_valid_for_every_shape_it_can_have() {
    for flags in [
        &[][..],
        &[
            "--require-login",
            "--name",
            "a&b<c",
            "--role",
            "r1,r2",
            "--host",
            "::1",
        ],
        &[
            "--no-fsync",
            "--global-max-size",
            "100M",
            "--global-max-messages",
            "5",
            "--purge-page-folders",
        ],
        &[
            "--queues",
            "q1,q2:multicast",
            "--addresses",
            "a1,a2:anycast",
            "--blocking",
            "--autodelete",
            "--no-autocreate",
        ],
        &[
            "--no-web",
            "--aio",
            "--data",
            "elsewhere",
            "--support-advisory",
        ],
    ] {
        let place = Place::with_instance(flags);
        let done = place.hind(&["check", "config", "i"]);
        assert_eq!(done.status, 0, "{flags:?}: {done:?}");
    }
}

#[test]
fn ping_is_written_as_the_manual_says_and_named_as_not_built() {
    let place = Place::with_instance(&["--ping", "10.0.0.1"]);
    let text = place.read("i/etc/broker.xml");
    assert!(text.contains("<network-check-list>10.0.0.1</network-check-list>"));
    let line = text
        .lines()
        .position(|line| line.contains("<network-check-list>"))
        .expect("a line")
        + 1;
    let done = place.hind(&["check", "config", "i"]);
    assert_eq!(done.status, 1);
    assert!(
        done.err.contains(&format!("broker.xml:{line}:")),
        "{}",
        done.err
    );
}

#[test]
fn the_launcher_is_found_through_links_and_speaks_for_its_instance() {
    let place = Place::with_instance(&[]);
    std::os::unix::fs::symlink("i/bin/artemis", place.path("link")).expect("a link");
    let done = crate::program::run(place.command(&place.path("link"), &["version"]));
    assert_eq!(done.status, 0, "{done:?}");
    let instance = done.out.lines().nth(2).expect("three lines");
    assert!(
        instance.starts_with("ActiveMQ Artemis instance: /") && instance.ends_with("/i"),
        "{instance}"
    );
    let done =
        crate::program::run(place.command(&place.path("i/bin/artemis-service"), &["status"]));
    assert_eq!(
        (done.status, done.out.as_str()),
        (3, "artemis-service is stopped\n")
    );
    let done = crate::program::run(place.command(&place.path("i/bin/artemis-service"), &["dance"]));
    assert_eq!(done.status, 2);
}
