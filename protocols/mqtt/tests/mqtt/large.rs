// SPDX-License-Identifier: Apache-2.0
//! Messages whose payload lies in a file.

use std::sync::Arc;

use bytes::Bytes;
use hind_engine::command::{
    ClientSessionCommand, Command, ConsumerCommand, DownloadCommand, Outcome,
};
use hind_engine::event::{Event, Refusal};
use hind_engine::id::{ConsumerId, DownloadId, LargeId, PacketId};
use hind_engine::message::{Kind, LargeBody, Message, Qos};

use crate::talk::{Talk, octets, published};

fn large(size: u64) -> Message {
    let id = LargeId(1);
    Message::new(Arc::from("a.b"), Kind::Bytes, LargeBody { id, size })
}

/// A client that is about to be sent a message of six bytes, with the packet identifier 9.
fn downloading() -> (Talk, ConsumerId) {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a/b> 01");
    talk.deliver_with(consumer, 9, Qos::AtLeastOnce, large(6));
    let windows =
        |command: &Command| matches!(command, Command::Download(_, DownloadCommand::Next));
    let asked = talk.asked();
    assert!(matches!(
        asked[0],
        Command::Download(DownloadId(1), DownloadCommand::Open(_))
    ));
    assert_eq!(asked.iter().filter(|command| windows(command)).count(), 2);
    assert_eq!(talk.said(), []);
    (talk, consumer)
}

fn window(talk: &mut Talk, window: &'static str) {
    talk.tell(Event::Window(
        DownloadId(1),
        Bytes::from_static(window.as_bytes()),
    ));
}

#[test]
fn a_large_message_goes_out_window_by_window_and_in_one_packet() {
    let (mut talk, consumer) = downloading();
    window(&mut talk, "abc");
    assert_eq!(talk.said(), octets("32 0e <a/b> 0009 00 'abc'"));
    // Meanwhile others wait, and so does what is said to the client otherwise.
    talk.deliver(consumer, published("x"));
    talk.sends(0xc0, "");
    assert_eq!(talk.said(), []);
    window(&mut talk, "def");
    assert_eq!(talk.said(), octets("'def' d0 00 30 07 <a/b> 00 'x'"));
    talk.sends(0x40, "0009");
    let acknowledged = talk.asked().into_iter().any(|command| {
        let end = ClientSessionCommand::Acknowledge(PacketId(9), None);
        matches!(command, Command::ClientSession(_, command) if command == end)
    });
    assert!(acknowledged && talk.is_open());
}

#[test]
fn one_large_message_follows_another() {
    let (mut talk, consumer) = downloading();
    talk.deliver_with(consumer, 10, Qos::AtLeastOnce, large(3));
    talk.deliver(consumer, published("x"));
    window(&mut talk, "abcdef");
    assert_eq!(talk.said(), octets("32 0e <a/b> 0009 00 'abcdef'"));
    talk.tell(Event::Window(DownloadId(2), Bytes::from_static(b"ghi")));
    assert_eq!(
        talk.said(),
        octets("32 0b <a/b> 000a 00 'ghi' 30 07 <a/b> 00 'x'")
    );
}

#[test]
fn a_message_that_is_gone_is_passed_over() {
    let (mut talk, consumer) = downloading();
    talk.deliver(consumer, published("x"));
    talk.tell(Event::DownloadFailed(DownloadId(1)));
    assert_eq!(talk.said(), octets("30 07 <a/b> 00 'x'"));
    assert!(matches!(
        talk.asked_of_session(),
        ClientSessionCommand::Acknowledge(PacketId(9), None)
    ));
}

#[test]
fn a_message_that_breaks_off_ends_the_connection_without_a_word() {
    let (mut talk, _) = downloading();
    window(&mut talk, "abc");
    talk.said();
    talk.tell(Event::DownloadFailed(DownloadId(1)));
    assert_eq!(talk.given_up(), []);
}

#[test]
fn what_ends_the_connection_says_nothing_inside_of_a_packet() {
    for event in [
        Event::Stopping,
        Event::TakenOver,
        Event::Refused(None, Refusal::StorageFailure),
    ] {
        let (mut talk, _) = downloading();
        window(&mut talk, "abc");
        talk.said();
        talk.tell(event);
        assert_eq!(talk.given_up(), []);
    }
    let (mut talk, _) = downloading();
    window(&mut talk, "abc");
    talk.said();
    talk.sends(0xd0, "");
    assert_eq!(talk.violated(), []);
}

#[test]
fn mqtt_3_1_2_25_a_large_message_that_the_client_does_not_take_is_not_read() {
    let mut talk = Talk::new().connect("<MQTT> 05 02 003c 05 27 00000014 <c>");
    let consumer = talk.subscribed("00 <a/b> 01");
    talk.deliver_with(consumer, 9, Qos::AtLeastOnce, large(600));
    talk.asked();
    window(&mut talk, "abc");
    assert_eq!(talk.said(), []);
    let asked = talk.asked();
    assert!(asked.contains(&Command::Download(DownloadId(1), DownloadCommand::Close)));
    assert!(talk.is_open());
}

#[test]
fn a_large_message_of_qos_0_leaves_its_queue_when_it_has_gone_out() {
    let mut talk = Talk::v5();
    let consumer = talk.subscribed("00 <a/b> 00");
    talk.deliver(consumer, large(3));
    talk.asked();
    window(&mut talk, "abc");
    assert_eq!(talk.said(), octets("30 09 <a/b> 00 'abc'"));
    let settled = talk.asked().into_iter().any(|command| match command {
        Command::Consumer(of, ConsumerCommand::Settle(settle)) => {
            of == consumer && settle.outcome == Outcome::Accepted
        }
        _ => false,
    });
    assert!(settled && talk.is_open());
}
