// SPDX-License-Identifier: Apache-2.0
//! SEND frame → engine message.

use hind_engine::address::routing_type::RoutingType;
use hind_engine::command::Command;
use hind_engine::event::{Block, Event, Refusal};
use hind_engine::message::{Body, Kind, Value};
use hind_engine::protocol::Connection as _;
use hind_stomp::Options;

use crate::talk::{Talk, WALL, header, summary};

fn sent(headers: &str) -> hind_engine::command::Send {
    let mut talk = Talk::connected("1.2");
    talk.types(&format!("SEND\ndestination:q\n{headers}\nhello^@"));
    talk.asked_send()
}

fn refused(headers: &str) -> String {
    let mut talk = Talk::connected("1.0");
    talk.types(&format!("SEND\n{headers}\nhello^@"));
    let error = talk.violated();
    assert!(talk.asked().is_empty());
    summary(&error).to_owned()
}

#[test]
fn stomp_1_2_send_needs_a_destination() {
    assert_eq!(refused(""), "AMQ339001: Destination does not exist: null");
    assert_eq!(
        refused("destination:\n"),
        "AMQ339001: Destination does not exist: "
    );
}

#[test]
fn artemis_defaults_of_a_message() {
    let send = sent("");
    assert_eq!(&*send.message.address, "q");
    assert_eq!(send.message.kind, Kind::Text);
    assert_eq!(send.message.body, "hello");
    assert!(!send.message.durable);
    assert_eq!(send.message.priority, 4);
    assert_eq!(send.message.expiration, 0);
    assert_eq!(send.message.timestamp, WALL);
    assert!(send.message.properties.is_empty());
    assert_eq!(
        (send.routing, send.transaction, send.ticket),
        (None, None, None)
    );
}

#[test]
fn artemis_headers_that_shape_a_message() {
    let send =
        sent("persistent:true\npriority:9\nexpires:1700000001234\ndestination-type:ANYCAST\n");
    assert!(send.message.durable);
    assert_eq!(send.message.priority, 9);
    assert_eq!(send.message.expiration, 1_700_000_001_234);
    assert_eq!(send.routing, Some(RoutingType::Anycast));
    assert_eq!(
        sent("destination-type:MULTICAST\n").routing,
        Some(RoutingType::Multicast)
    );
    assert!(!sent("persistent:false\n").message.durable);
}

#[test]
fn artemis_headers_with_a_property_of_another_name() {
    let properties = sent(
        "correlation-id:c\ntype:t\nreply-to:r\nJMSXGroupID:g\ncontent-type:text/plain\n_AMQ_DUPL_ID:d\n",
    )
    .message
    .properties;
    let expected = [
        ("JMSCorrelationID", Value::Text("c")),
        ("JMSType", Value::Text("t")),
        ("JMSReplyTo", Value::Text("r")),
        ("_AMQ_GROUP_ID", Value::Text("g")),
        ("_AMQ_CONTENT_TYPE", Value::Text("text/plain")),
        ("_AMQ_DUPL_ID", Value::Text("d")),
    ];
    assert_eq!(properties.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn headers_of_the_protocol_do_not_become_properties() {
    let send = sent(
        "receipt:1\ncontent-length:5\npersistent:true\npriority:1\nexpires:0\nAMQ_SCHEDULED_DELAY:0\nmine:v\n",
    );
    let names: Vec<_> = send
        .message
        .properties
        .iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["_AMQ_SCHED_DELIVERY", "mine"]);
}

#[test]
fn stomp_1_2_user_defined_headers_are_kept_as_text() {
    let properties = sent("n:5\nb:true\nempty:\ngrüße:ß\n").message.properties;
    let expected = [
        ("n", Value::Text("5")),
        ("b", Value::Text("true")),
        ("empty", Value::Text("")),
        ("grüße", Value::Text("ß")),
    ];
    assert_eq!(properties.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn artemis_content_length_makes_bytes_and_its_absence_text() {
    assert_eq!(sent("content-length:5\n").message.kind, Kind::Bytes);
    assert_eq!(sent("").message.kind, Kind::Text);
}

#[test]
fn artemis_schedules_by_delay_or_time() {
    let at = |headers: &str| {
        sent(headers)
            .message
            .properties
            .get("_AMQ_SCHED_DELIVERY")
            .expect("a schedule is kept")
            .as_integer()
    };
    assert_eq!(at("AMQ_SCHEDULED_DELAY:2500\n"), Some(WALL as i64 + 2500));
    assert_eq!(
        at("AMQ_SCHEDULED_TIME:1800000000000\n"),
        Some(1_800_000_000_000)
    );
}

#[test]
fn artemis_prefixes_are_cut_off_and_remembered() {
    let options = Options::parse([
        ("anycastPrefix", "/queue/,jms.queue."),
        ("multicastPrefix", "/topic/,/queue/not/"),
    ])
    .expect("valid parameters");
    let mut talk = Talk::with(options).connect("accept-version:1.2\n");
    for (destination, address, prefix, routing) in [
        ("/queue/a", "a", Some("/queue/"), Some(RoutingType::Anycast)),
        (
            "jms.queue.a",
            "a",
            Some("jms.queue."),
            Some(RoutingType::Anycast),
        ),
        (
            "/topic/a.b",
            "a.b",
            Some("/topic/"),
            Some(RoutingType::Multicast),
        ),
        (
            "/queue/not/a",
            "a",
            Some("/queue/not/"),
            Some(RoutingType::Multicast),
        ),
        ("/other/a", "/other/a", None, None),
        ("a::b", "a::b", None, None),
    ] {
        talk.types(&format!(
            "SEND\ndestination:{}\n\n^@",
            destination.replace(':', "\\c")
        ));
        let send = talk.asked_send();
        assert_eq!(&*send.message.address, address);
        assert_eq!(send.routing, routing);
        assert_eq!(send.message.properties.text("_AMQ_PREFIX"), prefix);
    }
    talk.types("SEND\ndestination:/queue/a\ndestination-type:MULTICAST\n\n^@");
    assert_eq!(talk.asked_send().routing, Some(RoutingType::Multicast));
}

#[test]
fn stomp_1_2_a_header_value_that_makes_no_sense_is_an_error() {
    for header in [
        "priority:10",
        "priority:-1",
        "priority:high",
        "expires:soon",
        "AMQ_SCHEDULED_DELAY:x",
        "AMQ_SCHEDULED_TIME:",
        "destination-type:BOTH",
    ] {
        let message = refused(&format!("destination:q\n{header}\n"));
        assert_eq!(
            message,
            format!(
                "AMQ339023: Invalid STOMP frame: {}",
                header.replacen(':', ": ", 1)
            )
        );
    }
}

#[test]
fn artemis_message_ids_on_request() {
    let options = Options::parse([("stompEnableMessageId", "true")]).expect("valid parameters");
    let mut talk = Talk::with(options).connect("accept-version:1.2\n");
    talk.types("SEND\ndestination:q\n\n^@");
    let first = talk
        .asked_send()
        .message
        .properties
        .text("amqMessageId")
        .expect("the property is kept")
        .to_owned();
    talk.types("SEND\ndestination:q\n\n^@");
    let second = talk
        .asked_send()
        .message
        .properties
        .text("amqMessageId")
        .expect("the property is kept")
        .to_owned();
    assert_ne!(first, second);
    for id in [first, second] {
        let number = id.strip_prefix("STOMP").expect("the prefix of Artemis");
        assert!(
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()),
            "{id}"
        );
    }
}

#[test]
fn a_small_body_does_not_pin_the_read_buffer_and_a_large_one_is_not_copied() {
    let mut talk = Talk::connected("1.2");
    let body = "x".repeat(100_000);
    talk.types(&format!(
        "SEND\ndestination:q\n\nsmall^@SEND\ndestination:q\n\n{body}^@"
    ));
    let mut bodies = talk.asked().into_iter().map(|command| match command {
        Command::Send(_, send) => match send.message.body {
            Body::Inline(bytes) => bytes,
            large => panic!("{large:?}"),
        },
        other => panic!("{other:?}"),
    });
    // Nobody else holds its memory, and there is no more of it than it needs.
    let small = bodies.next().and_then(|body| body.try_into_mut().ok());
    let small = small.expect("memory of its own");
    assert_eq!((small.len(), small.capacity()), (5, 5));
    // The read buffer holds its memory too.
    let large = bodies.next().expect("two messages");
    assert_eq!(large.len(), 100_000);
    assert!(large.try_into_mut().is_err());
}

#[test]
fn a_blocked_producer_waits_and_a_blocked_consumer_goes_on() {
    for block in [Block::DiskFull, Block::AddressFull("q".into())] {
        let mut talk = Talk::connected("1.2");
        let consumer = talk.subscribed("destination:q\nid:1\nack:client\n");
        talk.deliver(consumer, crate::talk::text(5, "x"));
        talk.tell(Event::Blocked(block));
        talk.types("ACK\nid:1,5\n\n^@");
        assert_eq!(talk.asked_settles().len(), 1);
        assert!(!talk.machine.paused());
        talk.types("UNSUBSCRIBE\nid:1\n\n^@");
        talk.asked();
        talk.types("SEND\ndestination:q\n\na^@ACK\nid:1,6\n\n^@");
        assert!(talk.machine.paused());
        assert!(talk.asked().is_empty());
        talk.types("");
        assert!(talk.asked().is_empty());
        talk.tell(Event::Unblocked);
        assert_eq!(talk.asked_send().message.body, "a");
        // And what came behind it was not lost: that acknowledgement is of no message.
        assert!(talk.violated().contains("AMQ339025"));
    }
}

#[test]
fn a_blocked_stranger_is_refused_all_the_same() {
    let mut talk = Talk::new();
    talk.tell(Event::Blocked(Block::DiskFull));
    talk.types("SEND\ndestination:q\n\na^@");
    assert!(talk.violated().contains("AMQ339008"));
}

#[test]
fn stomp_1_2_a_send_that_cannot_be_processed_is_an_error_and_closes() {
    for (refusal, message) in [
        (
            Refusal::AddressMissing("q".into()),
            "AMQ339001\\c Destination does not exist\\c q",
        ),
        (
            Refusal::AddressFull("q".into()),
            "AMQ339011\\c Error sending message\\c AMQ229102\\c Address \"q\" is full.",
        ),
        (Refusal::StorageFailure, "the broker's storage has failed"),
    ] {
        let mut talk = Talk::connected("1.2");
        talk.types("SEND\ndestination:q\nreceipt:r-1\n\n^@");
        let ticket = talk.asked_send().ticket;
        talk.refuse(ticket, refusal.clone());
        let error = talk.given_up();
        assert_eq!(header(&error, "message"), Some(message));
        assert_eq!(header(&error, "receipt-id"), Some("r-1"));
        let mut talk = Talk::connected("1.2");
        talk.types("SEND\ndestination:q\n\n^@");
        talk.refuse(None, refusal);
        assert_eq!(header(&talk.given_up(), "receipt-id"), None);
    }
}
