// SPDX-License-Identifier: Apache-2.0
//! When the disk starts, and with how much: one thread takes all that has queued, writes it, syncs once, answers once.
//!
//! A sync starts at once when nobody else is expected. Where the last ones found a crowd, it waits for as many batches
//! as came last time, at most half as long as a sync takes and never longer than `journal-buffer-timeout`: messages per
//! sync decide the bill, because a sync costs the same whatever its size up to some 100 KiB.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hind_engine::storage::request::{Completion, Request};
use parking_lot::{Condvar, Mutex};

use super::Disk;

/// The way from the turn to the disk thread.
#[derive(Debug, Default)]
pub struct DiskQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: Vec<Request>,
    /// The disk thread sleeps until this many requests wait.
    wanted: usize,
    closed: bool,
}

impl DiskQueue {
    /// Queues requests, in order, and wakes the disk if it has been waiting for them.
    pub fn push(&self, requests: &mut Vec<Request>) {
        let mut waiting = self.waiting.lock();
        waiting.requests.append(requests);
        if waiting.wanted > 0 && waiting.requests.len() >= waiting.wanted {
            waiting.wanted = 0;
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Ends the disk thread once everything queued is done.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Waits until something is queued, then for company as `pace` advises, and takes everything. `None` when closed.
    fn take(&self, pace: &Pace, taken: &mut Vec<Request>) -> Option<()> {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting.wanted = 1;
            self.arrived.wait(&mut waiting);
        }
        if let Some((crowd, patience)) = pace.advice()
            && waiting.requests.len() < crowd
            && !waiting.closed
        {
            waiting.wanted = crowd;
            self.arrived.wait_for(&mut waiting, patience);
        }
        waiting.wanted = 0;
        std::mem::swap(&mut waiting.requests, taken);
        Some(())
    }

    fn len(&self) -> usize {
        self.waiting.lock().requests.len()
    }
}

/// Decides whether to wait for company.
#[derive(Debug)]
pub struct Pace {
    /// `journal-buffer-timeout`.
    longest: Duration,
    /// How many requests the last round and its aftermath saw.
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

    /// How many requests to wait for, and how long; `None` to start at once.
    pub fn advice(&self) -> Option<(usize, Duration)> {
        /// Below this a sleep costs more than it gathers.
        const WORTHWHILE: Duration = Duration::from_micros(20);
        let patience = (self.sync / 2).min(self.longest);
        (self.crowd > 1 && patience >= WORTHWHILE).then_some((self.crowd, patience))
    }

    /// A round of `taken` requests took `sync`, and `waiting` had queued when it was over.
    pub fn learn(&mut self, taken: usize, waiting: usize, sync: Duration) {
        self.crowd = taken + waiting;
        self.sync = sync;
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
            let mut taken = Vec::new();
            while queue.take(&pace, &mut taken).is_some() {
                let requests = taken.len();
                let began = Instant::now();
                let completions = disk.execute_all(taken.drain(..));
                let took = began.elapsed();
                if !completions.is_empty() {
                    answer(completions);
                }
                pace.learn(requests, queue.len(), took);
            }
        })
}
