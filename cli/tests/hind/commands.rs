// SPDX-License-Identifier: Apache-2.0
//! The smaller commands, and the texts and exit statuses that scripts look at.

use crate::program::Place;

#[test]
fn version_has_three_lines_and_names_what_it_is_compatible_with() {
    let done = Place::new().hind(&["version"]);
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!((done.status, lines.len()), (0, 3), "{done:?}");
    assert!(
        lines[0].starts_with("Hind ")
            && lines[0].ends_with("(compatible with Apache ActiveMQ Artemis 2.44.0)")
    );
    assert!(lines[1].starts_with("ActiveMQ Artemis home: /"));
    assert_eq!(lines[2], "ActiveMQ Artemis instance: null");
}

/// Recorded from Artemis 2.44.0.
#[test]
fn mask_prints_what_the_java_command_prints() {
    let place = Place::new();
    assert_eq!(
        place.hind(&["mask", "secret"]).out,
        "result: -41e444c3ed07d6dd\n"
    );
    assert_eq!(place.hind(&["mask", "--key", "foofoo", "secret"]).status, 0);
    assert_eq!(
        place.hind(&["mask", "secret", "--key", "foo"]).status,
        1,
        "Blowfish needs four bytes"
    );
}

#[test]
fn a_hash_is_another_each_time_and_lets_its_user_in() {
    let place = Place::new();
    let hash = || {
        let done = place.hind(&["mask", "--hash", "secret"]);
        assert_eq!(done.status, 0);
        done.out
            .trim()
            .strip_prefix("result: ")
            .expect("a result")
            .to_owned()
    };
    let (first, second) = (hash(), hash());
    assert_ne!(first, second);
    for hash in [first, second] {
        assert!(hind_config::masked::verify_hash("secret", &hash), "{hash}");
        assert!(!hind_config::masked::verify_hash("Secret", &hash), "{hash}");
    }
}

#[test]
fn mistakes_are_named_on_standard_error_with_status_1() {
    let place = Place::new();
    let rows: [(&[&str], &str); 5] = [
        (&["nosuch"], "Unmatched argument at index 0: 'nosuch'"),
        (&["version", "--bogus"], "Unknown option: '--bogus'"),
        (&["create"], "Missing required parameter: '<directory>'"),
        (
            &["create", "x", "--port-offset", "abc"],
            "Invalid value for option '--port-offset': 'abc' is not an int",
        ),
        (&["user"], "Missing required subcommand"),
    ];
    for (words, expected) in rows {
        let done = place.hind(words);
        if words == ["user"] {
            // A group without its command prints its help, as the Java command does.
            assert_eq!(done.status, 0, "{done:?}");
            assert!(
                done.out.contains("list") && done.out.contains("reset"),
                "{done:?}"
            );
            continue;
        }
        assert_eq!((done.status, done.out.as_str()), (1, ""), "{words:?}");
        assert_eq!(done.err.lines().next(), Some(expected), "{words:?}");
        assert!(!done.err.contains("panicked"));
    }
}

#[test]
fn help_names_the_commands_and_their_flags() {
    let place = Place::new();
    let done = place.hind(&["help"]);
    assert_eq!(done.status, 0);
    for command in [
        "create",
        "run",
        "stop",
        "kill",
        "user",
        "mask",
        "perf-journal",
        "version",
        "completion",
        "check",
    ] {
        assert!(
            done.out.contains(&format!("  {command}")),
            "no {command} in {}",
            done.out
        );
    }
    let done = place.hind(&["help", "create"]);
    assert!(
        done.status == 0
            && done.out.contains("--port-offset")
            && done.out.contains("--static-cluster")
    );
    assert_eq!(place.hind(&["help", "nosuch"]).status, 0);
}

#[test]
fn an_instance_without_arguments_prints_the_help() {
    let place = Place::with_instance(&[]);
    let done = place.artemis(&[]);
    assert_eq!(done.status, 0, "{done:?}");
    assert!(done.out.contains("perf-journal"));
}

#[test]
fn commands_of_an_instance_say_how_they_are_told_which() {
    let done = Place::new().hind(&["stop"]);
    assert_eq!(done.status, 1);
    assert!(done.err.contains("--instance DIRECTORY"), "{}", done.err);
}

#[test]
fn stop_and_kill_leave_their_markers_beside_broker_xml() {
    let place = Place::with_instance(&[]);
    for (command, marker) in [("stop", "i/etc/STOP_ME"), ("kill", "i/etc/KILL_ME")] {
        let done = place.artemis(&[command]);
        assert_eq!((done.status, done.out.as_str()), (0, ""), "{done:?}");
        assert!(place.path(marker).exists(), "{marker}");
    }
    let done = place.hind(&["stop", "--instance", "i"]);
    assert_eq!(done.status, 0, "{done:?}");
}

#[test]
fn perf_journal_measures_and_cleans_up() {
    let place = Place::with_instance(&[]);
    let words = [
        "perf-journal",
        "--writes",
        "5",
        "--tries",
        "2",
        "--block-size",
        "512",
    ];
    let done = place.artemis(&words);
    assert_eq!(done.status, 0, "{done:?}");
    for text in [
        "write+fdatasync: min ",
        "p50 ",
        "p99 ",
        "Your journal-buffer-timeout should be:",
        "sync=true in ",
    ] {
        assert!(done.out.contains(text), "no {text} in {}", done.out);
    }
    assert!(!place.path("i/data/test.tmp").exists());
    let done = place.artemis(&[words.as_slice(), &["--no-sync", "--json"]].concat());
    assert!(
        done.out
            .starts_with("{\"block_size\":512,\"writes\":5,\"tries\":2,\"sync\":false,\"min_ns\":"),
        "{}",
        done.out
    );
    place.write("i/data/mine", "x");
    let done = place.artemis(&[words.as_slice(), &["--file", "mine"]].concat());
    assert_eq!(
        (done.status, place.read("i/data/mine").as_str()),
        (1, "x"),
        "a file that exists is left alone"
    );
}

#[test]
fn completions_and_manual_pages_come_from_the_same_definition() {
    let place = Place::new();
    let done = place.hind(&["completion", "bash"]);
    assert!(
        done.status == 0
            && done.out.contains("--user-command-password")
            && done.out.contains("_artemis")
    );
    let done = place.hind(&["completion", "zsh", "--start-script", "/usr/bin/hind"]);
    assert!(done.out.starts_with("#compdef hind"), "{}", &done.out[..40]);
    let done = place.hind(&["man"]);
    assert!(
        done.status == 0 && done.out.contains(".TH hind 1"),
        "{}",
        &done.out[..80]
    );
    assert_eq!(place.hind(&["man", "--directory", "pages"]).status, 0);
    assert!(place.read("pages/hind-create.1").contains("port\\-offset"));
    assert!(
        place
            .read("pages/hind-user-add.1")
            .contains("user\\-command\\-user")
    );
}
