// SPDX-License-Identifier: Apache-2.0
//! What recorded frames say: that a frame is written as it was read does not prove that its fields are where they belong.

use hind_core::codec::packet::connection::code;
use hind_core::codec::packet::queue::QueueOptions;
use hind_core::codec::{
    Body, Head, Kind, Message, Packet, Utf16, Uuid, Value, Version, message_kind,
};

use crate::recordings::{Recording, decode, named};

fn packets(recording: &Recording) -> Vec<(bool, Packet)> {
    let frames = recording.frames.iter();
    frames
        .map(|recorded| {
            let packet = decode(&recorded.bytes, recording.version);
            (recorded.from_client, packet.expect("recorded"))
        })
        .collect()
}

/// The first packet of that kind.
fn first(recording: &str, kind: Kind) -> Packet {
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

#[test]
fn a_session_is_asked_for_with_its_flags() {
    let Packet::CreateSession(session) =
        first("hornetq_2.4.7_prefix_acceptor", Kind::CreateSession)
    else {
        unreachable!("asked for");
    };
    assert_eq!(session.name, "dc14ea06-e60c-11f1-a452-698747f65fc4");
    assert_eq!((session.channel, session.version), (10, 124));
    assert_eq!(session.username.as_deref(), Some("admin"));
    assert_eq!(session.large_message_size_min, 102_400);
    assert!(!session.xa && !session.auto_commit_sends && !session.auto_commit_acks);
    assert_eq!(session.confirmation_window, -1);
    assert_eq!((session.default_address, session.client_id.0), (None, None));
}

#[test]
fn a_queue_is_created_with_every_option_there_is() {
    let Packet::CreateQueue(queue) = first("v136_core_api", Kind::CreateQueueV2) else {
        unreachable!("asked for");
    };
    assert_eq!((&*queue.address, &*queue.name), ("capk", "capk.q"));
    assert_eq!(queue.filter.as_deref(), Some("a = 1"));
    assert!(queue.durable && !queue.temporary && queue.requires_response);
    let details = queue.details.0.expect("the second form");
    assert_eq!((details.routing_type, details.consumers_max), (1, 3));
    assert!(!details.auto_created && details.purge_on_no_consumers);
    let expected = QueueOptions {
        exclusive: Some(true),
        last_value: Some(false),
        last_value_key: Some("lvk".into()),
        non_destructive: Some(false),
        consumers_before_dispatch: Some(2),
        delay_before_dispatch: Some(100),
        group_rebalance: Some(true),
        group_buckets: Some(4),
        auto_delete: Some(false),
        auto_delete_delay: Some(5),
        auto_delete_message_count: Some(6),
        group_first_key: Some("gfk".into()),
        ring_size: Some(7),
        enabled: Some(true),
        group_rebalance_pause_dispatch: Some(true),
        known: QueueOptions::FIELDS,
    };
    assert_eq!(details.options, expected);
}

#[test]
fn failures_carry_their_code_and_only_sometimes_a_correlation() {
    let all = packets(&named("v136_exceptions"));
    let failures: Vec<_> = all
        .iter()
        .filter_map(|(_, packet)| match packet {
            Packet::Exception(exception) => Some(exception),
            _ => None,
        })
        .collect();
    let codes: Vec<i32> = failures.iter().map(|failure| failure.code).collect();
    for code in [
        code::QUEUE_DOES_NOT_EXIST,
        code::INVALID_FILTER_EXPRESSION,
        code::QUEUE_EXISTS,
        code::MAX_CONSUMER_LIMIT_EXCEEDED,
    ] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    let uncorrelated = failures
        .iter()
        .all(|failure| failure.correlation.0.is_none());
    assert!(uncorrelated, "none of these requests has one");
    let Packet::Exception(full) = first("v136_address_full_fail", Kind::Exception) else {
        unreachable!("asked for");
    };
    assert_eq!(full.code, code::ADDRESS_FULL);
    assert!(
        full.correlation
            .0
            .is_some_and(|correlation| correlation < 0)
    );
}

#[test]
fn branches_are_named_with_the_qualifier_first() {
    let Packet::XaStart(xid) = first("v136_xa", Kind::XaStart) else {
        unreachable!("asked for");
    };
    let Packet::XaInDoubtResponse(in_doubt) = first("v136_xa", Kind::XaInDoubtResponse) else {
        unreachable!("asked for");
    };
    assert_eq!(xid.format_id, 7);
    assert_eq!(xid.branch_qualifier[..], *b"bq1");
    assert_eq!(xid.global_transaction_id[..], *b"gtrid-one");
    assert_eq!(in_doubt, [xid]);
}
