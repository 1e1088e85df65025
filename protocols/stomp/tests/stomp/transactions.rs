// SPDX-License-Identifier: Apache-2.0
//! BEGIN, COMMIT, ABORT, and what is done inside.

use hind_engine::command::{Command, Outcome, TransactionCommand};
use hind_engine::event::Refusal;
use hind_engine::id::TransactionId;

use crate::talk::{Talk, header, summary, text};

fn begun(version: &str) -> (Talk, TransactionId) {
    let mut talk = Talk::connected(version);
    talk.types("BEGIN\ntransaction:t\n\n^@");
    let Command::Transaction(number, TransactionCommand::Begin(_)) = talk.asked_one() else {
        panic!("expected a begin");
    };
    (talk, number)
}

fn refused(talk: &mut Talk, frame: &str) -> String {
    talk.types(frame);
    let error = talk.violated();
    assert!(talk.asked().is_empty());
    summary(&error).replace("\\c", ":")
}

#[test]
fn stomp_1_2_sends_and_answers_are_bound_to_their_transaction() {
    let (mut talk, number) = begun("1.2");
    let consumer = talk.subscribed("destination:q\nid:s\nack:client-individual\n");
    talk.deliver(consumer, text(1, "x"));
    talk.deliver(consumer, text(2, "x"));
    talk.types("SEND\ndestination:q\ntransaction:t\n\nx^@");
    assert_eq!(talk.asked_send().transaction, Some(number));
    talk.types("ACK\nid:1,1\ntransaction:t\n\n^@NACK\nid:1,2\ntransaction:t\n\n^@");
    let settles: Vec<_> = talk
        .asked_settles()
        .into_iter()
        .map(|(_, settle)| (settle.outcome, settle.transaction))
        .collect();
    assert_eq!(
        settles,
        [
            (Outcome::Accepted, Some(number)),
            (Outcome::Failed, Some(number))
        ]
    );
    talk.types("SEND\ndestination:q\n\nx^@");
    assert_eq!(talk.asked_send().transaction, None);
    talk.types("COMMIT\ntransaction:t\n\n^@");
    assert_eq!(
        talk.asked_one(),
        Command::Transaction(number, TransactionCommand::Commit(None))
    );
}

#[test]
fn stomp_1_2_abort_rolls_back_and_acknowledged_messages_may_come_again() {
    let (mut talk, number) = begun("1.1");
    let consumer = talk.subscribed("destination:q\nid:s\nack:client\n");
    talk.deliver(consumer, text(1, "x"));
    talk.types("ACK\nmessage-id:1,1\nsubscription:s\ntransaction:t\n\n^@");
    talk.asked();
    talk.types("ABORT\ntransaction:t\n\n^@");
    assert_eq!(
        talk.asked_one(),
        Command::Transaction(number, TransactionCommand::Rollback(None))
    );
    talk.deliver_again(consumer, text(1, "x"), 1);
    talk.types("ACK\nmessage-id:1,1\nsubscription:s\n\n^@");
    assert_eq!(talk.asked_settles().len(), 1);
}

#[test]
fn stomp_1_2_the_transaction_header_is_required() {
    for version in ["1.0", "1.1", "1.2"] {
        for (command, message) in [
            ("BEGIN", "AMQ339032: Need a transaction id to begin"),
            (
                "COMMIT",
                "AMQ339030: transaction header is mandatory to COMMIT a transaction",
            ),
            (
                "ABORT",
                "AMQ339033: transaction header is mandatory to ABORT a transaction",
            ),
        ] {
            let mut talk = Talk::connected(version);
            assert_eq!(refused(&mut talk, &format!("{command}\n\n^@")), message);
        }
    }
}

#[test]
fn stomp_1_2_a_transaction_that_was_not_begun_is_an_error() {
    for (frame, message) in [
        ("SEND\ndestination:q\ntransaction:u\n\nx^@", "AMQ339031: "),
        ("COMMIT\ntransaction:u\n\n^@", "AMQ339013: "),
        ("ABORT\ntransaction:u\n\n^@", "AMQ339014: "),
        ("ACK\nid:1,1\ntransaction:u\n\n^@", "AMQ339018: "),
        ("NACK\nid:1,1\ntransaction:u\n\n^@", "AMQ339018: "),
    ] {
        let (mut talk, _) = begun("1.2");
        assert!(refused(&mut talk, frame).starts_with(message), "{frame}");
    }
}

#[test]
fn stomp_1_2_different_transactions_need_different_identifiers() {
    let (mut talk, _) = begun("1.2");
    assert!(refused(&mut talk, "BEGIN\ntransaction:t\n\n^@").starts_with("AMQ339012: "));
}

#[test]
fn stomp_1_2_an_identifier_is_free_again_after_the_end() {
    for end in ["COMMIT", "ABORT"] {
        let (mut talk, first) = begun("1.2");
        talk.types(&format!("{end}\ntransaction:t\n\n^@"));
        talk.asked();
        talk.types("BEGIN\ntransaction:t\n\n^@");
        let Command::Transaction(second, TransactionCommand::Begin(_)) = talk.asked_one() else {
            panic!("expected a begin");
        };
        assert_ne!(first, second);
        talk.types(&format!("{end}\ntransaction:t\n\n^@"));
        talk.asked();
        talk.types(&format!("{end}\ntransaction:t\n\n^@"));
        talk.violated();
    }
}

#[test]
fn stomp_1_2_transactions_run_side_by_side() {
    let (mut talk, first) = begun("1.2");
    talk.types("BEGIN\ntransaction:other\n\n^@");
    let Command::Transaction(second, _) = talk.asked_one() else {
        panic!("expected a begin");
    };
    talk.types("SEND\ndestination:q\ntransaction:other\n\nx^@");
    assert_eq!(talk.asked_send().transaction, Some(second));
    talk.types("SEND\ndestination:q\ntransaction:t\n\nx^@");
    assert_eq!(talk.asked_send().transaction, Some(first));
}

#[test]
fn a_commit_that_is_refused_is_an_error_and_closes() {
    let (mut talk, _) = begun("1.2");
    talk.types("COMMIT\ntransaction:t\nreceipt:c\n\n^@");
    let TransactionCommand::Commit(ticket) = talk.asked_transaction() else {
        panic!("expected a commit");
    };
    talk.refuse(ticket, Refusal::DuplicateId("q".into()));
    let error = talk.given_up();
    let message = header(&error, "message").expect("an ERROR has one");
    assert!(message.starts_with("AMQ339013\\c Error committing\\c Duplicate message detected"));
    assert_eq!(header(&error, "receipt-id"), Some("c"));
}

#[test]
fn an_answer_whose_transaction_is_unknown_settles_nothing() {
    let (mut talk, _) = begun("1.2");
    let consumer = talk.subscribed("destination:q\nid:s\nack:client\n");
    talk.deliver(consumer, text(1, "x"));
    talk.types("ACK\nid:1,1\ntransaction:nope\n\n^@");
    assert!(talk.asked().is_empty());
    talk.violated();
}
