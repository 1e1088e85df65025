// SPDX-License-Identifier: Apache-2.0
//! Engine message → PUBLISH. The way in is in `convert`.

use bytes::BytesMut;
use hind_engine::event::Delivery;
use hind_engine::protocol::Segments;
use hind_engine::time::Now;

use crate::alias::{Named, ServerAliases};
use crate::codec::{PublishHead, PublishProperties, Qos, Version};
use crate::convert::{self, wire_qos};
use crate::options::Options;
use crate::subscription::Wish;
use crate::topic;

/// What a client takes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// What it speaks.
    pub version: Version,
    /// The largest packet, in bytes.
    pub packet_max: usize,
    /// The numbers it lets topics have.
    pub aliases: Option<&'a mut ServerAliases>,
    /// How the acceptor serves it.
    pub options: &'a Options,
}

/// Appends the PUBLISH of a delivery up to its payload; then come as many bytes as the body has. `false`, and nothing: the
/// packet is larger than the client takes [MQTT-3.1.2-24].
pub(crate) fn write_head(
    delivery: &Delivery,
    wish: &Wish,
    reader: Reader<'_>,
    now: Now,
    out: &mut Segments,
) -> bool {
    let message = &*delivery.message;
    let topic = topic::of_address(&message.address, &reader.options.addresses);
    let mut head = head(delivery, wish, reader.version, &topic);
    let mut carried = BytesMut::new();
    let payload = message.body.len();
    if reader.version < Version::V5 {
        return fits(&head, payload, reader.packet_max) && head.write(payload, out.head());
    }
    convert::carry(message, &mut carried);
    head.properties = PublishProperties {
        expiry: convert::seconds_left(message, now),
        alias: None,
        subscriptions: wish.identifier.as_slice(),
        carried: &carried,
    };
    let Some(aliases) = reader.aliases else {
        return fits(&head, payload, reader.packet_max) && head.write(payload, out.head());
    };
    let named = aliases.name(&topic);
    match named {
        Named::Topic => {}
        Named::New(alias) => head.properties.alias = Some(alias),
        Named::Alias(alias) => {
            head.properties.alias = Some(alias);
            head.topic = b"";
        }
    }
    let written = fits(&head, payload, reader.packet_max) && head.write(payload, out.head());
    if !written && matches!(named, Named::New(_)) {
        aliases.forget(&topic);
    }
    written
}

fn fits(head: &PublishHead<'_>, payload: u64, packet_max: usize) -> bool {
    head.packet_size(payload)
        .is_some_and(|size| size <= packet_max)
}

fn head<'a>(
    delivery: &Delivery,
    wish: &Wish,
    version: Version,
    topic: &'a [u8],
) -> PublishHead<'a> {
    let published = delivery.message.published.as_ref();
    let (qos, packet_id, dup) = match delivery.packet {
        Some(packet) => (wire_qos(packet.qos), packet.id.0, packet.again),
        None => (Qos::AtMostOnce, 0, false),
    };
    PublishHead {
        version,
        dup,
        qos,
        retain: published.is_some_and(|published| {
            published.stored || (published.retain && wish.retain_as_published)
        }),
        topic,
        packet_id,
        properties: PublishProperties::default(),
    }
}
