// SPDX-License-Identifier: Apache-2.0
//! The two encodings of text: simple strings (`ss`, UTF-16 with the low byte first) and Java strings (`str`, which has
//! three forms by length).

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use bytes::{BufMut, BytesMut};

use super::Malformed;
use super::cursor::Cursor;

/// Up to here a Java string is written as bare code units.
const BARE_UNITS_MAX: usize = 8;
/// Up to here as modified UTF-8; what is longer is a whole simple string.
const MODIFIED_UNITS_MAX: usize = 0xffe;

/// Text as it lies in a message: UTF-16 code units, low byte first. Unpaired surrogates are possible: Java allows them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utf16<'a>(&'a [u8]);

impl<'a> Utf16<'a> {
    /// The next simple string.
    pub(super) fn read(from: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let bytes = from.block()?;
        if bytes.len() % 2 == 1 {
            return Err(Malformed::Length(
                i32::try_from(bytes.len()).unwrap_or(i32::MAX),
            ));
        }
        Ok(Self(bytes))
    }

    /// The bytes as they lie in the message.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The code units.
    pub fn units(self) -> impl Iterator<Item = u16> + 'a {
        let (pairs, _) = self.0.as_chunks::<2>();
        pairs.iter().map(|pair| u16::from_le_bytes(*pair))
    }

    /// The text, if every surrogate has its other half.
    pub fn to_text(self) -> Option<String> {
        let mut text = String::new();
        self.append_to(&mut text).then_some(text)
    }

    /// Appends the text, if every surrogate has its other half; whether it did. For one who reads many and keeps none.
    pub fn append_to(self, text: &mut String) -> bool {
        let (pairs, _) = self.0.as_chunks::<2>();
        // Both loops go over whole units so that the compiler can take many at once.
        let units = || pairs.iter().map(|pair| u16::from_le_bytes(*pair));
        if units().fold(0, |seen, unit| seen | unit) < 0x80 {
            // Names and most values are: no look at every unit by itself.
            let mut bytes = std::mem::take(text).into_bytes();
            bytes.extend(units().map(|unit| unit as u8));
            *text = String::from_utf8(bytes).expect("text, and ASCII behind it");
            return true;
        }
        let length = text.len();
        text.reserve(pairs.len());
        for character in char::decode_utf16(self.units()) {
            match character {
                Ok(character) => text.push(character),
                Err(_) => {
                    text.truncate(length);
                    return false;
                }
            }
        }
        true
    }

    /// The text, with a replacement character for each surrogate that has no other half.
    pub fn to_text_lossy(self) -> String {
        char::decode_utf16(self.units())
            .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect()
    }
}

impl PartialEq<str> for Utf16<'_> {
    fn eq(&self, other: &str) -> bool {
        self.units().eq(other.encode_utf16())
    }
}

impl fmt::Debug for Utf16<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_text_lossy(), f)
    }
}

/// Text that a packet carries as a simple string. (A plain `String` in a packet is written as a Java string.)
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SimpleString(pub String);

impl SimpleString {
    pub(super) fn read(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Utf16::read(from)?
            .to_text()
            .map(Self)
            .ok_or(Malformed::Text)
    }
}

impl Deref for SimpleString {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SimpleString {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for SimpleString {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SimpleString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Appends a simple string.
pub(super) fn put_simple(text: &str, out: &mut BytesMut) {
    let start = out.len() + 4;
    if text.is_ascii() {
        out.reserve(4 + 2 * text.len());
        out.put_i32(length(2 * text.len()));
        out.resize(start + 2 * text.len(), 0);
        let (pairs, _) = out[start..].as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(text.bytes()) {
            pair[0] = byte;
        }
    } else {
        out.put_i32(0);
        text.encode_utf16().for_each(|unit| out.put_u16_le(unit));
        let bytes = length(out.len() - start);
        out[start - 4..start].copy_from_slice(&bytes.to_be_bytes());
    }
}

fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).expect("a text is far below 2 GiB")
}

/// Reads a Java string.
pub(super) fn read_java(from: &mut Cursor<'_>) -> Result<String, Malformed> {
    let number = from.i32()?;
    let units = usize::try_from(number).map_err(|_| Malformed::Length(number))?;
    if units <= BARE_UNITS_MAX {
        let (pairs, _) = from.take(2 * units)?.as_chunks::<2>();
        let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
        return char::decode_utf16(units)
            .collect::<Result<_, _>>()
            .map_err(|_| Malformed::Text);
    }
    if units <= MODIFIED_UNITS_MAX {
        let length = usize::from(from.u16()?);
        return read_modified(from.take(length)?).map(Cow::into_owned);
    }
    SimpleString::read(from).map(|text| text.0)
}

/// Modified UTF-8: every code unit by itself in one to three bytes, so a character beyond the first plane takes six; and
/// NUL is one byte, other than in Java's class files.
fn read_modified(bytes: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    if bytes.is_ascii() {
        return std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| Malformed::Text);
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        let (unit, length) = match (*first, tail) {
            (byte @ 0..0x80, _) => (u16::from(byte), 1),
            (byte @ 0xc0..0xe0, [second, ..]) => (bits(byte, 0x1f, 6) | bits(*second, 0x3f, 0), 2),
            (byte @ 0xe0..0xf0, [second, third, ..]) => (
                bits(byte, 0x0f, 12) | bits(*second, 0x3f, 6) | bits(*third, 0x3f, 0),
                3,
            ),
            _ => return Err(Malformed::Text),
        };
        units.push(unit);
        rest = &rest[length..];
    }
    String::from_utf16(&units)
        .map(Cow::Owned)
        .map_err(|_| Malformed::Text)
}

fn bits(byte: u8, mask: u8, shift: u32) -> u16 {
    u16::from(byte & mask) << shift
}

/// Appends a Java string. Which of its forms is decided by the number of code units alone.
pub(super) fn put_java(text: &str, out: &mut BytesMut) {
    let units = if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    };
    out.put_i32(i32::try_from(units).expect("a text is far below 2 GiB"));
    if units <= BARE_UNITS_MAX {
        text.encode_utf16().for_each(|unit| out.put_u16(unit));
    } else if units <= MODIFIED_UNITS_MAX {
        put_modified(text, out);
    } else {
        put_simple(text, out);
    }
}

fn put_modified(text: &str, out: &mut BytesMut) {
    let start = out.len();
    out.put_u16(0);
    for unit in text.encode_utf16() {
        match unit {
            0..0x80 => out.put_u8(unit as u8),
            0x80..0x800 => out.put_slice(&[0xc0 | (unit >> 6) as u8, low_six(unit)]),
            _ => out.put_slice(&[0xe0 | (unit >> 12) as u8, low_six(unit >> 6), low_six(unit)]),
        }
    }
    let length = u16::try_from(out.len() - start - 2)
        .expect("at most 4,094 units of at most three bytes each");
    out[start..start + 2].copy_from_slice(&length.to_be_bytes());
}

fn low_six(unit: u16) -> u8 {
    0x80 | (unit & 0x3f) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn java(text: &str) -> Vec<u8> {
        let mut out = BytesMut::new();
        put_java(text, &mut out);
        out.to_vec()
    }

    #[test]
    fn java_strings_take_the_form_that_their_number_of_code_units_demands() {
        assert_eq!(java(""), [0, 0, 0, 0]);
        assert_eq!(java("ab"), [0, 0, 0, 2, 0, b'a', 0, b'b']);
        assert_eq!(java("12345678").len(), 4 + 16);
        assert_eq!(java("123456789").len(), 4 + 2 + 9);
        assert_eq!(java(&"x".repeat(4094)).len(), 4 + 2 + 4094);
        assert_eq!(java(&"x".repeat(4095)).len(), 4 + 4 + 2 * 4095);
        // Four characters of two units each are still bare; five are six bytes each in modified UTF-8.
        assert_eq!(java("😀😀😀😀").len(), 4 + 16);
        assert_eq!(java("😀😀😀😀😀").len(), 4 + 2 + 30);
        assert_eq!(java("123456789\0")[14..], [b'9', 0]);
    }

    #[test]
    fn java_strings_are_read_as_they_are_written() {
        let long = "aä\u{7ff}\u{800}\u{ffff}😀\0".repeat(700);
        for text in ["", "a", "1234567ä", "123456789", "naïve – 😀 \0 …", &long] {
            let bytes = java(text);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(read_java(&mut cursor).as_deref(), Ok(text));
            assert!(cursor.is_empty());
        }
    }

    #[test]
    fn half_characters_are_refused_where_text_is_wanted_and_kept_where_it_is_not() {
        let lone = [0, 0, 0, 2, 0x00, 0xd8];
        assert_eq!(
            SimpleString::read(&mut Cursor::new(&lone)),
            Err(Malformed::Text)
        );
        let kept = Utf16::read(&mut Cursor::new(&lone)).expect("well-formed as code units");
        assert_eq!(kept.as_bytes(), &lone[4..]);
        assert_eq!(kept.to_text_lossy(), "\u{fffd}");
        let mut text = "before".to_owned();
        assert!(!kept.append_to(&mut text) && text == "before");
        assert!(Utf16::read(&mut Cursor::new(&[0, 0, 0, 1, 7])).is_err());
        let bare = [0, 0, 0, 1, 0xd8, 0x00];
        assert_eq!(read_java(&mut Cursor::new(&bare)), Err(Malformed::Text));
        for modified in [&[0xed, 0xa0, 0x80][..], &[0xc3], &[0xe2, 0x82], &[0x80]] {
            let mut bytes = vec![0, 0, 0, 9, 0, modified.len() as u8];
            bytes.extend_from_slice(modified);
            assert_eq!(read_java(&mut Cursor::new(&bytes)), Err(Malformed::Text));
        }
    }

    #[test]
    fn simple_strings_compare_with_text() {
        let mut out = BytesMut::new();
        put_simple("aä😀", &mut out);
        assert_eq!(out[..], [0, 0, 0, 8, b'a', 0, 0xe4, 0, 0x3d, 0xd8, 0, 0xde]);
        let text = Utf16::read(&mut Cursor::new(&out)).expect("just written");
        assert!(text == *"aä😀" && text != *"aä");
        assert_eq!(text.to_text().as_deref(), Some("aä😀"));
        let mut both = "größer ".to_owned();
        assert!(text.append_to(&mut both) && both == "größer aä😀");
        let ascii = Utf16::read(&mut Cursor::new(&[0, 0, 0, 2, b'z', 0])).expect("well-formed");
        assert!(ascii.append_to(&mut both) && both == "größer aä😀z");
    }
}
