// SPDX-License-Identifier: Apache-2.0
//! The batch being collected: one buffer that records are encoded into, cut into pieces only where a large body goes
//! between them or the segment changes.

use std::mem;

use bytes::{BufMut, Bytes, BytesMut};

use super::super::record::Record;
use super::super::request::{Segment, Write};
use super::head::{CHECKED_FROM, HEAD, Head, record_size};

/// Bodies of at least this many bytes become a piece of their own; smaller ones are copied.
const OWN_PIECE: usize = 16 * 1024;
/// The buffer grows by steps of this.
const CHUNK: usize = 256 * 1024;

/// Collects the writes of a batch.
#[derive(Debug, Default)]
pub(super) struct Collector {
    buffer: BytesMut,
    pieces: Vec<Bytes>,
    writes: Vec<Write>,
    /// Where the bytes in `pieces` and `buffer` begin.
    place: Option<(Segment, u64)>,
    /// Bytes collected.
    pub bytes: u64,
}

impl Collector {
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// What follows stands at `offset` of `segment`.
    pub fn go_to(&mut self, segment: Segment, offset: u64) {
        self.finish_write();
        self.place = Some((segment, offset));
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.buffer.put_slice(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Encodes a record with its head.
    pub fn record(&mut self, segment: Segment, head: &Head, record: &Record) {
        let size = record_size(head.payload);
        let body = record.body().filter(|body| !body.is_empty());
        let own_piece = body.filter(|body| body.len() >= OWN_PIECE);
        self.reserve(size - own_piece.map_or(0, Bytes::len));
        let start = self.buffer.len();
        self.buffer.put_slice(&head.encode(segment));
        record.encode_envelope(&mut self.buffer);
        if let (Some(body), None) = (body, own_piece) {
            self.buffer.put_slice(body);
        }
        let mut checksum = crc32c::crc32c(&self.buffer[start + CHECKED_FROM..]);
        if let Some(body) = own_piece {
            checksum = crc32c::crc32c_append(checksum, body);
        }
        self.buffer[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        let written = self.buffer.len() - start + own_piece.map_or(0, Bytes::len);
        assert_eq!(written, HEAD + head.payload, "the length was counted right");
        if let Some(body) = own_piece {
            self.cut();
            self.pieces.push(body.clone());
        }
        self.buffer.put_bytes(0, size - written);
        self.bytes += size as u64;
    }

    /// Room for `n` bytes in one stretch. What is there is cut off rather than moved.
    fn reserve(&mut self, n: usize) {
        if self.buffer.capacity() - self.buffer.len() < n {
            self.cut();
            self.buffer.reserve(n.max(CHUNK));
        }
    }

    fn cut(&mut self) {
        if !self.buffer.is_empty() {
            self.pieces.push(self.buffer.split().freeze());
        }
    }

    fn finish_write(&mut self) {
        self.cut();
        if self.pieces.is_empty() {
            return;
        }
        let (segment, offset) = self.place.expect("bytes follow a place");
        self.writes.push(Write {
            segment,
            offset,
            pieces: mem::take(&mut self.pieces),
        });
    }

    /// The writes so far; what follows stands directly behind them.
    pub fn take(&mut self) -> Vec<Write> {
        self.finish_write();
        if let (Some((_, offset)), Some(last)) = (&mut self.place, self.writes.last()) {
            *offset = last.offset + last.len();
        }
        self.bytes = 0;
        mem::take(&mut self.writes)
    }
}
