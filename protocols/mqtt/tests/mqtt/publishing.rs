// SPDX-License-Identifier: Apache-2.0
//! PUBLISH from a client.

use hind_engine::address::routing_type::RoutingType;
use hind_engine::command::{ClientSessionCommand, Command};
use hind_engine::event::{Block, Event, Refusal};
use hind_engine::id::PacketId;
use hind_engine::message::Qos;
use hind_engine::protocol::Connection as _;
use hind_engine::security::permissions::Permission;
use hind_mqtt::Options;

use crate::talk::{Talk, octets};

fn forbidden() -> Refusal {
    Refusal::NotAuthorized {
        user: "u".into(),
        permission: Permission::Send,
        address: "a".into(),
        queue: None,
    }
}

#[test]
fn mqtt_3_3_1_qos_0_is_sent_without_an_answer() {
    for mut talk in [Talk::v3_1(), Talk::v3_1_1()] {
        talk.sends(0x30, "<a/b> 'hello'");
        let send = talk.asked_send();
        assert_eq!(&*send.message.address, "a.b");
        assert_eq!(
            send.message.body.inline().map(|body| &body[..]),
            Some(&b"hello"[..])
        );
        assert!(!send.message.durable && !send.retain);
        assert_eq!((send.ticket, send.packet), (None, None));
        assert_eq!(talk.said(), []);
    }
}

#[test]
fn mqtt_3_3_4_1_qos_1_is_acknowledged_when_it_is_done() {
    let mut talk = Talk::v5();
    talk.sends(0x33, "<a> 04d2 00 'x'");
    let send = talk.asked_send();
    assert!(send.message.durable && send.retain);
    assert_eq!(send.packet, None);
    assert_eq!(talk.said(), []);
    talk.done(send.ticket);
    assert_eq!(talk.said(), octets("40 02 04d2"));
}

#[test]
fn mqtt_4_3_3_qos_2_goes_through_all_its_steps() {
    for (mut talk, properties) in [(Talk::v5(), "00"), (Talk::v3_1_1(), "")] {
        talk.sends(0x34, &format!("<a> 0007 {properties} 'x'"));
        let send = talk.asked_send();
        assert_eq!(send.packet, Some(PacketId(7)));
        talk.done(send.ticket);
        assert_eq!(talk.said(), octets("50 02 0007"));
        talk.sends(0x62, "0007");
        let ClientSessionCommand::Release(PacketId(7), ticket) = talk.asked_of_session() else {
            panic!("expected a release");
        };
        assert_eq!(talk.said(), []);
        talk.done(Some(ticket));
        assert_eq!(talk.said(), octets("70 02 0007"));
    }
}

#[test]
fn mqtt_3_6_4_1_a_pubrel_of_nothing_is_answered_all_the_same() {
    let mut talk = Talk::v5();
    talk.sends(0x62, "0007 92");
    let ClientSessionCommand::Release(_, ticket) = talk.asked_of_session() else {
        panic!("expected a release");
    };
    talk.refuse(Some(ticket), Refusal::Unknown("packet"));
    assert_eq!(talk.said(), octets("70 02 0007"));
}

#[test]
fn mqtt_4_6_0_2_answers_come_in_the_order_of_the_messages() {
    let mut talk = Talk::v5();
    for id in 1..=3 {
        talk.sends(0x32, &format!("<a> 000{id} 00"));
    }
    let tickets: Vec<_> = talk
        .asked()
        .into_iter()
        .map(|command| match command {
            Command::Send(_, send) => send.ticket,
            other => panic!("{other:?}"),
        })
        .collect();
    talk.done(tickets[2]);
    talk.done(tickets[1]);
    assert_eq!(talk.said(), []);
    talk.done(tickets[0]);
    assert_eq!(talk.said(), octets("40020001 40020002 40020003"));
}

#[test]
fn mqtt_3_3_1_1_a_message_of_qos_2_is_not_repeated_for_ever_without_dup() {
    let mut talk = Talk::v5();
    for _ in 0..2 {
        talk.sends(0x34, "<a> 0007 00 'x'");
        let ticket = talk.asked_send().ticket;
        talk.done(ticket);
        assert_eq!(talk.said(), octets("50 02 0007"));
    }
    talk.sends(0x34, "<a> 0007 00 'x'");
    assert_eq!(talk.violated(), octets("e0 01 82"));
    // Marked as duplicates they may come as often as they like; so may others under the same identifier.
    for (first, bodies) in [(0x3c, ["x", "x", "x"]), (0x34, ["", "x", ""])] {
        let mut talk = Talk::v5();
        for body in bodies {
            talk.sends(first, &format!("<a> 0007 00 '{body}'"));
            let ticket = talk.asked_send().ticket;
            talk.done(ticket);
            assert_eq!(talk.said(), octets("50 02 0007"));
        }
    }
}

#[test]
fn mqtt_3_3_1_2_to_4_flags_that_make_no_sense_are_malformed() {
    for (first, body) in [
        (0x38, "<a> 00"),
        (0x36, "<a> 0001 00"),
        (0x3e, "<a> 0001 00"),
    ] {
        let mut talk = Talk::v5();
        talk.sends(first, body);
        assert_eq!(talk.violated(), octets("e0 01 81"));
    }
}

#[test]
fn mqtt_3_3_2_topics_are_refused_that_are_none() {
    let table = [
        ("<> 00", 0x82),
        ("<+opic> 00", 0x81),
        ("<#opic> 00", 0x81),
        ("0002 6100 00", 0x81),
        ("0003 eda080 00", 0x81),
        ("0001 7f 00", 0x81),
        ("0005 61", 0x81),
    ];
    for (body, reason) in table {
        let mut talk = Talk::v5();
        talk.sends(0x30, body);
        assert_eq!(talk.violated(), [0xe0, 1, reason], "{body}");
    }
    let mut talk = Talk::v3_1_1();
    talk.sends(0x30, "<>");
    assert_eq!(talk.violated(), []);
}

#[test]
fn mqtt_2_2_1_3_a_packet_identifier_is_not_0() {
    for first in [0x32, 0x34] {
        let mut talk = Talk::v5();
        talk.sends(first, "<a> 0000 00");
        assert_eq!(talk.violated(), octets("e0 01 82"));
    }
}

#[test]
fn mqtt_4_7_2_1_topics_of_the_server_are_refused() {
    let mut talk = Talk::v5();
    for topic in ["$SYS/broker/uptime", "$share/g/a", "$sys.mqtt.sessions"] {
        talk.sends(0x34, &format!("<{topic}> 007b 00"));
        assert_eq!(talk.said(), octets("50 03 007b 87"));
        talk.sends(0x32, &format!("<{topic}> 007b 00"));
        assert_eq!(talk.said(), octets("40 03 007b 87"));
        talk.sends(0x30, &format!("<{topic}> 00"));
    }
    assert!(talk.asked().is_empty() && talk.is_open());
    talk.sends(0x34, "<$SYS/broker/connection/me/state> 007b 00");
    assert_eq!(
        &*talk.asked_send().message.address,
        "$SYS.broker.connection.me.state"
    );
}

#[test]
fn mqtt_3_4_2_1_a_refused_message_is_answered_with_why() {
    for (refusal, reason) in [
        (forbidden(), 0x87),
        (Refusal::AddressFull("a".into()), 0x97),
        (Refusal::AddressMissing("a".into()), 0x90),
    ] {
        let mut talk = Talk::v5();
        talk.sends(0x32, "<a> 0001 00");
        let ticket = talk.asked_send().ticket;
        talk.refuse(ticket, refusal.clone());
        assert_eq!(talk.said(), [0x40, 3, 0, 1, reason]);
        talk.sends(0x34, "<a> 0001 00");
        let ticket = talk.asked_send().ticket;
        talk.refuse(ticket, refusal);
        assert_eq!(talk.said(), [0x50, 3, 0, 1, reason]);
        assert!(talk.is_open());
    }
}

#[test]
fn mqtt_3_1_1_3_3_5_2_a_refused_message_is_acknowledged_or_the_connection_is_closed() {
    for first in [0x30, 0x32] {
        let body = if first == 0x30 { "<a>" } else { "<a> 0001" };
        let mut talk = Talk::v3_1_1();
        talk.sends(first, body);
        let ticket = talk.asked_send().ticket;
        talk.refuse(ticket, forbidden());
        assert_eq!(talk.given_up(), []);
        let options =
            Options::parse([("closeMqttConnectionOnPublishAuthorizationFailure", "false")]);
        let lenient =
            Talk::with(options.expect("a valid parameter")).connect("<MQTT> 04 02 000a <c>");
        for mut talk in [Talk::v3_1(), lenient] {
            talk.sends(first, body);
            let ticket = talk.asked_send().ticket;
            talk.refuse(ticket, forbidden());
            let said = if first == 0x30 { "" } else { "40 02 0001" };
            assert_eq!(talk.said(), octets(said));
            assert!(talk.is_open());
        }
    }
    let mut talk = Talk::v3_1_1();
    talk.sends(0x32, "<a> 0001");
    let ticket = talk.asked_send().ticket;
    talk.refuse(ticket, Refusal::AddressFull("a".into()));
    assert_eq!(talk.given_up(), []);
}

#[test]
fn a_message_of_qos_0_that_is_refused_is_lost() {
    for refusal in [forbidden(), Refusal::AddressFull("a".into())] {
        let mut talk = Talk::v5();
        talk.sends(0x30, "<a> 00");
        talk.refuse(None, refusal);
        assert!(talk.is_open() && talk.said().is_empty());
    }
}

#[test]
fn artemis_a_prefix_says_how_a_topic_is_routed() {
    let options = Options::parse([("anycastPrefix", "queue/"), ("multicastPrefix", "topic/")]);
    let mut talk = Talk::with(options.expect("valid parameters")).connect("<MQTT> 04 02 000a <c>");
    for (topic, address, routing) in [
        ("queue/a", "a", Some(RoutingType::Anycast)),
        ("topic/a", "a", Some(RoutingType::Multicast)),
        ("a/b", "a.b", None),
    ] {
        talk.sends(0x30, &format!("<{topic}>"));
        let send = talk.asked_send();
        assert_eq!((&*send.message.address, send.routing), (address, routing));
    }
}

#[test]
fn artemis_a_message_says_how_it_was_published() {
    let mut talk = Talk::v5();
    talk.sends(0x35, "<a> 0001 00");
    let message = talk.asked_send().message;
    assert_eq!(
        (message.priority, message.timestamp),
        (0, crate::talk::WALL)
    );
    let published = message.published.expect("published");
    assert_eq!(
        (&*published.client_id, published.qos),
        ("c", Qos::ExactlyOnce)
    );
    assert!(published.retain && !published.stored);
}

#[test]
fn a_blocked_producer_waits_and_a_blocked_consumer_goes_on() {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a> 01");
    talk.deliver_with(consumer, 1, Qos::AtLeastOnce, crate::talk::published("x"));
    talk.said();
    talk.tell(Event::Blocked(Block::DiskFull));
    talk.sends(0x40, "0001");
    assert!(matches!(
        talk.asked_of_session(),
        ClientSessionCommand::Acknowledge(PacketId(1), None)
    ));
    talk.sends_octets(&octets("30 05 <a> 00 'x' c0 00"));
    assert!(talk.machine.paused());
    assert!(talk.asked().is_empty() && talk.said().is_empty());
    assert_eq!(talk.unread().len(), 9);
    talk.tell(Event::Unblocked);
    assert_eq!(&*talk.asked_send().message.address, "a");
    assert_eq!(talk.said(), octets("d0 00"));
}

#[test]
fn a_small_payload_does_not_pin_the_read_buffer_and_a_large_one_is_not_copied() {
    let mut talk = Talk::v3_1_1();
    let large = format!("<a> '{}'", "x".repeat(100_000));
    let read = [
        crate::talk::packet(0x30, "<a> 'small'"),
        crate::talk::packet(0x30, &large),
    ];
    talk.sends_octets(&read.concat());
    let mut bodies = talk.asked().into_iter().map(|command| match command {
        Command::Send(_, send) => send.message.body.inline().cloned().expect("in memory"),
        other => panic!("{other:?}"),
    });
    let small = bodies.next().and_then(|body| body.try_into_mut().ok());
    let small = small.expect("memory of its own");
    assert_eq!((small.len(), small.capacity()), (5, 5));
    assert_eq!(bodies.next().map(|body| body.len()), Some(100_000));
}
