// SPDX-License-Identifier: Apache-2.0
//! A message: an envelope the engine reads, properties it looks into, and a body it never touches.

use std::sync::Arc;

use crate::id::MessageId;
use crate::selector;

pub mod body;
pub mod properties;
pub mod published;

pub use body::{Body, LargeBody};
pub use properties::{Properties, PropertiesBuilder, Value};
pub use published::{Published, Qos};

/// What the body means, in the numbers of the Core protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Kind {
    /// No body meaning (JMS `Message`).
    #[default]
    Default = 0,
    /// A serialised Java object.
    Object = 2,
    /// Text.
    Text = 3,
    /// Bytes.
    Bytes = 4,
    /// A map of typed values.
    Map = 5,
    /// A stream of typed values.
    Stream = 6,
}

impl Kind {
    /// The kind of Core's number, if it is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Default,
            2 => Self::Object,
            3 => Self::Text,
            4 => Self::Bytes,
            5 => Self::Map,
            6 => Self::Stream,
            _ => return None,
        })
    }
}

/// One message as the engine holds it, shared by all queues and deliveries, never changed after routing.
///
/// *Invariants*: `priority` ≤ 9; `id` is 0 only before the engine has routed the message.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// Given by the engine when the message is routed; until then zero.
    pub id: MessageId,
    /// The address it was sent to, without acceptor prefix.
    pub address: Arc<str>,
    /// What the body means.
    pub kind: Kind,
    /// Survives a restart if the queue does.
    pub durable: bool,
    /// 0 (lowest) to 9.
    pub priority: u8,
    /// When it was sent, milliseconds since 1970 UTC; 0 = unknown.
    pub timestamp: u64,
    /// When it expires, milliseconds since 1970 UTC; 0 = never.
    pub expiration: u64,
    /// The sender's id for it (`JMSMessageID`, AMQP `message-id` …), if it has one.
    pub user_id: Option<Arc<str>>,
    /// What MQTT's fixed header said, if it came by that.
    pub published: Option<Published>,
    /// Typed properties, encoded.
    pub properties: Properties,
    /// The payload. For `Kind::Text` UTF-8 without any length prefix.
    pub body: Body,
}

impl Message {
    /// A durable message of priority 4 that never expires.
    pub fn new(address: Arc<str>, kind: Kind, body: impl Into<Body>) -> Self {
        Self {
            id: MessageId(0),
            address,
            kind,
            durable: true,
            priority: 4,
            timestamp: 0,
            expiration: 0,
            user_id: None,
            published: None,
            properties: Properties::default(),
            body: body.into(),
        }
    }

    /// What it holds in memory, in bytes, for limits and ledgers: properties, a fixed overhead for the envelope, and the
    /// payload unless that lies in a file.
    pub fn size(&self) -> u64 {
        self.envelope_size() + self.body.in_memory()
    }

    /// How large it is in bytes, wherever its payload lies, for the credit of consumers and for `AMQSize`: who is given
    /// it has to take all of it.
    pub fn whole_size(&self) -> u64 {
        self.envelope_size() + self.body.len()
    }

    fn envelope_size(&self) -> u64 {
        const ENVELOPE: u64 = 64;
        ENVELOPE + self.address.len() as u64 + self.properties.encoded().len() as u64
    }

    /// Whether it has expired at `wall` (milliseconds since 1970 UTC).
    pub fn is_expired(&self, wall: u64) -> bool {
        self.expiration != 0 && self.expiration <= wall
    }
}

/// The identifiers a selector may use (manual, chapter Filter Expressions): `AMQ*` first, then properties.
impl selector::Fields for Message {
    fn field<'a>(&'a self, name: &str) -> Option<selector::Value<'a>> {
        let integer = |n: u64| {
            Some(selector::Value::Integer(
                i64::try_from(n).unwrap_or(i64::MAX),
            ))
        };
        match name {
            "AMQPriority" => integer(u64::from(self.priority)),
            "AMQTimestamp" => integer(self.timestamp),
            "AMQExpiration" => integer(self.expiration),
            "AMQSize" => integer(self.whole_size()),
            "AMQDurable" => Some(selector::Value::Text(if self.durable {
                "DURABLE"
            } else {
                "NON_DURABLE"
            })),
            "AMQAddress" => Some(selector::Value::Text(&self.address)),
            "AMQUserID" => self.user_id.as_deref().map(selector::Value::Text),
            "AMQGroupID" => self.property(properties::GROUP_ID),
            "AMQGroupSequence" => self.property(properties::GROUP_SEQUENCE),
            _ => self.property(name),
        }
    }
}

impl Message {
    /// All properties by name: those of its publishing first, then those it carries.
    pub fn all_properties<'a>(&'a self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let published = self.published.iter();
        published
            .flat_map(Published::properties)
            .chain(self.properties.iter())
    }

    fn property<'a>(&'a self, name: &str) -> Option<selector::Value<'a>> {
        let published = self.published.as_ref().and_then(|p| p.property(name));
        match published.or_else(|| self.properties.get(name))? {
            Value::Null | Value::Bytes(_) => None,
            Value::Boolean(b) => Some(selector::Value::Boolean(b)),
            Value::Byte(n) => Some(selector::Value::Integer(i64::from(n))),
            Value::Short(n) => Some(selector::Value::Integer(i64::from(n))),
            Value::Int(n) => Some(selector::Value::Integer(i64::from(n))),
            Value::Long(n) => Some(selector::Value::Integer(n)),
            Value::Float(n) => Some(selector::Value::Float(f64::from(n))),
            Value::Double(n) => Some(selector::Value::Float(n)),
            Value::Text(s) => Some(selector::Value::Text(s)),
        }
    }
}
