// SPDX-License-Identifier: Apache-2.0
//! Addresses with more messages than they may have in memory (manual, chapter Paging).

use crate::broker::*;

use hind_engine::address::routing_type::RoutingType::{self, Anycast, Multicast};
use hind_engine::address::settings::{AddressFullPolicy, AddressSettingsOverrides, PageFullPolicy};
use hind_engine::command::*;
use hind_engine::id::*;
use hind_engine::message::Message;
use hind_engine::message::properties::{self, Value};
use hind_engine::notice::Notice;

/// Three messages in memory, pages of about ten small ones, at most four of them read ahead.
pub(crate) fn small() -> AddressSettingsOverrides {
    AddressSettingsOverrides {
        max_size_messages: Some(Some(3)),
        page_size_bytes: Some(1_500),
        max_read_page_messages: Some(Some(4)),
        ..AddressSettingsOverrides::default()
    }
}

fn paging() -> Broker {
    Broker::with(&[("#", small())])
}

impl Broker {
    pub(crate) fn send_many(&mut self, client: u64, address: &str, numbers: std::ops::Range<u32>) {
        let routing = routing(address);
        for number in numbers {
            self.send(client, message(address, &format!("m{number}")), routing);
        }
    }

    /// Takes and acknowledges until nothing comes, and returns the bodies in order.
    pub(crate) fn drain(&mut self, client: u64, consumer: u64) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let told = self.told(client);
            let mine = format!("{consumer} ");
            let news: Vec<_> = told
                .iter()
                .filter_map(|it| it.strip_prefix(&mine))
                .collect();
            if news.is_empty() {
                return bodies;
            }
            for line in news {
                let mut words = line.split(' ');
                bodies.push(words.next().expect("a body").to_owned());
                let delivery = words.next().expect("a delivery").trim_start_matches('#');
                let delivery = delivery.parse().expect("a number");
                self.settle(client, consumer, delivery, Outcome::Accepted);
            }
        }
    }

    pub(crate) fn count(&self, queue: &str) -> u64 {
        let state = self.node.engine().state();
        state.message_count(state.queues.named(queue).expect("there").id())
    }

    pub(crate) fn pages_left(&self) -> usize {
        self.node.engine().state().pages.len()
    }
}

pub(crate) fn routing(address: &str) -> Option<RoutingType> {
    Some(if address.starts_with("news") {
        Multicast
    } else {
        Anycast
    })
}

pub(crate) fn bodies(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("m{number}")).collect()
}

/// A consumer that takes one message at a time.
pub(crate) fn one_by_one(open: &mut ConsumerOpen) {
    open.credit = Credit::messages(1);
}

#[test]
fn what_does_not_fit_into_memory_goes_to_pages_and_comes_back_in_order() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..100);
    let started = |notice: &Notice| matches!(notice, Notice::PagingStarted { .. });
    assert_eq!(broker.noticed().iter().filter(|it| started(it)).count(), 1);
    assert_eq!(broker.count("q"), 100);
    assert_eq!(broker.queue_len("q"), Some(3), "in memory");
    assert!(broker.pages.len() > 3, "{} pages", broker.pages.len());
    broker.told(1);
    broker.consume(1, 1, "q", routing("q"));
    assert_eq!(broker.drain(1, 1), bodies(0..100));
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
    assert!(broker.pages.is_empty(), "files go when they are not needed");
    let stopped = |notice: &Notice| matches!(notice, Notice::PagingStopped { .. });
    assert_eq!(broker.noticed().iter().filter(|it| stopped(it)).count(), 1);
    broker.send_many(1, "q", 100..102);
    assert_eq!(broker.pages_left(), 0);
    assert_eq!(broker.drain(1, 1), bodies(100..102));
}

#[test]
fn after_a_crash_at_any_moment_nothing_confirmed_is_missing_and_the_order_is_kept() {
    for sent in [4, 5, 12, 13, 14, 15, 40] {
        for taken in [0, 1, 3, 4, 10] {
            let mut broker = paging();
            broker.connect(1, "a");
            broker.send_many(1, "q", 0..sent);
            broker.told(1);
            broker.consume_with(1, 1, "q", routing("q"), |open| {
                open.credit = Credit::messages(taken);
            });
            let got = broker.drain(1, 1);
            let taken = u32::try_from(taken).expect("small").min(sent);
            assert_eq!(got, bodies(0..taken), "{sent} {taken}");
            let digest = broker.node.engine().state().durable_digest();
            broker.crash_and_restart();
            let folded = broker.node.engine().state().durable_digest();
            assert_eq!(folded, digest, "{sent} {taken}");
            broker.connect(2, "a");
            broker.send_many(2, "q", sent..sent + 2);
            broker.told(2);
            broker.consume(2, 1, "q", routing("q"));
            assert_eq!(
                broker.drain(2, 1),
                bodies(taken..sent + 2),
                "{sent} {taken}"
            );
            assert_eq!(broker.pages_left(), 0);
        }
    }
}

#[test]
fn messages_sent_after_paging_ended_wait_after_a_restart_for_those_in_pages() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..6);
    broker.told(1);
    // Takes all, acknowledges the first three: everything in pages is in memory, and paging ends.
    broker.consume(1, 1, "q", routing("q"));
    for delivery in 1..=4 {
        broker.settle(1, 1, delivery, Outcome::Accepted);
    }
    let stopped = |notice: &Notice| matches!(notice, Notice::PagingStopped { .. });
    assert!(broker.noticed().iter().any(stopped));
    broker.send_many(1, "q", 6..7);
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.consume(2, 1, "q", routing("q"));
    assert_eq!(broker.drain(2, 1), bodies(4..7));
}

#[test]
fn every_subscription_reads_the_pages_at_its_own_pace() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.connect(3, "a");
    let durable = |name: &'static str| {
        move |open: &mut ConsumerOpen| {
            open.subscription = Subscription::Named {
                queue: name.into(),
                durable: true,
                shared: false,
            };
        }
    };
    broker.consume_with(1, 1, "news", Some(Multicast), durable("fast"));
    broker.consume_with(2, 1, "news", Some(Multicast), |open| {
        durable("slow")(open);
        open.credit = Credit::messages(1);
    });
    let mut got = Vec::new();
    for start in (0..60).step_by(10) {
        broker.send_many(3, "news", start..start + 10);
        got.extend(broker.drain(1, 1));
    }
    assert_eq!(got, bodies(0..60));
    assert_eq!(broker.drain(2, 1), bodies(0..1));
    assert_eq!((broker.count("fast"), broker.count("slow")), (0, 59));
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.consume_with(2, 1, "news", Some(Multicast), durable("slow"));
    assert_eq!(broker.drain(2, 1), bodies(1..60));
    assert_eq!(broker.pages_left(), 0);
    assert!(broker.pages.is_empty());
}

#[test]
fn a_transaction_of_messages_that_page_happens_or_does_not() {
    for crash in [false, true] {
        let mut broker = paging();
        broker.connect(1, "a");
        broker.send_many(1, "q", 0..5);
        broker.told(1);
        broker.consume_with(1, 1, "q", routing("q"), one_by_one);
        broker.transaction(1, 7, TransactionCommand::Begin(SESSION));
        for number in 5..9 {
            let sent = message("q", &format!("m{number}"));
            broker.send_in(1, sent, routing("q"), Some(TransactionId(7)));
        }
        broker.settle_in(1, 1, 1, Outcome::Accepted, Some(TransactionId(7)));
        assert_eq!(broker.count("q"), 5);
        broker.hold_disk = crash;
        broker.transaction(1, 7, TransactionCommand::Commit(Some(Ticket(99))));
        if crash {
            broker.crash_and_restart();
        }
        broker.told(1);
        broker.connect(2, "a");
        broker.connect(1, "a");
        broker.input(hind_ha::input::Input::Disconnected(ConnectionId(1)));
        broker.consume(2, 1, "q", routing("q"));
        let expected = if crash { 0..5 } else { 1..9 };
        assert_eq!(broker.drain(2, 1), bodies(expected), "crash {crash}");
    }
}

#[test]
fn a_selector_finds_its_message_far_behind_what_nobody_takes() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.send_many(1, "q", 0..80);
    let rare = with_property(message("q", "rare"), "colour", Value::Text("red"));
    broker.send(1, rare, routing("q"));
    broker.send_many(1, "q", 80..90);
    // Somebody holds on to the head of the queue without taking more.
    broker.consume_with(1, 1, "q", routing("q"), one_by_one);
    broker.consume_with(2, 1, "q", routing("q"), |open| {
        open.selector = "colour = 'red'".into();
    });
    assert_eq!(broker.drain(2, 1), ["rare"]);
    let rare = with_property(message("q", "rare2"), "colour", Value::Text("red"));
    broker.send(1, rare, routing("q"));
    assert_eq!(broker.drain(2, 1), ["rare2"]);
    broker.input(hind_ha::input::Input::Disconnected(ConnectionId(1)));
    broker.connect(3, "a");
    broker.consume(3, 1, "q", routing("q"));
    assert_eq!(broker.drain(3, 1), bodies(0..90));
    assert_eq!(broker.pages_left(), 0);
}

/// Sends what has no colour, except for some.
fn send_coloured(broker: &mut Broker, numbers: std::ops::Range<u32>, red: &[u32], blue: &[u32]) {
    for number in numbers {
        let mut sent = message("q", &format!("m{number}"));
        for (colour, of) in [("red", red), ("blue", blue)] {
            if of.contains(&number) {
                sent = with_property(sent, "colour", Value::Text(colour));
            }
        }
        broker.send(1, sent, routing("q"));
    }
    broker.told(1);
}

#[test]
fn what_was_read_ahead_for_one_that_chooses_comes_to_others_in_its_turn() {
    let mut broker = paging();
    (1..4).for_each(|client| broker.connect(client, "a"));
    send_coloured(&mut broker, 0..60, &[20, 21], &[]);
    broker.consume(2, 1, "q", routing("q"));
    let before = broker.told(2).len();
    assert_eq!(before, 1 + 7, "three from memory, four from pages");
    // It takes one of the two that were read for it.
    broker.consume_with(3, 1, "q", routing("q"), |open| {
        open.selector = "colour = 'red'".into();
        open.credit = Credit::messages(1);
    });
    assert_eq!(broker.told(3)[1..], ["1 m20 #1"]);
    assert_eq!(broker.told(2), [""; 0], "the other one's turn has not come");
    for delivery in 1..=7 {
        broker.settle(2, 1, delivery, Outcome::Accepted);
    }
    let expected = (7..60).filter(|number| *number != 20);
    let expected: Vec<_> = expected.map(|number| format!("m{number}")).collect();
    assert_eq!(broker.drain(2, 1), expected);
    broker.settle(3, 1, 1, Outcome::Accepted);
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
}

#[test]
fn what_was_read_ahead_for_one_that_chooses_comes_to_another_that_chooses_in_its_turn() {
    let mut broker = paging();
    (1..5).for_each(|client| broker.connect(client, "a"));
    send_coloured(&mut broker, 0..60, &[20, 21], &[15, 17, 40]);
    broker.consume_with(2, 1, "q", routing("q"), |open| {
        open.credit = Credit::messages(7);
    });
    let choose = |selector: &'static str, credit| {
        move |open: &mut ConsumerOpen| {
            open.selector = selector.into();
            open.credit = Credit::messages(credit);
        }
    };
    broker.consume_with(3, 1, "q", routing("q"), choose("colour = 'red'", 1));
    assert_eq!(broker.told(3)[1..], ["1 m20 #1"]);
    let any = choose("colour IN ('red', 'blue')", Credit::UNLIMITED);
    broker.consume_with(4, 1, "q", routing("q"), any);
    let expected = ["m15", "m17", "m21", "m40"];
    assert_eq!(broker.drain(4, 1), expected);
}

#[test]
fn what_was_read_ahead_and_given_back_comes_in_its_turn() {
    let mut broker = paging();
    (1..5).for_each(|client| broker.connect(client, "a"));
    send_coloured(&mut broker, 0..60, &[20, 21], &[]);
    broker.consume(2, 1, "q", routing("q"));
    broker.told(2);
    broker.consume_with(3, 1, "q", routing("q"), |open| {
        open.selector = "colour = 'red'".into();
    });
    assert_eq!(broker.told(3)[1..], ["1 m20 #1", "1 m21 #2"]);
    broker.settle(3, 1, 1, Outcome::Released);
    assert_eq!(broker.told(3)[1..], ["1 m20 #3"]);
    broker.input(hind_ha::input::Input::Disconnected(ConnectionId(3)));
    assert_eq!(broker.told(2), [""; 0], "their turn has not come");
    broker.consume_with(4, 1, "q", routing("q"), |open| {
        open.selector = "colour = 'red'".into();
        open.credit = Credit::messages(1);
    });
    assert_eq!(broker.told(4)[1..], ["1 m20 #1 again 1"]);
    broker.settle(4, 1, 1, Outcome::Accepted);
    for delivery in 1..=7 {
        broker.settle(2, 1, delivery, Outcome::Accepted);
    }
    let expected = (7..60).filter(|number| *number != 20);
    let expected: Vec<_> = expected.map(|number| format!("m{number}")).collect();
    assert_eq!(broker.drain(2, 1), expected);
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
}

#[test]
fn scheduled_messages_in_pages_come_in_their_time_and_do_not_hold_up_others() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..4);
    let late = i64::try_from(broker.now.wall).expect("small") + 60_000;
    for number in 0..20 {
        let sent = message("q", &format!("late{number}"));
        let sent = with_property(sent, properties::SCHEDULED_DELIVERY, Value::Long(late));
        broker.send(1, sent, routing("q"));
    }
    broker.send_many(1, "q", 4..10);
    broker.told(1);
    broker.consume(1, 1, "q", routing("q"));
    assert_eq!(broker.drain(1, 1), bodies(0..10));
    broker.crash_and_restart();
    broker.connect(1, "a");
    broker.consume(1, 1, "q", routing("q"));
    assert_eq!(broker.drain(1, 1), [""; 0]);
    broker.pass(61_000);
    let mut got = broker.drain(1, 1);
    for _ in 0..5 {
        broker.pass(2_000);
        got.extend(broker.drain(1, 1));
    }
    // All at the same time: which of them comes first is open.
    let mut expected: Vec<_> = (0..20).map(|number| format!("late{number}")).collect();
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    assert_eq!(broker.pages_left(), 0);
}

#[test]
fn messages_in_pages_expire_though_nobody_consumes() {
    let mut broker = Broker::with(&[
        ("#", small()),
        (
            "q",
            AddressSettingsOverrides {
                expiry_address: Some(Some("dead".into())),
                ..AddressSettingsOverrides::default()
            },
        ),
    ]);
    broker.connect(1, "a");
    broker.send_many(1, "dead", 0..0);
    broker.consume_with(1, 9, "dead", Some(Anycast), |open| {
        open.credit = Credit::messages(0);
    });
    broker.send_many(1, "q", 0..10);
    for number in 10..30 {
        let mut sent: Message = message("q", &format!("m{number}"));
        sent.expiration = broker.now.wall + 1_000;
        broker.send(1, sent, routing("q"));
    }
    broker.send_many(1, "q", 30..40);
    for _ in 0..4 {
        broker.pass(31_000);
    }
    assert_eq!(broker.count("q"), 20);
    assert_eq!(broker.count("dead"), 20);
    broker.told(1);
    broker.consume(1, 1, "q", routing("q"));
    let expected: Vec<_> = bodies(0..10).into_iter().chain(bodies(30..40)).collect();
    assert_eq!(broker.drain(1, 1), expected);
}

#[test]
fn messages_that_come_to_a_page_after_others_expired_in_it_expire_too() {
    for held in [false, true] {
        let mut broker = paging();
        broker.connect(1, "a");
        broker.send_many(1, "q", 0..4);
        let expiring = |broker: &mut Broker, number: u32| {
            let mut sent: Message = message("q", &format!("m{number}"));
            sent.expiration = broker.now.wall + 1_000;
            broker.send(1, sent, routing("q"));
        };
        broker.hold_disk = held;
        expiring(&mut broker, 4);
        broker.pass(31_000);
        broker.hold_disk = false;
        broker.complete_disk();
        if !held {
            assert_eq!(broker.count("q"), 4);
            expiring(&mut broker, 5);
        }
        broker.pass(31_000);
        broker.pass(31_000);
        assert_eq!(broker.count("q"), 4, "held {held}");
    }
}

#[test]
fn a_message_that_has_expired_in_a_page_does_not_hold_up_those_behind_it() {
    let mut broker = Broker::with(&[(
        "#",
        AddressSettingsOverrides {
            max_read_page_messages: Some(Some(1)),
            ..small()
        },
    )]);
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..3);
    let mut expiring = message("q", "late");
    expiring.expiration = broker.now.wall + 1_000;
    broker.send(1, expiring, routing("q"));
    broker.send_many(1, "q", 3..60);
    broker.pass(2_000);
    broker.told(1);
    broker.consume(1, 1, "q", routing("q"));
    assert_eq!(
        broker.told(1)[1..],
        ["1 m0 #1", "1 m1 #2", "1 m2 #3", "1 m3 #4"]
    );
}

#[test]
fn attempts_at_messages_in_pages_are_counted_and_the_last_one_dies() {
    let mut broker = Broker::with(&[(
        "q",
        AddressSettingsOverrides {
            max_delivery_attempts: Some(Some(3)),
            ..small()
        },
    )]);
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..6);
    broker.told(1);
    broker.consume_with(1, 1, "q", routing("q"), |open| {
        open.credit = Credit::messages(4);
    });
    for delivery in 1..=3 {
        broker.settle(1, 1, delivery, Outcome::Accepted);
    }
    assert!(broker.told(1).contains(&"1 m3 #4".to_owned()));
    broker.settle(1, 1, 4, Outcome::Failed);
    broker.crash_and_restart();
    broker.connect(1, "a");
    broker.consume(1, 1, "q", routing("q"));
    assert_eq!(
        broker.told(1)[1..],
        ["1 m3 #1 again 1", "1 m4 #2", "1 m5 #3"]
    );
    broker.settle(1, 1, 1, Outcome::Failed);
    assert!(broker.told(1).contains(&"1 m3 #4 again 2".to_owned()));
    broker.settle(1, 1, 4, Outcome::Failed);
    assert_eq!(broker.count("q"), 2);
    assert_eq!(broker.counters("q").killed, 1);
}

#[test]
fn messages_that_are_not_durable_page_too_and_end_with_the_broker() {
    let mut broker = paging();
    broker.connect(1, "a");
    for number in 0..30 {
        let mut sent = message("q", &format!("m{number}"));
        sent.durable = number % 3 == 0;
        broker.send(1, sent, routing("q"));
    }
    broker.told(1);
    broker.consume_with(1, 1, "q", routing("q"), |open| {
        open.credit = Credit::messages(10);
    });
    assert_eq!(broker.drain(1, 1), bodies(0..10));
    broker.crash_and_restart();
    broker.connect(1, "a");
    broker.consume(1, 1, "q", routing("q"));
    let durable = (10..30).filter(|number| number % 3 == 0);
    let expected: Vec<_> = durable.map(|number| format!("m{number}")).collect();
    assert_eq!(broker.drain(1, 1), expected);
    assert_eq!(broker.pages_left(), 0);
}

#[test]
fn a_page_that_cannot_be_read_is_named_and_kept_and_the_rest_is_delivered() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..60);
    let page = *broker.pages.keys().nth(1).expect("several pages");
    let file = broker.pages.get_mut(&page).expect("there");
    let middle = file.len() / 2;
    file[middle] ^= 1;
    broker.told(1);
    broker.consume(1, 1, "q", routing("q"));
    let got = broker.drain(1, 1);
    assert_eq!(got.len(), 59);
    assert!(got.iter().all(|body| bodies(0..60).contains(body)));
    assert_eq!(broker.aside, [page]);
    let damaged: Vec<_> = broker
        .noticed()
        .into_iter()
        .filter(|notice| matches!(notice, Notice::PageDamaged { lost: 1, .. }))
        .collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
}

#[test]
fn a_page_whose_file_is_gone_is_named_and_the_rest_is_delivered() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..60);
    let page = *broker.pages.keys().nth(1).expect("several pages");
    broker.pages.remove(&page);
    broker.crash_and_restart();
    broker.connect(1, "a");
    broker.consume(1, 1, "q", routing("q"));
    let mut got = broker.drain(1, 1);
    for _ in 0..5 {
        broker.pass(4_000);
        got.extend(broker.drain(1, 1));
    }
    assert!(got.len() > 30 && got.len() < 60, "{}", got.len());
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
    let damaged = |notice: &Notice| matches!(notice, Notice::PageDamaged { .. });
    assert_eq!(broker.noticed().iter().filter(|it| damaged(it)).count(), 1);
}

#[test]
fn a_page_that_cannot_be_read_for_a_moment_is_read_again_and_nothing_is_lost() {
    for failures in 1..=5 {
        let mut broker = paging();
        broker.connect(1, "a");
        broker.connect(2, "a");
        broker.send_many(1, "q", 0..60);
        broker.send_many(1, "other", 0..60);
        broker.told(1);
        broker.failing_reads = failures;
        broker.consume(1, 1, "q", routing("q"));
        let mut got = broker.drain(1, 1);
        assert_eq!(got, bodies(0..3), "{failures}");
        broker.failing_reads = 0;
        broker.consume(2, 1, "other", routing("other"));
        assert_eq!(broker.drain(2, 1), bodies(0..60), "others go on");
        for (failed, pause) in (1..).zip([50, 250, 1_000, 4_000]) {
            assert_eq!(broker.drain(1, 1), [""; 0], "{failures}");
            broker.failing_reads = u32::from(failed < failures);
            broker.pass(pause);
            if failed == failures {
                break;
            }
        }
        got.extend(broker.drain(1, 1));
        let notices = broker.noticed();
        let said = |is: fn(&&Notice) -> bool| notices.iter().filter(is).count();
        let failed = said(|notice| matches!(notice, Notice::PageReadFailed { .. }));
        assert_eq!(failed, 1, "{failures}");
        let lost = said(|notice| matches!(notice, Notice::PageDamaged { .. }));
        if failures < 5 {
            assert_eq!((got, lost), (bodies(0..60), 0));
            assert!(broker.aside.is_empty());
        } else {
            assert!(got.len() < 60 && got.len() > 30, "{}", got.len());
            assert_eq!((lost, broker.aside.len()), (1, 1));
        }
        assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
    }
}

#[test]
fn deleting_or_purging_a_queue_takes_its_pages_with_it() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..60);
    let ticket = broker.ticket();
    let delete = ResourceCommand::DeleteQueue { queue: "q".into() };
    broker.ask(1, Command::Resource(SESSION, delete, ticket));
    assert_eq!(broker.pages_left(), 0);
    assert!(broker.pages.is_empty());
    broker.crash_and_restart();
    assert_eq!(broker.pages_left(), 0);
}

#[test]
fn a_full_address_refuses_drops_or_has_its_senders_wait() {
    let policy = |policy| AddressSettingsOverrides {
        address_full_policy: Some(policy),
        ..small()
    };
    let mut broker = Broker::with(&[
        ("fail", policy(AddressFullPolicy::Fail)),
        ("drop", policy(AddressFullPolicy::Drop)),
        ("block", policy(AddressFullPolicy::Block)),
    ]);
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.send_many(1, "fail", 0..4);
    let refused = "refused AMQ229102: Address \"fail\" is full.";
    assert_eq!(broker.told(1).last().map(String::as_str), Some(refused));
    broker.send_many(1, "drop", 0..5);
    assert!(broker.told(1).iter().all(|told| told.starts_with("done")));
    assert_eq!(broker.count("drop"), 3);
    broker.send_many(1, "block", 0..4);
    let blocked = |told: &String| told.starts_with("Blocked");
    assert_eq!(
        broker.told(1).iter().filter(|told| blocked(told)).count(),
        1
    );
    assert_eq!(broker.count("block"), 4, "what was on its way is taken");
    broker.consume(2, 1, "block", routing("block"));
    assert_eq!(broker.drain(2, 1), bodies(0..4));
    assert_eq!(broker.told(1), ["Unblocked"]);
}

#[test]
fn pages_are_bounded_where_the_settings_say_so() {
    let bounded = |policy| AddressSettingsOverrides {
        page_full_policy: Some(Some(policy)),
        page_limit_messages: Some(Some(10)),
        ..small()
    };
    let mut broker = Broker::with(&[
        ("fail", bounded(PageFullPolicy::Fail)),
        ("drop", bounded(PageFullPolicy::Drop)),
    ]);
    broker.connect(1, "a");
    broker.send_many(1, "fail", 0..20);
    broker.send_many(1, "drop", 0..20);
    assert_eq!((broker.count("fail"), broker.count("drop")), (13, 13));
}

#[test]
fn a_queue_that_is_purged_when_its_last_consumer_leaves_is_purged_in_its_pages_too() {
    let mut broker = Broker::with(&[(
        "q",
        AddressSettingsOverrides {
            default_purge_on_no_consumers: Some(true),
            ..small()
        },
    )]);
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.send_many(1, "q", 0..60);
    broker.consume_with(2, 1, "q", routing("q"), one_by_one);
    broker.input(hind_ha::input::Input::Disconnected(ConnectionId(2)));
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
    assert!(broker.pages.is_empty());
    broker.crash_and_restart();
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
}
