// SPDX-License-Identifier: Apache-2.0
//! The body of a frame: whole, or in parts as it arrives.

use bytes::{Buf, Bytes, BytesMut};

use super::{Decoder, Found, Stage, check};
use crate::codec::{ClientCommand, Malformed};

/// From this length a body is a slice of the read buffer; below, it is copied to its exact size.
///
/// A slice keeps the whole read buffer (64 KiB in our host) alive for as long as the message waits on a queue, and
/// makes the host allocate another one; a copy lets the buffer be used again. Copying 1 KiB costs about 30 ns, 16 KiB
/// about half a microsecond, the same as the allocation it saves; above that a slice pins at most four times its size.
const SHARED_BODY: usize = 16 * 1024;

/// What is given out of a streamed body at once: at least this, except at its end, so that a client that sends little by
/// little does not make the broker do little by little; and at most that.
const PART_MIN: usize = SHARED_BODY;
const PART_MAX: usize = 64 * 1024;

/// What a body may have where none belongs; it is read over, as Artemis does.
const STRAY_BODY: usize = 64 * 1024;

impl Decoder {
    /// How large the body of the frame may be, if it is at least so large.
    pub(super) fn body_limit(&self, length: usize) -> usize {
        match self.command {
            ClientCommand::Send if self.is_streamed(length) => self.limits.streamed,
            ClientCommand::Send => self.limits.body,
            _ => self.limits.body.min(STRAY_BODY),
        }
    }

    fn is_streamed(&self, length: usize) -> bool {
        self.command == ClientCommand::Send && length > 0 && length >= self.limits.streamed_from
    }

    pub(super) fn read_body(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let length = match self.content_length {
            Some(length) if self.is_streamed(length) => return Ok(self.announce()),
            Some(length) => match input.get(length) {
                Some(0) => length,
                Some(_) => return Err(Malformed::Unterminated(length)),
                None => return Ok(false),
            },
            None => match memchr::memchr(0, &input[self.scanned..]) {
                Some(found) => self.scanned + found,
                None => {
                    self.scanned = input.len();
                    if self.is_streamed(self.scanned) {
                        return Ok(self.announce());
                    }
                    check("body", self.scanned, self.body_limit(self.scanned))?;
                    return Ok(false);
                }
            },
        };
        if self.is_streamed(length) {
            return Ok(self.announce());
        }
        check("body", length, self.body_limit(length))?;
        self.body = if self.command != ClientCommand::Send || length == 0 {
            input.advance(length);
            Bytes::new()
        } else if length < SHARED_BODY {
            let copy = Bytes::copy_from_slice(&input[..length]);
            input.advance(length);
            copy
        } else {
            input.split_to(length).freeze()
        };
        input.advance(1);
        self.stage = Stage::Taken;
        Ok(true)
    }

    /// The head is to be taken now, and the body then follows in parts.
    fn announce(&mut self) -> bool {
        self.stage = Stage::HeadTaken;
        self.scanned = 0;
        self.streamed = 0;
        true
    }

    /// The next part of a body, or its end.
    pub(super) fn stream(&mut self, input: &mut BytesMut) -> Result<Found, Malformed> {
        let (available, is_rest) = match self.content_length {
            Some(length) => {
                let left = length - self.streamed;
                (left.min(input.len()), left <= input.len())
            }
            None => {
                let near = &input[..input.len().min(PART_MAX)];
                let found = memchr::memchr(0, &near[self.scanned.min(near.len())..]);
                found.map_or((near.len(), false), |found| (self.scanned + found, true))
            }
        };
        if available == 0 && is_rest {
            return self.end_stream(input);
        }
        if available < PART_MIN && !is_rest {
            self.scanned = available;
            return Ok(Found::Nothing);
        }
        let part = available.min(PART_MAX);
        self.scanned = 0;
        self.streamed += part;
        check("body", self.streamed, self.limits.streamed)?;
        Ok(Found::Part(if part < SHARED_BODY {
            let copy = Bytes::copy_from_slice(&input[..part]);
            input.advance(part);
            copy
        } else {
            input.split_to(part).freeze()
        }))
    }

    fn end_stream(&mut self, input: &mut BytesMut) -> Result<Found, Malformed> {
        match input.first() {
            None => Ok(Found::Nothing),
            Some(0) => {
                input.advance(1);
                self.stage = Stage::Frame;
                Ok(Found::End)
            }
            Some(_) => Err(Malformed::Unterminated(self.streamed)),
        }
    }
}
