// SPDX-License-Identifier: Apache-2.0
//! AUTH: an exchange by a method that both sides know.

use std::sync::Arc;

use bytes::Bytes;
use hind_engine::event::Attached;
use hind_engine::security::user::Identity;
use hind_mqtt::Options;
use hind_mqtt::authentication::{Exchange, Method, Step};

use crate::talk::{Talk, octets};

/// Asks for the answer to a question.
#[derive(Debug)]
struct Riddle;

#[derive(Debug)]
struct Asked;

impl Method for Riddle {
    fn name(&self) -> &str {
        "RIDDLE"
    }

    fn begin(&self) -> Box<dyn Exchange> {
        Box::new(Asked)
    }
}

impl Exchange for Asked {
    fn step(&mut self, data: Option<&[u8]>) -> Step {
        match data {
            Some(b"hello") => Step::Continue(Bytes::from_static(b"6*7?")),
            Some(b"42") => Step::Accept {
                identity: Identity {
                    user: Arc::from("sphinx"),
                    ..Identity::default()
                },
                data: Some(Bytes::from_static(b"right")),
            },
            _ => Step::Refuse,
        }
    }
}

fn talk() -> Talk {
    Talk::with(Options {
        methods: vec![Arc::new(Riddle)],
        ..Options::default()
    })
}

const CONNECT: &str = "<MQTT> 05 02 003c 11 15 <RIDDLE> 16 <hello> <c>";

/// The AUTH with this reason and data.
fn auth(reason: &str, method: &str, data: &str) -> String {
    let length = 6 + method.len() + data.len();
    format!("{reason} {length:02x} 15 <{method}> 16 <{data}>")
}

fn authenticated() -> Talk {
    let mut talk = talk();
    talk.sends(0x10, CONNECT);
    assert_eq!(
        talk.said(),
        crate::talk::packet(0xf0, &auth("18", "RIDDLE", "6*7?"))
    );
    talk.sends(0xf0, &auth("18", "RIDDLE", "42"));
    talk.attach(Attached::default());
    talk
}

#[test]
fn mqtt_4_12_0_an_exchange_lets_a_client_in() {
    let mut talk = authenticated();
    let said = talk.said();
    assert_eq!((said[0], said[3]), (0x20, 0));
    let last = octets("15 <RIDDLE> 16 <right>");
    assert!(
        said.windows(last.len()).any(|window| window == last),
        "{said:x?}"
    );
}

#[test]
fn mqtt_4_12_0_1_a_method_that_is_not_known_is_refused() {
    for mut talk in [Talk::new(), talk()] {
        talk.sends(0x10, "<MQTT> 05 02 003c 08 15 <NOISE> <c>");
        assert_eq!(talk.given_up(), octets("20 03 00 8c 00"));
    }
}

#[test]
fn mqtt_4_12_0_4_who_fails_is_refused() {
    let mut talk = talk();
    talk.sends(0x10, CONNECT);
    talk.said();
    talk.sends(0xf0, &auth("18", "RIDDLE", "43"));
    assert_eq!(talk.given_up()[3], 0x87);
}

#[test]
fn mqtt_3_1_2_30_nothing_else_is_said_meanwhile() {
    for (first, body) in [(0xc0, ""), (0x30, "<a> 00"), (0x82, "0001 00 <a> 00")] {
        let mut talk = talk();
        talk.sends(0x10, CONNECT);
        talk.said();
        talk.sends(first, body);
        assert_eq!(talk.violated()[..4], [0x20, 3, 0, 0x82]);
    }
    let mut talk = talk();
    talk.sends(0x10, CONNECT);
    talk.said();
    talk.sends(0xe0, "");
    assert!(!talk.is_open() && talk.said().is_empty());
}

#[test]
fn mqtt_4_12_0_5_the_method_stays_the_same() {
    for (reason, method) in [("18", "NOISE"), ("19", "RIDDLE")] {
        let mut talk = talk();
        talk.sends(0x10, CONNECT);
        talk.said();
        talk.sends(0xf0, &auth(reason, method, "42"));
        assert_eq!(talk.violated()[3], 0x82);
    }
}

#[test]
fn mqtt_4_12_1_a_client_may_authenticate_again() {
    let mut talk = authenticated();
    talk.said();
    talk.sends(0xf0, &auth("19", "RIDDLE", "hello"));
    assert_eq!(
        talk.said(),
        crate::talk::packet(0xf0, &auth("18", "RIDDLE", "6*7?"))
    );
    // Meanwhile everything goes on.
    talk.sends(0xc0, "");
    assert_eq!(talk.said(), octets("d0 00"));
    talk.sends(0xf0, &auth("18", "RIDDLE", "42"));
    assert_eq!(
        talk.said(),
        crate::talk::packet(0xf0, &auth("00", "RIDDLE", "right"))
    );
    talk.sends(0xf0, &auth("19", "RIDDLE", "wrong"));
    assert_eq!(talk.given_up()[2], 0x87);
}

#[test]
fn mqtt_4_12_0_6_a_client_that_named_no_method_says_no_auth() {
    let mut talk = Talk::v5();
    talk.sends(0xf0, &auth("19", "RIDDLE", "hello"));
    assert_eq!(talk.violated(), octets("e0 01 82"));
    let mut talk = Talk::v3_1_1();
    talk.sends(0xf0, "");
    assert_eq!(talk.violated(), []);
}
