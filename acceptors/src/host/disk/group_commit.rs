// SPDX-License-Identifier: Apache-2.0
//! Who carries the disk's requests out, when, and with how much.
//!
//! The disk lies on a desk, beside what waits for it. Whoever takes requests takes all of them and the disk with them,
//! answers before putting it back, and then sees to what has come meanwhile. So requests are carried out and answered
//! in order, and none is left lying.
//!
//! *In a calm* (the last syncs were demanded by one only, for a few messages at most, and fast) it is the worker that
//! ran the turn: no thread has to be woken between a message and its receipt, which would take longer than the sync
//! does. Its sockets wait meanwhile; if that takes unexpectedly long, the disk thread, which then looks on, has another
//! worker see to them.
//!
//! *Otherwise* it is the disk thread. A sync starts at once when nobody else is expected. Where the last one found a
//! crowd, it waits for as many batches that demand a sync as came last time, at most half as long as a sync takes and
//! never longer than `journal-buffer-timeout`: messages per sync decide the bill, because a sync costs the same
//! whatever its size up to some 100 KiB. Batches that demand none are written at once: nobody waits for the disk's word
//! on them.

use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hind_engine::storage::request::{Completion, Request};
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::bulk::BulkQueue;
use super::pace::Pace;

/// Carries out all requests of a list, in order, and returns the answers.
pub type Executor = Box<dyn FnMut(&mut Vec<Request>) -> Vec<Completion> + Send>;

/// How long a worker may be away with the disk before another one is woken to see to its sockets; at most twice this.
const ABSENCE: Duration = Duration::from_millis(10);

/// The way from the turn to the disk.
///
/// *Invariants*: requests are carried out, and answered, in the order in which they were queued; when requests wait,
/// then somebody has the disk and will look again, or whoever queued them is about to call [`DiskQueue::serve`], or the
/// disk thread is awake or waits for company until a certain time.
#[derive(Debug)]
pub struct DiskQueue {
    desk: Mutex<Desk>,
    called: Condvar,
    /// Where what is not the journal's goes.
    bulk: Arc<BulkQueue>,
}

struct Desk {
    requests: Vec<Request>,
    /// How many of them demand a sync.
    demanding: usize,
    /// Away while somebody carries out requests with it, and when the disk thread has ended.
    disk: Option<Executor>,
    /// How often workers have taken the disk.
    helped: u64,
    pace: Pace,
    sleeper: Sleeper,
    closed: bool,
    /// Carrying out requests panicked: nothing is carried out any more.
    broken: bool,
}

/// What the disk thread sleeps for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Sleeper {
    /// It is awake.
    #[default]
    None,
    /// Anything: workers have not taken the disk for a while.
    Anything,
    /// A call, looking on meanwhile how workers fare with the disk.
    Call,
    /// So many requests that demand a sync.
    Crowd(usize),
}

/// The disk, and what is to be done with it.
struct Taken {
    disk: Executor,
    requests: Vec<Request>,
    demanding: usize,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("waiting", &self.requests.len())
            .field("away", &self.disk.is_none())
            .field("pace", &self.pace)
            .field("sleeper", &self.sleeper)
            .finish_non_exhaustive()
    }
}

fn demands_sync(request: &Request) -> bool {
    matches!(request, Request::Batch(batch) if batch.sync)
}

/// Whether carrying it out is a write and at most one sync: not the first write of a segment, which creates a file.
fn is_plain(request: &Request) -> bool {
    matches!(request, Request::Batch(batch) if batch.writes.iter().all(|write| write.offset > 0))
}

/// Whether it is a few messages at most. A client that sends more at once does not wait for each, and is better read
/// while the disk thread writes.
fn is_light(requests: &[Request]) -> bool {
    const LIGHT: u64 = 4 * 1024;
    let size = |request: &Request| match request {
        Request::Batch(batch) => batch.writes.iter().map(|write| write.len()).sum(),
        _ => 0,
    };
    requests.iter().map(size).sum::<u64>() <= LIGHT
}

impl Desk {
    /// Whether what waits is little enough for a worker, and the times are calm. A worker that is `awaited` by tasks it
    /// has woken itself does not sync.
    fn suits_worker(&self, awaited: bool) -> bool {
        const FEW: usize = 4;
        self.pace.is_calm()
            && self.demanding <= usize::from(!awaited)
            && self.requests.len() <= FEW
            && self.requests.iter().all(is_plain)
            && is_light(&self.requests)
            && !self.closed
    }

    fn take(&mut self) -> Option<Taken> {
        if self.requests.is_empty() {
            return None;
        }
        Some(Taken {
            disk: self.disk.take()?,
            requests: std::mem::take(&mut self.requests),
            demanding: std::mem::take(&mut self.demanding),
        })
    }
}

impl DiskQueue {
    /// A queue whose disk thread never waits longer than `longest_wait` for company. In a calm workers carry out what is
    /// likely to take less than `fast`, most often [`Pace::FAST`]; zero if there is no other worker to see to the sockets.
    pub fn new(longest_wait: Duration, fast: Duration) -> Self {
        Self {
            desk: Mutex::new(Desk {
                requests: Vec::new(),
                demanding: 0,
                disk: None,
                helped: 0,
                pace: Pace::new(longest_wait, fast),
                sleeper: Sleeper::None,
                closed: false,
                broken: false,
            }),
            called: Condvar::new(),
            bulk: Arc::default(),
        }
    }

    /// The same, leaving pages and large messages to `bulk`.
    #[must_use]
    pub fn beside(self, bulk: Arc<BulkQueue>) -> Self {
        Self { bulk, ..self }
    }

    /// Queues requests, in order. [`DiskQueue::serve`] must follow.
    pub fn push(&self, requests: &mut Vec<Request>) {
        self.bulk.take_from(requests);
        let mut desk = self.desk.lock();
        desk.demanding += requests.iter().filter(|it| demands_sync(it)).count();
        desk.requests.append(requests);
    }

    /// Sees to it that what is queued is carried out: here and now, giving `answer` the completions, or by the disk
    /// thread. A worker that is `awaited` by tasks it has woken itself does not sync.
    pub fn serve(&self, awaited: bool, mut answer: impl FnMut(Vec<Completion>)) {
        let mut desk = self.desk.lock();
        while desk.suits_worker(awaited)
            && let Some(taken) = desk.take()
        {
            desk.helped += 1;
            if desk.sleeper == Sleeper::Anything {
                self.wake(&mut desk);
            }
            drop(desk);
            desk = self.carry_out(taken, &mut answer);
        }
        self.call(&mut desk);
    }

    /// Ends the disk thread once everything queued is done.
    pub fn close(&self) {
        self.desk.lock().closed = true;
        self.called.notify_all();
    }

    /// Has the disk thread see to what waits, if it does not anyway.
    fn call(&self, desk: &mut Desk) {
        let due = match desk.sleeper {
            Sleeper::None => false,
            Sleeper::Crowd(crowd) => desk.demanding >= crowd,
            // While the disk is away, whoever has it looks again.
            Sleeper::Anything | Sleeper::Call => {
                desk.disk.is_some() && (!desk.requests.is_empty() || desk.closed) || desk.broken
            }
        };
        if due {
            self.wake(desk);
        }
    }

    fn wake(&self, desk: &mut Desk) {
        desk.sleeper = Sleeper::None;
        self.called.notify_one();
    }

    /// Carries out, answers, puts the disk back; in this order.
    fn carry_out(
        &self,
        mut taken: Taken,
        answer: &mut impl FnMut(Vec<Completion>),
    ) -> MutexGuard<'_, Desk> {
        let light = is_light(&taken.requests);
        let began = Instant::now();
        let round = AssertUnwindSafe(|| (taken.disk)(&mut taken.requests));
        let done = panic::catch_unwind(round);
        let took = began.elapsed();
        let broken = done.is_err();
        let completions =
            done.unwrap_or_else(|_| vec![Completion::Failed("the disk panicked".to_owned())]);
        if !completions.is_empty() {
            answer(completions);
        }
        let mut desk = self.desk.lock();
        let waiting = desk.demanding;
        desk.pace.learn(taken.demanding, waiting, took);
        if !light {
            desk.pace.disturb();
        }
        desk.broken = broken;
        desk.disk = (!broken).then_some(taken.disk);
        // The list is kept for its memory.
        if desk.requests.is_empty() && !broken {
            desk.requests = taken.requests;
        }
        desk
    }

    /// Waits until there is something for the disk thread, then for company as the pace advises, and takes everything.
    /// `None` when closed and done.
    fn take(&self, look_on: &mut LookOn) -> Option<Taken> {
        let mut desk = self.desk.lock();
        loop {
            if desk.broken {
                return None;
            }
            if desk.disk.is_some() && !desk.requests.is_empty() {
                self.await_company(&mut desk);
                // Nobody else takes the disk when a crowd is expected, nor without one while this thread is awake.
                if let Some(taken) = desk.take() {
                    return Some(taken);
                }
            } else if desk.closed && desk.disk.is_some() {
                desk.disk = None;
                return None;
            } else {
                look_on.sleep(self, &mut desk);
            }
        }
    }

    fn await_company(&self, desk: &mut MutexGuard<'_, Desk>) {
        if let Some((crowd, patience)) = desk.pace.advice()
            && (1..crowd).contains(&desk.demanding)
            && !desk.closed
        {
            desk.sleeper = Sleeper::Crowd(crowd);
            self.called.wait_for(desk, patience);
            desk.sleeper = Sleeper::None;
        }
    }
}

/// The disk thread, looking on while workers have the disk.
struct LookOn {
    /// How often workers had taken the disk when it looked last.
    seen: u64,
    /// Has another worker see to the sockets.
    relieve: Box<dyn Fn() + Send>,
}

impl LookOn {
    /// Sleeps until called, or for a while when workers have been at the disk since it last looked.
    fn sleep(&mut self, queue: &DiskQueue, desk: &mut MutexGuard<'_, Desk>) {
        if desk.disk.is_some() && desk.helped == self.seen {
            desk.sleeper = Sleeper::Anything;
            queue.called.wait(desk);
        } else {
            self.seen = desk.helped;
            desk.sleeper = Sleeper::Call;
            let slept = queue.called.wait_for(desk, ABSENCE);
            if slept.timed_out() && desk.disk.is_none() && desk.helped == self.seen {
                MutexGuard::unlocked(desk, || (self.relieve)());
            }
        }
        desk.sleeper = Sleeper::None;
    }
}

/// Starts the disk thread. `answer` is given the completions of each of its rounds and may take its time: what queues
/// meanwhile shares the next sync. `relieve` has another worker see to the sockets of one that is kept by the disk.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    disk: Executor,
    queue: Arc<DiskQueue>,
    mut answer: impl FnMut(Vec<Completion>) + Send + 'static,
    relieve: impl Fn() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    queue.desk.lock().disk = Some(disk);
    thread::Builder::new()
        .name("hind-disk".to_owned())
        .stack_size(512 * 1024)
        .spawn(move || {
            let mut look_on = LookOn {
                seen: 0,
                relieve: Box::new(relieve),
            };
            while let Some(taken) = queue.take(&mut look_on) {
                drop(queue.carry_out(taken, &mut answer));
            }
        })
}
