// SPDX-License-Identifier: Apache-2.0
//! RECEIPT: only when it has happened, and never out of the order the client can see.

use hind_engine::command::{Command, ConsumerCommand, TransactionCommand};
use hind_engine::id::Ticket;
use hind_engine::protocol::Connection as _;

use crate::talk::{Talk, header, text};

/// The ticket of a command, if it has one.
fn ticket(command: &Command) -> Option<Ticket> {
    match command {
        Command::Send(_, send) => send.ticket,
        Command::Consumer(_, ConsumerCommand::Open(open)) => Some(open.ticket),
        Command::Consumer(_, ConsumerCommand::Settle(settle)) => settle.ticket,
        Command::Consumer(_, ConsumerCommand::Close(ticket)) => *ticket,
        Command::Transaction(
            _,
            TransactionCommand::Commit(ticket) | TransactionCommand::Rollback(ticket),
        ) => *ticket,
        Command::Resource(_, _, ticket) => Some(*ticket),
        _ => None,
    }
}

#[test]
fn stomp_1_2_every_frame_but_connect_may_ask_for_a_receipt() {
    for version in ["1.0", "1.1", "1.2"] {
        let mut talk = Talk::connected(version);
        let consumer = talk.subscribed("destination:q\nid:0\nack:client-individual\n");
        talk.deliver(consumer, text(7, "x"));
        talk.deliver(consumer, text(8, "x"));
        talk.said();
        let id = if version == "1.2" {
            "id:1,7\n"
        } else {
            "message-id:1,7\nsubscription:0\n"
        };
        let other = id.replace('7', "8");
        let mut frames = vec![
            "SEND\ndestination:q\n".to_owned(),
            format!("ACK\n{id}"),
            "SUBSCRIBE\ndestination:q\nid:1\n".to_owned(),
            "UNSUBSCRIBE\nid:1\n".to_owned(),
            "BEGIN\ntransaction:t\n".to_owned(),
            "COMMIT\ntransaction:t\n".to_owned(),
            "BEGIN\ntransaction:t\n".to_owned(),
            "ABORT\ntransaction:t\n".to_owned(),
        ];
        if version != "1.0" {
            frames.push(format!("NACK\n{other}"));
        }
        for (n, frame) in frames.iter().enumerate() {
            talk.types(&format!("{frame}receipt:r{n}\n\n^@"));
            for command in talk.asked() {
                if let Some(ticket) = ticket(&command) {
                    assert_eq!(talk.said(), "", "{frame}");
                    talk.done(Some(ticket));
                }
            }
            assert_eq!(
                talk.said(),
                format!("RECEIPT\nreceipt-id:r{n}\n\n^@\n"),
                "{frame}"
            );
        }
    }
}

#[test]
fn stomp_1_2_a_receipt_comes_when_the_frame_has_been_processed() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\nreceipt:1\n\n^@SEND\ndestination:q\n\n^@SEND\ndestination:q\nreceipt:2\n\n^@");
    let tickets: Vec<_> = talk.asked().iter().map(ticket).collect();
    assert_eq!(talk.said(), "");
    assert_eq!(tickets[1], None);
    talk.done(tickets[0]);
    assert_eq!(talk.said(), "RECEIPT\nreceipt-id:1\n\n^@\n");
    talk.done(tickets[2]);
    assert_eq!(talk.said(), "RECEIPT\nreceipt-id:2\n\n^@\n");
}

#[test]
fn stomp_1_2_a_receipt_id_is_the_receipt_with_its_escapes() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\nreceipt:a\\cb\\nc ü\n\n^@");
    let ticket = talk.asked_send().ticket;
    talk.done(ticket);
    assert_eq!(talk.said(), "RECEIPT\nreceipt-id:a\\cb\\nc ü\n\n^@\n");
}

#[test]
fn a_receipt_of_begin_does_not_overtake_earlier_ones() {
    let mut talk = Talk::connected("1.2");
    talk.types("SEND\ndestination:q\nreceipt:1\n\n^@BEGIN\ntransaction:t\nreceipt:2\n\n^@");
    assert_eq!(talk.said(), "");
    let ticket = ticket(&talk.asked()[0]);
    talk.done(ticket);
    assert_eq!(
        talk.said(),
        "RECEIPT\nreceipt-id:1\n\n^@\nRECEIPT\nreceipt-id:2\n\n^@\n"
    );
}

#[test]
fn a_client_that_never_waits_for_receipts_is_not_read_for_ever() {
    let mut talk = Talk::connected("1.2");
    let mut tickets = Vec::new();
    while !talk.machine.paused() {
        talk.types(&"SEND\ndestination:q\nreceipt:1\n\n^@".repeat(1000));
        tickets.extend(talk.asked().iter().filter_map(ticket));
        assert!(tickets.len() <= 65_536);
    }
    let unread = talk.unread().len();
    assert!(unread > 0);
    talk.done(Some(tickets[0]));
    assert!(
        talk.unread().len() < unread,
        "one answer makes room for one frame"
    );
}

#[test]
fn stomp_1_2_an_error_carries_the_receipt_id_of_its_frame() {
    for version in ["1.0", "1.1", "1.2"] {
        for frame in [
            "SEND\nreceipt:r9\n\n^@",
            "SEND\nreceipt:r9\nnocolon\n\n^@",
            "ACK\nreceipt:r9\nid:1,2\nmessage-id:1,2\nsubscription:s\n\n^@",
            "BEGIN\nreceipt:r9\n\n^@",
            "UNSUBSCRIBE\nid:1\nreceipt:r9\n\n^@",
        ] {
            let mut talk = Talk::connected(version);
            talk.types("SEND\ndestination:q\nreceipt:before\n\n^@");
            talk.types(frame);
            assert_eq!(
                header(&talk.violated(), "receipt-id"),
                Some("r9"),
                "{version} {frame}"
            );
        }
    }
}

#[test]
fn what_comes_after_a_frame_is_not_held_against_its_receipt() {
    for junk in ["\rX", "NONSENSE\n", "SEND\nbad\n"] {
        let mut talk = Talk::connected("1.2");
        talk.types(&format!("SEND\ndestination:q\nreceipt:good\n\n^@{junk}"));
        assert_eq!(header(&talk.violated(), "receipt-id"), None, "{junk:?}");
    }
}
