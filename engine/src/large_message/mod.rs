// SPDX-License-Identifier: Apache-2.0
//! Large messages: bodies that stream to a file of their own and out again, with a window of memory each.
//!
//! ```text
//! Upload Begin ▶ Append … ▶ End ──▶ Done ──▶ Send{upload}       in: one unfinished chunk, and what is on its way to disk
//! Deliver ──▶ Download Open ▶ Next … ──▶ Window, Window, …      out: the windows that were asked for
//! ```
//!
//! A body is deleted when nobody needs it any more ([`References`]) and that is durable.

mod download;
mod loss;
mod references;
mod upload;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub use download::Download;
pub use references::References;
pub use upload::Upload;

use crate::engine::{Engine, Turn};
use crate::gate::Held;
use crate::id::{ConnectionId, LargeId, UploadId};
use crate::notice::Notice;
use crate::storage::request::{LargeCompletion, LargeRequest, Request};
use download::Read;

/// What the engine knows of bodies beside what messages say: those that come in, and what was asked of the disk.
#[derive(Debug, Default)]
pub(crate) struct LargeMessages {
    /// Uploads that have not been sent, by their file.
    uploading: BTreeMap<LargeId, (ConnectionId, UploadId)>,
    /// Reads under way, in the order in which the disk answers.
    reads: VecDeque<Read>,
    /// Bytes on their way to the disk.
    unwritten: u64,
    /// Bytes of memory in which uploads collect what is not enough for the disk yet.
    collecting: u64,
    /// Bodies from this one on are of this run.
    first: LargeId,
}

impl Engine {
    /// Bytes of bodies on their way to the disk: for back-pressure.
    pub fn large_backlog(&self) -> u64 {
        self.large.unwritten
    }

    /// Bytes of memory that unfinished chunks of uploads take, for as long as their clients like: they count as messages
    /// in memory do.
    pub fn collecting(&self) -> u64 {
        self.large.collecting
    }

    /// The log has been read back: what files there are, and whether one is missing, is looked up.
    pub(crate) fn find_large_files(&mut self, first: LargeId, turn: &mut Turn<'_>) {
        self.state.take_unneeded_bodies();
        self.large.first = first;
        turn.storage.ask(Request::Large(LargeRequest::List));
    }

    /// The disk has answered about the body of a large message.
    pub fn large_answered(&mut self, completion: LargeCompletion, turn: &mut Turn<'_>) {
        match completion {
            LargeCompletion::Files(files) => self.large_files_found(&files, turn),
            LargeCompletion::Appended(body, length) => self.appended(body, length, turn),
            LargeCompletion::Sealed(body) => self.sealed(body, turn),
            LargeCompletion::Read {
                body,
                offset,
                bytes,
            } => self.read_back(body, offset, Ok(bytes), turn),
            LargeCompletion::Unreadable { body, offset, why } => {
                self.read_back(body, offset, Err(why), turn);
            }
            LargeCompletion::SetAside(_, file) => {
                if !file.is_empty() {
                    turn.notices.push(Notice::BodySetAside { file });
                }
            }
        }
    }

    /// Files that nobody needs were left by a process that died, or stayed when their last message had gone; a message
    /// whose file is not there has lost its body.
    fn large_files_found(&mut self, files: &[LargeId], turn: &mut Turn<'_>) {
        let (state, large) = (&self.state, &self.large);
        // The disk looked before this run had a file; a number may be used again if the log lost it in a crash.
        let unneeded = files
            .iter()
            .filter(|file| state.large_count(**file) == 0 && !large.uploading.contains_key(file));
        for file in unneeded {
            turn.storage
                .ask(Request::Large(LargeRequest::Delete(*file)));
        }
        let files: BTreeSet<LargeId> = files.iter().copied().collect();
        let missing = state.large_bodies().into_iter();
        let missing: Vec<LargeId> = missing
            .filter(|body| *body < large.first && !files.contains(body))
            .collect();
        for body in missing {
            self.lose_body(body, "the file is not there", turn);
        }
    }

    /// The end of a turn: what nobody needs any more is deleted as soon as that is durable.
    pub(crate) fn let_large_go(&mut self, turn: &mut Turn<'_>) {
        let unneeded = self.state.take_unneeded_bodies();
        if unneeded.is_empty() {
            return;
        }
        // A file that is gone cannot come back with an acknowledgement that was written and not synced.
        turn.storage.sync_collected();
        let position = turn.storage.appended();
        for body in unneeded {
            if self.gate.is_open(position) {
                self.delete_large(body, turn);
            } else {
                self.gate.hold(position, Held::LargeMessage(body));
            }
        }
    }

    /// It is durable that nobody needs the body.
    pub(crate) fn delete_large(&mut self, body: LargeId, turn: &mut Turn<'_>) {
        let needed = self.state.large_count(body) > 0;
        debug_assert!(!needed, "what has gone stays gone");
        if !needed {
            turn.storage.ask(Request::Large(LargeRequest::Delete(body)));
        }
    }
}
