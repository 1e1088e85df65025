// SPDX-License-Identifier: Apache-2.0
//! PUBLISH from a client [MQTT 5.0 §3.3].

use bytes::Bytes;

use super::cursor::Cursor;
use super::property::{Carrier, Property, PropertyBlock};
use super::{Malformed, Qos, Version, text};

/// A message from a client.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// It may have been sent before.
    pub dup: bool,
    /// How it is to be answered.
    pub qos: Qos,
    /// It is to be kept for who subscribes later.
    pub retain: bool,
    /// Where to; empty if the alias says it.
    pub topic: &'a str,
    /// Its identifier; 0 at QoS 0.
    pub packet_id: u16,
    /// The number that stands for the topic, from now on or since it came with one.
    pub alias: Option<u16>,
    /// The other properties.
    pub properties: PropertyBlock<'a>,
    /// What it says.
    pub payload: Payload<'a>,
}

/// The payload of a packet that is still where it was read.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    whole: Option<&'a Bytes>,
}

impl<'a> Payload<'a> {
    /// The bytes.
    pub const fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes for good: a slice of the packet if that is held in memory of its own, else a copy of exact size.
    pub fn to_bytes(self) -> Bytes {
        match self.whole {
            Some(whole) => whole.slice_ref(self.bytes),
            None => Bytes::copy_from_slice(self.bytes),
        }
    }
}

impl<'a> Publish<'a> {
    pub(super) fn read(
        flags: u8,
        body: &'a [u8],
        whole: Option<&'a Bytes>,
        version: Version,
    ) -> Result<Self, Malformed> {
        let dup = flags & 0b1000 != 0;
        let qos = Qos::from_number(flags >> 1 & 0b11).ok_or(Malformed::packet(
            "MQTT-3.3.1-4",
            "a PUBLISH has both QoS bits set",
        ))?;
        if dup && qos == Qos::AtMostOnce && version > Version::V3_1 {
            return Err(Malformed::packet(
                "MQTT-3.3.1-2",
                "a PUBLISH of QoS 0 is marked as a duplicate",
            ));
        }
        let mut cursor = Cursor::new(body);
        let topic = cursor.name()?;
        let packet_id = match qos {
            Qos::AtMostOnce => 0,
            _ => cursor.packet_id()?,
        };
        let (mut properties, mut alias) = (PropertyBlock::default(), None);
        if version == Version::V5 {
            properties = PropertyBlock::read(&mut cursor, Carrier::Publish)?;
            if !properties.is_empty() {
                alias = properties.iter().find_map(|property| match property {
                    Property::TopicAlias(alias) => Some(alias),
                    _ => None,
                });
            }
        }
        if topic.is_empty() && version == Version::V5 {
            if alias.is_none() {
                return Err(Malformed::protocol(
                    "MQTT 5.0 §3.3.2.1",
                    "a PUBLISH has neither topic nor alias",
                ));
            }
        } else {
            text::topic(topic)?;
        }
        Ok(Self {
            dup,
            qos,
            retain: flags & 1 != 0,
            topic,
            packet_id,
            alias,
            properties,
            payload: Payload {
                bytes: cursor.rest(),
                whole,
            },
        })
    }
}
