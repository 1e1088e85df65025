// SPDX-License-Identifier: Apache-2.0
//! Typed properties: one encoded block, read in place, written as it is to journal and replica.
//!
//! Layout, repeated per property: key length u16, key UTF-8, tag u8, value. Tags are those of Core's typed properties
//! (0 null, 2 boolean, 3 byte, 4 bytes, 5 short, 6 int, 7 long, 8 float, 9 double, 10 text); numbers are big-endian,
//! bytes and text carry a u32 length.

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

/// The address a copied message was first sent to.
pub const ORIGINAL_ADDRESS: &str = "_AMQ_ORIG_ADDRESS";
/// The queue a copied message came from.
pub const ORIGINAL_QUEUE: &str = "_AMQ_ORIG_QUEUE";
/// The id a copied message had before.
pub const ORIGINAL_MESSAGE_ID: &str = "_AMQ_ORIG_MESSAGE_ID";
/// The routing type of the queue a copied message came from (byte: 0 multicast, 1 anycast).
pub const ORIGINAL_ROUTING_TYPE: &str = "_AMQ_ORIG_ROUTING_TYPE";
/// When an expired message really expired, ms since 1970.
pub const ACTUAL_EXPIRY: &str = "_AMQ_ACTUAL_EXPIRY";
/// When a scheduled message is to be delivered, ms since 1970.
pub const SCHEDULED_DELIVERY: &str = "_AMQ_SCHED_DELIVERY";
/// The duplicate-detection id.
pub const DUPLICATE_ID: &str = "_AMQ_DUPL_ID";
/// The message group.
pub const GROUP_ID: &str = "_AMQ_GROUP_ID";
/// The place in the message group.
pub const GROUP_SEQUENCE: &str = "_AMQ_GROUP_SEQUENCE";
/// The last-value key.
pub const LAST_VALUE: &str = "_AMQ_LVQ_NAME";
/// The routing type the sender asked for (byte: 0 multicast, 1 anycast).
pub const ROUTING_TYPE: &str = "_AMQ_ROUTING_TYPE";
/// The user the broker validated.
pub const VALIDATED_USER: &str = "_AMQ_VALIDATED_USER";
/// When the broker took the message, ms since 1970.
pub const INGRESS_TIMESTAMP: &str = "_AMQ_INGRESS_TIMESTAMP";
/// The content type.
pub const CONTENT_TYPE: &str = "_AMQ_CONTENT_TYPE";
/// The acceptor prefix the sender's destination had.
pub const PREFIX: &str = "_AMQ_PREFIX";
/// The QoS a message was published with over MQTT (int).
pub const MQTT_QOS: &str = "mqtt.qos.level";
/// Whether it was published as a retained message (boolean).
pub const MQTT_RETAIN: &str = "mqtt.message.retain";
/// The connection's client id, for `no-local`.
pub const CONNECTION_CLIENT_ID: &str = "__AMQ_CID";

/// One property value, borrowed from the encoded block.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
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
    /// Unicode text.
    Text(&'a str),
}

impl Value<'_> {
    /// The value as an integer: any integer type, or text that is one (STOMP has no other type).
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Self::Byte(n) => Some(i64::from(n)),
            Self::Short(n) => Some(i64::from(n)),
            Self::Int(n) => Some(i64::from(n)),
            Self::Long(n) => Some(n),
            Self::Text(s) => s.trim().parse().ok(),
            _ => None,
        }
    }

    /// The value as text, as a protocol without types shows it; bytes as hexadecimal.
    pub fn to_text(&self) -> Cow<'_, str> {
        match *self {
            Self::Text(s) => Cow::Borrowed(s),
            Self::Null => Cow::Borrowed("null"),
            Self::Boolean(b) => Cow::Borrowed(if b { "true" } else { "false" }),
            Self::Byte(n) => Cow::Owned(n.to_string()),
            Self::Short(n) => Cow::Owned(n.to_string()),
            Self::Int(n) => Cow::Owned(n.to_string()),
            Self::Long(n) => Cow::Owned(n.to_string()),
            Self::Float(n) => Cow::Owned(n.to_string()),
            Self::Double(n) => Cow::Owned(n.to_string()),
            Self::Bytes(b) => Cow::Owned(b.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

/// The properties of a message, in the order they were set.
///
/// *Invariants*: the block was written by [`PropertiesBuilder`] or accepted by [`Properties::decode`], so reading it
/// cannot fail.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties(Bytes);

impl Properties {
    /// The encoded block.
    pub fn encoded(&self) -> &Bytes {
        &self.0
    }

    /// Takes an encoded block after checking every length, tag and text in it; `None` if it is malformed.
    pub fn decode(block: Bytes) -> Option<Self> {
        let mut rest = &block[..];
        while !rest.is_empty() {
            rest = read(rest)?.2;
        }
        Some(Self(block))
    }

    /// No properties at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the first property of that name.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The text of that property, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// All properties in order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(&self.0)
    }

    /// A builder that starts with these properties, except those named.
    pub fn without(&self, names: &[&str]) -> PropertiesBuilder {
        let mut builder = PropertiesBuilder::default();
        for (key, value) in self.iter().filter(|(key, _)| !names.contains(key)) {
            builder.push(key, value);
        }
        builder
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Iterates over `(name, value)`.
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value, rest) = read(self.0)?;
        self.0 = rest;
        Some((key, value))
    }
}

/// Collects properties into an encoded block.
#[derive(Debug, Default)]
pub struct PropertiesBuilder(BytesMut);

impl PropertiesBuilder {
    /// A builder with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes))
    }

    /// Appends a property; a key longer than 65,535 bytes is refused and left out.
    pub fn push(&mut self, key: &str, value: Value<'_>) -> bool {
        let Ok(length) = u16::try_from(key.len()) else {
            return false;
        };
        let out = &mut self.0;
        out.put_u16(length);
        out.put_slice(key.as_bytes());
        match value {
            Value::Null => out.put_u8(0),
            Value::Boolean(b) => out.put_slice(&[2, u8::from(b)]),
            Value::Byte(n) => {
                out.put_u8(3);
                out.put_i8(n);
            }
            Value::Bytes(bytes) => put_block(out, 4, bytes),
            Value::Short(n) => {
                out.put_u8(5);
                out.put_i16(n);
            }
            Value::Int(n) => {
                out.put_u8(6);
                out.put_i32(n);
            }
            Value::Long(n) => {
                out.put_u8(7);
                out.put_i64(n);
            }
            Value::Float(n) => {
                out.put_u8(8);
                out.put_f32(n);
            }
            Value::Double(n) => {
                out.put_u8(9);
                out.put_f64(n);
            }
            Value::Text(text) => put_block(out, 10, text.as_bytes()),
        }
        true
    }

    /// The finished block, exactly as large as it needs to be.
    pub fn finish(self) -> Properties {
        Properties(self.0.freeze())
    }
}

fn put_block(out: &mut BytesMut, tag: u8, block: &[u8]) {
    out.put_u8(tag);
    out.put_u32(u32::try_from(block.len()).expect("a frame, and so a value, is far below 4 GiB"));
    out.put_slice(block);
}

fn take(bytes: &[u8], n: usize) -> Option<(&[u8], &[u8])> {
    (bytes.len() >= n).then(|| bytes.split_at(n))
}

fn number<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    let (head, rest) = take(bytes, N)?;
    Some((head.try_into().ok()?, rest))
}

fn read(bytes: &[u8]) -> Option<(&str, Value<'_>, &[u8])> {
    let (length, rest) = number::<2>(bytes)?;
    let (key, rest) = take(rest, usize::from(u16::from_be_bytes(length)))?;
    let key = std::str::from_utf8(key).ok()?;
    let ([tag], rest) = number::<1>(rest)?;
    let (value, rest) = read_value(tag, rest)?;
    Some((key, value, rest))
}

fn read_value(tag: u8, bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    macro_rules! fixed {
        ($variant:ident, $type:ty) => {{
            let (raw, rest) = number(bytes)?;
            (Value::$variant(<$type>::from_be_bytes(raw)), rest)
        }};
    }
    Some(match tag {
        0 => (Value::Null, bytes),
        2 => {
            let ([b], rest) = number::<1>(bytes)?;
            (Value::Boolean(b != 0), rest)
        }
        3 => fixed!(Byte, i8),
        4 => {
            let (block, rest) = read_block(bytes)?;
            (Value::Bytes(block), rest)
        }
        5 => fixed!(Short, i16),
        6 => fixed!(Int, i32),
        7 => fixed!(Long, i64),
        8 => fixed!(Float, f32),
        9 => fixed!(Double, f64),
        10 => {
            let (block, rest) = read_block(bytes)?;
            (Value::Text(std::str::from_utf8(block).ok()?), rest)
        }
        _ => return None,
    })
}

fn read_block(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number::<4>(bytes)?;
    take(rest, u32::from_be_bytes(length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_as_it_went_in() {
        let values = [
            ("null", Value::Null),
            ("boolean", Value::Boolean(true)),
            ("byte", Value::Byte(-1)),
            ("bytes", Value::Bytes(b"\x00\xff")),
            ("short", Value::Short(-2)),
            ("int", Value::Int(3)),
            ("long", Value::Long(i64::MIN)),
            ("float", Value::Float(1.5)),
            ("double", Value::Double(-2.5)),
            ("text", Value::Text("grüße")),
        ];
        let mut builder = PropertiesBuilder::default();
        for (key, value) in values {
            assert!(builder.push(key, value));
        }
        let properties = builder.finish();
        assert_eq!(properties.iter().collect::<Vec<_>>(), values);
        assert_eq!(
            Properties::decode(properties.encoded().clone()),
            Some(properties)
        );
    }

    #[test]
    fn a_block_cut_anywhere_is_refused_or_shorter() {
        let mut builder = PropertiesBuilder::default();
        builder.push("a", Value::Text("b"));
        builder.push("c", Value::Long(1));
        let block = builder.finish().encoded().clone();
        let whole = [0, 9, block.len()];
        for cut in 0..=block.len() {
            assert_eq!(
                Properties::decode(block.slice(..cut)).is_some(),
                whole.contains(&cut),
                "cut at {cut}"
            );
        }
    }
}
