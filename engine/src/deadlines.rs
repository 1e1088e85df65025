// SPDX-License-Identifier: Apache-2.0
//! When the engine has to do something of itself, and doing it: scheduled messages, expiry, open transactions, client sessions, reads that
//! are tried again, unused addresses.

use std::time::Duration;

use crate::engine::{Engine, Turn};
use crate::id::QueueId;
use crate::time::{Instant, Now};

/// How many expired messages of one queue are dealt with in one go.
const EXPIRY_PORTION: usize = 256;
/// How many scheduled messages of one queue are made ready in one go.
const SCHEDULE_PORTION: usize = 4_096;

impl Engine {
    /// When [`Engine::expire`] must be called at the latest.
    pub fn deadline(&self, now: Now) -> Option<Instant> {
        let busy = !self.dirty.is_empty() || !self.page_work.wanting.is_empty() || self.can_copy();
        if busy && !self.failed {
            return Some(now.monotonic);
        }
        let alarm = self.alarms.first().map(|(at, _)| now.at_wall(*at));
        let session = self.state.client_sessions.next_alarm();
        let session = session.map(|at| now.at_wall(at));
        let transaction = self.transaction_deadlines.first().map(|(at, ..)| *at);
        let retry = self.page_work.retries.deadline();
        [
            alarm,
            session,
            transaction,
            retry,
            self.expiry_scan,
            self.address_scan,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Deadlines have passed.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        self.ring_alarms(turn.now);
        self.expire_client_sessions(turn);
        self.time_out_transactions(turn);
        if self.expiry_scan.is_some_and(|at| at <= turn.now.monotonic) {
            self.expiry_scan = self
                .settings
                .expiry_scan_period
                .map(|period| turn.now.monotonic.after(period));
            self.scan_expired(turn);
        }
        if self.address_scan.is_some_and(|at| at <= turn.now.monotonic) {
            self.address_scan = self
                .settings
                .address_queue_scan_period
                .map(|period| turn.now.monotonic.after(period));
            self.delete_unused(turn);
        }
    }

    /// Looks at the queue again when its next scheduled message is due.
    pub(crate) fn set_alarm(&mut self, id: QueueId) {
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        let next = queue.next_scheduled();
        if next == queue.alarm {
            return;
        }
        if let Some(at) = std::mem::replace(&mut queue.alarm, next) {
            self.alarms.remove(&(at, id));
        }
        self.alarms.extend(next.map(|at| (at, id)));
    }

    /// The queue is about to go: nothing is due on it any more.
    pub(crate) fn clear_alarm(&mut self, id: QueueId) {
        let queue = self.state.queues.get_mut(id);
        if let Some(at) = queue.and_then(|queue| queue.alarm.take()) {
            self.alarms.remove(&(at, id));
        }
    }

    /// How many queues wait for a time.
    pub fn alarms(&self) -> usize {
        self.alarms.len()
    }

    /// Lets scheduled messages whose time has come be delivered, a portion of each queue; the next is due at once.
    fn ring_alarms(&mut self, now: Now) {
        let due = self.alarms.range(..=(now.wall, QueueId(u64::MAX)));
        let queues: Vec<QueueId> = due.map(|(_, queue)| *queue).collect();
        for id in queues {
            if let Some(queue) = self.state.queues.get_mut(id) {
                queue.release_due(now.wall, SCHEDULE_PORTION);
            }
            self.mark_dirty(id);
            self.set_alarm(id);
        }
    }

    fn scan_expired(&mut self, turn: &mut Turn<'_>) {
        for id in self.state.queues.ids() {
            let Some(queue) = self.state.queues.get_mut(id) else {
                continue;
            };
            let expired = queue.expired(turn.now.wall, EXPIRY_PORTION);
            if expired.len() == EXPIRY_PORTION {
                // More may be due: go on in the next turn instead of in the next period.
                self.expiry_scan = Some(turn.now.monotonic.after(Duration::from_millis(1)));
            }
            for message in expired {
                queue.hold(message);
                self.expired.push((id, message));
            }
        }
        if self.expire_retained(turn) {
            self.expiry_scan = Some(turn.now.monotonic.after(Duration::from_millis(1)));
        }
        self.scan_expired_pages(turn.now.wall);
    }
}
