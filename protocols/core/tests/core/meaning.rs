// SPDX-License-Identifier: Apache-2.0
//! What recorded frames say: that a frame is written as it was read does not prove that its fields are where they belong.

use hind_core::codec::{
    Body, Head, Kind, Message, Packet, Utf16, Uuid, Value, Version, message_kind,
};

use crate::recordings::{Recording, decode, named};

pub fn packets(recording: &Recording) -> Vec<(bool, Packet)> {
    let frames = recording.frames.iter();
    frames
        .map(|recorded| {
            let packet = decode(&recorded.bytes, recording.version);
            (recorded.from_client, packet.expect("recorded"))
        })
        .collect()
}

/// The first packet of that kind.
pub fn first(recording: &str, kind: Kind) -> Packet {
    let all = packets(&named(recording));
    let mut packets = all.into_iter().map(|(_, packet)| packet);
    packets
        .find(|packet| packet.kind() == kind)
        .unwrap_or_else(|| panic!("no {kind:?} in {recording}"))
}

/// All messages sent.
fn sent(recording: &str) -> Vec<Message> {
    let all = packets(&named(recording)).into_iter();
    all.filter_map(|(_, packet)| match packet {
        Packet::Send(send) => Some(send.message),
        _ => None,
    })
    .collect()
}

fn address(head: &Head) -> Option<String> {
    head.address().and_then(Utf16::to_text)
}

fn text(head: &Head, name: &str) -> Option<String> {
    match head.properties().get(name)? {
        Value::Text(text) => text.to_text(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn a_jms_message_has_its_fields_and_properties() {
    let Packet::Send(send) = first("v136_message_types", Kind::Send) else {
        unreachable!("asked for");
    };
    assert!(send.requires_response);
    assert_eq!((send.correlation.0, send.sender.0), (Some(-11), Some(1)));
    let head = &send.message.head;
    assert_eq!(head.id, 0);
    assert_eq!(address(head).as_deref(), Some("types"));
    assert_eq!(
        head.user_id(),
        Uuid::parse("36df0eb1-e60c-11f1-a9ae-02fc00000001")
    );
    assert_eq!((head.kind(), head.priority()), (message_kind::TEXT, 9));
    assert!(head.is_durable());
    assert_eq!(head.expiration(), 1_795_307_615_978);
    assert_eq!(head.timestamp(), 1_795_307_555_978);
    let properties = head.properties();
    assert_eq!(properties.len(), 18);
    for (name, value) in [
        ("fl", Value::Float(1.5)),
        ("do", Value::Double(2.25)),
        ("_AMQ_GROUP_SEQUENCE", Value::Int(7)),
        ("_AMQ_ROUTING_TYPE", Value::Byte(1)),
        ("in", Value::Int(70_000)),
        ("by", Value::Byte(-3)),
        ("sh", Value::Short(-300)),
        ("lo", Value::Long(1_099_511_627_776)),
        ("nul", Value::Null),
        ("b", Value::Boolean(true)),
    ] {
        assert_eq!(properties.get(name), Some(value), "{name}");
    }
    assert_eq!(text(head, "st").as_deref(), Some("v€"));
    assert_eq!(text(head, "JMSReplyTo").as_deref(), Some("topic://replyT"));
}

#[test]
fn a_delivery_is_what_was_sent_with_an_id() {
    let Packet::Send(send) = first("v136_message_types", Kind::Send) else {
        unreachable!("asked for");
    };
    let Packet::Receive(receive) = first("v136_message_types", Kind::Receive) else {
        unreachable!("asked for");
    };
    assert_eq!((receive.consumer_id, receive.delivery_count), (0, 1));
    let mut delivered = send.message;
    delivered.head.id = 362;
    assert_eq!(delivered, receive.message);
    let rewritten = Packet::Receive(hind_core::codec::packet::consumer::Receive {
        message: delivered,
        ..receive.clone()
    });
    let write = |packet: &Packet| crate::recordings::encode(packet, 11, Version::NEWEST);
    assert_eq!(write(&rewritten), write(&Packet::Receive(receive)));
}

#[test]
fn bodies_are_what_their_kinds_say() {
    let messages = sent("v136_message_types");
    let Body::Text(Some(hello)) = messages[0].view() else {
        panic!("not a text");
    };
    assert!(hello.to_text_lossy().starts_with("héllo €"));
    assert_eq!(messages[1].view(), Body::Text(None));
    assert!(!messages[1].head.is_durable());
    let Body::Bytes(bytes) = messages[2].view() else {
        panic!("not bytes");
    };
    assert_eq!(bytes[4..9], *b"\0\x03abc");
    let Body::Map(map) = messages[3].view() else {
        panic!("not a map");
    };
    assert_eq!(map.len(), 11);
    assert_eq!(map.get("c"), Some(Value::Char(u16::from(b'x'))));
    assert_eq!(map.get("bs"), Some(Value::Bytes(&[1, 2])));
    let Body::Stream(stream) = messages[4].view() else {
        panic!("not a stream");
    };
    let elements: Vec<_> = stream.iter().collect();
    assert_eq!(elements.len(), 12);
    assert_eq!(elements[0], Value::Boolean(true));
    assert_eq!(
        elements[9],
        Value::Text(Some("a long enough string".into()))
    );
    assert_eq!(elements[10], Value::Text(None));
    let Body::Object(object) = messages[5].view() else {
        panic!("not an object");
    };
    assert_eq!(object[..2], [0xac, 0xed]);
    assert_eq!(messages[6].view(), Body::Opaque(&[]));
}

#[test]
fn messages_of_old_clients_are_found_behind_their_second_offset() {
    let messages = sent("hornetq_2.4.7_prefix_acceptor");
    let head = &messages[0].head;
    assert_eq!(address(head).as_deref(), Some("jms.queue.oldq.hq"));
    assert_eq!(text(head, "_HQ_GROUP_ID").as_deref(), Some("g"));
    assert!(head.is_durable());
    assert!(matches!(messages[0].view(), Body::Text(Some(text)) if text == *"hello old"));
    assert_eq!(address(&messages[1].head), None, "the session's default");
    let Body::Map(map) = messages[1].view() else {
        panic!("not a map");
    };
    assert!(matches!(map.get("k"), Some(Value::Text(v)) if v == *"v"));
}
