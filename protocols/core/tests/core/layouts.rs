// SPDX-License-Identifier: Apache-2.0
//! Messages between clients of different versions, and frames too long to be copied.

use bytes::{Bytes, BytesMut};
use hind_core::codec::packet::consumer::{Receive, ReceiveContinuation};
use hind_core::codec::packet::producer::SendContinuation;
use hind_core::codec::{
    HeadBuilder, Kind, Malformed, Message, Packet, Since, Utf16, Value, Version, message_kind,
    text_body,
};

use crate::recordings::{all, decode, encode};

const OLD: Version = Version::LAST_OF_TWO_ENDS;

/// A message made by hand, as a broker makes its notifications.
fn message(id: i64, body: Bytes) -> Message {
    let mut head = HeadBuilder {
        id,
        address: Some("orders".into()),
        kind: message_kind::TEXT,
        durable: true,
        timestamp: 1_795_307_555_978,
        priority: 4,
        ..HeadBuilder::default()
    };
    head.properties.push("colour", &Value::Text("grün"));
    Message {
        body,
        head: head.finish(),
    }
}

fn receive(message: Message) -> Packet {
    Packet::Receive(Receive {
        message,
        consumer_id: 3,
        delivery_count: 1,
    })
}

#[test]
fn a_message_crosses_from_every_version_to_every_version() {
    let sent = receive(message(42, text_body(Some("hello"))));
    let newest = encode(&sent, 11, Version::NEWEST);
    let oldest = encode(&sent, 11, Version::OLDEST);
    assert_eq!(oldest.len(), newest.len() + 4, "the second offset");
    for from in 121..=136 {
        let from = Version::spoken_with(from);
        let read = decode(&encode(&sent, 11, from), from).expect("just written");
        assert_eq!(read, sent);
        assert_eq!(encode(&read, 11, Version::NEWEST), newest);
        assert_eq!(encode(&read, 11, Version::OLDEST), oldest);
    }
}

#[test]
fn offsets_that_point_elsewhere_are_refused() {
    let sent = receive(message(42, text_body(Some("hello"))));
    for (version, offsets) in [(Version::NEWEST, &[13][..]), (OLD, &[13, 17 + 15])] {
        let bytes = encode(&sent, 11, version).to_vec();
        for at in offsets {
            for wrong in [i32::MIN, -1, 0, 12, 4000, i32::MAX] {
                let mut bytes = bytes.clone();
                bytes[*at..at + 4].copy_from_slice(&wrong.to_be_bytes());
                assert_eq!(
                    decode(&bytes, version),
                    Err(Malformed::MessageEnd(wrong)),
                    "at {at} of {version:?}"
                );
            }
        }
    }
}

#[test]
fn what_a_broker_makes_is_what_it_reads() {
    let made = message(7, text_body(None));
    let Ok(Packet::Receive(read)) = decode(
        &encode(&receive(made.clone()), 10, Version::NEWEST),
        Version::NEWEST,
    ) else {
        panic!("just written");
    };
    assert_eq!(read.message, made);
    let head = read.message.head;
    assert_eq!(
        head.address().and_then(Utf16::to_text).as_deref(),
        Some("orders")
    );
    assert_eq!(head.user_id(), None);
    assert_eq!(head.id, 7);
    assert_eq!(head.to_builder().finish().properties().len(), 0);
}

#[test]
fn a_long_body_is_left_out_and_fits_where_it_is_left_out() {
    let body = Bytes::from(vec![7; 5000]);
    let part = Packet::ReceiveContinuation(ReceiveContinuation {
        body: body.clone(),
        continues: true,
        consumer_id: 3,
    });
    for (packet, version) in [
        (receive(message(1, body.clone())), Version::NEWEST),
        (receive(message(1, body.clone())), OLD),
        (part, Version::NEWEST),
    ] {
        let whole = encode(&packet, 11, version);
        let mut out = BytesMut::from(&b"what was there before"[..]);
        let before = out.len();
        let splice = packet
            .encode_around(11, version, 5000, &mut out)
            .expect("long enough");
        assert_eq!(splice.body.as_ptr(), body.as_ptr(), "not copied");
        let mut joined = out[before..splice.at].to_vec();
        joined.extend_from_slice(&splice.body);
        joined.extend_from_slice(&out[splice.at..]);
        assert_eq!(joined, whole);
        let mut copied = BytesMut::new();
        assert_eq!(packet.encode_around(11, version, 5001, &mut copied), None);
        assert_eq!(copied, whole);
    }
}

#[test]
fn a_body_is_a_slice_of_what_was_read() {
    let whole = encode(
        &receive(message(1, Bytes::from(vec![7; 5000]))),
        11,
        Version::NEWEST,
    );
    let mut input = BytesMut::from(&whole[..]);
    let read_from = input.as_ptr_range();
    let frame = hind_core::codec::Frame::take(&mut input, usize::MAX);
    let frame = frame.expect("valid").expect("whole");
    let Ok(Packet::Receive(read)) = Packet::decode(&frame, Version::NEWEST) else {
        panic!("just written");
    };
    assert!(read_from.contains(&read.message.body.as_ptr()));
}

/// Of frames beyond 4 KiB the recordings hold the beginning only: it must lead to a frame of the length they had.
#[test]
fn recorded_parts_of_large_messages_have_the_length_their_version_gives_them() {
    let mut parts = 0;
    for recording in all() {
        for cut in &recording.cut {
            let body = &cut.beginning[13..];
            let length = i32::from_be_bytes(*body.first_chunk().expect("128 bytes"));
            let body = Bytes::from(vec![0; usize::try_from(length).expect("a length")]);
            let lengths: Vec<usize> = match Kind::from_number(cut.beginning[4].cast_signed()) {
                Some(Kind::SendContinuation) => [None, Some(0)]
                    .map(|total| send_part(body.clone(), total))
                    .map(|part| encode(&part, 11, recording.version).len())
                    .into(),
                Some(Kind::ReceiveContinuation) => {
                    let part = Packet::ReceiveContinuation(ReceiveContinuation {
                        body,
                        continues: true,
                        consumer_id: 0,
                    });
                    vec![encode(&part, 11, recording.version).len()]
                }
                _ => continue,
            };
            assert!(
                lengths.contains(&cut.length),
                "{}: {} is none of {lengths:?}",
                recording.name,
                cut.length
            );
            parts += 1;
        }
    }
    assert_eq!(parts, 83);
}

fn send_part(body: Bytes, total: Option<i64>) -> Packet {
    Packet::SendContinuation(SendContinuation {
        body,
        total,
        requires_response: false,
        correlation: Since(Some(0)),
        sender: Since(Some(0)),
    })
}

#[test]
fn fields_that_a_version_does_not_know_are_not_written_for_it() {
    let part = send_part(Bytes::new(), None);
    let length = |version| encode(&part, 11, Version::spoken_with(version)).len() - 19;
    assert_eq!(
        [121, 129, 130, 133, 134, 136].map(length),
        [0, 0, 8, 8, 12, 12]
    );
    let answer = Packet::NullResponse(hind_core::codec::packet::connection::NullResponse::to(None));
    assert_eq!(encode(&answer, 11, Version::spoken_with(129)).len(), 13);
    assert_eq!(
        encode(&answer, 11, Version::spoken_with(130))[13..],
        [0xff; 8]
    );
}
