// SPDX-License-Identifier: Apache-2.0
//! Bytes for the disk, collected in one growing buffer and cut only where a large body goes between them.

use std::mem;

use bytes::{Bytes, BytesMut};

/// Bodies of at least this many bytes become a piece of their own; smaller ones are copied.
pub(super) const OWN_PIECE: usize = 16 * 1024;

/// Pieces that follow one another. The buffer grows by steps of `STEP` bytes.
#[derive(Debug, Default)]
pub(super) struct Pieces<const STEP: usize> {
    pub buffer: BytesMut,
    pieces: Vec<Bytes>,
}

impl<const STEP: usize> Pieces<STEP> {
    /// Room for `n` bytes in one stretch of the buffer. What is there is cut off rather than moved.
    pub fn reserve(&mut self, n: usize) {
        if self.buffer.capacity() - self.buffer.len() < n {
            self.cut();
            self.buffer.reserve(n.max(STEP));
        }
    }

    /// A body that is not copied.
    pub fn share(&mut self, body: &Bytes) {
        self.cut();
        self.pieces.push(body.clone());
    }

    /// Everything so far.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.cut();
        mem::take(&mut self.pieces)
    }

    fn cut(&mut self) {
        if !self.buffer.is_empty() {
            self.pieces.push(self.buffer.split().freeze());
        }
    }
}
