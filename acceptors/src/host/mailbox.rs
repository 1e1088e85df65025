// SPDX-License-Identifier: Apache-2.0
//! What the node has said to one connection and the connection has not heard yet.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use hind_engine::event::Event;
use parking_lot::Mutex;

/// Events for one connection, and who to wake for them.
///
/// Bounded by what the connection asked for: consumers' credit and the tickets it may have open.
#[derive(Debug, Default)]
pub struct Mailbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    /// The connection's task, while it sleeps.
    sleeper: Option<Waker>,
}

impl Mailbox {
    /// Adds events, in order. Returns the task to wake, the first time after it fell asleep.
    #[must_use]
    pub fn put(&self, events: impl IntoIterator<Item = Event>) -> Option<Waker> {
        let mut inner = self.inner.lock();
        inner.events.extend(events);
        inner.sleeper.take()
    }

    /// Moves everything to `heard`, which must be empty; `false` if there is nothing. Whoever takes is awake: what comes
    /// until it falls asleep again wakes nobody, least of all when it runs the node's turn itself.
    pub fn take(&self, heard: &mut VecDeque<Event>) -> bool {
        let mut inner = self.inner.lock();
        inner.sleeper = None;
        std::mem::swap(&mut inner.events, heard);
        !heard.is_empty()
    }

    /// Falls asleep, unless there is something.
    pub fn poll_any(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.inner.lock();
        if !inner.events.is_empty() {
            return Poll::Ready(());
        }
        inner.sleeper = Some(cx.waker().clone());
        Poll::Pending
    }
}
