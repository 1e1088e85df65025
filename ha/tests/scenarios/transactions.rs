// SPDX-License-Identifier: Apache-2.0
//! Transactions against everything that may happen while they are open.

use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::address::settings::AddressSettingsOverrides;
use hind_engine::command::*;
use hind_engine::id::*;
use hind_engine::message::properties::{self, Value};
use hind_ha::Settings;
use hind_ha::input::Input;

use crate::broker::*;

const OPEN: Option<TransactionId> = Some(TransactionId(5));

fn begin(broker: &mut Broker, client: u64) {
    broker.transaction(client, 5, TransactionCommand::Begin(SESSION));
}

fn commit(broker: &mut Broker, client: u64) -> String {
    broker.told(client);
    broker.transaction(client, 5, TransactionCommand::Commit(Some(Ticket(999))));
    broker.told(client).remove(0)
}

fn delete_queue(broker: &mut Broker, client: u64, queue: &str) {
    let ticket = broker.ticket();
    let delete = ResourceCommand::DeleteQueue {
        queue: queue.into(),
    };
    broker.ask(client, Command::Resource(SESSION, delete, ticket));
}

#[test]
fn rolled_back_messages_come_again_in_their_order() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for body in ["a", "b", "c", "d"] {
        broker.send(1, message("q", body), Some(Anycast));
    }
    broker.consume_with(1, 1, "q", None, |open| open.credit = Credit::messages(3));
    begin(&mut broker, 1);
    for delivery in [3, 1, 2] {
        broker.settle_in(1, 1, delivery, Outcome::Accepted, OPEN);
    }
    broker.transaction(1, 5, TransactionCommand::Rollback(None));
    broker.told(1);
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Credit(Credit::messages(4))),
    );
    assert_eq!(
        broker.told(1),
        [
            "1 a #4 again 1",
            "1 b #5 again 1",
            "1 c #6 again 1",
            "1 d #7"
        ]
    );
}

#[test]
fn a_commit_that_can_no_longer_send_is_refused_whole() {
    let mut settings = Settings::default();
    let fixed = AddressSettingsOverrides {
        auto_create_addresses: Some(false),
        ..AddressSettingsOverrides::default()
    };
    let _ = settings.engine.address_settings.insert("t.#", fixed);
    settings.engine.addresses = vec![hind_engine::settings::AddressDeployment {
        name: "t.a".into(),
        routing: vec![Anycast],
        queues: Vec::new(),
    }];
    let mut broker = Broker::start(settings);
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.send(1, message("in", "work"), Some(Anycast));
    broker.consume(1, 1, "in", None);
    broker.consume(2, 1, "t.a::q", Some(Anycast));
    begin(&mut broker, 1);
    broker.settle_in(1, 1, 1, Outcome::Accepted, OPEN);
    broker.send_in(1, message("out", "first"), Some(Anycast), OPEN);
    broker.send_in(1, message("t.a::q", "second"), Some(Anycast), OPEN);
    broker.ask(
        2,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    delete_queue(&mut broker, 2, "t.a::q");
    delete_queue(&mut broker, 2, "q");
    let told = commit(&mut broker, 1);
    assert_eq!(
        told, "done 999",
        "a queue that may be created is made again"
    );
    assert_eq!(broker.queue_len("q"), Some(1));
}

#[test]
fn a_send_to_a_queue_that_cannot_come_back_refuses_the_commit_instead_of_losing_it() {
    let fixed = AddressSettingsOverrides {
        auto_create_queues: Some(false),
        ..AddressSettingsOverrides::default()
    };
    let mut settings = Settings::default();
    let _ = settings.engine.address_settings.insert("t", fixed);
    settings.engine.addresses = vec![hind_engine::settings::AddressDeployment {
        name: "t".into(),
        routing: vec![Anycast],
        queues: vec![hind_engine::settings::QueueDeployment {
            name: "q".into(),
            routing: Anycast,
            filter: String::new(),
            durable: true,
            user: String::new(),
            options: Default::default(),
        }],
    }];
    let mut broker = Broker::start(settings);
    broker.connect(1, "a");
    broker.send(1, message("in", "work"), Some(Anycast));
    broker.consume(1, 1, "in", None);
    begin(&mut broker, 1);
    broker.settle_in(1, 1, 1, Outcome::Accepted, OPEN);
    broker.send_in(1, message("out", "first"), Some(Anycast), OPEN);
    broker.send_in(1, message("t::q", "second"), Some(Anycast), OPEN);
    delete_queue(&mut broker, 1, "q");
    let told = commit(&mut broker, 1);
    assert!(
        told.starts_with("1 work #2 again 1") || told.starts_with("refused"),
        "{told}"
    );
    assert_eq!(broker.queue_len("out"), Some(0), "nothing of it happened");
    assert_eq!(broker.queue_len("in"), Some(1));
}

#[test]
fn a_transaction_that_took_too_long_is_rolled_back_and_its_commit_refused() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    begin(&mut broker, 1);
    broker.settle_in(1, 1, 1, Outcome::Accepted, OPEN);
    broker.send_in(1, message("out", "y"), Some(Anycast), OPEN);
    broker.told(1);
    let deadline = broker.node.deadline(broker.now).expect("scans, at least");
    assert!(
        deadline
            <= broker
                .now
                .monotonic
                .after(std::time::Duration::from_secs(300))
    );
    broker.pass(300_000);
    assert_eq!(broker.told(1), ["1 x #2 again 1"]);
    assert_eq!(commit(&mut broker, 1), "refused no such transaction");
    assert_eq!(broker.queue_len("out"), Some(0));
}

#[test]
fn a_transaction_id_in_use_is_refused_and_the_open_one_goes_on() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    begin(&mut broker, 1);
    broker.settle_in(1, 1, 1, Outcome::Accepted, OPEN);
    broker.told(1);
    begin(&mut broker, 1);
    assert_eq!(broker.told(1), ["refused a transaction of that id is open"]);
    assert_eq!(commit(&mut broker, 1), "done 999");
    assert_eq!(broker.queue_len("q"), Some(0));
}

#[test]
fn a_consumer_or_a_queue_may_go_while_a_transaction_holds_messages() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for body in ["a", "b"] {
        broker.send(1, message("q", body), Some(Anycast));
    }
    broker.consume(1, 1, "q", None);
    broker.consume(1, 2, "t", Some(Multicast));
    broker.send(1, message("t", "temporary"), Some(Multicast));
    begin(&mut broker, 1);
    broker.settle_in(1, 1, 1, Outcome::Accepted, OPEN);
    broker.settle_in(1, 2, 1, Outcome::Accepted, OPEN);
    for consumer in [1, 2] {
        broker.ask(
            1,
            Command::Consumer(ConsumerId(consumer), ConsumerCommand::Close(None)),
        );
    }
    assert_eq!(broker.queue_len("q"), Some(2), "one held, one given back");
    assert_eq!(commit(&mut broker, 1), "done 999");
    assert_eq!(broker.queue_len("q"), Some(1));
    broker.consume(1, 3, "q", None);
    begin(&mut broker, 1);
    broker.settle_in(1, 3, 1, Outcome::Accepted, OPEN);
    broker.ask(
        1,
        Command::Consumer(ConsumerId(3), ConsumerCommand::Close(None)),
    );
    delete_queue(&mut broker, 1, "q");
    assert_eq!(broker.queue_len("q"), None);
    assert_eq!(commit(&mut broker, 1), "done 999");
    broker.crash_and_restart();
    assert_eq!(broker.queue_len("q"), None);
}

#[test]
fn settlements_of_a_transaction_are_bounded_and_too_many_fail_it_without_losing_any() {
    let mut settings = Settings::default();
    settings.engine.limits.transaction_operations = 3;
    let mut broker = Broker::start(settings);
    broker.connect(1, "a");
    for _ in 0..5 {
        broker.send(1, message("q", "x"), Some(Anycast));
    }
    broker.consume(1, 1, "q", None);
    begin(&mut broker, 1);
    for delivery in 1..=4 {
        broker.settle_in(1, 1, delivery, Outcome::Accepted, OPEN);
    }
    assert!(commit(&mut broker, 1).contains("x #6 again 1"));
    assert_eq!(broker.queue_len("q"), Some(5));
    broker.settle(1, 1, 4, Outcome::Accepted);
    assert_eq!(broker.queue_len("q"), Some(4), "the fourth was never in it");
}

#[test]
fn duplicates_are_found_inside_a_transaction_outside_and_over_a_crash() {
    let once = |id: &'static str| {
        with_property(message("q", id), properties::DUPLICATE_ID, Value::Text(id))
    };
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    begin(&mut broker, 1);
    broker.send_in(1, once("one"), Some(Anycast), OPEN);
    assert_eq!(commit(&mut broker, 1), "done 999");
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.send(2, once("one"), Some(Anycast));
    assert_eq!(broker.queue_len("q"), Some(1));
    begin(&mut broker, 2);
    broker.send_in(2, once("two"), Some(Anycast), OPEN);
    broker.send_in(2, once("two"), Some(Anycast), OPEN);
    assert!(commit(&mut broker, 2).starts_with("refused"));
    assert_eq!(broker.queue_len("q"), Some(1));
    begin(&mut broker, 2);
    broker.send_in(2, once("two"), Some(Anycast), OPEN);
    broker.transaction(2, 5, TransactionCommand::Rollback(None));
    broker.send(2, once("two"), Some(Anycast));
    assert_eq!(
        broker.queue_len("q"),
        Some(2),
        "what was rolled back has not been seen"
    );
}

#[test]
fn a_lost_connection_rolls_back() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    begin(&mut broker, 1);
    broker.settle_in(1, 1, 1, Outcome::Accepted, OPEN);
    broker.send_in(1, message("out", "y"), Some(Anycast), OPEN);
    broker.input(Input::Disconnected(ConnectionId(1)));
    assert_eq!(
        (broker.queue_len("q"), broker.queue_len("out")),
        (Some(1), Some(0))
    );
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(broker.told(2)[1..], ["1 x #1 again 1"]);
}
