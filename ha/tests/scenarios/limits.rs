// SPDX-License-Identifier: Apache-2.0
//! Limits of memory, pages and disk: where each of them lies, and what the log is told.

use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::address::settings::{AddressFullPolicy, AddressSettingsOverrides, PageFullPolicy};
use hind_engine::command::*;
use hind_engine::id::*;
use hind_engine::notice::{Notice, PageLimit};
use hind_ha::Settings;
use hind_ha::input::{DiskUsage, Input};

use crate::broker::*;
use crate::paging::*;

/// Pages whatever comes after the third message, until the limit is reached.
fn bounded(policy: PageFullPolicy) -> AddressSettingsOverrides {
    AddressSettingsOverrides {
        page_full_policy: Some(Some(policy)),
        ..small()
    }
}

impl Broker {
    /// Notices about limits since the last look, as short words.
    fn limits_noticed(&mut self) -> Vec<String> {
        let words = |notice| {
            Some(match notice {
                Notice::GlobalFull(fill) => format!("all full with {}", fill.global_messages),
                Notice::GlobalNotFull(fill) => format!("all roomy with {}", fill.global_messages),
                Notice::PageLimitReached { address, limit } => format!("{address} at {limit:?}"),
                Notice::PageLimitReleased { address } => format!("{address} may page again"),
                Notice::AddressBlocked { address, .. } => format!("{address} blocked"),
                Notice::AddressBlockedByDisk { address } => format!("{address} blocked by disk"),
                Notice::AddressUnblocked { address, .. } => format!("{address} unblocked"),
                Notice::AddressDropping { address, .. } => format!("{address} drops"),
                Notice::PageReadsHeld {
                    queue, messages, ..
                } => format!("{queue} holds {messages}"),
                _ => return None,
            })
        };
        self.noticed().into_iter().filter_map(words).collect()
    }
}

#[test]
fn page_limit_bytes_allows_as_many_pages_as_fit_and_the_beginning_of_one_more() {
    for (limit, pages_max) in [(4_500, 3), (4_499, 2), (100, 0)] {
        let settings = AddressSettingsOverrides {
            page_limit_bytes: Some(Some(limit)),
            ..bounded(PageFullPolicy::Fail)
        };
        let mut broker = Broker::with(&[("q", settings)]);
        broker.connect(1, "a");
        broker.send_many(1, "q", 0..200);
        let all = broker.count("q");
        let name = "q".to_owned();
        let of = broker.node.engine().state().addresses.named(&name);
        let pages = broker
            .node
            .engine()
            .state()
            .pages
            .of(of.expect("there").record.id);
        let bytes = pages.expect("pages").bytes;
        let size = bytes / (all - 3);
        assert!(bytes > pages_max * 1_500, "{limit}: {bytes}");
        assert!(bytes - size <= pages_max * 1_500, "{limit}: {bytes}");
        let said = PageLimit::Bytes {
            pages: pages_max + 1,
            pages_max,
            limit,
            page_size: 1_500,
        };
        assert_eq!(broker.limits_noticed(), [format!("q at {said:?}")]);
        assert_eq!(
            broker.told(1).last().map(String::as_str),
            Some("refused AMQ229102: Address \"q\" is full.")
        );
    }
}

#[test]
fn page_limit_messages_counts_those_of_the_queue_that_has_most() {
    let settings = AddressSettingsOverrides {
        page_limit_messages: Some(Some(10)),
        ..bounded(PageFullPolicy::Drop)
    };
    let mut broker = Broker::with(&[("#", settings)]);
    for client in 1..=3 {
        broker.connect(client, "a");
    }
    for (client, name) in [(1, "slow"), (2, "fast")] {
        broker.consume_with(client, 1, "news", Some(Multicast), |open| {
            open.subscription = Subscription::Named {
                queue: name.into(),
                durable: true,
                shared: false,
            };
            open.credit = Credit::messages(if name == "slow" { 3 } else { 100 });
        });
    }
    let mut fast = Vec::new();
    for start in (0..13).step_by(2) {
        broker.send_many(3, "news", start..(start + 2).min(13));
        fast.extend(broker.drain(2, 1));
    }
    assert_eq!(fast, bodies(0..13));
    let said = PageLimit::Messages {
        queue: "slow".into(),
        messages: 10,
        limit: 10,
    };
    assert_eq!(broker.limits_noticed(), [format!("news at {said:?}")]);
    broker.send_many(3, "news", 13..20);
    assert_eq!(broker.limits_noticed(), ["news drops"]);
    assert_eq!((broker.count("slow"), broker.drain(2, 1).len()), (13, 0));
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Credit(Credit::messages(1))),
    );
    assert_eq!(broker.drain(1, 1), bodies(0..4));
    assert_eq!(broker.limits_noticed(), ["news may page again"]);
    broker.send_many(3, "news", 20..22);
    assert_eq!(
        (broker.count("slow"), broker.drain(2, 1)),
        (10, bodies(20..21))
    );
}

#[test]
fn page_limits_are_in_force_again_after_a_restart_and_are_none_without_a_policy() {
    let limit = |policy| AddressSettingsOverrides {
        page_limit_messages: Some(Some(10)),
        page_full_policy: Some(policy),
        ..small()
    };
    let mut broker = Broker::with(&[
        ("q", limit(Some(PageFullPolicy::Fail))),
        ("free", limit(None)),
    ]);
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..20);
    broker.send_many(1, "free", 0..20);
    assert_eq!((broker.count("q"), broker.count("free")), (13, 20));
    broker.crash_and_restart();
    assert_eq!(broker.limits_noticed().len(), 1);
    broker.connect(1, "a");
    broker.send_many(1, "q", 20..22);
    assert_eq!(broker.count("q"), 13);
}

#[test]
fn the_global_limit_is_said_when_it_is_reached_and_when_there_is_room_again() {
    let mut settings = Settings::default();
    settings.engine.global_max_messages = Some(8);
    let mut broker = Broker::start(settings);
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..7);
    assert_eq!(broker.limits_noticed(), [""; 0]);
    broker.send_many(1, "q", 7..20);
    assert_eq!(broker.limits_noticed(), ["all full with 8"]);
    broker.told(1);
    broker.consume_with(1, 1, "q", Some(Anycast), one_by_one);
    for _ in 0..3 {
        broker.drain(1, 1);
        let more = ConsumerCommand::Credit(Credit::messages(1));
        broker.ask(1, Command::Consumer(ConsumerId(1), more));
    }
    let more = ConsumerCommand::Credit(Credit::messages(100));
    broker.ask(1, Command::Consumer(ConsumerId(1), more));
    broker.drain(1, 1);
    assert_eq!(broker.limits_noticed(), ["all roomy with 5"]);
    broker.input(Input::Disconnected(ConnectionId(1)));
    broker.connect(1, "a");
    broker.send_many(1, "q", 20..40);
    assert_eq!(broker.limits_noticed(), [""; 0], "not twice in a minute");
}

#[test]
fn an_address_that_is_full_again_and_again_is_spoken_of_now_and_then() {
    let block = AddressSettingsOverrides {
        address_full_policy: Some(AddressFullPolicy::Block),
        ..small()
    };
    let mut broker = Broker::with(&[("q", block)]);
    broker.connect(1, "a");
    broker.connect(2, "a");
    let rounds = |broker: &mut Broker| {
        for _ in 0..5 {
            broker.send_many(1, "q", 0..4);
            broker.consume(2, 1, "q", Some(Anycast));
            assert_eq!(broker.drain(2, 1).len(), 4);
            broker.ask(
                2,
                Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
            );
        }
        broker.limits_noticed()
    };
    assert_eq!(rounds(&mut broker), ["q blocked", "q unblocked"]);
    broker.pass(10_000);
    assert_eq!(rounds(&mut broker), ["q blocked", "q unblocked"]);
}

#[test]
fn an_address_whose_senders_wait_for_the_disk_is_named_once_until_there_is_room() {
    let mut broker = Broker::with(&[]);
    let used = |broker: &mut Broker, percent: u64| {
        let (total, free) = (1_000, 1_000 - 10 * percent);
        broker.input(Input::DiskUsage(DiskUsage { total, free }));
        broker.limits_noticed()
    };
    for client in 1..=2 {
        broker.connect(client, "a");
    }
    broker.send_many(1, "q", 0..1);
    assert_eq!(used(&mut broker, 95), ["q blocked by disk"]);
    broker.send_many(2, "q", 1..2);
    broker.send_many(2, "p", 0..2);
    assert_eq!(broker.limits_noticed(), ["p blocked by disk"]);
    assert_eq!(used(&mut broker, 5), ["q unblocked", "p unblocked"]);
    assert_eq!(
        used(&mut broker, 95),
        ["q blocked by disk", "p blocked by disk"]
    );
}

#[test]
fn a_queue_that_waits_for_acknowledgements_before_it_reads_on_says_so_once_a_minute() {
    let mut broker = Broker::with(&[("#", small())]);
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..40);
    broker.told(1);
    broker.consume(1, 1, "q", Some(Anycast));
    assert_eq!(broker.limits_noticed(), ["q holds 4"]);
    broker.send_many(1, "q", 40..50);
    assert_eq!(broker.limits_noticed(), [""; 0]);
    broker.pass(60_000);
    broker.send_many(1, "q", 50..51);
    assert_eq!(broker.limits_noticed(), ["q holds 4"]);
    assert_eq!(broker.drain(1, 1), bodies(0..51));
    assert_eq!(broker.limits_noticed(), [""; 0]);
}

#[test]
fn no_more_is_read_ahead_than_the_settings_say() {
    let by_messages = AddressSettingsOverrides {
        prefetch_page_messages: Some(Some(2)),
        max_read_page_messages: Some(Some(10)),
        ..small()
    };
    let by_bytes = AddressSettingsOverrides {
        prefetch_page_bytes: Some(Some(100)),
        ..small()
    };
    for (settings, ahead) in [(by_messages, 2..=2), (by_bytes, 1..=3)] {
        let mut broker = Broker::with(&[("q", settings)]);
        broker.connect(1, "a");
        broker.send_many(1, "q", 0..40);
        broker.told(1);
        broker.consume_with(1, 1, "q", Some(Anycast), |open| {
            open.credit = Credit::messages(5);
        });
        let ready = broker.queue_len("q").expect("there") - 5;
        assert!(ahead.contains(&ready), "{ready}");
        let more = ConsumerCommand::Credit(Credit::messages(100));
        broker.ask(1, Command::Consumer(ConsumerId(1), more));
        assert_eq!(broker.drain(1, 1), bodies(0..40));
    }
}

/// So many addresses, each with a queue that has one message, in a page on the disk.
fn one_message_each(queues: u64) -> Broker {
    let settings = AddressSettingsOverrides {
        max_size_messages: Some(Some(0)),
        page_size_bytes: Some(1),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("#", settings)]);
    broker.is_checked = false;
    broker.connect(1, "a");
    for queue in 0..queues {
        broker.send(1, message(&format!("q{queue}"), "x"), Some(Anycast));
    }
    broker.told(1);
    broker
}

#[test]
fn ten_thousand_queues_with_a_message_each_are_looked_at_a_few_times_each() {
    let queues = 10_000;
    let mut broker = one_message_each(queues);
    let all: Vec<_> = (0..queues)
        .map(|queue| open(&mut broker, queue, &format!("q{queue}")))
        .collect();
    let before = broker.node.engine().page_looks();
    broker.input(Input::Client(ConnectionId(1), all));
    let looks = broker.node.engine().page_looks() - before;
    let told = broker.told(1);
    let delivered = told.iter().filter(|it| it.ends_with(" x #1")).count() as u64;
    assert_eq!(delivered, queues);
    assert!(looks <= 8 * queues, "{looks} looks");
    let settle = |queue| {
        let settle = Settle {
            deliveries: Deliveries::One(DeliveryId(1)),
            outcome: Outcome::Accepted,
            transaction: None,
            ticket: None,
        };
        Command::Consumer(ConsumerId(queue), ConsumerCommand::Settle(settle))
    };
    let all = (0..queues).map(settle).collect();
    broker.input(Input::Client(ConnectionId(1), all));
    assert_eq!(broker.pages_left(), 0);
}

#[test]
fn a_queue_with_much_to_read_does_not_take_the_turns_of_others() {
    let settings = AddressSettingsOverrides {
        max_size_messages: Some(Some(0)),
        page_size_bytes: Some(1),
        max_read_page_bytes: Some(None),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("#", settings)]);
    broker.connect(1, "a");
    // More long queues than reads at a time.
    for queue in 0..10 {
        broker.send_many(1, &format!("long{queue}"), 0..50);
    }
    broker.send_many(1, "short", 0..1);
    let short = *broker.pages.keys().next_back().expect("pages");
    let opens: Vec<_> = (0..10)
        .map(|queue| (queue, format!("long{queue}")))
        .chain([(10, "short".to_owned())])
        .map(|(consumer, queue)| open(&mut broker, consumer, &queue))
        .collect();
    broker.input(Input::Client(ConnectionId(1), opens));
    assert_eq!(broker.reads.len(), 501);
    let place = broker.reads.iter().position(|page| *page == short);
    assert!(place <= Some(20), "{place:?}");
}

/// A command that opens a consumer with credit.
fn open(broker: &mut Broker, consumer: u64, queue: &str) -> Command {
    let open = ConsumerOpen {
        session: SESSION,
        address: queue.into(),
        routing: Some(Anycast),
        subscription: Subscription::Temporary,
        selector: String::new(),
        no_local: false,
        priority: 0,
        credit: Credit::messages(1_000),
        settling: Settling::ByDelivery,
        retained: false,
        kept: None,
        ticket: broker.ticket(),
    };
    let open = ConsumerCommand::Open(Box::new(open));
    Command::Consumer(ConsumerId(consumer), open)
}
