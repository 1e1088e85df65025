// SPDX-License-Identifier: Apache-2.0
//! The machine of one connection: what it waits for, and who deals with what arrives.

use std::mem;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use hind_engine::command::{ClientSessionCommand, Command, SessionCommand};
use hind_engine::event::{Attached, Event, Refusal};
use hind_engine::id::{ConnectionId, Ticket};
use hind_engine::protocol::{self, Close, Login, Outbound, PeerViolation};
use hind_engine::security::user::Identity;
use hind_engine::time::{Instant, Now};

use crate::authentication::Step;
use crate::codec::{
    self, Answer, Auth, Connect, Disconnect, Frame, Kind, Limits, Packet, Reason, Version,
};
use crate::fault::Fault;
use crate::handshake::{Hello, NotWelcome};
use crate::keep_alive::KeepAlive;
use crate::options::Options;
use crate::refusal;
use crate::session::{SESSION, Session};

/// The ticket of the login and then of the session; what follows is counted apart, because it begins after both are
/// answered.
const FIRST: Ticket = Ticket(0);

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
/// *Limits*: one packet of the client, as announced; answers owed to it; what is under way to it, by its receive maximum
/// and by the window of each subscription. Subscriptions are bounded by the engine.
#[derive(Debug)]
pub struct Connection {
    options: Arc<Options>,
    id: ConnectionId,
    seed: u64,
    state: State,
    keep_alive: Option<KeepAlive>,
    /// The broker blocks producers.
    blocked: bool,
    /// A PUBLISH waits for that to end.
    stalled: bool,
    /// What was left in the input: more than that is something heard.
    unread: usize,
}

/// What the connection waits for.
#[derive(Debug)]
enum State {
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
        out.close = Some(Close::Orderly);
        Ok(())
    }

    fn deal_with(&mut self, now: Now, event: Event, out: &mut Outbound) {
        match event {
            Event::LoggedIn(_, identity) => self.logged_in(identity, None, out),
            Event::Attached(_, attached) => self.attached(now, &attached, out),
            Event::Done(ticket) => {
                if let State::Connected(session) = &mut self.state {
                    session.done(ticket, out);
                }
            }
            Event::Refused(ticket, refusal) => self.refused(ticket, &refusal, out),
            Event::Deliver(delivery) => {
                if let State::Connected(session) = &mut self.state {
                    session.deliver(now, &delivery, out);
                }
            }
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
            Event::Uploaded(..) | Event::Window(..) | Event::DownloadFailed(_) => {}
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

    /// Says why in the words of the version, and closes.
    fn fail(&mut self, fault: &Fault, out: &mut Outbound) {
        let text = fault.clause.is_none().then_some(&*fault.detail);
        match (mem::replace(&mut self.state, State::Closed), fault.reason) {
            (State::Closed, _) => return,
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
        out.close = Some(fault.close());
    }
}

/// Letting a client in.
impl Connection {
    fn connect(
        &mut self,
        now: Now,
        frame: Frame,
        body: &[u8],
        out: &mut Outbound,
    ) -> Result<(), Fault> {
        let connect = Connect::read(frame.flags, body).map_err(|refused| {
            answer_refused(refused.answer, out.bytes.head());
            Fault::from(refused.malformed)
        })?;
        let unused_id = || unused_id(self.seed, self.id, now);
        let hello = Hello::read(&connect, &self.options, now, unused_id)
            .map_err(|not_welcome| reject(&connect, not_welcome, out.bytes.head()))?;
        let mut hello = Box::new(hello);
        let Some(authentication) = &mut hello.authentication else {
            out.login = Some(Login {
                credentials: mem::take(&mut hello.credentials),
                ticket: FIRST,
            });
            self.state = State::AwaitingLogin(hello);
            return Ok(());
        };
        let data = connect
            .properties
            .iter()
            .find_map(|property| match property {
                codec::Property::AuthenticationData(data) => Some(data),
                _ => None,
            });
        let step = authentication.step(data);
        self.state = State::AwaitingAuth(hello);
        self.authenticated_so_far(step, out)
    }

    /// Before a client is let in it may go on authenticating, or give up.
    fn packet_of_stranger(&mut self, packet: &Packet<'_>, out: &mut Outbound) -> Result<(), Fault> {
        let State::AwaitingAuth(hello) = &mut self.state else {
            return Ok(());
        };
        match packet {
            Packet::Auth(auth) => {
                let authentication = hello.authentication.as_mut();
                let step = match authentication {
                    Some(authentication) => {
                        step(authentication, *auth, Reason::ContinueAuthentication)?
                    }
                    None => None,
                };
                self.authenticated_so_far(step, out)
            }
            Packet::Disconnect(_) => {
                self.state = State::Closed;
                out.close = Some(Close::Orderly);
                Ok(())
            }
            _ => Err(Fault::violation(
                Reason::ProtocolError,
                "MQTT-3.1.2-30",
                "a packet other than AUTH or DISCONNECT before CONNACK",
            )),
        }
    }

    fn authenticated_so_far(
        &mut self,
        step: Option<Step>,
        out: &mut Outbound,
    ) -> Result<(), Fault> {
        match step {
            Some(Step::Continue(data)) => {
                if let State::AwaitingAuth(hello) = &self.state {
                    hello.ask_more(&data, out.bytes.head());
                }
                Ok(())
            }
            Some(Step::Accept { identity, data }) => {
                self.logged_in(identity, data, out);
                Ok(())
            }
            Some(Step::Refuse) | None => {
                let what = "the authentication failed";
                Err(Fault::refused(Reason::NotAuthorized, what))
            }
        }
    }

    fn logged_in(&mut self, identity: Identity, last_word: Option<Bytes>, out: &mut Outbound) {
        match mem::replace(&mut self.state, State::Closed) {
            State::AwaitingLogin(mut hello) | State::AwaitingAuth(mut hello) => {
                let open = SessionCommand::Open {
                    identity,
                    client_id: Some(Arc::clone(&hello.client_id)),
                };
                out.commands.push(Command::Session(SESSION, open));
                let attach = Box::new(hello.attach(&self.options, FIRST));
                let attach = ClientSessionCommand::Attach(attach);
                out.commands.push(Command::ClientSession(SESSION, attach));
                self.state = State::AwaitingSession(hello, last_word);
            }
            other => self.state = other,
        }
    }

    fn attached(&mut self, now: Now, attached: &Attached, out: &mut Outbound) {
        match mem::replace(&mut self.state, State::Closed) {
            State::AwaitingSession(hello, last_word) => {
                let (keep_alive, told) =
                    KeepAlive::agree(hello.keep_alive, hello.version, &self.options, now);
                let head = out.bytes.head();
                let present = attached.present;
                if !hello.welcome(&self.options, present, told, last_word.as_ref(), head) {
                    let what = "the client takes no packet as large as a CONNACK";
                    out.close = Some(Fault::refused(Reason::PacketTooLarge, what).close());
                    return;
                }
                self.keep_alive = Some(keep_alive);
                let options = Arc::clone(&self.options);
                let session = Session::begin(*hello, options, attached, out);
                self.state = State::Connected(Box::new(session));
            }
            other => self.state = other,
        }
    }

    /// A client that was let in by an exchange may go through it again, as the same user [MQTT 5.0 §4.12.1].
    fn authenticate_again(&mut self, auth: Auth<'_>, out: &mut Outbound) -> Result<(), Fault> {
        let State::Connected(session) = &mut self.state else {
            return Ok(());
        };
        let Some(authentication) = &mut session.authentication else {
            return Err(Fault::violation(
                Reason::ProtocolError,
                "MQTT-4.12.0-6",
                "an AUTH of a client that named no authentication method",
            ));
        };
        let expected = match authentication.exchange {
            Some(_) => Reason::ContinueAuthentication,
            None => {
                authentication.exchange = Some(authentication.method.begin());
                Reason::ReAuthenticate
            }
        };
        let (reason, data) = match step(authentication, auth, expected)? {
            Some(Step::Continue(data)) => (Reason::ContinueAuthentication, Some(data)),
            Some(Step::Accept { data, .. }) => (Reason::Success, data),
            Some(Step::Refuse) | None => {
                let what = "the authentication failed";
                return Err(Fault::refused(Reason::NotAuthorized, what));
            }
        };
        let name = authentication.method.name();
        codec::auth(reason, name, data.as_deref(), out.bytes.head());
        Ok(())
    }
}

/// The client's next word, if it is of the right kind and method [MQTT-4.12.0-5].
fn step(
    authentication: &mut crate::authentication::Authentication,
    auth: Auth<'_>,
    expected: Reason,
) -> Result<Option<Step>, Fault> {
    if auth.reason != expected {
        let what = "an AUTH that does not go on where the last one was";
        return Err(Fault::violation(
            Reason::ProtocolError,
            "MQTT-4.12.0-3",
            what,
        ));
    }
    if auth.method != Some(authentication.method.name()) {
        let what = "an AUTH by another method than CONNECT named";
        return Err(Fault::violation(
            Reason::ProtocolError,
            "MQTT-4.12.0-5",
            what,
        ));
    }
    Ok(authentication.step(auth.data))
}

/// Answers a CONNECT that is none.
fn answer_refused(answer: Answer, out: &mut BytesMut) {
    match answer {
        Answer::Nothing => {}
        Answer::ReturnCode(code) => out.put_slice(&[0x20, 2, 0, code]),
        Answer::Reason(reason) => out.put_slice(&[0x20, 3, 0, reason.code(), 0]),
    }
}

/// Answers a CONNECT that can be read but is not accepted.
fn reject(connect: &Connect<'_>, not_welcome: NotWelcome, out: &mut BytesMut) -> Fault {
    let NotWelcome {
        reason,
        clause,
        detail,
    } = not_welcome;
    codec::ConnAck::default().write(connect.version, reason, usize::MAX, out);
    Fault {
        clause,
        reason: Some(reason),
        detail: detail.to_owned(),
    }
}

/// A name that no other client has: from a number nobody can foresee, the connection and the time.
fn unused_id(seed: u64, connection: ConnectionId, now: Now) -> String {
    let low = connection.0 ^ now.wall.rotate_left(32);
    let [a, b, c, d, e, f, g, h] = low.to_be_bytes();
    format!(
        "{:08x}-{:04x}-4{:03x}-{a:02x}{b:02x}-{c:02x}{d:02x}{e:02x}{f:02x}{g:02x}{h:02x}",
        seed >> 32,
        seed >> 16 & 0xffff,
        seed & 0xfff,
    )
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
        let result = self.read(now, input, out);
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
        self.deal_with(now, event, out);
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
