// SPDX-License-Identifier: Apache-2.0
//! STOMP 1.2 §Size Limits: what exceeds one is refused when it is seen, not when it has been stored.

use hind_stomp::Options;

use crate::talk::{Talk, header, summary};

/// Sends endlessly until the machine gives up; how many octets it took.
fn octets_until_given_up(talk: &mut Talk, endless: &[u8]) -> usize {
    let mut sent = 0;
    while talk.is_open() {
        talk.sends(endless);
        sent += endless.len();
        assert!(
            talk.unread().len() <= 64 * 1024 + 2 * endless.len(),
            "the input is not hoarded"
        );
        assert!(sent < 64 * 1024 * 1024, "never given up");
    }
    sent
}

#[test]
fn stomp_1_2_more_content_length_than_allowed_is_refused_at_its_header() {
    let in_memory = Options {
        large_message_bytes_min: None,
        ..Options::default()
    };
    let bounded = Options {
        body_bytes_max: 1_073_741_823,
        ..Options::default()
    };
    for (length, options) in [
        ("1073741824", &in_memory),
        ("1073741824", &bounded),
        ("18446744073709551615", &Options::default()),
        ("99999999999999999999999999", &Options::default()),
    ] {
        let mut talk = Talk::with(options.clone()).connect("accept-version:1.2\n");
        talk.types(&format!(
            "SEND\ndestination:q\nreceipt:r\ncontent-length:{length}\n"
        ));
        let error = talk.violated();
        assert!(
            summary(&error).contains("body exceeds the limit"),
            "{error}"
        );
        assert_eq!(header(&error, "receipt-id"), Some("r"));
    }
}

#[test]
fn stomp_1_2_a_million_headers_are_refused() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\n");
    let sent = octets_until_given_up(&mut talk, &b"h:v\n".repeat(100));
    assert!(sent < 8 * 1024, "{sent}");
    assert!(talk.violated().contains("number of headers"));
}

#[test]
fn stomp_1_2_an_endless_header_line_is_refused() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\nh:");
    let sent = octets_until_given_up(&mut talk, &[b'x'; 1000]);
    assert!(sent <= 67_000, "{sent}");
    assert!(talk.violated().contains("header line"));
}

#[test]
fn stomp_1_2_long_headers_together_are_refused() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\n");
    let line = format!("h:{}\n", "x".repeat(50_000));
    let sent = octets_until_given_up(&mut talk, line.as_bytes());
    assert!(sent <= 310_000, "{sent}");
    assert!(talk.violated().contains("all headers"));
}

#[test]
fn stomp_1_2_an_endless_body_is_refused_while_it_grows() {
    let mut talk = Talk::with(Options {
        body_bytes_max: 20_000,
        ..Options::default()
    })
    .connect("accept-version:1.2\n");
    talk.types("SEND\ndestination:q\n\n");
    let sent = octets_until_given_up(&mut talk, &[b'x'; 1000]);
    assert_eq!(sent, 21_000);
    assert!(talk.violated().contains("body exceeds the limit of 20000"));
}

#[test]
fn stomp_1_2_a_body_as_large_as_allowed_is_taken() {
    for (size, taken) in [(20_000, true), (20_001, false)] {
        let options = Options {
            body_bytes_max: 20_000,
            ..Options::default()
        };
        for length in [String::new(), format!("content-length:{size}\n")] {
            let mut talk = Talk::with(options.clone()).connect("accept-version:1.2\n");
            let body = "x".repeat(size);
            talk.types(&format!("SEND\ndestination:q\n{length}\n{body}^@"));
            assert_eq!(talk.is_open(), taken, "{size} {length}");
            assert_eq!(talk.asked().len(), usize::from(taken));
        }
    }
}

#[test]
fn a_stranger_may_say_little() {
    for (frame, endless) in [
        ("CONNECT\n", &b"h:v\n"[..]),
        ("CONNECT\nh:", &[b'x'; 100]),
        ("CONNECT\n\n", &[b'x'; 100]),
        ("", &[b'x'; 100]),
        ("SEND\ndestination:q\n\n", &[b'x'; 100]),
    ] {
        let mut talk = Talk::new();
        talk.types(frame);
        assert!(
            octets_until_given_up(&mut talk, endless) <= 16_500,
            "{frame:?}"
        );
    }
    let mut talk = Talk::new();
    talk.types("CONNECT\ncontent-length:100000\n");
    talk.violated();
}

#[test]
fn a_stray_body_is_bounded_too() {
    let mut talk = Talk::connected("1.2");
    talk.types("BEGIN\ntransaction:t\n\n");
    let sent = octets_until_given_up(&mut talk, &[b'x'; 1000]);
    assert!(sent <= 67_000, "{sent}");
}

#[test]
fn heart_beats_alone_take_no_memory() {
    let mut talk = Talk::connected("1.2");
    for _ in 0..1000 {
        talk.sends(&[b'\n'; 1000]);
        assert!(talk.unread().is_empty());
    }
    assert!(talk.is_open());
}

#[test]
fn transactions_and_subscriptions_are_bounded() {
    let mut talk = Talk::connected("1.2");
    for n in 0..=1000 {
        talk.types(&format!("BEGIN\ntransaction:{n}\n\n^@"));
    }
    assert!(
        talk.given_up()
            .contains("limit reached\\c 1000 open transactions")
    );
    let mut talk = Talk::connected("1.2");
    for n in 0..=10_000 {
        talk.types(&format!("SUBSCRIBE\ndestination:q\nid:{n}\n\n^@"));
    }
    assert!(
        talk.given_up()
            .contains("limit reached\\c 10000 subscriptions")
    );
}
