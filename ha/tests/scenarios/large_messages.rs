// SPDX-License-Identifier: Apache-2.0
//! Bodies in files of their own: what comes in goes out, and nothing stays behind.

use bytes::Bytes;
use hind_engine::address::routing_type::RoutingType::{self, Anycast, Multicast};
use hind_engine::address::settings::{AddressSettingsOverrides, DiskFullPolicy};
use hind_engine::command::*;
use hind_engine::event::Event;
use hind_engine::id::*;
use hind_engine::message::Message;
use hind_engine::message::properties::{self, Value};
use hind_engine::notice::Notice;
use hind_engine::storage::request::LargeRequest;
use hind_ha::input::{DiskUsage, Input};

use crate::broker::*;

/// Three windows and a bit.
const SIZE: usize = 400_000;
const OPEN: Option<TransactionId> = Some(TransactionId(5));

pub(crate) fn body(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

pub(crate) fn begin(broker: &mut Broker, client: u64, upload: u64, address: &str) {
    let begin = UploadBegin {
        session: SESSION,
        address: address.into(),
        routing: None,
        ticket: Some(Ticket(77)),
    };
    let begin = UploadCommand::Begin(Box::new(begin));
    broker.ask(client, Command::Upload(UploadId(upload), begin));
}

pub(crate) fn append(broker: &mut Broker, client: u64, upload: u64, bytes: &[u8]) {
    for piece in bytes.chunks(50_000) {
        let append = UploadCommand::Append(Bytes::copy_from_slice(piece));
        broker.ask(client, Command::Upload(UploadId(upload), append));
    }
}

pub(crate) fn end(broker: &mut Broker, client: u64, upload: u64) -> Ticket {
    let ticket = broker.ticket();
    let end = UploadCommand::End {
        durable: true,
        ticket,
    };
    broker.ask(client, Command::Upload(UploadId(upload), end));
    ticket
}

fn send_uploaded(
    broker: &mut Broker,
    client: u64,
    upload: u64,
    message: Message,
    routing: Option<RoutingType>,
    transaction: Option<TransactionId>,
) -> String {
    let ticket = broker.ticket();
    let send = Send {
        message,
        routing,
        transaction,
        retain: false,
        packet: None,
        upload: Some(UploadId(upload)),
        ticket: Some(ticket),
    };
    broker.told(client);
    broker.ask(client, Command::Send(SESSION, send));
    broker.told(client).join(", ")
}

/// Sends a large message the whole way.
fn send_large(broker: &mut Broker, message: Message, routing: Option<RoutingType>) {
    begin(broker, 1, 1, &message.address.clone());
    append(broker, 1, 1, &body(SIZE));
    let ticket = end(broker, 1, 1);
    assert!(broker.told(1).contains(&format!("done {ticket}")));
    let done = send_uploaded(broker, 1, 1, message, routing, None);
    assert!(done.starts_with("done "), "{done}");
}

fn open(broker: &mut Broker, client: u64, download: u64, delivery: &hind_engine::event::Delivery) {
    let open = DownloadOpen {
        body: delivery.message.body.large().expect("a large message"),
        consumer: delivery.consumer,
        delivery: delivery.delivery,
    };
    let open = DownloadCommand::Open(open);
    broker.ask(client, Command::Download(DownloadId(download), open));
}

fn next(broker: &mut Broker, client: u64, download: u64) {
    let next = Command::Download(DownloadId(download), DownloadCommand::Next);
    broker.ask(client, next);
}

/// The only delivery a client was given since the last look.
fn delivered(broker: &mut Broker, client: u64) -> hind_engine::event::Delivery {
    let mut given = Vec::new();
    for (to, event) in std::mem::take(&mut broker.events) {
        match event {
            Event::Deliver(delivery) if to.0 == client => given.push(delivery),
            event => broker.events.push((to, event)),
        }
    }
    assert_eq!(given.len(), 1, "{given:?}");
    given.remove(0)
}

/// The bytes of the windows a client was given since the last look.
fn windows(broker: &mut Broker, client: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    broker.events.retain(|(to, event)| match event {
        Event::Window(_, window) if to.0 == client => {
            bytes.extend_from_slice(window);
            false
        }
        _ => true,
    });
    bytes
}

fn download(
    broker: &mut Broker,
    client: u64,
    download: u64,
    delivery: &hind_engine::event::Delivery,
) -> Vec<u8> {
    open(broker, client, download, delivery);
    let mut all = Vec::new();
    while all.len() < SIZE {
        next(broker, client, download);
        let window = windows(broker, client);
        assert!(!window.is_empty(), "{:?}", broker.told(client));
        all.extend(window);
    }
    all
}

fn files(broker: &Broker) -> usize {
    broker.large.files.len()
}

fn lost(broker: &Broker) -> Vec<String> {
    let lost = broker.notices.iter().filter_map(|notice| match notice {
        Notice::BodyLost { queue, why, .. } => Some(format!("{queue}: {why}")),
        _ => None,
    });
    lost.collect()
}

#[test]
fn a_body_goes_through_a_file_and_the_file_goes_with_the_message() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    begin(&mut broker, 1, 1, "q");
    append(&mut broker, 1, 1, &body(SIZE));
    let ticket = end(&mut broker, 1, 1);
    assert_eq!(
        broker.told(1)[1..],
        [
            "uploaded 1 131068".to_owned(),
            "uploaded 1 131068".to_owned(),
            "uploaded 1 131068".to_owned(),
            "uploaded 1 6796".to_owned(),
            format!("done {ticket}")
        ]
    );
    assert_eq!(broker.large.sealed.len(), 1);
    broker.ask(
        1,
        Command::Send(
            SESSION,
            Send {
                message: message("q", ""),
                routing: None,
                transaction: None,
                retain: false,
                packet: None,
                upload: Some(UploadId(1)),
                ticket: None,
            },
        ),
    );
    let delivery = delivered(&mut broker, 1);
    assert_eq!(delivery.message.body.len(), SIZE as u64);
    assert!(delivery.message.size() < 100 && delivery.message.whole_size() > SIZE as u64);
    assert!(download(&mut broker, 1, 1, &delivery) == body(SIZE));
    assert_eq!(broker.large.read_max, 128 * 1024, "one window at a time");
    assert_eq!(files(&broker), 1);
    broker.settle(1, 1, 1, Outcome::Accepted);
    assert_eq!(files(&broker), 0);
}

#[test]
fn what_is_on_its_way_to_the_disk_counts_as_backlog() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.large.hold = true;
    begin(&mut broker, 1, 1, "q");
    let before = broker.node.backlog();
    append(&mut broker, 1, 1, &body(SIZE));
    assert_eq!(broker.node.backlog() - before, 3 * 128 * 1024);
    let ticket = end(&mut broker, 1, 1);
    assert!(
        broker.told(1).is_empty(),
        "nothing is said before the disk has said it"
    );
    broker.large.hold = false;
    broker.complete_large();
    assert_eq!(broker.node.backlog(), 0);
    assert!(broker.told(1).contains(&format!("done {ticket}")));
}

#[test]
fn an_upload_that_is_given_up_or_whose_client_goes_leaves_nothing() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    begin(&mut broker, 1, 1, "q");
    append(&mut broker, 1, 1, &body(SIZE));
    assert_eq!(files(&broker), 1);
    broker.ask(1, Command::Upload(UploadId(1), UploadCommand::Abort));
    assert_eq!(files(&broker), 0);
    begin(&mut broker, 1, 2, "q");
    append(&mut broker, 1, 2, &body(SIZE));
    begin(&mut broker, 1, 3, "q");
    append(&mut broker, 1, 3, &body(SIZE));
    end(&mut broker, 1, 3);
    assert_eq!(files(&broker), 2);
    broker.input(Input::Disconnected(ConnectionId(1)));
    assert_eq!((files(&broker), broker.node.backlog()), (0, 0));
}

#[test]
fn a_body_nobody_may_send_is_refused_before_it_has_come() {
    let mut broker = Broker::with(&[(
        "#",
        AddressSettingsOverrides {
            auto_create_addresses: Some(false),
            ..AddressSettingsOverrides::default()
        },
    )]);
    broker.connect(1, "a");
    begin(&mut broker, 1, 1, "nowhere");
    let refused = "refused AMQ229203: Address Does Not Exist: nowhere";
    assert_eq!(broker.told(1), [refused]);
    append(&mut broker, 1, 1, &body(SIZE));
    assert_eq!(files(&broker), 0);
    let sent = send_uploaded(&mut broker, 1, 1, message("nowhere", ""), None, None);
    assert_eq!(sent, "refused no such upload");
}

#[test]
fn an_upload_that_has_not_ended_cannot_be_sent() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    begin(&mut broker, 1, 1, "q");
    append(&mut broker, 1, 1, &body(SIZE));
    let sent = send_uploaded(&mut broker, 1, 1, message("q", ""), Some(Anycast), None);
    assert_eq!(sent, "refused no such upload");
}

#[test]
fn a_process_that_dies_leaves_no_file_without_a_message() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    send_large(&mut broker, message("q", ""), Some(Anycast));
    begin(&mut broker, 1, 2, "q");
    append(&mut broker, 1, 2, &body(SIZE));
    begin(&mut broker, 1, 3, "q");
    append(&mut broker, 1, 3, &body(SIZE));
    end(&mut broker, 1, 3);
    assert_eq!(files(&broker), 3);
    broker.crash_and_restart();
    assert_eq!(files(&broker), 1, "the one that was sent");
    broker.connect(1, "a");
    broker.consume(1, 1, "q", None);
    let delivery = delivered(&mut broker, 1);
    assert!(download(&mut broker, 1, 1, &delivery) == body(SIZE));
    broker.settle(1, 1, 1, Outcome::Accepted);
    assert_eq!(files(&broker), 0);
    broker.crash_and_restart();
    assert_eq!((lost(&broker).len(), files(&broker)), (0, 0));
}

#[test]
fn a_file_is_deleted_only_when_it_is_durable_that_nobody_needs_it() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    send_large(&mut broker, message("q", ""), Some(Anycast));
    broker.hold_disk = true;
    let settle = Settle {
        deliveries: Deliveries::One(DeliveryId(1)),
        outcome: Outcome::Accepted,
        transaction: None,
        ticket: None,
    };
    let settle = ConsumerCommand::Settle(settle);
    broker.ask(1, Command::Consumer(ConsumerId(1), settle));
    assert_eq!(files(&broker), 1);
    assert!(broker.waiting.last().expect("a batch").sync);
    broker.hold_disk = false;
    broker.complete_disk();
    assert_eq!(files(&broker), 0);
}

#[test]
fn a_dead_letter_shares_the_file_and_the_last_copy_takes_it_along() {
    let dies = AddressSettingsOverrides {
        dead_letter_address: Some(Some("DLQ".to_owned())),
        max_delivery_attempts: Some(Some(1)),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("q", dies)]);
    broker.connect(1, "a");
    broker.connect(2, "a");
    broker.consume(2, 1, "DLQ", Some(Anycast));
    broker.consume(1, 1, "q", Some(Anycast));
    send_large(&mut broker, message("q", ""), Some(Anycast));
    broker.settle(1, 1, 1, Outcome::Failed);
    assert_eq!(files(&broker), 1);
    let delivery = delivered(&mut broker, 2);
    assert!(download(&mut broker, 2, 1, &delivery) == body(SIZE));
    broker.settle(2, 1, 1, Outcome::Accepted);
    assert_eq!(files(&broker), 0);
}

#[test]
fn a_message_that_expires_or_dies_and_goes_nowhere_takes_its_file_along() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    let mut expiring = message("q", "");
    expiring.expiration = broker.now.wall + 10;
    send_large(&mut broker, expiring, Some(Anycast));
    assert_eq!(files(&broker), 1);
    broker.pass(40_000);
    assert_eq!((broker.queue_len("q"), files(&broker)), (Some(0), 0));
    send_large(&mut broker, message("q", ""), Some(Anycast));
    broker.consume(1, 2, "q", None);
    broker.settle(1, 2, 1, Outcome::Rejected);
    assert_eq!((broker.queue_len("q"), files(&broker)), (Some(0), 0));
}

#[test]
fn a_body_sent_to_nobody_or_again_is_not_kept() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    send_large(&mut broker, message("topic", ""), Some(Multicast));
    assert_eq!(files(&broker), 0, "no queue");
    broker.consume(1, 1, "q", Some(Anycast));
    for _ in 0..2 {
        let again = with_property(message("q", ""), properties::DUPLICATE_ID, Value::Text("1"));
        send_large(&mut broker, again, Some(Anycast));
        assert_eq!(files(&broker), 1);
    }
    assert_eq!(broker.queue_len("q"), Some(1));
    let ticket = broker.ticket();
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    let delete = ResourceCommand::DeleteQueue { queue: "q".into() };
    broker.ask(1, Command::Resource(SESSION, delete, ticket));
    assert_eq!((broker.queue_len("q"), files(&broker)), (None, 0));
}

#[test]
fn subscribers_of_a_topic_read_the_same_file_and_the_last_one_lets_it_go() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.connect(2, "b");
    broker.connect(3, "c");
    broker.consume(2, 1, "topic", Some(Multicast));
    broker.consume(3, 1, "topic", Some(Multicast));
    send_large(&mut broker, message("topic", ""), Some(Multicast));
    let (second, third) = (delivered(&mut broker, 2), delivered(&mut broker, 3));
    open(&mut broker, 2, 1, &second);
    open(&mut broker, 3, 1, &third);
    let (mut to_second, mut to_third) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        next(&mut broker, 2, 1);
        next(&mut broker, 3, 1);
        to_second.extend(windows(&mut broker, 2));
        to_third.extend(windows(&mut broker, 3));
    }
    assert!(to_second == body(SIZE) && to_third == body(SIZE));
    broker.settle(2, 1, 1, Outcome::Accepted);
    assert_eq!(files(&broker), 1);
    broker.settle(3, 1, 1, Outcome::Accepted);
    assert_eq!(files(&broker), 0);
}

#[test]
fn a_transaction_holds_its_bodies_and_lets_them_go_with_a_rollback() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    for commit in [false, true] {
        broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
        begin(&mut broker, 1, 1, "q");
        append(&mut broker, 1, 1, &body(SIZE));
        end(&mut broker, 1, 1);
        send_uploaded(&mut broker, 1, 1, message("q", ""), None, OPEN);
        assert_eq!(files(&broker), 1);
        let end = match commit {
            true => TransactionCommand::Commit(None),
            false => TransactionCommand::Rollback(None),
        };
        broker.transaction(1, 5, end);
        assert_eq!(files(&broker), usize::from(commit));
    }
    assert_eq!(broker.told(1), [format!("1 large {SIZE} #1")]);
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    begin(&mut broker, 1, 1, "q");
    append(&mut broker, 1, 1, &body(SIZE));
    end(&mut broker, 1, 1);
    send_uploaded(&mut broker, 1, 1, message("q", ""), None, OPEN);
    assert_eq!(files(&broker), 2);
    broker.pass(301_000);
    assert_eq!(files(&broker), 1, "the other one timed out");
}

#[test]
fn a_consumer_that_leaves_in_the_middle_gives_the_message_back() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.connect(2, "b");
    broker.consume(2, 1, "q", Some(Anycast));
    send_large(&mut broker, message("q", ""), Some(Anycast));
    let delivery = delivered(&mut broker, 2);
    open(&mut broker, 2, 1, &delivery);
    next(&mut broker, 2, 1);
    broker.input(Input::Disconnected(ConnectionId(2)));
    broker.consume(1, 1, "q", None);
    assert!(
        broker
            .told(1)
            .contains(&format!("1 large {SIZE} #1 again 1"))
    );
}

#[test]
fn a_download_goes_on_when_its_message_is_gone_and_then_the_file_goes() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.connect(2, "b");
    broker.consume(2, 1, "q", Some(Anycast));
    send_large(&mut broker, message("q", ""), Some(Anycast));
    let delivery = delivered(&mut broker, 2);
    open(&mut broker, 2, 1, &delivery);
    next(&mut broker, 2, 1);
    broker.ask(
        2,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    broker.consume(1, 1, "q", None);
    broker.settle(1, 1, 1, Outcome::Accepted);
    assert_eq!((broker.queue_len("q"), files(&broker)), (Some(0), 1));
    for _ in 0..3 {
        next(&mut broker, 2, 1);
    }
    assert!(windows(&mut broker, 2) == body(SIZE));
    assert_eq!(files(&broker), 0);
    open(&mut broker, 2, 2, &delivery);
    assert!(broker.told(2).contains(&"download 2 failed".to_owned()));
}

#[test]
fn messages_whose_files_are_gone_after_a_restart_leave_their_queues_with_a_word() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    send_large(&mut broker, message("q", ""), Some(Anycast));
    broker.send(1, message("q", "small"), Some(Anycast));
    broker.large.files.clear();
    broker.crash_and_restart();
    assert_eq!(lost(&broker), ["q: the file is not there"]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", None);
    assert_eq!(
        broker.told(1).last().map(String::as_str),
        Some("1 small #1")
    );
    broker.crash_and_restart();
    assert_eq!((lost(&broker).len(), broker.queue_len("q")), (0, Some(1)));
}

#[test]
fn a_damaged_body_is_never_begun_or_goes_no_further_and_the_next_message_comes() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(Damage, usize, &str); 3] = [
        (|file| file.truncate(300_000), 0, "of the 6800 bytes"),
        (
            |file| *file.last_mut().expect("long") ^= 1,
            0,
            "checksum of the 6800 bytes",
        ),
        (|file| file[140_000] ^= 1, 131_068, "checksum of the 131072"),
    ];
    for (damage, given, why) in damages {
        let mut broker = Broker::with(&[]);
        broker.connect(1, "a");
        broker.connect(2, "b");
        broker.consume_with(2, 1, "q", Some(Anycast), |open| {
            open.credit = Credit::messages(1);
        });
        send_large(&mut broker, message("q", ""), Some(Anycast));
        broker.send(1, message("q", "small"), Some(Anycast));
        damage(broker.large.only());
        let delivery = delivered(&mut broker, 2);
        broker.told(2);
        open(&mut broker, 2, 1, &delivery);
        next(&mut broker, 2, 1);
        next(&mut broker, 2, 1);
        assert_eq!(windows(&mut broker, 2).len(), given);
        assert_eq!(broker.told(2), ["download 1 failed"]);
        let lost = lost(&broker);
        assert!(lost.len() == 1 && lost[0].contains(why), "{lost:?}");
        assert_eq!((files(&broker), broker.large.aside.len()), (0, 1));
        let kept = Notice::BodySetAside {
            file: format!("{} aside", delivery.message.body.large().expect("large").id),
        };
        assert!(broker.notices.contains(&kept));
        let more = ConsumerCommand::Credit(Credit {
            messages: 1,
            bytes: 0,
        });
        broker.ask(2, Command::Consumer(ConsumerId(1), more));
        assert_eq!(broker.told(2), ["1 small #2"]);
        broker.settle(2, 1, 2, Outcome::Accepted);
        assert_eq!(broker.queue_len("q"), Some(0));
    }
}

#[test]
fn a_session_that_closes_takes_its_uploads_along_and_a_stop_is_not_held_up() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    begin(&mut broker, 1, 1, "q");
    append(&mut broker, 1, 1, &body(SIZE));
    broker.ask(1, Command::Session(SESSION, SessionCommand::Close));
    assert_eq!(files(&broker), 0);
}

#[test]
fn a_message_that_is_not_durable_does_not_wait_for_a_sync() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    begin(&mut broker, 1, 1, "q");
    append(&mut broker, 1, 1, &body(SIZE));
    broker.large.hold = true;
    let ticket = broker.ticket();
    let end = UploadCommand::End {
        durable: false,
        ticket,
    };
    broker.ask(1, Command::Upload(UploadId(1), end));
    assert!(
        matches!(
            broker.large.asked.make_contiguous(),
            [LargeRequest::Append { .. }]
        ),
        "no seal"
    );
    broker.told(1);
    broker.large.hold = false;
    broker.complete_large();
    assert_eq!(
        broker.told(1),
        ["uploaded 1 6796".to_owned(), format!("done {ticket}")]
    );
}

fn disk(broker: &mut Broker, free: u64) {
    let usage = DiskUsage { total: 100, free };
    broker.input(Input::DiskUsage(usage));
}

#[test]
fn an_upload_on_a_full_disk_waits_or_is_refused_or_dropped_as_its_address_says() {
    let policy = |policy| AddressSettingsOverrides {
        disk_full_policy: Some(Some(policy)),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[
        ("fail", policy(DiskFullPolicy::Fail)),
        ("drop", policy(DiskFullPolicy::Drop)),
        ("block", policy(DiskFullPolicy::Block)),
    ]);
    for client in 1..=4 {
        broker.connect(client, "a");
    }
    for (client, address) in [(1, "fail"), (2, "drop"), (3, "block")] {
        begin(&mut broker, client, 1, address);
        append(&mut broker, client, 1, &body(SIZE));
        broker.told(client);
    }
    assert_eq!(files(&broker), 3);
    disk(&mut broker, 1);
    assert_eq!(broker.told(3), ["Blocked(DiskFull)"]);
    for client in 1..=3 {
        append(&mut broker, client, 1, &body(50_000));
    }
    let full = "refused AMQ229102: Address \"fail\" is full.";
    assert_eq!(broker.told(1), [full]);
    assert_eq!(broker.told(2), ["uploaded 1 50000"]);
    assert_eq!(files(&broker), 1, "of the one that waits");
    begin(&mut broker, 1, 2, "fail");
    assert_eq!(broker.told(1), [full], "before the body has come");
    let ticket = end(&mut broker, 2, 1);
    assert_eq!(broker.told(2), [format!("done {ticket}")]);
    let sent = send_uploaded(&mut broker, 2, 1, message("drop", ""), Some(Anycast), None);
    assert!(sent.starts_with("done "), "{sent}");
    disk(&mut broker, 50);
    assert_eq!(broker.told(3), ["Unblocked"]);
    end(&mut broker, 3, 1);
    send_uploaded(&mut broker, 3, 1, message("block", ""), Some(Anycast), None);
    assert_eq!(broker.queue_len("block"), Some(1));
    assert_eq!(broker.queue_len("drop").unwrap_or(0), 0);
    assert_eq!((files(&broker), broker.node.backlog()), (1, 0));
}

#[test]
fn bodies_of_paged_messages_are_kept_until_no_queue_needs_them_also_over_a_restart() {
    let pages = AddressSettingsOverrides {
        max_size_messages: Some(Some(3)),
        page_size_bytes: Some(300),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("q", pages)]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    for _ in 0..12 {
        send_large(&mut broker, message("q", ""), Some(Anycast));
    }
    assert!(!broker.pages.is_empty(), "it pages");
    assert_eq!(files(&broker), 12);
    broker.crash_and_restart();
    assert_eq!((files(&broker), lost(&broker)), (12, vec![]));
    broker.connect(1, "a");
    broker.connect(2, "b");
    broker.consume_with(2, 1, "q", None, |open| open.credit = Credit::messages(1));
    for number in 1..=12 {
        let delivery = delivered(&mut broker, 2);
        assert!(download(&mut broker, 2, number, &delivery) == body(SIZE));
        broker.settle(2, 1, number, Outcome::Accepted);
        assert_eq!(files(&broker), 12 - usize::try_from(number).expect("small"));
        let more = ConsumerCommand::Credit(Credit::messages(1));
        broker.ask(2, Command::Consumer(ConsumerId(1), more));
        broker.told(1);
    }
    broker.crash_and_restart();
    assert_eq!((files(&broker), lost(&broker)), (0, vec![]));
}

#[test]
fn a_file_whose_number_the_log_has_lost_is_deleted_and_the_number_used_again() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.hold_disk = true;
    begin(&mut broker, 1, 1, "q");
    append(&mut broker, 1, 1, &body(2 * SIZE));
    let number = *broker.large.files.keys().next().expect("a file");
    broker.crash_and_restart();
    assert_eq!(files(&broker), 0);
    broker.connect(1, "a");
    send_large(&mut broker, message("q", ""), Some(Anycast));
    assert_eq!(broker.large.only().len(), SIZE + 4 * 4);
    assert!(broker.large.files.contains_key(&number));
}
