// SPDX-License-Identifier: Apache-2.0
//! A message with its places.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::super::layout::{Counter, Reader, Sink};
use crate::id::{LargeId, MessageId, QueueId};
use crate::message::{Body, Kind, LargeBody, Message, Properties, Published, Qos};

const DURABLE: u8 = 1;
const HAS_USER_ID: u8 = 2;
const LARGE: u8 = 4;
const PUBLISHED: u8 = 8;
/// In the byte that says how it was published: two bits of QoS, and these.
const RETAIN: u8 = 4;
const STORED: u8 = 8;
const ROUTE_BYTES: usize = 20;

/// A message with its places.
#[derive(Clone, PartialEq, Debug)]
pub struct MessageRecord {
    /// Its id is set.
    pub message: Arc<Message>,
    /// The durable queues it is on.
    pub routes: SmallVec<[Route; 1]>,
}

/// A message's place on one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The queue.
    pub queue: QueueId,
    /// Attempts so far.
    pub count: u32,
    /// Not to be delivered before this, milliseconds since 1970 UTC; 0 = at once.
    pub scheduled: u64,
}

/// The texts of the message before, shared with the next one if that has the same: most neighbours do.
#[derive(Debug, Default)]
pub struct LastAddress {
    address: Option<Arc<str>>,
    client_id: Option<Arc<str>>,
}

impl LastAddress {
    fn share(last: &mut Option<Arc<str>>, text: &str) -> Arc<str> {
        match last {
            Some(last) if **last == *text => Arc::clone(last),
            _ => last.insert(Arc::from(text)).clone(),
        }
    }
}

/// What messages read one after the other share, to be cheaper together: the text of the address, if it is the same,
/// and the allocations that hold their bytes.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    address: LastAddress,
    room: Room,
}

/// An allocation that the bytes of several messages are copied into.
#[derive(Debug, Default)]
struct Room(BytesMut);

impl Room {
    /// Bytes allocated at once. A message that stays when all its neighbours have gone keeps so many alive: few enough
    /// to bear, and enough to ask the system for memory a twentieth as often.
    const SIZE: usize = 32 * 1024;

    /// A copy: a slice would keep the whole segment's buffer alive as long as the message.
    fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.is_empty() || bytes.len() > Self::SIZE / 8 {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(Self::SIZE);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

impl MessageRecord {
    /// What ends the payload and is worth not copying; nothing if the body lies in a file.
    pub(in crate::storage) fn body(&self) -> Option<&Bytes> {
        self.message.body.inline()
    }

    /// Bytes of the payload: envelope and body.
    pub(in crate::storage) fn payload_len(&self) -> usize {
        let mut counter = Counter::default();
        self.encode_envelope(&mut counter);
        counter.0 + self.body().map_or(0, Bytes::len)
    }

    /// Everything but the body's bytes, which follow and end the payload unless they lie in a file.
    pub(in crate::storage) fn encode_envelope(&self, out: &mut impl Sink) {
        let message = &*self.message;
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let bits = bit(message.durable, DURABLE)
            | bit(message.user_id.is_some(), HAS_USER_ID)
            | bit(message.body.large().is_some(), LARGE)
            | bit(message.published.is_some(), PUBLISHED);
        out.u64(message.id.0);
        out.u64(message.timestamp);
        out.u64(message.expiration);
        out.put(&[message.kind as u8, message.priority, bits, 0]);
        out.count(self.routes.len());
        for route in &self.routes {
            out.u64(route.queue.0);
            out.u64(route.scheduled);
            out.u32(route.count);
        }
        out.text(&message.address);
        if let Some(user_id) = &message.user_id {
            out.text(user_id);
        }
        if let Some(published) = &message.published {
            out.u8(published.qos as u8
                | bit(published.retain, RETAIN)
                | bit(published.stored, STORED));
            out.text(&published.client_id);
        }
        out.block(message.properties.encoded());
        match &message.body {
            Body::Inline(bytes) => out.count(bytes.len()),
            Body::Large(large) => {
                out.u64(large.id.0);
                out.u64(large.size);
            }
        }
    }

    /// Reads a payload back and copies what it keeps: a slice would keep the whole segment's buffer alive as long as the
    /// message.
    pub(in crate::storage) fn decode(from: Reader<'_>, near: &mut Neighbours) -> Option<Self> {
        let Neighbours { address, room } = near;
        Self::decode_keeping(from, address, |part| room.copy(part))
    }

    /// Reads a payload back; `keep` says how a part of it is kept.
    pub(in crate::storage) fn decode_keeping(
        mut from: Reader<'_>,
        addresses: &mut LastAddress,
        mut keep: impl FnMut(&[u8]) -> Bytes,
    ) -> Option<Self> {
        let id = MessageId(from.u64()?);
        let timestamp = from.u64()?;
        let expiration = from.u64()?;
        let kind = Kind::from_number(from.u8()?)?;
        let priority = from.u8().filter(|priority| *priority <= 9)?;
        let bits = from.bits(DURABLE | HAS_USER_ID | LARGE | PUBLISHED)?;
        from.bits(0)?;
        let routes = decode_routes(&mut from)?;
        let address = LastAddress::share(&mut addresses.address, from.text()?);
        let user_id = match bits & HAS_USER_ID {
            0 => None,
            _ => Some(from.shared_text()?),
        };
        let published = match bits & PUBLISHED {
            0 => None,
            _ => Some(decode_published(&mut from, addresses)?),
        };
        let properties = match from.block()? {
            [] => Properties::default(),
            block => Properties::decode(keep(block))?,
        };
        let body = match bits & LARGE {
            0 => match from.block()? {
                [] => Body::default(),
                block => Body::Inline(keep(block)),
            },
            _ => Body::Large(LargeBody {
                id: LargeId(from.u64()?),
                size: from.u64()?,
            }),
        };
        from.end()?;
        let message = Message {
            id,
            address,
            kind,
            durable: bits & DURABLE != 0,
            priority,
            timestamp,
            expiration,
            user_id,
            published,
            properties,
            body,
        };
        Some(Self {
            message: Arc::new(message),
            routes,
        })
    }
}

fn decode_published(from: &mut Reader<'_>, last: &mut LastAddress) -> Option<Published> {
    let bits = from.bits(0b11 | RETAIN | STORED)?;
    Some(Published {
        qos: Qos::from_number(bits & 0b11)?,
        retain: bits & RETAIN != 0,
        stored: bits & STORED != 0,
        client_id: LastAddress::share(&mut last.client_id, from.text()?),
    })
}

fn decode_routes(from: &mut Reader<'_>) -> Option<SmallVec<[Route; 1]>> {
    let n = from.count(ROUTE_BYTES)?;
    let mut routes = SmallVec::with_capacity(n);
    for _ in 0..n {
        routes.push(Route {
            queue: QueueId(from.u64()?),
            scheduled: from.u64()?,
            count: from.u32()?,
        });
    }
    Some(routes)
}
