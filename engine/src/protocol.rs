// SPDX-License-Identifier: Apache-2.0
//! The contract between a host and a protocol crate.

use std::collections::VecDeque;
use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::command::Command;
use crate::event::Event;
use crate::id::Ticket;
use crate::security::user::Credentials;
use crate::time::{Instant, Now};

/// One connection's protocol machine: no socket, no clock, no thread inside.
///
/// The host hands in what arrives and carries out what was appended to [`Outbound`]. It calls [`receive`] again after
/// every [`event`] while unread bytes are left, because a machine that waits for an answer leaves them unread.
///
/// [`receive`]: Connection::receive
/// [`event`]: Connection::event
pub trait Connection: Send + fmt::Debug {
    /// Bytes arrived. Consumes whole frames from `input`, leaves an unfinished one, appends what to send and to ask.
    ///
    /// # Errors
    /// The peer broke the protocol; the machine has already appended the protocol's error frame. The host sends it
    /// and closes.
    fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbound,
    ) -> Result<(), PeerViolation>;

    /// The broker has spoken.
    fn event(&mut self, now: Now, event: Event, out: &mut Outbound);

    /// When [`expire`](Connection::expire) must be called at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// A deadline has passed.
    fn expire(&mut self, now: Now, out: &mut Outbound);

    /// Whether the socket is not to be read for now (the broker blocks producers, or a login is being checked).
    fn paused(&self) -> bool;
}

/// What a machine wants done, appended by it and drained by the host.
#[derive(Debug, Default)]
pub struct Outbound {
    /// Bytes for the peer, in order.
    pub bytes: Segments,
    /// Commands for the engine, in order.
    pub commands: Vec<Command>,
    /// Credentials to check; answered by `Event::LoggedIn` or `Event::Refused` with the ticket.
    pub login: Option<Login>,
    /// Close the connection after everything above has gone out.
    pub close: Option<Close>,
}

/// A login for the host to check.
#[derive(Debug)]
pub struct Login {
    /// What the client said.
    pub credentials: Credentials,
    /// Returned with the answer.
    pub ticket: Ticket,
}

/// Why a machine wants its connection closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Close {
    /// The peer asked for it in the protocol's way.
    Orderly,
    /// The peer was refused or has fallen silent; why, for the log.
    Refused(String),
}

/// The peer broke the protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerViolation {
    /// The clause broken, for example `STOMP 1.2 §Frame`.
    pub clause: &'static str,
    /// What was wrong, for the log and the error frame.
    pub detail: String,
}

impl fmt::Display for PeerViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.detail, self.clause)
    }
}

impl std::error::Error for PeerViolation {}

/// Bytes for a peer as a list of segments, so that a payload is never copied behind its header.
///
/// Small pieces are collected in one growing buffer; a payload of at least [`Segments::SHARED`] bytes becomes a segment
/// of its own.
#[derive(Debug, Default)]
pub struct Segments {
    ready: VecDeque<Bytes>,
    tail: BytesMut,
    ready_len: usize,
}

impl Segments {
    /// From this size a payload is shared rather than copied: below, the copy costs less than another slice to write.
    pub const SHARED: usize = 4096;

    /// The buffer to which small pieces are appended.
    pub fn head(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends a payload: copied if small, else as a segment of its own.
    pub fn payload(&mut self, payload: &Bytes) {
        if payload.len() < Self::SHARED {
            self.tail.extend_from_slice(payload);
        } else {
            self.seal();
            self.ready_len += payload.len();
            self.ready.push_back(payload.clone());
        }
    }

    /// Bytes waiting.
    pub fn len(&self) -> usize {
        self.ready_len + self.tail.len()
    }

    /// Nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next segment to write.
    pub fn pop(&mut self) -> Option<Bytes> {
        if self.ready.is_empty() {
            self.seal();
        }
        let segment = self.ready.pop_front()?;
        self.ready_len -= segment.len();
        Some(segment)
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let sealed = self.tail.split().freeze();
            self.ready_len += sealed.len();
            self.ready.push_back(sealed);
        }
    }
}
