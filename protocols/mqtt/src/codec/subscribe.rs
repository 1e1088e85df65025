// SPDX-License-Identifier: Apache-2.0
//! SUBSCRIBE and UNSUBSCRIBE [MQTT 5.0 §3.8, §3.10].

use smallvec::SmallVec;

use super::cursor::Cursor;
use super::property::{Carrier, Property, PropertyBlock};
use super::{Malformed, Qos, Version, filter_parts, text};

/// Which retained messages a new subscription is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetainHandling {
    /// All that match, every time.
    Always,
    /// All that match, if there was no such subscription before.
    IfNew,
    /// None.
    Never,
}

/// One filter with what is wanted of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubscribeEntry<'a> {
    /// The filter, with its share if it has one.
    pub filter: &'a str,
    /// The highest QoS of what is sent for it.
    pub qos: Qos,
    /// Not what this client published itself.
    pub no_local: bool,
    /// The RETAIN flag is passed on as it was published.
    pub retain_as_published: bool,
    /// Which retained messages are sent first.
    pub retain_handling: RetainHandling,
}

/// A client wants messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscribe<'a> {
    /// For the answer.
    pub packet_id: u16,
    /// To be sent with every message for one of the filters.
    pub identifier: Option<u32>,
    /// At least one.
    pub entries: SmallVec<[SubscribeEntry<'a>; 4]>,
}

impl<'a> Subscribe<'a> {
    pub(super) fn read(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let packet_id = cursor.packet_id()?;
        let mut identifier = None;
        if version == Version::V5 {
            let properties = PropertyBlock::read(&mut cursor, Carrier::Subscribe)?;
            identifier = properties.iter().find_map(|property| match property {
                Property::SubscriptionIdentifier(identifier) => Some(identifier),
                _ => None,
            });
        }
        let mut entries = SmallVec::new();
        while !cursor.is_empty() {
            let filter = text::filter(cursor.name()?)?;
            entries.push(entry(filter, cursor.byte()?, version)?);
        }
        if entries.is_empty() {
            return Err(Malformed::protocol(
                "MQTT-3.8.3-2",
                "a SUBSCRIBE has no topic filter",
            ));
        }
        Ok(Self {
            packet_id,
            identifier,
            entries,
        })
    }
}

fn entry(filter: &str, options: u8, version: Version) -> Result<SubscribeEntry<'_>, Malformed> {
    let reserved = match version {
        Version::V5 => 0b1100_0000,
        // MQTT 3.1 does not say what the other bits are to be.
        Version::V3_1 => 0,
        Version::V3_1_1 => 0b1111_1100,
    };
    if options & reserved != 0 {
        return Err(Malformed::packet(
            "MQTT-3.8.3-5",
            "a reserved bit of the subscription options is set",
        ));
    }
    let qos = Qos::from_number(options & 0b11).ok_or(Malformed::packet(
        "MQTT-3.8.3-4",
        "a subscription asks for QoS 3",
    ))?;
    let plain = SubscribeEntry {
        filter,
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Always,
    };
    if version < Version::V5 {
        return Ok(plain);
    }
    let no_local = options & 0b100 != 0;
    if no_local && filter_parts(filter).share.is_some() {
        return Err(Malformed::protocol(
            "MQTT-3.8.3-4",
            "a shared subscription asks for no local messages",
        ));
    }
    Ok(SubscribeEntry {
        no_local,
        retain_as_published: options & 0b1000 != 0,
        retain_handling: match options >> 4 & 0b11 {
            0 => RetainHandling::Always,
            1 => RetainHandling::IfNew,
            2 => RetainHandling::Never,
            _ => {
                return Err(Malformed::protocol(
                    "MQTT 5.0 §3.8.3.1",
                    "the retain handling of a subscription is 3",
                ));
            }
        },
        ..plain
    })
}

/// A client no longer wants messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsubscribe<'a> {
    /// For the answer.
    pub packet_id: u16,
    /// At least one.
    pub filters: SmallVec<[&'a str; 4]>,
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn read(body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let packet_id = cursor.packet_id()?;
        if version == Version::V5 {
            PropertyBlock::read(&mut cursor, Carrier::Unsubscribe)?;
        }
        let mut filters = SmallVec::new();
        while !cursor.is_empty() {
            filters.push(text::filter(cursor.name()?)?);
        }
        if filters.is_empty() {
            return Err(Malformed::protocol(
                "MQTT-3.10.3-2",
                "an UNSUBSCRIBE has no topic filter",
            ));
        }
        Ok(Self { packet_id, filters })
    }
}
