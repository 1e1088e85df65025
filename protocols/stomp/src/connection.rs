// SPDX-License-Identifier: Apache-2.0
//! The machine of one connection: what it waits for, and who deals with what arrives.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use hind_engine::event::{Delivery, Event, Refusal};
use hind_engine::id::{ConnectionId, DownloadId, Ticket};
use hind_engine::protocol::{self, Close, Login, Outbound, PeerViolation, Segments};
use hind_engine::security::user::Identity;
use hind_engine::time::{Instant, Now};

use crate::codec::{
    ClientCommand, Decoder, FRAME_END, Found, Frame, HeadWriter, Limits, ServerCommand, Version,
};
use crate::download::Download;
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
/// go on acknowledging, which is what makes room. One that sends and consumes is read somewhat further, its SENDs waiting
/// in the session. Then the connection is paused.
///
/// While a large MESSAGE goes out window by window, nothing else may stand inside its frame: other messages wait in
/// `waiting`, in order, receipts in `aside`, and no heart-beat is sent. A connection that has to be given up then ends
/// without an ERROR, which would be taken for a part of the body.
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
    /// A SEND waits for that to end, and nothing behind it is read.
    stalled: bool,
    /// The MESSAGE whose body comes from a file.
    download: Option<Download>,
    /// Deliveries and bad news that came while it goes out. Bounded by the credit of the consumers.
    waiting: VecDeque<Event>,
    /// What is to be said when the frame that goes out has ended.
    aside: Segments,
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
            download: None,
            waiting: VecDeque::new(),
            aside: Segments::default(),
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
                State::Connected(_) if self.paused_by_session() => return Ok(()),
                State::Connected(_) => {}
                State::AwaitingLastAnswers(_) | State::Closed => {
                    input.clear();
                    return Ok(());
                }
            }
            match self.decoder.poll(input) {
                Ok(Found::Frame) => {}
                Ok(Found::Nothing) => return Ok(()),
                Ok(found) => {
                    self.body(found, out);
                    continue;
                }
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

    /// More of the body of the last SEND.
    fn body(&mut self, found: Found, out: &mut Outbound) {
        if let State::Connected(session) = &mut self.state {
            match found {
                Found::Part(part) => session.body_part(part, out),
                Found::End => session.body_end(out),
                Found::Frame | Found::Nothing => {}
            }
        }
    }

    /// Nothing is read because of what is under way: too much is unanswered, or a body arrives while producers wait.
    fn paused_by_session(&self) -> bool {
        match &self.state {
            State::Connected(session) => {
                session.is_full() || (self.blocked && session.is_uploading())
            }
            _ => false,
        }
    }

    /// Producers wait, and the frame that is next is a producer's that cannot be held, or comes after all of them.
    fn must_wait(&self) -> bool {
        let State::Connected(session) = &self.state else {
            return false;
        };
        let has_room = || session.held.has_room(self.decoder.frame_size());
        self.blocked
            && match self.decoder.command() {
                ClientCommand::Send => {
                    self.decoder.body_follows() || !session.consumes() || !has_room()
                }
                ClientCommand::Subscribe => !session.held.is_empty() && !has_room(),
                ClientCommand::Disconnect => !session.held.is_empty(),
                _ => false,
            }
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
                self.decoder.agree(hello.version, limits(&self.options));
                let mut session = Session::open(
                    Arc::clone(&self.options),
                    hello.version,
                    identity,
                    hello.client_id.take(),
                    first_message_id(now, self.id),
                    out,
                );
                if self.blocked {
                    session.held.begin();
                }
                self.state = State::Connected(Box::new(session));
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
        // The last answers are said when the message that goes out has gone.
        if !self.is_speaking()
            && matches!(&self.state, State::AwaitingLastAnswers(session) if session.is_answered())
        {
            self.state = State::Closed;
            out.close = Some(Close::Orderly);
        }
    }

    /// Gives up because of the frame that was just read.
    fn fail_frame(&mut self, fault: &Fault, out: &mut Outbound) -> Result<(), PeerViolation> {
        let receipt = self.decoder.receipt().map(str::to_owned);
        // What came before it was in order.
        self.release(out);
        self.fail(fault, receipt.as_deref(), out);
        fault.as_violation().map_or(Ok(()), Err)
    }

    fn fail(&mut self, fault: &Fault, receipt: Option<&str>, out: &mut Outbound) {
        if matches!(self.state, State::Closed) {
            return;
        }
        if !self.is_speaking() {
            write_error(fault, receipt, self.version(), out);
        }
        self.state = State::Closed;
        self.stalled = false;
        self.decoder = Decoder::new();
        self.download = None;
        self.waiting.clear();
        self.aside = Segments::default();
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
        self.release(out);
        if mem::take(&mut self.stalled)
            && let Err(fault) = self.frame(now, out)
        {
            // The fault closes the connection; an event has no violation to return.
            let _ = self.fail_frame(&fault, out);
        }
    }

    fn blocked(&mut self) {
        self.blocked = true;
        if let State::Connected(session) = &mut self.state {
            session.held.begin();
        }
    }

    /// SENDs that waited are carried out, and what came behind them.
    fn release(&mut self, out: &mut Outbound) {
        if let State::Connected(session) = &mut self.state {
            out.commands.append(&mut session.held.end());
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
            Event::Deliver(delivery) => self.deliver(delivery, out),
            Event::Uploaded(_, bytes) => {
                if let State::Connected(session) = &mut self.state {
                    session.uploaded(bytes);
                }
            }
            Event::Window(download, window) => self.window(now, download, &window, out),
            Event::DownloadFailed(download) => self.download_failed(now, download, out),
            Event::Blocked(_) => self.blocked(),
            Event::Unblocked => self.unblocked(now, out),
            Event::Detached(consumer, refusal) => {
                if let State::Connected(session) = &mut self.state
                    && let Some(fault) = session.detached(consumer, &refusal)
                {
                    self.fail(&fault, None, out);
                }
            }
            // Of client sessions, which STOMP has none of.
            Event::Attached(..) | Event::TakenOver => {}
            Event::Stopping => self.fail(&Fault::refused("the broker is stopping"), None, out),
        }
    }
}

/// Large messages on their way out.
impl Connection {
    /// A frame has begun to go out and has not ended.
    fn is_speaking(&self) -> bool {
        self.download.as_ref().is_some_and(Download::has_begun)
    }

    fn deliver(&mut self, delivery: Delivery, out: &mut Outbound) {
        let State::Connected(session) = &mut self.state else {
            return;
        };
        if delivery.message.body.large().is_some() {
            self.download = session.begin_download(delivery, out);
        } else {
            session.deliver(&delivery, out);
        }
    }

    /// The event has to wait until the message that is on its way has gone. So has what was done after something refused:
    /// the client is not to take its receipt for a yes to all before.
    fn waits(&self, event: &Event) -> bool {
        let refused = |event: &Event| matches!(event, Event::Refused(..));
        if matches!(event, Event::Done(_)) && self.waiting.iter().any(refused) {
            return true;
        }
        self.download.is_some()
            && matches!(
                event,
                Event::Deliver(_) | Event::Detached(..) | Event::Refused(..)
            )
    }

    fn window(&mut self, now: Now, id: DownloadId, window: &Bytes, out: &mut Outbound) {
        let Some(download) = self.download.as_mut().filter(|download| download.is(id)) else {
            return;
        };
        let is_first = download.pass(window, &mut out.commands);
        if let (State::AwaitingLastAnswers(_), Some(heart_beat)) =
            (&self.state, &mut self.heart_beat)
        {
            // It takes what it is sent: windows come only when there is room for them.
            heart_beat.heard(now);
        }
        if is_first {
            let delivery = &download.delivery;
            let wanted = match &mut self.state {
                State::Connected(session) if delivery.message.is_expired(now.wall) => {
                    session.give_back(delivery, out);
                    false
                }
                State::Connected(session) => session.write_head(delivery, out),
                _ => false,
            };
            if !wanted {
                out.commands.push(download.close());
                self.next_message(now, out);
                return;
            }
        }
        let is_over = download.is_over();
        out.bytes.payload(window);
        if is_over {
            out.bytes.head().put_slice(FRAME_END);
            if let (Some(download), State::Connected(session)) =
                (self.download.take(), &mut self.state)
            {
                session.delivered(&download.delivery, out);
            }
            self.next_message(now, out);
        }
    }

    fn download_failed(&mut self, now: Now, id: DownloadId, out: &mut Outbound) {
        let Some(download) = self.download.as_ref().filter(|download| download.is(id)) else {
            return;
        };
        if download.has_begun() {
            let fault = Fault::refused("the rest of a message could not be read");
            self.fail(&fault, None, out);
            return;
        }
        if let State::Connected(session) = &mut self.state {
            session.lost(&download.delivery, out);
        }
        self.next_message(now, out);
    }

    /// The message that was on its way has gone: what waited for that.
    fn next_message(&mut self, now: Now, out: &mut Outbound) {
        self.download = None;
        while let Some(segment) = self.aside.pop() {
            out.bytes.payload(&segment);
        }
        while self.download.is_none()
            && let Some(event) = self.waiting.pop_front()
        {
            match (event, &mut self.state) {
                // Its time has passed while it waited.
                (Event::Deliver(delivery), State::Connected(session))
                    if delivery.message.is_expired(now.wall) =>
                {
                    session.give_back(&delivery, out);
                }
                (event, _) => self.deal_with(now, event, out),
            }
        }
        self.close_if_answered(out);
    }

    /// Carries something out that may speak while a frame is going out: what it says is put aside.
    fn aside<R>(
        &mut self,
        out: &mut Outbound,
        act: impl FnOnce(&mut Self, &mut Outbound) -> R,
    ) -> R {
        if !self.is_speaking() {
            return act(self, out);
        }
        let before = mem::replace(&mut out.bytes, mem::take(&mut self.aside));
        let result = act(self, out);
        let said = mem::replace(&mut out.bytes, before);
        if matches!(self.state, State::Closed) {
            return result;
        }
        self.aside = said;
        result
    }

    /// Whether a client that is silent is given up: not while it is not read, except that one that has said good-bye
    /// must go on taking the message that goes out.
    fn judges_silence(&self) -> bool {
        let is_leaving = matches!(self.state, State::AwaitingLastAnswers(_));
        !protocol::Connection::paused(self) || (is_leaving && self.download.is_some())
    }
}

/// What a client may say once it is let in.
fn limits(options: &Options) -> Limits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let most = size(options.body_bytes_max);
    let limits = Limits::guest(size(options.small_body_bytes_max).min(most));
    match options.large_message_bytes_min {
        Some(from) => limits.streaming(size(from), most),
        None => limits,
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
        let result = self.aside(out, |it, out| it.read(now, input, out));
        if matches!(self.state, State::Closed) {
            input.clear();
        }
        self.unread = input.len();
        self.note_sent(now, sent, out);
        result
    }

    fn event(&mut self, now: Now, event: Event, out: &mut Outbound) {
        let (sent, paused) = (out.bytes.len(), self.paused());
        if self.waits(&event) {
            self.waiting.push_back(event);
        } else if matches!(event, Event::Window(..) | Event::DownloadFailed(_)) {
            self.deal_with(now, event, out);
        } else {
            self.aside(out, |it, out| it.deal_with(now, event, out));
        }
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
            _ => self.heart_beat.as_ref()?.deadline(self.judges_silence()),
        }
    }

    fn expire(&mut self, now: Now, out: &mut Outbound) {
        let (is_speaking, judges_silence) = (self.is_speaking(), self.judges_silence());
        let Some(heart_beat) = &mut self.heart_beat else {
            return;
        };
        if heart_beat.must_beat(now) && !matches!(self.state, State::Closed) {
            if !is_speaking {
                out.bytes.head().put_u8(b'\n');
            }
            heart_beat.spoken(now);
        }
        if let Some(ttl) = heart_beat.overdue(now)
            && judges_silence
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
            State::Connected(_) => self.stalled || self.paused_by_session(),
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
