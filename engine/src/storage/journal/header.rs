// SPDX-License-Identifier: Apache-2.0
//! The 64 bytes at the start of every segment. FORMAT.md, "Segment".

use super::super::request::Segment;
use super::super::{Branch, Position};
use super::head::{u32_at, u64_at};

/// Bytes of a segment's header.
pub(crate) const HEADER: usize = 64;
const MAGIC: [u8; 8] = *b"HINDJRNL";
const VERSION: u32 = 1;
/// Positions at or above this are never reached (a million a second for 290,000 years).
const POSITION_MAX: u64 = 1 << 63;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub segment: Segment,
    /// The position of the first record, or the one that would have followed.
    pub first: Position,
    /// The branch of the first record.
    pub branch: Branch,
    /// Everything up to here was synced when this was written.
    pub synced: Position,
    /// How large the file is meant to be, in bytes.
    pub file_size: u64,
}

/// What stands where a header should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// A header of this segment.
    Header(Header),
    /// Nothing, half a header, or one of an earlier use of the file.
    Nothing,
    /// Bytes that Hind has never written.
    Foreign,
    /// A header of a format that this build does not know.
    Newer,
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        let numbers = [
            self.segment.0,
            self.first.0,
            self.branch.epoch,
            self.branch.holder,
            self.synced.0,
            self.file_size,
        ];
        for (place, number) in bytes[16..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let checksum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Looks at the start of the file of `segment`.
    pub fn find(bytes: &[u8], segment: Segment) -> Found {
        if bytes.iter().zip(MAGIC).any(|(&b, m)| b != m && b != 0) {
            return Found::Foreign;
        }
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Found::Nothing;
        };
        if checksum(header) != u32_at(header, 12) || header[..8] != MAGIC {
            return Found::Nothing;
        }
        if u32_at(header, 8) != VERSION {
            return Found::Newer;
        }
        let found = Self {
            segment: Segment(u64_at(header, 16)),
            first: Position(u64_at(header, 24)),
            branch: Branch {
                epoch: u64_at(header, 32),
                holder: u64_at(header, 40),
            },
            synced: Position(u64_at(header, 48)),
            file_size: u64_at(header, 56),
        };
        let plausible = found.first.0 >= 1 && found.first.0 < POSITION_MAX;
        if found.segment != segment || !plausible {
            return Found::Nothing;
        }
        Found::Header(found)
    }
}

fn checksum(header: &[u8; HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..])
}
