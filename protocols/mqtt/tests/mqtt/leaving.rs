// SPDX-License-Identifier: Apache-2.0
//! DISCONNECT.

use hind_engine::client_session::SessionExpiry;
use hind_engine::command::{ClientSessionCommand, Command, SessionCommand};
use hind_engine::protocol::Close;

use crate::talk::{Talk, octets};

fn left(talk: &mut Talk) -> (bool, Option<SessionExpiry>) {
    assert_eq!(talk.close, Some(Close::Orderly));
    assert_eq!(talk.said(), []);
    match &talk.asked()[..] {
        [
            Command::ClientSession(_, ClientSessionCommand::Leave { will, expiry }),
            Command::Session(_, SessionCommand::Close),
        ] => (*will, *expiry),
        other => panic!("expected the client to leave: {other:?}"),
    }
}

#[test]
fn mqtt_3_14_4_3_who_leaves_in_peace_leaves_no_will() {
    for mut talk in [Talk::v3_1(), Talk::v3_1_1(), Talk::v5()] {
        talk.sends(0xe0, "");
        assert_eq!(left(&mut talk), (false, None));
    }
    for (body, will) in [
        ("00", false),
        ("00 00", false),
        ("04", true),
        ("80", true),
        ("99", true),
    ] {
        let mut talk = Talk::v5();
        talk.sends(0xe0, body);
        assert_eq!(left(&mut talk), (will, None), "{body}");
    }
}

#[test]
fn mqtt_3_14_2_2_2_the_session_may_be_kept_for_longer_or_shorter_but_not_after_all() {
    let mut talk = Talk::new().connect("<MQTT> 05 00 003c 05 11 0000003c <c>");
    talk.sends(0xe0, "00 05 11 00000005");
    assert_eq!(left(&mut talk), (false, Some(SessionExpiry(5))));
    let mut talk = Talk::v5();
    talk.sends(0xe0, "00 05 11 00000001");
    assert_eq!(talk.violated(), octets("e0 01 82"));
    let mut talk = Talk::v5();
    talk.sends(0xe0, "00 05 11 00000000");
    assert_eq!(left(&mut talk), (false, Some(SessionExpiry::AT_ONCE)));
}

#[test]
fn mqtt_3_14_2_1_a_reason_that_only_a_server_gives_ends_the_connection_as_if_it_was_lost() {
    for reason in ["01", "05", "8b", "8d", "8e", "9c", "a2", "ff"] {
        let mut talk = Talk::v5();
        talk.sends(0xe0, reason);
        assert_eq!(talk.violated(), [], "{reason}");
        assert!(talk.asked().is_empty());
    }
}

#[test]
fn mqtt_3_14_a_disconnect_that_cannot_be_read_is_answered_by_one() {
    for (body, reason) in [
        ("00 01 00", 0x81),
        ("00 01 11", 0x81),
        ("00 02 0100", 0x82),
        ("00 00 00", 0x81),
    ] {
        let mut talk = Talk::v5();
        talk.sends(0xe0, body);
        assert_eq!(talk.violated(), [0xe0, 1, reason], "{body}");
    }
    let mut talk = Talk::v3_1_1();
    talk.sends(0xe0, "00");
    assert_eq!(talk.violated(), []);
}

#[test]
fn mqtt_3_14_4_2_nothing_is_read_after_a_disconnect() {
    let mut talk = Talk::v5();
    talk.sends_octets(&octets("e0 00 30 05 <a> 00 'x'"));
    assert_eq!(left(&mut talk), (false, None));
    assert!(talk.unread().is_empty());
}
