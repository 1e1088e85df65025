// SPDX-License-Identifier: Apache-2.0
//! What a client may do, how much of it, and what happens beyond.

use hind_engine::command::Command;
use hind_engine::protocol::Connection as _;
use hind_mqtt::Options;

use crate::talk::{Talk, octets, packet};

fn with(key: &str, value: &str) -> Talk {
    Talk::with(Options::parse([(key, value)]).expect("a valid parameter"))
}

#[test]
fn mqtt_3_3_4_9_no_more_messages_are_unanswered_than_agreed() {
    for first in [0x32, 0x34] {
        let mut talk = with("receiveMaximum", "2").connect("<MQTT> 05 02 003c 00 <c>");
        for id in 1..=2 {
            talk.sends(first, &format!("<a> 000{id} 00"));
        }
        assert!(talk.is_open());
        talk.sends(first, "<a> 0003 00");
        assert_eq!(talk.violated(), octets("e0 01 93"));
    }
}

#[test]
fn mqtt_4_9_0_3_an_answer_makes_room_for_another_message() {
    let mut talk = with("receiveMaximum", "1").connect("<MQTT> 05 02 003c 00 <c>");
    for id in 1..=9 {
        talk.sends(0x32, &format!("<a> 000{id} 00"));
        let ticket = talk.asked_send().ticket;
        talk.done(ticket);
    }
    // One of QoS 2 counts until PUBCOMP, unless PUBREC refuses it.
    talk.sends(0x34, "<$SYS/x> 0001 00");
    talk.sends(0x34, "<a> 0002 00");
    let ticket = talk.asked_send().ticket;
    talk.done(ticket);
    // The same one again is not another.
    talk.sends(0x3c, "<a> 0002 00");
    let ticket = talk.asked_send().ticket;
    talk.done(ticket);
    assert!(talk.is_open());
    talk.sends(0x32, "<a> 0003 00");
    assert_eq!(talk.violated().last(), Some(&0x93));
}

#[test]
fn mqtt_3_1_1_has_no_receive_maximum() {
    let mut talk = with("receiveMaximum", "1").connect("<MQTT> 04 02 003c <c>");
    for id in 1..=9 {
        talk.sends(0x32, &format!("<a> 000{id}"));
    }
    assert!(talk.is_open());
}

#[test]
fn mqtt_3_2_2_6_limits_are_announced_unless_they_say_nothing() {
    let table = [
        ("receiveMaximum", "20", "21 0014", true),
        ("receiveMaximum", "-1", "21", false),
        ("topicAliasMaximum", "10", "22 000a", true),
        ("topicAliasMaximum", "0", "22", false),
        ("topicAliasMaximum", "-1", "22", false),
        ("maximumPacketSize", "2000000", "27 001e8480", true),
        ("maximumPacketSize", "-1", "27", false),
    ];
    for (key, value, property, announced) in table {
        let mut talk = with(key, value);
        talk.sends(0x10, "<MQTT> 05 02 003c 00 <c>");
        talk.let_in();
        talk.attach(Default::default());
        let said = talk.said();
        let property = octets(property);
        let found = said[5..]
            .windows(property.len())
            .any(|window| window == property);
        assert_eq!(found, announced, "{key}={value}: {said:x?}");
    }
}

#[test]
fn mqtt_3_2_2_15_a_packet_larger_than_announced_is_refused_before_it_has_come() {
    let mut talk = with("maximumPacketSize", "100").connect("<MQTT> 05 02 003c 00 <c>");
    talk.sends(0x30, &format!("<a> 00 '{}'", "x".repeat(94)));
    assert!(talk.is_open());
    talk.sends_octets(&[0x30, 99]);
    assert_eq!(talk.violated(), octets("e0 01 95"));
}

#[test]
fn mqtt_3_3_2_8_to_10_aliases_are_kept_within_what_is_agreed() {
    let mut talk = with("topicAliasMaximum", "10").connect("<MQTT> 05 02 003c 00 <c>");
    talk.sends(0x30, "<a/b> 03 23000a 'x'");
    assert_eq!(&*talk.asked_send().message.address, "a.b");
    talk.sends(0x30, "<> 03 23000a 'x'");
    assert_eq!(&*talk.asked_send().message.address, "a.b");
    for (body, reason) in [
        ("<a> 03 23000b", 0x94),
        ("<a> 03 230000", 0x94),
        ("<> 03 230009", 0x82),
    ] {
        let mut talk = with("topicAliasMaximum", "10").connect("<MQTT> 05 02 003c 00 <c>");
        talk.sends(0x30, body);
        assert_eq!(talk.violated(), [0xe0, 1, reason], "{body}");
    }
}

#[test]
fn a_client_that_is_not_let_in_yet_may_say_little_and_wait() {
    let mut talk = Talk::new();
    talk.sends_octets(&octets("10 ffff10"));
    assert_eq!(talk.violated(), []);
    let mut talk = Talk::new();
    talk.sends_octets(
        &[
            packet(0x10, "<MQTT> 05 02 003c 00 <c>"),
            packet(0x30, "<a> 00"),
        ]
        .concat(),
    );
    assert!(talk.machine.paused());
    assert!(talk.asked().is_empty());
    talk.let_in();
    talk.attach(Default::default());
    // What it had said in advance is heard now.
    assert!(matches!(talk.asked_one(), Command::Send(..)));
}

#[test]
fn a_client_that_is_owed_too_much_is_not_read() {
    let mut talk = Talk::v3_1_1();
    let mut tickets = Vec::new();
    let publish = packet(0x32, "<a> 0001");
    while !talk.machine.paused() {
        talk.sends_octets(&publish);
        assert!(tickets.len() < 100_000);
        tickets.extend(
            talk.asked()
                .into_iter()
                .filter_map(|command| match command {
                    Command::Send(_, send) => send.ticket,
                    _ => None,
                }),
        );
    }
    talk.sends_octets(&publish);
    assert!(talk.asked().is_empty());
    talk.done(Some(tickets[0]));
    assert_eq!(talk.asked().len(), 1);
}

#[test]
fn topics_of_full_length_and_of_a_thousand_levels_are_taken() {
    let mut talk = Talk::v3_1_1();
    let long = "x".repeat(65_535);
    let deep = "a/".repeat(1000);
    for topic in [&long, &deep] {
        talk.sends(0x30, &format!("<{topic}> 'x'"));
        assert_eq!(talk.asked_send().message.address.len(), topic.len());
        talk.sends(0x82, &format!("0001 <{topic}> 00"));
        assert_eq!(talk.asked_open().1.address.len(), topic.len());
    }
    assert!(talk.is_open());
}
