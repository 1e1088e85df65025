// SPDX-License-Identifier: Apache-2.0
//! Header text on the wire: the escapes of each version, both ways.

use bytes::{BufMut, BytesMut};

use super::Malformed;

/// A version of the protocol; later ones are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Version {
    /// 1.0: nothing is escaped, values may be padded.
    #[default]
    V1_0,
    /// 1.1: `\n`, `\c` and `\\`.
    V1_1,
    /// 1.2: those and `\r`.
    V1_2,
}

impl Version {
    /// As it stands in `accept-version` and `version`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The version of that name, if this broker speaks it.
    pub fn named(name: &str) -> Option<Self> {
        [Self::V1_0, Self::V1_1, Self::V1_2]
            .into_iter()
            .find(|version| version.name() == name)
    }
}

/// Appends `raw` to `text` with its escapes undone [1.1 §Value Encoding, 1.2 §Value Encoding]. How many carriage returns
/// they made.
///
/// # Errors
/// An escape the version does not define is fatal.
pub(super) fn unescape(
    raw: &[u8],
    version: Version,
    text: &mut Vec<u8>,
) -> Result<usize, Malformed> {
    let mut rest = raw;
    let mut returns = 0;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1).copied();
        text.push(match escaped {
            Some(b'n') => b'\n',
            Some(b'c') => b':',
            Some(b'\\') => b'\\',
            Some(b'r') if version >= Version::V1_2 => {
                returns += 1;
                b'\r'
            }
            _ => return Err(Malformed::UndefinedEscape(escaped)),
        });
        rest = &rest[at + 2..];
    }
    text.extend_from_slice(rest);
    Ok(returns)
}

/// Which part of a header is written: a name must not contain a bare colon, a value may in 1.0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Before the colon.
    Name,
    /// After it.
    Value,
}

/// Appends `text` as a header part of that version.
///
/// What a version cannot express must not break the frame or smuggle in another header: a NUL in any version, a line
/// feed or carriage return in 1.0, a carriage return in 1.1, and a colon in a 1.0 name are written as a space.
pub(super) fn escape(text: &str, part: Part, version: Version, out: &mut BytesMut) {
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        // Everything that could need care lies below `]`; letters mostly do not.
        if *byte > b'\\' || !matches!(byte, 0 | b'\n' | b'\r' | b':' | b'\\') {
            continue;
        }
        if let Some(replacement) = replacement(*byte, part, version) {
            out.put_slice(&bytes[plain..at]);
            out.put_slice(replacement);
            plain = at + 1;
        }
    }
    out.put_slice(&bytes[plain..]);
}

fn replacement(byte: u8, part: Part, version: Version) -> Option<&'static [u8]> {
    Some(match (byte, version) {
        (b':', Version::V1_0) if part == Part::Value => return None,
        (b'\\', Version::V1_0) => return None,
        (0, _) | (b'\n' | b'\r' | b':', Version::V1_0) | (b'\r', Version::V1_1) => b" ",
        (b'\n', _) => b"\\n",
        (b'\r', _) => b"\\r",
        (b':', _) => b"\\c",
        _ => b"\\\\",
    })
}
