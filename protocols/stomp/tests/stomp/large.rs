// SPDX-License-Identifier: Apache-2.0
//! Bodies that go to a file while they arrive, and come from one while they are sent.

use std::time::Duration;

use bytes::Bytes;
use hind_engine::command::{
    Command, ConsumerCommand, Deliveries, DownloadCommand, Outcome, Settle, UploadCommand,
};
use hind_engine::event::{Block, Event, Refusal};
use hind_engine::id::{DeliveryId, DownloadId, LargeId, Ticket, UploadId};
use hind_engine::message::{Body, Kind, LargeBody, Message};
use hind_engine::protocol::Connection as _;
use hind_stomp::Options;

use crate::talk::{Talk, header, summary, text};

const FROM: usize = 1000;

fn options() -> Options {
    Options {
        large_message_bytes_min: Some(FROM as u64),
        ..Options::default()
    }
}

fn connected() -> Talk {
    Talk::with(options()).connect("accept-version:1.2\n")
}

fn octets(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

/// What was asked of an upload since the last look: the parts put together, and the ticket of its end.
fn uploaded(commands: Vec<Command>) -> (Vec<u8>, Option<Ticket>) {
    let (mut body, mut end) = (Vec::new(), None);
    for command in commands {
        match command {
            Command::Upload(UploadId(1), UploadCommand::Append(part)) => {
                body.extend_from_slice(&part);
            }
            Command::Upload(UploadId(1), UploadCommand::End { ticket, .. }) => end = Some(ticket),
            Command::Upload(UploadId(1), UploadCommand::Begin(begin)) => {
                assert_eq!(&*begin.address, "q");
            }
            other => panic!("not of the upload: {other:?}"),
        }
    }
    (body, end)
}

fn large(id: u64, size: u64) -> Message {
    let mut message = text(id, "");
    message.kind = Kind::Bytes;
    message.body = Body::Large(LargeBody {
        id: LargeId(id),
        size,
    });
    message
}

fn window(talk: &mut Talk, download: u64, bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    talk.tell(Event::Window(DownloadId(download), bytes));
}

/// How many windows of a download were asked for; everything else that was asked.
fn nexts(commands: Vec<Command>) -> (usize, Vec<Command>) {
    let (nexts, others): (Vec<_>, Vec<_>) = commands
        .into_iter()
        .partition(|it| matches!(it, Command::Download(_, DownloadCommand::Next)));
    (nexts.len(), others)
}

#[test]
fn stomp_1_2_a_large_body_is_uploaded_as_it_arrives_wherever_it_is_cut() {
    for size in [FROM, FROM + 1, 100_000, 300_000] {
        for sized in [true, false] {
            for piece in [997, 16_384, 70_000, 1_000_000] {
                let mut talk = connected();
                // A NUL ends a body without a length.
                let body: Vec<u8> = octets(size).iter().map(|octet| octet | 1).collect();
                let length = match sized {
                    true => format!("content-length:{size}\n"),
                    false => String::new(),
                };
                let head = format!("SEND\ndestination:q\nreceipt:r\n{length}\n");
                let mut frame = head.into_bytes();
                frame.extend_from_slice(&body);
                frame.extend_from_slice(b"\0BEGIN\ntransaction:t\n\n\0");
                let (mut came, mut end) = (Vec::new(), None);
                for piece in frame.chunks(piece) {
                    talk.sends(piece);
                    let (part, ended) = uploaded(talk.asked());
                    talk.tell(Event::Uploaded(UploadId(1), part.len() as u64));
                    came.extend(part);
                    end = end.or(ended);
                    // What was paused goes on.
                    let (part, ended) = uploaded(talk.asked());
                    came.extend(part);
                    end = end.or(ended);
                }
                assert!(came == body, "{size} {sized} {piece}");
                assert!(talk.machine.paused(), "nothing overtakes the message");
                talk.done(end);
                let mut asked = talk.asked();
                assert_eq!(asked.len(), 2, "the SEND, then the BEGIN: {asked:?}");
                let Command::Send(_, send) = asked.remove(0) else {
                    panic!("{asked:?}");
                };
                assert_eq!(send.upload, Some(UploadId(1)));
                assert_eq!(send.message.kind, Kind::Bytes, "{size} {sized}");
                assert_eq!(talk.said(), "");
                talk.done(send.ticket);
                assert_eq!(talk.said(), "RECEIPT\nreceipt-id:r\n\n^@\n");
            }
        }
    }
}

#[test]
fn a_body_below_the_limit_is_not_uploaded() {
    for length in ["", "content-length:999\n"] {
        let mut talk = connected();
        talk.types(&format!(
            "SEND\ndestination:q\n{length}\n{}^@",
            "x".repeat(999)
        ));
        assert_eq!(talk.asked_send().message.body.len(), 999);
    }
}

#[test]
fn a_large_body_without_a_length_is_text_if_all_of_it_is() {
    for (end, kind) in [("größer", Kind::Text), ("", Kind::Text)] {
        let mut talk = connected();
        talk.types("SEND\ndestination:q\n\n");
        let body = format!("{}{end}", "€".repeat(30_000));
        for piece in body.as_bytes().chunks(4099) {
            talk.sends(piece);
        }
        talk.sends(b"\0");
        let (came, end) = uploaded(talk.asked());
        assert_eq!(came.len(), body.len());
        talk.done(end);
        assert_eq!(talk.asked_send().message.kind, kind);
    }
    let mut talk = connected();
    talk.sends(b"SEND\ndestination:q\n\n");
    talk.sends(&[0xe2; 2000]);
    talk.sends(b"\0");
    let (_, end) = uploaded(talk.asked());
    talk.done(end);
    assert_eq!(talk.asked_send().message.kind, Kind::Bytes);
}

#[test]
fn a_client_that_sends_faster_than_the_disk_writes_is_not_read() {
    let mut talk = connected();
    talk.types("SEND\ndestination:q\ncontent-length:10000000\n\n");
    talk.sends(&octets(5_000_000));
    assert!(talk.machine.paused());
    let (first, _) = uploaded(talk.asked());
    assert!(
        first.len() as u64 <= UploadCommand::WINDOW + 65_536,
        "{}",
        first.len()
    );
    talk.sends(b"");
    assert_eq!(uploaded(talk.asked()).0.len(), 0, "nothing while it waits");
    talk.tell(Event::Uploaded(UploadId(1), first.len() as u64));
    let (second, _) = uploaded(talk.asked());
    assert!(!second.is_empty());
    let mut came = [first, second].concat();
    for _ in 0..20 {
        talk.tell(Event::Uploaded(UploadId(1), 524_288));
        came.extend(uploaded(talk.asked()).0);
    }
    assert!(came == octets(came.len()) && came.len() > 4_980_000);
    assert!(!talk.machine.paused());
}

#[test]
fn stomp_1_2_a_refusal_comes_before_the_body_has_and_closes() {
    let mut talk = connected();
    talk.types("SEND\ndestination:q\nreceipt:r\ncontent-length:10000000000\n\nthe beginning");
    let Command::Upload(_, UploadCommand::Begin(begin)) = talk.asked_one() else {
        panic!("not a beginning");
    };
    talk.refuse(begin.ticket, Refusal::AddressMissing("q".into()));
    let error = talk.given_up();
    assert_eq!(
        summary(&error),
        "AMQ339001\\c Destination does not exist\\c q"
    );
    assert_eq!(header(&error, "receipt-id"), Some("r"));
    talk.sends(&octets(100_000));
    assert!(talk.asked().is_empty() && talk.unread().is_empty());
}

#[test]
fn stomp_1_2_a_large_body_without_its_nul_is_refused() {
    let mut talk = connected();
    talk.types("SEND\ndestination:q\nreceipt:r\ncontent-length:2000\n\n");
    talk.sends(&octets(2001)[1..]);
    talk.sends(b"!");
    let error = talk.violated();
    assert!(
        summary(&error).contains("no NUL after the 2000 octets"),
        "{error}"
    );
    assert_eq!(header(&error, "receipt-id"), Some("r"));
    let (_, end) = uploaded(talk.asked());
    assert_eq!(end, None);
}

#[test]
fn a_large_body_larger_than_allowed_is_refused() {
    let options = Options {
        body_bytes_max: 50_000,
        ..options()
    };
    let mut talk = Talk::with(options.clone()).connect("accept-version:1.2\n");
    talk.types("SEND\ndestination:q\ncontent-length:50001\n");
    assert!(talk.violated().contains("body exceeds the limit of 50000"));
    let mut talk = Talk::with(options).connect("accept-version:1.2\n");
    talk.types("SEND\ndestination:q\n\n");
    while talk.is_open() {
        talk.sends(&[b'x'; 1000]);
    }
    assert!(talk.violated().contains("body exceeds the limit of 50000"));
    assert!(uploaded(talk.asked()).0.len() <= 50_000);
}

#[test]
fn while_producers_wait_a_large_body_does_not_go_on() {
    let mut talk = connected();
    talk.types("SEND\ndestination:q\ncontent-length:100000\n\n");
    talk.sends(&octets(20_000));
    assert_eq!(uploaded(talk.asked()).0.len(), 20_000);
    talk.tell(Event::Blocked(Block::DiskFull));
    assert!(talk.machine.paused());
    talk.sends(&octets(20_000));
    assert!(talk.asked().is_empty());
    talk.tell(Event::Unblocked);
    assert!(!talk.machine.paused());
    assert_eq!(uploaded(talk.asked()).0.len(), 20_000);

    let mut talk = connected();
    talk.tell(Event::Blocked(Block::DiskFull));
    talk.types("SEND\ndestination:q\ncontent-length:100000\n\n");
    assert!(
        talk.machine.paused() && talk.asked().is_empty(),
        "nor begins"
    );
    talk.tell(Event::Unblocked);
    uploaded(talk.asked());
    talk.sends(&octets(20_000));
    assert_eq!(uploaded(talk.asked()).0.len(), 20_000);
}

#[test]
fn stomp_1_2_a_large_message_is_sent_window_by_window_with_its_length() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\nack:client-individual\n");
    talk.deliver(consumer, large(7, 100_000));
    let (ahead, others) = nexts(talk.asked());
    assert_eq!(ahead, 2);
    let [Command::Download(DownloadId(1), DownloadCommand::Open(open))] = &others[..] else {
        panic!("{others:?}");
    };
    assert_eq!(
        (open.body.id, open.body.size, open.consumer),
        (LargeId(7), 100_000, consumer)
    );
    assert_eq!(talk.said(), "", "nothing before the body can be read");
    let body = octets(100_000);
    window(&mut talk, 1, &body[..60_000]);
    let said = talk.said_octets();
    let head = String::from_utf8_lossy(&said[..said.len() - 60_000]).into_owned();
    assert!(head.starts_with("MESSAGE\nsubscription:s\n") && head.ends_with("\n\n"));
    assert_eq!(header(&head, "content-length"), Some("100000"));
    assert_eq!(said[said.len() - 60_000..], body[..60_000]);
    assert_eq!(nexts(talk.asked()), (1, vec![]));
    window(&mut talk, 1, &body[60_000..]);
    let said = talk.said_octets();
    assert_eq!(said, [&body[60_000..], b"\0\n"].concat());
    assert!(talk.asked().is_empty(), "the client answers");
    talk.types(&format!("ACK\nid:{},7\n\n^@", consumer.0));
    assert_eq!(talk.asked_settles().len(), 1);
}

#[test]
fn in_ack_mode_auto_a_large_message_is_consumed_when_all_of_it_is_sent() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.deliver(consumer, large(7, 2000));
    talk.asked();
    window(&mut talk, 1, &octets(1000));
    assert_eq!(nexts(talk.asked()), (1, vec![]));
    window(&mut talk, 1, &octets(1000));
    assert_eq!(talk.asked_settles().len(), 1);
}

#[test]
fn nothing_stands_inside_a_large_message_and_everything_comes_after_it_in_order() {
    let mut talk = Talk::with(options()).connect("accept-version:1.2\nheart-beat:0,1000\n");
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.types("SEND\ndestination:q\nreceipt:sent\n\nx^@");
    let sent = talk.asked_send().ticket;
    talk.deliver(consumer, text(1, "before"));
    talk.deliver(consumer, large(2, 2000));
    talk.deliver(consumer, text(3, "after"));
    talk.deliver(consumer, large(4, 1000));
    talk.deliver(consumer, text(5, "last"));
    assert!(talk.said().contains("before"));
    window(&mut talk, 1, b"x".repeat(1000).as_slice());
    talk.said();
    talk.done(sent);
    talk.passes(Duration::from_secs(2));
    talk.types("BEGIN\ntransaction:t\nreceipt:begun\n\n^@");
    assert_eq!(talk.said(), "", "nothing inside the frame");
    window(&mut talk, 1, b"y".repeat(1000).as_slice());
    let said = talk.said();
    let order: Vec<_> = [
        "yyyy",
        "^@\nRECEIPT\nreceipt-id:sent",
        "receipt-id:begun",
        "after",
    ]
    .into_iter()
    .map(|part| {
        said.find(part)
            .unwrap_or_else(|| panic!("{part} in {said}"))
    })
    .collect();
    assert!(order.is_sorted(), "{said}");
    assert!(!said.contains("last"), "the next large one is on its way");
    window(&mut talk, 2, b"z".repeat(1000).as_slice());
    let said = talk.said();
    assert!(
        said.find("zzz^@\nMESSAGE").is_some() && said.contains("last"),
        "{said}"
    );
    talk.passes(Duration::from_secs(2));
    assert_eq!(talk.said(), "\n", "and heart-beats go on");
}

#[test]
fn a_message_that_is_lost_before_it_began_is_left_out_and_its_credit_comes_back() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\nack:client\n");
    talk.deliver(consumer, large(7, 5000));
    talk.deliver(consumer, text(8, "next"));
    talk.asked();
    talk.tell(Event::DownloadFailed(DownloadId(1)));
    let said = talk.said();
    assert!(said.starts_with("MESSAGE\n") && said.contains("next^@"));
    let credit = talk.asked_credit();
    assert_eq!(credit.len(), 1);
    assert!(
        credit[0].bytes > 5000 && credit[0].bytes < 5200,
        "{credit:?}"
    );
}

#[test]
fn a_message_that_is_lost_in_the_middle_ends_the_connection_without_a_word() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.deliver(consumer, large(7, 5000));
    window(&mut talk, 1, &octets(1000));
    talk.said_octets();
    talk.tell(Event::DownloadFailed(DownloadId(1)));
    assert_eq!(talk.said(), "", "an ERROR would be a part of the body");
    assert!(!talk.is_open());
}

#[test]
fn a_violation_inside_a_large_message_ends_the_connection_without_a_word() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.deliver(consumer, large(7, 5000));
    window(&mut talk, 1, &octets(1000));
    talk.said_octets();
    talk.types("NONSENSE\n");
    assert!(talk.violation.is_some() && !talk.is_open());
    assert_eq!(talk.said(), "");
}

#[test]
fn a_refusal_waits_for_the_end_of_the_large_message() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.types("SEND\ndestination:other\nreceipt:r\n\nx^@");
    let ticket = talk.asked_send().ticket;
    talk.deliver(consumer, large(7, 2000));
    window(&mut talk, 1, b"x".repeat(1000).as_slice());
    talk.refuse(ticket, Refusal::AddressMissing("other".into()));
    assert!(talk.is_open());
    talk.said();
    window(&mut talk, 1, b"y".repeat(1000).as_slice());
    let said = talk.said();
    assert!(
        said.starts_with("yyy") && said.contains("y^@\nERROR\n"),
        "{said}"
    );
    assert!(!talk.is_open());
}

#[test]
fn stomp_1_2_a_disconnect_is_answered_behind_the_large_message() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.deliver(consumer, large(7, 2000));
    window(&mut talk, 1, b"x".repeat(1000).as_slice());
    talk.asked();
    talk.types("DISCONNECT\nreceipt:bye\n\n^@");
    let ticket = talk.asked().into_iter().find_map(|command| match command {
        Command::Transaction(_, hind_engine::command::TransactionCommand::Commit(ticket)) => ticket,
        _ => None,
    });
    talk.said();
    talk.done(ticket);
    assert!(talk.is_open() && talk.said().is_empty());
    window(&mut talk, 1, b"y".repeat(1000).as_slice());
    assert!(
        talk.said()
            .ends_with("y^@\nRECEIPT\nreceipt-id:bye\n\n^@\n")
    );
    assert!(!talk.is_open());
    let settled = |it: &Command| matches!(it, Command::Consumer(_, ConsumerCommand::Settle(_)));
    assert!(!talk.asked().iter().any(settled), "its session is closed");
}

#[test]
fn a_message_for_a_subscription_that_is_closed_meanwhile_is_not_begun_but_one_that_has_begun_ends()
{
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.deliver(consumer, large(7, 2000));
    talk.types("UNSUBSCRIBE\nid:s\n\n^@");
    talk.asked();
    window(&mut talk, 1, &octets(1000));
    assert_eq!(talk.said(), "");
    assert!(
        talk.asked()
            .contains(&Command::Download(DownloadId(1), DownloadCommand::Close))
    );

    let consumer = talk.subscribed("destination:q\nid:s\n");
    talk.deliver(consumer, large(8, 2000));
    window(&mut talk, 2, b"x".repeat(1000).as_slice());
    talk.types("UNSUBSCRIBE\nid:s\n\n^@");
    talk.asked();
    talk.said();
    window(&mut talk, 2, b"y".repeat(1000).as_slice());
    assert!(talk.said().ends_with("y^@\n"));
    assert!(talk.asked().is_empty(), "it has gone back to the queue");
}

#[test]
fn what_expires_while_it_waits_for_a_large_message_is_given_back() {
    let mut talk = connected();
    let consumer = talk.subscribed("destination:q\nid:s\nack:client-individual\n");
    let expiring = |mut message: Message, wall: u64| {
        message.expiration = wall;
        message
    };
    let wall = talk.now.wall;
    talk.deliver(consumer, large(1, 1000));
    talk.deliver(consumer, expiring(text(2, "late"), wall + 10));
    talk.deliver(consumer, expiring(large(3, 1000), wall + 30));
    talk.deliver(consumer, text(4, "last"));
    talk.passes(Duration::from_millis(20));
    talk.asked();
    window(&mut talk, 1, b"x".repeat(1000).as_slice());
    assert!(!talk.said().contains("late"));
    let (_, asked) = nexts(talk.asked());
    assert!(
        matches!(
            asked[..],
            [
                Command::Consumer(
                    _,
                    ConsumerCommand::Settle(Settle {
                        outcome: Outcome::Released,
                        deliveries: Deliveries::One(DeliveryId(2)),
                        ..
                    })
                ),
                Command::Consumer(_, ConsumerCommand::Credit(_)),
                Command::Download(DownloadId(2), DownloadCommand::Open(_)),
            ]
        ),
        "{asked:?}"
    );
    talk.passes(Duration::from_millis(20));
    window(&mut talk, 2, &octets(1000));
    let said = talk.said();
    assert!(
        said.starts_with("MESSAGE") && said.contains("last^@"),
        "{said}"
    );
    assert_eq!(talk.asked_credit().len(), 1);
}
