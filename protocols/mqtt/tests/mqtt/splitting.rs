// SPDX-License-Identifier: Apache-2.0
//! However the network cuts a conversation into pieces, the same is said and asked.

use hind_engine::message::Qos;

use crate::fuzz::{Random, conversation};
use crate::talk::{Talk, published};

/// Everything a conversation comes to.
fn outcome(octets: &[u8], mut piece: impl FnMut() -> usize) -> (Vec<u8>, String, String) {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a/b> 02");
    for (id, qos) in [(1, Qos::AtLeastOnce), (2, Qos::ExactlyOnce)] {
        talk.deliver_with(consumer, id, qos, published("x"));
    }
    let mut rest = octets;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
        talk.sends_octets(now);
        rest = later;
    }
    (
        talk.said(),
        format!("{:?}", talk.asked()),
        format!("{:?} {:?}", talk.close, talk.violation),
    )
}

#[test]
fn mqtt_2_1_4_a_conversation_is_the_same_in_any_pieces() {
    for seed in 0..300 {
        let octets = conversation(&mut Random::new(seed));
        let whole = outcome(&octets, || usize::MAX);
        assert_eq!(outcome(&octets, || 1), whole, "seed {seed}, octet by octet");
        let mut random = Random::new(seed);
        let pieces = outcome(&octets, || random.below(40));
        assert_eq!(pieces, whole, "seed {seed}, in pieces");
    }
}

#[test]
fn a_large_packet_in_pieces_is_the_same_as_whole() {
    let body = format!("<a> 0001 00 '{}'", "x".repeat(70_000));
    let octets = crate::talk::packet(0x32, &body);
    let whole = outcome(&octets, || usize::MAX);
    assert_eq!(outcome(&octets, || 4096), whole);
}
