// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a disk, and the switchboard that says when.

use std::fmt;

use hind_engine::storage::request::Request;

use super::What;
use super::file::Losses;
use crate::simulator::counters::Counters;

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// One operation takes hundreds of milliseconds.
    Slow,
    /// A write fails: some of it was written.
    FailedWrite,
    /// A sync fails: everything is written, nothing synced, and nobody may believe a later sync (fsyncgate).
    FailedSync,
    /// A read fails while the broker starts.
    FailedRead,
    /// There is no room for another segment.
    Full,
    /// The disk is fuller than the broker's settings allow, and says so before anything fails.
    NearlyFull,
    /// One bit of what was synced long ago turns while the broker is down.
    BitFlip,
    /// The power goes while a write is under way.
    Torn,
    /// One bit of a sealed page has turned when it is read.
    PageFlipped,
    /// A sealed page has been cut short when it is read.
    PageCut,
    /// A sealed page cannot be read, this once.
    PageUnreadable,
}

impl Fault {
    /// Every kind that a run may meet.
    pub const ALL: [Self; 8] = [
        Self::Slow,
        Self::FailedWrite,
        Self::FailedSync,
        Self::FailedRead,
        Self::Full,
        Self::NearlyFull,
        Self::BitFlip,
        Self::Torn,
    ];

    /// The kinds that damage pages.
    pub const OF_PAGES: [Self; 3] = [Self::PageFlipped, Self::PageCut, Self::PageUnreadable];

    /// Its counter.
    pub fn counter(self) -> &'static str {
        match self {
            Self::Slow => "fault.slow",
            Self::FailedWrite => "fault.failed_write",
            Self::FailedSync => "fault.failed_sync",
            Self::FailedRead => "fault.failed_read",
            Self::Full => "fault.full",
            Self::NearlyFull => "fault.nearly_full",
            Self::BitFlip => "fault.bit_flip",
            Self::Torn => "fault.torn",
            Self::PageFlipped => "fault.page_flipped",
            Self::PageCut => "fault.page_cut",
            Self::PageUnreadable => "fault.page_unreadable",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slow => "slow",
            Self::FailedWrite => "write failed",
            Self::FailedSync => "fdatasync failed",
            Self::FailedRead => "read failed",
            Self::Full => "no space left on device",
            Self::NearlyFull => "nearly full",
            Self::BitFlip => "bit flip",
            Self::Torn => "power lost while writing",
            Self::PageFlipped => "bit flip in a page",
            Self::PageCut => "page cut short",
            Self::PageUnreadable => "page not readable",
        })
    }
}

/// Faults that wait for the operation they spoil, and the count of those that have.
#[derive(Clone, Default, Debug)]
pub struct Armed {
    waiting: Vec<Fault>,
    /// What was hit.
    pub hits: Counters,
}

impl Armed {
    /// The next operation of the right kind meets this fault.
    pub fn arm(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    /// Takes back every fault that has not been met.
    pub fn disarm(&mut self) {
        self.waiting.clear();
    }

    /// Whether a fault of this kind still waits.
    pub fn is_armed(&self, fault: Fault) -> bool {
        self.waiting.contains(&fault)
    }

    /// Counts a fault that was met.
    pub fn hit(&mut self, fault: Fault) {
        self.hits.hit(fault.counter());
    }

    pub(super) fn slow(&mut self) -> bool {
        let slow = self.take(Fault::Slow);
        if slow {
            self.hit(Fault::Slow);
        }
        slow
    }

    /// The fault that spoils this operation, if one waits for its kind.
    pub(super) fn failure(&mut self, creates: bool, what: &What) -> Option<Fault> {
        let writes = matches!(what, What::Group(group)
            if group.iter().any(|request| matches!(request, Request::Batch(_))));
        let reads = matches!(
            what,
            What::Other(Request::ReadSegment(_) | Request::ReadState | Request::ListSegments)
        );
        let of_this_kind = [
            (creates, Fault::Full),
            (writes, Fault::FailedWrite),
            (writes, Fault::FailedSync),
            (reads, Fault::FailedRead),
        ];
        of_this_kind
            .into_iter()
            .find(|(applies, fault)| *applies && self.take(*fault))
            .map(|(_, fault)| fault)
    }

    /// The first of these faults that waits, to spoil an operation about pages or large messages.
    pub(super) fn first(&mut self, faults: &[Fault]) -> Option<Fault> {
        faults.iter().copied().find(|fault| self.take(*fault))
    }

    /// Counts what a power loss did to unsynced writes, once per power loss and kind.
    pub(super) fn lost(&mut self, losses: Losses) {
        for (happened, counter) in [
            (losses.lost, "loss.lost"),
            (losses.torn, "loss.torn"),
            (losses.reordered, "loss.reordered"),
        ] {
            if happened > 0 {
                self.hits.hit(counter);
            }
        }
    }

    fn take(&mut self, fault: Fault) -> bool {
        let place = self.waiting.iter().position(|waiting| *waiting == fault);
        if let Some(place) = place {
            self.waiting.remove(place);
        }
        place.is_some()
    }
}
