// SPDX-License-Identifier: Apache-2.0
//! Holds readers back while the node has given the disk more than it has stored.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// A gate for all sockets: shut above a limit of unwritten bytes, open again below half of it.
#[derive(Debug)]
pub struct Backlog {
    limit: u64,
    /// Counts openings and shuttings: even while open.
    phase: AtomicU64,
    waiting: Mutex<Vec<Waker>>,
}

impl Backlog {
    /// Shuts above `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            phase: AtomicU64::new(0),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// The node has `bytes` unwritten. Only the holder of the turn says so.
    pub fn set(&self, bytes: u64) {
        let shut = self.phase.load(Ordering::SeqCst) % 2 == 1;
        if !shut && bytes > self.limit {
            self.phase.fetch_add(1, Ordering::SeqCst);
        } else if shut && bytes <= self.limit / 2 {
            let mut waiting = self.waiting.lock();
            self.phase.fetch_add(1, Ordering::SeqCst);
            let waiting = std::mem::take(&mut *waiting);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether sockets may be read; if not, the caller is woken when they may. `asked` is the caller's memory of having
    /// asked, 0 at first.
    pub fn poll_open(&self, cx: &Context<'_>, asked: &mut u64) -> Poll<()> {
        let phase = self.phase.load(Ordering::SeqCst);
        if phase % 2 == 0 {
            return Poll::Ready(());
        }
        if *asked != phase {
            let mut waiting = self.waiting.lock();
            if self.phase.load(Ordering::SeqCst) != phase {
                return Poll::Ready(());
            }
            waiting.push(cx.waker().clone());
            *asked = phase;
        }
        Poll::Pending
    }
}
