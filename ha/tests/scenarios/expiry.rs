// SPDX-License-Identifier: Apache-2.0
//! Time to live, schedules, and what is stamped on messages on their way in.

use std::time::Duration;

use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::address::settings::AddressSettingsOverrides;
use hind_engine::command::{ConsumerOpen, Outcome, Subscription};
use hind_engine::message::properties::{self, Value};
use hind_ha::Settings;

use crate::broker::*;

fn expiration(broker: &Broker, queue: &str) -> u64 {
    let queue = broker
        .node
        .engine()
        .state()
        .queues
        .named(queue)
        .expect("there");
    queue.sorted()[0].1.message.expiration
}

#[test]
fn bounds_of_expiry_are_those_of_the_manual() {
    let millis = |n| Some(Some(Duration::from_millis(n)));
    let mut settings = AddressSettingsOverrides {
        expiry_delay: millis(5_000),
        min_expiry_delay: millis(1_000),
        max_expiry_delay: millis(9_000),
        ..AddressSettingsOverrides::default()
    };
    let with_delay = settings.clone();
    settings.expiry_delay = None;
    let both = settings.clone();
    settings.max_expiry_delay = None;
    let min = settings.clone();
    settings.no_expiry = Some(true);
    let never = settings.clone();
    let mut broker = Broker::with(&[
        ("delay.#", with_delay),
        ("both.#", both),
        ("min.#", min),
        ("never.#", never),
    ]);
    broker.connect(1, "a");
    let cases = [
        // A delay rules alone: what has an expiry keeps it.
        ("delay", 0, 5_000),
        ("delay", 10, 10),
        ("delay", 99_000, 99_000),
        ("both", 0, 9_000),
        ("both", 10, 1_000),
        ("both", 2_000, 2_000),
        ("both", 99_000, 9_000),
        // Without a maximum the minimum is what messages without expiry get.
        ("min", 0, 1_000),
        ("min", 10, 1_000),
        ("min", 2_000, 2_000),
        ("never", 10, 0),
    ];
    for (n, (address, asked, expected)) in cases.into_iter().enumerate() {
        let address = format!("{address}.{n}");
        let mut sent = message(&address, "x");
        let at = |delay| {
            if delay == 0 {
                0
            } else {
                broker.now.wall + delay
            }
        };
        sent.expiration = at(asked);
        let expected = at(expected);
        broker.send(1, sent, Some(Anycast));
        assert_eq!(expiration(&broker, &address), expected, "case {n}");
    }
}

#[test]
fn a_scheduled_message_that_expires_before_its_time_is_never_delivered() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let at = Value::Long((broker.now.wall + 60_000) as i64);
    let mut late = with_property(message("q", "x"), properties::SCHEDULED_DELIVERY, at);
    late.expiration = broker.now.wall + 1_000;
    broker.send(1, late, Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.told(1);
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), Some(0));
    broker.pass(60_000);
    assert_eq!(broker.told(1), [""; 0]);
}

#[test]
fn what_is_with_a_consumer_does_not_expire_until_it_comes_back() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let mut late = message("q", "x");
    late.expiration = broker.now.wall + 1_000;
    broker.send(1, late, Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), Some(1));
    broker.told(1);
    let ticket = broker.settle(1, 1, 1, Outcome::Failed);
    assert_eq!(broker.told(1), [format!("done {ticket}")]);
    assert_eq!(broker.queue_len("q"), Some(0));
}

#[test]
fn a_message_that_expires_behind_the_gate_does_not_come_back_when_it_opens() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.told(1);
    broker.hold_disk = true;
    let mut late = message("q", "x");
    late.expiration = broker.now.wall + 1_000;
    let ticket = broker.send(1, late, Some(Anycast));
    broker.pass(30_001);
    broker.hold_disk = false;
    broker.complete_disk();
    assert_eq!(broker.told(1), [format!("done {ticket}")]);
    assert_eq!(broker.queue_len("q"), Some(0));
}

#[test]
fn what_expires_on_delivery_is_delivered_from_the_expiry_queue_in_the_same_turn() {
    let settings = AddressSettingsOverrides {
        expiry_address: Some(Some("EXP".to_owned())),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("q", settings)]);
    broker.connect(1, "a");
    broker.consume(1, 9, "EXP", Some(Anycast));
    let mut late = message("q", "x");
    late.durable = false;
    late.expiration = broker.now.wall + 10;
    broker.send(1, late, Some(Anycast));
    broker.now.wall += 10;
    broker.told(1);
    broker.consume(1, 1, "q", None);
    assert_eq!(broker.told(1)[1..], ["9 x #1"]);
}

#[test]
fn a_schedule_does_not_outlive_its_queue() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let temporary = |open: &mut ConsumerOpen| open.subscription = Subscription::Temporary;
    for n in 0..100 {
        broker.consume_with(1, n, "t", Some(Multicast), temporary);
        let at = Value::Long((broker.now.wall + 1_000_000_000) as i64);
        let later = with_property(message("t", "x"), properties::SCHEDULED_DELIVERY, at);
        broker.send(1, later, Some(Multicast));
        broker.ask(
            1,
            hind_engine::command::Command::Consumer(
                hind_engine::id::ConsumerId(n),
                hind_engine::command::ConsumerCommand::Close(None),
            ),
        );
    }
    assert_eq!(broker.node.engine().alarms(), 0);
}

#[test]
fn messages_are_stamped_with_their_arrival_and_their_sender_if_that_is_wanted() {
    let stamped = AddressSettingsOverrides {
        enable_ingress_timestamp: Some(true),
        ..AddressSettingsOverrides::default()
    };
    let mut settings = Settings::default();
    let _ = settings.engine.address_settings.insert("#", stamped);
    settings.engine.populate_validated_user = true;
    let mut broker = Broker::start(settings);
    broker.connect(1, "alice");
    let forged = with_property(
        message("q", "x"),
        properties::VALIDATED_USER,
        Value::Text("root"),
    );
    broker.send(1, forged, Some(Anycast));
    let queue = broker.node.engine().state().queues.named("q");
    let sorted = queue.expect("made by the send").sorted();
    let sent = &sorted[0].1.message.properties;
    assert_eq!(
        sent.iter().collect::<Vec<_>>(),
        [
            (properties::VALIDATED_USER, Value::Text("alice")),
            (
                properties::INGRESS_TIMESTAMP,
                Value::Long(broker.now.wall as i64)
            )
        ]
    );
}
