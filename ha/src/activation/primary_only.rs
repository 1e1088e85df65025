// SPDX-License-Identifier: Apache-2.0
//! A node without a peer: it recovers its log, takes a new epoch, and serves.
//!
//! ```text
//! Idle ─start─▶ ReadingState ─▶ Listing ─▶ Replaying ─▶ Syncing ─▶ Claiming ─▶ Serving ─stop─▶ Stopping ─▶ Marking ─▶ Ended
//!                   └──────────────┴───────────┴── the disk fails or is damaged, or stop ─────────────────────▲
//! ```

use hind_engine::storage::{Branch, Replay};

/// What a node without a peer waits for.
#[derive(Debug, Default)]
pub enum PrimaryOnly {
    /// `Input::Start`.
    #[default]
    Idle,
    /// The content of `node.state`.
    ReadingState,
    /// The list of segments.
    Listing,
    /// The next segment's content, until all are read.
    Replaying {
        /// What has been read.
        replay: Box<Replay>,
        /// How many segments there are.
        total: u64,
        /// How many were read.
        read: u64,
    },
    /// Everything recovered to be on the disk for certain.
    Syncing,
    /// The new epoch to be in `node.state`.
    Claiming {
        /// The branch it will write.
        branch: Branch,
    },
    /// Nothing: it serves.
    Serving,
    /// What clients have caused to be stored.
    Stopping,
    /// The word that it stopped in order to be in `node.state`.
    Marking,
    /// Nothing more, ever.
    Ended,
}

impl PrimaryOnly {
    /// Whether it acknowledges and delivers.
    pub fn serves(&self) -> bool {
        matches!(self, Self::Serving | Self::Stopping)
    }
}
