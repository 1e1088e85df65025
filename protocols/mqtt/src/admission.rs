// SPDX-License-Identifier: Apache-2.0
//! How a client is let in: CONNECT, its authentication, its login, its session; and its authenticating again later.

use std::mem;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use hind_engine::command::{ClientSessionCommand, Command, SessionCommand};
use hind_engine::event::Attached;
use hind_engine::id::{ConnectionId, Ticket};
use hind_engine::protocol::{Close, Login, Outbound};
use hind_engine::security::user::Identity;
use hind_engine::time::Now;

use crate::authentication::{Authentication, Step};
use crate::codec::{self, Answer, Auth, Connect, Frame, Packet, Reason};
use crate::connection::{Connection, State};
use crate::fault::Fault;
use crate::handshake::{Hello, NotWelcome};
use crate::keep_alive::KeepAlive;
use crate::session::{SESSION, Session};

/// The ticket of the login and then of the session; what follows is counted apart, because it begins after both are
/// answered.
const FIRST: Ticket = Ticket(0);

/// Letting a client in.
impl Connection {
    pub(crate) fn connect(
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
    pub(crate) fn packet_of_stranger(
        &mut self,
        packet: &Packet<'_>,
        out: &mut Outbound,
    ) -> Result<(), Fault> {
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

    pub(crate) fn logged_in(
        &mut self,
        identity: Identity,
        last_word: Option<Bytes>,
        out: &mut Outbound,
    ) {
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

    pub(crate) fn attached(&mut self, now: Now, attached: &Attached, out: &mut Outbound) {
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
    pub(crate) fn authenticate_again(
        &mut self,
        auth: Auth<'_>,
        out: &mut Outbound,
    ) -> Result<(), Fault> {
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
    authentication: &mut Authentication,
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
