// SPDX-License-Identifier: Apache-2.0
//! What a client may count on of its session at the broker: whether it is there, and until when.

use super::{Book, MISSED, SLACK, after, broken};
use crate::simulator::check::Violation;

/// What is known of a client's session while it has no connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// There may be one.
    pub possible: bool,
    /// There certainly was one when its connection ended.
    pub certain: bool,
    /// How long it outlives its connection, at least and at most, in seconds.
    pub expiry: (u32, u32),
    /// When its connection ended, at the earliest.
    left: u64,
    /// When the broker knew, at the latest, unless it has crashed since.
    noticed: u64,
    /// How often the broker had crashed then.
    crashes: u32,
}

impl Known {
    /// A CONNECT is about to be sent.
    pub fn connecting(&mut self, clean: bool, expiry: u32) {
        self.certain &= !clean;
        self.expiry = match self.possible {
            true => (self.expiry.0.min(expiry), self.expiry.1.max(expiry)),
            false => (expiry, expiry),
        };
    }

    /// The CONNACK of a CONNECT that was sent at `sent` has come.
    ///
    /// # Errors
    /// There is no session although there must be one, or the other way round.
    pub fn connected(
        &mut self,
        before: &Self,
        clean: bool,
        present: bool,
        (sent, now): (u64, u64),
        (crashes, book): (u32, &Book),
    ) -> Result<(), Violation> {
        let lasts = after(before.left, before.expiry.0) > now + SLACK;
        if !clean && !present && before.certain && before.expiry.0 > 0 && lasts {
            return broken(format!("a session is gone at {now}: {before:?}"));
        }
        let over = before.is_over(sent, crashes, book);
        if present && (clean || !before.possible || over) {
            return broken(format!("a session is there at {now}: {before:?}"));
        }
        self.possible = true;
        self.certain = true;
        Ok(())
    }

    /// Its connection has ended, which was last heard of at `heard`.
    pub fn left(&mut self, was_connected: bool, heard: u64, now: u64, crashes: u32) {
        if was_connected {
            self.left = heard;
        }
        self.possible = true;
        self.noticed = now + MISSED;
        self.crashes = crashes;
    }

    /// Whether it has certainly ended.
    pub fn is_over(&self, now: u64, crashes: u32, book: &Book) -> bool {
        let noticed = match crashes == self.crashes {
            true => self.noticed,
            false => self.noticed.max(book.opened),
        };
        let ended_with_connection = self.expiry.1 == 0 && crashes == self.crashes;
        ended_with_connection || now > after(noticed, self.expiry.1).saturating_add(SLACK)
    }

    /// Whether it may have ended. If it has, and another has begun of which its client was never told, the client cannot tell
    /// the one from the other.
    pub fn may_be_over(&self, now: u64) -> bool {
        self.possible && now.saturating_add(SLACK) >= after(self.left, self.expiry.0)
    }

    /// Whether it may end with its connection.
    pub fn may_end(&self) -> bool {
        self.expiry.0 == 0
    }
}
