// SPDX-License-Identifier: Apache-2.0
//! Holds readers back while more is on its way to the node and the disk than is good for the memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// A gate for all sockets: shut above a limit of bytes on their way, open again below half of it.
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

    /// `bytes` are on their way to the node: shuts if that alone is too much.
    pub fn grown_to(&self, bytes: u64) {
        if bytes > self.limit {
            self.shut();
        }
    }

    /// `bytes` are on their way to the node or unwritten in it, at the end of a turn.
    pub fn set(&self, bytes: u64) {
        if bytes > self.limit {
            self.shut();
        } else if bytes <= self.limit / 2 && self.is_shut() {
            let mut waiting = self.waiting.lock();
            if self.is_shut() {
                self.phase.fetch_add(1, Ordering::SeqCst);
            }
            let waiting = std::mem::take(&mut *waiting);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    fn is_shut(&self) -> bool {
        !self.phase.load(Ordering::SeqCst).is_multiple_of(2)
    }

    fn shut(&self) {
        if !self.is_shut() {
            let _waiting = self.waiting.lock();
            if !self.is_shut() {
                self.phase.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Whether sockets may be read; if not, the caller is woken when they may. `asked` is the caller's memory of having
    /// asked, 0 at first.
    pub fn poll_open(&self, cx: &Context<'_>, asked: &mut u64) -> Poll<()> {
        let phase = self.phase.load(Ordering::SeqCst);
        if phase.is_multiple_of(2) {
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
