// SPDX-License-Identifier: Apache-2.0
//! All that is ever asked of a disk, and all it ever answers. The real host and the simulator execute the same requests.

use bytes::Bytes;

use super::{Content, Position};

/// One journal file, numbered in the order of use; the number is also its generation, so that a recycled file's old
/// content never passes for new.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Segment(pub u64);

/// A request to the disk. Requests are carried out in order; several batches may share one sync.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Write a batch. Answered by [`Completion::Stored`] when it (and everything before it) is where `sync` demands.
    Batch(Batch),
    /// The segment holds nothing live any more: its file may be recycled or deleted. No answer.
    Release(Segment),
    /// Replace `node.state` atomically: write new, sync, rename, sync the directory. Answered by
    /// [`Completion::StateWritten`].
    WriteState(Bytes),
    /// Read `node.state`. Answered by [`Completion::State`].
    ReadState,
    /// Which segments exist? Answered by [`Completion::Segments`], ascending.
    ListSegments,
    /// Read a whole segment. Answered by [`Completion::Segment`].
    ReadSegment(Segment),
    /// Sync every segment that exists, and the directory (after a crash, what was read may not be on disk yet).
    /// Answered by [`Completion::Synced`].
    SyncAll,
}

/// What a turn (or several) changed, written and synced as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// In ascending place. A segment that does not exist yet is created by its first write, which is at offset 0.
    pub writes: Vec<Write>,
    /// Whether `Stored` has to wait for `fdatasync` of every segment written since the last sync.
    pub sync: bool,
    /// The position of the last record in it.
    pub end: Position,
}

/// Bytes for one place of one segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Which segment.
    pub segment: Segment,
    /// Where in it, in bytes from its start.
    pub offset: u64,
    /// What, in pieces that follow one another.
    pub pieces: Vec<Bytes>,
}

impl Write {
    /// How many bytes.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the disk answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Completion {
    /// All batches up to this position are where their `sync` flags demand.
    Stored(Position),
    /// `node.state` has been replaced.
    StateWritten,
    /// The content of `node.state`; `None` if there is none.
    State(Option<Bytes>),
    /// The segments that exist, ascending.
    Segments(Vec<Segment>),
    /// The whole content of a segment's file.
    Segment(Segment, Content),
    /// Everything that exists is synced.
    Synced,
    /// A read, write or sync failed; nothing after it was carried out and nothing ever will be. The text says what,
    /// where and why.
    Failed(String),
}
