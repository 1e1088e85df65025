// SPDX-License-Identifier: Apache-2.0
//! Addresses and queues: routing types side by side, names, and how queues come and go.

use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::address::settings::AddressSettingsOverrides;
use hind_engine::command::*;
use hind_engine::event::Event;
use hind_engine::id::*;

use crate::broker::*;

fn close(broker: &mut Broker, client: u64, consumer: u64) {
    broker.ask(
        client,
        Command::Consumer(ConsumerId(consumer), ConsumerCommand::Close(None)),
    );
}

fn named(queue: &str, durable: bool) -> impl FnOnce(&mut ConsumerOpen) {
    let queue = queue.into();
    move |open| {
        open.subscription = Subscription::Named {
            queue,
            durable,
            shared: true,
        };
    }
}

#[test]
fn an_address_of_both_routing_types_serves_whom_the_sender_names_and_both_if_none() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "both", Some(Anycast));
    broker.consume(1, 2, "both", Some(Multicast));
    broker.consume(1, 3, "both", Some(Multicast));
    for (body, routing) in [
        ("any", Some(Anycast)),
        ("multi", Some(Multicast)),
        ("all", None),
    ] {
        broker.told(1);
        broker.send(1, message("both", body), routing);
        let mut told = broker.told(1).split_off(1);
        told.sort();
        let to: Vec<_> = told
            .iter()
            .map(|t| t.split(' ').next().unwrap_or(""))
            .collect();
        let expected: &[&str] = match body {
            "any" => &["1"],
            "multi" => &["2", "3"],
            _ => &["1", "2", "3"],
        };
        assert_eq!(to, expected, "{body}");
    }
}

#[test]
fn an_fqqn_reaches_one_queue_alone_and_its_receivers_see_it() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "a::one", Some(Multicast));
    broker.consume(1, 2, "a::two", Some(Multicast));
    broker.told(1);
    broker.send(1, message("a::two", "x"), None);
    let seen = broker.events.iter().find_map(|(_, event)| match event {
        Event::Deliver(delivery) => Some((delivery.consumer.0, delivery.message.address.clone())),
        _ => None,
    });
    assert_eq!(seen, Some((2, "a::two".into())));
    broker.told(1);
    broker.send(1, message("a", "y"), Some(Multicast));
    assert_eq!(broker.told(1)[1..], ["1 y #1", "2 y #2"]);
    let ticket = broker.send(1, message("other::two", "z"), None);
    assert_eq!(
        broker.told(1),
        ["refused AMQ229017: Queue other::two does not exist"],
        "{ticket}: the queue belongs to another address"
    );
}

#[test]
fn wildcard_queues_receive_whether_they_came_before_the_address_or_after() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "w.#", Some(Multicast));
    broker.send(1, message("w.x", "0"), Some(Multicast));
    broker.told(1);
    broker.consume(1, 2, "w.*", Some(Multicast));
    broker.told(1);
    broker.send(1, message("w.x", "1"), Some(Multicast));
    assert_eq!(broker.told(1)[1..], ["1 1 #2", "2 1 #1"]);
    close(&mut broker, 1, 2);
    broker.send(1, message("w.x", "2"), Some(Multicast));
    assert_eq!(broker.told(1)[1..], ["1 2 #3"]);
    // Unused addresses go, and the wildcard queue receives from them all the same.
    broker.pass(30_001);
    broker.pass(30_001);
    broker.told(1);
    broker.send(1, message("w.x", "3"), Some(Multicast));
    assert_eq!(broker.told(1)[1..], ["1 3 #4"]);
}

#[test]
fn a_non_durable_subscription_shared_by_two_goes_with_the_last() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.consume_with(1, 1, "t", Some(Multicast), named("s", false));
    broker.consume_with(2, 1, "t", Some(Multicast), named("s", false));
    for body in ["a", "b"] {
        broker.send(1, message("t", body), Some(Multicast));
    }
    assert_eq!(broker.told(2).split_off(1).len(), 1, "shared between them");
    close(&mut broker, 1, 1);
    assert!(broker.queue_len("s").is_some());
    close(&mut broker, 2, 1);
    assert_eq!(broker.queue_len("s"), None);
}

#[test]
fn subscriptions_take_the_defaults_of_their_address() {
    let settings = AddressSettingsOverrides {
        default_max_consumers: Some(Some(1)),
        default_purge_on_no_consumers: Some(true),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("t", settings)]);
    broker.connect(1, "a");
    broker.consume_with(1, 1, "t", Some(Multicast), named("s", true));
    broker.told(1);
    broker.consume_with(1, 2, "t", Some(Multicast), named("s", true));
    assert_eq!(
        broker.told(1),
        ["refused AMQ229200: Maximum Consumer Limit Reached on Queue: s"]
    );
    broker.send(1, message("t", "x"), Some(Multicast));
    close(&mut broker, 1, 1);
    assert_eq!(broker.queue_len("s"), Some(0));
}

#[test]
fn queues_not_made_by_use_are_auto_deleted_only_if_that_is_said() {
    let settings = AddressSettingsOverrides {
        auto_delete_created_queues: Some(true),
        auto_delete_queues: Some(false),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("t", settings)]);
    broker.connect(1, "a");
    for (consumer, address) in [(1, "t"), (2, "u")] {
        let queue = format!("sub.{address}");
        broker.consume_with(1, consumer, address, Some(Multicast), named(&queue, true));
        close(&mut broker, 1, consumer);
    }
    broker.consume(1, 3, "t::used", Some(Anycast));
    close(&mut broker, 1, 3);
    broker.pass(30_001);
    assert_eq!(broker.queue_len("sub.t"), None);
    assert_eq!(broker.queue_len("sub.u"), Some(0));
    assert_eq!(
        broker.queue_len("used"),
        Some(0),
        "auto-delete-queues is false"
    );
}

#[test]
fn auto_deletion_waits_for_its_delay_and_for_the_queue_to_be_empty_enough() {
    let settings = AddressSettingsOverrides {
        auto_delete_queues_delay: Some(std::time::Duration::from_secs(60)),
        auto_delete_queues_message_count: Some(Some(1)),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("#", settings)]);
    broker.connect(1, "a");
    for (consumer, queue) in [(1, "one"), (2, "two")] {
        broker.consume_with(1, consumer, queue, Some(Anycast), |open| {
            open.credit = Credit::messages(0)
        });
        close(&mut broker, 1, consumer);
        broker.send(1, message(queue, "x"), Some(Anycast));
    }
    broker.send(1, message("two", "y"), Some(Anycast));
    broker.pass(30_001);
    assert_eq!(broker.queue_len("one"), Some(1));
    broker.pass(30_001);
    assert_eq!(
        (broker.queue_len("one"), broker.queue_len("two")),
        (None, Some(2))
    );
}

#[test]
fn a_subscriber_that_wants_nothing_of_its_own_does_not_collect_it() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.consume_with(1, 1, "t", Some(Multicast), |open| open.no_local = true);
    broker.told(1);
    for n in 0..10 {
        broker.send(1, message("t", &format!("{n}")), Some(Multicast));
    }
    broker.told(1);
    broker.send(2, message("t", "of another"), Some(Multicast));
    assert_eq!(broker.told(1), ["1 of another #1"]);
    let state = broker.node.engine().state();
    let kept: usize = state.queues.iter().map(|queue| queue.len()).sum();
    assert_eq!(kept, 1, "what nobody will ever read is not kept");
}

#[test]
fn an_anycast_queue_that_was_deleted_is_made_again_by_the_next_send() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "both", Some(Multicast));
    broker.send(1, message("both", "x"), Some(Anycast));
    let ticket = broker.ticket();
    let delete = ResourceCommand::DeleteQueue {
        queue: "both".into(),
    };
    broker.ask(1, Command::Resource(SESSION, delete, ticket));
    assert_eq!(broker.queue_len("both"), None);
    broker.send(1, message("both", "y"), Some(Anycast));
    assert_eq!(broker.queue_len("both"), Some(1));
}
