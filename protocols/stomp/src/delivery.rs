// SPDX-License-Identifier: Apache-2.0
//! Engine message → MESSAGE frame. The way in is in `convert`.

use bytes::BufMut;
use hind_engine::address::routing_type::RoutingType;
use hind_engine::event::Delivery;
use hind_engine::message::properties::{
    CONTENT_TYPE, GROUP_ID, INGRESS_TIMESTAMP, PREFIX, ROUTING_TYPE, VALIDATED_USER,
};
use hind_engine::message::{Kind, Message, Value};
use hind_engine::protocol::Segments;
use smallvec::SmallVec;

use crate::codec::{FRAME_END, HeadWriter, ServerCommand, Version};
use crate::convert::{CORRELATION_ID, REPLY_TO, TYPE};
use crate::subscription::Subscription;

/// What the headers that the broker writes itself need at most, without the texts in them.
const OWN_HEADERS: usize = 384;

/// Appends the MESSAGE frame of a delivery whose body is in memory.
pub(crate) fn write(
    delivery: &Delivery,
    subscription: &Subscription,
    version: Version,
    out: &mut Segments,
) {
    write_head(delivery, subscription, version, out);
    if let Some(body) = delivery.message.body.inline() {
        out.payload(body);
    }
    out.head().put_slice(FRAME_END);
}

/// Appends the head of the MESSAGE frame of a delivery; then come as many bytes as the body has, and [`FRAME_END`].
///
/// The broker's headers come first and in one order, so that no property can be taken for one of them [1.2 §Repeated
/// Header Entries]; a property that has the name of one of them is left out.
pub(crate) fn write_head(
    delivery: &Delivery,
    subscription: &Subscription,
    version: Version,
    out: &mut Segments,
) {
    let message = &*delivery.message;
    let standard = Standard::of(message);
    let head = out.head();
    let body = message.body.inline();
    let body_copied = body.map_or(0, |body| body.len());
    let body_copied = if body_copied < Segments::SHARED {
        body_copied
    } else {
        0
    };
    head.reserve(OWN_HEADERS + message.properties.encoded().len() + body_copied);
    let mut writer = HeadWriter::new(head, ServerCommand::Message, version);
    routing_headers(&mut writer, delivery, subscription, &standard, version);
    message_headers(&mut writer, message, &standard);
    writer.text(
        "redelivered",
        if delivery.attempts > 0 {
            "true"
        } else {
            "false"
        },
    );
    if let Some(routing) = standard.routing.or(subscription.routing) {
        writer.text("destination-type", routing_name(routing));
    }
    for (name, value) in &standard.others {
        writer.foreign(name, &value.to_text());
    }
    if wants_content_length(message, version) {
        writer.number("content-length", message.body.len());
    }
    writer.finish();
}

/// Whom the message is for, and how to speak of it [1.2 §MESSAGE].
fn routing_headers(
    writer: &mut HeadWriter<'_>,
    delivery: &Delivery,
    subscription: &Subscription,
    standard: &Standard<'_>,
    version: Version,
) {
    let message = &*delivery.message;
    writer.text("subscription", &subscription.id);
    writer.pair("message-id", delivery.consumer.0, message.id.0);
    if version >= Version::V1_2 && !subscription.is_auto() {
        writer.pair("ack", delivery.consumer.0, message.id.0);
    }
    writer.joined(
        "destination",
        standard.prefix.unwrap_or(""),
        &message.address,
    );
}

/// What Artemis says of every message.
fn message_headers(writer: &mut HeadWriter<'_>, message: &Message, standard: &Standard<'_>) {
    let texts = [
        ("correlation-id", &standard.correlation_id),
        ("reply-to", &standard.reply_to),
        ("type", &standard.kind),
        ("content-type", &standard.content_type),
        ("JMSXGroupID", &standard.group),
        ("JMSXUserID", &standard.user),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            writer.text(name, &value.to_text());
        }
    }
    writer.number("expires", message.expiration);
    writer.number("timestamp", message.timestamp);
    writer.number("priority", u64::from(message.priority));
    writer.text("persistent", if message.durable { "true" } else { "false" });
    if let Some(ingress) = &standard.ingress {
        writer.text("ingress-timestamp", &ingress.to_text());
    }
}

/// The properties of a message, those that have a header of their own apart from the others. Found in one pass, because
/// reading properties checks their text every time.
#[derive(Default)]
struct Standard<'a> {
    correlation_id: Option<Value<'a>>,
    reply_to: Option<Value<'a>>,
    kind: Option<Value<'a>>,
    content_type: Option<Value<'a>>,
    group: Option<Value<'a>>,
    user: Option<Value<'a>>,
    ingress: Option<Value<'a>>,
    prefix: Option<&'a str>,
    routing: Option<RoutingType>,
    others: SmallVec<[(&'a str, Value<'a>); 12]>,
}

impl<'a> Standard<'a> {
    fn of(message: &'a Message) -> Self {
        let mut standard = Self::default();
        for (name, value) in message.all_properties() {
            let slot = match name {
                CORRELATION_ID | "correlation-id" => &mut standard.correlation_id,
                REPLY_TO | "reply-to" => &mut standard.reply_to,
                TYPE | "type" => &mut standard.kind,
                CONTENT_TYPE | "content-type" => &mut standard.content_type,
                GROUP_ID => &mut standard.group,
                VALIDATED_USER => &mut standard.user,
                INGRESS_TIMESTAMP => &mut standard.ingress,
                PREFIX => {
                    if let Value::Text(prefix) = value {
                        standard.prefix = standard.prefix.or(Some(prefix));
                    }
                    continue;
                }
                ROUTING_TYPE => {
                    standard.routing = standard.routing.or_else(|| routing_of(value));
                    continue;
                }
                _ => {
                    if !is_reserved(name) {
                        standard.others.push((name, value));
                    }
                    continue;
                }
            };
            if value != Value::Null && slot.is_none() {
                *slot = Some(value);
            }
            if name == GROUP_ID {
                standard.others.push((name, value));
            }
        }
        standard
    }
}

fn routing_of(value: Value<'_>) -> Option<RoutingType> {
    match value.as_integer() {
        Some(0) => Some(RoutingType::Multicast),
        Some(1) => Some(RoutingType::Anycast),
        _ => None,
    }
}

const fn routing_name(routing: RoutingType) -> &'static str {
    match routing {
        RoutingType::Anycast => "ANYCAST",
        RoutingType::Multicast => "MULTICAST",
    }
}

/// Whether a property must not be written as a header: it has the name of one that the broker writes, or of one that would
/// steer the client, or none.
fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "" | "subscription"
            | "message-id"
            | "ack"
            | "destination"
            | "destination-type"
            | "expires"
            | "timestamp"
            | "priority"
            | "persistent"
            | "redelivered"
            | "content-length"
            | "receipt"
            | "receipt-id"
            | "transaction"
    )
}

/// A length eases parsing [1.2 §Header content-length], but clients of 1.0 take it as the sign of bytes, so text goes
/// without unless it could not be framed.
fn wants_content_length(message: &Message, version: Version) -> bool {
    message.kind != Kind::Text
        || version >= Version::V1_1
        || message
            .body
            .inline()
            .is_none_or(|body| memchr::memchr(0, body).is_some())
}
