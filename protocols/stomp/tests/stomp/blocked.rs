// SPDX-License-Identifier: Apache-2.0
//! A client that sends and consumes while producers wait: its SENDs wait in their order, and it goes on consuming.

use hind_engine::command::{Command, ConsumerCommand, TransactionCommand};
use hind_engine::event::{Block, Event, Refusal};
use hind_engine::id::ConsumerId;
use hind_engine::protocol::Connection as _;

use crate::talk::{Talk, text};

/// A client with a subscription and two messages delivered, whose SENDs wait from now on.
fn blocked() -> (Talk, ConsumerId) {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:1\nack:client-individual\n");
    talk.deliver(consumer, text(5, "x"));
    talk.deliver(consumer, text(6, "y"));
    talk.said();
    talk.tell(Event::Blocked(Block::AddressFull("out".into())));
    (talk, consumer)
}

/// What was asked since the last look, in short words.
fn asked(talk: &mut Talk) -> Vec<String> {
    let commands = talk.asked().into_iter();
    let words = commands.filter_map(|command| {
        Some(match command {
            Command::Send(_, send) => {
                let body = send.message.body.inline().map(|body| body.to_vec());
                format!(
                    "send {}",
                    String::from_utf8_lossy(&body.unwrap_or_default())
                )
            }
            Command::Consumer(_, ConsumerCommand::Settle(_)) => "settle".to_owned(),
            Command::Consumer(_, ConsumerCommand::Credit(_)) => return None,
            Command::Consumer(of, ConsumerCommand::Open(_)) => format!("open {of}"),
            Command::Consumer(of, ConsumerCommand::Close(_)) => format!("close {of}"),
            Command::Transaction(_, TransactionCommand::Begin(_)) => "begin".to_owned(),
            Command::Transaction(_, TransactionCommand::Commit(_)) => "commit".to_owned(),
            Command::Transaction(_, TransactionCommand::Rollback(_)) => "abort".to_owned(),
            Command::Upload(..) => "upload".to_owned(),
            Command::Session(..) => "session".to_owned(),
            other => format!("{other:?}"),
        })
    });
    words.collect()
}

fn send(body: &str) -> String {
    format!("SEND\ndestination:out\n\n{body}^@")
}

#[test]
fn acknowledgements_behind_sends_that_wait_are_carried_out_and_the_sends_keep_their_order() {
    let (mut talk, _) = blocked();
    talk.types(&send("a"));
    talk.types("ACK\nid:1,5\nreceipt:r\n\n^@");
    talk.types(&send("b"));
    talk.types("NACK\nid:1,6\n\n^@\n\n");
    assert_eq!(asked(&mut talk), ["settle", "settle"]);
    assert!(!talk.machine.paused(), "it is read on");
    talk.tell(Event::Unblocked);
    talk.types(&send("c"));
    assert_eq!(asked(&mut talk), ["send a", "send b", "send c"]);
}

#[test]
fn so_much_is_held_and_then_the_client_is_read_no_further() {
    let (mut talk, _) = blocked();
    let body = "x".repeat(1_000);
    for _ in 0..200 {
        talk.types(&send(&body));
    }
    talk.types("ACK\nid:1,5\n\n^@");
    assert!(talk.machine.paused());
    assert!(asked(&mut talk).is_empty());
    let read = 200 - talk.unread().len() / send(&body).len();
    assert!((40..=65).contains(&read), "{read} frames");
    talk.tell(Event::Unblocked);
    let asked = asked(&mut talk);
    assert_eq!(asked.len(), 201);
    assert_eq!(asked.last().map(String::as_str), Some("settle"));
}

#[test]
fn a_large_body_is_not_held_and_neither_is_what_comes_behind_it() {
    let (mut talk, _) = blocked();
    talk.types(&send("a"));
    let large = "x".repeat(200_000);
    talk.types(&format!(
        "SEND\ndestination:out\ncontent-length:200000\n\n{large}^@"
    ));
    talk.types("ACK\nid:1,5\n\n^@");
    assert!(talk.machine.paused());
    assert!(asked(&mut talk).is_empty());
    talk.tell(Event::Unblocked);
    assert_eq!(asked(&mut talk)[..2], ["send a", "upload"]);
}

#[test]
fn who_only_sends_is_not_read_beyond_its_first_send() {
    let mut talk = Talk::connected("1.2");
    talk.tell(Event::Blocked(Block::DiskFull));
    talk.types(&send("a"));
    assert!(talk.machine.paused());
    talk.types(&send("b"));
    assert!(!talk.unread().is_empty());
    talk.tell(Event::Unblocked);
    assert_eq!(asked(&mut talk), ["send a", "send b"]);
}

#[test]
fn a_transaction_ends_after_its_sends_and_one_that_only_acknowledges_does_not_wait() {
    for (end, word) in [("COMMIT", "commit"), ("ABORT", "abort")] {
        let (mut talk, _) = blocked();
        talk.types("BEGIN\ntransaction:t\n\n^@BEGIN\ntransaction:u\n\n^@");
        talk.types("SEND\ndestination:out\ntransaction:t\n\na^@");
        talk.types("ACK\nid:1,5\ntransaction:t\n\n^@ACK\nid:1,6\ntransaction:u\n\n^@");
        talk.types(&format!(
            "{end}\ntransaction:t\n\n^@COMMIT\ntransaction:u\n\n^@"
        ));
        talk.types("BEGIN\ntransaction:t\n\n^@");
        let at_once = ["begin", "begin", "settle", "settle", "commit", "begin"];
        assert_eq!(asked(&mut talk), at_once);
        talk.tell(Event::Unblocked);
        assert_eq!(asked(&mut talk), ["send a", word]);
    }
}

#[test]
fn a_transaction_that_had_messages_before_is_not_committed_before_sends_that_wait() {
    let mut talk = Talk::connected("1.2");
    talk.subscribed("destination:q\nid:1\nack:client-individual\n");
    talk.types("BEGIN\ntransaction:t\n\n^@");
    talk.types("SEND\ndestination:out\ntransaction:t\n\na^@");
    talk.tell(Event::Blocked(Block::DiskFull));
    talk.types(&send("b"));
    talk.types("COMMIT\ntransaction:t\n\n^@");
    assert_eq!(asked(&mut talk), ["begin", "send a"]);
    talk.tell(Event::Unblocked);
    assert_eq!(asked(&mut talk), ["send b", "commit"]);
}

#[test]
fn a_subscription_comes_after_the_sends_before_it_and_ends_after_it_began() {
    let (mut talk, first) = blocked();
    talk.types(&send("a"));
    talk.types("SUBSCRIBE\ndestination:out\nid:2\n\n^@UNSUBSCRIBE\nid:2\n\n^@");
    talk.types("UNSUBSCRIBE\nid:1\n\n^@");
    assert_eq!(asked(&mut talk), [format!("close {first}")]);
    talk.tell(Event::Unblocked);
    assert_eq!(asked(&mut talk), ["send a", "open 2", "close 2"]);
}

#[test]
fn a_good_bye_waits_for_the_sends_before_it() {
    let (mut talk, _) = blocked();
    talk.types(&send("a"));
    talk.types("DISCONNECT\nreceipt:r\n\n^@");
    assert!(talk.machine.paused() && talk.is_open());
    assert!(asked(&mut talk).is_empty());
    talk.tell(Event::Unblocked);
    assert_eq!(asked(&mut talk), ["send a", "begin", "commit", "session"]);
}

#[test]
fn sends_before_a_frame_that_is_none_are_carried_out_and_those_behind_a_refusal_are_not() {
    let (mut talk, _) = blocked();
    talk.types(&send("a"));
    talk.types("ACK\nid:1,77\n\n^@");
    assert_eq!(asked(&mut talk), ["send a"]);
    talk.violated();
    let (mut talk, _) = blocked();
    talk.types(&send("a"));
    talk.tell(Event::Refused(None, Refusal::AddressFull("out".into())));
    assert_eq!(asked(&mut talk), [""; 0]);
    assert!(!talk.is_open());
}
