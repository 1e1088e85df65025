// SPDX-License-Identifier: Apache-2.0
//! SUBSCRIBE and UNSUBSCRIBE.

use hind_engine::command::{
    ClientSessionCommand, Command, ConsumerCommand, Settling, Subscription,
};
use hind_engine::event::Refusal;
use hind_engine::message::Qos;
use hind_engine::security::permissions::Permission;

use crate::talk::{Talk, octets};

fn forbidden() -> Refusal {
    Refusal::NotAuthorized {
        user: "u".into(),
        permission: Permission::Consume,
        address: "a".into(),
        queue: None,
    }
}

#[test]
fn mqtt_3_8_4_1_a_subscription_is_granted_when_it_is_made() {
    for (mut talk, properties, suback) in [
        (Talk::v5(), "00", "90 04 04d2 00 01"),
        (Talk::v3_1_1(), "", "90 03 04d2 01"),
        (Talk::v3_1(), "", "90 03 04d2 01"),
    ] {
        talk.sends(0x82, &format!("04d2 {properties} <a/+/b> 01"));
        let (_, open) = talk.asked_open();
        assert_eq!(&*open.address, "a.*.b");
        assert_eq!(open.settling, Settling::ByPacket(Qos::AtLeastOnce));
        assert!(open.retained && !open.no_local && open.kept.is_none());
        let queue = Subscription::Named {
            queue: "c.a.*.b".into(),
            durable: false,
            shared: false,
        };
        assert_eq!(open.subscription, queue);
        assert_eq!(talk.said(), []);
        talk.done(Some(open.ticket));
        assert_eq!(talk.said(), octets(suback));
    }
}

#[test]
fn mqtt_3_8_4_5_several_filters_are_answered_together_and_in_order() {
    let mut talk = Talk::v5();
    talk.sends(0x82, "0001 00 <a> 00 <b> 01 <c> 02 <$sys/mqtt/sessions> 00");
    let tickets: Vec<_> = talk
        .asked()
        .into_iter()
        .map(|command| match command {
            Command::Consumer(_, ConsumerCommand::Open(open)) => open.ticket,
            other => panic!("{other:?}"),
        })
        .collect();
    talk.done(Some(tickets[0]));
    talk.refuse(Some(tickets[1]), forbidden());
    assert_eq!(talk.said(), []);
    talk.done(Some(tickets[2]));
    assert_eq!(talk.said(), octets("90 07 0001 00 00 87 02 87"));
}

#[test]
fn mqtt_3_9_3_2_a_refused_subscription_is_said_in_the_words_of_the_version() {
    for (mut talk, properties, suback) in [
        (Talk::v5(), "00", "90 04 0001 00 87"),
        (Talk::v3_1_1(), "", "90 03 0001 80"),
        (Talk::v3_1(), "", "90 03 0001 00"),
    ] {
        talk.sends(0x82, &format!("0001 {properties} <a> 01"));
        let (_, open) = talk.asked_open();
        talk.refuse(Some(open.ticket), forbidden());
        assert_eq!(talk.said(), octets(suback));
        // There is nothing to unsubscribe from.
        talk.sends(0xa2, &format!("0002 {properties} <a>"));
        assert!(talk.asked().is_empty());
    }
}

#[test]
fn mqtt_3_8_3_1_options_are_obeyed() {
    let table = [
        ("04", true, true),
        ("08", false, true),
        ("10", false, true),
        ("20", false, false),
        ("2e", true, false),
    ];
    for (options, no_local, retained) in table {
        let mut talk = Talk::v5();
        talk.sends(0x82, &format!("0001 00 <a> {options}"));
        let (_, open) = talk.asked_open();
        assert_eq!(
            (open.no_local, open.retained),
            (no_local, retained),
            "{options}"
        );
    }
    let mut talk = Talk::v5();
    talk.sends(0x82, "0001 00 <a> 00");
    assert_eq!(talk.asked_open().1.settling, Settling::BySending);
}

#[test]
fn mqtt_3_8_4_3_a_second_subscription_replaces_the_first() {
    for (options, retained) in [("01", true), ("11", false), ("21", false)] {
        let mut talk = Talk::v5();
        let consumer = talk.subscribed("00 <a> 00");
        talk.sends(0x82, &format!("0002 00 <a> {options}"));
        let Command::Consumer(again, ConsumerCommand::Reopen(open)) = talk.asked_one() else {
            panic!("expected the same consumer");
        };
        assert_eq!((again, open.retained), (consumer, retained));
        assert_eq!(open.settling, Settling::ByPacket(Qos::AtLeastOnce));
        talk.done(Some(open.ticket));
        assert_eq!(talk.said(), octets("90 04 0002 00 01"));
    }
}

#[test]
fn mqtt_4_8_2_a_shared_subscription_has_the_queue_of_its_group_and_no_retained_messages() {
    for mut talk in [Talk::v5(), Talk::v3_1_1()] {
        let body = if format!("{talk:?}").contains("version: V5") {
            "0001 00"
        } else {
            "0001"
        };
        talk.sends(0x82, &format!("{body} <$share/grp/nm/s> 01"));
        let (_, open) = talk.asked_open();
        assert_eq!(&*open.address, "nm.s");
        assert!(!open.retained);
        let queue = Subscription::Named {
            queue: "grp.nm.s".into(),
            durable: false,
            shared: true,
        };
        assert_eq!(open.subscription, queue);
    }
}

#[test]
fn mqtt_4_7_2_1_a_wildcard_at_the_beginning_does_not_stand_for_what_begins_with_a_dollar() {
    for (filter, selector) in [
        ("#", "AMQAddress NOT LIKE '$%'"),
        ("+/a", "AMQAddress NOT LIKE '$%'"),
        ("$share/g/#", "AMQAddress NOT LIKE '$%'"),
        ("$SYS/#", ""),
        ("a/#", ""),
    ] {
        let mut talk = Talk::v5();
        talk.sends(0x82, &format!("0001 00 <{filter}> 00"));
        assert_eq!(talk.asked_open().1.selector, selector);
    }
}

#[test]
fn mqtt_3_8_3_what_is_no_subscription_is_malformed() {
    let table = [
        ("0001 00 <a> 03", 0x81),
        ("0001 00 <a> 30", 0x82),
        ("0001 00 <a> 40", 0x81),
        ("0001 00 <$share/g/a> 04", 0x82),
        ("0001 00 <$share/g> 00", 0x81),
        ("0001 00 <> 00", 0x81),
        ("0001 00 <ab/+e> 00", 0x81),
        ("0001 00 <a> 00 <> 00", 0x81),
        ("0001 00", 0x82),
        ("0001 00 <a>", 0x81),
        ("0000 00 <a> 00", 0x82),
        ("0001 02 0b00 <a> 00", 0x82),
        ("0001 03 0b8000 <a> 00", 0x81),
    ];
    for (body, reason) in table {
        let mut talk = Talk::v5();
        talk.sends(0x82, body);
        assert_eq!(talk.violated(), [0xe0, 1, reason], "{body}");
    }
    for options in ["03", "04", "08", "10", "80"] {
        let mut talk = Talk::v3_1_1();
        talk.sends(0x82, &format!("0001 <a> {options}"));
        assert_eq!(talk.violated(), []);
    }
}

#[test]
fn mqtt_3_10_4_4_an_unsubscription_is_answered_for_each_filter() {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a> 01");
    talk.sends(0xa2, "0002 00 <a> <b>");
    let ClientSessionCommand::Unsubscribe(closed, ticket) = talk.asked_of_session() else {
        panic!("expected an unsubscription");
    };
    assert_eq!(closed, consumer);
    assert_eq!(talk.said(), []);
    talk.done(Some(ticket));
    assert_eq!(talk.said(), octets("b0 05 0002 00 00 11"));
    talk.sends(0xa2, "0003 00 <a>");
    assert_eq!(talk.said(), octets("b0 04 0003 00 11"));
    let mut talk = Talk::v3_1_1();
    talk.sends(0xa2, "0003 <a>");
    assert_eq!(talk.said(), octets("b0 02 0003"));
}

#[test]
fn mqtt_3_10_4_3_what_was_on_its_way_is_delivered_after_an_unsubscription() {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a/b> 01");
    talk.sends(0xa2, "0002 00 <a/b>");
    let ClientSessionCommand::Unsubscribe(_, ticket) = talk.asked_of_session() else {
        panic!("expected an unsubscription");
    };
    talk.deliver_with(consumer, 9, Qos::AtLeastOnce, crate::talk::published("x"));
    talk.done(Some(ticket));
    assert_eq!(
        talk.said(),
        octets("32 09 <a/b> 0009 00 'x' b0 04 0002 00 00")
    );
    // Subscribed again, it is a new one.
    talk.sends(0x82, "0003 00 <a/b> 11");
    let (again, open) = talk.asked_open();
    assert!(again != consumer && open.retained);
}

#[test]
fn mqtt_3_10_3_what_is_no_unsubscription_is_malformed() {
    for (body, reason) in [
        ("0001 00", 0x82),
        ("0001 00 <>", 0x81),
        ("0001 00 <a#>", 0x81),
        ("0000 00 <a>", 0x82),
        ("0001 02 0b01 <a>", 0x82),
    ] {
        let mut talk = Talk::v5();
        talk.sends(0xa2, body);
        assert_eq!(talk.violated(), [0xe0, 1, reason], "{body}");
    }
}

#[test]
fn a_subscription_whose_queue_is_deleted_ends_the_connection() {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a> 00");
    talk.tell(hind_engine::event::Event::Detached(
        consumer,
        Refusal::QueueMissing("c.a".into()),
    ));
    assert_eq!(talk.given_up()[2], 0x98);
}
