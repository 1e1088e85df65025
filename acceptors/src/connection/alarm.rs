// SPDX-License-Identifier: Apache-2.0
//! A timer that is only disturbed when it would ring too late.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hind_engine::time::Instant;
use tokio::time::Sleep;

use crate::host::clock::Clock;

/// Wakes a connection at its machine's deadline. Costs nothing until a deadline exists.
#[derive(Debug, Default)]
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// What it sleeps towards.
    set: Option<Instant>,
    /// Before this it does not ring again, whatever it is asked.
    quiet_until: Instant,
}

impl Alarm {
    /// A machine whose deadline stays in the past must not keep its worker busy.
    const QUIET: Duration = Duration::from_millis(1);

    /// Ready when `deadline` has passed. A deadline later than the last one does not touch the timer: it wakes once
    /// in vain instead.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: Clock,
        deadline: Option<Instant>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let deadline = deadline.max(self.quiet_until);
        if self.set.is_none_or(|set| set > deadline) {
            self.set(clock, deadline);
        }
        while let Some(sleep) = &mut self.sleep {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = clock.monotonic();
            if deadline <= now {
                self.set = None;
                self.quiet_until = now.after(Self::QUIET);
                return Poll::Ready(());
            }
            self.set(clock, deadline);
        }
        Poll::Pending
    }

    fn set(&mut self, clock: Clock, to: Instant) {
        let at = clock.at(to);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            none => *none = Some(Box::pin(tokio::time::sleep_until(at))),
        }
        self.set = Some(to);
    }
}
