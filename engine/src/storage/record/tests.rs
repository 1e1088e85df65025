// SPDX-License-Identifier: Apache-2.0
//! Every kind of payload: there and back, and no shorter one taken for it.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::smallvec;

use super::*;
use crate::address::routing_type::RoutingType;
use crate::client_session::{ClientSubscription, Will};
use crate::id::LargeId;
use crate::message::{Body, Kind, LargeBody, Message, PropertiesBuilder, Published, Qos, Value};
use crate::security::user::Identity;
use crate::storage::Branch;

fn messages() -> Vec<Record> {
    let plain = Message::new("".into(), Kind::Default, Bytes::new());
    let mut properties = PropertiesBuilder::default();
    properties.push("colour", Value::Text("red"));
    let mut full = Message::new("größe".into(), Kind::Text, Bytes::from_static(b"body"));
    full.id = MessageId(u64::MAX);
    full.durable = false;
    full.priority = 9;
    full.timestamp = 1;
    full.expiration = 2;
    full.user_id = Some("ID:1".into());
    full.published = Some(Published {
        client_id: "c".into(),
        qos: Qos::ExactlyOnce,
        retain: true,
        stored: false,
    });
    full.properties = properties.finish();
    let mut large = full.clone();
    large.body = Body::Large(LargeBody {
        id: LargeId(6),
        size: 1 << 40,
    });
    let route = Route {
        queue: QueueId(3),
        count: 4,
        scheduled: 5,
    };
    let record = |message, routes| {
        Record::Message(MessageRecord {
            message: Arc::new(message),
            routes,
        })
    };
    vec![
        record(plain, smallvec![]),
        record(full, smallvec![route, Route { count: 0, ..route }]),
        record(large, smallvec![route]),
    ]
}

fn bindings() -> Vec<Record> {
    let mut records = vec![];
    for bits in 0..16_u8 {
        let bit = |n: u8| bits & (1 << n) != 0;
        records.push(Record::Address(AddressRecord {
            id: AddressId(1),
            name: "orders".into(),
            anycast: bit(0),
            multicast: bit(1),
            auto_created: bit(2),
            paused: bit(3),
        }));
        records.push(Record::Queue(QueueRecord {
            id: QueueId(2),
            name: "orders".into(),
            address: AddressId(1),
            routing: match bit(0) {
                true => RoutingType::Anycast,
                false => RoutingType::Multicast,
            },
            filter: if bit(1) { "a = 1" } else { "" }.into(),
            user: if bit(1) { "" } else { "guest" }.into(),
            options: vec![("max-consumers".into(), "1".into()); usize::from(bits) % 3],
            auto_created: bit(2),
            paused: bit(3),
        }));
    }
    records
}

fn client_sessions() -> Vec<Record> {
    let session = ClientSessionId(31);
    let packet = PacketId(32);
    let mut will = Message::new("wills".into(), Kind::Bytes, Bytes::from_static(b"gone"));
    will.durable = false;
    let roles = ["one".to_owned(), "two".to_owned()];
    let flight = |qos| Flight {
        queue: QueueId(33),
        message: MessageId(34),
        qos,
    };
    let plain = ClientSessionRecord {
        id: session,
        client_id: "client".into(),
        expiry: SessionExpiry::NEVER,
        left: 35,
        will: None,
        sent: vec![],
        received: vec![],
        inbound: vec![],
    };
    let full = ClientSessionRecord {
        will: Some(Arc::new(SignedWill {
            will: Will {
                message: will.clone(),
                routing: Some(RoutingType::Multicast),
                retain: true,
                delay_s: 36,
            },
            identity: Identity {
                user: "u".into(),
                roles: Arc::new(roles.into()),
            },
        })),
        sent: vec![
            (packet, flight(Qos::AtLeastOnce)),
            (PacketId(1), flight(Qos::ExactlyOnce)),
        ],
        received: vec![PacketId(65_535)],
        inbound: vec![PacketId(3), PacketId(2)],
        ..plain.clone()
    };
    let subscription = |identifier: Option<u32>| SubscriptionRecord {
        id: SubscriptionId(37),
        session,
        queue: "client.a".into(),
        shared: identifier.is_none(),
        subscription: ClientSubscription {
            filter: "a/+".into(),
            qos: Qos::ExactlyOnce,
            no_local: identifier.is_some(),
            retain_as_published: identifier.is_none(),
            retain_handling: 2,
            identifier,
        },
    };
    vec![
        Record::Retained(MessageRecord {
            message: Arc::new(will),
            routes: smallvec![],
        }),
        Record::RetainedRemoved(MessageId(38)),
        Record::ClientSession(plain),
        Record::ClientSession(full),
        Record::ClientSessionRemoved(session),
        Record::ClientSessionLeft {
            session,
            at: 39,
            expiry: SessionExpiry(40),
            will: true,
        },
        Record::Subscription(subscription(None)),
        Record::Subscription(subscription(Some(41))),
        Record::SubscriptionRemoved(SubscriptionId(42)),
        Record::PacketSent {
            session,
            packet,
            flight: flight(Qos::AtLeastOnce),
        },
        Record::PacketAcknowledged {
            session,
            packet,
            flight: flight(Qos::ExactlyOnce),
            received: true,
        },
        Record::PacketCompleted { session, packet },
        Record::PacketTaken { session, packet },
        Record::PacketReleased { session, packet },
    ]
}

fn all() -> Vec<Record> {
    let (queue, message) = (QueueId(7), MessageId(8));
    let mut records = vec![
        Record::Branch(BranchStart {
            branch: Branch {
                epoch: 1,
                holder: 2,
            },
            in_sync: vec![[3; 16], [4; 16]],
            forced: true,
        }),
        Record::Acknowledge { queue, message },
        Record::DeliveryCount {
            queue,
            message,
            count: 9,
        },
        Record::Scheduled {
            queue,
            message,
            at: 10,
        },
        Record::DuplicateId(DuplicateIdRecord {
            address: "orders".into(),
            id: Bytes::from_static(b"\x00once"),
            sequence: 11,
        }),
        Record::AddressRemoved(AddressId(12)),
        Record::QueueRemoved(queue),
        Record::IdCounter(13),
        Record::Synced(Position(14)),
    ];
    records.extend(messages());
    records.extend(client_sessions());
    records.extend(bindings());
    records
}

fn encode(record: &Record) -> BytesMut {
    let mut payload = BytesMut::new();
    record.encode_envelope(&mut payload);
    assert_eq!(payload.len(), record.envelope_len());
    payload.put_slice(record.body().map_or(&[], |body| body));
    payload
}

fn decode(kind: u8, payload: &[u8]) -> Option<Record> {
    Record::decode(kind, payload, &mut Neighbours::default())
}

#[test]
fn every_kind_comes_back_as_it_was_written() {
    let records = all();
    for record in &records {
        assert_eq!(
            decode(record.kind(), &encode(record)).as_ref(),
            Some(record)
        );
    }
    let paged = kind::PAGED..=kind::PAGE_PURGED;
    for number in kind::BRANCH..=kind::PACKET_RELEASED {
        assert!(paged.contains(&number) || records.iter().any(|record| record.kind() == number));
    }
}

#[test]
fn a_payload_cut_anywhere_or_lengthened_is_refused() {
    for record in all() {
        let mut payload = encode(&record);
        for cut in 0..payload.len() {
            assert_eq!(
                decode(record.kind(), &payload[..cut]),
                None,
                "{record:?} at {cut}"
            );
        }
        payload.put_u8(0);
        assert_eq!(
            decode(record.kind(), &payload),
            None,
            "{record:?} lengthened"
        );
    }
}

#[test]
fn a_kind_nobody_writes_is_refused() {
    assert_eq!(decode(0, &[0; 8]), None);
    assert_eq!(decode(kind::PACKET_RELEASED + 1, &[0; 18]), None);
}

/// Whatever is read is what would be written: there is one payload per record.
#[test]
fn every_changed_byte_is_refused_or_means_something_else() {
    for record in all() {
        let payload = encode(&record);
        for at in 0..payload.len() {
            for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
                let mut changed = payload.clone();
                changed[at] = value;
                if let Some(read) = decode(record.kind(), &changed) {
                    assert_eq!(encode(&read), changed, "{record:?} at {at}");
                }
            }
        }
    }
}

#[test]
fn neighbours_share_the_text_of_their_address() {
    let mut addresses = Neighbours::default();
    let payload = encode(&messages()[1]);
    let mut read = || match Record::decode(kind::MESSAGE, &payload, &mut addresses) {
        Some(Record::Message(record)) => Arc::clone(&record.message.address),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&read(), &read()));
}
