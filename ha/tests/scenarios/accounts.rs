// SPDX-License-Identifier: Apache-2.0
//! What the broker counts of its messages, and what it says of those that are lost.

use hind_engine::address::routing_type::RoutingType::Anycast;
use hind_engine::address::settings::AddressSettingsOverrides;
use hind_engine::command::{Command, ConsumerCommand, Outcome, TransactionCommand};
use hind_engine::id::{ConnectionId, ConsumerId, MessageId, TransactionId};
use hind_engine::notice::Notice;
use hind_engine::queue::Counters;
use hind_ha::Settings;

use crate::broker::*;

/// After `attempts` to the dead-letter address, when too old to the expiry address.
fn undelivered(
    attempts: u32,
    dead_letter_address: Option<&str>,
    expiry_address: Option<&str>,
) -> AddressSettingsOverrides {
    AddressSettingsOverrides {
        dead_letter_address: Some(dead_letter_address.map(str::to_owned)),
        expiry_address: Some(expiry_address.map(str::to_owned)),
        max_delivery_attempts: Some(Some(attempts)),
        ..AddressSettingsOverrides::default()
    }
}

/// Sends one message that is past its time in a moment, durable or not, and lets the moment pass.
fn let_one_expire(broker: &mut Broker, queue: &str, durable: bool) {
    let mut late = message(queue, "x");
    late.durable = durable;
    late.expiration = broker.now.wall + 10;
    broker.send(1, late, Some(Anycast));
    broker.pass(30_001);
}

#[test]
fn acknowledged_expired_and_killed_messages_are_counted_apart() {
    let mut broker = Broker::with(&[("q", undelivered(1, Some("DLQ"), None))]);
    broker.connect(1, "a");
    broker.consume(1, 9, "DLQ", Some(Anycast));
    for durable in [true, false] {
        let_one_expire(&mut broker, "q", durable);
    }
    for delivery in 1..=6 {
        let mut sent = message("q", "x");
        sent.durable = delivery % 2 == 0;
        broker.send(1, sent, Some(Anycast));
    }
    broker.consume(1, 1, "q", None);
    for (delivery, outcome) in [
        (1, Outcome::Accepted),
        (2, Outcome::Failed),
        (3, Outcome::Rejected),
        (4, Outcome::Released),
    ] {
        broker.settle(1, 1, delivery, outcome);
    }
    let transaction = Some(TransactionId(1));
    broker.transaction(1, 1, TransactionCommand::Begin(SESSION));
    broker.settle_in(1, 1, 5, Outcome::Accepted, transaction);
    assert_eq!(
        broker.counters("q").acknowledged,
        1,
        "not before the commit"
    );
    let ticket = broker.ticket();
    broker.transaction(1, 1, TransactionCommand::Commit(Some(ticket)));
    let counted = Counters {
        added: 8,
        acknowledged: 2,
        expired: 2,
        killed: 2,
    };
    assert_eq!(broker.counters("q"), counted);
    assert_eq!(broker.queue_len("q"), Some(2));
}

#[test]
fn what_a_queue_is_purged_of_is_counted_as_killed() {
    let purged = AddressSettingsOverrides {
        default_purge_on_no_consumers: Some(true),
        auto_delete_queues: Some(false),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("q", purged)]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.send(1, message("q", "x"), Some(Anycast));
    let close = ConsumerCommand::Close(None);
    broker.ask(1, Command::Consumer(ConsumerId(1), close));
    let counters = broker.counters("q");
    assert_eq!((counters.acknowledged, counters.killed), (0, 1));
}

#[test]
fn messages_that_expire_without_an_expiry_address_are_spoken_of_once_per_address() {
    let mut broker = Broker::with(&[("q", undelivered(1, None, None))]);
    broker.connect(1, "a");
    broker.noticed();
    for _ in 0..3 {
        let_one_expire(&mut broker, "q", true);
    }
    let said = Notice::DroppedExpired {
        queue: "q".into(),
        expiry_address: None,
    };
    assert_eq!(broker.noticed(), [said]);
    assert_eq!(broker.counters("q").expired, 3);
}

#[test]
fn messages_that_expire_towards_an_address_without_queues_are_spoken_of_with_its_name() {
    let mut broker = Broker::with(&[("q", undelivered(1, None, Some("EXP")))]);
    broker.connect(1, "a");
    broker.noticed();
    let_one_expire(&mut broker, "q", true);
    let said = Notice::DroppedExpired {
        queue: "q".into(),
        expiry_address: Some("EXP".into()),
    };
    assert_eq!(broker.noticed(), [said]);
}

#[test]
fn messages_that_die_without_a_dead_letter_address_are_spoken_of_once_per_address() {
    for dead_letter_address in [None, Some("DLQ")] {
        let mut broker = Broker::with(&[("q", undelivered(2, dead_letter_address, None))]);
        broker.connect(1, "a");
        broker.consume(1, 1, "q", Some(Anycast));
        broker.noticed();
        for _ in 0..2 {
            broker.send(1, message("q", "x"), Some(Anycast));
        }
        for delivery in 1..=4 {
            broker.settle(1, 1, delivery, Outcome::Failed);
        }
        let said = broker.noticed();
        assert!(
            matches!(
                &said[..],
                [Notice::DroppedAfterAttempts {
                    message: MessageId(_),
                    attempts: 2,
                    dead_letter_address: named,
                    ..
                }] if named.as_deref() == dead_letter_address
            ),
            "{said:?}"
        );
        assert_eq!(broker.counters("q").killed, 2);
    }
}

#[test]
fn a_transaction_that_times_out_is_spoken_of() {
    let settings = Settings::default();
    let timeout = settings.engine.transaction_timeout;
    let mut broker = Broker::start(settings);
    broker.connect(1, "a");
    broker.transaction(1, 4, TransactionCommand::Begin(SESSION));
    broker.send_in(1, message("q", "x"), Some(Anycast), Some(TransactionId(4)));
    broker.noticed();
    let timeout = u64::try_from(timeout.as_millis()).expect("minutes");
    broker.pass(timeout - 1);
    assert_eq!(broker.noticed(), []);
    broker.pass(1);
    let said = Notice::TransactionTimedOut {
        client: ConnectionId(1),
        transaction: TransactionId(4),
    };
    assert_eq!(broker.noticed(), [said]);
}
