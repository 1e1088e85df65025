// SPDX-License-Identifier: Apache-2.0
//! A segment as read: its bytes, and its records verified and decoded by whoever read it, beside the node's turn.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::super::record::{Neighbours, Record};
use super::super::request::Segment;
use super::head::{Head, generation, record_size};
use super::header::{Found, HEADER, Header};

/// The whole content of a segment's file.
///
/// *Invariants*: `records` are all that verify one behind the other from the header on. Whether they belong to the log is
/// for [`Replay`](super::Replay) to say.
#[derive(Clone)]
pub struct Content {
    bytes: Bytes,
    pub(super) records: Vec<Verified>,
}

/// A record whose checksum is right.
#[derive(Clone)]
pub(super) struct Verified {
    pub head: Head,
    pub offset: usize,
    /// `None`: of a form that is not known.
    pub record: Option<Record>,
}

impl Content {
    /// Verifies and decodes what the file of `segment` holds: most of the work of a recovery, and it needs nothing but
    /// the bytes. Bodies are copies; no bytes whatever make it panic.
    pub fn of(segment: Segment, bytes: Bytes) -> Self {
        let mut records = Vec::new();
        if matches!(Header::find(&bytes, segment), Found::Header(_)) {
            let generation = generation(segment);
            let mut near = Neighbours::default();
            let mut offset = HEADER;
            while let Some((head, payload)) = Head::verify(&bytes, offset, generation) {
                records.push(Verified {
                    head,
                    offset,
                    record: Record::decode(head.kind, payload, &mut near),
                });
                offset += record_size(head.payload);
            }
        }
        Self { bytes, records }
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is in the records is in the bytes.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Content {}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("bytes", &self.bytes.len())
            .field("records", &self.records.len())
            .finish()
    }
}
