// SPDX-License-Identifier: Apache-2.0
//! The batch being collected: one buffer that records are encoded into, cut into pieces only where a large body goes
//! between them or the segment changes.

use std::mem;

use bytes::{BufMut, Bytes};

use super::super::pieces::{OWN_PIECE, Pieces};
use super::super::record::Record;
use super::super::request::{Segment, Write};
use super::head::{CHECKED_FROM, HEAD, Head, record_size};

/// The buffer grows by steps of this.
const CHUNK: usize = 256 * 1024;

/// Collects the writes of a batch.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pieces: Pieces<CHUNK>,
    writes: Vec<Write>,
    /// Where the bytes in `pieces` begin.
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
        self.pieces.reserve(bytes.len());
        self.pieces.buffer.put_slice(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// Encodes a record with its head.
    pub fn record(&mut self, segment: Segment, head: &Head, record: &Record) {
        let size = record_size(head.payload);
        let body = record.body().filter(|body| !body.is_empty());
        let own_piece = body.filter(|body| body.len() >= OWN_PIECE);
        self.pieces.reserve(size - own_piece.map_or(0, Bytes::len));
        let start = self.pieces.buffer.len();
        self.pieces.buffer.put_slice(&head.encode(segment));
        record.encode_envelope(&mut self.pieces.buffer);
        if let (Some(body), None) = (body, own_piece) {
            self.pieces.buffer.put_slice(body);
        }
        let mut checksum = crc32c::crc32c(&self.pieces.buffer[start + CHECKED_FROM..]);
        if let Some(body) = own_piece {
            checksum = crc32c::crc32c_append(checksum, body);
        }
        self.pieces.buffer[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        let written = self.pieces.buffer.len() - start + own_piece.map_or(0, Bytes::len);
        assert_eq!(written, HEAD + head.payload, "the length was counted right");
        if let Some(body) = own_piece {
            self.pieces.share(body);
        }
        self.pieces.buffer.put_bytes(0, size - written);
        self.bytes += size as u64;
    }

    fn finish_write(&mut self) {
        let pieces = self.pieces.take();
        if pieces.is_empty() {
            return;
        }
        let (segment, offset) = self.place.expect("bytes follow a place");
        self.writes.push(Write {
            segment,
            offset,
            pieces,
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
