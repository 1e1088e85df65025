// SPDX-License-Identifier: Apache-2.0
//! Heart-beats and the time to live.

use std::time::Duration;

use hind_engine::event::{Block, Event};
use hind_engine::protocol::Connection as _;
use hind_stomp::Options;

use crate::talk::{Talk, header, summary};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn agreed(options: Options, version: &str, wish: &str) -> (Talk, Option<String>) {
    let mut talk = Talk::with(options);
    talk.types(&format!(
        "CONNECT\naccept-version:{version}\nhost:h\n{wish}\n^@"
    ));
    talk.let_in();
    let announced = header(&talk.said(), "heart-beat").map(str::to_owned);
    (talk, announced)
}

fn announced(wish: &str) -> Option<String> {
    agreed(Options::default(), "1.2", wish).1
}

#[test]
fn stomp_1_2_a_missing_heart_beat_header_means_none_in_either_direction() {
    let (mut talk, announced) = agreed(Options::default(), "1.2", "");
    assert_eq!(announced, None);
    talk.passes(MS(59_999));
    assert!(talk.is_open());
    assert_eq!(talk.said(), "");
}

#[test]
fn artemis_answers_with_what_it_will_do() {
    for (wish, answer) in [
        ("0,0", "0,30000"),
        ("0,1000", "1000,30000"),
        ("0,100", "500,30000"),
        ("10000,20000", "20000,10000"),
        ("100,0", "0,500"),
        ("5000, 6000", "6000,5000"),
    ] {
        assert_eq!(
            announced(&format!("heart-beat:{wish}\n")).as_deref(),
            Some(answer),
            "{wish}"
        );
    }
    assert_eq!(
        agreed(Options::default(), "1.0", "heart-beat:1000,1000\n").1,
        None
    );
}

#[test]
fn artemis_acceptor_parameters_bound_the_time_to_live() {
    let options = Options::parse([
        ("connectionTtl", "20000"),
        ("connectionTtlMin", "5000"),
        ("connectionTtlMax", "10000"),
        ("heartBeatToConnectionTtlModifier", "4.0"),
    ])
    .expect("valid parameters");
    for (wish, answer) in [
        ("0,0", "0,5000"),
        ("100,0", "0,1250"),
        ("2000,0", "0,2000"),
        ("60000,0", "0,2500"),
    ] {
        let (_, announced) = agreed(options.clone(), "1.1", &format!("heart-beat:{wish}\n"));
        assert_eq!(announced.as_deref(), Some(answer), "{wish}");
    }
}

#[test]
fn stomp_1_2_a_heart_beat_header_must_contain_two_numbers() {
    for wish in ["", "1", "1,", ",1", "a,b", "-1,0", "1,2,3", "1.5,0", "+1,0"] {
        let mut talk = Talk::new();
        talk.types(&format!(
            "CONNECT\naccept-version:1.2\nhost:h\nheart-beat:{wish}\n\n^@"
        ));
        assert!(summary(&talk.violated()).contains("heart-beat"), "{wish}");
    }
    // Longer than anybody lives is still a number.
    assert_eq!(
        announced("heart-beat:0,99999999999999999999\n").as_deref(),
        Some("4294967295,30000")
    );
}

#[test]
fn stomp_1_2_the_broker_sends_a_line_feed_when_it_has_nothing_else_to_send() {
    let (mut talk, _) = agreed(Options::default(), "1.2", "heart-beat:0,1000\n");
    let mut beats = 0;
    for _ in 0..550 {
        talk.passes(MS(100));
        let said = talk.said();
        assert!(said.is_empty() || said == "\n");
        beats += said.len();
    }
    assert!((55..=62).contains(&beats), "{beats} in 55 s");
    let deadline = talk.machine.deadline().expect("a beat is due");
    assert!(deadline.since(talk.now.monotonic) <= MS(1000));
}

#[test]
fn stomp_1_2_any_data_sent_is_as_good_as_a_heart_beat() {
    let (mut talk, _) = agreed(Options::default(), "1.2", "heart-beat:0,1000\n");
    for n in 0..20 {
        talk.passes(MS(600));
        talk.types(&format!("BEGIN\ntransaction:{n}\nreceipt:{n}\n\n^@"));
        assert_eq!(talk.said(), format!("RECEIPT\nreceipt-id:{n}\n\n^@\n"));
    }
}

#[test]
fn stomp_1_2_a_client_that_does_not_beat_as_promised_is_given_up_with_tolerance() {
    let (mut talk, _) = agreed(Options::default(), "1.2", "heart-beat:1000,0\n");
    talk.passes(MS(1999));
    assert!(talk.is_open());
    talk.passes(MS(1));
    let error = talk.given_up();
    assert!(summary(&error).contains("2000ms connection TTL"), "{error}");
    assert!(talk.violation.is_none());
}

#[test]
fn stomp_1_2_any_data_received_keeps_the_connection() {
    for data in ["\n", "\r\n", "SEND\n", "BEGIN\ntransaction:1\n\n^@"] {
        let (mut talk, _) = agreed(Options::default(), "1.2", "heart-beat:1000,0\n");
        talk.passes(MS(1500));
        talk.types(data);
        talk.passes(MS(1500));
        assert!(talk.is_open(), "{data:?}");
        talk.passes(MS(500));
        assert!(!talk.is_open(), "{data:?}");
    }
}

#[test]
fn being_offered_the_same_bytes_again_is_not_hearing_from_the_client() {
    let (mut talk, _) = agreed(Options::default(), "1.2", "heart-beat:1000,0\n");
    talk.types("SEND\ndestin");
    talk.passes(MS(1500));
    talk.tell(Event::Unblocked);
    talk.passes(MS(500));
    assert!(!talk.is_open());
}

#[test]
fn artemis_a_silent_client_without_heart_beats_lives_for_the_connection_ttl() {
    for version in ["1.0", "1.1", "1.2"] {
        let (mut talk, _) = agreed(Options::default(), version, "");
        talk.passes(MS(59_999));
        assert!(talk.is_open());
        talk.passes(MS(1));
        talk.given_up();
    }
    let (mut talk, _) = agreed(
        Options {
            connection_ttl: None,
            ..Options::default()
        },
        "1.0",
        "",
    );
    talk.passes(MS(1 << 40));
    assert!(talk.is_open());
}

#[test]
fn a_client_that_is_not_read_is_not_expected_to_be_heard() {
    let (mut talk, _) = agreed(Options::default(), "1.2", "heart-beat:1000,0\n");
    talk.asked();
    talk.tell(Event::Blocked(Block::DiskFull));
    talk.types("SEND\ndestination:q\n\nx^@");
    assert!(talk.machine.paused());
    talk.passes(MS(100_000));
    assert!(talk.is_open());
    talk.tell(Event::Unblocked);
    assert_eq!(talk.asked_send().message.body, "x");
    talk.passes(MS(1999));
    assert!(talk.is_open());
    talk.passes(MS(1));
    assert!(!talk.is_open());
}

#[test]
fn no_deadline_before_the_client_is_let_in() {
    let mut talk = Talk::new();
    assert_eq!(talk.machine.deadline(), None);
    talk.types("CONNECT\n\n^@");
    assert_eq!(talk.machine.deadline(), None);
}
