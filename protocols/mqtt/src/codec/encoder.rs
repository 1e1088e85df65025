// SPDX-License-Identifier: Apache-2.0
//! The packets a server sends.
//!
//! Reason strings and user properties are left out where they would make a packet larger than the client accepts
//! [MQTT-3.2.2-19 and its sisters].

use bytes::{BufMut, BytesMut};

use super::property::id;
use super::{Kind, Qos, Reason, Version};

/// The longest number in a variable number of bytes.
const VARIABLE_MAX: usize = 268_435_455;

/// Appends a number in as few bytes as it needs [MQTT-1.5.5-1].
fn put_variable(mut value: usize, out: &mut BytesMut) {
    debug_assert!(value <= VARIABLE_MAX, "{value}");
    while value > 0x7f {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// How many bytes such a number takes.
const fn variable_len(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Appends text or bytes behind their length; what is beyond 65,535 bytes is cut off, which no caller lets happen to what
/// a client sent.
fn put_string(bytes: &[u8], out: &mut BytesMut) {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    out.put_u16(bytes.len() as u16);
    out.put_slice(bytes);
}

/// What a CONNACK of MQTT 5.0 says beside its reason; the older versions leave it out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnAck<'a> {
    /// The broker knows the session.
    pub session_present: bool,
    /// How long the session is kept, in seconds, if not as asked.
    pub session_expiry: Option<u32>,
    /// How many publications the client may have unanswered, if that is to be said.
    pub receive_maximum: Option<u16>,
    /// How large its packets may be, if that is to be said.
    pub maximum_packet_size: Option<u32>,
    /// The name it was given.
    pub assigned_client_id: Option<&'a str>,
    /// The highest alias it may use.
    pub topic_alias_maximum: Option<u16>,
    /// How often it has to be heard, in seconds, if not as it said.
    pub server_keep_alive: Option<u16>,
    /// The method of its authentication.
    pub authentication_method: Option<&'a str>,
    /// The last word of that.
    pub authentication_data: Option<&'a [u8]>,
    /// Why.
    pub reason_string: Option<&'a str>,
    /// Where else to go.
    pub server_reference: Option<&'a str>,
}

impl ConnAck<'_> {
    /// Appends the CONNACK with this reason for a client that takes packets of `size_max` bytes. `false`, and nothing: it
    /// does not fit.
    pub fn write(
        &self,
        version: Version,
        reason: Reason,
        size_max: usize,
        out: &mut BytesMut,
    ) -> bool {
        if version < Version::V5 {
            let present = self.session_present && version == Version::V3_1_1;
            out.put_slice(&[0x20, 2, u8::from(present), return_code(reason)]);
            return true;
        }
        let mut properties = BytesMut::with_capacity(64);
        self.put_properties(&mut properties);
        let without = properties.len();
        if let Some(text) = self.reason_string {
            properties.put_u8(id::REASON_STRING);
            put_string(text.as_bytes(), &mut properties);
        }
        let size = |length: usize| 3 + 2 + variable_len(length) + length;
        if size(properties.len()) > size_max {
            properties.truncate(without);
        }
        if size(properties.len()) > size_max {
            return false;
        }
        out.put_u8(0x20);
        put_variable(2 + variable_len(properties.len()) + properties.len(), out);
        out.put_slice(&[u8::from(self.session_present), reason.code()]);
        put_variable(properties.len(), out);
        out.put_slice(&properties);
        true
    }

    fn put_properties(&self, out: &mut BytesMut) {
        if let Some(seconds) = self.session_expiry {
            out.put_u8(id::SESSION_EXPIRY_INTERVAL);
            out.put_u32(seconds);
        }
        let shorts = [
            (id::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum),
            (id::RECEIVE_MAXIMUM, self.receive_maximum),
            (id::SERVER_KEEP_ALIVE, self.server_keep_alive),
        ];
        for (id, value) in shorts {
            if let Some(value) = value {
                out.put_u8(id);
                out.put_u16(value);
            }
        }
        if let Some(bytes) = self.maximum_packet_size {
            out.put_u8(id::MAXIMUM_PACKET_SIZE);
            out.put_u32(bytes);
        }
        let strings = [
            (
                id::ASSIGNED_CLIENT_IDENTIFIER,
                self.assigned_client_id.map(str::as_bytes),
            ),
            (
                id::AUTHENTICATION_METHOD,
                self.authentication_method.map(str::as_bytes),
            ),
            (id::AUTHENTICATION_DATA, self.authentication_data),
            (
                id::SERVER_REFERENCE,
                self.server_reference.map(str::as_bytes),
            ),
        ];
        for (id, value) in strings {
            if let Some(value) = value {
                out.put_u8(id);
                put_string(value, out);
            }
        }
    }
}

/// What the older versions call a reason [MQTT 3.1.1 table 3.1].
const fn return_code(reason: Reason) -> u8 {
    match reason {
        Reason::Success => 0,
        Reason::UnsupportedProtocolVersion => 1,
        Reason::ClientIdentifierNotValid => 2,
        Reason::BadUserNameOrPassword => 4,
        Reason::NotAuthorized => 5,
        _ => 3,
    }
}

/// Appends a PUBACK, PUBREC, PUBREL or PUBCOMP, without whatever its receiver takes for granted.
pub fn acknowledge(
    kind: Kind,
    packet_id: u16,
    reason: Reason,
    version: Version,
    out: &mut BytesMut,
) {
    let first = match kind {
        Kind::PubRel => 0x62,
        kind => (kind as u8) << 4,
    };
    let [high, low] = packet_id.to_be_bytes();
    if version < Version::V5 || reason == Reason::Success {
        out.put_slice(&[first, 2, high, low]);
    } else {
        out.put_slice(&[first, 3, high, low, reason.code()]);
    }
}

/// Appends a SUBACK with one reason for each filter; in the older versions everything refused is 0x80
/// [MQTT-3.9.3-2], which MQTT 3.1 has no code for: there it is QoS 0 granted.
pub fn sub_ack(packet_id: u16, reasons: &[Reason], version: Version, out: &mut BytesMut) {
    let properties = usize::from(version == Version::V5);
    out.put_u8(0x90);
    put_variable(2 + properties + reasons.len(), out);
    out.put_u16(packet_id);
    out.put_bytes(0, properties);
    for reason in reasons {
        out.put_u8(match version {
            Version::V5 => reason.code(),
            Version::V3_1_1 if reason.is_error() => 0x80,
            Version::V3_1 if reason.is_error() => 0,
            _ => reason.code(),
        });
    }
}

/// Appends an UNSUBACK with one reason for each filter, which the older versions leave out.
pub fn unsub_ack(packet_id: u16, reasons: &[Reason], version: Version, out: &mut BytesMut) {
    out.put_u8(0xb0);
    if version < Version::V5 {
        out.put_u8(2);
        out.put_u16(packet_id);
        return;
    }
    put_variable(3 + reasons.len(), out);
    out.put_u16(packet_id);
    out.put_u8(0);
    out.extend(reasons.iter().map(|reason| reason.code()));
}

/// Appends a PINGRESP.
pub fn ping_response(out: &mut BytesMut) {
    out.put_slice(&[0xd0, 0]);
}

/// Appends a DISCONNECT, which only a server of MQTT 5.0 sends. Text that does not fit is left out; if then it does not
/// fit either, all of it [MQTT-3.14.2-3].
pub fn disconnect(
    reason: Reason,
    text: Option<&str>,
    server_reference: Option<&str>,
    size_max: usize,
    out: &mut BytesMut,
) {
    let mut properties = BytesMut::new();
    let strings = [
        (id::SERVER_REFERENCE, server_reference),
        (id::REASON_STRING, text),
    ];
    for (id, value) in strings {
        if let Some(value) = value {
            let before = properties.len();
            properties.put_u8(id);
            put_string(value.as_bytes(), &mut properties);
            if properties.len() + 8 > size_max {
                properties.truncate(before);
            }
        }
    }
    if size_max < 3 {
        return;
    }
    out.put_u8(0xe0);
    if properties.is_empty() {
        out.put_slice(&[1, reason.code()]);
        return;
    }
    put_variable(1 + variable_len(properties.len()) + properties.len(), out);
    out.put_u8(reason.code());
    put_variable(properties.len(), out);
    out.put_slice(&properties);
}

/// Appends an AUTH.
pub fn auth(reason: Reason, method: &str, data: Option<&[u8]>, out: &mut BytesMut) {
    let length = 3 + method.len() + data.map_or(0, |data| 3 + data.len());
    out.put_u8(0xf0);
    put_variable(1 + variable_len(length) + length, out);
    out.put_u8(reason.code());
    put_variable(length, out);
    out.put_u8(id::AUTHENTICATION_METHOD);
    put_string(method.as_bytes(), out);
    if let Some(data) = data {
        out.put_u8(id::AUTHENTICATION_DATA);
        put_string(data, out);
    }
}

/// The properties of a PUBLISH to a client; those that came with the message are `carried`, already encoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublishProperties<'a> {
    /// Seconds until the message expires.
    pub expiry: Option<u32>,
    /// The number that stands for the topic.
    pub alias: Option<u16>,
    /// Those of the subscriptions it is sent for.
    pub subscriptions: &'a [u32],
    /// Payload format, content type, response topic, correlation data and user properties.
    pub carried: &'a [u8],
}

impl PublishProperties<'_> {
    fn len(&self) -> usize {
        let subscription = |identifier: &u32| 1 + variable_len(*identifier as usize);
        self.expiry.map_or(0, |_| 5)
            + self.alias.map_or(0, |_| 3)
            + self.subscriptions.iter().map(subscription).sum::<usize>()
            + self.carried.len()
    }

    fn put(&self, out: &mut BytesMut) {
        if let Some(seconds) = self.expiry {
            out.put_u8(id::MESSAGE_EXPIRY_INTERVAL);
            out.put_u32(seconds);
        }
        if let Some(alias) = self.alias {
            out.put_u8(id::TOPIC_ALIAS);
            out.put_u16(alias);
        }
        for identifier in self.subscriptions {
            out.put_u8(id::SUBSCRIPTION_IDENTIFIER);
            put_variable(*identifier as usize, out);
        }
        out.put_slice(self.carried);
    }

    /// Appends the encoding of a payload format indicator.
    pub fn carry_payload_format(is_text: bool, carried: &mut BytesMut) {
        carried.put_slice(&[id::PAYLOAD_FORMAT_INDICATOR, u8::from(is_text)]);
    }

    /// Appends the encoding of a content type.
    pub fn carry_content_type(text: &str, carried: &mut BytesMut) {
        carried.put_u8(id::CONTENT_TYPE);
        put_string(text.as_bytes(), carried);
    }

    /// Appends the encoding of a response topic.
    pub fn carry_response_topic(topic: &str, carried: &mut BytesMut) {
        carried.put_u8(id::RESPONSE_TOPIC);
        put_string(topic.as_bytes(), carried);
    }

    /// Appends the encoding of correlation data.
    pub fn carry_correlation_data(data: &[u8], carried: &mut BytesMut) {
        carried.put_u8(id::CORRELATION_DATA);
        put_string(data, carried);
    }

    /// Appends the encoding of a user property.
    pub fn carry_user_property(name: &str, value: &str, carried: &mut BytesMut) {
        carried.put_u8(id::USER_PROPERTY);
        put_string(name.as_bytes(), carried);
        put_string(value.as_bytes(), carried);
    }
}

/// A PUBLISH to a client, up to its payload.
#[derive(Clone, Copy, Debug)]
pub struct PublishHead<'a> {
    /// What the client speaks.
    pub version: Version,
    /// It may have been sent before.
    pub dup: bool,
    /// How it is to be answered.
    pub qos: Qos,
    /// It was retained.
    pub retain: bool,
    /// The topic; empty if the alias says it.
    pub topic: &'a [u8],
    /// Its identifier, above QoS 0.
    pub packet_id: u16,
    /// Left out by the older versions.
    pub properties: PublishProperties<'a>,
}

impl PublishHead<'_> {
    /// How many bytes the packet will have with a payload of so many; `None` if no packet can be as large.
    pub fn packet_size(&self, payload: u64) -> Option<usize> {
        let remaining = self.remaining(usize::try_from(payload).ok()?)?;
        Some(1 + variable_len(remaining) + remaining)
    }

    fn remaining(&self, payload: usize) -> Option<usize> {
        let mut length = 2 + self.topic.len() + if self.qos > Qos::AtMostOnce { 2 } else { 0 };
        if self.version == Version::V5 {
            let properties = self.properties.len();
            length += variable_len(properties) + properties;
        }
        length
            .checked_add(payload)
            .filter(|length| *length <= VARIABLE_MAX)
    }

    /// Appends everything before the payload; then come `payload` bytes. `false`, and nothing: no packet can be so large,
    /// or the topic so long.
    pub fn write(&self, payload: u64, out: &mut BytesMut) -> bool {
        let remaining = usize::try_from(payload)
            .ok()
            .and_then(|payload| self.remaining(payload));
        let Some(remaining) = remaining.filter(|_| self.topic.len() <= usize::from(u16::MAX))
        else {
            return false;
        };
        let flags = u8::from(self.dup) << 3 | self.qos.number() << 1 | u8::from(self.retain);
        out.put_u8(0x30 | flags);
        put_variable(remaining, out);
        put_string(self.topic, out);
        if self.qos > Qos::AtMostOnce {
            out.put_u16(self.packet_id);
        }
        if self.version == Version::V5 {
            put_variable(self.properties.len(), out);
            self.properties.put(out);
        }
        true
    }
}
