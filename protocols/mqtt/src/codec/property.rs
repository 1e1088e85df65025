// SPDX-License-Identifier: Apache-2.0
//! Properties of MQTT 5.0 packets [§2.2.2]: which may stand where, how often, with what value.

use super::cursor::Cursor;
use super::{Malformed, text};

/// What carries properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// CONNECT, before its will.
    Connect,
    /// The will in a CONNECT.
    Will,
    /// PUBLISH from a client.
    Publish,
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Acknowledge,
    /// SUBSCRIBE.
    Subscribe,
    /// UNSUBSCRIBE.
    Unsubscribe,
    /// DISCONNECT from a client.
    Disconnect,
    /// AUTH.
    Auth,
}

/// One property and its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Property<'a> {
    PayloadFormatIndicator(bool),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32),
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQos(bool),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

/// Identifiers that the encoder needs, too.
pub(super) mod id {
    pub const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
    pub const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const CORRELATION_DATA: u8 = 0x09;
    pub const SUBSCRIPTION_IDENTIFIER: u8 = 0x0b;
    pub const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
    pub const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const AUTHENTICATION_METHOD: u8 = 0x15;
    pub const AUTHENTICATION_DATA: u8 = 0x16;
    pub const SERVER_REFERENCE: u8 = 0x1c;
    pub const REASON_STRING: u8 = 0x1f;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const USER_PROPERTY: u8 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
}

/// Properties that have been found valid, in the order they came.
///
/// *Invariants*: every identifier is known, allowed in its carrier and, but for user properties, there once; every value
/// is in its range. So reading them cannot fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PropertyBlock<'a>(&'a [u8]);

impl<'a> PropertyBlock<'a> {
    /// Reads the length of the properties and the properties, and checks each.
    pub(super) fn read(cursor: &mut Cursor<'a>, carrier: Carrier) -> Result<Self, Malformed> {
        let length = cursor.variable()?;
        if length == 0 {
            return Ok(Self::default());
        }
        let block = cursor.bytes(length as usize)?;
        let mut rest = Cursor::new(block);
        let mut seen = 0_u64;
        while !rest.is_empty() {
            let property = Property::read(&mut rest)?;
            property.check(carrier, &mut seen)?;
        }
        let has = |id: u8| seen & 1 << id != 0;
        if has(id::AUTHENTICATION_DATA) && !has(id::AUTHENTICATION_METHOD) {
            return Err(Malformed::protocol(
                "MQTT 5.0 §3.1.2.11.10",
                "authentication data without a method",
            ));
        }
        Ok(Self(block))
    }

    /// Each property with its value.
    pub fn iter(self) -> impl Iterator<Item = Property<'a>> {
        let mut rest = Cursor::new(self.0);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            Property::read(&mut rest).ok()
        })
    }

    /// There is none.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes they take.
    pub const fn len(self) -> usize {
        self.0.len()
    }
}

impl<'a> Property<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        Ok(match cursor.variable()? {
            0x01 => Self::PayloadFormatIndicator(truth(cursor)?),
            0x02 => Self::MessageExpiryInterval(cursor.four_bytes()?),
            0x03 => Self::ContentType(cursor.text()?),
            0x08 => Self::ResponseTopic(cursor.name()?),
            0x09 => Self::CorrelationData(cursor.binary()?),
            0x0b => Self::SubscriptionIdentifier(cursor.variable()?),
            0x11 => Self::SessionExpiryInterval(cursor.four_bytes()?),
            0x12 => Self::AssignedClientIdentifier(cursor.text()?),
            0x13 => Self::ServerKeepAlive(cursor.two_bytes()?),
            0x15 => Self::AuthenticationMethod(cursor.name()?),
            0x16 => Self::AuthenticationData(cursor.binary()?),
            0x17 => Self::RequestProblemInformation(truth(cursor)?),
            0x18 => Self::WillDelayInterval(cursor.four_bytes()?),
            0x19 => Self::RequestResponseInformation(truth(cursor)?),
            0x1a => Self::ResponseInformation(cursor.text()?),
            0x1c => Self::ServerReference(cursor.text()?),
            0x1f => Self::ReasonString(cursor.text()?),
            0x21 => Self::ReceiveMaximum(cursor.two_bytes()?),
            0x22 => Self::TopicAliasMaximum(cursor.two_bytes()?),
            0x23 => Self::TopicAlias(cursor.two_bytes()?),
            0x24 => Self::MaximumQos(truth(cursor)?),
            0x25 => Self::RetainAvailable(truth(cursor)?),
            0x26 => Self::UserProperty(cursor.text()?, cursor.text()?),
            0x27 => Self::MaximumPacketSize(cursor.four_bytes()?),
            0x28 => Self::WildcardSubscriptionAvailable(truth(cursor)?),
            0x29 => Self::SubscriptionIdentifierAvailable(truth(cursor)?),
            0x2a => Self::SharedSubscriptionAvailable(truth(cursor)?),
            _ => {
                return Err(Malformed::packet(
                    "MQTT 5.0 §2.2.2.2",
                    "a property is not known",
                ));
            }
        })
    }

    const fn id(&self) -> u8 {
        match self {
            Self::PayloadFormatIndicator(_) => id::PAYLOAD_FORMAT_INDICATOR,
            Self::MessageExpiryInterval(_) => id::MESSAGE_EXPIRY_INTERVAL,
            Self::ContentType(_) => id::CONTENT_TYPE,
            Self::ResponseTopic(_) => id::RESPONSE_TOPIC,
            Self::CorrelationData(_) => id::CORRELATION_DATA,
            Self::SubscriptionIdentifier(_) => id::SUBSCRIPTION_IDENTIFIER,
            Self::SessionExpiryInterval(_) => id::SESSION_EXPIRY_INTERVAL,
            Self::AssignedClientIdentifier(_) => id::ASSIGNED_CLIENT_IDENTIFIER,
            Self::ServerKeepAlive(_) => id::SERVER_KEEP_ALIVE,
            Self::AuthenticationMethod(_) => id::AUTHENTICATION_METHOD,
            Self::AuthenticationData(_) => id::AUTHENTICATION_DATA,
            Self::RequestProblemInformation(_) => 0x17,
            Self::WillDelayInterval(_) => 0x18,
            Self::RequestResponseInformation(_) => 0x19,
            Self::ResponseInformation(_) => 0x1a,
            Self::ServerReference(_) => id::SERVER_REFERENCE,
            Self::ReasonString(_) => id::REASON_STRING,
            Self::ReceiveMaximum(_) => id::RECEIVE_MAXIMUM,
            Self::TopicAliasMaximum(_) => id::TOPIC_ALIAS_MAXIMUM,
            Self::TopicAlias(_) => id::TOPIC_ALIAS,
            Self::MaximumQos(_) => 0x24,
            Self::RetainAvailable(_) => 0x25,
            Self::UserProperty(..) => id::USER_PROPERTY,
            Self::MaximumPacketSize(_) => id::MAXIMUM_PACKET_SIZE,
            Self::WildcardSubscriptionAvailable(_) => 0x28,
            Self::SubscriptionIdentifierAvailable(_) => 0x29,
            Self::SharedSubscriptionAvailable(_) => 0x2a,
        }
    }

    /// Whether it may stand there, for the first time, with that value.
    fn check(&self, carrier: Carrier, seen: &mut u64) -> Result<(), Malformed> {
        let id = self.id();
        if !allowed(carrier).contains(&id) {
            return Err(Malformed::protocol(
                "MQTT 5.0 §2.2.2.2",
                "a property does not belong into this packet",
            ));
        }
        let bit = 1 << id;
        if *seen & bit != 0 && id != id::USER_PROPERTY {
            return Err(Malformed::protocol(
                "MQTT 5.0 §2.2.2.2",
                "a property stands twice in a packet",
            ));
        }
        *seen |= bit;
        match self {
            Self::SubscriptionIdentifier(0)
            | Self::ReceiveMaximum(0)
            | Self::MaximumPacketSize(0) => Err(Malformed::protocol(
                "MQTT 5.0 §2.2.2.2",
                "a property is 0 that must not be",
            )),
            Self::TopicAlias(0) => Err(Malformed::because(
                super::Reason::TopicAliasInvalid,
                "MQTT-3.3.2-8",
                "a topic alias is 0",
            )),
            Self::ResponseTopic(topic) if text::topic(topic).is_err() => Err(Malformed::protocol(
                "MQTT-3.3.2-14",
                "a response topic is empty or contains a wildcard",
            )),
            _ => Ok(()),
        }
    }
}

fn truth(cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
    match cursor.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::protocol(
            "MQTT 5.0 §2.2.2.2",
            "a property is neither 0 nor 1",
        )),
    }
}

/// The identifiers that may stand in a carrier [table 2-4].
const fn allowed(carrier: Carrier) -> &'static [u8] {
    match carrier {
        Carrier::Connect => &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        Carrier::Will => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26],
        Carrier::Publish => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
        Carrier::Acknowledge => &[0x1f, 0x26],
        Carrier::Subscribe => &[0x0b, 0x26],
        Carrier::Unsubscribe => &[0x26],
        // A server's reference is read over: clients that send it do no harm, and are leaving.
        Carrier::Disconnect => &[0x11, 0x1c, 0x1f, 0x26],
        Carrier::Auth => &[0x15, 0x16, 0x1f, 0x26],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;

    const CARRIERS: [Carrier; 8] = [
        Carrier::Connect,
        Carrier::Will,
        Carrier::Publish,
        Carrier::Acknowledge,
        Carrier::Subscribe,
        Carrier::Unsubscribe,
        Carrier::Disconnect,
        Carrier::Auth,
    ];

    /// How many properties there are, if all are valid.
    fn read(carrier: Carrier, properties: &[u8]) -> Result<usize, Reason> {
        let mut block = vec![u8::try_from(properties.len()).expect("a short block")];
        block.extend_from_slice(properties);
        PropertyBlock::read(&mut Cursor::new(&block), carrier)
            .map(|block| block.iter().count())
            .map_err(|malformed| malformed.reason)
    }

    /// A valid value for each identifier.
    fn sample(id: u8) -> Option<Vec<u8>> {
        let value: &[u8] = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2a => &[1],
            0x02 | 0x11 | 0x18 | 0x27 => &[0, 0, 0, 1],
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => &[0, 1, b'p'],
            0x0b => &[1],
            0x13 | 0x21 | 0x22 | 0x23 => &[0, 1],
            0x26 => &[0, 1, b'p', 0, 1, b'q'],
            _ => return None,
        };
        Some([&[id], value].concat())
    }

    #[test]
    fn mqtt_5_0_2_2_2_2_each_property_is_valid_in_its_packets_only() {
        for carrier in CARRIERS {
            for id in 0..=0x7f {
                let Some(property) = sample(id) else {
                    assert_eq!(read(carrier, &[id, 1]), Err(Reason::MalformedPacket));
                    continue;
                };
                let outcome = read(carrier, &property);
                if id == 0x16 && matches!(carrier, Carrier::Connect | Carrier::Auth) {
                    assert_eq!(outcome, Err(Reason::ProtocolError), "data without a method");
                } else if allowed(carrier).contains(&id) {
                    assert_eq!(outcome, Ok(1), "{carrier:?} {id:#x}");
                } else {
                    assert_eq!(outcome, Err(Reason::ProtocolError), "{carrier:?} {id:#x}");
                }
            }
        }
    }

    #[test]
    fn mqtt_5_0_2_2_2_2_no_property_but_user_properties_stands_twice() {
        for carrier in CARRIERS {
            for id in allowed(carrier).iter().filter(|id| **id != 0x16) {
                let property = sample(*id).expect("a known property");
                let twice = read(carrier, &property.repeat(2));
                if *id == 0x26 {
                    assert_eq!(twice, Ok(2));
                } else {
                    assert_eq!(twice, Err(Reason::ProtocolError), "{carrier:?} {id:#x}");
                }
            }
        }
    }

    #[test]
    fn mqtt_5_0_2_2_2_1_a_property_that_is_cut_off_is_malformed() {
        for carrier in CARRIERS {
            for property in (0..=0x2a).filter_map(sample) {
                for end in 1..property.len() {
                    let outcome = read(carrier, &property[..end]);
                    assert_eq!(
                        outcome,
                        Err(Reason::MalformedPacket),
                        "{property:?} to {end}"
                    );
                }
            }
        }
        let beyond = PropertyBlock::read(&mut Cursor::new(&[2, 1]), Carrier::Publish);
        assert!(beyond.is_err());
    }

    #[test]
    fn values_out_of_range_are_protocol_errors() {
        let table: [(Carrier, &[u8], Reason); 7] = [
            (Carrier::Publish, &[0x01, 2], Reason::ProtocolError),
            (Carrier::Publish, &[0x23, 0, 0], Reason::TopicAliasInvalid),
            (Carrier::Publish, b"\x08\x00\x01#", Reason::ProtocolError),
            (Carrier::Connect, &[0x21, 0, 0], Reason::ProtocolError),
            (Carrier::Connect, &[0x27, 0, 0, 0, 0], Reason::ProtocolError),
            (Carrier::Connect, &[0x19, 2], Reason::ProtocolError),
            (Carrier::Subscribe, &[0x0b, 0], Reason::ProtocolError),
        ];
        for (carrier, property, reason) in table {
            assert_eq!(read(carrier, property), Err(reason), "{property:?}");
        }
    }
}
