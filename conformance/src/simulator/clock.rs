// SPDX-License-Identifier: Apache-2.0
//! Virtual time: nanoseconds since the run began, and what the two clocks of a host show then.

use hind_engine::time::{Instant, Now};

/// What the wall clock shows when a run begins, in milliseconds since 1970.
const EPOCH: u64 = 1_750_000_000_000;

/// One millisecond of virtual time.
pub const MILLISECOND: u64 = 1_000_000;

/// What the wall clock shows at `now`, in milliseconds since 1970.
pub fn wall(now: u64) -> u64 {
    EPOCH + now / MILLISECOND
}

/// Both clocks at `now`.
pub fn at(now: u64) -> Now {
    Now {
        monotonic: Instant::from_nanos(now),
        wall: wall(now),
    }
}
