// SPDX-License-Identifier: Apache-2.0
//! Bytes a connection still has to write.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hind_engine::protocol::Segments;
use tokio::io::AsyncWrite;

/// Segments in order, written together.
#[derive(Debug, Default)]
pub struct Outbox {
    segments: VecDeque<Bytes>,
    len: usize,
}

impl Outbox {
    /// Above this the connection hears no more events and reads no more bytes until its peer has taken some.
    pub const HIGH_WATER: usize = 256 * 1024;

    /// Takes over what a machine has appended.
    pub fn take(&mut self, segments: &mut Segments) {
        while let Some(segment) = segments.pop() {
            self.len += segment.len();
            self.segments.push_back(segment);
        }
    }

    /// Nothing is left to write.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The peer takes too slowly.
    pub fn is_full(&self) -> bool {
        self.len >= Self::HIGH_WATER
    }

    /// Everything in one piece, for a transport that has messages of its own.
    pub fn take_all(&mut self) -> Bytes {
        self.len = 0;
        if self.segments.len() == 1 {
            return self.segments.pop_front().unwrap_or_default();
        }
        let mut all = BytesMut::with_capacity(self.segments.iter().map(Bytes::len).sum());
        self.segments.drain(..).for_each(|it| all.extend(it));
        all.freeze()
    }

    /// Writes as much as the socket takes. `Ready` when nothing is left.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        const SLICES: usize = 64;
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = self.segments.len().min(SLICES);
            for (slice, segment) in slices.iter_mut().zip(&self.segments) {
                *slice = IoSlice::new(segment);
            }
            let writing = Pin::new(&mut *socket).poll_write_vectored(cx, &slices[..used]);
            let written = ready!(writing)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        // A list that grew with a burst is given back.
        if self.segments.capacity() > SLICES {
            self.segments = VecDeque::new();
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.len -= written;
        while let Some(first) = self.segments.front_mut() {
            if first.len() > written {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(pieces: &[&'static [u8]]) -> Outbox {
        let mut outbox = Outbox::default();
        for piece in pieces {
            outbox.len += piece.len();
            outbox.segments.push_back(Bytes::from_static(piece));
        }
        outbox
    }

    #[test]
    fn a_partial_write_leaves_exactly_the_rest() {
        for written in 0..=9 {
            let mut outbox = outbox(&[b"abc", b"def", b"ghi"]);
            outbox.advance(written);
            assert_eq!(outbox.take_all(), &b"abcdefghi"[written..]);
        }
    }

    #[test]
    fn what_was_taken_is_written_in_order() {
        let mut segments = Segments::default();
        segments.head().extend_from_slice(b"head ");
        segments.payload(&Bytes::from(vec![b'x'; Segments::SHARED]));
        segments.head().extend_from_slice(b" tail");
        let mut outbox = Outbox::default();
        outbox.take(&mut segments);
        assert_eq!(outbox.len, Segments::SHARED + 10);
        let all = outbox.take_all();
        assert!(all.starts_with(b"head xxx") && all.ends_with(b"xxx tail"));
        assert!(outbox.is_empty() && segments.is_empty());
    }
}
