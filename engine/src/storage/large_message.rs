// SPDX-License-Identifier: Apache-2.0
//! The file of a large message's body: chunks, each with a checksum behind it. FORMAT.md, "Large messages".

use std::mem;

use bytes::{BufMut, Bytes, BytesMut};

use crate::id::LargeId;
use crate::message::LargeBody;

/// How long a chunk is in the file, its checksum included; the last one may be shorter.
pub const CHUNK: usize = 128 * 1024;
/// How long the checksum is.
const CHECKSUM: usize = 4;
/// How much of the body a whole chunk holds.
const HELD: usize = CHUNK - CHECKSUM;

/// A part of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is.
    pub length: u32,
}

/// The chunks of a body.
#[derive(Clone, Copy, Debug)]
pub struct Chunks(pub LargeBody);

impl Chunks {
    /// How many there are.
    pub fn count(self) -> u64 {
        self.0.size.div_ceil(HELD as u64)
    }

    /// Where the chunk of that number (from 0) stands.
    ///
    /// # Panics
    /// If there is no such chunk.
    pub fn span(self, number: u64) -> Span {
        assert!(number < self.count(), "a chunk of this body");
        let left = self.0.size - number * HELD as u64;
        let held = u32::try_from(left.min(HELD as u64)).expect("a chunk is small");
        Span {
            offset: number * CHUNK as u64,
            length: held + CHECKSUM as u32,
        }
    }

    /// What the chunk holds of the body, if what was read is that chunk, whole and unchanged.
    pub fn open(self, number: u64, mut read: Bytes) -> Option<Bytes> {
        if read.len() != self.span(number).length as usize {
            return None;
        }
        let written = read.split_off(read.len() - CHECKSUM);
        (checksum(self.0.id, number, &read).to_le_bytes() == *written).then_some(read)
    }
}

/// CRC-32C over the number of the body, the number of the chunk and what it holds, so that a chunk in the wrong place is
/// as bad as a changed one.
fn checksum(body: LargeId, number: u64, held: &[u8]) -> u32 {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&body.0.to_le_bytes());
    place[8..].copy_from_slice(&number.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), held)
}

/// What is to be appended to the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Where the last one ended.
    pub offset: u64,
    /// What it holds, and its checksum.
    pub bytes: Bytes,
}

impl Chunk {
    /// How much of the body it holds, given how long it is in the file.
    pub fn held(length: u64) -> u64 {
        length.saturating_sub(CHECKSUM as u64)
    }
}

/// Cuts a body into chunks as it arrives. Holds one unfinished chunk.
#[derive(Debug)]
pub struct Writer {
    body: LargeBody,
    chunk: BytesMut,
}

impl Writer {
    /// For the file of that number, which does not exist yet.
    pub fn new(id: LargeId) -> Self {
        Self {
            body: LargeBody { id, size: 0 },
            chunk: BytesMut::new(),
        }
    }

    /// What has come so far.
    pub fn body(&self) -> LargeBody {
        self.body
    }

    /// Bytes of memory that the unfinished chunk takes.
    pub fn held(&self) -> u64 {
        self.chunk.capacity() as u64
    }

    /// More of the body; the chunks it completes.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            if self.chunk.capacity() == 0 {
                self.chunk.reserve(CHUNK);
            }
            let taken = bytes.len().min(HELD - self.chunk.len());
            self.chunk.put_slice(&bytes[..taken]);
            self.body.size += taken as u64;
            bytes = &bytes[taken..];
            if self.chunk.len() == HELD {
                chunks.extend(self.finish());
            }
        }
        chunks
    }

    /// What is left over when the body has ended.
    pub fn finish(&mut self) -> Option<Chunk> {
        if self.chunk.is_empty() {
            return None;
        }
        let number = (self.body.size - 1) / HELD as u64;
        let mut chunk = mem::take(&mut self.chunk);
        let checksum = checksum(self.body.id, number, &chunk);
        chunk.put_u32_le(checksum);
        Some(Chunk {
            offset: number * CHUNK as u64,
            bytes: chunk.freeze(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LargeId = LargeId(7);

    fn body(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n % 251) as u8).collect()
    }

    fn written(body: &[u8], piece: usize) -> (LargeBody, Vec<u8>) {
        let mut writer = Writer::new(ID);
        let mut file = Vec::new();
        let mut append = |chunk: Chunk| {
            assert_eq!(chunk.offset, file.len() as u64);
            file.extend_from_slice(&chunk.bytes);
        };
        for piece in body.chunks(piece) {
            writer.push(piece).into_iter().for_each(&mut append);
        }
        writer.finish().into_iter().for_each(&mut append);
        (writer.body(), file)
    }

    fn read(large: LargeBody, file: &[u8], number: u64) -> Option<Bytes> {
        let span = Chunks(large).span(number);
        let start = span.offset as usize;
        let end = (start + span.length as usize).min(file.len());
        let bytes = file.get(start..end).unwrap_or_default();
        Chunks(large).open(number, Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn a_body_of_any_size_comes_back_however_it_arrived() {
        for size in [1, 2, HELD - 1, HELD, HELD + 1, 2 * HELD, 3 * HELD + 17] {
            let whole = body(size);
            for piece in [1000, HELD - 1, HELD, 3 * HELD] {
                let (large, file) = written(&whole, piece);
                assert_eq!(large.size, size as u64);
                let back: Vec<u8> = (0..Chunks(large).count())
                    .flat_map(|number| read(large, &file, number).expect("unchanged"))
                    .collect();
                assert!(back == whole, "{size} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_changed_bit_a_chunk_in_the_wrong_place_and_a_short_file_are_seen() {
        let (large, file) = written(&body(2 * HELD + 9), 10_000);
        for at in [0, 5000, HELD, CHUNK - 1, CHUNK, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 0x10;
            let number = (at / CHUNK) as u64;
            assert_eq!(read(large, &changed, number), None, "changed at {at}");
            assert!(read(large, &changed, (number + 1) % 3).is_some());
        }
        let mut swapped = file.clone();
        swapped.rotate_left(CHUNK);
        assert_eq!(read(large, &swapped, 0), None);
        let other = LargeBody {
            id: LargeId(8),
            ..large
        };
        assert_eq!(read(other, &file, 0), None);
        for cut in [1, 9, CHUNK] {
            assert_eq!(read(large, &file[..file.len() - cut], 2), None);
        }
    }

    #[test]
    fn nothing_makes_no_chunk() {
        let mut writer = Writer::new(ID);
        assert!(writer.push(&[]).is_empty());
        assert_eq!(writer.finish(), None);
        assert_eq!(Chunks(writer.body()).count(), 0);
    }
}
