// SPDX-License-Identifier: Apache-2.0
//! From the first octet to CONNECTED or ERROR.

use hind_engine::command::{Command, SessionCommand};
use hind_engine::event::{Event, Refusal};
use hind_engine::id::Ticket;
use hind_stomp::Options;

use crate::talk::{Talk, header, summary};

fn welcomed(connect: &str) -> String {
    let mut talk = Talk::new();
    talk.types(connect);
    talk.let_in();
    let said = talk.said();
    assert!(
        said.starts_with("CONNECTED\n") && said.ends_with("\n\n^@\n"),
        "{said}"
    );
    said
}

#[test]
fn stomp_1_2_highest_common_version_is_used() {
    for (accepted, agreed) in [
        ("1.2", "1.2"),
        ("1.1", "1.1"),
        ("1.0", "1.0"),
        ("1.0,1.1,2.0", "1.1"),
        ("1.0,1.1,1.2", "1.2"),
        ("1.2,1.0", "1.2"),
        ("1.0, 1.2", "1.2"),
    ] {
        let said = welcomed(&format!("CONNECT\naccept-version:{accepted}\nhost:h\n\n^@"));
        assert_eq!(header(&said, "version"), Some(agreed), "{accepted}");
    }
}

#[test]
fn stomp_1_1_no_accept_version_means_1_0() {
    let said = welcomed("CONNECT\n\n^@");
    assert_eq!(header(&said, "version"), None);
    assert_eq!(header(&said, "server"), None);
    assert_eq!(header(&said, "session"), Some("0000002a"));
}

#[test]
fn stomp_1_2_no_common_version_is_an_error_with_versions_and_closes() {
    let mut talk = Talk::new();
    talk.types("CONNECT\naccept-version:3.0\nhost:h\n\n^@");
    let error = talk.violated();
    assert_eq!(header(&error, "version"), Some("1.0,1.1,1.2"));
    assert!(summary(&error).starts_with("AMQ339002: "));
    assert!(error.ends_with("\n\nSupported protocol versions are v1.0 v1.1 v1.2^@\n"));
}

#[test]
fn stomp_1_2_stomp_frame_is_handled_as_connect() {
    let said = welcomed("STOMP\naccept-version:1.2\nhost:h\n\n^@");
    assert_eq!(header(&said, "version"), Some("1.2"));
    assert_eq!(
        header(&welcomed("STOMP\n\n^@"), "session"),
        Some("0000002a")
    );
}

#[test]
fn stomp_1_2_connected_names_version_session_and_server() {
    let said = welcomed("CONNECT\naccept-version:1.2\nhost:h\nrequest-id:7\n\n^@");
    let server = concat!("Hind/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        said,
        format!("CONNECTED\nversion:1.2\nsession:0000002a\nserver:{server}\nresponse-id:7\n\n^@\n")
    );
}

#[test]
fn artemis_server_header_is_the_hosts_and_can_be_disabled() {
    for (disabled, expected) in [
        (false, Some("Hind/9 (ActiveMQ-Artemis/2.44.0)")),
        (true, None),
    ] {
        let mut talk = Talk::with(Options {
            server: "Hind/9 (ActiveMQ-Artemis/2.44.0)".to_owned(),
            server_header_disabled: disabled,
            ..Options::default()
        });
        talk.types("CONNECT\naccept-version:1.1\nhost:h\n\n^@");
        talk.let_in();
        assert_eq!(header(&talk.said(), "server"), expected);
    }
}

#[test]
fn stomp_1_2_connect_without_host_is_let_in() {
    assert_eq!(
        header(&welcomed("CONNECT\naccept-version:1.2\n\n^@"), "version"),
        Some("1.2")
    );
}

#[test]
fn stomp_1_2_login_and_passcode_reach_the_login_modules() {
    let mut talk = Talk::new();
    talk.types("CONNECT\naccept-version:1.2\nhost:h\nlogin:u\npasscode: p\\x:y \n\n^@");
    let credentials = talk.login();
    assert_eq!(credentials.user.as_deref(), Some("u"));
    // Neither trimmed nor unescaped.
    assert_eq!(credentials.password.as_deref(), Some(" p\\x:y "));
}

#[test]
fn stomp_1_0_padded_login_is_trimmed() {
    let mut talk = Talk::new();
    talk.types("CONNECT\nlogin: u\npasscode: p\n\n^@");
    let credentials = talk.login();
    assert_eq!(credentials.user.as_deref(), Some("u"));
    assert_eq!(credentials.password.as_deref(), Some("p"));
}

#[test]
fn stomp_1_2_rejected_connection_is_an_error_and_closes() {
    let mut talk = Talk::new();
    talk.types("CONNECT\naccept-version:1.1\nhost:h\nlogin:u\n\n^@");
    talk.refuse(
        Some(Ticket(0)),
        Refusal::NotAuthenticated {
            user: Some("u".to_owned()),
        },
    );
    let error = talk.given_up();
    assert_eq!(
        header(&error, "message"),
        Some("Security Error occurred\\c User name [u] or password is invalid")
    );
    assert!(talk.violation.is_none());
}

#[test]
fn nothing_is_read_while_the_login_is_checked() {
    use hind_engine::protocol::Connection as _;
    let mut talk = Talk::new();
    assert!(!talk.machine.paused());
    talk.types("CONNECT\naccept-version:1.2\nhost:h\nclient-id:c\n\n^@\nSEND\ndestination:q\n\n^@");
    assert!(talk.machine.paused());
    assert_eq!(talk.unread(), b"\nSEND\ndestination:q\n\n\0");
    assert!(talk.asked().is_empty());
    talk.let_in();
    assert!(!talk.machine.paused());
    let commands = talk.asked();
    assert!(matches!(
        &commands[0],
        Command::Session(_, SessionCommand::Open { client_id: Some(id), .. }) if **id == *"c"
    ));
    assert!(matches!(&commands[1], Command::Send(..)));
}

#[test]
fn stomp_1_2_a_frame_before_connect_is_an_error_and_closes() {
    for frame in [
        "SEND\ndestination:q\n\nhello^@",
        "SUBSCRIBE\ndestination:q\nid:1\n\n^@",
        "DISCONNECT\nreceipt:1\n\n^@",
        "ACK\nid:1,2\n\n^@",
    ] {
        let mut talk = Talk::new();
        talk.types(frame);
        let error = talk.violated();
        assert!(summary(&error).starts_with("AMQ339008: "), "{frame}");
        assert!(talk.asked().is_empty());
    }
}

#[test]
fn stomp_1_2_a_second_connect_is_an_error_and_closes() {
    for again in ["CONNECT\naccept-version:1.2\nhost:h\n\n^@", "STOMP\n\n^@"] {
        let mut talk = Talk::connected("1.2");
        talk.types(again);
        assert!(summary(&talk.violated()).starts_with("AMQ339029\\c "));
    }
}

#[test]
fn telnet_blank_lines_before_and_between_frames_are_passed_over() {
    for blank in ["\n", "\r\n", "\n\n\r\n\n"] {
        let mut talk = Talk::new();
        talk.types(&format!(
            "{blank}CONNECT\r\naccept-version:1.2\r\nhost:h\r\n\r\n^@{blank}"
        ));
        talk.let_in();
        assert_eq!(header(&talk.said(), "version"), Some("1.2"));
        talk.asked();
        talk.types(&format!(
            "{blank}SEND\r\ndestination:q\r\n\r\nhello^@{blank}"
        ));
        assert_eq!(talk.asked_send().message.body, "hello");
    }
}

#[test]
fn telnet_a_person_types_a_session_one_key_at_a_time() {
    let mut talk = Talk::new();
    for key in "\r\nCONNECT\r\n\r\n^@\r\n".replace("^@", "\0").bytes() {
        talk.sends(&[key]);
    }
    talk.let_in();
    assert_eq!(talk.said(), "CONNECTED\nsession:0000002a\n\n^@\n");
    talk.asked();
    for key in "SEND\r\ndestination:q\r\n\r\nhello\r\n^@\r\n"
        .replace("^@", "\0")
        .bytes()
    {
        talk.sends(&[key]);
    }
    assert_eq!(talk.asked_send().message.body, "hello\r\n");
}

#[test]
fn something_that_is_not_stomp_is_an_error_and_closes() {
    for junk in [
        "GET / HTTP/1.1\r\n",
        "connect\n\n^@",
        "CONNECTED\n\n^@",
        "\u{1}\u{2}^@^@^@^@^@^@^@^@^@^@^@^@",
        "MESSAGE\n",
    ] {
        let mut talk = Talk::new();
        talk.types(junk);
        assert!(
            summary(&talk.violated()).starts_with("AMQ339029: "),
            "{junk:?}"
        );
    }
}

#[test]
fn events_that_come_too_early_or_too_late_do_nothing() {
    let mut talk = Talk::new();
    talk.tell(Event::Done(Ticket(3)));
    talk.refuse(None, Refusal::Stopping);
    assert!(talk.is_open() && talk.said().is_empty());
    let mut talk = Talk::connected("1.2");
    talk.tell(Event::Done(Ticket(77)));
    assert!(talk.is_open() && talk.said().is_empty());
}
