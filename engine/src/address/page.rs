// SPDX-License-Identifier: Apache-2.0
//! A page of an address: some of its messages, in a file instead of in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use super::origins::Origins;
use crate::id::{AddressId, LargeId, MessageId, QueueId};
use crate::index_set::IndexSet;
use crate::message::Message;
use crate::storage::record::{Mark, MessageRecord, PageRecord, Route, Share};

/// Whether a page's file can be relied on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Takes messages; the log has them, and the file may have some. Ends with [`Page::close`].
    Open,
    /// Takes none any more and is to be put on the disk.
    Closed,
    /// The disk has been asked for everything. Ends with a [`PageRecord`] in the log.
    Sealing,
    /// Stands on the disk; the log has forgotten its messages.
    Sealed,
}

/// A message of a page that is not in its file yet.
#[derive(Clone, Debug)]
pub struct Unwritten {
    /// Which message of the page.
    pub index: u32,
    /// The message, with every queue of the address it is for.
    pub record: MessageRecord,
}

/// A page of an address: some of its messages, in a file instead of in memory.
///
/// *Invariants*: what is pending for a queue has been put in and not been acknowledged there; `shares` ascends by queue;
/// `unwritten` ascends, and everything before its first is in the file.
#[derive(Debug)]
pub struct Page {
    /// The address.
    pub address: AddressId,
    /// How far it is.
    pub stage: Stage,
    /// Places given out.
    pub messages: u32,
    /// Places given out whose message has not been put in yet.
    pub reserved: u32,
    /// The id of the first message.
    pub first: MessageId,
    /// The earliest time at which a message expires, ms since 1970; 0 = none does.
    pub expires: u64,
    /// Bytes of the messages in it, for the page limits.
    pub bytes: u64,
    /// Messages before this one are in the file.
    pub in_file: u32,
    /// Bytes of its file, those of `unwritten` not counted.
    pub written: u64,
    /// Where in the file some messages begin, those in front of which a piece was written by this run.
    pub pieces: Vec<(u32, u64)>,
    /// Bytes in memory of what is not in the file.
    pub unwritten_bytes: u64,
    /// What is not in the file.
    pub unwritten: VecDeque<Unwritten>,
    /// Its file has been kept for the operator, because something in it cannot be read.
    pub damaged: bool,
    pub(super) durable: IndexSet,
    pub(super) shares: SmallVec<[(QueueId, Share); 1]>,
    pub(super) large: BTreeMap<u32, LargeId>,
    /// Messages that may not be seen before what their sender caused is durable; nor may what stands behind them.
    pub held: BTreeSet<u32>,
    /// Who sent the messages.
    pub(crate) origins: Origins,
}

impl Page {
    pub(super) fn new(address: AddressId) -> Self {
        Self {
            address,
            stage: Stage::Open,
            messages: 0,
            reserved: 0,
            first: MessageId(u64::MAX),
            expires: 0,
            bytes: 0,
            in_file: 0,
            written: 0,
            pieces: Vec::new(),
            unwritten_bytes: 0,
            unwritten: VecDeque::new(),
            damaged: false,
            durable: IndexSet::default(),
            shares: SmallVec::new(),
            large: BTreeMap::new(),
            held: BTreeSet::new(),
            origins: Origins::default(),
        }
    }

    /// Messages before this one may be seen.
    pub fn visible(&self) -> u32 {
        self.held.first().copied().unwrap_or(self.messages)
    }

    /// Where in the file the message begins, or one before it.
    pub fn offset_of(&self, index: u32) -> u64 {
        let after = self.pieces.partition_point(|(first, _)| *first <= index);
        after.checked_sub(1).map_or(0, |at| self.pieces[at].1)
    }

    /// What is left for a queue.
    pub fn share(&self, queue: QueueId) -> Option<&Share> {
        let at = self.share_at(queue).ok()?;
        Some(&self.shares[at].1)
    }

    /// Where the share of a queue is, or would be.
    pub(super) fn share_at(&self, queue: QueueId) -> Result<usize, usize> {
        self.shares.binary_search_by_key(&queue, |(id, _)| *id)
    }

    /// How many messages are left for a queue.
    pub fn left(&self, queue: QueueId) -> u32 {
        self.share(queue).map_or(0, |share| share.pending.len())
    }

    /// What is left, by queue.
    pub fn shares(&self) -> impl Iterator<Item = &(QueueId, Share)> {
        self.shares.iter()
    }

    /// Whether the message is durable.
    pub fn is_durable(&self, index: u32) -> bool {
        self.durable.contains(index)
    }

    /// The large body of a message.
    pub fn large(&self) -> impl Iterator<Item = LargeId> + '_ {
        self.large.values().copied()
    }

    /// Takes no more messages.
    pub fn close(&mut self) {
        self.stage = self.stage.max(Stage::Closed);
    }

    pub(super) fn share_mut(&mut self, queue: QueueId) -> &mut Share {
        let at = self.share_at(queue).unwrap_or_else(|at| {
            self.shares.insert(at, (queue, Share::default()));
            at
        });
        &mut self.shares[at].1
    }

    pub(super) fn is_done(&self) -> bool {
        let left = self
            .shares
            .iter()
            .any(|(_, share)| !share.pending.is_empty());
        !left && self.reserved == 0
    }

    /// Puts a message in, for these queues; again: for more queues. For which of them it is now left and was not before.
    pub(super) fn put(
        &mut self,
        index: u32,
        message: &Arc<Message>,
        routes: &[Route],
        logged: bool,
    ) -> SmallVec<[QueueId; 1]> {
        let mut fresh = SmallVec::new();
        self.messages = self.messages.max(index + 1);
        self.first = self.first.min(message.id);
        if message.expiration != 0 && (self.expires == 0 || message.expiration < self.expires) {
            self.expires = message.expiration;
        }
        if logged {
            self.durable.insert(index);
        }
        if let Some(large) = message.body.large() {
            self.large.insert(index, large.id);
        }
        for route in routes {
            let share = self.share_mut(route.queue);
            if share.pending.insert(index) {
                fresh.push(route.queue);
            }
            if route.count != 0 || route.scheduled != 0 {
                let (count, scheduled) = (route.count, route.scheduled);
                share.marks.insert(index, Mark { count, scheduled });
            }
        }
        self.keep(index, message, routes);
        fresh
    }

    /// Keeps the message until it is in the file.
    fn keep(&mut self, index: u32, message: &Arc<Message>, routes: &[Route]) {
        if index < self.in_file {
            return;
        }
        // Messages of one unit come those of the log first, whatever their places.
        let at = self.unwritten.partition_point(|kept| kept.index < index);
        match self.unwritten.get_mut(at) {
            Some(kept) if kept.index == index => {
                let known = &mut kept.record.routes;
                for route in routes {
                    if known.iter().all(|other| other.queue != route.queue) {
                        known.push(*route);
                    }
                }
            }
            _ => {
                self.bytes += message.size();
                self.unwritten_bytes += message.size();
                let record = MessageRecord {
                    message: message.clone(),
                    routes: routes.iter().copied().collect(),
                };
                self.unwritten.insert(at, Unwritten { index, record });
            }
        }
    }

    /// Messages left, by queue; none is 0.
    pub(super) fn lefts(&self) -> Vec<(QueueId, u64)> {
        let left = |(queue, share): &(QueueId, Share)| (*queue, u64::from(share.pending.len()));
        let lefts = self.shares.iter().map(left);
        lefts.filter(|(_, left)| *left > 0).collect()
    }

    /// The file has everything. How many bytes that waited to be written this makes needless (after a restart).
    pub(super) fn stand(&mut self, record: &PageRecord) -> u64 {
        if self.stage == Stage::Sealed {
            return 0;
        }
        self.stage = Stage::Sealed;
        self.unwritten.clear();
        self.in_file = record.messages;
        self.written = record.size;
        self.messages = record.messages;
        std::mem::take(&mut self.unwritten_bytes)
    }

    /// The log is read: the page is what its record says. It may be known already, but not as a whole, because the log
    /// has forgotten some of its messages since the record was written. How many bytes that waited to be written this
    /// makes needless.
    pub(super) fn restore(&mut self, record: &PageRecord) -> u64 {
        self.unwritten.clear();
        self.stage = Stage::Sealed;
        self.messages = record.messages;
        self.in_file = record.messages;
        self.first = record.first;
        self.expires = record.expires;
        self.bytes = record.size;
        self.written = record.size;
        self.durable = record.durable.clone();
        self.shares = record.shares.iter().cloned().collect();
        self.shares.sort_by_key(|(queue, _)| *queue);
        self.large = record.large.clone();
        let pending = |index| {
            self.shares
                .iter()
                .any(|(_, share)| share.pending.contains(index))
        };
        self.large.retain(|index, _| pending(*index));
        std::mem::take(&mut self.unwritten_bytes)
    }

    /// The large body of a message, if no queue needs the message any more.
    pub(super) fn let_large_go(&mut self, index: u32) -> Option<LargeId> {
        let mut shares = self.shares.iter();
        match shares.any(|(_, share)| share.pending.contains(index)) {
            true => None,
            false => self.large.remove(&index),
        }
    }
}
