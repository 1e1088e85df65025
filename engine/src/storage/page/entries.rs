// SPDX-License-Identifier: Apache-2.0
//! Reads a page's file, chunk by chunk.

use std::ops::Range;

use bytes::Bytes;

use super::super::layout::Reader;
use super::super::record::{LastAddress, MessageRecord};
use super::head::{ALIGNMENT, CHECKED_FROM, HEAD, Head};
use super::header::{FIXED, Found, PageHeader};
use crate::id::PageId;

/// The entries of one chunk of a page's file, in order; damaged ones are passed over and reported.
///
/// A reader begins with a chunk at offset 0 of any length; [`Entries::resume`] then says where the next one has to begin
/// and how long it has to be at least. What cannot be verified is a damaged stretch, which ends where an entry verifies
/// again: a head has a checksum of its own, so that damage to a payload costs that entry and no search.
///
/// A file cut off between two entries looks whole: only who knows how many there were misses something.
#[derive(Debug)]
pub struct Entries<'a> {
    page: PageId,
    /// Where in the file the chunk begins.
    offset: u64,
    chunk: &'a Bytes,
    /// How much of the chunk has been read.
    at: usize,
    last: bool,
    at_least: usize,
    header: Option<PageHeader>,
    damaged: Vec<Range<u64>>,
}

/// Where reading has to go on after a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// Where the next chunk begins, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes of it are needed before anything can be read: the length of the entry there if its head has been
    /// seen. A chunk that is shorter because the file ends is the last one.
    pub at_least: usize,
}

/// One message in a page's file, checksum verified.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its number in the page.
    pub index: u32,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    payload: &'a [u8],
    chunk: &'a Bytes,
}

enum Step<'a> {
    Entry(Entry<'a>, usize),
    Header(PageHeader, usize),
    Damaged(usize),
    /// The chunk is exhausted; so many bytes are needed from here on.
    Cut(usize),
}

impl<'a> Entries<'a> {
    /// The entries of `chunk`, which begins at `offset` of the file of `page`. `last`: the file ends with it.
    pub fn new(page: PageId, offset: u64, chunk: &'a Bytes, last: bool) -> Self {
        assert!(
            offset.is_multiple_of(ALIGNMENT as u64),
            "entries begin at multiples of 8"
        );
        Self {
            page,
            offset,
            chunk,
            at: 0,
            last,
            at_least: HEAD,
            header: None,
            damaged: Vec::new(),
        }
    }

    /// The header, once the iteration has begun, if the chunk is the first and it verifies.
    pub fn header(&self) -> Option<&PageHeader> {
        self.header.as_ref()
    }

    /// Where reading has to go on, when the iteration has ended.
    pub fn resume(&self) -> Resume {
        Resume {
            offset: self.place(),
            at_least: self.at_least,
        }
    }

    /// The stretches of the file that could not be verified, so far, ascending. One that goes over the end of the chunk
    /// goes on at the beginning of the next chunk's.
    pub fn damaged(&self) -> &[Range<u64>] {
        &self.damaged
    }

    /// Where in the file the next byte to be read stands.
    fn place(&self) -> u64 {
        self.offset + self.at as u64
    }

    fn step(&self) -> Step<'a> {
        let rest = &self.chunk[self.at..];
        if rest.is_empty() {
            return Step::Cut(HEAD);
        }
        let step = if self.place() == 0 {
            self.at_header(rest)
        } else {
            self.at_entry(rest)
        };
        match step {
            Step::Cut(_) if self.last => Step::Damaged(rest.len()),
            step => step,
        }
    }

    fn at_header(&self, rest: &'a [u8]) -> Step<'a> {
        match PageHeader::find(rest, self.page) {
            Found::Header(header, size) => Step::Header(header, size),
            // The name's length may be what is damaged.
            Found::Cut(_) if self.last && rest.len() > FIXED => Step::Damaged(FIXED),
            Found::Cut(size) => Step::Cut(size),
            Found::Nothing => Step::Damaged(FIXED),
        }
    }

    fn at_entry(&self, rest: &'a [u8]) -> Step<'a> {
        if rest.len() < HEAD {
            return Step::Cut(HEAD);
        }
        let Some(head) = Head::verify(rest, self.page) else {
            return Step::Damaged(ALIGNMENT);
        };
        let size = head.size();
        let Some(whole) = rest.get(..size) else {
            return Step::Cut(size);
        };
        if crc32c::crc32c(&whole[CHECKED_FROM..]) != head.checksum {
            return Step::Damaged(size);
        }
        let entry = Entry {
            index: head.index,
            offset: self.place(),
            payload: &whole[HEAD..HEAD + head.payload],
            chunk: self.chunk,
        };
        Step::Entry(entry, size)
    }

    fn damage(&mut self, length: usize) {
        let from = self.place();
        let to = from + length as u64;
        match self.damaged.last_mut() {
            Some(before) if before.end == from => before.end = to,
            _ => self.damaged.push(from..to),
        }
        self.at += length;
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            match self.step() {
                Step::Entry(entry, size) => {
                    self.at += size;
                    return Some(entry);
                }
                Step::Header(header, size) => {
                    self.header = Some(header);
                    self.at += size;
                }
                Step::Damaged(length) => self.damage(length),
                Step::Cut(at_least) => {
                    self.at_least = at_least;
                    return None;
                }
            }
        }
    }
}

impl Entry<'_> {
    /// The message, with copies of what it keeps; `None` if the payload is malformed although its checksum is right.
    pub fn decode(&self, addresses: &mut LastAddress) -> Option<MessageRecord> {
        MessageRecord::decode_keeping(Reader(self.payload), addresses, Bytes::copy_from_slice)
    }

    /// The message, whose body and properties are parts of the chunk and keep it in memory; `None` as above.
    pub fn decode_shared(&self, addresses: &mut LastAddress) -> Option<MessageRecord> {
        MessageRecord::decode_keeping(Reader(self.payload), addresses, |part| {
            self.chunk.slice_ref(part)
        })
    }

    /// Bytes of the message's payload.
    pub fn payload_len(&self) -> usize {
        self.payload.len()
    }
}
