// SPDX-License-Identifier: Apache-2.0
//! When the disk starts, and with how much: one thread takes all that has queued, writes it, syncs once, answers once.
//!
//! A sync starts at once when nobody else is expected. Where the last one found a crowd, it waits for as many batches
//! that demand a sync as came last time, at most half as long as a sync takes and never longer than
//! `journal-buffer-timeout`: messages per sync decide the bill, because a sync costs the same whatever its size up to
//! some 100 KiB. Batches that demand none are written at once: nobody waits for the disk's word on them.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hind_engine::storage::request::{Completion, Request};
use parking_lot::{Condvar, Mutex};

use super::Disk;
use super::bulk::BulkQueue;

/// The way from the turn to the disk thread.
#[derive(Debug, Default)]
pub struct DiskQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Where what is not the journal's goes.
    bulk: Arc<BulkQueue>,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: Vec<Request>,
    /// How many of them demand a sync.
    demanding: usize,
    sleeper: Sleeper,
    closed: bool,
}

/// What the disk thread sleeps for.
#[derive(Clone, Copy, Debug, Default)]
enum Sleeper {
    /// It is awake.
    #[default]
    None,
    /// Anything.
    Request,
    /// So many requests that demand a sync.
    Crowd(usize),
}

/// What the disk thread has taken.
#[derive(Debug, Default)]
struct Taken {
    requests: Vec<Request>,
    demanding: usize,
}

fn demands_sync(request: &Request) -> bool {
    matches!(request, Request::Batch(batch) if batch.sync)
}

impl DiskQueue {
    /// A queue that leaves pages and large messages to `bulk`.
    pub fn beside(bulk: Arc<BulkQueue>) -> Self {
        Self {
            bulk,
            ..Self::default()
        }
    }

    /// Queues requests, in order, and wakes the disk if it has been waiting for them.
    pub fn push(&self, requests: &mut Vec<Request>) {
        self.bulk.take_from(requests);
        if requests.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock();
        waiting.demanding += requests.iter().filter(|it| demands_sync(it)).count();
        waiting.requests.append(requests);
        let due = match waiting.sleeper {
            Sleeper::None => false,
            Sleeper::Request => true,
            Sleeper::Crowd(crowd) => waiting.demanding >= crowd,
        };
        if due {
            waiting.sleeper = Sleeper::None;
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Ends the disk thread once everything queued is done.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Waits until something is queued, then for company as `pace` advises, and takes everything. `false` when closed.
    fn take(&self, pace: &Pace, taken: &mut Taken) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting.sleeper = Sleeper::Request;
            self.arrived.wait(&mut waiting);
        }
        if let Some((crowd, patience)) = pace.advice()
            && (1..crowd).contains(&waiting.demanding)
            && !waiting.closed
        {
            waiting.sleeper = Sleeper::Crowd(crowd);
            self.arrived.wait_for(&mut waiting, patience);
        }
        waiting.sleeper = Sleeper::None;
        taken.demanding = std::mem::take(&mut waiting.demanding);
        std::mem::swap(&mut waiting.requests, &mut taken.requests);
        true
    }

    /// How many that demand a sync wait already.
    fn demanding(&self) -> usize {
        self.waiting.lock().demanding
    }
}

/// Decides whether to wait for company.
#[derive(Debug)]
pub struct Pace {
    /// `journal-buffer-timeout`.
    longest: Duration,
    /// How many demands for a sync the last one and its aftermath saw.
    crowd: usize,
    /// How long the last sync took.
    sync: Duration,
}

impl Pace {
    /// Never waits longer than `longest`.
    pub fn new(longest: Duration) -> Self {
        Self {
            longest,
            crowd: 0,
            sync: Duration::ZERO,
        }
    }

    /// How many demands for a sync to wait for, and how long; `None` to start at once.
    pub fn advice(&self) -> Option<(usize, Duration)> {
        /// Below this a sleep costs more than it gathers.
        const WORTHWHILE: Duration = Duration::from_micros(20);
        let patience = (self.sync / 2).min(self.longest);
        (self.crowd > 1 && patience >= WORTHWHILE).then_some((self.crowd, patience))
    }

    /// A round that met `taken` demands took `sync`, and `waiting` more had come when it was over. A round without a
    /// sync teaches nothing.
    pub fn learn(&mut self, taken: usize, waiting: usize, sync: Duration) {
        if taken > 0 {
            self.crowd = taken + waiting;
            self.sync = sync;
        }
    }
}

/// Starts the disk thread. `answer` is given the completions of every round and may take its time: what queues
/// meanwhile shares the next sync.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    mut disk: Disk,
    queue: Arc<DiskQueue>,
    longest_wait: Duration,
    mut answer: impl FnMut(Vec<Completion>) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("hind-disk".to_owned())
        .stack_size(512 * 1024)
        .spawn(move || {
            let mut pace = Pace::new(longest_wait);
            let mut taken = Taken::default();
            while queue.take(&pace, &mut taken) {
                let began = Instant::now();
                let completions = disk.execute_all(taken.requests.drain(..));
                let took = began.elapsed();
                if !completions.is_empty() {
                    answer(completions);
                }
                pace.learn(taken.demanding, queue.demanding(), took);
            }
        })
}
