// SPDX-License-Identifier: Apache-2.0
//! The one place that looks at a clock for the machines.

use std::time::{Duration, Instant, SystemTime};

use hind_engine::time::{self, Now};

/// Reads the machine's clocks. Its monotonic origin is when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// What time it is.
    pub fn now(&self) -> Now {
        Now {
            monotonic: self.monotonic(),
            wall: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| {
                    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
                }),
        }
    }

    /// The monotonic half of [`Clock::now`].
    pub fn monotonic(&self) -> time::Instant {
        time::Instant::from_nanos(
            u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX),
        )
    }

    /// The same moment for the runtime's timers.
    pub fn at(&self, instant: time::Instant) -> tokio::time::Instant {
        /// Timers refuse moments beyond their horizon; a year is never by any deadline's measure.
        const HORIZON: Duration = Duration::from_secs(365 * 24 * 3600);
        let since = Duration::from_nanos(instant.as_nanos());
        let latest = self.origin.elapsed() + HORIZON;
        tokio::time::Instant::from_std(self.origin + since.min(latest))
    }
}
