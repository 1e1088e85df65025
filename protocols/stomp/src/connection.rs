// SPDX-License-Identifier: Apache-2.0
//! The machine of one connection: what it waits for, and who deals with what arrives.

use std::mem;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use hind_engine::event::{Event, Refusal};
use hind_engine::id::{ConnectionId, Ticket};
use hind_engine::protocol::{self, Close, Login, Outbound, PeerViolation};
use hind_engine::security::user::Identity;
use hind_engine::time::{Instant, Now};

use crate::codec::{
    ClientCommand, Decoder, FRAME_END, Frame, HeadWriter, Limits, ServerCommand, Version,
};
use crate::fault::Fault;
use crate::handshake::Hello;
use crate::heart_beat::HeartBeat;
use crate::options::Options;
use crate::session::Session;

/// The ticket of the login; the session's tickets are counted apart, because it begins after this one is answered.
const LOGIN: Ticket = Ticket(0);

/// One STOMP connection.
///
/// Bytes and events go in, bytes and commands come out; see [`protocol::Connection`] for the contract. An ERROR frame is
/// always the last one, and always followed by the wish to close [1.2 §ERROR].
///
/// While the broker blocks producers, everything is read and done up to the first SEND: a client that only consumes can
/// go on acknowledging, which is what frees the disk. From there on the connection is paused.
///
/// *Limits*: [`Limits`] per frame; subscriptions, transactions and unanswered receipts are bounded per connection, what
/// is under way to a consumer by its window.
#[derive(Debug)]
pub struct Connection {
    options: Arc<Options>,
    id: ConnectionId,
    decoder: Decoder,
    state: State,
    heart_beat: Option<HeartBeat>,
    /// The broker blocks producers.
    blocked: bool,
    /// A SEND waits for that to end.
    stalled: bool,
    /// What was left in the input: more than that is something heard.
    unread: usize,
}

/// What the connection waits for.
#[derive(Debug)]
enum State {
    /// The first frame; ended by CONNECT, or by anything else as a violation.
    AwaitingConnect,
    /// The login modules' answer.
    AwaitingLogin(Box<Hello>),
    /// Frames and events, until DISCONNECT or a fault.
    Connected(Box<Session>),
    /// After DISCONNECT: the answers to what came before it.
    AwaitingLastAnswers(Box<Session>),
    /// Nothing any more.
    Closed,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(options: Arc<Options>, id: ConnectionId) -> Self {
        Self {
            options,
            id,
            decoder: Decoder::new(),
            state: State::AwaitingConnect,
            heart_beat: None,
            blocked: false,
            stalled: false,
            unread: 0,
        }
    }

    fn read(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbound,
    ) -> Result<(), PeerViolation> {
        loop {
            match &self.state {
                State::AwaitingConnect => {}
                State::AwaitingLogin(_) => return Ok(()),
                State::Connected(session) if session.is_full() => return Ok(()),
                State::Connected(_) => {}
                State::AwaitingLastAnswers(_) | State::Closed => {
                    input.clear();
                    return Ok(());
                }
            }
            match self.decoder.poll(input) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(malformed) => return self.fail_frame(&malformed.into(), out),
            }
            if self.must_wait() {
                self.stalled = true;
                return Ok(());
            }
            if let Err(fault) = self.frame(now, out) {
                return self.fail_frame(&fault, out);
            }
        }
    }

    /// The frame that is next is a producer's, and producers wait.
    fn must_wait(&self) -> bool {
        self.blocked
            && self.decoder.command() == ClientCommand::Send
            && matches!(self.state, State::Connected(_))
    }

    fn frame(&mut self, now: Now, out: &mut Outbound) -> Result<(), Fault> {
        let frame = self.decoder.take();
        match &mut self.state {
            State::AwaitingConnect => {
                self.state = State::AwaitingLogin(Box::new(hello(&frame, out)?));
            }
            State::Connected(session) => {
                let is_last = frame.command == ClientCommand::Disconnect;
                session.frame(now, frame, out)?;
                if is_last {
                    self.take_leave(out);
                }
            }
            State::AwaitingLogin(_) | State::AwaitingLastAnswers(_) | State::Closed => {}
        }
        Ok(())
    }

    fn logged_in(&mut self, now: Now, identity: Identity, out: &mut Outbound) {
        match mem::replace(&mut self.state, State::Closed) {
            State::AwaitingLogin(mut hello) => {
                let session_name = format!("{:08x}", self.id.0 & u64::from(u32::MAX));
                let head = out.bytes.head();
                self.heart_beat = Some(hello.welcome(&self.options, &session_name, now, head));
                self.decoder
                    .agree(hello.version, Limits::guest(self.options.body_bytes_max));
                self.state = State::Connected(Box::new(Session::open(
                    Arc::clone(&self.options),
                    hello.version,
                    identity,
                    hello.client_id.take(),
                    first_message_id(now, self.id),
                    out,
                )));
            }
            other => self.state = other,
        }
    }

    fn refused(&mut self, ticket: Option<Ticket>, refusal: &Refusal, out: &mut Outbound) {
        let (fault, receipt) = match &mut self.state {
            State::AwaitingLogin(_) => (crate::refusal::fault(refusal), None),
            State::Connected(session) | State::AwaitingLastAnswers(session) => {
                session.refused(ticket, refusal)
            }
            State::AwaitingConnect | State::Closed => return,
        };
        self.fail(&fault, receipt.as_deref(), out);
    }

    fn take_leave(&mut self, out: &mut Outbound) {
        if let State::Connected(session) = mem::replace(&mut self.state, State::Closed) {
            self.state = State::AwaitingLastAnswers(session);
        }
        self.close_if_answered(out);
    }

    fn close_if_answered(&mut self, out: &mut Outbound) {
        if matches!(&self.state, State::AwaitingLastAnswers(session) if session.is_answered()) {
            self.state = State::Closed;
            out.close = Some(Close::Orderly);
        }
    }

    /// Gives up because of the frame that was just read.
    fn fail_frame(&mut self, fault: &Fault, out: &mut Outbound) -> Result<(), PeerViolation> {
        let receipt = self.decoder.receipt().map(str::to_owned);
        self.fail(fault, receipt.as_deref(), out);
        fault.as_violation().map_or(Ok(()), Err)
    }

    fn fail(&mut self, fault: &Fault, receipt: Option<&str>, out: &mut Outbound) {
        if matches!(self.state, State::Closed) {
            return;
        }
        write_error(fault, receipt, self.version(), out);
        self.state = State::Closed;
        self.stalled = false;
        self.decoder = Decoder::new();
        out.close = Some(Close::Refused(fault.reason()));
    }

    fn version(&self) -> Version {
        match &self.state {
            State::Connected(session) | State::AwaitingLastAnswers(session) => session.version,
            State::AwaitingLogin(hello) => hello.version,
            State::AwaitingConnect | State::Closed => Version::V1_0,
        }
    }

    /// The SEND that waited is with the decoder, not in the input, so it is carried out here: the host offers the input
    /// again only if something is left in it.
    fn unblocked(&mut self, now: Now, out: &mut Outbound) {
        self.blocked = false;
        if mem::take(&mut self.stalled)
            && let Err(fault) = self.frame(now, out)
        {
            // The fault closes the connection; an event has no violation to return.
            let _ = self.fail_frame(&fault, out);
        }
    }

    fn deal_with(&mut self, now: Now, event: Event, out: &mut Outbound) {
        match event {
            Event::LoggedIn(_, identity) => self.logged_in(now, identity, out),
            Event::Done(ticket) => {
                if let State::Connected(session) | State::AwaitingLastAnswers(session) =
                    &mut self.state
                {
                    session.done(ticket, out);
                }
                self.close_if_answered(out);
            }
            Event::Refused(ticket, refusal) => self.refused(ticket, &refusal, out),
            Event::Deliver(delivery) => {
                if let State::Connected(session) = &mut self.state {
                    session.deliver(&delivery, out);
                }
            }
            Event::Blocked(_) => self.blocked = true,
            Event::Unblocked => self.unblocked(now, out),
            Event::Detached(consumer, refusal) => {
                if let State::Connected(session) = &mut self.state
                    && let Some(fault) = session.detached(consumer, &refusal)
                {
                    self.fail(&fault, None, out);
                }
            }
            Event::Stopping => self.fail(&Fault::refused("the broker is stopping"), None, out),
        }
    }
}

impl protocol::Connection for Connection {
    fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbound,
    ) -> Result<(), PeerViolation> {
        let sent = out.bytes.len();
        if let Some(heart_beat) = &mut self.heart_beat
            && input.len() > self.unread
        {
            heart_beat.heard(now);
        }
        let result = self.read(now, input, out);
        if matches!(self.state, State::Closed) {
            input.clear();
        }
        self.unread = input.len();
        self.note_sent(now, sent, out);
        result
    }

    fn event(&mut self, now: Now, event: Event, out: &mut Outbound) {
        let (sent, paused) = (out.bytes.len(), self.paused());
        self.deal_with(now, event, out);
        self.note_sent(now, sent, out);
        // Nobody listened while the socket was not read.
        if paused
            && !self.paused()
            && let Some(heart_beat) = &mut self.heart_beat
        {
            heart_beat.heard(now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            _ => self.heart_beat.as_ref()?.deadline(!self.paused()),
        }
    }

    fn expire(&mut self, now: Now, out: &mut Outbound) {
        let Some(heart_beat) = &mut self.heart_beat else {
            return;
        };
        if heart_beat.must_beat(now) && !matches!(self.state, State::Closed) {
            out.bytes.head().put_u8(b'\n');
            heart_beat.spoken(now);
        }
        if let Some(ttl) = heart_beat.overdue(now)
            && !self.paused()
        {
            let fault = Fault::refused(format!(
                "AMQ229014: Did not receive data within the {}ms connection TTL. The connection will now be closed.",
                ttl.as_millis()
            ));
            self.fail(&fault, None, out);
        }
    }

    fn paused(&self) -> bool {
        match &self.state {
            State::AwaitingConnect => false,
            State::Connected(session) => self.stalled || session.is_full(),
            State::AwaitingLogin(_) | State::AwaitingLastAnswers(_) | State::Closed => true,
        }
    }
}

impl Connection {
    fn note_sent(&mut self, now: Now, before: usize, out: &Outbound) {
        if let Some(heart_beat) = &mut self.heart_beat
            && out.bytes.len() > before
        {
            heart_beat.spoken(now);
        }
    }
}

/// Reads the first frame and asks the login modules.
fn hello(frame: &Frame<'_>, out: &mut Outbound) -> Result<Hello, Fault> {
    if !matches!(frame.command, ClientCommand::Connect | ClientCommand::Stomp) {
        return Err(Fault::violation(
            "STOMP 1.2 §Connecting",
            "AMQ339008: Connection has not been established.",
            format!(
                "The first frame is to be CONNECT, not {}.",
                frame.command.name()
            ),
        ));
    }
    let hello = Hello::read(frame)?;
    out.login = Some(Login {
        credentials: hello.credentials.clone(),
        ticket: LOGIN,
    });
    Ok(hello)
}

/// The number before the first `amqMessageId` of a connection: no other connection of this or an earlier run of the
/// broker counts through the same ones.
fn first_message_id(now: Now, connection: ConnectionId) -> u128 {
    u128::from(now.wall) << 64 | u128::from(connection.0 & u64::from(u32::MAX)) << 32
}

fn write_error(fault: &Fault, receipt: Option<&str>, version: Version, out: &mut Outbound) {
    let mut head = HeadWriter::new(out.bytes.head(), ServerCommand::Error, version);
    if let Some(versions) = fault.versions {
        head.text("version", versions);
    }
    head.text("message", &fault.message);
    if let Some(receipt) = receipt {
        head.text("receipt-id", receipt);
    }
    head.text("content-type", "text/plain");
    head.number("content-length", fault.detail.len() as u64);
    head.finish();
    out.bytes.head().put_slice(fault.detail.as_bytes());
    out.bytes.head().put_slice(FRAME_END);
}
