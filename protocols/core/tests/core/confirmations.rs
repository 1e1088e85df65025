// SPDX-License-Identifier: Apache-2.0
//! The confirmation window against a recorded session that lost its connection and went on over another.

use bytes::Bytes;
use hind_core::codec::packet::session::CreateSession;
use hind_core::codec::{Frame, Packet, Version};
use hind_core::{Channel, SentFrame};

use crate::recordings::{Recorded, encode, frame, named};

/// The session of which most was recorded.
const SESSION: i64 = 11;

fn read(recorded: &Recorded) -> (Frame, Packet) {
    let frame = frame(&recorded.bytes).expect("recorded");
    let packet = Packet::decode(&frame, Version::NEWEST).expect("recorded");
    (frame, packet)
}

fn session(frames: &[Recorded]) -> Box<CreateSession> {
    let mut packets = frames.iter().map(|recorded| read(recorded).1);
    packets
        .find_map(|packet| match packet {
            Packet::CreateSession(session) if session.channel == SESSION => Some(session),
            _ => None,
        })
        .expect("the session was created")
}

/// Both ends of the session's channel, each told what the recording says it received and sent.
struct Ends {
    client: Channel,
    broker: Channel,
    /// What either end was to confirm because its window was full, in order: by the client?, the number.
    due: Vec<(bool, i32)>,
    /// What either end was recorded to confirm.
    recorded: Vec<(bool, i32)>,
}

impl Ends {
    fn new(window: i32) -> Self {
        let channel = Channel::new(SESSION, window).expect("a channel for sessions");
        Self {
            client: channel.clone(),
            broker: channel,
            due: Vec::new(),
            recorded: Vec::new(),
        }
    }

    fn play(&mut self, frames: &[Recorded]) {
        for recorded in frames {
            let (frame, packet) = read(recorded);
            if frame.channel == SESSION {
                self.pass(recorded, &packet);
            }
        }
    }

    fn pass(&mut self, recorded: &Recorded, packet: &Packet) {
        let by_client = recorded.from_client;
        let (sender, receiver) = if by_client {
            (&mut self.client, &mut self.broker)
        } else {
            (&mut self.broker, &mut self.client)
        };
        let sent = SentFrame {
            before: recorded.bytes.clone(),
            ..SentFrame::default()
        };
        sender.sent(packet, sent);
        if let Some(command) = receiver.received(packet, recorded.bytes.len()) {
            self.due.push((!by_client, command));
        }
        if let Packet::PacketsConfirmed(confirmed) = packet {
            self.recorded.push((by_client, confirmed.command_id));
            let step = receiver.confirmed(confirmed.command_id);
            assert_eq!(step, Ok(()), "by the client: {by_client}");
        }
    }
}

#[test]
fn both_ends_count_as_the_recorded_ones_did() {
    let before = named("v136_confirmation_window_before_drop").frames;
    let after = named("v136_reattach_session").frames;
    let session = session(&before);
    let mut ends = Ends::new(session.confirmation_window);
    ends.play(&before);

    // What the two told each other when they met again.
    let again: Vec<Packet> = after.iter().map(|recorded| read(recorded).1).collect();
    let from_client = again.iter().find_map(|packet| match packet {
        Packet::ReattachSession(ask) if ask.name == session.name => {
            Some(ask.last_confirmed_command_id)
        }
        _ => None,
    });
    let from_broker = again.iter().rev().find_map(|packet| match packet {
        Packet::ReattachSessionResponse(answer) if answer.reattached => {
            Some(answer.last_confirmed_command_id)
        }
        _ => None,
    });
    assert_eq!(from_client, Some(ends.client.last_received()));
    assert_eq!(from_broker, Some(ends.broker.last_received()));
    assert_eq!((from_client, from_broker), (Some(29), Some(25)));

    // Nothing was lost on the way, so nothing is sent again; and then they go on counting.
    assert_eq!(ends.broker.resume(29).map(Iterator::count), Ok(0));
    assert_eq!(ends.client.resume(25).map(Iterator::count), Ok(0));
    ends.play(&after);
    assert_eq!(ends.due, [(true, 19), (false, 19), (true, 34), (false, 31)]);
    // The broker confirmed twice more without its window being full: when it was idle, and when the session closed.
    assert_eq!(
        ends.recorded,
        [
            (true, 19),
            (false, 19),
            (true, 34),
            (false, 31),
            (false, 42),
            (false, 46)
        ]
    );
    assert_eq!(ends.broker.last_received(), 46);
    assert!(ends.broker.flush().is_some() && ends.broker.flush().is_none());
}

/// The connection is cut at every place of the recording, the last frames not having arrived: whatever is cut, what the
/// broker sends again is exactly what the client has not seen.
#[test]
fn wherever_a_connection_is_cut_what_did_not_arrive_is_sent_again() {
    let frames = named("v136_confirmation_window_before_drop").frames;
    let window = session(&frames).confirmation_window;
    for cut in 0..=frames.len() {
        let mut ends = Ends::new(window);
        ends.play(&frames[..cut]);
        let mut lost: Vec<Bytes> = Vec::new();
        for recorded in &frames[cut..frames.len().min(cut + 7)] {
            let (frame, packet) = read(recorded);
            let counts = hind_core::is_confirmable(&packet);
            if frame.channel == SESSION && !recorded.from_client && counts {
                let bytes = encode(&packet, SESSION, Version::NEWEST);
                lost.push(bytes.clone());
                let sent = SentFrame {
                    before: bytes,
                    ..SentFrame::default()
                };
                ends.broker.sent(&packet, sent);
            }
        }
        let last = ends.client.last_received();
        let again = ends.broker.resume(last).expect("in step");
        let again: Vec<Bytes> = again.flat_map(SentFrame::pieces).cloned().collect();
        assert_eq!(again, lost, "cut before frame {cut}");
    }
}
