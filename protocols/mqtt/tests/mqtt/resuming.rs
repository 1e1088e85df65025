// SPDX-License-Identifier: Apache-2.0
//! A client comes back to its session.

use hind_engine::client_session::ClientSubscription;
use hind_engine::command::{
    ClientSessionCommand, Command, ConsumerCommand, Settling, Subscription,
};
use hind_engine::event::{Attached, Delivery, Event, Packet, Refusal};
use hind_engine::id::{DeliveryId, PacketId};
use hind_engine::message::Qos;

use crate::talk::{Talk, octets, published};

fn kept(filter: &str) -> ClientSubscription {
    ClientSubscription {
        filter: filter.into(),
        qos: Qos::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: 1,
        identifier: Some(7),
    }
}

/// A client whose session has this left.
fn resumed(attached: Attached) -> Talk {
    let mut talk = Talk::new();
    talk.sends(0x10, "<MQTT> 05 00 003c 05 11 0000003c <c>");
    talk.let_in();
    talk.attach(attached);
    talk
}

#[test]
fn mqtt_3_8_4_a_subscription_of_a_kept_session_is_kept_with_all_it_says() {
    let mut talk = resumed(Attached::default());
    talk.sends(0x82, "0001 02 0b07 <a/b> 1d");
    let (_, open) = talk.asked_open();
    assert_eq!(open.kept, Some(Box::new(kept("a/b"))));
    let queue = Subscription::Named {
        queue: "c.a.b".into(),
        durable: true,
        shared: false,
    };
    assert_eq!(open.subscription, queue);
}

#[test]
fn mqtt_4_1_0_1_subscriptions_go_on_where_they_were() {
    let mut talk = resumed(Attached {
        present: true,
        subscriptions: vec![kept("a/b"), kept("$share/g/a/#")],
        received: vec![],
    });
    assert_eq!(talk.said()[2], 1);
    let opened: Vec<_> = talk
        .asked()
        .into_iter()
        .map(|command| match command {
            Command::Consumer(consumer, ConsumerCommand::Open(open)) => (consumer, open),
            other => panic!("{other:?}"),
        })
        .collect();
    let (consumer, first) = &opened[0];
    assert_eq!(&*first.address, "a.b");
    assert!(!first.retained && first.no_local);
    assert_eq!(first.kept, Some(Box::new(kept("a/b"))));
    assert_eq!(first.settling, Settling::ByPacket(Qos::AtLeastOnce));
    assert_eq!(&*opened[1].1.address, "a.#");
    // Nothing is said of it, and what was on its way comes again.
    talk.done(Some(first.ticket));
    talk.done(Some(opened[1].1.ticket));
    assert_eq!(talk.said(), []);
    talk.tell(Event::Deliver(Delivery {
        consumer: *consumer,
        delivery: DeliveryId(0),
        packet: Some(Packet {
            id: PacketId(5),
            qos: Qos::AtLeastOnce,
            again: true,
        }),
        message: published("x").into(),
        attempts: 0,
    }));
    assert_eq!(talk.said(), octets("3a 0b <a/b> 0005 02 0b07 'x'"));
    // A new subscription to the same filter is none.
    talk.sends(0x82, "0001 00 <a/b> 10");
    let Command::Consumer(again, ConsumerCommand::Reopen(open)) = talk.asked_one() else {
        panic!("expected the same consumer");
    };
    assert!(again == *consumer && !open.retained);
}

#[test]
fn mqtt_4_4_0_1_pubrel_is_sent_again_for_what_the_client_has() {
    let mut talk = resumed(Attached {
        present: true,
        subscriptions: vec![],
        received: vec![PacketId(3), PacketId(2)],
    });
    let said = talk.said();
    assert_eq!(said[0], 0x20);
    assert!(said.ends_with(&octets("62020003 62020002")), "{said:x?}");
    talk.sends(0x70, "0003");
    assert!(matches!(
        talk.asked_of_session(),
        ClientSessionCommand::Complete(PacketId(3))
    ));
    talk.sends(0x50, "0002");
    assert_eq!(talk.said(), octets("62020002"));
}

#[test]
fn a_subscription_that_may_no_longer_be_is_gone() {
    let mut talk = resumed(Attached {
        present: true,
        subscriptions: vec![kept("a/b")],
        received: vec![],
    });
    talk.said();
    let (_, open) = talk.asked_open();
    talk.refuse(Some(open.ticket), Refusal::AddressMissing("a.b".into()));
    talk.sends(0xa2, "0003 00 <a/b>");
    assert_eq!(talk.said(), octets("b0 04 0003 00 11"));
}

#[test]
fn mqtt_4_3_3_a_message_that_was_sent_in_an_earlier_connection_can_be_released() {
    let mut talk = resumed(Attached {
        present: true,
        ..Attached::default()
    });
    talk.said();
    talk.sends(0x62, "0009");
    let ClientSessionCommand::Release(PacketId(9), ticket) = talk.asked_of_session() else {
        panic!("expected a release");
    };
    talk.done(Some(ticket));
    assert_eq!(talk.said(), octets("70 02 0009"));
}
