// SPDX-License-Identifier: Apache-2.0
//! SEND frame → engine message. The way back is in `delivery`.

use hind_engine::address::routing_type::RoutingType;
use hind_engine::message::properties::{
    CONTENT_TYPE, GROUP_ID, PREFIX, ROUTING_TYPE, SCHEDULED_DELIVERY,
};
use hind_engine::message::{Kind, Message, Properties, PropertiesBuilder, Value};
use hind_engine::time::Now;

use crate::codec::Frame;
use crate::destination::{Destination, routing_type};
use crate::fault::Fault;

/// The property for `correlation-id`.
pub(crate) const CORRELATION_ID: &str = "JMSCorrelationID";
/// The property for `type`.
pub(crate) const TYPE: &str = "JMSType";
/// The property for `reply-to`.
pub(crate) const REPLY_TO: &str = "JMSReplyTo";
/// The property that `stompEnableMessageId` asks for.
pub(crate) const MESSAGE_ID: &str = "amqMessageId";

const CLAUSE: &str = "STOMP 1.2 §SEND";

/// What the headers of a SEND frame say to the broker; the others are the message's properties.
#[derive(Debug, Default)]
pub(crate) struct SendHead<'a> {
    pub destination: Option<&'a str>,
    pub transaction: Option<&'a str>,
    pub receipt: Option<&'a str>,
    pub routing: Option<RoutingType>,
    durable: Option<bool>,
    priority: Option<u8>,
    expiration: Option<u64>,
    scheduled: Option<i64>,
    /// The bytes its properties will take, so that their block is allocated once.
    properties: usize,
}

impl<'a> SendHead<'a> {
    /// Reads the headers; the first of a name counts [1.2 §Repeated Header Entries].
    pub fn read(frame: &Frame<'a>, now: Now) -> Result<Self, Fault> {
        let mut head = Self::default();
        for (name, value) in frame.headers() {
            head.note(name, value, now)?;
        }
        Ok(head)
    }

    fn note(&mut self, name: &str, value: &'a str, now: Now) -> Result<(), Fault> {
        match name {
            "destination" => first(&mut self.destination, || Ok(value)),
            "transaction" => first(&mut self.transaction, || Ok(value)),
            "receipt" => first(&mut self.receipt, || Ok(value)),
            "destination-type" => first(&mut self.routing, || {
                routing_type("destination-type", value)
            }),
            // Java's Boolean.parseBoolean, as Artemis reads it.
            "persistent" => first(&mut self.durable, || Ok(value.eq_ignore_ascii_case("true"))),
            "priority" => first(&mut self.priority, || priority(value)),
            "expires" => first(&mut self.expiration, || millis("expires", value)),
            "AMQ_SCHEDULED_TIME" => first(&mut self.scheduled, || {
                instant("AMQ_SCHEDULED_TIME", 0, value)
            }),
            "AMQ_SCHEDULED_DELAY" => first(&mut self.scheduled, || {
                instant("AMQ_SCHEDULED_DELAY", now.wall, value)
            }),
            "content-length" => Ok(()),
            _ => {
                self.properties += property_size(property_name(name), value.len());
                Ok(())
            }
        }
    }
}

/// Sets a slot that is still empty.
fn first<T>(slot: &mut Option<T>, value: impl FnOnce() -> Result<T, Fault>) -> Result<(), Fault> {
    if slot.is_none() {
        *slot = Some(value()?);
    }
    Ok(())
}

/// The engine's name for a header that becomes a property.
fn property_name(header: &str) -> &str {
    match header {
        "correlation-id" => CORRELATION_ID,
        "type" => TYPE,
        "reply-to" => REPLY_TO,
        "content-type" => CONTENT_TYPE,
        "JMSXGroupID" => GROUP_ID,
        _ => header,
    }
}

/// Whether a header of SEND speaks to the broker and is no property.
fn is_protocol_header(name: &str) -> bool {
    matches!(
        name,
        "destination"
            | "transaction"
            | "receipt"
            | "destination-type"
            | "persistent"
            | "priority"
            | "expires"
            | "AMQ_SCHEDULED_TIME"
            | "AMQ_SCHEDULED_DELAY"
            | "content-length"
    )
}

/// Key length, tag and value length, as the engine's block has them.
const fn property_size(name: &str, value: usize) -> usize {
    2 + name.len() + 1 + 4 + value
}

/// Makes the message. Text if the client gave no length and the body is UTF-8, else bytes: in Artemis the length decides
/// alone, but text that is no text could not be given to clients of other protocols.
pub(crate) fn message(
    frame: Frame<'_>,
    head: &SendHead<'_>,
    destination: &Destination,
    message_id: Option<&str>,
    now: Now,
) -> Message {
    let properties = properties(&frame, head, destination, message_id);
    let kind = if frame.has_content_length || std::str::from_utf8(&frame.body).is_err() {
        Kind::Bytes
    } else {
        Kind::Text
    };
    let mut message = Message::new(destination.address.clone(), kind, frame.body);
    message.durable = head.durable.unwrap_or(false);
    message.priority = head.priority.unwrap_or(4);
    message.expiration = head.expiration.unwrap_or(0);
    message.timestamp = now.wall;
    message.properties = properties;
    message
}

fn properties(
    frame: &Frame<'_>,
    head: &SendHead<'_>,
    destination: &Destination,
    message_id: Option<&str>,
) -> Properties {
    let routing = head.routing.or(destination.routing);
    let size = head.properties
        + routing.map_or(0, |_| 2 + ROUTING_TYPE.len() + 2)
        + destination
            .prefix
            .as_ref()
            .map_or(0, |prefix| property_size(PREFIX, prefix.len()))
        + head
            .scheduled
            .map_or(0, |_| 2 + SCHEDULED_DELIVERY.len() + 9)
        + message_id.map_or(0, |id| property_size(MESSAGE_ID, id.len()));
    if size == 0 {
        return Properties::default();
    }
    let mut builder = PropertiesBuilder::with_capacity(size);
    if let Some(routing) = routing {
        builder.push(
            ROUTING_TYPE,
            Value::Byte(i8::from(routing == RoutingType::Anycast)),
        );
    }
    if let Some(prefix) = &destination.prefix {
        builder.push(PREFIX, Value::Text(prefix));
    }
    if let Some(scheduled) = head.scheduled {
        builder.push(SCHEDULED_DELIVERY, Value::Long(scheduled));
    }
    if let Some(id) = message_id {
        builder.push(MESSAGE_ID, Value::Text(id));
    }
    for (name, value) in frame
        .headers()
        .filter(|(name, _)| !is_protocol_header(name))
    {
        builder.push(property_name(name), Value::Text(value));
    }
    builder.finish()
}

fn priority(value: &str) -> Result<u8, Fault> {
    match value.trim().parse() {
        Ok(priority @ 0..=9) => Ok(priority),
        _ => Err(Fault::header_value(
            CLAUSE,
            "priority",
            value,
            "a number from 0 to 9",
        )),
    }
}

fn millis(name: &'static str, value: &str) -> Result<u64, Fault> {
    match value.trim().parse::<i64>() {
        Ok(millis) => Ok(u64::try_from(millis).unwrap_or(0)),
        Err(_) => Err(Fault::header_value(
            CLAUSE,
            name,
            value,
            "a number of milliseconds",
        )),
    }
}

fn instant(name: &'static str, from: u64, value: &str) -> Result<i64, Fault> {
    Ok(i64::try_from(from.saturating_add(millis(name, value)?)).unwrap_or(i64::MAX))
}
