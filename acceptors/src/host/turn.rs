// SPDX-License-Identifier: Apache-2.0
//! Who runs the node's turn: whoever has something for it and finds it free.
//!
//! Inputs go to an inbox. Whoever finds the node's lock free carries out what the inbox holds, its own and everybody
//! else's; whoever finds it taken leaves, because the holder looks into the inbox again after letting go. So nobody
//! sleeps on the lock, no thread has to be woken for a turn, and the batches grow with the load. Never held across an
//! await.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use hind_engine::command::{Command, UploadCommand};
use hind_engine::event::Event;
use hind_engine::id::ConnectionId;
use hind_engine::time::{Instant, Now};
use hind_ha::Node;
use hind_ha::effect::Effects;
use hind_ha::input::Input;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

use super::backlog::Backlog;
use super::chores::Chores;
use super::clock::Clock;
use super::disk::group_commit::DiskQueue;
use super::disk::volatile::VolatileDisk;
use super::mailbox::Mailbox;

/// The broker as one value: told what arrived, it appends what must happen.
pub trait Brain: Send {
    /// What arrived, in order: one turn.
    fn handle(&mut self, now: Now, inputs: &mut dyn Iterator<Item = Input>, effects: &mut Effects);
    /// When [`Input::Time`] must come at the latest, as things stand at `now`.
    fn deadline(&self, now: Now) -> Option<Instant>;
    /// Bytes given to the disk and not yet stored.
    fn backlog(&self) -> u64;
}

impl Brain for Node {
    fn handle(&mut self, now: Now, inputs: &mut dyn Iterator<Item = Input>, effects: &mut Effects) {
        self.handle_all(now, inputs, effects);
    }

    fn deadline(&self, now: Now) -> Option<Instant> {
        Node::deadline(self, now)
    }

    fn backlog(&self) -> u64 {
        Node::backlog(self)
    }
}

/// Commands after which a turn lets its effects go before it goes on.
const TURN_COMMANDS: usize = 1_000;
/// Turns one worker runs in a row before it goes back to its own work.
const TURNS_IN_A_ROW: usize = 8;

/// Where the disk requests of a turn go.
#[derive(Debug)]
pub enum DiskPort {
    /// To a disk that is shared with a thread of its own.
    Shared(Arc<DiskQueue>),
    /// Nowhere: answered at once.
    Volatile(Mutex<VolatileDisk>),
}

/// The node behind its lock, its inbox, and the ways out of it.
///
/// *Invariants*: inputs are handled in the order in which they were submitted; effects leave in the order in which the
/// node appended them; when the inbox is not empty, somebody holds the lock or is about to try.
pub struct Turn {
    seat: Mutex<Seat>,
    inbox: Mutex<Inbox>,
    clock: Clock,
    disk: DiskPort,
    chores: Arc<Chores>,
    backlog: Arc<Backlog>,
    bell: Bell,
    /// Wakes the task that goes on where a worker left off.
    relief: Notify,
    /// When the running turn began, in nanoseconds of the clock; 0 between turns.
    began: AtomicU64,
    /// A turn panicked: the node is not to be trusted any more.
    broken: AtomicBool,
}

struct Seat {
    node: Box<dyn Brain>,
    effects: Effects,
    mailboxes: FxHashMap<ConnectionId, Arc<Mailbox>>,
    /// What the turn has taken from the inbox.
    inputs: Vec<Input>,
    woken: Vec<Waker>,
}

enum Entry {
    Input(Input),
    /// A connection and where its events go.
    Join(ConnectionId, Arc<Mailbox>),
    /// A connection is gone.
    Leave(ConnectionId),
}

impl Entry {
    /// How many commands it is.
    fn commands(&self) -> usize {
        match self {
            Self::Input(Input::Client(_, commands)) => commands.len().max(1),
            _ => 1,
        }
    }

    /// About how many bytes it holds.
    fn size(&self) -> u64 {
        const COMMAND: u64 = size_of::<Command>() as u64;
        let Self::Input(Input::Client(_, commands)) = self else {
            return COMMAND;
        };
        let size = |command: &Command| match command {
            Command::Send(_, send) => COMMAND + send.message.body.in_memory(),
            Command::Upload(_, UploadCommand::Append(bytes)) => COMMAND + bytes.len() as u64,
            _ => COMMAND,
        };
        commands.iter().map(size).sum()
    }
}

/// What has been submitted and no turn has taken yet.
#[derive(Default)]
struct Inbox {
    entries: VecDeque<Entry>,
    /// The sum of the entries' sizes.
    size: u64,
}

impl Inbox {
    fn push_back(&mut self, entry: Entry) {
        self.size += entry.size();
        self.entries.push_back(entry);
    }

    fn push_front(&mut self, entry: Entry) {
        self.size += entry.size();
        self.entries.push_front(entry);
    }

    fn pop_front(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.size -= entry.size();
        Some(entry)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("waiting", &self.inbox.lock().entries.len())
            .finish_non_exhaustive()
    }
}

impl Turn {
    /// A node that has not been told anything yet.
    pub fn new(
        node: Box<dyn Brain>,
        clock: Clock,
        disk: DiskPort,
        chores: Arc<Chores>,
        backlog: Arc<Backlog>,
    ) -> Self {
        Self {
            seat: Mutex::new(Seat {
                node,
                effects: Effects::default(),
                mailboxes: FxHashMap::default(),
                inputs: Vec::new(),
                woken: Vec::new(),
            }),
            inbox: Mutex::new(Inbox::default()),
            clock,
            disk,
            chores,
            backlog,
            bell: Bell::default(),
            relief: Notify::new(),
            began: AtomicU64::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Hands an input to the node, and runs the turn if nobody else does.
    pub fn submit(&self, input: Input) {
        self.enter([Entry::Input(input)]);
    }

    /// Hands several inputs to the node, in order and with nothing in between.
    pub fn submit_all(&self, inputs: impl IntoIterator<Item = Input>) {
        self.enter(inputs.into_iter().map(Entry::Input));
    }

    /// A connection exists from now on; its events go to `mailbox`.
    pub fn join(&self, id: ConnectionId, mailbox: Arc<Mailbox>) {
        self.enter([Entry::Join(id, mailbox)]);
    }

    /// A connection is gone. Must be called exactly once for every [`Turn::join`].
    pub fn leave(&self, id: ConnectionId) {
        self.enter([Entry::Leave(id)]);
    }

    /// For how long the turn that runs now has been running.
    pub fn running_for(&self) -> Option<Duration> {
        match self.began.load(Ordering::Relaxed) {
            0 => None,
            began => Some(self.clock.monotonic().since(Instant::from_nanos(began))),
        }
    }

    fn enter(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut inbox = self.inbox.lock();
        entries.into_iter().for_each(|entry| inbox.push_back(entry));
        // Said before a turn can take it, because the end of that turn says the opposite.
        self.backlog.grown_to(inbox.size);
        drop(inbox);
        self.run();
    }

    fn run(&self) {
        for _ in 0..TURNS_IN_A_ROW {
            if self.inbox.lock().entries.is_empty() {
                return;
            }
            let Some(mut seat) = self.seat.try_lock() else {
                // The holder looks into the inbox again after it has let go of the lock.
                return;
            };
            let round = panic::catch_unwind(AssertUnwindSafe(|| self.round(&mut seat)));
            self.began.store(0, Ordering::Relaxed);
            let mut woken = std::mem::take(&mut seat.woken);
            drop(seat);
            self.serve_disk(round.as_ref().is_ok_and(|awaited| *awaited));
            woken.drain(..).for_each(Waker::wake);
            if round.is_err() {
                self.broken.store(true, Ordering::Release);
                self.chores.node_broke();
            }
        }
        self.relief.notify_one();
    }

    /// One turn: a bounded part of the inbox, one reading of the clock, then all effects. Whether tasks are woken for
    /// them: the runtime may have bound them to this worker.
    fn round(&self, seat: &mut Seat) -> bool {
        self.take(seat);
        if self.broken.load(Ordering::Acquire) {
            seat.inputs.clear();
        }
        if seat.inputs.is_empty() {
            return false;
        }
        let now = self.clock.now();
        self.began
            .store(now.monotonic.as_nanos().max(1), Ordering::Relaxed);
        let mut inputs = seat.inputs.drain(..);
        seat.node.handle(now, &mut inputs, &mut seat.effects);
        drop(inputs);
        let chores = self.release(seat);
        let moved = self.bell.ring_at(seat.node.deadline(now));
        let waiting = self.inbox.lock().size;
        self.backlog.set(seat.node.backlog() + waiting);
        chores || moved || !seat.woken.is_empty()
    }

    /// Moves a bounded part of the inbox to the seat, and keeps the list of mailboxes on the way.
    fn take(&self, seat: &mut Seat) {
        let mut inbox = self.inbox.lock();
        let mut weight = 0;
        while weight < TURN_COMMANDS
            && let Some(entry) = inbox.pop_front()
        {
            weight += entry.commands();
            seat.inputs.push(match entry {
                Entry::Input(input) => input,
                Entry::Join(id, mailbox) => {
                    seat.mailboxes.insert(id, mailbox);
                    Input::Connected(id)
                }
                Entry::Leave(id) => {
                    seat.mailboxes.remove(&id);
                    Input::Disconnected(id)
                }
            });
        }
    }

    /// Lets the effects of a turn go, each kind in order. Whether there are chores.
    fn release(&self, seat: &mut Seat) -> bool {
        let effects = &mut seat.effects;
        if !effects.disk.is_empty() {
            self.ask_disk(effects);
        }
        post(&mut effects.events, &seat.mailboxes, &mut seat.woken);
        let chores = !effects.doors.is_empty() || !effects.notices.is_empty();
        if chores {
            self.chores.add(&mut effects.doors, &mut effects.notices);
        }
        chores
    }

    fn ask_disk(&self, effects: &mut Effects) {
        match &self.disk {
            DiskPort::Shared(queue) => queue.push(&mut effects.disk),
            DiskPort::Volatile(disk) => {
                let mut disk = disk.lock();
                let answers = effects.disk.drain(..).filter_map(|it| disk.execute(it));
                // Handled before anything that came later, by whoever holds the lock now.
                let mut inbox = self.inbox.lock();
                for answer in answers.collect::<Vec<_>>().into_iter().rev() {
                    inbox.push_front(Entry::Input(Input::Disk(answer)));
                }
            }
        }
    }

    /// Sees to what the turn has asked of the disk, after letting go of the node. What this worker carries out itself
    /// is answered in the next turn, most likely its own.
    fn serve_disk(&self, awaited: bool) {
        if let DiskPort::Shared(queue) = &self.disk {
            queue.serve(awaited, |completions| {
                let mut inbox = self.inbox.lock();
                let entries = completions.into_iter().map(Input::Disk).map(Entry::Input);
                entries.for_each(|entry| inbox.push_back(entry));
            });
        }
    }

    /// Tells the node the time whenever its deadline has come, and goes on where workers leave off. Never ends.
    pub async fn keep_time(&self) {
        loop {
            let deadline = self.bell.await_for();
            tokio::select! {
                () = sleep_until(self.clock, deadline) => {
                    self.bell.rang();
                    self.submit(Input::Time);
                }
                () = self.bell.moved.notified() => {}
                () = self.relief.notified() => self.run(),
            }
        }
    }
}

async fn sleep_until(clock: Clock, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(clock.at(deadline)).await,
        None => std::future::pending().await,
    }
}

/// Groups the events by connection, in order, and collects whom to wake.
fn post(
    events: &mut Vec<(ConnectionId, Event)>,
    mailboxes: &FxHashMap<ConnectionId, Arc<Mailbox>>,
    woken: &mut Vec<Waker>,
) {
    let mut events = events.drain(..).peekable();
    while let Some((id, first)) = events.next() {
        let mut same = std::iter::from_fn(|| Some(events.next_if(|(next, _)| *next == id)?.1));
        match mailboxes.get(&id) {
            Some(mailbox) => woken.extend(mailbox.put(std::iter::once(first).chain(same))),
            // The connection has gone before its events came.
            None => while same.next().is_some() {},
        }
    }
}

/// When the node wants to be told the time.
///
/// The timer sleeps towards a moment; it is disturbed only if an earlier one is asked for, because a later one costs
/// nothing more than waking once in vain.
#[derive(Debug)]
struct Bell {
    wanted: AtomicU64,
    awaited: AtomicU64,
    moved: Notify,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            wanted: AtomicU64::new(u64::MAX),
            awaited: AtomicU64::new(u64::MAX),
            moved: Notify::new(),
        }
    }
}

impl Bell {
    /// Whether the timer is disturbed.
    fn ring_at(&self, deadline: Option<Instant>) -> bool {
        let wanted = deadline.map_or(u64::MAX, Instant::as_nanos);
        self.wanted.store(wanted, Ordering::SeqCst);
        let earlier = wanted < self.awaited.load(Ordering::SeqCst);
        if earlier {
            self.moved.notify_one();
        }
        earlier
    }

    /// What the timer is to sleep towards.
    fn await_for(&self) -> Option<Instant> {
        let mut wanted = self.wanted.load(Ordering::SeqCst);
        loop {
            self.awaited.store(wanted, Ordering::SeqCst);
            let again = self.wanted.load(Ordering::SeqCst);
            if again >= wanted {
                return (wanted < u64::MAX).then(|| Instant::from_nanos(wanted));
            }
            wanted = again;
        }
    }

    /// The moment awaited has come; the turn that follows says what is wanted next.
    fn rang(&self) {
        self.wanted.store(u64::MAX, Ordering::SeqCst);
        self.awaited.store(u64::MAX, Ordering::SeqCst);
    }
}
