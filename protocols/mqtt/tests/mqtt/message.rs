// SPDX-License-Identifier: Apache-2.0
//! What a message carries, into the engine and out of it.

use std::time::Duration;

use bytes::Bytes;
use hind_engine::message::{Kind, Message, PropertiesBuilder, Value};

use crate::talk::{Talk, WALL, octets};

/// A PUBLISH on `a` with these properties and payload `x`.
fn sent(properties: &str) -> Message {
    let mut talk = Talk::v5();
    let length = octets(properties).len();
    talk.sends(0x30, &format!("<a> {length:02x} {properties} 'x'"));
    talk.asked_send().message
}

/// What a client of MQTT 5.0 is sent of it, from the properties on.
fn received(message: Message) -> Vec<u8> {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a> 00");
    talk.deliver(consumer, message);
    let said = talk.said();
    assert_eq!(said[..2], [0x30, said.len() as u8 - 2]);
    assert_eq!(said[2..5], octets("<a>"));
    said[5..].to_vec()
}

#[test]
fn mqtt_3_3_2_4_and_15_to_20_properties_are_passed_on_as_they_are() {
    let table = [
        "0100",
        "0101",
        "08 <response-topic>",
        "09 <correlation-data>",
        "09 0003 00ff80",
        "03 <text>",
        "26 <key> <value>",
        "26 <k> <1> 26 <j> <2> 26 <k> <3>",
        "26 <> <>",
        "0101 03 <t> 08 <r> 09 <c> 26 <k> <v>",
    ];
    for properties in table {
        let length = octets(properties).len();
        let said = received(sent(properties));
        let expected = octets(&format!("{length:02x} {properties} 'x'"));
        let sorted = |octets: &[u8]| {
            let mut octets = octets.to_vec();
            octets.sort_unstable();
            octets
        };
        // User properties keep their order [MQTT-3.3.2-18]; of the others there is none.
        assert_eq!(sorted(&said), sorted(&expected), "{properties}");
        if properties.len() < 60 && !properties.contains("0101 03") {
            assert_eq!(said, expected);
        }
    }
}

#[test]
fn artemis_properties_have_names() {
    let message = sent("26 <k> <1> 0101 08 <r> 09 <id> 03 <t> 26 <k> <2>");
    let properties: Vec<_> = message.properties.iter().collect();
    let expected = [
        ("mqtt.user.property.exists", Value::Int(2)),
        ("mqtt.ordered.user.property.0.k", Value::Text("1")),
        ("mqtt.payload.format.indicator", Value::Int(1)),
        ("mqtt.response.topic", Value::Text("r")),
        ("mqtt.correlation.data", Value::Bytes(b"id")),
        ("mqtt.content.type", Value::Text("t")),
        ("mqtt.ordered.user.property.1.k", Value::Text("2")),
    ];
    assert_eq!(properties, expected);
}

#[test]
fn a_message_without_properties_costs_none() {
    assert!(sent("").properties.encoded().is_empty());
}

#[test]
fn mqtt_3_3_2_5_and_6_the_expiry_counts_down() {
    let message = sent("02 0000003c");
    assert_eq!(message.expiration, WALL + 60_000);
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a> 00");
    for (passed, left) in [(0, 60), (1, 60), (999, 59), (30_000, 29), (28_999, 1)] {
        talk.passes(Duration::from_millis(passed));
        talk.deliver(consumer, message.clone());
        assert_eq!(talk.said()[5..11], [5, 2, 0, 0, 0, left]);
    }
    let longest = sent("02 ffffffff");
    assert_eq!(received(longest)[..6], octets("05 02 ffffffff"));
}

#[test]
fn a_message_of_another_protocol_is_given_in_words_of_this_one() {
    let mut builder = PropertiesBuilder::default();
    builder.push("_AMQ_ROUTING_TYPE", Value::Byte(0));
    builder.push("_AMQ_CONTENT_TYPE", Value::Text("text/plain"));
    builder.push("JMSCorrelationID", Value::Text("id"));
    builder.push("JMSReplyTo", Value::Text("back"));
    builder.push("colour", Value::Text("red"));
    builder.push("number", Value::Int(42));
    let mut message = Message::new("a".into(), Kind::Text, Bytes::from_static(b"x"));
    message.properties = builder.finish();
    let said = "03 <text/plain> 09 <id> 08 <back> 26 <colour> <red> 26 <number> <42>";
    let length = octets(said).len();
    assert_eq!(
        received(message),
        octets(&format!("{length:02x} {said} 'x'"))
    );
}

#[test]
fn mqtt_2_2_2_2_what_may_stand_once_is_sent_once_whatever_a_message_carries() {
    let mut builder = PropertiesBuilder::default();
    builder.push("_AMQ_CONTENT_TYPE", Value::Text("1"));
    builder.push("mqtt.content.type", Value::Text("2"));
    builder.push("mqtt.correlation.data", Value::Bytes(b"1"));
    builder.push("JMSCorrelationID", Value::Text("2"));
    builder.push("JMSReplyTo", Value::Text("a/#"));
    builder.push("nul", Value::Text("\0"));
    let mut message = Message::new("a".into(), Kind::Bytes, Bytes::from_static(b"x"));
    message.properties = builder.finish();
    let said = octets("08 03 <1> 09 <1> 'x'");
    assert_eq!(received(message), said);
}

#[test]
fn older_versions_are_told_nothing_of_properties() {
    let mut talk = Talk::v3_1_1();
    let consumer = talk.subscribed("<a> 00");
    talk.deliver(consumer, sent("02 0000003c 26 <k> <v>"));
    assert_eq!(talk.said(), octets("30 04 <a> 'x'"));
}
