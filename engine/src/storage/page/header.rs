// SPDX-License-Identifier: Apache-2.0
//! The start of a page's file. FORMAT.md, "Pages".

use super::super::layout::Reader;
use super::head::ALIGNMENT;
use crate::id::{AddressId, PageId};

/// Bytes of the header before the name.
pub(super) const FIXED: usize = 64;
/// Bytes of a name that are kept: with them the header fills 4 KiB.
const NAME_MAX: usize = 4096 - FIXED;
const MAGIC: [u8; 8] = *b"HINDPAGE";
const VERSION: u32 = 1;
/// Where the length of the name stands.
const NAME_LENGTH: usize = 32;

/// What the header of a page's file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageHeader {
    /// Which page.
    pub page: PageId,
    /// The address it is of.
    pub address: AddressId,
    /// The address's name, for an operator who finds the file; only the first 4,032 bytes of it are kept.
    pub name: String,
}

/// What stands where a header should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// A header of this page, and how long it is with its name and padding.
    Header(PageHeader, usize),
    /// The start of something that may be a header so long.
    Cut(usize),
    /// No header of this page.
    Nothing,
}

impl PageHeader {
    /// The bytes the file begins with; a multiple of 8, at most 4,096.
    pub fn encode(&self) -> Vec<u8> {
        let name = self.name.as_bytes();
        let name = &name[..self.name.floor_char_boundary(NAME_MAX)];
        let mut bytes = Vec::with_capacity((FIXED + name.len()).next_multiple_of(ALIGNMENT));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.page.0.to_le_bytes());
        bytes.extend_from_slice(&self.address.0.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.resize(FIXED, 0);
        bytes.extend_from_slice(name);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        let checksum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Looks at the start of the file of `page`, or as much of it as is there.
    pub(super) fn find(bytes: &[u8], page: PageId) -> Found {
        let Some(fixed) = bytes.first_chunk::<FIXED>() else {
            return Found::Cut(FIXED);
        };
        let Some(length) = name_length(fixed) else {
            return Found::Nothing;
        };
        let size = (FIXED + length).next_multiple_of(ALIGNMENT);
        let Some(whole) = bytes.get(..size) else {
            return Found::Cut(size);
        };
        match Self::decode(whole, length).filter(|header| header.page == page) {
            Some(header) => Found::Header(header, size),
            None => Found::Nothing,
        }
    }

    fn decode(whole: &[u8], length: usize) -> Option<Self> {
        let mut from = Reader(whole);
        let known = from.take(8)? == MAGIC && from.u32()? == VERSION;
        let right = from.u32()? == checksum(whole);
        let (page, address) = (PageId(from.u64()?), AddressId(from.u64()?));
        let name = &whole[FIXED..FIXED + length];
        let name = std::str::from_utf8(name).ok()?.to_owned();
        (known && right).then_some(Self {
            page,
            address,
            name,
        })
    }
}

/// The length of the name, if the header may be one.
fn name_length(fixed: &[u8; FIXED]) -> Option<usize> {
    let length = Reader(&fixed[NAME_LENGTH..]).u32()? as usize;
    (fixed.starts_with(&MAGIC) && length <= NAME_MAX).then_some(length)
}

fn checksum(whole: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&whole[..12]), &whole[16..])
}
