// SPDX-License-Identifier: Apache-2.0
//! What is a frame and what is not, by version.

use crate::talk::{Talk, header, summary, text};

const VERSIONS: [&str; 3] = ["1.0", "1.1", "1.2"];

/// The value of header `h` after a SEND in which it was written so.
fn received(version: &str, written: &str) -> String {
    let mut talk = Talk::connected(version);
    talk.types(&format!("SEND\ndestination:q\nh:{written}\n\n^@"));
    let message = talk.asked_send().message;
    message
        .properties
        .text("h")
        .expect("the property is kept")
        .to_owned()
}

/// The `message` of the ERROR that a frame causes, escapes undone.
fn refused(version: &str, frame: &str) -> String {
    let mut talk = Talk::connected(version);
    talk.types(frame);
    let error = talk.violated();
    assert!(
        talk.asked().is_empty(),
        "nothing is done for a malformed frame"
    );
    let message = summary(&error);
    message.replace("\\c", ":").replace("\\\\", "\\")
}

#[test]
fn stomp_1_2_escapes_are_undone() {
    assert_eq!(received("1.2", "a\\nb\\cc\\\\d\\re"), "a\nb:c\\d\re");
}

#[test]
fn stomp_1_1_escapes_are_undone() {
    assert_eq!(received("1.1", "a\\nb\\cc\\\\d"), "a\nb:c\\d");
}

#[test]
fn stomp_1_0_has_no_escapes() {
    assert_eq!(received("1.0", "a\\nb\\cc\\\\d\\t"), "a\\nb\\cc\\\\d\\t");
}

#[test]
fn stomp_1_2_header_names_are_unescaped_too() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\na\\cb\\n:v\n\n^@");
    assert_eq!(
        talk.asked_send().message.properties.text("a:b\n"),
        Some("v")
    );
}

#[test]
fn stomp_1_1_undefined_escape_is_fatal() {
    for escape in ["\\t", "\\r", "\\", "\\\\\\x", "\\N"] {
        let message = refused("1.1", &format!("SEND\ndestination:q\nh:{escape}\n\n^@"));
        assert!(
            message.starts_with("AMQ339040: Undefined escape sequence: "),
            "{message}"
        );
    }
}

#[test]
fn stomp_1_2_undefined_escape_is_fatal() {
    for escape in ["\\t", "\\", "x\\", "\\\\\\x", "\\C", "\\0"] {
        let message = refused("1.2", &format!("SEND\ndestination:q\nh:{escape}\n\n^@"));
        assert!(
            message.starts_with("AMQ339040: Undefined escape sequence: "),
            "{message}"
        );
        let message = refused("1.2", &format!("SEND\ndestination:q\n{escape}:v\n\n^@"));
        assert!(
            message.starts_with("AMQ339040: Undefined escape sequence: "),
            "{message}"
        );
    }
}

#[test]
fn stomp_1_2_what_is_sent_is_escaped() {
    for (version, expected) in [
        ("1.2", "h\\cn:a\\nb\\cc\\\\d\\re"),
        ("1.1", "h\\cn:a\\nb\\cc\\\\d e"),
        ("1.0", "h n:a b:c\\d e"),
    ] {
        let mut sender = Talk::connected("1.2");
        sender.types("SEND\ndestination:q\nh\\cn:a\\nb\\cc\\\\d\\re\n\n^@");
        let message = sender.asked_send().message;
        let mut talk = Talk::connected(version);
        let consumer = talk.subscribed("destination:q\nid:1\n");
        talk.deliver(consumer, message);
        let said = talk.said();
        assert!(
            said.lines().any(|line| line == expected),
            "{version}: {said}"
        );
    }
}

#[test]
fn no_property_can_break_a_frame_or_add_a_header() {
    use hind_engine::message::{PropertiesBuilder, Value};
    for version in VERSIONS {
        let mut talk = Talk::connected(version);
        let consumer = talk.subscribed("destination:q\nid:1\n");
        let mut message = text(7, "x");
        let mut builder = PropertiesBuilder::default();
        builder.push("evil", Value::Text("v\ndestination:other\n\nbody\0"));
        builder.push("na\nme\0:x", Value::Text("v"));
        builder.push("content-length", Value::Text("9"));
        builder.push("subscription", Value::Text("9"));
        builder.push("ack", Value::Text("9"));
        builder.push("", Value::Text("nameless"));
        message.properties = builder.finish();
        talk.deliver(consumer, message);
        let said = talk.said();
        assert_eq!(said.matches("^@").count(), 1, "{said}");
        assert!(said.ends_with("\n\nx^@\n"), "{said}");
        for name in ["destination", "subscription"] {
            assert_eq!(said.matches(&format!("\n{name}:")).count(), 1, "{said}");
        }
        assert_eq!(said.matches("\nack:").count(), 0, "{said}");
        assert_ne!(header(&said, "content-length"), Some("9"));
        assert_eq!(said.matches("\n:").count(), 0, "{said}");
    }
}

#[test]
fn stomp_1_2_values_are_never_trimmed() {
    assert_eq!(received("1.2", "  a b  "), "  a b  ");
    assert_eq!(received("1.1", "  a b  "), "  a b  ");
}

#[test]
fn stomp_1_0_padded_values_are_trimmed_in_front() {
    let mut talk = Talk::connected("1.0");
    talk.types("SEND\ndestination: /queue/a\n\nhello^@");
    assert_eq!(&*talk.asked_send().message.address, "/queue/a");
}

#[test]
fn stomp_1_2_repeated_header_entries_first_wins() {
    for version in VERSIONS {
        let mut talk = Talk::connected(version);
        talk.types(
            "SEND\ndestination:q\ndestination:other\npriority:7\npriority:1\ncontent-length:5\ncontent-length:1\n\
             foo:World\nfoo:Hello\n\nhello^@",
        );
        let send = talk.asked_send();
        assert_eq!(&*send.message.address, "q", "{version}");
        assert_eq!(send.message.priority, 7);
        assert_eq!(send.message.body, "hello");
        assert_eq!(send.message.properties.text("foo"), Some("World"));
    }
}

#[test]
fn stomp_1_2_header_lines_may_end_with_carriage_return_and_line_feed() {
    for version in VERSIONS {
        let mut talk = Talk::connected(version);
        talk.types("SEND\r\ndestination:q\r\nh:v\r\n\r\nbody\r\n^@\r\n");
        let send = talk.asked_send();
        assert_eq!(&*send.message.address, "q");
        assert_eq!(send.message.properties.text("h"), Some("v"));
        assert_eq!(send.message.body, "body\r\n");
    }
}

#[test]
fn stomp_1_2_a_carriage_return_inside_a_header_is_an_error() {
    assert!(refused("1.2", "SEND\ndestination:q\nh:a\rb\n\n^@").starts_with("AMQ339020: "));
    assert_eq!(received("1.1", "a\rb"), "a\rb");
}

#[test]
fn a_carriage_return_between_frames_without_line_feed_is_an_error() {
    assert!(refused("1.2", "\rSEND\ndestination:q\n\n^@").starts_with("AMQ339020: "));
}

#[test]
fn stomp_1_2_a_header_without_colon_or_name_is_an_error() {
    for version in VERSIONS {
        for line in ["nocolon", ":noname", ":", "a\\cb"] {
            let message = refused(version, &format!("SEND\ndestination:q\n{line}\n\n^@"));
            assert!(
                message.starts_with("AMQ339023: "),
                "{version} {line}: {message}"
            );
        }
    }
}

#[test]
fn stomp_1_2_values_may_be_empty_or_contain_colons() {
    assert_eq!(received("1.2", ""), "");
    assert_eq!(received("1.2", "a:b:c"), "a:b:c");
    assert_eq!(received("1.0", "a:b:c"), "a:b:c");
}

#[test]
fn stomp_1_2_commands_and_header_names_are_case_sensitive() {
    assert!(refused("1.2", "send\ndestination:q\n\n^@").starts_with("AMQ339029: "));
    assert!(refused("1.2", "SEND\nDestination:q\n\n^@").starts_with("AMQ339001: "));
}

#[test]
fn stomp_1_2_an_unknown_command_is_an_error() {
    for version in VERSIONS {
        for command in [
            "FOO",
            "MESSAGE",
            "RECEIPT",
            "ERROR",
            "CONNECTED",
            "SEND ",
            "",
            " SEND",
        ] {
            let frame = format!("{command}x\n\n^@");
            assert!(
                refused(version, &frame).starts_with("AMQ339029: Unsupported command: "),
                "{command}"
            );
        }
    }
    assert!(refused("1.0", "NACK\nmessage-id:1,1\n\n^@").starts_with("AMQ339029: "));
}

#[test]
fn stomp_1_2_content_length_octets_are_read_whatever_they_are() {
    for version in VERSIONS {
        let mut talk = Talk::connected(version);
        talk.types(
            "SEND\ndestination:q\ncontent-length:7\n\na^@b^@^@\nc^@\nSEND\ndestination:r\n\nd^@",
        );
        let commands = talk.asked();
        assert_eq!(commands.len(), 2);
        assert!(
            matches!(&commands[0], hind_engine::command::Command::Send(_, send)
            if send.message.body == "a\0b\0\0\nc")
        );
    }
}

#[test]
fn stomp_1_0_without_content_length_the_first_nul_ends_the_body() {
    for version in VERSIONS {
        let mut talk = Talk::connected(version);
        talk.types("SEND\ndestination:q\n\nhello^@");
        assert_eq!(talk.asked_send().message.body, "hello");
        talk.types("SEND\ndestination:q\n\n^@");
        assert_eq!(talk.asked_send().message.body, "");
    }
}

#[test]
fn stomp_1_2_a_body_longer_than_content_length_is_an_error() {
    for version in VERSIONS {
        let message = refused(version, "SEND\ndestination:q\ncontent-length:3\n\nhello^@");
        assert!(message.starts_with("AMQ339023: "), "{message}");
    }
}

#[test]
fn stomp_1_2_a_body_shorter_than_content_length_is_an_error_once_more_arrives() {
    for version in VERSIONS {
        let mut talk = Talk::connected(version);
        talk.types("SEND\ndestination:q\ncontent-length:9\n\nhello^@");
        assert!(talk.is_open() && talk.asked().is_empty());
        talk.types("SEND\ndestination:q\n\n^@");
        talk.violated();
        assert!(talk.asked().is_empty());
    }
}

#[test]
fn stomp_1_2_a_content_length_that_is_no_number_is_an_error() {
    for version in VERSIONS {
        for length in ["abc", "-1", "+5", "5x", "0x5", "", "5 ", "1.0", "٣"] {
            let message = refused(
                version,
                &format!("SEND\ndestination:q\ncontent-length:{length}\n\nhello^@"),
            );
            assert!(message.starts_with("AMQ339023: "), "{length}: {message}");
        }
    }
}

#[test]
fn stomp_1_2_a_nul_in_the_head_is_an_error() {
    for version in VERSIONS {
        for frame in [
            "SEND\ndestination:q^@",
            "SEND\ndestination:q\n^@",
            "SEND^@",
            "SEND\nh:a^@b\n\n^@",
        ] {
            assert!(
                refused(version, frame).starts_with("AMQ339023: "),
                "{frame:?}"
            );
        }
    }
}

#[test]
fn stomp_1_2_headers_that_are_not_utf_8_are_an_error() {
    for version in VERSIONS {
        for value in [
            &b"\xff"[..],
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xc0\xaf",
            b"\xf5\x80\x80\x80",
        ] {
            let mut talk = Talk::connected(version);
            talk.sends(&[b"SEND\ndestination:q\nreceipt:r\nh:", value, b"\n\n\0"].concat());
            let error = talk.violated();
            assert!(summary(&error).contains("not UTF-8"), "{error}");
            assert_eq!(header(&error, "receipt-id"), Some("r"));
        }
    }
}

#[test]
fn stomp_1_2_headers_are_utf_8() {
    assert_eq!(received("1.2", "grüße ✓"), "grüße ✓");
    let mut talk = Talk::connected("1.2");
    talk.sends(b"SEND\ndestination:q\na\xc3\n\xa9:v\n\n\0");
    talk.violated();
}

#[test]
fn stomp_1_2_bodies_need_not_be_text() {
    let mut talk = Talk::connected("1.2");
    talk.sends(b"SEND\ndestination:q\n\n\xff\xfe\0");
    let message = talk.asked_send().message;
    assert_eq!(message.body, b"\xff\xfe");
    assert_eq!(message.kind, hind_engine::message::Kind::Bytes);
}

#[test]
fn stomp_1_0_the_body_of_a_frame_that_has_none_is_ignored() {
    for version in VERSIONS {
        let mut talk = Talk::connected(version);
        talk.types("SUBSCRIBE\ndestination:q\nid:1\n\nstray\n^@BEGIN\ntransaction:t\ncontent-length:2\n\n^@^@^@");
        assert_eq!(talk.asked().len(), 2);
        assert!(talk.is_open());
    }
}

#[test]
fn stomp_1_2_several_frames_in_one_read_are_done_in_order() {
    let mut talk = Talk::connected("1.2");
    let frames: String = (0..50)
        .map(|n| format!("SEND\ndestination:q\n\n{n}^@\n\n"))
        .collect();
    talk.types(&frames);
    let bodies: Vec<_> = talk
        .asked()
        .into_iter()
        .map(|command| match command {
            hind_engine::command::Command::Send(_, send) => send.message.body,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bodies.len(), 50);
    assert!(
        bodies
            .iter()
            .enumerate()
            .all(|(n, body)| *body == n.to_string())
    );
}

#[test]
fn a_malformed_frame_does_not_undo_those_before_it() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\nreceipt:1\n\na^@SEND\nbad\n\n^@SEND\ndestination:q\n\nb^@");
    assert_eq!(talk.asked_send().message.body, "a");
    talk.violated();
    assert!(talk.unread().is_empty());
}
