// SPDX-License-Identifier: Apache-2.0
//! `check config`: everything that is wrong, in all of an instance's files, with its place.

use crate::program::Place;

#[test]
fn a_fresh_instance_is_valid_and_its_values_have_origins() {
    let place = Place::with_instance(&[]);
    let done = place.hind(&["check", "config", "i", "--print-effective"]);
    assert_eq!((done.status, done.err.as_str()), (0, ""), "{done:?}");
    assert!(done.out.ends_with("i: valid\n"), "{}", done.out);
    let file_size = done
        .out
        .lines()
        .find(|line| line.starts_with("journal-file-size = "))
        .expect("effective");
    assert!(file_size.contains("broker.xml:"), "{file_size}");
    assert!(
        done.out.lines().any(|line| line.ends_with("(default)")),
        "{}",
        done.out
    );
    let done = place.artemis(&["check", "config", "--json"]);
    assert!(
        done.status == 0 && done.out.starts_with("{\"valid\":true,\"errors\":[],"),
        "{done:?}"
    );
}

#[test]
fn the_memory_that_messages_may_take_is_shown_as_a_number_with_its_origin() {
    let place = Place::with_instance(&[]);
    let shown = |name: &str| {
        let done = place.hind(&["check", "config", "i", "--print-effective"]);
        let lines = done.out.lines().map(str::to_owned);
        let mut shown = lines.filter(|line| line.starts_with(name));
        shown.next().expect("a value in force")
    };
    let computed = shown("global-max-size (computed) = ");
    let (number, origin) = computed
        .trim_start_matches("global-max-size (computed) = ")
        .split_once("  (")
        .expect("a value and its origin");
    assert!(
        number.parse::<u64>().is_ok_and(|bytes| bytes > 0),
        "{computed}"
    );
    assert!(origin.starts_with("50% of "), "{computed}");
    let broker = place.read("i/etc/broker.xml");
    let written = "<global-max-size>123M</global-max-size>\n      <disk-scan-period>";
    place.write(
        "i/etc/broker.xml",
        &broker.replace("<disk-scan-period>", written),
    );
    let written = shown("global-max-size = ");
    assert!(
        written.contains("= 128974848  (") && written.contains("broker.xml:"),
        "{written}"
    );
}

#[test]
fn all_errors_of_all_files_are_reported_with_their_lines() {
    let place = Place::with_instance(&[]);
    let broker = place
        .read("i/etc/broker.xml")
        .replace("journal-pool-files", "journal-pol-files")
        .replace(">90<", ">nine<");
    let line = |text: &str, part: &str| {
        text.lines()
            .position(|line| line.contains(part))
            .expect(part)
            + 1
    };
    let (pool, usage) = (
        line(&broker, "<journal-pol-files>"),
        line(&broker, ">nine<"),
    );
    place.write("i/etc/broker.xml", &broker);
    let login = place
        .read("i/etc/login.config")
        .replace("PropertiesLoginModule", "LDAPLoginModule");
    place.write("i/etc/login.config", &login);
    let log = place
        .read("i/etc/log4j2.properties")
        .replace("rootLogger.level = INFO", "rootLogger.level = LOUD");
    place.write("i/etc/log4j2.properties", &log);
    let done = place.hind(&["check", "config", "i"]);
    assert_eq!(done.status, 1);
    let expected = [
        format!("broker.xml:{pool}:"),
        "<journal-pool-files>?".to_owned(),
        format!("broker.xml:{usage}:"),
        format!("login.config:{}:", line(&login, "LDAPLoginModule")),
        "is not built yet; refusing to start because logins would not be checked as written"
            .to_owned(),
        format!("log4j2.properties:{}:", line(&log, "LOUD")),
        "i: 4 errors".to_owned(),
    ];
    for text in expected {
        assert!(done.err.contains(&text), "no {text:?} in {}", done.err);
    }
    let done = place.hind(&["check", "config", "i", "--json"]);
    assert_eq!((done.status, done.err.as_str()), (1, ""));
    assert!(
        done.out
            .starts_with("{\"valid\":false,\"errors\":[{\"file\":"),
        "{}",
        done.out
    );
    assert!(
        done.out.contains(&format!("\"line\":{pool},")),
        "{}",
        done.out
    );
}

#[test]
fn a_single_file_can_be_checked() {
    let place = Place::with_instance(&[]);
    assert_eq!(
        place.hind(&["check", "config", "i/etc/broker.xml"]).status,
        0
    );
    place.write("bad.xml", "<configuration xmlns=\"urn:activemq\">\n<core xmlns=\"urn:activemq:core\">\n<nmae>x</nmae>\n</core></configuration>");
    let done = place.hind(&["check", "config", "bad.xml"]);
    assert_eq!(done.status, 1);
    assert!(
        done.err.starts_with("error: bad.xml:3:1:") && done.err.contains("<name>?"),
        "{}",
        done.err
    );
    let done = place.hind(&["check", "config", "missing.xml"]);
    assert!(
        done.status == 1 && done.err.contains("missing.xml"),
        "{done:?}"
    );
}

#[test]
fn a_missing_users_file_is_an_error() {
    let place = Place::with_instance(&[]);
    std::fs::remove_file(place.path("i/etc/artemis-users.properties")).expect("removed");
    let done = place.hind(&["check", "config", "i"]);
    assert_eq!(done.status, 1);
    assert!(
        done.err
            .contains("artemis-users.properties: cannot be read"),
        "{}",
        done.err
    );
}

#[test]
fn variables_come_from_the_profile_and_the_environment() {
    let place = Place::with_instance(&[]);
    let broker = place
        .read("i/etc/broker.xml")
        .replace("<name>0.0.0.0</name>", "<name>${my.name}-${MY_NAME}</name>");
    place.write("i/etc/broker.xml", &broker);
    let mut command = place.command(
        &place.path("i/bin/artemis"),
        &["check", "config", "--print-effective"],
    );
    command
        .env("ARTEMIS_CLUSTER_PROPS", "-Dother=1 -Dmy.name=one")
        .env("MY_NAME", "two");
    let done = crate::program::run(command);
    assert_eq!(done.status, 0, "{done:?}");
    assert!(done.out.contains("name = one-two"), "{}", done.out);
}

#[test]
fn the_profile_counts_with_the_launcher_and_without() {
    let place = Place::with_instance(&["--java-options=-Dmy.name=one"]);
    let broker = place.read("i/etc/broker.xml");
    place.write(
        "i/etc/broker.xml",
        &broker.replace("<name>0.0.0.0</name>", "<name>${my.name}</name>"),
    );
    for done in [
        place.hind(&["check", "config", "i", "--print-effective"]),
        place.artemis(&["check", "config", "--print-effective"]),
    ] {
        assert_eq!(done.status, 0, "{done:?}");
        assert!(done.out.contains("name = one  ("), "{}", done.out);
    }
}
