// SPDX-License-Identifier: Apache-2.0
//! What a client answers for messages it was sent: in place, out of place, and about nothing.

use hind_engine::command::ClientSessionCommand;
use hind_engine::event::Refusal;
use hind_engine::id::PacketId;
use hind_engine::message::Qos;

use crate::talk::{Talk, octets, published};

fn sent(qos: Qos) -> Talk {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a/b> 02");
    talk.deliver_with(consumer, 1, qos, published("x"));
    talk.said();
    talk
}

/// The client has said PUBREC, and PUBREL has gone out.
fn released() -> Talk {
    let mut talk = sent(Qos::ExactlyOnce);
    talk.sends(0x50, "0001");
    let ClientSessionCommand::Received(PacketId(1), ticket) = talk.asked_of_session() else {
        panic!("expected the engine to be told");
    };
    assert_eq!(talk.said(), []);
    talk.done(Some(ticket));
    assert_eq!(talk.said(), octets("62 02 0001"));
    talk
}

#[test]
fn mqtt_4_3_2_a_puback_ends_qos_1() {
    for body in ["0001", "0001 00", "0001 10 00", "0001 80"] {
        let mut talk = sent(Qos::AtLeastOnce);
        talk.sends(0x40, body);
        assert!(matches!(
            talk.asked_of_session(),
            ClientSessionCommand::Acknowledge(PacketId(1), None)
        ));
        // Said once more, it is about nothing.
        talk.sends(0x40, body);
        assert!(talk.asked().is_empty() && talk.is_open());
    }
}

#[test]
fn mqtt_4_3_3_a_pubcomp_ends_qos_2() {
    let mut talk = released();
    talk.sends(0x70, "0001");
    assert!(matches!(
        talk.asked_of_session(),
        ClientSessionCommand::Complete(PacketId(1))
    ));
    talk.sends(0x70, "0001");
    assert!(talk.asked().is_empty() && talk.is_open());
}

#[test]
fn mqtt_4_3_3_a_pubrec_that_refuses_ends_qos_2() {
    let mut talk = sent(Qos::ExactlyOnce);
    talk.sends(0x50, "0001 80");
    assert!(matches!(
        talk.asked_of_session(),
        ClientSessionCommand::Acknowledge(PacketId(1), None)
    ));
    assert_eq!(talk.said(), []);
}

#[test]
fn mqtt_4_3_3_a_repeated_pubrec_is_answered_again() {
    let mut talk = released();
    talk.sends(0x50, "0001");
    assert_eq!(talk.said(), octets("62 02 0001"));
    assert!(talk.asked().is_empty());
}

#[test]
fn a_pubrec_that_the_engine_knows_nothing_of_is_answered_all_the_same() {
    let mut talk = sent(Qos::ExactlyOnce);
    talk.sends(0x50, "0001");
    let ClientSessionCommand::Received(_, ticket) = talk.asked_of_session() else {
        panic!("expected the engine to be told");
    };
    talk.refuse(Some(ticket), Refusal::Unknown("packet id"));
    assert_eq!(talk.said(), octets("62 02 0001"));
}

#[test]
fn mqtt_4_3_an_answer_out_of_place_is_a_protocol_error() {
    let table = [
        (sent(Qos::AtLeastOnce), 0x50),
        (sent(Qos::AtLeastOnce), 0x70),
        (sent(Qos::ExactlyOnce), 0x40),
        (sent(Qos::ExactlyOnce), 0x70),
        (released(), 0x40),
    ];
    for (mut talk, first) in table {
        talk.sends(first, "0001");
        assert_eq!(talk.violated(), octets("e0 01 82"), "{first:#x}");
    }
}

#[test]
fn answers_about_nothing_do_no_harm() {
    let mut talk = Talk::v5();
    talk.sends(0x40, "0009");
    talk.sends(0x70, "0009 92");
    talk.sends(0x50, "0009 80");
    assert!(talk.asked().is_empty() && talk.said().is_empty());
    talk.sends(0x50, "0009");
    assert_eq!(talk.said(), octets("62 02 0009"));
    assert!(talk.asked().is_empty() && talk.is_open());
}

#[test]
fn mqtt_3_4_to_3_7_answers_that_cannot_be_read_are_malformed() {
    for first in [0x40, 0x50, 0x62, 0x70] {
        let table = [
            ("", 0x81),
            ("01", 0x81),
            ("0000", 0x82),
            ("0001 ff", 0x82),
            ("0001 01", 0x82),
            ("0001 00 00 00", 0x81),
            ("0001 00 01", 0x81),
            ("0001 00 02 0101", 0x82),
            ("0001 00 08 1f <a> 1f <b>", 0x82),
            ("0001 ff 01 1f", 0x81),
        ];
        for (body, reason) in table {
            let mut talk = Talk::v5();
            talk.sends(first, body);
            assert_eq!(talk.violated(), [0xe0, 1, reason], "{first:#x} {body}");
        }
        let mut talk = Talk::v3_1_1();
        talk.sends(first, "0001 00");
        assert_eq!(talk.violated(), []);
    }
}
