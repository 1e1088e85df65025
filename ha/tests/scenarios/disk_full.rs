// SPDX-License-Identifier: Apache-2.0
//! A full disk: who waits, who is refused, what is dropped, and that consumers go on.

use hind_engine::address::routing_type::RoutingType::Anycast;
use hind_engine::address::settings::{AddressSettingsOverrides, DiskFullPolicy};
use hind_engine::command::*;
use hind_engine::id::*;
use hind_engine::notice::{DiskLimit, Notice};
use hind_ha::Settings;
use hind_ha::input::{DiskUsage, Input};

use crate::broker::*;

const WAITS: &str = "Blocked(DiskFull)";
const GOES_ON: &str = "Unblocked";

fn policy(policy: DiskFullPolicy) -> AddressSettingsOverrides {
    AddressSettingsOverrides {
        disk_full_policy: Some(Some(policy)),
        ..AddressSettingsOverrides::default()
    }
}

/// Addresses `fail.…` and `drop.…` have those policies, `block.…` the one of an address that says nothing.
fn each_policy() -> Broker {
    Broker::with(&[
        ("fail.#", policy(DiskFullPolicy::Fail)),
        ("drop.#", policy(DiskFullPolicy::Drop)),
    ])
}

fn used(broker: &mut Broker, percent: u64) {
    let (total, free) = (1_000, 1_000 - 10 * percent);
    broker.input(Input::DiskUsage(DiskUsage { total, free }));
}

#[test]
fn where_every_address_has_senders_wait_all_connections_do_until_there_is_room() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    used(&mut broker, 89);
    assert_eq!(broker.told(1), [""; 0]);
    broker.noticed();
    used(&mut broker, 90);
    assert_eq!(broker.told(1), [WAITS]);
    broker.connect(2, "b");
    assert_eq!(broker.told(2), [WAITS], "who comes later waits, too");
    used(&mut broker, 95);
    assert_eq!(broker.told(1), [""; 0], "told once");
    used(&mut broker, 89);
    assert_eq!(broker.told(1), [GOES_ON]);
    assert_eq!(broker.told(2), [GOES_ON]);
    assert_eq!(
        broker.noticed(),
        [
            Notice::DiskFull(DiskLimit::MaxDiskUsage),
            Notice::DiskFree(DiskLimit::MaxDiskUsage)
        ]
    );
}

#[test]
fn min_disk_free_is_a_limit_of_its_own() {
    let mut settings = Settings::default();
    settings.engine.max_disk_usage = None;
    settings.engine.min_disk_free = Some(100);
    let mut broker = Broker::start(settings);
    broker.connect(1, "a");
    used(&mut broker, 89);
    assert_eq!(broker.told(1), [""; 0]);
    used(&mut broker, 90);
    assert_eq!(broker.told(1), [WAITS]);
    assert_eq!(
        broker.noticed().pop(),
        Some(Notice::DiskFull(DiskLimit::MinDiskFree))
    );
}

#[test]
fn each_sender_is_held_refused_or_ignored_by_the_policy_of_the_address_it_sends_to() {
    let mut broker = each_policy();
    for (client, address) in [(1, "block.q"), (2, "fail.q"), (3, "drop.q")] {
        broker.connect(client, "a");
        broker.send(client, message(address, "before"), Some(Anycast));
        broker.told(client);
    }
    used(&mut broker, 95);
    assert_eq!(broker.told(1), [WAITS]);
    assert_eq!(broker.told(2), [""; 0]);
    assert_eq!(broker.told(3), [""; 0]);
    broker.send(2, message("fail.q", "x"), Some(Anycast));
    let dropped = broker.send(3, message("drop.q", "x"), Some(Anycast));
    assert_eq!(
        broker.told(2),
        ["refused AMQ229102: Address \"fail.q\" is full."]
    );
    assert_eq!(broker.told(3), [format!("done {dropped}")]);
    for queue in ["block.q", "fail.q", "drop.q"] {
        assert_eq!(broker.queue_len(queue), Some(1), "{queue}");
    }
    used(&mut broker, 5);
    assert_eq!(broker.told(1), [GOES_ON]);
    for (client, address) in [(1, "block.q"), (2, "fail.q"), (3, "drop.q")] {
        let sent = broker.send(client, message(address, "after"), Some(Anycast));
        assert_eq!(broker.told(client), [format!("done {sent}")]);
        assert_eq!(broker.queue_len(address), Some(2));
    }
}

#[test]
fn who_turns_to_an_address_that_has_senders_wait_is_taken_once_and_waits() {
    let mut broker = each_policy();
    broker.connect(1, "a");
    broker.send(1, message("fail.q", "before"), Some(Anycast));
    used(&mut broker, 95);
    broker.told(1);
    let sent = broker.send(1, message("block.q", "on its way"), Some(Anycast));
    assert_eq!(broker.told(1), [WAITS.to_owned(), format!("done {sent}")]);
    assert_eq!(broker.queue_len("block.q"), Some(1));
}

#[test]
fn dropping_is_said_once_for_each_address() {
    let mut broker = each_policy();
    broker.connect(1, "a");
    used(&mut broker, 95);
    broker.noticed();
    for address in ["drop.a", "drop.a", "drop.b"] {
        broker.send(1, message(address, "x"), Some(Anycast));
    }
    let dropping = |address: &str| Notice::AddressDropping {
        address: address.into(),
        fill: None,
    };
    assert_eq!(broker.noticed(), [dropping("drop.a"), dropping("drop.b")]);
}

#[test]
fn a_transaction_that_lost_a_message_to_the_full_disk_cannot_be_committed() {
    let mut broker = each_policy();
    broker.connect(1, "a");
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    let open = Some(TransactionId(5));
    broker.send_in(1, message("fail.q", "before"), Some(Anycast), open);
    used(&mut broker, 95);
    broker.send_in(1, message("fail.q", "x"), Some(Anycast), open);
    used(&mut broker, 5);
    broker.told(1);
    broker.transaction(1, 5, TransactionCommand::Commit(Some(Ticket(99))));
    assert_eq!(
        broker.told(1),
        ["refused AMQ229102: Address \"fail.q\" is full."]
    );
    assert_ne!(broker.queue_len("fail.q"), Some(1));
}

#[test]
fn what_a_send_lacks_beside_room_is_said_first() {
    let mut broker = each_policy();
    broker.connect(1, "a");
    used(&mut broker, 95);
    let unknown = Some(TransactionId(77));
    broker.send_in(1, message("drop.q", "x"), Some(Anycast), unknown);
    assert_eq!(broker.told(1), ["refused no such transaction"]);
}

#[test]
fn consumers_go_on_while_producers_wait() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    used(&mut broker, 95);
    broker.connect(2, "b");
    broker.told(2);
    let opened = broker.consume(2, 1, "q", Some(Anycast));
    assert_eq!(
        broker.told(2),
        [format!("done {opened}"), "1 x #1".to_owned()]
    );
    broker.settle(2, 1, 1, Outcome::Accepted);
    assert_eq!(broker.queue_len("q"), Some(0));
}
