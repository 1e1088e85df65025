// SPDX-License-Identifier: Apache-2.0
//! What the log says of pages: messages that go to one, pages that stand on the disk, and what was taken from them.

use std::collections::BTreeMap;

use super::super::layout::{Reader, Sink};
use super::message::{MessageRecord, Neighbours};
use crate::id::{AddressId, LargeId, MessageId, PageId, QueueId};
use crate::index_set::IndexSet;

/// A message's place in a page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PagePlace {
    /// The page.
    pub page: PageId,
    /// Which message of it, from 0.
    pub index: u32,
}

impl PagePlace {
    pub(super) fn encode(self, out: &mut impl Sink) {
        out.u64(self.page.0);
        out.u32(self.index);
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            page: PageId(from.u64()?),
            index: from.u32()?,
        })
    }
}

/// A message that goes to a page instead of its queues' memory.
#[derive(Clone, PartialEq, Debug)]
pub struct PagedRecord {
    /// Where it stands.
    pub place: PagePlace,
    /// The address whose page it is.
    pub address: AddressId,
    /// The message, with the durable queues of that address it is for.
    pub message: MessageRecord,
}

impl PagedRecord {
    pub(super) fn encode_envelope(&self, out: &mut impl Sink) {
        self.place.encode(out);
        out.u64(self.address.0);
        self.message.encode_envelope(out);
    }

    pub(super) fn decode(mut from: Reader<'_>, near: &mut Neighbours) -> Option<Self> {
        Some(Self {
            place: PagePlace::decode(&mut from)?,
            address: AddressId(from.u64()?),
            message: MessageRecord::decode(from, near)?,
        })
    }
}

/// A page that stands on the disk, with what is still to be delivered from it.
#[derive(Clone, PartialEq, Debug)]
pub struct PageRecord {
    /// The page.
    pub id: PageId,
    /// The address.
    pub address: AddressId,
    /// Messages in its file.
    pub messages: u32,
    /// Bytes of its file.
    pub size: u64,
    /// The id of the first message in it.
    pub first: MessageId,
    /// The earliest time at which a message in it expires, ms since 1970; 0 = none does.
    pub expires: u64,
    /// Which messages are durable.
    pub durable: IndexSet,
    /// Per durable queue what is left.
    pub shares: Vec<(QueueId, Share)>,
    /// Large bodies, by the index of their message.
    pub large: BTreeMap<u32, LargeId>,
}

/// What is left of a page for one queue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Messages not yet acknowledged.
    pub pending: IndexSet,
    /// Of those: deliveries without success, and times before which they are not to be delivered.
    pub marks: BTreeMap<u32, Mark>,
}

/// What is remembered of a message in a page for one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// Deliveries without success.
    pub count: u32,
    /// Not to be delivered before this, ms since 1970; 0 = at once.
    pub scheduled: u64,
}

const MARK_BYTES: usize = 16;
const LARGE_BYTES: usize = 12;
const SHARE_BYTES: usize = 20;

impl PageRecord {
    pub(super) fn encode(&self, out: &mut impl Sink) {
        out.u64(self.id.0);
        out.u64(self.address.0);
        out.u32(self.messages);
        out.u64(self.size);
        out.u64(self.first.0);
        out.u64(self.expires);
        self.durable.encode(out);
        out.count(self.shares.len());
        for (queue, share) in &self.shares {
            out.u64(queue.0);
            share.encode(out);
        }
        out.count(self.large.len());
        for (index, body) in &self.large {
            out.u32(*index);
            out.u64(body.0);
        }
    }

    pub(super) fn decode(mut from: Reader<'_>) -> Option<Self> {
        let from = &mut from;
        let record = Self {
            id: PageId(from.u64()?),
            address: AddressId(from.u64()?),
            messages: from.u32()?,
            size: from.u64()?,
            first: MessageId(from.u64()?),
            expires: from.u64()?,
            durable: IndexSet::decode(from)?,
            shares: {
                let n = from.count(SHARE_BYTES)?;
                let share = |_| Some((QueueId(from.u64()?), Share::decode(from)?));
                (0..n).map(share).collect::<Option<_>>()?
            },
            large: {
                let n = from.count(LARGE_BYTES)?;
                let large = |_| Some((from.u32()?, LargeId(from.u64()?)));
                (0..n).map(large).collect::<Option<_>>()?
            },
        };
        from.end()?;
        Some(record)
    }
}

impl Share {
    fn encode(&self, out: &mut impl Sink) {
        self.pending.encode(out);
        out.count(self.marks.len());
        for (index, mark) in &self.marks {
            out.u32(*index);
            out.u32(mark.count);
            out.u64(mark.scheduled);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let pending = IndexSet::decode(from)?;
        let n = from.count(MARK_BYTES)?;
        let mark = |_| {
            let index = from.u32()?;
            let count = from.u32()?;
            let scheduled = from.u64()?;
            Some((index, Mark { count, scheduled }))
        };
        let marks = (0..n).map(mark).collect::<Option<_>>()?;
        Some(Self { pending, marks })
    }
}
