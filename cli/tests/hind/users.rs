// SPDX-License-Identifier: Apache-2.0
//! `user` on an instance's two files.

use crate::program::{Done, Place};
use std::os::unix::fs::PermissionsExt;

fn place() -> Place {
    Place::with_instance(&["--user", "admin", "--password", "secret"])
}

fn user(place: &Place, words: &[&str]) -> Done {
    place.artemis(&[&["user"], words].concat())
}

fn list(place: &Place) -> Vec<String> {
    let done = user(place, &["list"]);
    assert_eq!(done.status, 0, "{done:?}");
    done.out.lines().map(str::to_owned).collect()
}

#[test]
fn users_are_added_listed_reset_and_removed() {
    let place = place();
    let done = user(
        &place,
        &[
            "add",
            "--user-command-user",
            "bob",
            "--user-command-password",
            "b",
            "--role",
            "amq,view",
        ],
    );
    assert_eq!(
        (done.status, done.out.as_str()),
        (0, "bob added successfully.\n"),
        "{done:?}"
    );
    assert_eq!(
        list(&place),
        [
            "--- \"user\"(roles) ---",
            "\"admin\"(amq)",
            "\"bob\"(amq,view)",
            "",
            " Total: 2"
        ]
    );
    let stored = place.read("i/etc/artemis-users.properties");
    assert!(stored.contains("\nbob = ENC(1024:"), "{stored}");

    let done = user(
        &place,
        &["reset", "--user-command-user", "bob", "--role", "send"],
    );
    assert_eq!(
        (done.status, done.out.as_str()),
        (0, "bob reset successfully.\n")
    );
    assert_eq!(
        place.read("i/etc/artemis-users.properties"),
        stored,
        "only the roles were reset"
    );
    let done = user(
        &place,
        &[
            "reset",
            "--user-command-user",
            "bob",
            "--user-command-password",
            "c",
            "--plaintext",
        ],
    );
    assert_eq!(done.status, 0);
    assert!(
        place
            .read("i/etc/artemis-users.properties")
            .contains("\nbob = c\n")
    );
    assert_eq!(list(&place)[2], "\"bob\"(send)");

    let done = user(&place, &["rm", "--user-command-user", "bob"]);
    assert_eq!(
        (done.status, done.out.as_str()),
        (0, "bob removed successfully.\n")
    );
    assert_eq!(
        list(&place),
        ["--- \"user\"(roles) ---", "\"admin\"(amq)", "", " Total: 1"]
    );
    assert!(
        place
            .read("i/etc/artemis-users.properties")
            .starts_with("# Users"),
        "comments stay"
    );
}

#[test]
fn the_flags_of_a_connection_are_accepted() {
    let place = place();
    let done = user(
        &place,
        &[
            "list",
            "--user",
            "admin",
            "--password",
            "secret",
            "--url",
            "tcp://localhost:61616",
        ],
    );
    assert_eq!(done.status, 0, "{done:?}");
}

#[test]
fn failures_have_their_reason_and_status_1() {
    let place = place();
    let rows: [(&[&str], &str); 5] = [
        (
            &[
                "add",
                "--user-command-user",
                "admin",
                "--user-command-password",
                "x",
                "--role",
                "amq",
            ],
            "Failed to add user admin. Reason: AMQ229223: User admin already exists\n",
        ),
        (
            &[
                "reset",
                "--user-command-user",
                "eve",
                "--user-command-password",
                "x",
            ],
            "Failed to reset user eve. Reason: AMQ229224: User eve does not exist\n",
        ),
        (
            &["rm", "--user-command-user", "eve"],
            "Failed to remove user eve. Reason: AMQ229224: User eve does not exist\n",
        ),
        (
            &["rm", "--silent"],
            "Missing required option: '--user-command-user'\n",
        ),
        (
            &[
                "add",
                "--silent",
                "--user-command-user",
                "eve",
                "--role",
                "amq",
            ],
            "Missing required option: '--user-command-password'\n",
        ),
    ];
    for (words, expected) in rows {
        let done = user(&place, words);
        assert_eq!((done.status, done.err.as_str()), (1, expected), "{words:?}");
    }
}

#[test]
fn adds_at_the_same_time_are_all_kept() {
    let place = place();
    let names: Vec<String> = (0..12).map(|number| format!("user{number:02}")).collect();
    let statuses: Vec<i32> = std::thread::scope(|scope| {
        let place = &place;
        let adds: Vec<_> = names
            .iter()
            .map(|name| {
                scope.spawn(move || {
                    let words = [
                        "add",
                        "--user-command-user",
                        name,
                        "--user-command-password",
                        "x",
                        "--role",
                        "amq",
                    ];
                    user(place, &words).status
                })
            })
            .collect();
        adds.into_iter()
            .map(|add| add.join().expect("no panic"))
            .collect()
    });
    assert!(statuses.iter().all(|status| *status == 0), "{statuses:?}");
    let listed = list(&place);
    for name in &names {
        assert!(
            listed.contains(&format!("\"{name}\"(amq)")),
            "{name} is lost: {listed:?}"
        );
    }
    assert_eq!(listed.last().map(String::as_str), Some(" Total: 13"));
}

#[test]
fn an_edit_keeps_the_mode_and_a_link() {
    let place = place();
    std::fs::rename(
        place.path("i/etc/artemis-users.properties"),
        place.path("mounted"),
    )
    .expect("moved");
    std::fs::set_permissions(
        place.path("mounted"),
        std::fs::Permissions::from_mode(0o640),
    )
    .expect("mode");
    std::os::unix::fs::symlink(
        place.path("mounted"),
        place.path("i/etc/artemis-users.properties"),
    )
    .expect("a link");
    let done = user(
        &place,
        &[
            "add",
            "--user-command-user",
            "bob",
            "--user-command-password",
            "b",
            "--role",
            "amq",
        ],
    );
    assert_eq!(done.status, 0, "{done:?}");
    assert!(place.path("i/etc/artemis-users.properties").is_symlink());
    assert!(place.read("mounted").contains("bob = "));
    let mode = std::fs::metadata(place.path("mounted"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(!place.path("i/etc/.artemis-users.properties.new").exists());
}

#[test]
fn a_users_file_that_cannot_be_read_is_not_overwritten() {
    let place = place();
    place.write("i/etc/artemis-users.properties", "admin = \\u00zz\n");
    let done = user(
        &place,
        &[
            "add",
            "--user-command-user",
            "bob",
            "--user-command-password",
            "b",
            "--role",
            "amq",
        ],
    );
    assert_eq!(done.status, 1);
    assert!(
        done.err.contains("artemis-users.properties:1:1:"),
        "{}",
        done.err
    );
    assert_eq!(
        place.read("i/etc/artemis-users.properties"),
        "admin = \\u00zz\n"
    );
}
