// SPDX-License-Identifier: Apache-2.0
//! All that is ever asked of a disk, and all it ever answers. The real host and the simulator execute the same requests.

use bytes::Bytes;

use super::{Content, Position};
use crate::id::{LargeId, PageId};

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
    /// Something about page files; see [`PageRequest`].
    Page(PageRequest),
    /// Something about the bodies of large messages; see [`LargeRequest`].
    Large(LargeRequest),
}

/// A request about page files. They are carried out in order among themselves and with [`LargeRequest`]s, but not with
/// the journal's: nothing of the journal waits for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PageRequest {
    /// Which page files exist? Answered by [`PageCompletion::Pages`].
    List,
    /// Write to the end of a page's file. A write at offset 0 creates the file, or empties the one there is. Not synced.
    /// Answered by [`PageCompletion::Appended`].
    Append {
        /// Which page.
        page: PageId,
        /// Where in its file, in bytes from its start: where the last write ended.
        offset: u64,
        /// What, in pieces that follow one another.
        pieces: Vec<Bytes>,
    },
    /// Everything appended to the page is to be on the disk, and so is the file's name; nothing is written to it after.
    /// Answered by [`PageCompletion::Sealed`].
    Seal(PageId),
    /// Read a part of a page. Answered by [`PageCompletion::Read`] or [`PageCompletion::Unreadable`].
    Read {
        /// Which page.
        page: PageId,
        /// From which byte on.
        offset: u64,
        /// How many bytes; fewer come at the end of the file.
        length: u32,
    },
    /// Nothing of the page is needed any more: delete the file, unless it was set aside. No answer.
    Delete(PageId),
    /// The file is damaged: keep it for the operator under another name; reads still find it. Answered by
    /// [`PageCompletion::SetAside`].
    SetAside(PageId),
}

/// A request about the bodies of large messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LargeRequest {
    /// Which files exist? Answered by [`LargeCompletion::Files`].
    List,
    /// Write to the end of a body's file; a write at offset 0 creates it. Not synced. Answered by
    /// [`LargeCompletion::Appended`].
    Append {
        /// Which body.
        body: LargeId,
        /// Where the last write ended.
        offset: u64,
        /// What.
        bytes: Bytes,
    },
    /// Everything appended is to be on the disk, and so is the file's name. Answered by [`LargeCompletion::Sealed`].
    Seal(LargeId),
    /// Read a part. Answered by [`LargeCompletion::Read`] or [`LargeCompletion::Unreadable`].
    Read {
        /// Which body.
        body: LargeId,
        /// From which byte on.
        offset: u64,
        /// How many bytes; fewer come at the end of the file.
        length: u32,
    },
    /// Nobody needs the body any more (or its upload was abandoned): delete the file, if there is one that was not set
    /// aside. No answer.
    Delete(LargeId),
    /// The file is damaged: keep it for the operator under another name; reads still find it. Answered by
    /// [`LargeCompletion::SetAside`].
    SetAside(LargeId),
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
    /// Something about page files.
    Page(PageCompletion),
    /// Something about the bodies of large messages.
    Large(LargeCompletion),
}

/// What the disk answers about page files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PageCompletion {
    /// The pages that have a file, ascending.
    Pages(Vec<PageId>),
    /// The next append to the page has been written; how many bytes it was.
    Appended(PageId, u64),
    /// The page is on the disk for good.
    Sealed(PageId),
    /// What was read.
    Read {
        /// Of which page.
        page: PageId,
        /// From which byte on.
        offset: u64,
        /// As many as asked for, or fewer at the end of the file.
        bytes: Bytes,
    },
    /// The page has no file, or reading it failed; why.
    Unreadable {
        /// Which page.
        page: PageId,
        /// From which byte on was asked.
        offset: u64,
        /// Why.
        why: String,
    },
    /// The page's file has been kept under this name.
    SetAside(PageId, String),
}

/// What the disk answers about the bodies of large messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LargeCompletion {
    /// The bodies that have a file, ascending.
    Files(Vec<LargeId>),
    /// The next append to the body has been written; how many bytes it was.
    Appended(LargeId, u64),
    /// The body is on the disk for good.
    Sealed(LargeId),
    /// What was read.
    Read {
        /// Of which body.
        body: LargeId,
        /// From which byte on.
        offset: u64,
        /// As many as asked for, or fewer at the end of the file.
        bytes: Bytes,
    },
    /// The body has no file, or reading it failed; why.
    Unreadable {
        /// Which body.
        body: LargeId,
        /// From which byte on was asked.
        offset: u64,
        /// Why.
        why: String,
    },
    /// The body's file has been kept under this name; empty: there was none.
    SetAside(LargeId, String),
}
