// SPDX-License-Identifier: Apache-2.0
//! The machine of one connection: what it waits for, and who deals with what arrives.

use std::mem;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use hind_engine::event::{Event, Refusal};
use hind_engine::id::{ConnectionId, Ticket};
use hind_engine::protocol::{self, Close, Outbound, PeerViolation};
use hind_engine::time::{Instant, Now};

use crate::codec::{self, Disconnect, Frame, Kind, Limits, Packet, Reason, Version};
use crate::download::Download;
use crate::fault::Fault;
use crate::handshake::Hello;
use crate::keep_alive::KeepAlive;
use crate::options::Options;
use crate::refusal;
use crate::session::Session;

/// One MQTT connection.
///
/// Bytes and events go in, bytes and commands come out; see [`protocol::Connection`] for the contract.
///
/// A client that breaks a rule, or that the broker has to give up, is told why where its version has words for it, by a
/// CONNACK or a DISCONNECT, which is then the last packet [MQTT-4.13.1-1, MQTT-3.14.0-1].
///
/// While the broker blocks producers, everything is read and done up to the first PUBLISH: a client that only consumes can
/// go on acknowledging, which is what frees the disk. From there on the connection is paused.
///
/// While a large PUBLISH goes out window by window, everything else that is to be said waits until it has ended.
///
/// *Limits*: one packet of the client, as announced; answers owed to it; what is under way to it, by its receive maximum
/// and by the window of each subscription. Subscriptions are bounded by the engine.
#[derive(Debug)]
pub struct Connection {
    pub(crate) options: Arc<Options>,
    pub(crate) id: ConnectionId,
    pub(crate) seed: u64,
    pub(crate) state: State,
    pub(crate) keep_alive: Option<KeepAlive>,
    /// The broker blocks producers.
    blocked: bool,
    /// A PUBLISH waits for that to end.
    stalled: bool,
    /// The PUBLISH whose payload comes from a file.
    pub(crate) download: Option<Box<Download>>,
    /// What was left in the input: more than that is something heard.
    unread: usize,
}

/// What the connection waits for.
#[derive(Debug)]
pub(crate) enum State {
    /// CONNECT; ended by it, or by anything else as a violation.
    AwaitingConnect,
    /// The client's next word in an exchange of AUTH packets.
    AwaitingAuth(Box<Hello>),
    /// The login modules' answer.
    AwaitingLogin(Box<Hello>),
    /// The engine's, which takes up the client's session; with the last word of its authentication.
    AwaitingSession(Box<Hello>, Option<Bytes>),
    /// Packets and events, until DISCONNECT or a fault.
    Connected(Box<Session>),
    /// Nothing any more.
    Closed,
}

impl Connection {
    /// A connection that has just been accepted. `seed` is unpredictable, for the names of clients that have none.
    pub fn new(options: Arc<Options>, id: ConnectionId, seed: u64) -> Self {
        Self {
            options,
            id,
            seed,
            state: State::AwaitingConnect,
            keep_alive: None,
            blocked: false,
            stalled: false,
            download: None,
            unread: 0,
        }
    }

    fn version(&self) -> Option<Version> {
        match &self.state {
            State::AwaitingConnect | State::Closed => None,
            State::AwaitingAuth(hello)
            | State::AwaitingLogin(hello)
            | State::AwaitingSession(hello, _) => Some(hello.version),
            State::Connected(session) => Some(session.version),
        }
    }

    fn limits(&self) -> Limits {
        let packet = self.options.packet_limit();
        match &self.state {
            State::Connected(_) => Limits { packet },
            _ => Limits {
                packet: packet.min(Limits::STRANGER.packet),
            },
        }
    }

    fn read(&mut self, now: Now, input: &mut BytesMut, out: &mut Outbound) -> Result<(), Fault> {
        loop {
            match &self.state {
                State::AwaitingConnect | State::AwaitingAuth(_) => {}
                State::Connected(session) if session.is_full() => return Ok(()),
                State::Connected(_) => {}
                State::AwaitingLogin(_) | State::AwaitingSession(..) => return Ok(()),
                State::Closed => {
                    input.clear();
                    return Ok(());
                }
            }
            let Some(frame) = Frame::peek(input, self.version(), self.limits())? else {
                return Ok(());
            };
            if frame.kind == Kind::Publish && self.blocked {
                self.stalled = true;
                return Ok(());
            }
            if frame.length >= Packet::SHARED {
                let whole = input.split_to(frame.length).freeze();
                self.packet(now, frame, &whole, Some(&whole), out)?;
            } else {
                let result = self.packet(now, frame, input, None, out);
                input.advance(frame.length);
                result?;
            }
        }
    }

    fn packet(
        &mut self,
        now: Now,
        frame: Frame,
        bytes: &[u8],
        whole: Option<&Bytes>,
        out: &mut Outbound,
    ) -> Result<(), Fault> {
        let Some(version) = self.version() else {
            return self.connect(now, frame, &bytes[frame.header..frame.length], out);
        };
        let packet = Packet::read(frame, bytes, whole, version)?;
        let State::Connected(session) = &mut self.state else {
            return self.packet_of_stranger(&packet, out);
        };
        match packet {
            Packet::Publish(publish) => session.publish(now, &publish, out)?,
            Packet::PubAck(answer) => session.acknowledged(&answer, out)?,
            Packet::PubRec(answer) => session.received(&answer, out)?,
            Packet::PubRel(answer) => session.released(&answer, out),
            Packet::PubComp(answer) => session.completed(&answer, out)?,
            Packet::Subscribe(subscribe) => session.subscribe(&subscribe, out),
            Packet::Unsubscribe(unsubscribe) => session.unsubscribe(&unsubscribe, out),
            Packet::PingReq => codec::ping_response(out.bytes.head()),
            Packet::Disconnect(disconnect) => return self.leave(&disconnect, out),
            Packet::Auth(auth) => return self.authenticate_again(auth, out),
        }
        session.flush(out);
        Ok(())
    }

    fn leave(&mut self, disconnect: &Disconnect, out: &mut Outbound) -> Result<(), Fault> {
        if let State::Connected(session) = &self.state {
            session.leave(disconnect, out)?;
        }
        self.state = State::Closed;
        self.download = None;
        out.close = Some(Close::Orderly);
        Ok(())
    }

    pub(crate) fn deal_with(&mut self, now: Now, event: Event, out: &mut Outbound) {
        match event {
            Event::LoggedIn(_, identity) => self.logged_in(identity, None, out),
            Event::Attached(_, attached) => self.attached(now, &attached, out),
            Event::Done(ticket) => {
                if let State::Connected(session) = &mut self.state {
                    session.done(ticket, out);
                }
            }
            Event::Refused(ticket, refusal) => self.refused(ticket, &refusal, out),
            Event::Deliver(delivery) => self.deliver(now, delivery, out),
            Event::Blocked(_) => self.blocked = true,
            Event::Unblocked => {
                self.blocked = false;
                self.stalled = false;
            }
            Event::TakenOver => {
                let what = "another connection has taken the client id over";
                self.fail(&Fault::refused(Reason::SessionTakenOver, what), out);
            }
            Event::Detached(consumer, refusal) => {
                if let State::Connected(session) = &mut self.state
                    && let Some(fault) = session.detached(consumer, &refusal)
                {
                    self.fail(&fault, out);
                }
            }
            Event::Stopping => {
                let what = "the broker is stopping";
                self.fail(&Fault::refused(Reason::ServerShuttingDown, what), out);
            }
            Event::Window(download, window) => self.window(now, download, &window, out),
            Event::DownloadFailed(download) => self.download_failed(now, download, out),
            // No body is sent in pieces.
            Event::Uploaded(..) => {}
        }
    }

    fn refused(&mut self, ticket: Option<Ticket>, refusal: &Refusal, out: &mut Outbound) {
        let fault = match &mut self.state {
            State::Connected(session) => session.refused(ticket, refusal, out),
            State::Closed => None,
            _ => {
                let reason = refusal::of_connect(refusal);
                Some(Fault::refused(reason, refusal.to_string()))
            }
        };
        if let Some(fault) = fault {
            self.fail(&fault, out);
        }
    }

    /// Says why in the words of the version, and closes. In the middle of a packet it closes without a word, which would be
    /// taken for a part of it.
    pub(crate) fn fail(&mut self, fault: &Fault, out: &mut Outbound) {
        let text = fault.clause.is_none().then_some(&*fault.detail);
        let is_speaking = self.is_speaking();
        match (mem::replace(&mut self.state, State::Closed), fault.reason) {
            (State::Closed, _) => return,
            _ if is_speaking => {}
            (
                State::AwaitingAuth(hello)
                | State::AwaitingLogin(hello)
                | State::AwaitingSession(hello, _),
                Some(reason),
            ) if hello.version == Version::V5 || fault.clause.is_none() => {
                hello.reject(reason, text, out.bytes.head());
            }
            (State::Connected(session), Some(reason)) if session.version == Version::V5 => {
                let size = session.terms.packet_max;
                codec::disconnect(reason, text, None, size, out.bytes.head());
            }
            _ => {}
        }
        self.stalled = false;
        self.download = None;
        out.close = Some(fault.close());
    }
}

impl protocol::Connection for Connection {
    fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbound,
    ) -> Result<(), PeerViolation> {
        if let Some(keep_alive) = &mut self.keep_alive
            && input.len() > self.unread
        {
            keep_alive.heard(now);
        }
        let result = self.aside(out, |it, out| it.read(now, input, out));
        if let Err(fault) = &result {
            self.fail(fault, out);
        }
        if matches!(self.state, State::Closed) {
            input.clear();
        }
        self.unread = input.len();
        match result {
            Err(fault) => fault.as_violation().map_or(Ok(()), Err),
            Ok(()) => Ok(()),
        }
    }

    fn event(&mut self, now: Now, event: Event, out: &mut Outbound) {
        let paused = self.paused();
        if let Some(event) = self.wait(event) {
            if matches!(event, Event::Window(..) | Event::DownloadFailed(_)) {
                self.deal_with(now, event, out);
            } else {
                self.aside(out, |it, out| it.deal_with(now, event, out));
            }
        }
        // Nobody listened while the socket was not read.
        if paused
            && !self.paused()
            && let Some(keep_alive) = &mut self.keep_alive
        {
            keep_alive.heard(now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connected(_) if !self.paused() => self.keep_alive?.deadline(),
            _ => None,
        }
    }

    fn expire(&mut self, now: Now, out: &mut Outbound) {
        let overdue = |keep_alive: KeepAlive| keep_alive.is_overdue(now);
        if !self.paused() && self.keep_alive.is_some_and(overdue) {
            let what = "the client was silent for longer than its keep alive";
            self.fail(&Fault::refused(Reason::KeepAliveTimeout, what), out);
        }
    }

    fn paused(&self) -> bool {
        match &self.state {
            State::AwaitingConnect | State::AwaitingAuth(_) => false,
            State::Connected(session) => self.stalled || session.is_full(),
            State::AwaitingLogin(_) | State::AwaitingSession(..) | State::Closed => true,
        }
    }
}
