// SPDX-License-Identifier: Apache-2.0
//! The primitives of every durable format: little-endian numbers, and blocks with a u32 length before them. FORMAT.md,
//! "Payloads".

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

/// Where a payload goes: a buffer, or a counter that only learns how long it will be. One encoder serves both, so that
/// the two cannot disagree.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);

    /// One byte.
    fn u8(&mut self, number: u8) {
        self.put(&[number]);
    }

    /// Four bytes.
    fn u32(&mut self, number: u32) {
        self.put(&number.to_le_bytes());
    }

    /// Eight bytes.
    fn u64(&mut self, number: u64) {
        self.put(&number.to_le_bytes());
    }

    /// How many of something follow.
    fn count(&mut self, n: usize) {
        self.u32(
            u32::try_from(n).expect("lists and texts of a record are bounded far below 4 GiB"),
        );
    }

    /// A length and so many bytes.
    fn block(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.put(bytes);
    }

    /// A length and so much UTF-8.
    fn text(&mut self, text: &str) {
        self.block(text.as_bytes());
    }
}

impl Sink for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

/// Counts what would be written.
#[derive(Debug, Default)]
pub struct Counter(pub usize);

impl Sink for Counter {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Reads a payload; every length is checked before it is used, `None` = malformed.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        Some(u8::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    /// Sixteen bytes.
    pub fn id(&mut self) -> Option<[u8; 16]> {
        self.array()
    }

    /// Bits, none of them outside `known`.
    pub fn bits(&mut self, known: u8) -> Option<u8> {
        self.u8().filter(|bits| bits & !known == 0)
    }

    /// How many follow, each at least `each` bytes long: refused when the payload cannot hold them, so that a list is
    /// never reserved larger than what is there.
    pub fn count(&mut self, each: usize) -> Option<usize> {
        let n = self.u32()? as usize;
        (n.checked_mul(each)? <= self.0.len()).then_some(n)
    }

    /// A length and so many bytes.
    pub fn block(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    /// A length and so much UTF-8.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.block()?).ok()
    }

    /// Text that will be shared.
    pub fn shared_text(&mut self) -> Option<Arc<str>> {
        self.text().map(Arc::from)
    }

    /// Nothing may be left over.
    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
