// SPDX-License-Identifier: Apache-2.0
//! Engine message → MESSAGE frame.

use std::sync::Arc;

use bytes::Bytes;
use hind_engine::message::{Kind, Message, Properties, PropertiesBuilder, Value};
use hind_stomp::Options;

use crate::talk::{Talk, header, text};

fn properties(values: &[(&str, Value<'_>)]) -> Properties {
    let mut builder = PropertiesBuilder::default();
    for (name, value) in values {
        builder.push(name, *value);
    }
    builder.finish()
}

/// The MESSAGE frame that a subscription `1` of that version and ack mode gets.
fn shown(version: &str, ack: &str, message: Message) -> String {
    let mut talk = Talk::connected(version);
    let consumer = talk.subscribed(&format!("destination:q\nid:1\nack:{ack}\n"));
    talk.deliver(consumer, message);
    talk.said()
}

#[test]
fn stomp_1_2_a_message_names_destination_message_id_subscription_and_ack() {
    assert_eq!(
        shown("1.2", "client", text(77, "hello")),
        "MESSAGE\nsubscription:1\nmessage-id:1,77\nack:1,77\ndestination:q\nexpires:0\ntimestamp:0\npriority:4\n\
         persistent:false\nredelivered:false\ncontent-length:5\n\nhello^@\n"
    );
}

#[test]
fn stomp_1_2_ack_stands_only_where_an_answer_is_expected() {
    assert_eq!(
        header(&shown("1.2", "client-individual", text(7, "")), "ack"),
        Some("1,7")
    );
    assert_eq!(header(&shown("1.2", "auto", text(7, "")), "ack"), None);
    assert_eq!(header(&shown("1.1", "client", text(7, "")), "ack"), None);
    assert_eq!(header(&shown("1.0", "client", text(7, "")), "ack"), None);
}

#[test]
fn artemis_headers_of_a_message() {
    let mut message = text(7, "x");
    message.durable = true;
    message.priority = 8;
    message.expiration = 1_800_000_000_000;
    message.timestamp = 1_700_000_000_000;
    message.properties = properties(&[
        ("_AMQ_ROUTING_TYPE", Value::Byte(1)),
        ("JMSCorrelationID", Value::Text("c")),
        ("JMSType", Value::Text("t")),
        ("JMSReplyTo", Value::Text("r")),
        ("_AMQ_GROUP_ID", Value::Text("g")),
        ("_AMQ_CONTENT_TYPE", Value::Text("text/plain")),
        ("_AMQ_VALIDATED_USER", Value::Text("u")),
        ("_AMQ_INGRESS_TIMESTAMP", Value::Long(5)),
        ("mine", Value::Text("v")),
    ]);
    assert_eq!(
        shown("1.1", "auto", message),
        "MESSAGE\nsubscription:1\nmessage-id:1,7\ndestination:q\ncorrelation-id:c\nreply-to:r\ntype:t\n\
         content-type:text/plain\nJMSXGroupID:g\nJMSXUserID:u\nexpires:1800000000000\ntimestamp:1700000000000\n\
         priority:8\npersistent:true\ningress-timestamp:5\nredelivered:false\ndestination-type:ANYCAST\n\
         _AMQ_GROUP_ID:g\nmine:v\ncontent-length:1\n\nx^@\n"
    );
}

#[test]
fn artemis_destination_type_of_the_message_or_else_of_the_subscription() {
    let mut message = text(7, "x");
    message.properties = properties(&[("_AMQ_ROUTING_TYPE", Value::Byte(0))]);
    assert_eq!(
        header(&shown("1.2", "auto", message), "destination-type"),
        Some("MULTICAST")
    );
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:1\nsubscription-type:ANYCAST\n");
    talk.deliver(consumer, text(7, "x"));
    assert_eq!(header(&talk.said(), "destination-type"), Some("ANYCAST"));
}

#[test]
fn stomp_1_2_destination_is_identical_to_the_senders() {
    let options = Options::parse([("anycastPrefix", "/queue/")]).expect("valid parameters");
    let mut talk = Talk::with(options).connect("accept-version:1.0\n");
    for destination in ["/queue/a", "plain"] {
        talk.types(&format!("SEND\ndestination:{destination}\n\nx^@"));
        let message = talk.asked_send().message;
        let mut other = Talk::connected("1.0");
        let consumer = other.subscribed("destination:a\n");
        other.deliver(consumer, message);
        assert_eq!(header(&other.said(), "destination"), Some(destination));
    }
}

#[test]
fn stomp_1_2_user_defined_headers_pass_through() {
    let mut sender = Talk::connected("1.2");
    sender.types(
        "SEND\ndestination:q\nfoo:bar\nfoo:old\ncontent-type:text/x\ncorrelation-id:c\ntype:t\nreply-to:r\n\
         JMSXGroupID:g\nreceipt:9\ntransaction-like:y\n\nhello^@",
    );
    let said = shown("1.2", "auto", sender.asked_send().message);
    for (name, value) in [
        ("foo", "bar"),
        ("content-type", "text/x"),
        ("correlation-id", "c"),
        ("type", "t"),
        ("reply-to", "r"),
        ("JMSXGroupID", "g"),
        ("transaction-like", "y"),
    ] {
        assert_eq!(header(&said, name), Some(value), "{said}");
    }
    for name in ["receipt", "transaction", "destination-type"] {
        assert_eq!(header(&said, name), None);
    }
    assert_eq!(said.matches("\ndestination:").count(), 1);
    assert_eq!(said.matches("\ncontent-length:").count(), 1);
}

#[test]
fn properties_of_other_protocols_are_shown_as_text() {
    let mut message = text(7, "x");
    message.properties = properties(&[
        ("bytes", Value::Bytes(b"\x00\xff")),
        ("int", Value::Int(-3)),
        ("bool", Value::Boolean(true)),
        ("double", Value::Double(2.5)),
        ("null", Value::Null),
        ("JMSCorrelationID", Value::Bytes(b"\xab")),
        ("JMSType", Value::Null),
        ("content-type", Value::Text("text/x")),
    ]);
    let said = shown("1.2", "auto", message);
    for (name, value) in [
        ("bytes", "00ff"),
        ("int", "-3"),
        ("bool", "true"),
        ("double", "2.5"),
        ("null", "null"),
        ("correlation-id", "ab"),
        ("content-type", "text/x"),
    ] {
        assert_eq!(header(&said, name), Some(value), "{said}");
    }
    assert_eq!(header(&said, "type"), None);
}

#[test]
fn stomp_1_2_content_length_stands_with_bytes_always_and_with_text_since_1_1() {
    let bytes =
        |body: &'static [u8]| Message::new(Arc::from("q"), Kind::Bytes, Bytes::from_static(body));
    for version in ["1.0", "1.1", "1.2"] {
        assert_eq!(
            header(&shown(version, "auto", bytes(b"a\0b")), "content-length"),
            Some("3")
        );
        assert_eq!(
            header(&shown(version, "auto", bytes(b"")), "content-length"),
            Some("0")
        );
    }
    assert_eq!(
        header(&shown("1.0", "auto", text(1, "grüße")), "content-length"),
        None
    );
    assert_eq!(
        header(&shown("1.1", "auto", text(1, "grüße")), "content-length"),
        Some("7")
    );
    assert_eq!(
        header(&shown("1.2", "auto", text(1, "grüße")), "content-length"),
        Some("7")
    );
    // Without a length it could not be framed.
    assert_eq!(
        header(&shown("1.0", "auto", text(1, "a\0b")), "content-length"),
        Some("3")
    );
}

#[test]
fn artemis_redelivered_messages_say_so() {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:1\nack:client\n");
    talk.deliver_again(consumer, text(1, "x"), 0);
    assert_eq!(header(&talk.said(), "redelivered"), Some("false"));
    talk.deliver_again(consumer, text(2, "x"), 1);
    assert_eq!(header(&talk.said(), "redelivered"), Some("true"));
}

#[test]
fn a_body_of_any_size_comes_out_whole() {
    for size in [0, 1, 4095, 4096, 100_000] {
        let body: Vec<u8> = (0..size).map(|n| n as u8).collect();
        let mut talk = Talk::connected("1.2");
        let consumer = talk.subscribed("destination:q\nid:1\n");
        talk.deliver(
            consumer,
            Message::new(Arc::from("q"), Kind::Bytes, Bytes::from(body.clone())),
        );
        talk.deliver(consumer, text(2, "next"));
        let said = talk.said_octets();
        let start = said
            .windows(2)
            .position(|pair| pair == b"\n\n")
            .expect("a head ends")
            + 2;
        assert_eq!(&said[start..start + size], &body);
        assert!(said[start + size..].starts_with(b"\0\nMESSAGE\n"), "{size}");
    }
}
