// SPDX-License-Identifier: Apache-2.0
//! PUBACK, PUBREC, PUBREL and PUBCOMP from a client [MQTT 5.0 §3.4 to §3.7].

use super::cursor::Cursor;
use super::property::{Carrier, PropertyBlock};
use super::{Kind, Malformed, Reason, Version};

/// An answer for a message, or the answer to that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acknowledge<'a> {
    /// Of which message.
    pub packet_id: u16,
    /// What became of it; always a success in the older versions.
    pub reason: Reason,
    /// Anything else.
    pub properties: PropertyBlock<'a>,
}

impl<'a> Acknowledge<'a> {
    pub(super) fn read(kind: Kind, body: &'a [u8], version: Version) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let mut read = Self {
            packet_id: cursor.packet_id()?,
            reason: Reason::Success,
            properties: PropertyBlock::default(),
        };
        if version == Version::V5 && !cursor.is_empty() {
            let code = cursor.byte()?;
            // Properties are read before the code is judged: a packet that cannot be read is the worse fault.
            if !cursor.is_empty() {
                read.properties = PropertyBlock::read(&mut cursor, Carrier::Acknowledge)?;
            }
            cursor.end()?;
            let reason = Reason::from_code(code).filter(|reason| match kind {
                Kind::PubRel | Kind::PubComp => reason.is_of_release(),
                _ => reason.is_of_publish(),
            });
            read.reason = reason.ok_or(Malformed::protocol(
                "MQTT 5.0 §2.4",
                "a reason code does not belong into this packet",
            ))?;
        }
        cursor.end()?;
        Ok(read)
    }
}
