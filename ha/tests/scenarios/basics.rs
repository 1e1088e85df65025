// SPDX-License-Identifier: Apache-2.0
//! What every part of a broker is for: one scenario each.

use crate::broker::*;

use std::sync::Arc;

use hind_engine::address::matches::Matches;
use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::address::settings::{AddressSettingsOverrides, Factor};
use hind_engine::command::*;
use hind_engine::event::{Event, Refusal};
use hind_engine::id::*;
use hind_engine::message::properties::{self, Value};
use hind_engine::security::permissions::{Permission, Permissions};
use hind_engine::storage::request::Completion;
use hind_ha::Settings;
use hind_ha::effect::Door;
use hind_ha::input::{Input, Operation};

#[test]
fn a_durable_send_is_neither_confirmed_nor_delivered_before_it_is_stored() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.told(1);
    broker.hold_disk = true;
    let ticket = broker.send(1, message("q", "x"), Some(Anycast));
    assert_eq!(broker.told(1), [""; 0]);
    broker.complete_disk();
    assert_eq!(
        broker.told(1),
        [format!("done {ticket}"), "1 x #1".to_owned()]
    );
}

#[test]
fn a_confirmed_message_survives_a_crash_and_an_unconfirmed_acknowledgement_may_not() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.send(1, message("q", "y"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.told(1);
    broker.settle(1, 1, 1, Outcome::Accepted);
    broker.hold_disk = true;
    broker.settle(1, 1, 2, Outcome::Accepted);
    let durable = broker.node.engine().state().durable_digest();
    broker.crash_and_restart();
    assert_ne!(broker.node.engine().state().durable_digest(), durable);
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(broker.told(2), ["done 6", "1 y #1"]);
}

#[test]
fn replaying_the_log_gives_the_state_that_wrote_it() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for n in 0..50 {
        let mut message = message(["q", "r", "t"][n % 3], &format!("{n}"));
        message.durable = n % 5 != 0;
        let routing = if n % 3 == 2 { Multicast } else { Anycast };
        broker.send(
            1,
            with_property(message, properties::DUPLICATE_ID, Value::Long(n as i64)),
            Some(routing),
        );
    }
    broker.consume(1, 1, "q", None);
    for delivery in [1, 3, 5] {
        broker.settle(1, 1, delivery, Outcome::Accepted);
        broker.settle(1, 1, delivery + 1, Outcome::Failed);
    }
    broker.input(Input::Disconnected(ConnectionId(1)));
    let before = broker.node.engine().state().durable_digest();
    broker.crash_and_restart();
    assert_eq!(broker.node.engine().state().durable_digest(), before);
}

#[test]
fn higher_priorities_first_and_selectors_pick_without_disturbing_the_order() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for (body, priority) in [("low", 1), ("high", 8), ("blue", 4), ("low2", 1)] {
        let mut message = message("q", body);
        message.priority = priority;
        broker.send(
            1,
            with_property(message, "colour", Value::Text(body)),
            Some(Anycast),
        );
    }
    broker.told(1);
    broker.consume_with(1, 1, "q", None, |open| {
        open.selector = "colour = 'blue'".to_owned()
    });
    assert_eq!(broker.told(1)[1..], ["1 blue #1"]);
    broker.consume(1, 2, "q", None);
    assert_eq!(broker.told(1)[1..], ["2 high #1", "2 low #2", "2 low2 #3"]);
}

#[test]
fn credit_bounds_what_is_delivered() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for body in ["a", "b", "c"] {
        broker.send(1, message("q", body), Some(Anycast));
    }
    broker.told(1);
    broker.consume_with(1, 1, "q", None, |open| open.credit = Credit::messages(1));
    assert_eq!(broker.told(1)[1..], ["1 a #1"]);
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Credit(Credit::messages(5))),
    );
    assert_eq!(broker.told(1), ["1 b #2", "1 c #3"]);
}

#[test]
fn multicast_reaches_every_subscription_wildcards_and_selectors_included() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "news.sport", Some(Multicast));
    broker.consume(1, 2, "news.#", Some(Multicast));
    broker.consume_with(1, 3, "news.*", Some(Multicast), |open| {
        open.selector = "AMQPriority > 5".to_owned()
    });
    broker.consume(1, 4, "other", Some(Multicast));
    broker.told(1);
    broker.send(1, message("news.sport", "x"), Some(Multicast));
    assert_eq!(broker.told(1)[1..], ["1 x #1", "2 x #1"]);
}

#[test]
fn a_durable_subscription_collects_while_nobody_reads_it_and_after_a_crash() {
    let mut broker = Broker::with(&[]);
    let durable = |open: &mut ConsumerOpen| {
        open.subscription = Subscription::Named {
            queue: "me.sub".into(),
            durable: true,
            shared: false,
        };
    };
    broker.connect(1, "a");
    broker.consume_with(1, 1, "t", Some(Multicast), durable);
    broker.input(Input::Disconnected(ConnectionId(1)));
    broker.connect(2, "a");
    broker.send(2, message("t", "while away"), Some(Multicast));
    broker.crash_and_restart();
    broker.connect(3, "a");
    broker.consume_with(3, 1, "t", Some(Multicast), durable);
    assert_eq!(broker.told(3)[1..], ["1 while away #1"]);
    broker.consume_with(3, 2, "t", Some(Multicast), durable);
    assert!(
        broker.told(3)[0].starts_with("refused"),
        "an unshared subscription is read by one"
    );
}

#[test]
fn a_message_that_fails_is_tried_again_later_and_at_last_dead_lettered_with_its_origin() {
    let settings = AddressSettingsOverrides {
        dead_letter_address: Some(Some("DLQ".to_owned())),
        max_delivery_attempts: Some(Some(2)),
        redelivery_delay: Some(std::time::Duration::from_millis(100)),
        redelivery_delay_multiplier: Some(Factor::ONE),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("#", settings)]);
    broker.connect(1, "a");
    broker.consume(1, 9, "DLQ", Some(Anycast));
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.told(1);
    broker.settle(1, 1, 1, Outcome::Failed);
    assert_eq!(broker.told(1).len(), 1, "not before its delay");
    broker.pass(100);
    assert_eq!(broker.told(1), ["1 x #2 again 1"]);
    broker.settle(1, 1, 2, Outcome::Failed);
    let events = std::mem::take(&mut broker.events);
    let dead = events.iter().find_map(|(_, event)| match event {
        Event::Deliver(delivery) => Some(delivery.message.clone()),
        _ => None,
    });
    let dead = dead.expect("delivered from the dead-letter queue");
    assert_eq!(
        dead.properties.text(properties::ORIGINAL_ADDRESS),
        Some("q")
    );
    assert_eq!(dead.properties.text(properties::ORIGINAL_QUEUE), Some("q"));
    assert_eq!(broker.queue_len("q"), Some(0));
}

#[test]
fn delivery_attempts_survive_a_crash() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.settle(1, 1, 1, Outcome::Failed);
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(broker.told(2)[1..], ["1 x #1 again 1"]);
}

#[test]
fn an_expired_message_goes_to_the_expiry_address_and_never_to_a_consumer() {
    let settings = AddressSettingsOverrides {
        expiry_address: Some(Some("EXPIRED".to_owned())),
        auto_create_expiry_resources: Some(true),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("#", settings)]);
    broker.connect(1, "a");
    let mut late = message("q", "late");
    late.expiration = broker.now.wall + 50;
    broker.send(1, late, Some(Anycast));
    broker.pass(60);
    broker.told(1);
    broker.consume(1, 1, "q", None);
    assert_eq!(broker.told(1).len(), 1);
    assert_eq!(
        (broker.queue_len("q"), broker.queue_len("EXP.q")),
        (Some(0), Some(1))
    );
}

#[test]
fn the_expiry_scan_finds_what_nobody_consumes() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let mut late = message("q", "late");
    late.expiration = broker.now.wall + 50;
    broker.send(1, late, Some(Anycast));
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), Some(0));
}

#[test]
fn a_scheduled_message_waits_for_its_time_also_over_a_crash() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let at = i64::try_from(broker.now.wall + 500).expect("small");
    broker.send(
        1,
        with_property(
            message("q", "x"),
            properties::SCHEDULED_DELIVERY,
            Value::Long(at),
        ),
        Some(Anycast),
    );
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    broker.pass(499);
    assert_eq!(broker.told(2).len(), 1);
    broker.pass(1);
    assert_eq!(broker.told(2), ["1 x #1"]);
}

#[test]
fn a_duplicate_id_is_confirmed_and_dropped_also_after_a_crash() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let once = || {
        with_property(
            message("q", "x"),
            properties::DUPLICATE_ID,
            Value::Text("id-1"),
        )
    };
    broker.send(1, once(), Some(Anycast));
    broker.send(1, once(), Some(Anycast));
    broker.crash_and_restart();
    broker.connect(2, "a");
    let ticket = broker.send(2, once(), Some(Anycast));
    assert_eq!(broker.told(2), [format!("done {ticket}")]);
    assert_eq!(broker.queue_len("q"), Some(1));
}

#[test]
fn a_transaction_is_seen_whole_at_commit_and_not_at_all_after_rollback() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("in", "work"), Some(Anycast));
    broker.consume(1, 1, "in", None);
    broker.consume(1, 2, "out", Some(Anycast));
    broker.told(1);
    let transaction = Some(TransactionId(5));
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    broker.send_in(1, message("out", "result"), Some(Anycast), transaction);
    broker.settle_in(1, 1, 1, Outcome::Accepted, transaction);
    broker.told(1);
    broker.transaction(1, 5, TransactionCommand::Rollback(Some(Ticket(100))));
    assert_eq!(broker.told(1), ["1 work #2 again 1", "done 100"]);
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    broker.send_in(1, message("out", "result"), Some(Anycast), transaction);
    broker.settle_in(1, 1, 2, Outcome::Accepted, transaction);
    broker.told(1);
    broker.hold_disk = true;
    broker.transaction(1, 5, TransactionCommand::Commit(Some(Ticket(101))));
    assert_eq!(broker.told(1), [""; 0]);
    broker.complete_disk();
    broker.hold_disk = false;
    assert_eq!(broker.told(1), ["done 101", "2 result #1"]);
    assert_eq!(broker.queue_len("in"), Some(0));
}

#[test]
fn a_transaction_with_a_refused_send_cannot_commit() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(
        1,
        with_property(
            message("q", "x"),
            properties::DUPLICATE_ID,
            Value::Text("d"),
        ),
        Some(Anycast),
    );
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    let again = with_property(
        message("q", "x"),
        properties::DUPLICATE_ID,
        Value::Text("d"),
    );
    broker.send_in(1, again, Some(Anycast), Some(TransactionId(5)));
    broker.send_in(1, message("q", "y"), Some(Anycast), Some(TransactionId(5)));
    broker.told(1);
    broker.transaction(1, 5, TransactionCommand::Commit(Some(Ticket(100))));
    assert!(broker.told(1)[0].starts_with("refused"));
    assert_eq!(broker.queue_len("q"), Some(1));
}

#[test]
fn what_a_lost_connection_held_goes_back_to_its_place() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for body in ["a", "b", "c"] {
        broker.send(1, message("q", body), Some(Anycast));
    }
    broker.consume_with(1, 1, "q", None, |open| open.credit = Credit::messages(2));
    broker.input(Input::Disconnected(ConnectionId(1)));
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(
        broker.told(2)[1..],
        ["1 a #1 again 1", "1 b #2 again 1", "1 c #3"]
    );
}

#[test]
fn permissions_are_those_of_the_most_specific_match() {
    let mut settings = Settings::default();
    settings.engine.security_enabled = true;
    settings.engine.security = Matches::new(WildcardSyntax::default(), None);
    let mut all = Permissions::default();
    for permission in Permission::ALL {
        all.grant(*permission, "admin");
    }
    let mut orders = Permissions::default();
    orders.grant(Permission::Send, "shop");
    let _ = settings.engine.security.insert("#", all);
    let _ = settings.engine.security.insert("orders.#", orders);
    let mut broker = Broker::start(settings);
    broker.connect(1, "admin");
    broker.connect(2, "shop");
    broker.send(1, message("misc", "x"), Some(Anycast));
    assert_eq!(broker.told(1), ["done 1"]);
    broker.send(2, message("misc", "x"), Some(Anycast));
    broker.send(2, message("orders.eu", "x"), Some(Multicast));
    broker.send(1, message("orders.eu", "x"), Some(Multicast));
    let refused = |user, permission, address: &str| {
        let refusal = Refusal::NotAuthorized {
            user: Arc::from(user),
            permission,
            address: address.into(),
            queue: None,
        };
        format!("refused {refusal}")
    };
    assert_eq!(
        broker.told(2),
        [
            refused("shop", Permission::Send, "misc"),
            refused("shop", Permission::CreateAddress, "orders.eu")
        ]
    );
    assert_eq!(
        broker.told(1),
        [refused("admin", Permission::Send, "orders.eu")]
    );
}

#[test]
fn a_failed_disk_confirms_nothing_and_ends_the_node() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.hold_disk = true;
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.input(Input::Disk(Completion::Failed(
        "journal: input/output error".to_owned(),
    )));
    assert_eq!(broker.told(1), ["Stopping"]);
    assert_eq!(broker.doors, [Door::Open, Door::Close, Door::Exit(false)]);
}

#[test]
fn stopping_waits_for_clients_to_leave_and_for_the_disk() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.hold_disk = true;
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.input(Input::Operator(Operation::Stop));
    broker.input(Input::Disconnected(ConnectionId(1)));
    assert_eq!(broker.doors, [Door::Open, Door::Close]);
    broker.hold_disk = false;
    broker.complete_disk();
    assert_eq!(broker.doors, [Door::Open, Door::Close, Door::Exit(true)]);
}

#[test]
fn unused_auto_created_queues_and_addresses_are_deleted_after_their_last_consumer() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), Some(0));
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), None);
    broker.pass(30_001);
    assert!(broker.node.engine().state().addresses.named("q").is_none());
}
