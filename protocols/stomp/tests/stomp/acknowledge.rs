// SPDX-License-Identifier: Apache-2.0
//! ACK, NACK, ack mode auto, and the credit that comes back.

use hind_engine::command::{Command, ConsumerCommand, Credit, Deliveries, Outcome};
use hind_engine::id::{ConsumerId, DeliveryId};

use crate::talk::{Talk, summary, text};

/// A subscription `s` to which messages 101, 102, 103 … were sent, as deliveries 1, 2, 3 …
fn holding(version: &str, ack: &str, count: u64) -> (Talk, ConsumerId) {
    let mut talk = Talk::connected(version);
    let consumer = talk.subscribed(&format!("destination:q\nid:s\nack:{ack}\n"));
    for n in 1..=count {
        talk.deliver(consumer, text(100 + n, "x"));
    }
    talk.said();
    talk.asked();
    (talk, consumer)
}

fn settled(talk: &mut Talk) -> Vec<(Deliveries, Outcome)> {
    talk.asked_settles()
        .into_iter()
        .map(|(_, settle)| {
            assert_eq!((settle.transaction, settle.ticket), (None, None));
            (settle.deliveries, settle.outcome)
        })
        .collect()
}

fn refused(talk: &mut Talk, frame: &str) -> String {
    talk.types(frame);
    let error = talk.violated();
    assert!(talk.asked().is_empty());
    summary(&error).replace("\\c", ":")
}

const ONE: fn(u64) -> Deliveries = |n| Deliveries::One(DeliveryId(n));
const UP_TO: fn(u64) -> Deliveries = |n| Deliveries::UpTo(DeliveryId(n));

#[test]
fn stomp_1_2_client_acknowledgement_is_cumulative() {
    let (mut talk, _) = holding("1.2", "client", 3);
    talk.types("ACK\nid:1,102\n\n^@");
    assert_eq!(settled(&mut talk), [(UP_TO(2), Outcome::Accepted)]);
    talk.types("ACK\nid:1,103\n\n^@");
    assert_eq!(settled(&mut talk), [(UP_TO(3), Outcome::Accepted)]);
}

#[test]
fn stomp_1_2_client_individual_acknowledgement_is_not_cumulative() {
    let (mut talk, _) = holding("1.2", "client-individual", 3);
    talk.types("ACK\nid:1,102\n\n^@ACK\nid:1,101\n\n^@NACK\nid:1,103\n\n^@");
    let expected = [
        (ONE(2), Outcome::Accepted),
        (ONE(1), Outcome::Accepted),
        (ONE(3), Outcome::Failed),
    ];
    assert_eq!(settled(&mut talk), expected);
}

#[test]
fn stomp_1_1_ack_by_message_id_and_subscription() {
    let (mut talk, _) = holding("1.1", "client", 2);
    talk.types("ACK\nmessage-id:1,102\nsubscription:s\n\n^@");
    assert_eq!(settled(&mut talk), [(UP_TO(2), Outcome::Accepted)]);
}

#[test]
fn stomp_1_0_ack_by_message_id() {
    let (mut talk, _) = holding("1.0", "client", 2);
    talk.types("ACK\nmessage-id:1,101\n\n^@");
    talk.types("ACK\nmessage-id:1,102\nsubscription:s\n\n^@");
    let expected = [(UP_TO(1), Outcome::Accepted), (UP_TO(2), Outcome::Accepted)];
    assert_eq!(settled(&mut talk), expected);
}

#[test]
fn stomp_1_2_nack_fails_the_delivery() {
    let (mut talk, _) = holding("1.2", "client", 3);
    talk.types("NACK\nid:1,102\n\n^@");
    assert_eq!(settled(&mut talk), [(UP_TO(2), Outcome::Failed)]);
    let (mut talk, _) = holding("1.1", "client-individual", 3);
    talk.types("NACK\nmessage-id:1,102\nsubscription:s\n\n^@");
    assert_eq!(settled(&mut talk), [(ONE(2), Outcome::Failed)]);
}

#[test]
fn stomp_1_2_ack_needs_an_id() {
    let text = "AMQ339039: No id header in ACK/NACK frame.";
    for (version, frame) in [
        ("1.2", "ACK\nmessage-id:1,101\nsubscription:s\n\n^@"),
        ("1.2", "NACK\n\n^@"),
        ("1.1", "ACK\nid:1,101\nsubscription:s\n\n^@"),
        ("1.0", "ACK\n\n^@"),
    ] {
        let (mut talk, _) = holding(version, "client", 1);
        assert_eq!(refused(&mut talk, frame), text);
    }
}

#[test]
fn stomp_1_1_ack_needs_the_subscription_that_got_the_message() {
    let (mut talk, _) = holding("1.1", "client", 1);
    let message = refused(&mut talk, "ACK\nmessage-id:1,101\n\n^@");
    assert_eq!(message, "AMQ339037: Must specify the subscription's id");
    let (mut talk, _) = holding("1.1", "client", 1);
    talk.subscribed("destination:q\nid:other\n");
    let message = refused(&mut talk, "ACK\nmessage-id:1,101\nsubscription:other\n\n^@");
    assert_eq!(message, "AMQ339026: subscription id other does not match s");
}

#[test]
fn stomp_1_2_an_ack_of_no_waiting_message_is_an_error() {
    for id in [
        "1,999", "9,101", "101", "", "x,y", "1,101,1", "1,-1", "1, 101",
    ] {
        let (mut talk, _) = holding("1.2", "client", 1);
        let message = refused(&mut talk, &format!("ACK\nid:{id}\n\n^@"));
        assert_eq!(
            message,
            format!("AMQ339025: failed to ack because no message with id: {id}")
        );
    }
    for (ack, again) in [
        ("client", "1,101"),
        ("client", "1,102"),
        ("client-individual", "1,102"),
    ] {
        let (mut talk, _) = holding("1.2", ack, 3);
        talk.types("ACK\nid:1,102\n\n^@");
        talk.asked();
        assert!(refused(&mut talk, &format!("ACK\nid:{again}\n\n^@")).starts_with("AMQ339025: "));
    }
}

#[test]
fn stomp_1_2_auto_counts_as_consumed_when_it_is_sent() {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.deliver(consumer, text(101, "x"));
    assert!(talk.said().starts_with("MESSAGE\n"));
    assert_eq!(settled(&mut talk), [(UP_TO(1), Outcome::Accepted)]);
    assert!(refused(&mut talk, "ACK\nid:1,101\n\n^@").starts_with("AMQ339025: "));
}

#[test]
fn auto_settles_a_run_of_deliveries_at_once() {
    use hind_engine::event::{Delivery, Event};
    use hind_engine::protocol::{Connection as _, Outbound};
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:s\n");
    let mut out = Outbound::default();
    for n in 1..=50 {
        let delivery = Delivery {
            consumer,
            delivery: DeliveryId(n),
            packet: None,
            message: std::sync::Arc::new(text(n, "x")),
            attempts: 0,
        };
        talk.machine
            .event(talk.now, Event::Deliver(delivery), &mut out);
    }
    assert_eq!(out.commands.len(), 1);
    assert!(
        matches!(&out.commands[0], Command::Consumer(_, ConsumerCommand::Settle(settle))
        if settle.deliveries == UP_TO(50))
    );
}

#[test]
fn acknowledged_again_after_redelivery() {
    let (mut talk, consumer) = holding("1.2", "client-individual", 1);
    talk.types("NACK\nid:1,101\n\n^@");
    talk.asked();
    talk.deliver_again(consumer, text(101, "x"), 1);
    talk.types("ACK\nid:1,101\n\n^@");
    assert_eq!(settled(&mut talk), [(ONE(2), Outcome::Accepted)]);
}

#[test]
fn settled_bytes_come_back_as_credit_at_once() {
    let (mut talk, _) = holding("1.2", "client", 5);
    let size = text(1, "x").size() as i64;
    for (id, settled) in [(101, 1), (104, 3), (105, 1)] {
        talk.types(&format!("ACK\nid:1,{id}\n\n^@"));
        assert_eq!(
            talk.asked_credit(),
            [Credit {
                messages: 0,
                bytes: settled * size
            }]
        );
    }
}

#[test]
fn a_run_of_answers_gives_credit_once_behind_the_last() {
    let (mut talk, consumer) = holding("1.2", "client-individual", 3);
    let size = text(1, "x").size() as i64;
    talk.types("ACK\nid:1,101\n\n^@NACK\nid:1,102\n\n^@ACK\nid:1,103\n\n^@");
    let commands = talk.asked();
    assert_eq!(commands.len(), 4);
    let credit = Credit {
        messages: 0,
        bytes: 3 * size,
    };
    assert_eq!(
        commands[3],
        Command::Consumer(consumer, ConsumerCommand::Credit(credit))
    );
}

#[test]
fn auto_credit_comes_back_as_messages_are_written() {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:s\nconsumer-window-size:1000\n");
    let size = text(1, "x").size() as i64;
    let mut given = 0;
    for n in 1..=100 {
        talk.deliver(consumer, text(n, "x"));
        given += talk
            .asked_credit()
            .iter()
            .map(|credit| credit.bytes)
            .sum::<i64>();
        assert!(size * n as i64 - given <= 250);
    }
}

#[test]
fn artemis_window_zero_is_one_message_at_a_time() {
    for ack in ["auto", "client", "client-individual"] {
        let mut talk = Talk::connected("1.2");
        let consumer = talk.subscribed(&format!(
            "destination:q\nid:s\nack:{ack}\nconsumer-window-size:0\n"
        ));
        for n in 1..=3 {
            talk.deliver(consumer, text(n, "x"));
            if ack != "auto" {
                assert!(talk.asked().is_empty());
                talk.types(&format!("ACK\nid:1,{n}\n\n^@"));
            }
            assert_eq!(
                talk.asked_credit(),
                [Credit {
                    messages: 1,
                    bytes: 0
                }]
            );
        }
    }
}

#[test]
fn an_unlimited_window_gives_nothing_back() {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:s\nack:client\nconsumer-window-size:-1\n");
    talk.deliver(consumer, text(1, "x"));
    talk.types("ACK\nid:1,1\n\n^@");
    assert!(talk.asked_credit().is_empty());
}
