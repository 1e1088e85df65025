// SPDX-License-Identifier: Apache-2.0
//! The 24 bytes before every entry's payload. FORMAT.md, "Pages".

use super::super::layout::Reader;
use crate::id::PageId;

/// Bytes of an entry's head.
pub(super) const HEAD: usize = 24;
/// Entries begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;
/// Where the bytes under the entry's checksum begin.
pub(super) const CHECKED_FROM: usize = 8;
/// No payload may be longer.
const PAYLOAD_MAX: usize = 1 << 30;

/// What a head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    /// Over everything from [`CHECKED_FROM`] to the end of the entry, padding included.
    pub checksum: u32,
    pub payload: usize,
    pub index: u32,
}

/// Bytes an entry with a payload so long occupies.
pub(super) fn size(payload: usize) -> usize {
    (HEAD + payload).next_multiple_of(ALIGNMENT)
}

/// The low bits of a page's number.
fn generation(page: PageId) -> [u8; 4] {
    let [a, b, c, d, ..] = page.0.to_le_bytes();
    [a, b, c, d]
}

impl Head {
    /// The head with the entry's checksum still zero.
    pub fn encode(page: PageId, index: u32, payload: usize) -> [u8; HEAD] {
        assert!(
            payload <= PAYLOAD_MAX,
            "an entry is far below 1 GiB: larger bodies are large messages"
        );
        let mut bytes = [0; HEAD];
        bytes[4..8].copy_from_slice(&generation(page));
        bytes[8..12].copy_from_slice(&(payload as u32).to_le_bytes());
        bytes[12..16].copy_from_slice(&index.to_le_bytes());
        let of_head = crc32c::crc32c(&bytes[4..16]);
        bytes[16..20].copy_from_slice(&of_head.to_le_bytes());
        bytes
    }

    /// The head at the start of `bytes`, if one of this page verifies there: then its length is to be believed, whether
    /// or not the payload is.
    pub fn verify(bytes: &[u8], page: PageId) -> Option<Self> {
        if bytes.get(4..8)? != generation(page) || bytes.get(20..HEAD)? != [0; 4] {
            return None;
        }
        let mut from = Reader(bytes);
        let checksum = from.u32()?;
        from.u32()?;
        let payload = from.u32()? as usize;
        let index = from.u32()?;
        let right = from.u32()? == crc32c::crc32c(&bytes[4..16]) && payload <= PAYLOAD_MAX;
        right.then_some(Self {
            checksum,
            payload,
            index,
        })
    }

    /// Bytes of the whole entry.
    pub fn size(&self) -> usize {
        size(self.payload)
    }
}
