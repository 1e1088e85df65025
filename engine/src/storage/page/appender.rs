// SPDX-License-Identifier: Apache-2.0
//! Makes the bytes of one page's file, to be appended a portion at a time.

use std::mem;

use bytes::{BufMut, Bytes};

use super::super::pieces::{OWN_PIECE, Pieces};
use super::super::record::MessageRecord;
use super::super::request::PageRequest;
use super::head::{ALIGNMENT, CHECKED_FROM, HEAD, Head, size};
use super::header::PageHeader;
use crate::id::PageId;

/// The buffer grows by steps of this.
const CHUNK: usize = 64 * 1024;

/// How many bytes the message will occupy in a page's file.
pub fn entry_size(record: &MessageRecord) -> u64 {
    size(record.payload_len()) as u64
}

/// Collects what is to be appended to one page's file.
///
/// *Invariants*: what [`Appender::take`] hands out follows, without a gap, what it handed out before.
#[derive(Debug)]
pub struct Appender {
    page: PageId,
    /// Where in the file the bytes collected begin.
    offset: u64,
    collected: u64,
    pieces: Pieces<CHUNK>,
}

impl Appender {
    /// An appender for a new file, the header already collected.
    pub fn new(header: &PageHeader) -> Self {
        let bytes = header.encode();
        let mut pieces = Pieces::default();
        pieces.buffer.put_slice(&bytes);
        Self {
            page: header.page,
            offset: 0,
            collected: bytes.len() as u64,
            pieces,
        }
    }

    /// Collects one message, and says how many bytes it occupies in the file ([`entry_size`]).
    pub fn push(&mut self, index: u32, record: &MessageRecord) -> u64 {
        let payload = record.payload_len();
        let size = size(payload);
        let body = record.body();
        let own_piece = body.filter(|body| body.len() >= OWN_PIECE);
        self.pieces.reserve(size - own_piece.map_or(0, Bytes::len));
        let start = self.pieces.buffer.len();
        self.pieces
            .buffer
            .put_slice(&Head::encode(self.page, index, payload));
        record.encode_envelope(&mut self.pieces.buffer);
        let padding = &[0; ALIGNMENT][..size - HEAD - payload];
        if own_piece.is_none() {
            self.pieces.buffer.put_slice(body.map_or(&[], |body| body));
            self.pieces.buffer.put_slice(padding);
        }
        let mut checksum = crc32c::crc32c(&self.pieces.buffer[start + CHECKED_FROM..]);
        if let Some(body) = own_piece {
            checksum = crc32c::crc32c_append(checksum, body);
            checksum = crc32c::crc32c_append(checksum, padding);
        }
        self.pieces.buffer[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        let written = self.pieces.buffer.len() - start;
        let beside = own_piece.map_or(0, |body| body.len() + padding.len());
        assert_eq!(written + beside, size, "the length was counted right");
        if let Some(body) = own_piece {
            self.pieces.share(body);
            self.pieces.buffer.put_slice(padding);
        }
        self.collected += size as u64;
        size as u64
    }

    /// Bytes collected and not yet taken.
    pub fn collected(&self) -> u64 {
        self.collected
    }

    /// Where the file will end when everything pushed so far has been appended, in bytes from its start.
    pub fn end(&self) -> u64 {
        self.offset + self.collected
    }

    /// The request that appends what has been collected; `None` if there is nothing.
    pub fn take(&mut self) -> Option<PageRequest> {
        let pieces = self.pieces.take();
        if pieces.is_empty() {
            return None;
        }
        let offset = self.offset;
        self.offset += mem::take(&mut self.collected);
        Some(PageRequest::Append {
            page: self.page,
            offset,
            pieces,
        })
    }
}
