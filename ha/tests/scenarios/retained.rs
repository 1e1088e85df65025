// SPDX-License-Identifier: Apache-2.0
//! Retained messages: who is given them, and when they are gone.

use crate::broker::*;
use crate::client::*;

use hind_engine::client_session::SessionExpiry;
use hind_engine::command::*;
use hind_engine::message::Qos::*;
use hind_ha::Settings;

/// Subscribes anew to that filter; what comes.
fn look(broker: &mut Broker, client: u64, filter: &str) -> Vec<String> {
    let id = format!("look{client}");
    let mut clean = attach(&id);
    clean.expiry = SessionExpiry::AT_ONCE;
    broker.attach(client, clean);
    let mut told = broker.subscribe_with(client, 1, &id, filter, AtLeastOnce, |open| {
        open.retained = true;
        open.subscription = Subscription::Named {
            queue: format!("{id}.{filter}").into(),
            durable: false,
            shared: false,
        };
    });
    told.remove(0);
    broker.lose(client);
    told
}

#[test]
fn a_new_subscription_gets_the_last_one_of_each_address_marked_also_after_a_crash() {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    for (address, body) in [("a.x", "old"), ("a.y", "y"), ("b", "b"), ("a.x", "x")] {
        broker.retain(9, published(address, body, AtLeastOnce));
    }
    broker.retain(9, published("a.0", "0", AtMostOnce));
    for crash in [false, true] {
        if crash {
            let before = broker.node.engine().state().durable_digest();
            broker.crash_and_restart();
            assert_eq!(broker.node.engine().state().durable_digest(), before);
        }
        assert_eq!(
            look(&mut broker, 1, "a.*"),
            [
                "1 0 #0 stored",
                "1 x #0 packet 1 qos 1 stored",
                "1 y #0 packet 2 qos 1 stored"
            ]
        );
        assert_eq!(look(&mut broker, 2, "b"), ["1 b #0 packet 1 qos 1 stored"]);
        assert_eq!(look(&mut broker, 3, "c.#"), [""; 0]);
    }
}

#[test]
fn whoever_has_subscribed_already_gets_it_as_any_other_message() {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    broker.attach(1, attach("c"));
    broker.subscribe(1, 1, "c", "t", AtLeastOnce);
    broker.retain(9, published("t", "x", AtLeastOnce));
    assert_eq!(broker.told(1), ["1 x #0 packet 1 qos 1 retain"]);
}

#[test]
fn an_empty_one_is_delivered_and_deletes() {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    broker.attach(1, attach("c"));
    broker.subscribe(1, 1, "c", "t", AtLeastOnce);
    broker.retain(9, published("t", "x", AtLeastOnce));
    broker.retain(9, published("t", "", AtLeastOnce));
    assert_eq!(
        broker.told(1),
        [
            "1 x #0 packet 1 qos 1 retain",
            "1  #0 packet 2 qos 1 retain"
        ]
    );
    assert_eq!(look(&mut broker, 2, "t"), [""; 0]);
    broker.crash_and_restart();
    assert_eq!(look(&mut broker, 3, "t"), [""; 0]);
    assert_eq!(broker.node.engine().state().retained.memory().messages, 0);
}

#[test]
fn it_expires() {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    let mut message = published("t", "x", AtLeastOnce);
    message.expiration = broker.now.wall + 1_000;
    broker.retain(9, message);
    broker.pass(999);
    assert_eq!(look(&mut broker, 1, "t").len(), 1);
    broker.pass(1);
    assert_eq!(look(&mut broker, 2, "t"), [""; 0]);
    broker.pass(60_000);
    assert_eq!(broker.node.engine().state().retained.memory().messages, 0);
    assert_eq!(broker.node.engine().state().memory().bytes, 0);
}

#[test]
fn a_subscription_to_many_is_served_in_portions_and_gets_each_once() {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    for n in 0..1_300 {
        broker.retain(
            9,
            published(&format!("t.{n}"), &format!("{n}"), AtLeastOnce),
        );
    }
    let mut wide = attach("c");
    wide.window = 100;
    broker.attach(1, wide);
    let mut bodies = Vec::new();
    let mut told = broker.subscribe_with(1, 1, "c", "t.#", AtLeastOnce, |open| {
        open.retained = true;
    });
    assert_eq!(told.remove(0), "done 800");
    assert!(told.len() <= 100, "the client's window");
    let mut packets = 0;
    while !told.is_empty() {
        assert!(broker.queue_len("c.t.#") <= Some(2_048));
        bodies.extend(told.iter().map(|line| body_of(line)));
        let acknowledged = told.len() as u16;
        told = Vec::new();
        for _ in 0..acknowledged {
            packets += 1;
            told.extend(broker.puback(1, packets));
        }
        broker.pass(0);
        told.extend(broker.told(1));
    }
    bodies.sort_unstable();
    assert_eq!(bodies, (0..1_300).collect::<Vec<_>>());
}

fn body_of(line: &str) -> u32 {
    let body = line.split(' ').nth(1).expect("a delivery");
    body.parse().expect("a number")
}

#[test]
fn they_are_counted_as_memory_and_limited() {
    let mut settings = Settings::default();
    settings.engine.limits.retained_bytes = 300;
    let mut broker = Broker::start(settings);
    broker.connect(9, "a");
    broker.retain(9, published("t", &"x".repeat(200), AtLeastOnce));
    let memory = broker.node.engine().state().memory();
    assert_eq!(memory, broker.node.engine().state().retained.memory());
    assert!(memory.bytes > 200);
    broker.told(9);
    broker.retain(9, published("u", &"x".repeat(200), AtLeastOnce));
    assert_eq!(
        broker.told(9),
        ["refused limit reached: bytes of retained messages"]
    );
}
