// SPDX-License-Identifier: Apache-2.0
//! DISCONNECT, ERROR, and a broker that stops.

use hind_engine::command::{Command, SessionCommand, TransactionCommand};
use hind_engine::event::{Event, Refusal};
use hind_engine::id::{SessionId, Ticket};
use hind_engine::protocol::{Close, Connection as _};

use crate::talk::{Talk, header, summary, text};

/// The ticket of a send that was followed by nothing but the end of the session.
fn sent_ticket(talk: &mut Talk) -> Option<Ticket> {
    let commands = talk.asked();
    assert_eq!(commands.len(), 2, "{commands:?}");
    match &commands[0] {
        Command::Send(_, send) => send.ticket,
        other => panic!("expected a send: {other:?}"),
    }
}

#[test]
fn stomp_1_2_disconnect_without_receipt_closes() {
    for version in ["1.0", "1.1", "1.2"] {
        let mut talk = Talk::connected(version);
        talk.types("BEGIN\ntransaction:t\n\n^@DISCONNECT\n\n^@");
        assert_eq!(talk.close, Some(Close::Orderly));
        assert_eq!(talk.said(), "");
        // Closing the session rolls the transaction back, and gives back what was not acknowledged.
        let closed = Command::Session(SessionId(1), SessionCommand::Close);
        assert_eq!(talk.asked().last(), Some(&closed));
    }
}

#[test]
fn stomp_1_2_the_receipt_of_disconnect_says_that_all_before_it_is_done() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\n\nx^@SEND\ndestination:q\nreceipt:1\n\ny^@DISCONNECT\nreceipt:77\n\n^@");
    let commands = talk.asked();
    let Command::Send(_, send) = &commands[1] else {
        panic!("expected a send")
    };
    // An empty transaction: its answer comes after whatever the session caused is durable.
    let Command::Transaction(begun, TransactionCommand::Begin(_)) = &commands[2] else {
        panic!("expected a begin");
    };
    let Command::Transaction(ended, TransactionCommand::Commit(barrier)) = &commands[3] else {
        panic!("expected a commit");
    };
    assert_eq!(begun, ended);
    assert!(talk.is_open() && talk.machine.paused());
    talk.done(send.ticket);
    assert_eq!(talk.said(), "RECEIPT\nreceipt-id:1\n\n^@\n");
    assert!(talk.is_open());
    talk.done(*barrier);
    assert_eq!(talk.said(), "RECEIPT\nreceipt-id:77\n\n^@\n");
    assert_eq!(talk.close, Some(Close::Orderly));
}

#[test]
fn stomp_1_2_disconnect_waits_for_receipts_that_are_owed() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\nreceipt:1\n\ny^@DISCONNECT\n\n^@");
    let ticket = sent_ticket(&mut talk);
    assert!(talk.is_open());
    talk.done(ticket);
    assert_eq!(talk.said(), "RECEIPT\nreceipt-id:1\n\n^@\n");
    assert_eq!(talk.close, Some(Close::Orderly));
}

#[test]
fn stomp_1_2_frames_after_disconnect_are_not_done() {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:1\n");
    talk.types(
        "SEND\ndestination:q\nreceipt:1\n\ny^@DISCONNECT\n\n^@SEND\ndestination:q\n\nz^@junk",
    );
    let ticket = sent_ticket(&mut talk);
    assert!(talk.unread().is_empty());
    talk.deliver(consumer, text(1, "late"));
    assert!(talk.asked().is_empty() && talk.said().is_empty());
    talk.done(ticket);
    assert!(talk.violation.is_none());
}

#[test]
fn a_refusal_after_disconnect_is_an_error() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\n\ny^@DISCONNECT\nreceipt:77\n\n^@");
    talk.refuse(None, Refusal::StorageFailure);
    assert_eq!(header(&talk.given_up(), "receipt-id"), None);
}

#[test]
fn stomp_1_2_after_an_error_the_connection_closes_and_says_nothing_more() {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:1\n");
    talk.types("NONSENSE\n\n^@SEND\ndestination:q\n\n^@");
    let error = talk.violated();
    assert_eq!(error.matches("ERROR\n").count(), 1);
    assert!(talk.unread().is_empty());
    // The double asserts that nothing is said or asked from here on.
    talk.deliver(consumer, text(1, "x"));
    talk.types("SEND\ndestination:q\n\n^@");
    talk.tell(Event::Stopping);
    assert!(talk.machine.paused());
    assert_eq!(talk.machine.deadline(), None);
}

#[test]
fn stomp_1_2_an_error_has_a_message_and_a_body_with_its_length_and_type() {
    let mut talk = Talk::connected("1.2");
    talk.types("UNSUBSCRIBE\nid:9\nreceipt:r\n\n^@");
    assert_eq!(
        talk.violated(),
        "ERROR\nmessage:AMQ339017\\c Error unsubscribing 9\nreceipt-id:r\ncontent-type:text/plain\n\
         content-length:50\n\nThere is no such subscription on this connection.^@\n"
            .replace("content-length:50", "content-length:49")
    );
}

#[test]
fn a_stopping_broker_says_so_and_closes() {
    for version in ["1.0", "1.2"] {
        let mut talk = Talk::connected(version);
        talk.tell(Event::Stopping);
        assert_eq!(
            header(&talk.given_up(), "message"),
            Some("the broker is stopping")
        );
        assert!(talk.violation.is_none());
    }
    let mut talk = Talk::new();
    talk.tell(Event::Stopping);
    talk.given_up();
}

#[test]
fn what_a_client_may_not_do_is_an_error_with_artemis_text() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\nreceipt:r\n\n^@");
    let ticket = talk.asked_send().ticket;
    talk.refuse(
        ticket,
        Refusal::NotAuthorized {
            user: "u".into(),
            permission: hind_engine::security::permissions::Permission::Send,
            address: "q".into(),
            queue: None,
        },
    );
    let error = talk.given_up();
    assert!(
        summary(&error).starts_with("AMQ229032\\c User\\c u does not have permission='"),
        "{error}"
    );
}
