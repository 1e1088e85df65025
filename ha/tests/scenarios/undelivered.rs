// SPDX-License-Identifier: Apache-2.0
//! Messages that cannot be delivered: attempts, dead letters, and what is written on the copies.

use std::sync::Arc;
use std::time::Duration;

use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::address::settings::AddressSettingsOverrides;
use hind_engine::command::{ConsumerCommand, ConsumerOpen, Outcome, Subscription};
use hind_engine::event::Event;
use hind_engine::id::{ConnectionId, ConsumerId};
use hind_engine::message::Message;
use hind_engine::message::properties::{self, Value};
use hind_ha::Settings;
use hind_ha::input::Input;

use crate::broker::*;

fn dies_after(attempts: i32, dead_letter_address: &str) -> AddressSettingsOverrides {
    AddressSettingsOverrides {
        dead_letter_address: Some(Some(dead_letter_address.to_owned())),
        max_delivery_attempts: Some(u32::try_from(attempts).ok()),
        ..AddressSettingsOverrides::default()
    }
}

fn only_message(broker: &Broker, queue: &str) -> Arc<Message> {
    let queue = broker
        .node
        .engine()
        .state()
        .queues
        .named(queue)
        .expect("there");
    let all = queue.sorted();
    assert_eq!(all.len(), 1, "one message on {}", queue.name());
    all[0].1.message.clone()
}

fn durable(queue: &str) -> impl FnOnce(&mut ConsumerOpen) {
    let queue = queue.into();
    move |open| {
        open.subscription = Subscription::Named {
            queue,
            durable: true,
            shared: true,
        };
    }
}

#[test]
fn a_copy_carries_the_routing_type_its_sender_asked_for_and_asks_for_none_itself() {
    let mut broker = Broker::with(&[("q", dies_after(1, "DLQ"))]);
    broker.connect(1, "a");
    broker.consume_with(1, 9, "DLQ", Some(Multicast), durable("dead"));
    let mut asked = with_property(message("q", "x"), properties::ROUTING_TYPE, Value::Byte(1));
    asked.expiration = broker.now.wall + 60_000;
    broker.send(1, asked, Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.settle(1, 1, 1, Outcome::Failed);
    let dead = only_message(&broker, "dead");
    let property = |name| dead.properties.get(name);
    assert_eq!(
        property(properties::ORIGINAL_ROUTING_TYPE),
        Some(Value::Byte(1))
    );
    assert_eq!(property(properties::ROUTING_TYPE), None);
    assert_eq!(
        property(properties::ORIGINAL_ADDRESS),
        Some(Value::Text("q"))
    );
    assert_eq!(property(properties::ORIGINAL_QUEUE), Some(Value::Text("q")));
    assert_eq!(dead.expiration, 0);
}

#[test]
fn a_sender_that_asked_for_no_routing_type_leaves_none_on_the_copy() {
    let mut broker = Broker::with(&[("q", dies_after(1, "DLQ"))]);
    broker.connect(1, "a");
    broker.consume(1, 9, "DLQ", Some(Anycast));
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.settle(1, 1, 1, Outcome::Failed);
    let dead = only_message(&broker, "DLQ");
    assert_eq!(dead.properties.get(properties::ORIGINAL_ROUTING_TYPE), None);
}

#[test]
fn a_second_copy_speaks_of_the_first_except_for_the_routing_type_asked_for_at_the_start() {
    let expires = AddressSettingsOverrides {
        expiry_address: Some(Some("EXP".to_owned())),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("q", expires), ("EXP", dies_after(1, "DLQ"))]);
    broker.connect(1, "a");
    broker.consume(1, 8, "EXP", Some(Anycast));
    broker.consume(1, 9, "DLQ", Some(Anycast));
    let mut asked = with_property(message("q", "x"), properties::ROUTING_TYPE, Value::Byte(1));
    asked.expiration = broker.now.wall + 10;
    broker.send(1, asked, Some(Anycast));
    broker.pass(30_001);
    let expired_at = broker.now.wall;
    let first = only_message(&broker, "EXP").id;
    broker.settle(1, 8, 1, Outcome::Failed);
    let dead = only_message(&broker, "DLQ");
    let property = |name| dead.properties.get(name);
    assert_eq!(
        property(properties::ORIGINAL_ADDRESS),
        Some(Value::Text("EXP"))
    );
    assert_eq!(
        property(properties::ORIGINAL_QUEUE),
        Some(Value::Text("EXP"))
    );
    assert_eq!(
        property(properties::ORIGINAL_MESSAGE_ID),
        Some(Value::Long(first.0 as i64))
    );
    assert_eq!(
        property(properties::ORIGINAL_ROUTING_TYPE),
        Some(Value::Byte(1))
    );
    assert_eq!(
        property(properties::ACTUAL_EXPIRY),
        Some(Value::Long(expired_at as i64)),
        "what the first copy said of its expiry stays"
    );
}

#[test]
fn a_dead_message_of_a_wildcard_queue_or_an_fqqn_reaches_its_auto_created_queue() {
    let mut settings = dies_after(1, "DLA");
    settings.auto_create_dead_letter_resources = Some(true);
    let mut broker = Broker::with(&[("#", settings)]);
    broker.connect(1, "a");
    broker.consume(1, 1, "news.#", Some(Multicast));
    broker.send(1, message("news.sport", "x"), Some(Multicast));
    broker.settle(1, 1, 1, Outcome::Failed);
    assert_eq!(broker.queue_len("DLQ.news.sport"), Some(1));
    broker.consume(1, 2, "a::q", Some(Anycast));
    broker.send(1, message("a::q", "y"), Some(Anycast));
    broker.settle(1, 2, 1, Outcome::Failed);
    assert_eq!(broker.queue_len("DLQ.a"), Some(1));
    let dead = only_message(&broker, "DLQ.a");
    assert_eq!(
        dead.properties.text(properties::ORIGINAL_ADDRESS),
        Some("a")
    );
}

#[test]
fn minus_one_and_zero_attempts_are_any_number() {
    let settings = AddressSettingsOverrides {
        max_delivery_attempts: Some(Some(0)),
        ..dies_after(-1, "DLQ")
    };
    let mut broker = Broker::with(&[("none", dies_after(-1, "DLQ")), ("zero", settings)]);
    broker.connect(1, "a");
    for (consumer, queue) in [(1, "none"), (2, "zero")] {
        broker.send(1, message(queue, "x"), Some(Anycast));
        broker.consume(1, consumer, queue, None);
        for delivery in 1..=30 {
            broker.settle(1, consumer, delivery, Outcome::Failed);
        }
        assert_eq!(broker.queue_len(queue), Some(1));
    }
}

#[test]
fn an_unroutable_message_goes_to_the_dead_letter_address_once_whatever_that_one_says() {
    let dead_to = |address: &str| AddressSettingsOverrides {
        send_to_dla_on_no_route: Some(true),
        ..dies_after(1, address)
    };
    let mut broker = Broker::with(&[("a", dead_to("b")), ("b", dead_to("a"))]);
    broker.connect(1, "a");
    broker.consume(1, 1, "b", Some(Multicast));
    broker.ask(
        1,
        hind_engine::command::Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    broker.told(1);
    let ticket = broker.send(1, message("a", "x"), Some(Multicast));
    assert_eq!(broker.told(1), [format!("done {ticket}")]);
    broker.consume(1, 2, "b", Some(Multicast));
    broker.send(1, message("a", "y"), Some(Multicast));
    let delivered = broker.events.iter().find_map(|(_, event)| match event {
        Event::Deliver(delivery) => Some(delivery.message.clone()),
        _ => None,
    });
    let delivered = delivered.expect("it went to the dead-letter address");
    assert_eq!(
        delivered.properties.text(properties::ORIGINAL_ADDRESS),
        Some("a")
    );
    assert_eq!(delivered.properties.get(properties::ORIGINAL_QUEUE), None);
}

#[test]
fn an_orderly_close_is_no_attempt_and_a_lost_connection_is_one() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.ask(
        1,
        hind_engine::command::Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    broker.told(1);
    broker.consume(1, 2, "q", None);
    assert_eq!(broker.told(1)[1..], ["2 x #1"]);
    broker.input(Input::Disconnected(ConnectionId(1)));
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(broker.told(2)[1..], ["1 x #1 again 1"]);
}

#[test]
fn a_redelivery_delay_goes_on_over_a_crash_and_counts_are_written_so_often_only() {
    let settings = AddressSettingsOverrides {
        redelivery_delay: Some(Duration::from_millis(500)),
        max_delivery_attempts: Some(None),
        ..AddressSettingsOverrides::default()
    };
    let mut node = Settings::default();
    let _ = node.engine.address_settings.insert("q", settings);
    node.engine.max_redelivery_records = Some(2);
    let mut broker = Broker::start(node);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    for delivery in 1..=4 {
        broker.settle(1, 1, delivery, Outcome::Failed);
        broker.told(1);
        broker.pass(if delivery == 4 { 100 } else { 500 });
    }
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    broker.pass(399);
    assert_eq!(broker.told(2).len(), 1, "its time has not come");
    broker.pass(1);
    assert_eq!(broker.told(2), ["1 x #1 again 2"]);
}
