// SPDX-License-Identifier: Apache-2.0
//! Bytes ↔ frames of all three versions. Knows neither the engine nor the state of a connection.

mod decoder;
mod frame;
mod header;

use std::fmt;

pub use decoder::{Decoder, Found};
pub(crate) use frame::FRAME_END;
pub use frame::{ClientCommand, Frame, HeadWriter, ServerCommand};
pub use header::Version;

/// How large the parts of a frame may be [1.2 §Size Limits]; lengths in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Headers of one frame.
    pub headers: usize,
    /// One header line without its end. At most 64 KiB: an engine property name has 16 bits of length.
    pub line: usize,
    /// All header lines of one frame.
    pub head: usize,
    /// A body that is held in memory until it is whole.
    pub body: usize,
    /// From this size on the body of a SEND is not held but given out as it arrives; `usize::MAX`: never.
    pub streamed_from: usize,
    /// A body that is given out as it arrives.
    pub streamed: usize,
}

impl Limits {
    /// What a client may say before it is let in: enough for any CONNECT with a token for a passcode, too little to
    /// fill the broker's memory with from ten thousand sockets.
    pub const STRANGER: Self = Self {
        headers: 64,
        line: 16 * 1024,
        head: 32 * 1024,
        body: 1024,
        streamed_from: usize::MAX,
        streamed: 0,
    };

    /// What a client may say once it is let in. No body is given out before it is whole.
    pub const fn guest(body: usize) -> Self {
        Self {
            headers: 1000,
            line: 64 * 1024,
            head: 256 * 1024,
            body,
            streamed_from: usize::MAX,
            streamed: 0,
        }
    }

    /// The same, but bodies of SEND from `from` to `most` octets are given out as they arrive.
    #[must_use]
    pub const fn streaming(self, from: usize, most: usize) -> Self {
        Self {
            streamed_from: from,
            streamed: most,
            ..self
        }
    }
}

/// Why bytes are not a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The first line is no command of a client.
    UnknownCommand(String),
    /// A header line without a colon, or with nothing before it.
    HeaderName,
    /// An escape that the version does not define; the octet behind the backslash.
    UndefinedEscape(Option<u8>),
    /// A carriage return that does not end a line.
    CarriageReturn,
    /// The head ends in the middle.
    NulInHead,
    /// The head is not UTF-8.
    NotUtf8,
    /// The `content-length` is not a number.
    ContentLength(String),
    /// The octet after `content-length` octets is not NUL.
    Unterminated(usize),
    /// A limit is exceeded.
    TooLarge {
        /// Of what.
        part: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Malformed {
    /// The clause that is broken.
    pub const fn clause(&self) -> &'static str {
        match self {
            Self::UnknownCommand(_) | Self::HeaderName | Self::CarriageReturn | Self::NulInHead => {
                "STOMP 1.2 §Augmented BNF"
            }
            Self::UndefinedEscape(_) | Self::NotUtf8 => "STOMP 1.2 §Value Encoding",
            Self::ContentLength(_) | Self::Unterminated(_) => "STOMP 1.2 §Header content-length",
            Self::TooLarge { .. } => "STOMP 1.2 §Size Limits",
        }
    }
}

impl fmt::Display for Malformed {
    /// The texts carry Artemis's numbers where it has one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(name) => write!(f, "AMQ339029: Unsupported command: {name}"),
            Self::HeaderName => f.write_str(
                "AMQ339023: Invalid STOMP frame: a header line without a name and a colon",
            ),
            Self::UndefinedEscape(Some(octet)) => write!(
                f,
                "AMQ339040: Undefined escape sequence: \\{}",
                octet.escape_ascii()
            ),
            Self::UndefinedEscape(None) => f.write_str("AMQ339040: Undefined escape sequence: \\"),
            Self::CarriageReturn => {
                f.write_str("AMQ339020: Invalid char sequence: There is a CR not followed by an LF")
            }
            Self::NulInHead => f.write_str(
                "AMQ339023: Invalid STOMP frame: a NUL before the blank line that ends the headers",
            ),
            Self::NotUtf8 => {
                f.write_str("AMQ339023: Invalid STOMP frame: the headers are not UTF-8")
            }
            Self::ContentLength(value) => write!(
                f,
                "AMQ339023: Invalid STOMP frame: content-length {value} is not a number of octets"
            ),
            Self::Unterminated(length) => write!(
                f,
                "AMQ339023: Invalid STOMP frame: no NUL after the {length} octets of its content-length"
            ),
            Self::TooLarge { part, limit } => write!(
                f,
                "AMQ339023: Invalid STOMP frame: the {part} exceeds the limit of {limit}"
            ),
        }
    }
}

impl std::error::Error for Malformed {}
