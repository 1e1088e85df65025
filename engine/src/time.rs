// SPDX-License-Identifier: Apache-2.0
//! Time as the pure crates see it: told, never asked.

use std::time::Duration;

/// A moment on the host's monotonic clock, in nanoseconds since an origin of the host's choice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Instant(u64);

impl Instant {
    /// The moment `nanos` nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `duration` later; stays at the end of time rather than wrapping.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// What the host knows of the time when something arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For timers and leases: never goes back.
    pub monotonic: Instant,
    /// Milliseconds since 1970-01-01 UTC: for what messages carry (timestamp, expiration, schedule). May jump.
    pub wall: u64,
}

impl Now {
    /// The monotonic moment at which the wall clock will show `wall` milliseconds, if neither clock jumps.
    #[must_use]
    pub fn at_wall(self, wall: u64) -> Instant {
        self.monotonic
            .after(Duration::from_millis(wall.saturating_sub(self.wall)))
    }
}
