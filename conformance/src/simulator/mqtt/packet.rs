// SPDX-License-Identifier: Apache-2.0
//! The client's side of MQTT packets, written from the two specifications and independent of the broker's own codec, so
//! that a mistake made there is not made here as well.

use std::fmt;

/// The versions a client may speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// MQTT 3.1.1: no properties, no reasons.
    V311,
    /// MQTT 5.0.
    V5,
}

/// The packets of QoS 1 and 2 that have nothing but a packet identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Of QoS 1.
    PubAck = 4,
    /// Of QoS 2: the receiver has the message.
    PubRec = 5,
    /// Of QoS 2: the sender will not send it again.
    PubRel = 6,
    /// Of QoS 2: the receiver has forgotten it.
    PubComp = 7,
}

/// A message, either way.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Publish {
    /// DUP.
    pub dup: bool,
    /// 0, 1 or 2.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// The topic; empty if only an alias was given.
    pub topic: String,
    /// The packet identifier; 0 for QoS 0.
    pub id: u16,
    /// The payload.
    pub payload: Vec<u8>,
    /// Topic Alias.
    pub alias: Option<u16>,
    /// Subscription Identifiers, in their order.
    pub subscriptions: Vec<u32>,
}

/// What the broker says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// CONNACK: Session Present, and a code.
    ConnAck(bool, u8),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP: identifier and reason.
    Step(Step, u16, u8),
    /// SUBACK.
    SubAck(u16, Vec<u8>),
    /// UNSUBACK.
    UnsubAck(u16, Vec<u8>),
    /// PINGRESP.
    PingResp,
    /// DISCONNECT with its reason.
    Disconnect(u8),
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(publish) => {
                let Publish {
                    dup,
                    qos,
                    retain,
                    topic,
                    id,
                    payload,
                    ..
                } = publish;
                let head: Vec<u8> = payload.iter().copied().take_while(|b| *b != b':').collect();
                let head = String::from_utf8_lossy(&head);
                let (dup, retain) = (u8::from(*dup), u8::from(*retain));
                write!(
                    f,
                    "PUBLISH {topic} {head} q{qos} id={id} dup={dup} retain={retain}"
                )
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// What a client wants to be said when it is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Will {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Will Delay Interval in seconds; not in MQTT 3.1.1.
    pub delay: u32,
}

/// CONNECT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connect {
    /// The client identifier.
    pub client: String,
    /// Clean Start, or CleanSession.
    pub clean: bool,
    /// Keep Alive in seconds.
    pub keep_alive: u16,
    /// The will.
    pub will: Option<Will>,
    /// Session Expiry Interval in seconds; not in MQTT 3.1.1.
    pub expiry: u32,
    /// Receive Maximum; not in MQTT 3.1.1.
    pub receive_maximum: u16,
    /// Topic Alias Maximum; not in MQTT 3.1.1.
    pub aliases: u16,
}

/// One filter of a SUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscribe {
    /// The packet identifier.
    pub id: u16,
    /// The filter.
    pub filter: String,
    /// The greatest QoS.
    pub qos: u8,
    /// No Local; not in MQTT 3.1.1.
    pub no_local: bool,
    /// Retain Handling; not in MQTT 3.1.1.
    pub retain_handling: u8,
    /// Subscription Identifier; not in MQTT 3.1.1.
    pub identifier: u32,
}

impl Connect {
    /// As bytes.
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        body.push(if version == Version::V5 { 5 } else { 4 });
        let will = self.will.as_ref().map_or(0, |will| 4 | will.qos << 3);
        body.push(0xc0 | will | u8::from(self.clean) << 1);
        body.extend(self.keep_alive.to_be_bytes());
        if version == Version::V5 {
            let mut block = vec![17];
            block.extend(self.expiry.to_be_bytes());
            block.push(33);
            block.extend(self.receive_maximum.to_be_bytes());
            block.push(34);
            block.extend(self.aliases.to_be_bytes());
            binary_of_length(&mut body, &block);
        }
        text(&mut body, &self.client);
        if let Some(will) = &self.will {
            if version == Version::V5 {
                let mut block = vec![24];
                block.extend(will.delay.to_be_bytes());
                binary_of_length(&mut body, &block);
            }
            text(&mut body, &will.topic);
            data(&mut body, &will.payload);
        }
        text(&mut body, "client");
        text(&mut body, "secret");
        packet(0x10, &body)
    }
}

impl Publish {
    /// As bytes.
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.payload.len() + 40);
        text(&mut body, &self.topic);
        if self.qos > 0 {
            body.extend(self.id.to_be_bytes());
        }
        if version == Version::V5 {
            let mut block = Vec::new();
            if let Some(alias) = self.alias {
                block.push(35);
                block.extend(alias.to_be_bytes());
            }
            binary_of_length(&mut body, &block);
        }
        body.extend_from_slice(&self.payload);
        let flags = u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain);
        packet(0x30 | flags, &body)
    }
}

impl Subscribe {
    /// As bytes.
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let mut body = self.id.to_be_bytes().to_vec();
        if version == Version::V5 {
            let mut block = vec![11];
            length(&mut block, self.identifier as usize);
            binary_of_length(&mut body, &block);
        }
        text(&mut body, &self.filter);
        body.push(match version {
            Version::V311 => self.qos,
            Version::V5 => self.qos | u8::from(self.no_local) << 2 | self.retain_handling << 4,
        });
        packet(0x82, &body)
    }
}

/// UNSUBSCRIBE as bytes.
pub fn unsubscribe(id: u16, filter: &str, version: Version) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == Version::V5 {
        body.push(0);
    }
    text(&mut body, filter);
    packet(0xa2, &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP as bytes: that all is well.
pub fn step(step: Step, id: u16) -> Vec<u8> {
    let flags = if step == Step::PubRel { 2 } else { 0 };
    packet((step as u8) << 4 | flags, &id.to_be_bytes())
}

/// PINGREQ as bytes.
pub fn ping() -> Vec<u8> {
    packet(0xc0, &[])
}

/// DISCONNECT as bytes; in MQTT 5.0 with a reason, and perhaps another Session Expiry Interval.
pub fn disconnect(version: Version, reason: u8, expiry: Option<u32>) -> Vec<u8> {
    let mut body = Vec::new();
    if version == Version::V5 {
        body.push(reason);
        let mut block = Vec::new();
        if let Some(expiry) = expiry {
            block.push(17);
            block.extend(expiry.to_be_bytes());
        }
        binary_of_length(&mut body, &block);
    }
    packet(0xe0, &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    binary_of_length(&mut bytes, body);
    bytes
}

/// A Variable Byte Integer.
fn length(bytes: &mut Vec<u8>, mut length: usize) {
    while length > 127 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

fn binary_of_length(bytes: &mut Vec<u8>, content: &[u8]) {
    length(bytes, content.len());
    bytes.extend_from_slice(content);
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    data(bytes, text.as_bytes());
}

fn data(bytes: &mut Vec<u8>, data: &[u8]) {
    let length = u16::try_from(data.len()).expect("clients say nothing that long");
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(data);
}

/// Cuts a stream of bytes into packets.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    at: usize,
}

impl Decoder {
    /// Appends what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole packet, if there is one.
    ///
    /// # Errors
    /// The broker sent something that is not a packet of this version; what.
    pub fn next(&mut self, version: Version) -> Result<Option<Packet>, String> {
        let mut cursor = Cursor(&self.bytes[self.at..]);
        let Ok(first) = cursor.byte() else {
            return Ok(None);
        };
        if cursor.0.len() < 4 && cursor.0.iter().all(|byte| *byte > 127) {
            return Ok(None);
        }
        let length = cursor.length()?;
        let Ok(body) = cursor.take(length) else {
            return Ok(None);
        };
        let packet = read(first, body, version)?;
        self.at = self.bytes.len() - cursor.0.len();
        Ok(Some(packet))
    }
}

fn read(first: u8, body: &[u8], version: Version) -> Result<Packet, String> {
    let mut cursor = Cursor(body);
    let flags = first & 0xf;
    let wanted = if first >> 4 == 6 { 2 } else { 0 };
    if first >> 4 != 3 && flags != wanted {
        return Err(format!("the first byte {first:#x}"));
    }
    let packet = match first >> 4 {
        2 => {
            let (present, code) = (cursor.byte()?, cursor.byte()?);
            if present > 1 || (present == 1 && code != 0) {
                return Err(format!("a CONNACK with {present} and {code}"));
            }
            cursor.properties(version, 2)?;
            Packet::ConnAck(present == 1, code)
        }
        3 => return publish(flags, cursor, version),
        4..=7 => {
            let steps = [Step::PubAck, Step::PubRec, Step::PubRel, Step::PubComp];
            let id = cursor.packet_id()?;
            let mut reason = 0;
            if version == Version::V5 && !cursor.0.is_empty() {
                reason = cursor.byte()?;
                if !cursor.0.is_empty() {
                    cursor.properties(version, first >> 4)?;
                }
            }
            Packet::Step(steps[usize::from(first >> 4) - 4], id, reason)
        }
        kind @ (9 | 11) => {
            let id = cursor.packet_id()?;
            cursor.properties(version, kind)?;
            let codes = std::mem::take(&mut cursor.0).to_vec();
            match kind {
                9 => Packet::SubAck(id, codes),
                _ => Packet::UnsubAck(id, codes),
            }
        }
        13 => Packet::PingResp,
        14 if version == Version::V5 => {
            let reason = if body.is_empty() { 0 } else { cursor.byte()? };
            if !cursor.0.is_empty() {
                cursor.properties(version, 14)?;
            }
            Packet::Disconnect(reason)
        }
        kind => return Err(format!("a packet of type {kind}")),
    };
    if !cursor.0.is_empty() {
        return Err(format!("{} bytes behind {packet}", cursor.0.len()));
    }
    Ok(packet)
}

fn publish(flags: u8, mut cursor: Cursor<'_>, version: Version) -> Result<Packet, String> {
    let qos = flags >> 1 & 3;
    let topic = cursor.text()?;
    if qos == 3 || topic.contains(['+', '#']) {
        return Err(format!("a PUBLISH of QoS {qos} for {topic:?}"));
    }
    let id = if qos > 0 { cursor.packet_id()? } else { 0 };
    let properties = cursor.properties(version, 3)?;
    let number = |wanted: u8| {
        let found = properties.iter().filter(move |(id, _)| *id == wanted);
        found.map(|(_, number)| *number)
    };
    if topic.is_empty() && number(35).next().is_none() {
        return Err("a PUBLISH without a topic".to_owned());
    }
    Ok(Packet::Publish(Publish {
        dup: flags & 8 != 0,
        qos,
        retain: flags & 1 != 0,
        topic,
        id,
        alias: number(35).next().map(|alias| alias as u16),
        subscriptions: number(11).collect(),
        payload: cursor.0.to_vec(),
    }))
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or("a packet too short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self, bytes: usize) -> Result<u32, String> {
        let taken = self.take(bytes)?;
        Ok(taken
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    fn packet_id(&mut self) -> Result<u16, String> {
        match self.number(2)? {
            0 => Err("packet identifier 0".to_owned()),
            id => Ok(id as u16),
        }
    }

    fn length(&mut self) -> Result<usize, String> {
        let mut length = 0;
        for place in 0..4 {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << (7 * place);
            if byte < 128 {
                let minimal = byte > 0 || place == 0;
                return minimal
                    .then_some(length)
                    .ok_or_else(|| "a length with more bytes than it needs".to_owned());
            }
        }
        Err("a length of more than four bytes".to_owned())
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.number(2)?;
        let bytes = self.take(length as usize)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
        if text.contains('\0') {
            return Err("a text with NUL".to_owned());
        }
        Ok(text.to_owned())
    }

    /// Those that are numbers; a block that has what this packet must not have, or twice what it may have once, is an
    /// error (MQTT 5.0, 2.2.2).
    fn properties(&mut self, version: Version, packet: u8) -> Result<Vec<(u8, u32)>, String> {
        let mut numbers = Vec::new();
        if version == Version::V311 {
            return Ok(numbers);
        }
        let length = self.length()?;
        let mut block = Cursor(self.take(length)?);
        let mut seen = Vec::new();
        while !block.0.is_empty() {
            let id = block.byte()?;
            let allowed: &[u8] = match packet {
                2 => &[
                    17, 18, 19, 21, 22, 26, 28, 31, 33, 34, 36, 37, 38, 39, 40, 41, 42,
                ],
                3 => &[1, 2, 3, 8, 9, 11, 35, 38],
                14 => &[28, 31, 38],
                _ => &[31, 38],
            };
            let again = seen.contains(&id) && id != 38 && (id, packet) != (11, 3);
            if !allowed.contains(&id) || again {
                return Err(format!("property {id} in a packet of type {packet}"));
            }
            seen.push(id);
            match id {
                1 | 36 | 37 | 40 | 41 | 42 => numbers.push((id, block.number(1)?)),
                19 | 33 | 34 | 35 => numbers.push((id, block.number(2)?)),
                2 | 17 | 39 => numbers.push((id, block.number(4)?)),
                11 => numbers.push((id, block.length()? as u32)),
                9 | 22 => {
                    let length = block.number(2)?;
                    block.take(length as usize)?;
                }
                38 => {
                    block.text()?;
                    block.text()?;
                }
                _ => {
                    block.text()?;
                }
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_pieces_comes_out_whole() {
        let sent = Publish {
            dup: true,
            qos: 2,
            topic: "a/b".to_owned(),
            id: 700,
            payload: vec![b'x'; 200],
            ..Publish::default()
        };
        for version in [Version::V311, Version::V5] {
            let mut decoder = Decoder::default();
            for _ in 0..2 {
                for byte in sent.encode(version) {
                    assert_eq!(decoder.next(version), Ok(None));
                    decoder.feed(&[byte]);
                }
                let packet = Packet::Publish(sent.clone());
                assert_eq!(decoder.next(version), Ok(Some(packet)));
            }
        }
    }

    #[test]
    fn what_is_no_packet_is_an_error() {
        for bytes in [
            &[0x31, 2, 0, 0][..],
            &[0x36, 5, 0, 1, b'a', 0, 1],
            &[0x32, 5, 0, 1, b'a', 0, 0],
            &[0x30, 0x80, 0],
            &[0x60, 2, 0, 1],
            &[0x40, 3, 0, 1, 0],
            &[0x20, 2, 1, 5],
            &[0x10, 0],
        ] {
            let mut decoder = Decoder::default();
            decoder.feed(bytes);
            assert!(decoder.next(Version::V311).is_err(), "{bytes:?}");
        }
        let mut decoder = Decoder::default();
        decoder.feed(&[0x40, 6, 0, 1, 0, 2, 36, 1]);
        assert!(
            decoder.next(Version::V5).is_err(),
            "a property out of place"
        );
    }
}
