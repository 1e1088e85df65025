// SPDX-License-Identifier: Apache-2.0
//! What one client can make the broker do: work and memory stay in proportion. Counted, not timed.

use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::command::*;
use hind_engine::id::*;
use hind_engine::message::properties::Value;

use crate::broker::*;

/// Lets time pass until nothing is due at once.
fn settle_down(broker: &mut Broker) {
    for _ in 0..1_000 {
        match broker.node.deadline(broker.now) {
            Some(at) if at <= broker.now.monotonic => broker.pass(0),
            _ => return,
        }
    }
    panic!("always something due at once");
}

#[test]
fn a_delivery_never_settled_does_not_keep_the_settled_ones_in_memory() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    for delivery in 1..=2_000 {
        broker.send(1, message("q", "x"), Some(Anycast));
        if delivery > 1 {
            broker.settle(1, 1, delivery, Outcome::Accepted);
        }
    }
    let queue = broker
        .node
        .engine()
        .state()
        .queues
        .named("q")
        .expect("made");
    assert!(queue.unsettled_slots() < 200, "{}", queue.unsettled_slots());
}

#[test]
fn a_selector_over_a_long_queue_is_worked_off_in_portions() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let mut sends = Vec::new();
    for n in 0..30_000 {
        let mut message = with_property(message("q", "x"), "n", Value::Int(n));
        message.durable = false;
        sends.push(Command::Send(
            SESSION,
            Send {
                message,
                routing: Some(Anycast),
                transaction: None,
                retain: false,
                packet: None,
                upload: None,
                ticket: None,
            },
        ));
    }
    broker.input(hind_ha::input::Input::Client(ConnectionId(1), sends));
    broker.consume_with(1, 1, "q", None, |open| {
        open.selector = "n = 29999".to_owned()
    });
    assert_eq!(broker.told(1).len(), 1, "it has only looked at a part");
    settle_down(&mut broker);
    assert_eq!(broker.told(1), ["1 x #1"]);
}

#[test]
fn many_deliveries_are_given_in_portions_and_in_order() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let mut sends = Vec::new();
    for n in 0..5_000 {
        let mut message = message("q", &format!("{n}"));
        message.durable = false;
        sends.push(Command::Send(
            SESSION,
            Send {
                message,
                routing: Some(Anycast),
                transaction: None,
                retain: false,
                packet: None,
                upload: None,
                ticket: None,
            },
        ));
    }
    broker.input(hind_ha::input::Input::Client(ConnectionId(1), sends));
    broker.consume(1, 1, "q", None);
    let first = broker.told(1).len();
    assert!(first < 4_000, "{first}");
    settle_down(&mut broker);
    let rest = broker.told(1);
    assert_eq!(first - 1 + rest.len(), 5_000);
    assert_eq!(rest.last().map(String::as_str), Some("1 4999 #5000"));
}

#[test]
fn messages_given_back_are_found_again_by_selectors_that_have_looked_past_them() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for n in 0..6 {
        let colour = if n % 2 == 0 { "red" } else { "blue" };
        let sent = with_property(message("q", &format!("{n}")), "colour", Value::Text(colour));
        broker.send(1, sent, Some(Anycast));
    }
    broker.consume_with(1, 1, "q", None, |open| open.credit = Credit::messages(4));
    broker.consume_with(1, 2, "q", None, |open| {
        open.selector = "colour = 'red'".to_owned();
    });
    broker.told(1);
    for delivery in [4, 1, 3, 2] {
        broker.settle(1, 1, delivery, Outcome::Released);
    }
    let told: Vec<_> = broker
        .told(1)
        .into_iter()
        .filter(|t| !t.starts_with("done"))
        .collect();
    assert_eq!(told, ["2 0 #2", "2 2 #3"]);
    broker.consume(1, 3, "q", None);
    assert_eq!(broker.told(1)[1..], ["3 1 #1", "3 3 #2", "3 5 #3"]);
}

#[test]
fn consumers_take_turns_within_their_priority_and_the_full_ones_are_passed_over() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for (consumer, priority, credit) in [(1, 0, 9), (2, 5, 1), (3, 5, 2), (4, 0, 9)] {
        broker.consume_with(1, consumer, "q", Some(Anycast), |open| {
            open.priority = priority;
            open.credit = Credit::messages(credit);
        });
    }
    broker.told(1);
    let mut order = Vec::new();
    for n in 0..7 {
        broker.send(1, message("q", &format!("{n}")), Some(Anycast));
        let told = broker.told(1);
        order.push(told[1].split(' ').next().unwrap_or("").to_owned());
    }
    assert_eq!(order, ["2", "3", "3", "4", "1", "4", "1"]);
}

#[test]
fn subscriptions_to_wildcards_do_not_touch_every_address() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for n in 0..200 {
        broker.send(1, message(&format!("w.{n}"), "x"), Some(Multicast));
    }
    broker.consume(1, 1, "w.*", Some(Multicast));
    broker.told(1);
    broker.send(1, message("w.7", "y"), Some(Multicast));
    assert_eq!(broker.told(1)[1..], ["1 y #1"]);
}
