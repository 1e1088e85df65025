// SPDX-License-Identifier: Apache-2.0
//! Typed properties: the block behind a message's head, and the whole body of a map message.

use bytes::{BufMut, Bytes, BytesMut};

use super::Malformed;
use super::cursor::Cursor;
use super::text::{Utf16, put_simple};

const NULL: u8 = 0;
const BOOLEAN: u8 = 2;
const BYTE: u8 = 3;
const BYTES: u8 = 4;
const SHORT: u8 = 5;
const INT: u8 = 6;
const LONG: u8 = 7;
const FLOAT: u8 = 8;
const DOUBLE: u8 = 9;
const TEXT: u8 = 10;
const CHAR: u8 = 11;

/// The fewest bytes of a property: an empty key and a null.
const LEAST: usize = 5;

/// One typed value. `T` is how text is held: the encoding of properties and that of streams differ.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a, T = Utf16<'a>> {
    /// Present without a value.
    Null,
    /// A truth value.
    Boolean(bool),
    /// 8 bits, signed.
    Byte(i8),
    /// Opaque bytes.
    Bytes(&'a [u8]),
    /// 16 bits, signed.
    Short(i16),
    /// 32 bits, signed.
    Int(i32),
    /// 64 bits, signed.
    Long(i64),
    /// 32 bits, IEEE 754.
    Float(f32),
    /// 64 bits, IEEE 754.
    Double(f64),
    /// Text.
    Text(T),
    /// One UTF-16 code unit.
    Char(u16),
}

impl<'a, T> Value<'a, T> {
    /// Reads a tag and what it announces.
    pub(super) fn read(
        from: &mut Cursor<'a>,
        text: impl FnOnce(&mut Cursor<'a>) -> Result<T, Malformed>,
    ) -> Result<Self, Malformed> {
        Ok(match from.u8()? {
            NULL => Self::Null,
            BOOLEAN => Self::Boolean(from.bool()?),
            BYTE => Self::Byte(from.i8()?),
            BYTES => Self::Bytes(from.block()?),
            SHORT => Self::Short(from.i16()?),
            INT => Self::Int(from.i32()?),
            LONG => Self::Long(from.i64()?),
            FLOAT => Self::Float(from.f32()?),
            DOUBLE => Self::Double(from.f64()?),
            TEXT => Self::Text(text(from)?),
            CHAR => Self::Char(from.u16()?),
            tag => return Err(Malformed::Tag(tag)),
        })
    }

    /// Appends tag and value.
    pub(super) fn put(&self, out: &mut BytesMut, text: impl FnOnce(&T, &mut BytesMut)) {
        match self {
            Self::Null => out.put_u8(NULL),
            Self::Boolean(value) => out.put_slice(&[BOOLEAN, u8::from(*value)]),
            Self::Byte(value) => {
                out.put_u8(BYTE);
                out.put_i8(*value);
            }
            Self::Bytes(value) => {
                out.put_u8(BYTES);
                out.put_i32(i32::try_from(value.len()).expect("a value is far below 2 GiB"));
                out.put_slice(value);
            }
            Self::Short(value) => {
                out.put_u8(SHORT);
                out.put_i16(*value);
            }
            Self::Int(value) => {
                out.put_u8(INT);
                out.put_i32(*value);
            }
            Self::Long(value) => {
                out.put_u8(LONG);
                out.put_i64(*value);
            }
            Self::Float(value) => {
                out.put_u8(FLOAT);
                out.put_f32(*value);
            }
            Self::Double(value) => {
                out.put_u8(DOUBLE);
                out.put_f64(*value);
            }
            Self::Text(value) => {
                out.put_u8(TEXT);
                text(value, out);
            }
            Self::Char(value) => {
                out.put_u8(CHAR);
                out.put_u16(*value);
            }
        }
    }
}

/// Properties where they lie, read when somebody asks.
///
/// *Invariant*: every length and tag was checked by [`Properties::read`], so walking along them cannot fail.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Properties<'a> {
    count: usize,
    entries: &'a [u8],
}

impl<'a> Properties<'a> {
    /// The next block, checked to its end.
    pub(super) fn read(from: &mut Cursor<'a>) -> Result<Self, Malformed> {
        if !from.bool()? {
            return Ok(Self::default());
        }
        let count = from.count(LEAST)?;
        let start = from.rest();
        for _ in 0..count {
            read_entry(from)?;
        }
        let entries = &start[..start.len() - from.left()];
        Ok(Self { count, entries })
    }

    /// A block that was read before, without what may be behind it.
    pub(super) fn checked(block: &'a [u8]) -> Self {
        match block.split_first_chunk::<5>() {
            Some((&[_, a, b, c, d], entries)) => Self {
                count: u32::from_be_bytes([a, b, c, d]) as usize,
                entries,
            },
            None => Self::default(),
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// There are none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value of the first property of that name.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.iter()
            .find(|(key, _)| *key == *name)
            .map(|(_, value)| value)
    }

    /// All of them in the order of the wire, which means nothing to clients but is kept.
    pub fn iter(&self) -> impl Iterator<Item = (Utf16<'a>, Value<'a>)> + use<'a> {
        let mut cursor = Cursor::new(self.entries);
        std::iter::from_fn(move || read_entry(&mut cursor).ok())
    }
}

fn read_entry<'a>(from: &mut Cursor<'a>) -> Result<(Utf16<'a>, Value<'a>), Malformed> {
    Ok((Utf16::read(from)?, Value::read(from, Utf16::read)?))
}

/// Collects properties into a block.
#[derive(Clone, Debug, Default)]
pub struct PropertiesBuilder {
    count: i32,
    entries: BytesMut,
}

impl PropertiesBuilder {
    /// Appends a property; whether there is one of that name already is the caller's business.
    pub fn push(&mut self, name: &str, value: &Value<'_, &str>) {
        put_simple(name, &mut self.entries);
        value.put(&mut self.entries, |text, out| put_simple(text, out));
        self.count += 1;
    }

    /// Appends a property as it was read.
    pub fn copy(&mut self, name: Utf16<'_>, value: &Value<'_>) {
        put_units(&name, &mut self.entries);
        value.put(&mut self.entries, put_units);
        self.count += 1;
    }

    /// Appends a property as it was read, under another name.
    pub fn rename(&mut self, name: &str, value: &Value<'_>) {
        put_simple(name, &mut self.entries);
        value.put(&mut self.entries, put_units);
        self.count += 1;
    }

    /// Appends the block to a buffer; one without properties is a single zero.
    pub(super) fn put(&self, out: &mut BytesMut) {
        if self.count == 0 {
            out.put_u8(0);
        } else {
            out.reserve(self.encoded_len());
            out.put_u8(1);
            out.put_i32(self.count);
            out.put_slice(&self.entries);
        }
    }

    /// How long the block is, in bytes.
    pub(super) fn encoded_len(&self) -> usize {
        5 + self.entries.len()
    }

    /// The block by itself: the body of a map message.
    pub fn finish(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        self.put(&mut out);
        out.freeze()
    }
}

fn put_units(text: &Utf16<'_>, out: &mut BytesMut) {
    let bytes = text.as_bytes();
    out.put_i32(i32::try_from(bytes.len()).expect("it was read behind a length of 32 bits"));
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(&'static str, Value<'static, &'static str>)> {
        vec![
            ("null", Value::Null),
            ("yes", Value::Boolean(true)),
            ("byte", Value::Byte(-1)),
            ("bytes", Value::Bytes(&[1, 2, 3])),
            ("short", Value::Short(-300)),
            ("int", Value::Int(70_000)),
            ("long", Value::Long(i64::MIN)),
            ("float", Value::Float(1.5)),
            ("double", Value::Double(-0.25)),
            ("text", Value::Text("größer")),
            ("char", Value::Char(0xd800)),
        ]
    }

    fn block() -> Bytes {
        let mut builder = PropertiesBuilder::default();
        for (name, value) in all() {
            builder.push(name, &value);
        }
        builder.finish()
    }

    #[test]
    fn every_tag_is_read_as_it_is_written() {
        let bytes = block();
        let mut cursor = Cursor::new(&bytes);
        let properties = Properties::read(&mut cursor).expect("just written");
        assert!(cursor.is_empty());
        assert_eq!(properties.len(), all().len());
        for ((name, written), (key, read)) in all().into_iter().zip(properties.iter()) {
            assert!(key == *name);
            match (written, read) {
                (Value::Text(text), Value::Text(units)) => assert!(units == *text),
                (written, read) => assert_eq!(format!("{written:?}"), format!("{read:?}")),
            }
        }
        assert_eq!(properties.get("int"), Some(Value::Int(70_000)));
        assert_eq!(properties.get("none"), None);
    }

    #[test]
    fn a_copy_is_the_same_bytes() {
        let bytes = block();
        let properties = Properties::read(&mut Cursor::new(&bytes)).expect("just written");
        let mut copy = PropertiesBuilder::default();
        for (name, value) in properties.iter() {
            copy.copy(name, &value);
        }
        assert_eq!(copy.finish(), bytes);
        assert_eq!(PropertiesBuilder::default().finish()[..], [0]);
    }

    #[test]
    fn a_block_that_ends_anywhere_but_at_its_end_is_refused() {
        let bytes = block();
        for end in 0..bytes.len() {
            assert!(Properties::read(&mut Cursor::new(&bytes[..end])).is_err());
        }
        let unknown_tag = [1, 0, 0, 0, 1, 0, 0, 0, 0, 1];
        assert_eq!(
            Properties::read(&mut Cursor::new(&unknown_tag)),
            Err(Malformed::Tag(1))
        );
        let many = [1, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0];
        assert_eq!(
            Properties::read(&mut Cursor::new(&many)),
            Err(Malformed::Length(i32::MAX))
        );
    }
}
