// SPDX-License-Identifier: Apache-2.0
//! What the last syncs say about the next one: whether company is worth waiting for, and whether a worker may carry it
//! out on its own.

use std::time::Duration;

/// Decides how the next sync is done.
#[derive(Debug)]
pub struct Pace {
    /// `journal-buffer-timeout`.
    longest: Duration,
    /// Syncs that take less are fast.
    fast: Duration,
    /// How many demands for a sync the last one and its aftermath saw.
    crowd: usize,
    /// How long the last sync took.
    sync: Duration,
    /// How many syncs in a row were demanded by one only, and fast.
    calm: u32,
}

impl Pace {
    /// What a worker may be kept from its sockets. Of longer syncs, waking two threads is a small part.
    pub const FAST: Duration = Duration::from_millis(1);
    /// One quiet moment in a crowd, or one fast sync of a slow disk, is no rule yet.
    pub const CALM_AFTER: u32 = 16;

    /// Never waits longer than `longest`; never calm if `fast` is zero.
    pub fn new(longest: Duration, fast: Duration) -> Self {
        Self {
            longest,
            fast,
            crowd: 0,
            sync: Duration::ZERO,
            calm: 0,
        }
    }

    /// How many demands for a sync to wait for, and how long; `None` to start at once.
    pub fn advice(&self) -> Option<(usize, Duration)> {
        /// Below this a sleep costs more than it gathers.
        const WORTHWHILE: Duration = Duration::from_micros(20);
        let patience = (self.sync / 2).min(self.longest);
        (self.crowd > 1 && patience >= WORTHWHILE).then_some((self.crowd, patience))
    }

    /// Whether the next sync is likely to be demanded by one only, and to be fast.
    pub fn is_calm(&self) -> bool {
        self.calm >= Self::CALM_AFTER
    }

    /// Much was written at once: more will come before that is answered.
    pub fn disturb(&mut self) {
        self.calm = 0;
    }

    /// A round that met `taken` demands took `sync`, and `waiting` more had come when it was over. A round without a
    /// sync teaches nothing.
    pub fn learn(&mut self, taken: usize, waiting: usize, sync: Duration) {
        if taken == 0 {
            return;
        }
        self.crowd = taken + waiting;
        self.sync = sync;
        self.calm = if self.crowd == 1 && sync < self.fast {
            self.calm.saturating_add(1)
        } else {
            0
        };
    }
}
