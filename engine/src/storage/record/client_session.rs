// SPDX-License-Identifier: Apache-2.0
//! Client sessions: what of them outlives their connections.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::layout::{Reader, Sink};
use super::message::{MessageRecord, Neighbours};
use crate::address::routing_type::RoutingType;
use crate::client_session::{ClientSubscription, SessionExpiry, Will};
use crate::id::{ClientSessionId, MessageId, PacketId, QueueId, SubscriptionId};
use crate::message::Qos;
use crate::security::user::Identity;

const NO_LOCAL: u8 = 4;
const AS_PUBLISHED: u8 = 8;
const IDENTIFIED: u8 = 16;
const SHARED: u8 = 32;

const RETAIN: u8 = 1;
const ANYCAST: u8 = 2;
const MULTICAST: u8 = 4;

/// A client session with the packets on their way, as a whole.
#[derive(Clone, PartialEq, Debug)]
pub struct ClientSessionRecord {
    /// Its number.
    pub id: ClientSessionId,
    /// Whose it is.
    pub client_id: Arc<str>,
    /// How long it outlives its connection.
    pub expiry: SessionExpiry,
    /// Since when it has had no connection, ms since 1970; 0 = it has one.
    pub left: u64,
    /// What its client wants to be said when it is gone.
    pub will: Option<Arc<SignedWill>>,
    /// Messages with the client, by packet id.
    pub sent: Vec<(PacketId, Flight)>,
    /// Packet ids whose messages the client has, and has not forgotten; in the order in which it said so.
    pub received: Vec<PacketId>,
    /// Packet ids of QoS 2 messages that the client has sent and not released.
    pub inbound: Vec<PacketId>,
}

/// A message under a packet id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flight {
    /// The queue it is on.
    pub queue: QueueId,
    /// The message.
    pub message: MessageId,
    /// 1 or 2.
    pub qos: Qos,
}

/// A will, and who answers for it.
#[derive(Clone, PartialEq, Debug)]
pub struct SignedWill {
    /// What is sent.
    pub will: Will,
    /// With whose permissions.
    pub identity: Identity,
}

/// A subscription of a client session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubscriptionRecord {
    /// Its number.
    pub id: SubscriptionId,
    /// The session.
    pub session: ClientSessionId,
    /// The name of the queue it reads.
    pub queue: Arc<str>,
    /// Other sessions may read it, too.
    pub shared: bool,
    /// What the client said.
    pub subscription: ClientSubscription,
}

fn bit(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

impl ClientSessionRecord {
    pub(super) fn encode(&self, out: &mut impl Sink) {
        out.u64(self.id.0);
        out.text(&self.client_id);
        out.u32(self.expiry.0);
        out.u64(self.left);
        out.count(self.sent.len());
        for (packet, flight) in &self.sent {
            packet.encode(out);
            flight.encode(out);
        }
        encode_packets(&self.received, out);
        encode_packets(&self.inbound, out);
        out.u8(u8::from(self.will.is_some()));
        if let Some(will) = &self.will {
            will.encode(out);
        }
    }

    pub(super) fn decode(mut from: Reader<'_>, near: &mut Neighbours) -> Option<Self> {
        let id = ClientSessionId(from.u64()?);
        let client_id = from.shared_text()?;
        let expiry = SessionExpiry(from.u32()?);
        let left = from.u64()?;
        let n = from.count(19)?;
        let mut sent = Vec::with_capacity(n);
        for _ in 0..n {
            sent.push((PacketId::decode(&mut from)?, Flight::decode(&mut from)?));
        }
        let received = decode_packets(&mut from)?;
        let inbound = decode_packets(&mut from)?;
        let will = match from.bits(1)? {
            0 => None,
            _ => Some(Arc::new(SignedWill::decode(&mut from, near)?)),
        };
        from.end()?;
        Some(Self {
            id,
            client_id,
            expiry,
            left,
            will,
            sent,
            received,
            inbound,
        })
    }
}

fn encode_packets(packets: &[PacketId], out: &mut impl Sink) {
    out.count(packets.len());
    for packet in packets {
        packet.encode(out);
    }
}

fn decode_packets(from: &mut Reader<'_>) -> Option<Vec<PacketId>> {
    let n = from.count(2)?;
    (0..n).map(|_| PacketId::decode(from)).collect()
}

impl PacketId {
    pub(super) fn encode(self, out: &mut impl Sink) {
        out.put(&self.0.to_le_bytes());
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let bytes = from.take(2)?;
        let number = u16::from_le_bytes(bytes.try_into().ok()?);
        (number != 0).then_some(Self(number))
    }
}

impl Flight {
    pub(super) fn encode(self, out: &mut impl Sink) {
        out.u8(self.qos as u8);
        out.u64(self.queue.0);
        out.u64(self.message.0);
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let qos = Qos::from_number(from.u8()?).filter(|qos| *qos != Qos::AtMostOnce)?;
        Some(Self {
            qos,
            queue: QueueId(from.u64()?),
            message: MessageId(from.u64()?),
        })
    }
}

impl SignedWill {
    fn encode(&self, out: &mut impl Sink) {
        let will = &self.will;
        out.u8(bit(will.retain, RETAIN)
            | match will.routing {
                Some(RoutingType::Anycast) => ANYCAST,
                Some(RoutingType::Multicast) => MULTICAST,
                None => 0,
            });
        out.u32(will.delay_s);
        out.text(&self.identity.user);
        out.count(self.identity.roles.len());
        for role in self.identity.roles.iter() {
            out.text(role);
        }
        let message = MessageRecord {
            message: Arc::new(will.message.clone()),
            routes: Default::default(),
        };
        out.count(message.payload_len());
        message.encode_envelope(out);
        out.put(message.body().map_or(&[], |body| body));
    }

    fn decode(from: &mut Reader<'_>, near: &mut Neighbours) -> Option<Self> {
        let bits = from.bits(RETAIN | ANYCAST | MULTICAST)?;
        let routing = match bits & (ANYCAST | MULTICAST) {
            0 => None,
            ANYCAST => Some(RoutingType::Anycast),
            MULTICAST => Some(RoutingType::Multicast),
            _ => return None,
        };
        let delay_s = from.u32()?;
        let user = from.shared_text()?;
        let n = from.count(4)?;
        let mut roles = BTreeSet::new();
        for _ in 0..n {
            let role = from.text()?;
            // Ascending, as they were written: there is one payload for one will.
            if roles
                .last()
                .is_some_and(|last: &String| last.as_str() >= role)
            {
                return None;
            }
            roles.insert(role.to_owned());
        }
        let message = MessageRecord::decode(Reader(from.block()?), near)?;
        if !message.routes.is_empty() {
            return None;
        }
        Some(Self {
            will: Will {
                message: Arc::unwrap_or_clone(message.message),
                routing,
                retain: bits & RETAIN != 0,
                delay_s,
            },
            identity: Identity {
                user,
                roles: Arc::new(roles),
            },
        })
    }
}

impl SubscriptionRecord {
    pub(super) fn encode(&self, out: &mut impl Sink) {
        let subscription = &self.subscription;
        out.u64(self.id.0);
        out.u64(self.session.0);
        out.u8(subscription.qos as u8
            | bit(subscription.no_local, NO_LOCAL)
            | bit(subscription.retain_as_published, AS_PUBLISHED)
            | bit(subscription.identifier.is_some(), IDENTIFIED)
            | bit(self.shared, SHARED));
        out.u8(subscription.retain_handling);
        if let Some(identifier) = subscription.identifier {
            out.u32(identifier);
        }
        out.text(&self.queue);
        out.text(&subscription.filter);
    }

    pub(super) fn decode(mut from: Reader<'_>) -> Option<Self> {
        let id = SubscriptionId(from.u64()?);
        let session = ClientSessionId(from.u64()?);
        let bits = from.bits(0b11 | NO_LOCAL | AS_PUBLISHED | IDENTIFIED | SHARED)?;
        let retain_handling = from.u8().filter(|handling| *handling <= 2)?;
        let identifier = match bits & IDENTIFIED {
            0 => None,
            _ => Some(from.u32()?),
        };
        let queue = from.shared_text()?;
        let subscription = ClientSubscription {
            filter: from.shared_text()?,
            qos: Qos::from_number(bits & 0b11)?,
            no_local: bits & NO_LOCAL != 0,
            retain_as_published: bits & AS_PUBLISHED != 0,
            retain_handling,
            identifier,
        };
        from.end()?;
        Some(Self {
            id,
            session,
            queue,
            shared: bits & SHARED != 0,
            subscription,
        })
    }
}
