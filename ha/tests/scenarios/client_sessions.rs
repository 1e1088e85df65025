// SPDX-License-Identifier: Apache-2.0
//! Client sessions: what outlives a connection, and the broker.

use crate::broker::*;
use crate::client::*;

use hind_engine::address::routing_type::RoutingType::Multicast;
use hind_engine::client_session::SessionExpiry;
use hind_engine::command::*;
use hind_engine::id::*;
use hind_engine::message::Qos::{self, *};

const NEW: &str = "attached 0 new [] []";

fn broker_with_subscriber(qos: Qos) -> Broker {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    assert_eq!(broker.attach(1, attach("c")), [NEW]);
    assert_eq!(broker.subscribe(1, 1, "c", "t", qos), ["done 800"]);
    broker
}

#[test]
fn a_session_with_nothing_kept_is_gone_with_its_connection() {
    let mut broker = Broker::with(&[]);
    let mut clean = attach("c");
    clean.expiry = SessionExpiry::AT_ONCE;
    assert_eq!(broker.attach(1, clean.clone()), [NEW]);
    broker.subscribe_with(1, 1, "c", "t", AtLeastOnce, |open| {
        open.subscription = Subscription::Named {
            queue: "c.t".into(),
            durable: false,
            shared: false,
        };
    });
    assert_eq!(broker.queue_len("c.t"), Some(0));
    let before = broker.node.engine().state().durable_digest();
    broker.publish(1, published("t", "x", AtLeastOnce));
    assert_eq!(broker.told(1), ["done 2", "1 x #0 packet 1 qos 1"]);
    assert_eq!(broker.puback(1, 1), [""; 0]);
    assert_eq!(broker.node.engine().state().durable_digest(), before);
    broker.lose(1);
    assert_eq!(broker.queue_len("c.t"), None);
    assert!(broker.node.engine().state().client_sessions.is_empty());
    assert_eq!(broker.attach(2, clean), [NEW]);
}

#[test]
fn a_packet_id_is_durable_before_its_delivery_is_seen() {
    let mut broker = broker_with_subscriber(AtLeastOnce);
    broker.hold_disk = true;
    broker.publish(9, published("t", "x", AtLeastOnce));
    assert_eq!(broker.told(1), [""; 0]);
    broker.complete_disk();
    assert_eq!(broker.told(1), [""; 0], "stored, but not the packet id");
    broker.complete_disk();
    assert_eq!(broker.told(1), ["1 x #0 packet 1 qos 1"]);
}

#[test]
fn what_was_with_the_client_comes_again_under_its_packet_id_after_a_loss_and_after_a_crash() {
    for crash in [false, true] {
        let mut broker = broker_with_subscriber(ExactlyOnce);
        for body in ["x", "y", "z"] {
            broker.publish(9, published("t", body, ExactlyOnce));
        }
        assert_eq!(
            broker.told(1),
            [
                "1 x #0 packet 1 qos 2",
                "1 y #0 packet 2 qos 2",
                "1 z #0 packet 3 qos 2"
            ]
        );
        assert_eq!(broker.pubrec(1, 2), ["done 900"]);
        if crash {
            broker.crash_and_restart();
            broker.connect(9, "a");
        } else {
            broker.lose(1);
        }
        broker.publish(9, published("t", "new", AtLeastOnce));
        assert_eq!(
            broker.attach(2, attach("c")),
            ["attached 0 present [t] [2]"]
        );
        assert_eq!(
            broker.subscribe(2, 1, "c", "t", ExactlyOnce),
            [
                "done 800",
                "1 x #0 packet 1 qos 2 dup",
                "1 z #0 packet 3 qos 2 dup",
                "1 new #0 packet 4 qos 1"
            ]
        );
        assert_eq!(broker.pubcomp(2, 2), [""; 0]);
        assert_eq!(broker.pubrec(2, 1), ["done 900"]);
        assert_eq!(broker.pubrec(2, 1), ["done 900"], "said again");
        assert_eq!(broker.pubcomp(2, 1), [""; 0]);
        assert_eq!(broker.puback(2, 4), [""; 0]);
        assert_eq!(broker.pubcomp(2, 1), ["refused no such packet id"]);
        assert_eq!(broker.puback(2, 4), ["refused no such packet id"]);
        assert_eq!(broker.queue_len("c.t"), Some(1));
    }
}

#[test]
fn a_qos_2_message_is_taken_once_until_its_id_is_released_whatever_happens_between() {
    let mut broker = broker_with_subscriber(AtMostOnce);
    assert_eq!(broker.attach(2, attach("p")), [NEW]);
    let message = || published("t", "x", ExactlyOnce);
    let ticket = broker.publish_once(2, 7, message());
    assert_eq!(broker.told(2), [format!("done {ticket}")]);
    assert_eq!(broker.told(1), ["1 x #0"]);
    broker.crash_and_restart();
    assert_eq!(broker.attach(3, attach("p")), ["attached 0 present [] []"]);
    let ticket = broker.publish_once(3, 7, message());
    assert_eq!(broker.told(3), [format!("done {ticket}")]);
    assert_eq!(broker.queue_len("c.t"), Some(0));
    assert_eq!(broker.pubrel(3, 7), ["done 901"]);
    assert_eq!(broker.pubrel(3, 7), ["refused no such packet id"]);
    broker.publish_once(3, 7, message());
    assert_eq!(broker.queue_len("c.t"), Some(1));
}

#[test]
fn the_window_bounds_what_is_with_the_client_over_all_subscriptions() {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    let mut narrow = attach("c");
    narrow.window = 2;
    broker.attach(1, narrow);
    broker.subscribe(1, 1, "c", "t", ExactlyOnce);
    broker.subscribe(1, 2, "c", "u", ExactlyOnce);
    for address in ["t", "u", "t", "u"] {
        broker.publish(9, published(address, address, ExactlyOnce));
    }
    broker.publish(9, published("u", "free", AtMostOnce));
    assert_eq!(
        broker.told(1),
        ["1 t #0 packet 1 qos 2", "2 u #0 packet 2 qos 2"]
    );
    assert_eq!(broker.pubrec(1, 1), ["done 900"], "the id is still in use");
    assert_eq!(broker.pubcomp(1, 1), ["1 t #0 packet 3 qos 2"]);
    assert_eq!(broker.puback(1, 3), ["2 u #0 packet 4 qos 2", "2 free #0"]);
    assert_eq!(broker.puback(1, 2), [""; 0]);
}

#[test]
fn the_lower_qos_counts_and_without_one_the_subscriptions() {
    let mut broker = broker_with_subscriber(ExactlyOnce);
    for qos in [AtMostOnce, AtLeastOnce] {
        broker.publish(9, published("t", "x", qos));
    }
    broker.send(9, message("t", "jms"), Some(Multicast));
    assert_eq!(
        broker.told(1),
        ["1 x #0", "1 x #0 packet 1 qos 1", "1 jms #0 packet 2 qos 2"]
    );
    assert_eq!(broker.queue_len("c.t"), Some(2));
    broker.subscribe(1, 2, "c", "u", AtMostOnce);
    broker.publish(9, published("u", "y", ExactlyOnce));
    assert_eq!(broker.told(1), ["2 y #0"]);
    assert_eq!(broker.queue_len("c.u"), Some(0));
}

#[test]
fn whoever_comes_with_the_same_client_id_takes_over_or_is_refused() {
    let mut broker = broker_with_subscriber(AtLeastOnce);
    broker.publish(9, published("t", "x", AtLeastOnce));
    broker.told(1);
    let mut polite = attach("c");
    polite.take_over = false;
    assert_eq!(
        broker.attach(2, polite),
        ["refused the client id c is connected"]
    );
    assert_eq!(broker.told(1), [""; 0]);
    assert_eq!(broker.attach(3, attach("c")), ["attached 0 present [t] []"]);
    assert_eq!(broker.told(1), ["TakenOver"]);
    assert_eq!(broker.puback(1, 1), [""; 0], "not its packet any more");
    assert_eq!(
        broker.subscribe(3, 1, "c", "t", AtLeastOnce),
        ["done 800", "1 x #0 packet 1 qos 1 dup"]
    );
    broker.lose(1);
    assert_eq!(broker.puback(3, 1), [""; 0]);
    assert_eq!(broker.queue_len("c.t"), Some(0));
}

#[test]
fn a_clean_start_ends_the_session_and_deletes_its_queues() {
    let mut broker = broker_with_subscriber(AtLeastOnce);
    broker.publish(9, published("t", "x", AtLeastOnce));
    broker.lose(1);
    assert_eq!(broker.queue_len("c.t"), Some(1));
    let mut clean = attach("c");
    clean.clean = true;
    assert_eq!(broker.attach(2, clean), [NEW]);
    assert_eq!(broker.queue_len("c.t"), None);
}

#[test]
fn a_session_ends_when_its_time_is_over_also_if_the_broker_was_down_then() {
    for crash in [false, true] {
        let mut broker = Broker::with(&[]);
        let mut short = attach("c");
        short.expiry = SessionExpiry(60);
        broker.attach(1, short.clone());
        broker.subscribe(1, 1, "c", "t", AtLeastOnce);
        broker.lose(1);
        broker.pass(59_000);
        assert_eq!(broker.queue_len("c.t"), Some(0));
        if crash {
            broker.now.wall += 2_000;
            broker.crash_and_restart();
        }
        broker.pass(1_000);
        assert_eq!(broker.queue_len("c.t"), None, "crash: {crash}");
        assert_eq!(broker.attach(2, short), [NEW]);
    }
}

#[test]
fn leaving_may_change_the_expiry() {
    let mut broker = broker_with_subscriber(AtLeastOnce);
    let leave = ClientSessionCommand::Leave {
        will: false,
        expiry: Some(SessionExpiry::AT_ONCE),
    };
    broker.session(1, leave);
    assert_eq!(broker.queue_len("c.t"), None);
}

#[test]
fn unsubscribing_deletes_the_queue_and_what_is_with_the_client_can_still_be_acknowledged() {
    let mut broker = broker_with_subscriber(AtLeastOnce);
    broker.publish(9, published("t", "x", AtLeastOnce));
    broker.told(1);
    let command = ClientSessionCommand::Unsubscribe(ConsumerId(1), Ticket(902));
    broker.session(1, command);
    assert_eq!(broker.told(1), ["done 902"]);
    assert_eq!(broker.queue_len("c.t"), None);
    assert_eq!(broker.puback(1, 1), [""; 0]);
    broker.crash_and_restart();
    assert_eq!(broker.attach(2, attach("c")), ["attached 0 present [] []"]);
}

#[test]
fn a_shared_subscription_keeps_a_qos_2_message_for_the_client_that_may_have_it() {
    for crash in [false, true] {
        let mut broker = Broker::with(&[]);
        broker.connect(9, "a");
        let shared = |open: &mut ConsumerOpen| {
            open.subscription = Subscription::Named {
                queue: "group.t".into(),
                durable: true,
                shared: true,
            };
        };
        for (client, id) in [(1, "a"), (2, "b")] {
            broker.attach(client, attach(id));
            broker.subscribe_with(client, 1, id, "t", ExactlyOnce, shared);
        }
        for (body, qos) in [("x", ExactlyOnce), ("y", AtLeastOnce), ("z", AtLeastOnce)] {
            broker.publish(9, published("t", body, qos));
        }
        assert_eq!(
            broker.told(1),
            ["1 x #0 packet 1 qos 2", "1 z #0 packet 2 qos 1"]
        );
        assert_eq!(broker.told(2), ["1 y #0 packet 1 qos 1"]);
        broker.puback(2, 1);
        if crash {
            broker.crash_and_restart();
            broker.attach(2, attach("b"));
            broker.subscribe_with(2, 1, "b", "t", ExactlyOnce, shared);
        } else {
            broker.lose(1);
            assert_eq!(broker.told(2), ["1 z #0 packet 2 qos 1"]);
        }
        assert_eq!(broker.attach(3, attach("a")), ["attached 0 present [t] []"]);
        assert_eq!(
            broker.subscribe_with(3, 1, "a", "t", ExactlyOnce, shared),
            ["done 800", "1 x #0 packet 1 qos 2 dup"]
        );
    }
}

#[test]
fn a_shared_queue_goes_with_the_last_session_that_reads_it() {
    let mut broker = Broker::with(&[]);
    for (client, id) in [(1, "a"), (2, "b")] {
        let mut short = attach(id);
        short.expiry = SessionExpiry(10 * client as u32);
        broker.attach(client, short);
        broker.subscribe_with(client, 1, id, "t", AtLeastOnce, |open| {
            open.subscription = Subscription::Named {
                queue: "group.t".into(),
                durable: true,
                shared: true,
            };
        });
        broker.lose(client);
    }
    broker.pass(10_000);
    assert_eq!(broker.queue_len("group.t"), Some(0));
    broker.pass(10_000);
    assert_eq!(broker.queue_len("group.t"), None);
}

#[test]
fn a_client_does_not_get_what_it_published_while_it_was_away_either() {
    let mut broker = Broker::with(&[]);
    broker.connect(9, "a");
    broker.attach(1, attach("c"));
    broker.subscribe_with(1, 1, "c", "t", AtLeastOnce, |open| {
        open.no_local = true;
        open.kept.as_mut().expect("given").no_local = true;
    });
    let own = || published_by("c", "t", "own", AtLeastOnce);
    broker.publish(1, own());
    broker.lose(1);
    broker.publish(9, own());
    broker.crash_and_restart();
    broker.connect(9, "a");
    broker.publish(9, own());
    broker.publish(9, published("t", "other", AtLeastOnce));
    assert_eq!(broker.queue_len("c.t"), Some(1));
}

#[test]
fn a_message_that_expires_while_its_client_is_away_frees_its_packet_id() {
    let mut broker = broker_with_subscriber(AtLeastOnce);
    let mut message = published("t", "x", AtLeastOnce);
    message.expiration = broker.now.wall + 1_000;
    broker.publish(9, message);
    assert_eq!(broker.told(1), ["1 x #0 packet 1 qos 1"]);
    broker.lose(1);
    broker.pass(40_000);
    assert_eq!(broker.queue_len("c.t"), Some(0));
    assert_eq!(broker.attach(2, attach("c")), ["attached 0 present [t] []"]);
    let sessions = &broker.node.engine().state().client_sessions;
    let session = sessions.of_client("c").expect("attached");
    assert_eq!(session.packets.all_sent(), []);
}

#[test]
fn a_subscription_changes_its_qos_without_losing_or_repeating_anything() {
    let mut broker = broker_with_subscriber(AtLeastOnce);
    broker.publish(9, published("t", "x", ExactlyOnce));
    assert_eq!(broker.told(1), ["1 x #0 packet 1 qos 1"]);
    let open = ConsumerOpen {
        session: SESSION,
        address: "t".into(),
        routing: Some(Multicast),
        subscription: Subscription::Temporary,
        selector: String::new(),
        no_local: false,
        priority: 0,
        credit: Credit::messages(0),
        settling: Settling::ByDelivery,
        retained: false,
        kept: None,
        ticket: Ticket(0),
    };
    let open = subscription(open, "c", "t", ExactlyOnce);
    let reopen = ConsumerCommand::Reopen(Box::new(open));
    broker.ask(1, Command::Consumer(ConsumerId(1), reopen));
    assert_eq!(broker.told(1), ["done 800"]);
    broker.publish(9, published("t", "y", ExactlyOnce));
    assert_eq!(broker.told(1), ["1 y #0 packet 2 qos 2"]);
    broker.puback(1, 1);
    broker.crash_and_restart();
    assert_eq!(broker.attach(2, attach("c")), ["attached 0 present [t] []"]);
    assert_eq!(
        broker.subscribe(2, 1, "c", "t", ExactlyOnce),
        ["done 800", "1 y #0 packet 2 qos 2 dup"]
    );
}
