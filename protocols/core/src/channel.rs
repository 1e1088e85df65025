// SPDX-License-Identifier: Apache-2.0
//! The channel of a session: which packets have arrived on either side, so that a session can go on over another
//! connection without losing one or doing one twice.
//!
//! Both ends count what they receive from 0 on and tell each other now and then (PACKETS_CONFIRMED), after as many bytes
//! as the client chose for its confirmation window; what the other has not confirmed is kept to be sent again.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::codec::{Packet, Splice, Version, channel};

/// The number of the last packet when there was none yet.
const NONE: i32 = -1;

/// One frame as it was sent, in up to three pieces: a body that was not copied stands between what is before and behind
/// it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SentFrame {
    /// All of it, or what is before the body.
    pub before: Bytes,
    /// A body that was not copied.
    pub body: Bytes,
    /// What is behind it.
    pub behind: Bytes,
}

impl SentFrame {
    /// A packet as it is to be sent to a peer of that version. A body of at least `splice_from` bytes is not copied.
    /// `buffer` lends its room, and has less of it afterwards.
    pub fn of(
        packet: &Packet,
        channel: i64,
        version: Version,
        splice_from: usize,
        buffer: &mut BytesMut,
    ) -> Self {
        let start = buffer.len();
        let splice = packet.encode_around(channel, version, splice_from, buffer);
        let mut frame = buffer.split_off(start).freeze();
        match splice {
            Some(Splice { at, body }) => Self {
                before: frame.split_to(at - start),
                body,
                behind: frame,
            },
            None => Self {
                before: frame,
                ..Self::default()
            },
        }
    }

    /// How long it is, in bytes.
    pub fn size(&self) -> usize {
        self.before.len() + self.body.len() + self.behind.len()
    }

    /// Its pieces in order; none is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        [&self.before, &self.body, &self.behind]
            .into_iter()
            .filter(|piece| !piece.is_empty())
    }
}

/// The other end speaks of packets that it cannot have, or needs some that are gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfStep {
    /// The number it gave.
    pub command: i32,
    /// The number of the first packet that is kept.
    pub first_kept: i32,
    /// How many are kept.
    pub kept: usize,
}

impl fmt::Display for OutOfStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "packet {} confirmed, but {} packets from {} on are unconfirmed",
            self.command, self.kept, self.first_kept
        )
    }
}

impl std::error::Error for OutOfStep {}

/// The counters and the memory of one session's channel. It outlives the connection.
///
/// Whoever deals with packets calls [`Channel::received`] when it has dealt with one and before it answers, and
/// [`Channel::sent`] with everything it sends. A session without a confirmation window counts nothing and keeps nothing.
///
/// Artemis does not count a request that it answered with EXCEPTION, and is then one behind its client, which sends a
/// packet again that has been dealt with. Here each one counts.
///
/// *Invariants*: numbers wrap around after 2³¹ packets, as Java's do; the kept frames have consecutive numbers, and the
/// last of them is the last that was sent.
#[derive(Clone, Debug)]
pub struct Channel {
    id: i64,
    /// After how many bytes to confirm; `None`: never.
    window: Option<usize>,
    last_received: i32,
    /// Since the last confirmation, in bytes. A new connection does not begin anew.
    received_bytes: usize,
    /// Something was received that is not confirmed.
    unconfirmed_received: bool,
    first_kept: i32,
    kept: VecDeque<SentFrame>,
    kept_bytes: usize,
}

impl Channel {
    /// The channel that a client chose for a session, with its confirmation window in bytes (−1: none); `None` if clients
    /// cannot have that channel.
    pub fn new(id: i64, confirmation_window: i32) -> Option<Self> {
        (id >= channel::FIRST_OF_SESSIONS).then(|| Self {
            id,
            window: usize::try_from(confirmation_window).ok(),
            last_received: NONE,
            received_bytes: 0,
            unconfirmed_received: false,
            first_kept: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
        })
    }

    /// Its number.
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Whether the session may go on over another connection.
    pub const fn is_resumable(&self) -> bool {
        self.window.is_some()
    }

    /// A packet, `size` bytes with its length, was received and dealt with. The number that is now to be confirmed, if it
    /// is time; the confirmation goes before the answer.
    pub fn received(&mut self, packet: &Packet, size: usize) -> Option<i32> {
        let window = self.window.filter(|_| is_confirmable(packet))?;
        self.last_received = self.last_received.wrapping_add(1);
        self.received_bytes = self.received_bytes.saturating_add(size);
        self.unconfirmed_received = true;
        if self.received_bytes < window {
            return None;
        }
        self.confirm()
    }

    /// What is received but not confirmed is now to be: after a PING, before the session or the connection closes.
    pub fn flush(&mut self) -> Option<i32> {
        if self.unconfirmed_received {
            self.confirm()
        } else {
            None
        }
    }

    fn confirm(&mut self) -> Option<i32> {
        self.received_bytes = 0;
        self.unconfirmed_received = false;
        Some(self.last_received)
    }

    /// The number of the last packet received; −1: none.
    pub const fn last_received(&self) -> i32 {
        self.last_received
    }

    /// A packet was sent; it is kept if it counts.
    pub fn sent(&mut self, packet: &Packet, frame: SentFrame) {
        if self.is_resumable() && is_confirmable(packet) {
            self.kept_bytes += frame.size();
            self.kept.push_back(frame);
        }
    }

    /// How much is kept, in bytes: a limit on it is the caller's, who stops sending.
    pub const fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The other end has received everything up to that number.
    ///
    /// # Errors
    /// It cannot have: nothing has changed.
    pub fn confirmed(&mut self, command: i32) -> Result<(), OutOfStep> {
        if !self.is_resumable() {
            return Ok(());
        }
        let count = command.wrapping_sub(self.first_kept).wrapping_add(1);
        // Numbers that were confirmed before are old news.
        if count <= 0 {
            return Ok(());
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > self.kept.len() {
            return Err(self.out_of_step(command));
        }
        let gone: usize = self.kept.drain(..count).map(|frame| frame.size()).sum();
        self.kept_bytes -= gone;
        self.first_kept = command.wrapping_add(1);
        Ok(())
    }

    /// The session goes on over another connection, whose other end has received everything up to that number. What is to
    /// be sent again, in order.
    ///
    /// # Errors
    /// It needs what is not there, or speaks of what was never sent: the session cannot go on.
    pub fn resume(&mut self, command: i32) -> Result<impl Iterator<Item = &SentFrame>, OutOfStep> {
        let missing = self.first_kept.wrapping_sub(command.wrapping_add(1));
        if !self.is_resumable() || missing > 0 {
            return Err(self.out_of_step(command));
        }
        self.confirmed(command)?;
        Ok(self.kept.iter())
    }

    fn out_of_step(&self, command: i32) -> OutOfStep {
        OutOfStep {
            command,
            first_kept: self.first_kept,
            kept: self.kept.len(),
        }
    }
}

/// Whether a packet has a number. What concerns the connection rather than the session has none, and neither has metadata
/// that nobody confirms, because a client sends that again by itself.
pub fn is_confirmable(packet: &Packet) -> bool {
    match packet {
        Packet::AddMetadataConfirmed(metadata) => metadata.requires_confirmation,
        Packet::Ping(_)
        | Packet::PacketsConfirmed(_)
        | Packet::Disconnect(_)
        | Packet::DisconnectV2(_)
        | Packet::DisconnectV3(_)
        | Packet::CreateSession(_)
        | Packet::CreateSessionResponse(_)
        | Packet::ReattachSession(_)
        | Packet::ReattachSessionResponse(_)
        | Packet::AddMetadata(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::packet::connection::{NullResponse, Ping};
    use crate::codec::packet::consumer::ReceiveContinuation;

    fn answer() -> Packet {
        Packet::NullResponse(NullResponse::to(None))
    }

    fn frame(byte: u8) -> SentFrame {
        SentFrame {
            before: Bytes::from(vec![byte; 10]),
            ..SentFrame::default()
        }
    }

    fn first_bytes<'a>(frames: impl Iterator<Item = &'a SentFrame>) -> Vec<u8> {
        frames.map(|frame| frame.before[0]).collect()
    }

    #[test]
    fn a_frame_in_pieces_is_the_same_frame() {
        let part = Packet::ReceiveContinuation(ReceiveContinuation {
            body: Bytes::from(vec![7; 100]),
            continues: true,
            consumer_id: 3,
        });
        let mut buffer = BytesMut::with_capacity(1000);
        let version = Version::NEWEST;
        let whole = SentFrame::of(&part, 10, version, usize::MAX, &mut buffer);
        let pieces = SentFrame::of(&part, 10, version, 100, &mut buffer);
        assert_eq!((whole.pieces().count(), pieces.pieces().count()), (1, 3));
        assert_eq!(whole.size(), pieces.size());
        let joined: Vec<u8> = pieces.pieces().flatten().copied().collect();
        assert_eq!(joined, whole.before);
        assert!(buffer.is_empty());
    }

    #[test]
    fn channels_below_ten_are_not_for_sessions() {
        assert!(Channel::new(9, -1).is_none() && Channel::new(-1, -1).is_none());
        assert_eq!(Channel::new(10, -1).map(|channel| channel.id()), Some(10));
    }

    #[test]
    fn what_is_confirmed_is_forgotten_and_the_rest_is_sent_again() {
        let mut channel = Channel::new(10, 100).expect("a channel for sessions");
        (0..5).for_each(|n| channel.sent(&answer(), frame(n)));
        channel.sent(&Packet::Ping(Ping { connection_ttl: 1 }), frame(9));
        assert_eq!(channel.kept_bytes(), 50);
        assert_eq!(channel.confirmed(1), Ok(()));
        assert_eq!(channel.confirmed(0), Ok(()), "old news");
        assert_eq!(channel.kept_bytes(), 30);
        let again = channel.resume(2).map(first_bytes);
        assert_eq!(again, Ok(vec![3, 4]));
        let again = channel.resume(4).map(first_bytes);
        assert_eq!(again, Ok(vec![]));
        assert_eq!(channel.kept_bytes(), 0);
    }

    #[test]
    fn who_speaks_of_what_was_never_sent_or_is_gone_is_out_of_step() {
        let mut channel = Channel::new(10, 100).expect("a channel for sessions");
        (0..3).for_each(|n| channel.sent(&answer(), frame(n)));
        assert!(channel.confirmed(3).is_err() && channel.resume(3).is_err());
        assert_eq!(channel.kept_bytes(), 30, "nothing has changed");
        channel.confirmed(1).expect("sent");
        assert!(channel.resume(0).is_err(), "packet 1 is gone");
        assert_eq!(channel.resume(1).map(first_bytes), Ok(vec![2]));
    }

    #[test]
    fn a_session_without_a_window_counts_nothing() {
        let mut channel = Channel::new(10, -1).expect("a channel for sessions");
        channel.sent(&answer(), frame(1));
        assert_eq!(channel.kept_bytes(), 0);
        assert_eq!(channel.received(&answer(), 1 << 30), None);
        assert_eq!((channel.flush(), channel.last_received()), (None, -1));
        assert!(channel.resume(-1).is_err());
        assert_eq!(channel.confirmed(7), Ok(()));
    }

    #[test]
    fn numbers_wrap_around() {
        let mut channel = Channel::new(10, 1000).expect("a channel for sessions");
        channel.last_received = i32::MAX - 1;
        channel.first_kept = i32::MAX;
        assert_eq!(channel.received(&answer(), 10), None);
        assert_eq!(channel.received(&answer(), 10), None);
        assert_eq!(channel.flush(), Some(i32::MIN));
        (0..3).for_each(|n| channel.sent(&answer(), frame(n)));
        assert_eq!(channel.confirmed(i32::MIN), Ok(()));
        assert_eq!(channel.resume(i32::MIN).map(first_bytes), Ok(vec![2]));
        assert!(channel.resume(i32::MIN + 2).is_err());
    }
}
