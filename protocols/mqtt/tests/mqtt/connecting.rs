// SPDX-License-Identifier: Apache-2.0
//! CONNECT and CONNACK.

use std::time::Duration;

use hind_engine::client_session::SessionExpiry;
use hind_engine::event::{Attached, Event, Refusal};
use hind_engine::id::Ticket;
use hind_mqtt::Options;

use crate::talk::{Talk, octets};

/// What a CONNECT with this body is answered with by a broker that lets everybody in.
fn answer(body: &str) -> Vec<u8> {
    let mut talk = Talk::new();
    talk.sends(0x10, body);
    if talk.is_open() {
        talk.let_in();
        talk.attach(Attached::default());
    }
    talk.said()
}

#[test]
fn mqtt_3_1_4_5_a_valid_connect_is_acknowledged_in_its_version() {
    let table = [
        ("<MQIsdp> 03 02 000a <p>", "20 02 00 00"),
        ("<MQIsdp> 03 01 000a <p>", "20 02 00 00"),
        ("<MQTT> 04 02 000a <p>", "20 02 00 00"),
        ("<MQTT> 04 c2 000a <p> <u> <w>", "20 02 00 00"),
        ("<MQTT> 04 02 000a <>", "20 02 00 00"),
        // Topic alias maximum and maximum packet size are announced, the receive maximum is what it is by default.
        (
            "<MQTT> 05 02 000a 00 <p>",
            "20 0b 00 00 08 22 ffff 27 0fffffff",
        ),
    ];
    for (connect, connack) in table {
        assert_eq!(answer(connect), octets(connack), "{connect}");
    }
}

#[test]
fn mqtt_3_1_2_1_and_2_another_protocol_or_version_is_refused() {
    let table = [
        ("<MQTU> 04 02 000a <p>", ""),
        ("<MQT> 04 02 000a <p>", ""),
        ("<MQTT>", ""),
        ("", ""),
        ("<MQIsdp> 04 02 000a <p>", "20 02 00 01"),
        ("<MQTT> 03 02 000a <p>", "20 02 00 01"),
        ("<MQTT> 84 02 000a <p>", "20 02 00 01"),
        ("<MQTT> 02 02 000a <p>", "20 03 00 84 00"),
        ("<MQTT> 06 02 000a <p>", "20 03 00 84 00"),
        ("<MQIsdp> 02 02 000a <p>", "20 03 00 84 00"),
    ];
    for (connect, said) in table {
        let mut talk = Talk::new();
        talk.sends(0x10, connect);
        assert_eq!(talk.violated(), octets(said), "{connect}");
    }
}

#[test]
fn mqtt_3_1_4_1_a_connect_that_is_none_is_refused_by_its_version() {
    let table = [
        // The reserved flag, a will that is not there, one of QoS 3.
        ("<MQTT> 04 03 000a <p>", ""),
        ("<MQTT> 04 0a 000a <p>", ""),
        ("<MQTT> 04 22 000a <p>", ""),
        ("<MQTT> 04 1e 000a <p> <t> <m>", ""),
        ("<MQTT> 05 1e 000a 00 <p> 00 <t> <m>", ""),
        ("<MQTT> 05 0a 000a 00 <p>", "20 03 00 81 00"),
        // A password without a user; too much; too little.
        ("<MQTT> 04 42 000a <p> <w>", ""),
        ("<MQTT> 04 02 000a <p> 00", ""),
        ("<MQTT> 05 02 000a 00 <p> 00", "20 03 00 81 00"),
        ("<MQTT> 05 06 000a 00 <p>", "20 03 00 81 00"),
        ("<MQTT> 05 82 000a 00 <p>", ""),
        // Names that cannot be.
        ("<MQTT> 04 02 000a 0001 00", ""),
        ("<MQTT> 05 02 000a 00 0001 00", "20 03 00 85 00"),
        ("<MQTT> 05 82 000a 00 <p> 0001 00", ""),
        ("<MQTT> 05 06 000a 00 <p> 00 <a/#> <m>", "20 03 00 81 00"),
        (
            "<MQTT> 05 06 000a 00 <p> 00 <$CONTROL/x> <m>",
            "20 03 00 81 00",
        ),
        // Properties.
        ("<MQTT> 05 02 000a 02 0101 <p>", "20 03 00 82 00"),
        ("<MQTT> 05 02 000a 01 11 <p>", "20 03 00 81 00"),
        ("<MQTT> 05 02 000a 04 16 <d> <p>", "20 03 00 82 00"),
    ];
    for (connect, said) in table {
        let mut talk = Talk::new();
        talk.sends(0x10, connect);
        assert_eq!(talk.violated(), octets(said), "{connect}");
    }
}

#[test]
fn mqtt_3_1_0_1_anything_but_connect_closes_without_a_word() {
    for first in [0x00, 0x20, 0x30, 0x40, 0x82, 0xc0, 0xe0, 0xf0] {
        let mut talk = Talk::new();
        talk.sends_octets(&[first]);
        assert_eq!(talk.violated(), [], "{first:#x}");
    }
}

#[test]
fn mqtt_3_1_0_2_a_second_connect_is_a_protocol_error() {
    let mut talk = Talk::v5();
    talk.sends(0x10, "<MQTT> 05 02 000a 00 <p>");
    assert_eq!(talk.violated(), octets("e0 01 82"));
    let mut talk = Talk::v3_1_1();
    talk.sends(0x10, "<MQTT> 04 02 000a <p>");
    assert_eq!(talk.violated(), []);
}

#[test]
fn mqtt_3_1_3_6_to_8_a_client_without_a_name_is_given_one_or_refused() {
    for (connect, said) in [
        ("<MQTT> 04 00 000a <>", "20 02 00 02"),
        ("<MQIsdp> 03 02 000a <>", "20 02 00 02"),
    ] {
        let mut talk = Talk::new();
        talk.sends(0x10, connect);
        assert_eq!(talk.violated(), octets(said));
    }
    let mut talk = Talk::new();
    talk.sends(0x10, "<MQTT> 05 00 000a 00 <>");
    talk.let_in();
    let name = talk.attach(Attached::default()).client_id;
    assert!(name.len() >= 32, "{name}");
    let said = talk.said();
    let assigned = octets(&format!("12 <{name}>"));
    assert!(
        said.windows(assigned.len())
            .any(|window| window == assigned)
    );
}

#[test]
fn mqtt_3_2_2_2_session_present_is_said_by_those_versions_that_know_it() {
    for (connect, said) in [
        ("<MQTT> 05 00 000a 00 <p>", 1),
        ("<MQTT> 04 00 000a <p>", 1),
        ("<MQIsdp> 03 00 000a <p>", 0),
    ] {
        let mut talk = Talk::new();
        talk.sends(0x10, connect);
        talk.let_in();
        talk.attach(Attached {
            present: true,
            ..Attached::default()
        });
        assert_eq!(talk.said()[2], said, "{connect}");
    }
}

#[test]
fn mqtt_3_1_2_4_clean_start_and_session_expiry_are_the_clients_wish() {
    let table = [
        ("<MQTT> 05 02 000a 00 <p>", true, 0),
        ("<MQTT> 05 00 000a 05 11 00000078 <p>", false, 120),
        ("<MQTT> 05 00 000a 05 11 ffffffff <p>", false, u32::MAX),
        ("<MQTT> 04 02 000a <p>", true, 0),
        ("<MQTT> 04 00 000a <p>", false, 7),
        ("<MQIsdp> 03 00 000a <p>", false, 7),
    ];
    for (connect, clean, expiry) in table {
        let options = Options::parse([("defaultMqttSessionExpiryInterval", "7")]);
        let mut talk = Talk::with(options.expect("a valid parameter"));
        talk.sends(0x10, connect);
        talk.let_in();
        let attach = talk.attach(Attached::default());
        assert_eq!(
            (attach.clean, attach.expiry),
            (clean, SessionExpiry(expiry)),
            "{connect}"
        );
        assert_eq!(attach.window, 65_535);
        assert!(attach.take_over);
    }
}

#[test]
fn mqtt_3_1_2_5_a_will_is_handed_over_with_all_that_belongs_to_it() {
    let mut talk = Talk::new();
    let will = "1e 18 0000000a 02 0000003c 03 <text> 08 <r> 09 <id> 26 <k> <v>";
    let length = octets(will).len() - 1;
    let will = will.replacen("1e", &format!("{length:02x}"), 1);
    talk.sends(
        0x10,
        &format!("<MQTT> 05 36 000a 00 <p> {will} <w/t> <bye>"),
    );
    talk.let_in();
    let attach = talk.attach(Attached::default());
    let will = attach.will.expect("a will");
    assert_eq!((will.delay_s, will.retain), (10, true));
    assert_eq!(&*will.message.address, "w.t");
    assert!(will.message.durable);
    assert_eq!(will.message.expiration - will.message.timestamp, 60_000);
    let published = will.message.published.as_ref().expect("published");
    assert_eq!((published.qos as u8, published.retain), (2, true));
    assert_eq!(
        will.message.properties.text("mqtt.content.type"),
        Some("text")
    );
    assert_eq!(
        will.message.body.inline().map(|body| &body[..]),
        Some(&b"bye"[..])
    );
}

#[test]
fn mqtt_3_1_4_2_a_refused_login_is_said_in_the_words_of_the_version() {
    let refusal = || Refusal::NotAuthenticated {
        user: Some("u".into()),
    };
    for (connect, said) in [
        ("<MQTT> 04 c2 000a <p> <u> <w>", "20 02 00 04"),
        ("<MQIsdp> 03 c2 000a <p> <u> <w>", "20 02 00 04"),
    ] {
        let mut talk = Talk::new();
        talk.sends(0x10, connect);
        let credentials = talk.login();
        assert_eq!(credentials.user.as_deref(), Some("u"));
        assert_eq!(credentials.password.as_deref(), Some("w"));
        talk.refuse(Some(Ticket(0)), refusal());
        assert_eq!(talk.given_up(), octets(said));
    }
    let mut talk = Talk::new();
    talk.sends(0x10, "<MQTT> 05 c2 000a 00 <p> <u> <w>");
    talk.refuse(Some(Ticket(0)), refusal());
    assert_eq!(talk.given_up()[..4][3], 0x86);
}

#[test]
fn artemis_a_name_in_use_is_taken_over_or_refused() {
    let options = Options::parse([("allowLinkStealing", "false")]).expect("a valid parameter");
    let mut talk = Talk::with(options);
    talk.sends(0x10, "<MQTT> 05 02 000a 00 <p>");
    talk.let_in();
    let commands = format!("{:?}", talk.asked());
    assert!(commands.contains("take_over: false"), "{commands}");
    talk.refuse(Some(Ticket(0)), Refusal::ClientIdInUse("p".into()));
    assert_eq!(talk.given_up()[3], 0x80);
}

#[test]
fn mqtt_3_1_4_3_who_is_taken_over_is_told_so() {
    let mut talk = Talk::v5();
    talk.tell(Event::TakenOver);
    assert_eq!(talk.given_up()[2], 0x8e);
    let mut talk = Talk::v3_1_1();
    talk.tell(Event::TakenOver);
    assert_eq!(talk.given_up(), []);
}

#[test]
fn mqtt_3_1_2_22_a_silent_client_is_closed_after_one_and_a_half_times_its_keep_alive() {
    let mut talk = Talk::new().connect("<MQTT> 05 02 000a 00 <c>");
    talk.passes(Duration::from_millis(14_000));
    talk.sends(0xc0, "");
    assert_eq!(talk.said(), octets("d0 00"));
    talk.passes(Duration::from_millis(14_999));
    assert!(talk.is_open());
    talk.passes(Duration::from_millis(1));
    assert_eq!(talk.given_up()[2], 0x8d);
    let mut talk = Talk::new().connect("<MQTT> 04 02 0000 <c>");
    talk.passes(Duration::from_secs(1_000_000));
    assert!(talk.is_open());
}

#[test]
fn mqtt_3_2_2_21_the_client_is_told_of_another_keep_alive() {
    let said = answer("<MQTT> 05 02 0000 00 <p>");
    assert!(
        said.windows(3).any(|window| window == [0x13, 0, 60]),
        "{said:x?}"
    );
    let said = answer("<MQTT> 05 02 003c 00 <p>");
    assert!(
        !said.windows(3).any(|window| window == [0x13, 0, 60]),
        "{said:x?}"
    );
}

#[test]
fn mqtt_3_1_2_24_a_client_that_takes_no_connack_is_let_go_without_one() {
    let mut talk = Talk::new();
    talk.sends(0x10, "<MQTT> 05 02 000a 05 27 00000002 <p>");
    talk.let_in();
    talk.attach(Attached::default());
    assert_eq!(talk.given_up(), []);
}

#[test]
fn a_stopping_broker_says_so_where_it_can() {
    let mut talk = Talk::v5();
    talk.tell(Event::Stopping);
    assert_eq!(talk.given_up()[2], 0x8b);
    let mut talk = Talk::v3_1_1();
    talk.tell(Event::Stopping);
    assert_eq!(talk.given_up(), []);
}
