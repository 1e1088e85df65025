// SPDX-License-Identifier: Apache-2.0
//! One client: its socket, its protocol machine, and the node between them. One task each.
//!
//! The task is one hand-written `poll`: hear what the node said, read what the client sent, submit what the machine
//! asks, write what it says; again while anything happened. An idle connection holds no buffer: bytes are read into
//! one that its worker thread shares among all connections, and only an unfinished frame is kept.

mod alarm;
pub mod outbox;
pub mod permits;
pub mod wire;

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use hind_engine::command::{Command, SessionCommand};
use hind_engine::event::Event;
use hind_engine::id::ConnectionId;
use hind_engine::protocol::{self, Close, Outbound, PeerViolation};
use hind_engine::time::{Instant, Now};
use hind_ha::input::Input;

use crate::host::House;
use crate::host::mailbox::Mailbox;
use alarm::Alarm;
use outbox::Outbox;
use permits::Permits;
use wire::Wire;

/// What one read takes at most, and what a worker's shared buffer holds.
const READ_MAX: usize = 64 * 1024;
/// How often a connection that is not read is looked at: whether the network has given it up.
const PROBE: Duration = Duration::from_secs(1);
/// How long a connection that is being closed may take over its last bytes.
const LINGER: Duration = Duration::from_secs(3);

thread_local! {
    // What the connections of one worker share, because only one of them is polled at a time.
    static SHARED_INPUT: Cell<BytesMut> = Cell::default();
    static SHARED_OUT: Cell<Outbound> = Cell::default();
}

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The peer closed it, or the network did.
    Gone(Option<io::Error>),
    /// The peer asked for it in the protocol's way, or the broker stops.
    Orderly,
    /// The peer was refused or has fallen silent.
    Refused(String),
    /// The peer broke the protocol.
    Violation(PeerViolation),
    /// The peer has not logged in for so long.
    HandshakeTimeout(Duration),
    /// The machine panicked.
    Panicked,
}

/// A client with a protocol.
///
/// *Invariants*: the node is told of the connection once when it begins and once when it ends, whatever happens;
/// commands reach it in the machine's order; above the outbox's high-water mark neither events are heard nor bytes
/// read; with [`Permits::MAX`] answers outstanding, or the node's backlog full, no bytes are read; what a peer sent that
/// has been cut off while it was not read is not carried out: it may have come back and be saying it again.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    machine: Box<dyn protocol::Connection>,
    member: Member,
    heard: VecDeque<Event>,
    /// The beginning of a frame whose end has not come yet, and what the machine has left unread.
    input: BytesMut,
    outbox: Outbox,
    commands: Vec<Command>,
    permits: Permits,
    backlog_asked: u64,
    alarm: Alarm,
    /// When it is looked at next while it is not read.
    probe: Option<Instant>,
    handshake: Option<Handshake>,
}

/// How long the client may still take until it has a session.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    /// The end of it.
    pub until: Instant,
    /// Its whole length.
    pub timeout: Duration,
}

/// Being known to the node; ends when dropped.
#[derive(Debug)]
struct Member {
    id: ConnectionId,
    mailbox: Arc<Mailbox>,
    house: Arc<House>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.house.turn.leave(self.id);
    }
}

impl Connection {
    /// Joins the node. `read` holds the bytes that have been read to recognise the protocol.
    pub fn begin(
        house: Arc<House>,
        id: ConnectionId,
        wire: Wire,
        machine: Box<dyn protocol::Connection>,
        read: BytesMut,
        handshake: Option<Handshake>,
    ) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        house.turn.join(id, Arc::clone(&mailbox));
        Self {
            wire,
            machine,
            member: Member { id, mailbox, house },
            heard: VecDeque::new(),
            input: read,
            outbox: Outbox::default(),
            commands: Vec::new(),
            permits: Permits::default(),
            backlog_asked: 0,
            alarm: Alarm::default(),
            probe: None,
            handshake,
        }
    }

    /// Serves the client until the connection is over; its last bytes are given a bounded time to go out.
    pub async fn serve(mut self) -> End {
        let first = self.feed(self.now());
        let end = match first {
            Ok(()) => poll_fn(|cx| self.poll(cx)).await,
            Err(end) => end,
        };
        self.submit();
        let Self {
            wire,
            outbox,
            member,
            machine,
            ..
        } = self;
        drop((member, machine));
        if !matches!(end, End::Gone(Some(_))) {
            // Whether the peer has taken its last bytes changes nothing any more.
            let _ = tokio::time::timeout(LINGER, Box::pin(farewell(wire, outbox))).await;
        }
        end
    }

    fn now(&self) -> Now {
        self.member.house.clock.now()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        /// Steps after which the worker's other connections have their turn.
        const STEPS: usize = 8;
        let now = self.now();
        for _ in 0..STEPS {
            match self.step(cx, now) {
                Ok(true) => {}
                Ok(false) => {
                    // With a full outbox it is the socket that wakes.
                    if self.outbox.is_full() || self.member.mailbox.poll_any(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Err(end) => return Poll::Ready(end),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Does whatever can be done; `false` when nothing could, and every reason to wake but the mailbox is registered.
    fn step(&mut self, cx: &mut Context<'_>, now: Now) -> Result<bool, End> {
        // Read before events fill the outbox again: a client that takes a long message slowly is still to be heard.
        let read = self.read(cx, now)?;
        let heard = self.hear(now)?;
        let expired = self.expire(cx, now)?;
        self.submit();
        let was_full = self.outbox.is_full();
        if let Poll::Ready(written) = self.wire.poll_write(cx, &mut self.outbox) {
            written.map_err(gone)?;
        }
        Ok(heard || read || expired || (was_full && !self.outbox.is_full()))
    }

    /// Hands the node's events to the machine while the outbox has room.
    fn hear(&mut self, now: Now) -> Result<bool, End> {
        if self.outbox.is_full() {
            return Ok(false);
        }
        if self.heard.is_empty() && !self.member.mailbox.take(&mut self.heard) {
            return Ok(false);
        }
        if self.machine.paused() {
            self.look_for_an_end()?;
        }
        let mut heard = std::mem::take(&mut self.heard);
        while !self.outbox.is_full()
            && let Some(event) = heard.pop_front()
        {
            self.permits.refund(&event);
            self.drive(|machine, out| machine.event(now, event, out))?;
        }
        /// A list that grew with a burst is given back.
        const KEPT: usize = 64;
        if !heard.is_empty() || heard.capacity() <= KEPT {
            self.heard = heard;
        }
        self.feed(now)?;
        Ok(true)
    }

    /// A connection that is not read does not notice by reading that the peer is gone.
    fn look_for_an_end(&self) -> Result<(), End> {
        self.wire.error().map_or(Ok(()), |error| Err(gone(error)))
    }

    /// Reads once, if the client may be read at all.
    fn read(&mut self, cx: &mut Context<'_>, now: Now) -> Result<bool, End> {
        if !self.may_read(cx) {
            return Ok(false);
        }
        if self.input.len() >= READ_MAX {
            // A large frame: straight behind what has come of it.
            self.input.reserve(READ_MAX);
            let read = self.wire.poll_read(cx, &mut self.input);
            return arrived(read).and_then(|any| self.feed(now).map(|()| any));
        }
        let mut shared = SHARED_INPUT.take();
        shared.clear();
        shared.reserve(READ_MAX);
        let done = arrived(self.wire.poll_read(cx, &mut shared))
            .and_then(|any| self.consume(now, &mut shared).map(|()| any));
        SHARED_INPUT.set(shared);
        done
    }

    fn may_read(&mut self, cx: &Context<'_>) -> bool {
        let house = &self.member.house;
        !self.outbox.is_full()
            && !self.permits.exhausted()
            && !self.machine.paused()
            && house
                .backlog
                .poll_open(cx, &mut self.backlog_asked)
                .is_ready()
    }

    /// Lets the machine read what is in the worker's buffer; what it leaves becomes the connection's own.
    fn consume(&mut self, now: Now, shared: &mut BytesMut) -> Result<(), End> {
        if shared.is_empty() {
            return Ok(());
        }
        if !self.input.is_empty() {
            self.input.extend_from_slice(shared);
            return self.feed(now);
        }
        self.receive(now, shared)?;
        if !shared.is_empty() {
            self.input = BytesMut::from(&shared[..]);
        }
        Ok(())
    }

    /// Lets the machine read on in what it left unread before.
    fn feed(&mut self, now: Now) -> Result<(), End> {
        if self.input.is_empty() || self.machine.paused() || self.permits.exhausted() {
            return Ok(());
        }
        let mut input = std::mem::take(&mut self.input);
        self.receive(now, &mut input)?;
        if !input.is_empty() {
            self.input = input;
        }
        Ok(())
    }

    fn receive(&mut self, now: Now, input: &mut BytesMut) -> Result<(), End> {
        self.drive(|machine, out| machine.receive(now, input, out))?
            .map_err(End::Violation)
    }

    fn expire(&mut self, cx: &mut Context<'_>, now: Now) -> Result<bool, End> {
        let handshake = self.handshake.map(|handshake| handshake.until);
        let next = || now.monotonic.after(PROBE);
        self.probe = (self.machine.paused()).then(|| self.probe.unwrap_or_else(next));
        let others = handshake.into_iter().chain(self.probe);
        let deadline = self.machine.deadline().into_iter().chain(others).min();
        if self
            .alarm
            .poll(cx, self.member.house.clock, deadline)
            .is_pending()
        {
            return Ok(false);
        }
        let now = Now {
            monotonic: self.member.house.clock.monotonic(),
            ..now
        };
        if let Some(handshake) = self.handshake
            && handshake.until <= now.monotonic
        {
            return Err(End::HandshakeTimeout(handshake.timeout));
        }
        if self.probe.is_some_and(|probe| probe <= now.monotonic) {
            self.probe = None;
            self.look_for_an_end()?;
        }
        let due = |deadline: Instant| deadline <= now.monotonic;
        if self.machine.deadline().is_some_and(due) {
            self.drive(|machine, out| machine.expire(now, out))?;
        }
        Ok(true)
    }

    /// Calls the machine and takes over what it wants done. A panic costs this connection only.
    fn drive<R>(
        &mut self,
        call: impl FnOnce(&mut dyn protocol::Connection, &mut Outbound) -> R,
    ) -> Result<R, End> {
        let mut out = SHARED_OUT.take();
        let machine = &mut *self.machine;
        let called = panic::catch_unwind(AssertUnwindSafe(|| call(machine, &mut out)));
        let Ok(result) = called else {
            return Err(End::Panicked);
        };
        self.outbox.take(&mut out.bytes);
        self.ask(&mut out.commands);
        if let Some(login) = out.login.take() {
            let mailbox = Arc::clone(&self.member.mailbox);
            self.member.house.login.check(login, mailbox);
        }
        let close = out.close.take();
        SHARED_OUT.set(out);
        match close {
            None => Ok(result),
            Some(Close::Orderly) => Err(End::Orderly),
            Some(Close::Refused(why)) => Err(End::Refused(why)),
        }
    }

    fn ask(&mut self, commands: &mut Vec<Command>) {
        if commands.is_empty() {
            return;
        }
        self.permits.spend(commands);
        if self.handshake.is_some() {
            let opens =
                |it: &Command| matches!(it, Command::Session(_, SessionCommand::Open { .. }));
            if commands.iter().any(opens) {
                self.handshake = None;
            }
        }
        if self.commands.is_empty() {
            self.commands = std::mem::take(commands);
        } else {
            self.commands.append(commands);
        }
    }

    fn submit(&mut self) {
        if !self.commands.is_empty() {
            let commands = std::mem::take(&mut self.commands);
            let input = Input::Client(self.member.id, commands);
            self.member.house.turn.submit(input);
        }
    }
}

/// Whether bytes have arrived.
fn arrived(read: Poll<io::Result<usize>>) -> Result<bool, End> {
    match read {
        Poll::Pending => Ok(false),
        Poll::Ready(Ok(0)) => Err(End::Gone(None)),
        Poll::Ready(Ok(_)) => Ok(true),
        Poll::Ready(Err(error)) => Err(gone(error)),
    }
}

fn gone(error: io::Error) -> End {
    End::Gone(Some(error))
}

/// Writes what is left, says that nothing follows, and waits for the peer to do the same: closing while it still sends
/// would throw away what it has not read yet.
async fn farewell(mut wire: Wire, mut outbox: Outbox) -> io::Result<()> {
    poll_fn(|cx| wire.poll_write(cx, &mut outbox)).await?;
    poll_fn(|cx| wire.poll_shutdown(cx)).await?;
    poll_fn(|cx| {
        loop {
            let mut shared = SHARED_INPUT.take();
            shared.clear();
            shared.reserve(READ_MAX);
            let read = wire.poll_read(cx, &mut shared);
            SHARED_INPUT.set(shared);
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    })
    .await
}
