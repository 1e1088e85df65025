// SPDX-License-Identifier: Apache-2.0
//! Why bytes are not a packet.

use std::fmt;

/// What is wrong with a frame. The connection it came on cannot be read any further, except after
/// [`Malformed::UnknownPacket`], where only this frame is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The length is less than a type and a channel take, or negative.
    FrameLength(i32),
    /// The frame is longer than the connection allows; lengths in bytes.
    FrameTooLong {
        /// What it says it takes.
        length: usize,
        /// What it may take.
        limit: usize,
    },
    /// No packet has that number.
    UnknownPacket(i8),
    /// The frame ends before the packet does.
    Truncated,
    /// A length or a count is negative, or more than what is left of the frame can hold.
    Length(i32),
    /// A text is not well-formed in the encoding it came in.
    Text,
    /// A typed value has a tag that means nothing.
    Tag(u8),
    /// A message's end of body or end of message is not where it can be.
    MessageEnd(i32),
    /// A federation policy of an unknown class.
    Policy,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameLength(length) => write!(f, "a frame cannot be {length} bytes long"),
            Self::FrameTooLong { length, limit } => {
                write!(f, "a frame of {length} bytes exceeds the limit of {limit}")
            }
            Self::UnknownPacket(id) => write!(f, "no packet has the number {id}"),
            Self::Truncated => f.write_str("a frame ends before its packet does"),
            Self::Length(length) => write!(f, "a length of {length} does not fit its frame"),
            Self::Text => f.write_str("a text is not well-formed"),
            Self::Tag(tag) => write!(f, "no typed value has the tag {tag}"),
            Self::MessageEnd(end) => write!(f, "a message cannot end at offset {end}"),
            Self::Policy => f.write_str("a federation policy is of an unknown class"),
        }
    }
}

impl std::error::Error for Malformed {}
