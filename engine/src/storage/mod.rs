// SPDX-License-Identifier: Apache-2.0
//! Durable formats and their machines: produces requests, never touches a file. FORMAT.md has the layout byte by byte.

mod journal;
pub mod large_message;
pub mod layout;
pub mod page;
mod pieces;
pub mod record;
pub mod request;
mod settings;

pub use journal::{Content, Damage, Footprint, Liveness, Recovered, Replay, Storage, Visitor};
pub use settings::JournalSettings;

use std::fmt;

/// The index of a record in the log of a node: counts up by one per record from 1 over branches and restarts; 0 is
/// "before the first".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

impl Position {
    /// The position of the record after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Who may speak for a node id: an epoch and its holder. Every record is stamped with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Branch {
    /// Counts up with every activation and every change of the in-sync set.
    pub epoch: u64,
    /// The first eight bytes of the holder's broker id, big-endian.
    pub holder: u64,
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:016x}", self.epoch, self.holder)
    }
}
