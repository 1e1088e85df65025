// SPDX-License-Identifier: Apache-2.0
//! PUBLISH to a client.

use hind_engine::command::{ClientSessionCommand, Command, ConsumerCommand};
use hind_engine::event::{Delivery, Event, Packet};
use hind_engine::id::{DeliveryId, PacketId};
use hind_engine::message::{Message, Qos};

use crate::talk::{Talk, octets, published};

#[test]
fn mqtt_3_3_a_delivery_says_what_the_version_can() {
    for (mut talk, properties) in [(Talk::v3_1(), ""), (Talk::v3_1_1(), ""), (Talk::v5(), "00")] {
        let consumer = talk.subscribed(&format!("{properties} <a/b> 02"));
        talk.deliver(consumer, published("x"));
        let length = if properties.is_empty() { "06" } else { "07" };
        let said = octets(&format!("30 {length} <a/b> {properties} 'x'"));
        assert_eq!(talk.said(), said);
        talk.deliver_with(consumer, 5, Qos::ExactlyOnce, published("x"));
        let length = if properties.is_empty() { "08" } else { "09" };
        let said = octets(&format!("34 {length} <a/b> 0005 {properties} 'x'"));
        assert_eq!(talk.said(), said);
    }
}

#[test]
fn mqtt_3_3_1_1_what_went_out_before_is_marked_as_a_duplicate() {
    let mut talk = Talk::v3_1_1();
    let consumer = talk.subscribed("<a/b> 01");
    talk.tell(Event::Deliver(Delivery {
        consumer,
        delivery: DeliveryId(0),
        packet: Some(Packet {
            id: PacketId(5),
            qos: Qos::AtLeastOnce,
            again: true,
        }),
        message: published("x").into(),
        attempts: 1,
    }));
    assert_eq!(talk.said(), octets("3a 08 <a/b> 0005 'x'"));
}

fn retained(retain: bool, stored: bool) -> Message {
    let mut message = published("x");
    if let Some(published) = &mut message.published {
        published.retain = retain;
        published.stored = stored;
    }
    message
}

#[test]
fn mqtt_3_3_1_8_to_13_retain_is_said_of_stored_messages_and_of_others_as_published() {
    let table = [
        ("00", false, false, false),
        ("00", true, false, false),
        ("00", true, true, true),
        ("08", true, false, true),
        ("08", false, false, false),
        ("08", true, true, true),
    ];
    for (options, retain, stored, said) in table {
        let mut talk = Talk::v5();
        let consumer = talk.subscribed(&format!("00 <a/b> {options}"));
        talk.deliver(consumer, retained(retain, stored));
        assert_eq!(
            talk.said()[0],
            0x30 | u8::from(said),
            "{options} {retain} {stored}"
        );
    }
}

#[test]
fn mqtt_3_3_4_3_a_delivery_carries_the_identifier_of_its_subscription() {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("05 0b ffffff7f <a/b> 00");
    talk.deliver(consumer, published("x"));
    assert_eq!(talk.said(), octets("30 0c <a/b> 05 0b ffffff7f 'x'"));
    // A new subscription to the same filter has its own.
    talk.sends(0x82, "0002 02 0b01 <a/b> 00");
    talk.deliver(consumer, published("x"));
    assert_eq!(talk.said(), octets("30 09 <a/b> 02 0b01 'x'"));
}

#[test]
fn mqtt_3_1_2_26_and_27_topics_get_aliases_if_the_client_takes_them() {
    let mut talk = Talk::new().connect("<MQTT> 05 02 003c 03 22 0001 <c>");
    let consumer = talk.subscribed("00 <#> 00");
    talk.deliver(consumer, published("x"));
    assert_eq!(talk.said(), octets("30 0a <a/b> 03 230001 'x'"));
    talk.deliver(consumer, published("x"));
    assert_eq!(talk.said(), octets("30 07 <> 03 230001 'x'"));
    let mut other = published("x");
    other.address = "c".into();
    talk.deliver(consumer, other);
    assert_eq!(talk.said(), octets("30 05 <c> 00 'x'"));
}

#[test]
fn mqtt_3_1_2_24_and_25_a_packet_too_large_is_not_sent_and_counts_as_sent() {
    let mut talk = Talk::new().connect("<MQTT> 05 02 003c 05 27 00000014 <c>");
    let consumer = talk.subscribed("00 <a/b> 01");
    talk.deliver(consumer, published("payloadpayload"));
    assert!(talk.said().is_empty() && talk.asked().is_empty());
    talk.deliver_with(consumer, 5, Qos::AtLeastOnce, published("payloadpayload"));
    assert_eq!(talk.said(), []);
    assert!(matches!(
        talk.asked_of_session(),
        ClientSessionCommand::Acknowledge(PacketId(5), None)
    ));
    // Twenty bytes are not too many.
    for (payload, length) in [("1234567890", 20), ("12345678901", 0)] {
        let message = published(payload);
        talk.deliver_with(consumer, 6, Qos::AtLeastOnce, message);
        assert_eq!(talk.said().len(), length);
    }
    assert!(talk.is_open());
}

#[test]
fn credit_comes_back_as_messages_are_written() {
    let mut talk = Talk::v3_1_1();
    let consumer = talk.subscribed("<a/b> 00");
    let mut given = 0;
    let mut sent = 0;
    let body = "x".repeat(1000);
    for _ in 0..1000 {
        let message = published(&body);
        sent += i64::try_from(message.whole_size()).expect("small");
        talk.deliver(consumer, message);
        for command in talk.asked() {
            match command {
                Command::Consumer(of, ConsumerCommand::Credit(credit)) if of == consumer => {
                    given += credit.bytes;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(
        given <= sent && sent - given <= 64 * 1024 + 2000,
        "{given} of {sent}"
    );
}

#[test]
fn a_large_payload_is_not_copied() {
    use bytes::BytesMut;
    use hind_engine::protocol::{Connection as _, Outbound};

    let mut talk = Talk::v3_1_1();
    let consumer = talk.subscribed("<a/b> 00");
    let message = published(&"x".repeat(100_000));
    let body = message.body.inline().cloned().expect("in memory");
    let delivery = Delivery {
        consumer,
        delivery: DeliveryId(0),
        packet: None,
        message: message.into(),
        attempts: 0,
    };
    let mut out = Outbound::default();
    talk.machine
        .event(talk.now, Event::Deliver(delivery), &mut out);
    let mut segments = Vec::new();
    while let Some(segment) = out.bytes.pop() {
        segments.push(segment);
    }
    assert_eq!(segments.len(), 2);
    assert_eq!(segments[1].as_ptr(), body.as_ptr());
    assert_eq!(BytesMut::from(&segments[0][..]).len(), 4 + 5);
}
