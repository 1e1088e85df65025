// SPDX-License-Identifier: Apache-2.0
//! DISCONNECT and AUTH from a client [MQTT 5.0 §3.14, §3.15].

use super::cursor::Cursor;
use super::property::{Carrier, Property, PropertyBlock};
use super::{Malformed, Reason, Version};

/// A client leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Disconnect {
    /// Why; always in peace in the older versions.
    pub reason: Reason,
    /// How long its session is to be kept, in seconds, if it says so.
    pub session_expiry: Option<u32>,
}

impl Disconnect {
    pub(super) fn read(body: &[u8], version: Version) -> Result<Self, Malformed> {
        let mut read = Self {
            reason: Reason::Success,
            session_expiry: None,
        };
        let mut cursor = Cursor::new(body);
        if version == Version::V5 && !cursor.is_empty() {
            let code = cursor.byte()?;
            if !cursor.is_empty() {
                let properties = PropertyBlock::read(&mut cursor, Carrier::Disconnect)?;
                read.session_expiry = properties.iter().find_map(|property| match property {
                    Property::SessionExpiryInterval(seconds) => Some(seconds),
                    _ => None,
                });
            }
            // Nobody listens any more to whoever says good-bye.
            let wrong = Malformed::protocol(
                "MQTT-3.14.2-1",
                "a reason code does not belong into a client's DISCONNECT",
            )
            .silently();
            read.reason = Reason::from_code(code)
                .filter(|reason| reason.is_of_leaving())
                .ok_or(wrong)?;
        }
        cursor.end()?;
        Ok(read)
    }
}

/// A step of an authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Auth<'a> {
    /// Which step.
    pub reason: Reason,
    /// By which method.
    pub method: Option<&'a str>,
    /// What is to be known in this step.
    pub data: Option<&'a [u8]>,
}

impl<'a> Auth<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut read = Self {
            reason: Reason::Success,
            method: None,
            data: None,
        };
        let mut cursor = Cursor::new(body);
        if cursor.is_empty() {
            return Ok(read);
        }
        let code = cursor.byte()?;
        if !cursor.is_empty() {
            for property in PropertyBlock::read(&mut cursor, Carrier::Auth)?.iter() {
                match property {
                    Property::AuthenticationMethod(method) => read.method = Some(method),
                    Property::AuthenticationData(data) => read.data = Some(data),
                    _ => {}
                }
            }
        }
        cursor.end()?;
        read.reason = match Reason::from_code(code) {
            Some(reason @ (Reason::ContinueAuthentication | Reason::ReAuthenticate)) => reason,
            _ => {
                return Err(Malformed::protocol(
                    "MQTT-3.15.2-1",
                    "a reason code does not belong into a client's AUTH",
                ));
            }
        };
        Ok(read)
    }
}
