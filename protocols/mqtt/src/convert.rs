// SPDX-License-Identifier: Apache-2.0
//! PUBLISH ↔ engine message: what becomes a property, under which name (manual, chapter MQTT; Artemis's names).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hind_engine::message::properties::{CONTENT_TYPE, MQTT_QOS, MQTT_RETAIN};
use hind_engine::message::{self, Kind, Message, Properties, PropertiesBuilder, Published, Value};
use hind_engine::time::Now;

use crate::codec::{Property, PropertyBlock, PublishProperties, Qos};

const PAYLOAD_FORMAT: &str = "mqtt.payload.format.indicator";
const RESPONSE_TOPIC: &str = "mqtt.response.topic";
const CORRELATION_DATA: &str = "mqtt.correlation.data";
const CONTENT_TYPE_MQTT: &str = "mqtt.content.type";
const USER_PROPERTIES: &str = "mqtt.user.property.exists";
/// Then come its place and its name, so that properties of one name stay apart and in order.
const USER_PROPERTY: &str = "mqtt.ordered.user.property.";

/// What other protocols call these.
const JMS_CORRELATION_ID: &str = "JMSCorrelationID";
const JMS_REPLY_TO: &str = "JMSReplyTo";

/// The engine's word for a QoS.
pub(crate) const fn engine_qos(qos: Qos) -> message::Qos {
    match qos {
        Qos::AtMostOnce => message::Qos::AtMostOnce,
        Qos::AtLeastOnce => message::Qos::AtLeastOnce,
        Qos::ExactlyOnce => message::Qos::ExactlyOnce,
    }
}

/// Our word for the engine's.
pub(crate) const fn wire_qos(qos: message::Qos) -> Qos {
    match qos {
        message::Qos::AtMostOnce => Qos::AtMostOnce,
        message::Qos::AtLeastOnce => Qos::AtLeastOnce,
        message::Qos::ExactlyOnce => Qos::ExactlyOnce,
    }
}

/// What a fixed header says of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    /// Where to.
    pub address: &'a Arc<str>,
    /// Who sends it.
    pub client_id: &'a Arc<str>,
    /// How.
    pub qos: Qos,
    /// It is to be kept.
    pub retain: bool,
}

/// The message of a PUBLISH, or of a will. Its priority is 0, as Artemis has it.
pub(crate) fn message(
    header: Header<'_>,
    properties: PropertyBlock<'_>,
    payload: Bytes,
    now: Now,
) -> Message {
    let mut message = Message::new(Arc::clone(header.address), Kind::Bytes, payload);
    message.durable = header.qos > Qos::AtMostOnce;
    message.priority = 0;
    message.timestamp = now.wall;
    message.published = Some(Published {
        client_id: Arc::clone(header.client_id),
        qos: engine_qos(header.qos),
        retain: header.retain,
        stored: false,
    });
    if !properties.is_empty() {
        message.properties = to_properties(properties);
        message.expiration =
            expiry(properties).map_or(0, |seconds| now.wall + u64::from(seconds) * 1000);
    }
    message
}

fn expiry(properties: PropertyBlock<'_>) -> Option<u32> {
    properties.iter().find_map(|property| match property {
        Property::MessageExpiryInterval(seconds) => Some(seconds),
        _ => None,
    })
}

fn to_properties(properties: PropertyBlock<'_>) -> Properties {
    let is_user = |property: &Property<'_>| matches!(property, Property::UserProperty(..));
    let users = properties.iter().filter(is_user).count();
    let named = properties.len() + 40 * (4 + users);
    let mut builder = PropertiesBuilder::with_capacity(named);
    if users > 0 {
        let users = i32::try_from(users).unwrap_or(i32::MAX);
        builder.push(USER_PROPERTIES, Value::Int(users));
    }
    let mut place = 0;
    for property in properties.iter() {
        match property {
            Property::PayloadFormatIndicator(is_text) => {
                builder.push(PAYLOAD_FORMAT, Value::Int(i32::from(is_text)));
            }
            Property::ResponseTopic(topic) => {
                builder.push(RESPONSE_TOPIC, Value::Text(topic));
            }
            Property::CorrelationData(data) => {
                builder.push(CORRELATION_DATA, Value::Bytes(data));
            }
            Property::ContentType(text) => {
                builder.push(CONTENT_TYPE_MQTT, Value::Text(text));
            }
            Property::UserProperty(name, value) => {
                builder.push(
                    &format!("{USER_PROPERTY}{place}.{name}"),
                    Value::Text(value),
                );
                place += 1;
            }
            _ => {}
        }
    }
    builder.finish()
}

/// Appends what a message carries for a client of MQTT 5.0. What other protocols put into a message is given in the words
/// of this one: their properties are user properties.
pub(crate) fn carry(message: &Message, carried: &mut BytesMut) {
    if message.properties.is_empty() {
        return;
    }
    // What may stand once only: others may give it by two names [MQTT 5.0 §2.2.2.2].
    let mut seen = 0_u8;
    let mut first = |bit: u8| {
        let is_first = seen & bit == 0;
        seen |= bit;
        is_first
    };
    for (name, value) in message.properties.iter() {
        match (name, value) {
            (PAYLOAD_FORMAT, value) => {
                if first(1) {
                    let is_text = value.as_integer() == Some(1);
                    PublishProperties::carry_payload_format(is_text, carried);
                }
            }
            (RESPONSE_TOPIC | JMS_REPLY_TO, Value::Text(topic)) => {
                if !topic.is_empty() && !topic.contains(['+', '#', '\0']) && first(2) {
                    PublishProperties::carry_response_topic(topic, carried);
                }
            }
            (CORRELATION_DATA, Value::Bytes(data)) => {
                if first(4) {
                    PublishProperties::carry_correlation_data(data, carried);
                }
            }
            (JMS_CORRELATION_ID, Value::Text(text)) => {
                if first(4) {
                    PublishProperties::carry_correlation_data(text.as_bytes(), carried);
                }
            }
            (CONTENT_TYPE_MQTT | CONTENT_TYPE, Value::Text(text)) => {
                if !text.contains('\0') && first(8) {
                    PublishProperties::carry_content_type(text, carried);
                }
            }
            (USER_PROPERTIES | MQTT_QOS | MQTT_RETAIN, _) => {}
            (name, value) => carry_as_user_property(name, value, carried),
        }
    }
}

fn carry_as_user_property(name: &str, value: Value<'_>, carried: &mut BytesMut) {
    let name = match name.strip_prefix(USER_PROPERTY) {
        Some(rest) => rest.split_once('.').map_or(rest, |(_, name)| name),
        // What brokers write into messages for themselves.
        None if name.starts_with("_AMQ_") || name.starts_with("__AMQ_") => return,
        None => name,
    };
    let text = value.to_text();
    // Another protocol may have put something there that no text of this one may contain.
    if name.contains('\0') || text.contains('\0') || text.len() > usize::from(u16::MAX) {
        return;
    }
    PublishProperties::carry_user_property(name, &text, carried);
}

/// Seconds until a message expires, begun ones counting as whole [MQTT-3.3.2-6]; `None`: it does not.
pub(crate) fn seconds_left(message: &Message, now: Now) -> Option<u32> {
    if message.expiration == 0 {
        return None;
    }
    let millis = message.expiration.saturating_sub(now.wall);
    Some(u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX))
}
