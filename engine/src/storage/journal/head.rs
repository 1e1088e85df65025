// SPDX-License-Identifier: Apache-2.0
//! The 40 bytes before every record's payload. FORMAT.md, "Record".

use super::super::record::kind;
use super::super::request::Segment;
use super::super::{Branch, Position};

/// Bytes of a record's head.
pub(crate) const HEAD: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGNMENT: usize = 8;
/// Flag: the unit goes on with the next record.
pub(crate) const MORE: u8 = 1;
/// No payload may be longer; a longer length is not a head.
pub(crate) const PAYLOAD_MAX: usize = 1 << 30;
/// Where the bytes under the checksum begin.
pub(crate) const CHECKED_FROM: usize = 8;

/// What a head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub kind: u8,
    pub more: bool,
    pub position: Position,
    pub branch: Branch,
    pub payload: usize,
}

/// The low bits of a segment's number.
pub(crate) fn generation(segment: Segment) -> u32 {
    (segment.0 & u64::from(u32::MAX)) as u32
}

/// Bytes a record of this payload occupies.
pub(crate) fn record_size(payload: usize) -> usize {
    (HEAD + payload).next_multiple_of(ALIGNMENT)
}

impl Head {
    /// The head with its checksum still zero.
    pub fn encode(&self, segment: Segment) -> [u8; HEAD] {
        assert!(
            self.payload <= PAYLOAD_MAX,
            "a record is far below 1 GiB: larger bodies are large messages"
        );
        let mut bytes = [0; HEAD];
        bytes[4..8].copy_from_slice(&generation(segment).to_le_bytes());
        bytes[8..12].copy_from_slice(&(self.payload as u32).to_le_bytes());
        bytes[12] = self.kind;
        bytes[13] = if self.more { MORE } else { 0 };
        bytes[16..24].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.branch.epoch.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.branch.holder.to_le_bytes());
        bytes
    }

    /// The head at `offset` of a segment's bytes if it looks like one of this generation and its record fits; the
    /// checksum is not looked at.
    pub fn peek(bytes: &[u8], offset: usize, generation: u32) -> Option<Self> {
        let head: &[u8; HEAD] = bytes.get(offset..)?.first_chunk()?;
        let number = |at: usize| u64_at(head, at);
        if u32_at(head, 4) != generation || head[14..16] != [0, 0] || head[13] & !MORE != 0 {
            return None;
        }
        let payload = u32_at(head, 8) as usize;
        let room = bytes.len() - offset - HEAD;
        if payload > PAYLOAD_MAX.min(room) {
            return None;
        }
        Some(Self {
            kind: head[12],
            more: head[13] == MORE,
            position: Position(number(16)),
            branch: Branch {
                epoch: number(24),
                holder: number(32),
            },
            payload,
        })
    }

    /// The head and payload of the record at `offset` if it verifies.
    pub fn verify(bytes: &[u8], offset: usize, generation: u32) -> Option<(Self, &[u8])> {
        let head = Self::peek(bytes, offset, generation)?;
        let record = &bytes[offset..offset + HEAD + head.payload];
        let checksum = crc32c::crc32c(&record[CHECKED_FROM..]);
        (checksum == u32_at(record, 0)).then(|| (head, &record[HEAD..]))
    }

    /// The position claimed by a synced mark at `offset`, if one verifies there.
    pub fn mark(bytes: &[u8], offset: usize, generation: u32) -> Option<Position> {
        let peeked = Self::peek(bytes, offset, generation)?;
        if peeked.kind != kind::SYNCED || peeked.payload != 8 {
            return None;
        }
        let (_, payload) = Self::verify(bytes, offset, generation)?;
        Some(Position(u64_at(payload, 0)))
    }
}

/// The little-endian number at `at`; the caller knows that it is there.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("inside a checked length"))
}

/// The little-endian number at `at`; the caller knows that it is there.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("inside a checked length"))
}
