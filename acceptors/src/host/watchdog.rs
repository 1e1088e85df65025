// SPDX-License-Identifier: Apache-2.0
//! Notices turns that take too long: everybody waits for them.

use std::time::Duration;

use super::lines::Line;
use super::turn::Turn;

/// How often the turn is looked at.
pub const PERIOD: Duration = Duration::from_secs(1);

/// Remembers whether the running turn has been complained about.
#[derive(Debug, Default)]
pub struct Watchdog {
    complained: bool,
}

impl Watchdog {
    /// A turn is meant to take a millisecond.
    const TOO_LONG: Duration = Duration::from_secs(1);

    /// Says so, once per turn, when the turn that runs now takes too long.
    pub fn look(&mut self, turn: &Turn) -> Option<Line> {
        let Some(running) = turn.running_for().filter(|it| *it > Self::TOO_LONG) else {
            self.complained = false;
            return None;
        };
        if std::mem::replace(&mut self.complained, true) {
            return None;
        }
        Some(Line::server_warn(format!(
            "the broker has been busy with one turn for {:.1} seconds: all clients wait",
            running.as_secs_f64()
        )))
    }
}
