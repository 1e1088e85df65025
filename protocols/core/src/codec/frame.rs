// SPDX-License-Identifier: Apache-2.0
//! Frames: length, type, channel, body. The outermost layer.

use bytes::{Buf, Bytes, BytesMut};

use super::{Kind, Malformed};

/// What is in front of every frame and not counted by it, in bytes.
const LENGTH: usize = 4;
/// Type and channel, in bytes.
const TYPE_AND_CHANNEL: usize = 1 + 8;

/// Channels that are there without being opened.
pub mod channel {
    /// Life signs, topology, farewells.
    pub const CONTROL: i64 = 0;
    /// Sessions are opened, found again and checked here.
    pub const SESSION: i64 = 1;
    /// Replication between brokers.
    pub const REPLICATION: i64 = 2;
    /// Members of a cluster.
    pub const CLUSTER: i64 = 3;
    /// Federation.
    pub const FEDERATION: i64 = 4;
    /// The first that a client may choose for a session.
    pub const FIRST_OF_SESSIONS: i64 = 10;
}

/// One whole frame; its body is a slice of what was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Which packet it holds.
    pub number: i8,
    /// On which channel.
    pub channel: i64,
    /// The fields of the packet, not looked at yet.
    pub body: Bytes,
}

impl Frame {
    /// Takes the next frame off the front; `None`: it is not all there. Nothing is reserved for what is missing.
    ///
    /// `limit` is how long a frame may be, in bytes.
    ///
    /// # Errors
    /// The length is impossible or beyond the limit.
    pub fn take(input: &mut BytesMut, limit: usize) -> Result<Option<Self>, Malformed> {
        let Some(whole) = Self::length(input, limit)? else {
            return Ok(None);
        };
        if input.len() < whole {
            return Ok(None);
        }
        let mut bytes = input.split_to(whole).freeze();
        bytes.advance(LENGTH);
        let number = bytes.get_i8();
        let channel = bytes.get_i64();
        Ok(Some(Self {
            number,
            channel,
            body: bytes,
        }))
    }

    /// How long the next frame is with its length, in bytes; `None`: not even that is there.
    ///
    /// # Errors
    /// As [`Frame::take`].
    pub fn length(input: &[u8], limit: usize) -> Result<Option<usize>, Malformed> {
        let Some(length) = input.first_chunk() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*length);
        let whole = usize::try_from(length)
            .ok()
            .filter(|length| *length >= TYPE_AND_CHANNEL)
            .ok_or(Malformed::FrameLength(length))?
            + LENGTH;
        if whole > limit {
            return Err(Malformed::FrameTooLong {
                length: whole,
                limit,
            });
        }
        Ok(Some(whole))
    }

    /// How long it is with its length, in bytes: what it costs in credit and in confirmation windows.
    pub const fn size(&self) -> usize {
        LENGTH + TYPE_AND_CHANNEL + self.body.len()
    }

    /// Which packet it holds.
    ///
    /// # Errors
    /// None that is known here.
    pub fn kind(&self) -> Result<Kind, Malformed> {
        Kind::from_number(self.number).ok_or(Malformed::UnknownPacket(self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: &[u8] = &[
        0, 0, 0, 17, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xea, 0x60,
    ];

    #[test]
    fn a_frame_is_taken_when_all_of_it_is_there() {
        let mut input = BytesMut::new();
        for byte in PING {
            assert_eq!(Frame::take(&mut input, 100), Ok(None));
            input.extend_from_slice(&[*byte]);
        }
        input.extend_from_slice(&[9]);
        let frame = Frame::take(&mut input, 100).expect("valid").expect("whole");
        assert_eq!(frame.kind(), Ok(Kind::Ping));
        assert_eq!((frame.channel, frame.size()), (channel::CONTROL, 21));
        assert_eq!(frame.body[..], PING[13..]);
        assert_eq!(input[..], [9]);
    }

    #[test]
    fn lengths_that_cannot_be_are_refused_from_four_bytes() {
        for length in [i32::MIN, -1, 0, 8] {
            let mut input = BytesMut::from(&length.to_be_bytes()[..]);
            assert_eq!(
                Frame::take(&mut input, 100),
                Err(Malformed::FrameLength(length))
            );
        }
        let mut input = BytesMut::from(&i32::MAX.to_be_bytes()[..]);
        assert!(matches!(
            Frame::take(&mut input, 1 << 20),
            Err(Malformed::FrameTooLong { limit, .. }) if limit == 1 << 20
        ));
        assert_eq!(Frame::take(&mut input, usize::MAX), Ok(None));
        assert!(input.capacity() < 1 << 10, "nothing was reserved");
    }

    #[test]
    fn an_unknown_number_is_not_a_kind() {
        let unused = [102, 123, 47, 48, 0, -128];
        for number in unused {
            let frame = Frame {
                number,
                channel: 0,
                body: Bytes::new(),
            };
            assert_eq!(frame.kind(), Err(Malformed::UnknownPacket(number)));
        }
    }
}
