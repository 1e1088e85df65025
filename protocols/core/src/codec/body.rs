// SPDX-License-Identifier: Apache-2.0
//! What the body of a message means, by the message's type.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use super::Malformed;
use super::cursor::Cursor;
use super::properties::{Properties, Value};
use super::text::{Utf16, put_java, put_simple, read_java};

/// The types of messages that say how to read a body.
pub mod kind {
    /// No meaning; a JMS `Message` has no body at all.
    pub const DEFAULT: i8 = 0;
    /// A serialised Java object.
    pub const OBJECT: i8 = 2;
    /// Text.
    pub const TEXT: i8 = 3;
    /// Bytes.
    pub const BYTES: i8 = 4;
    /// A map of typed values.
    pub const MAP: i8 = 5;
    /// A sequence of typed values.
    pub const STREAM: i8 = 6;
    /// A message of another protocol.
    pub const EMBEDDED: i8 = 7;
    /// A large message of another protocol.
    pub const EMBEDDED_LARGE: i8 = 8;
}

/// A value of a stream: as a property, but text may be null and is a Java string.
pub type Element<'a> = Value<'a, Option<Cow<'a, str>>>;

/// A view of a body.
#[derive(Clone, PartialEq, Debug)]
pub enum Body<'a> {
    /// Text, which may be null.
    Text(Option<Utf16<'a>>),
    /// Bytes as they are.
    Bytes(&'a [u8]),
    /// A map.
    Map(Properties<'a>),
    /// A sequence.
    Stream(Stream<'a>),
    /// A serialised Java object; empty for null.
    Object(&'a [u8]),
    /// Of another type, or not what its type demands: broken by its sender, or compressed.
    Opaque(&'a [u8]),
}

impl<'a> Body<'a> {
    /// The view of a body of that type.
    pub fn of(kind: i8, body: &'a [u8]) -> Self {
        Self::checked(kind, body).unwrap_or(Self::Opaque(body))
    }

    fn checked(kind: i8, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let view = match kind {
            kind::TEXT if cursor.bool()? => Self::Text(Some(Utf16::read(&mut cursor)?)),
            kind::TEXT => Self::Text(None),
            kind::BYTES => return Ok(Self::Bytes(body)),
            kind::MAP => Self::Map(Properties::read(&mut cursor)?),
            kind::STREAM => {
                while !cursor.is_empty() {
                    read_element(&mut cursor)?;
                }
                Self::Stream(Stream(body))
            }
            kind::OBJECT => Self::Object(cursor.block()?),
            _ => return Ok(Self::Opaque(body)),
        };
        if cursor.is_empty() {
            Ok(view)
        } else {
            Err(Malformed::Truncated)
        }
    }
}

/// A sequence of typed values.
///
/// *Invariant*: it was walked along to its end once, so walking along it again cannot fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream<'a>(&'a [u8]);

impl<'a> Stream<'a> {
    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.0);
        std::iter::from_fn(move || {
            if cursor.is_empty() {
                None
            } else {
                read_element(&mut cursor).ok()
            }
        })
    }
}

fn read_element<'a>(from: &mut Cursor<'a>) -> Result<Element<'a>, Malformed> {
    Value::read(from, |from| {
        if from.bool()? {
            read_java(from).map(Cow::Owned).map(Some)
        } else {
            Ok(None)
        }
    })
}

/// Writes the body of a stream message, value by value.
#[derive(Clone, Debug, Default)]
pub struct StreamBuilder(BytesMut);

impl StreamBuilder {
    /// Appends a value.
    pub fn push(&mut self, element: &Element<'_>) {
        element.put(&mut self.0, |text, out| match text {
            Some(text) => {
                out.put_u8(1);
                put_java(text, out);
            }
            None => out.put_u8(0),
        });
    }

    /// The body.
    pub fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

/// The body of a text message.
pub fn text_body(text: Option<&str>) -> Bytes {
    let mut out = BytesMut::with_capacity(5 + 2 * text.map_or(0, str::len));
    match text {
        Some(text) => {
            out.put_u8(1);
            put_simple(text, &mut out);
        }
        None => out.put_u8(0),
    }
    out.freeze()
}

/// The body of an object message; `serialised` is empty for null.
pub fn object_body(serialised: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + serialised.len());
    out.put_i32(i32::try_from(serialised.len()).expect("an object is far below 2 GiB"));
    out.put_slice(serialised);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::PropertiesBuilder;

    #[test]
    fn each_kind_of_body_is_read_as_it_is_written() {
        let text = text_body(Some("grün"));
        assert!(matches!(Body::of(kind::TEXT, &text), Body::Text(Some(t)) if t == *"grün"));
        assert_eq!(Body::of(kind::TEXT, &text_body(None)), Body::Text(None));
        assert_eq!(Body::of(kind::BYTES, b"abc"), Body::Bytes(b"abc"));
        let object = object_body(b"\xac\xed");
        assert_eq!(Body::of(kind::OBJECT, &object), Body::Object(b"\xac\xed"));
        let mut map = PropertiesBuilder::default();
        map.push("n", &Value::Int(7));
        let map = map.finish();
        let Body::Map(view) = Body::of(kind::MAP, &map) else {
            panic!("not a map");
        };
        assert_eq!(view.get("n"), Some(Value::Int(7)));
    }

    #[test]
    fn streams_hold_null_texts_and_texts_of_every_form() {
        let long = "x".repeat(5000);
        let elements: Vec<Element<'_>> = vec![
            Value::Text(None),
            Value::Text(Some("short".into())),
            Value::Text(Some("longer than eight".into())),
            Value::Text(Some(long.as_str().into())),
            Value::Null,
            Value::Bytes(b"\x01\x02"),
            Value::Char(0x41),
            Value::Double(0.5),
        ];
        let mut builder = StreamBuilder::default();
        elements.iter().for_each(|element| builder.push(element));
        let body = builder.finish();
        let Body::Stream(stream) = Body::of(kind::STREAM, &body) else {
            panic!("not a stream");
        };
        assert_eq!(stream.iter().collect::<Vec<_>>(), elements);
    }

    #[test]
    fn a_body_that_is_not_what_its_kind_demands_is_opaque() {
        for kind in [kind::TEXT, kind::MAP, kind::STREAM, kind::OBJECT] {
            let zlib = [0x78, 0x9c, 0x03, 0x00];
            assert_eq!(Body::of(kind, &zlib), Body::Opaque(&zlib), "{kind}");
        }
        assert_eq!(
            Body::of(kind::EMBEDDED, b"\0Sp"),
            Body::Opaque(b"\0Sp".as_slice())
        );
        let mut trailing = text_body(None).to_vec();
        trailing.push(0);
        assert!(matches!(Body::of(kind::TEXT, &trailing), Body::Opaque(_)));
    }
}
