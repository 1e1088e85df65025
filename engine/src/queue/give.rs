// SPDX-License-Identifier: Apache-2.0
//! One message for one consumer: who has to say what becomes of it, and under which id.

use super::consumer::ConsumerKey;
use super::dispatch::{Dispatched, Guarded};
use super::{Place, Queue};
use crate::address::routing_type::RoutingType;
use crate::client_session::ClientSessions;
use crate::command::Settling;
use crate::event::{Delivery, Event, Packet};
use crate::id::{ConnectionId, DeliveryId, MessageId};
use crate::message::{Message, Qos};
use crate::storage::record::{Flight, Record};

/// How one delivery is settled.
enum Terms {
    ByDelivery,
    BySending,
    /// With a packet id, which is new if there is a record of it.
    ByPacket(Packet, Option<Record>),
    /// Not at all, because the client takes no more packets for now.
    Stalled,
}

impl Queue {
    /// Whether it does not want what the message's publisher says.
    pub fn is_excluded(&self, message: &Message) -> bool {
        self.excludes.as_ref().is_some_and(|client_id| {
            let published = message.published.as_ref();
            published.is_some_and(|published| published.client_id == *client_id)
        })
    }

    /// Whether it is a subscription of several clients, in which MQTT keeps what one of them may have from the others.
    pub fn is_shared_subscription(&self) -> bool {
        self.is_shared() && self.routing() == RoutingType::Multicast
    }

    /// Whether several consumers may read it.
    pub fn is_shared(&self) -> bool {
        self.options.max_consumers != Some(1)
    }

    /// Gives a ready message to a consumer that takes it, unless it has to wait for its client.
    pub(super) fn give(
        &mut self,
        key: ConsumerKey,
        id: MessageId,
        sessions: &mut ClientSessions,
        events: &mut Vec<(ConnectionId, Event)>,
        dispatched: &mut Dispatched,
    ) {
        let terms = self.terms(key, id, sessions, dispatched);
        let entry = self.entries.get_mut(&id).expect("ready ids have entries");
        let consumer = self
            .consumers
            .get_mut(&key)
            .expect("chosen among the consumers");
        if let Terms::Stalled = terms {
            consumer.stalled = true;
            self.changed(key);
            return;
        }
        if entry.place == Place::Ready {
            self.ready.remove(entry.message.priority, id);
            self.ready_bytes -= entry.message.size();
        }
        entry.place = Place::Delivering;
        consumer.charge(&entry.message);
        let (delivery, packet, record) = match terms {
            Terms::ByDelivery => (consumer.unsettled.push(id), None, None),
            // Its client has to say when it has read the body.
            Terms::BySending if entry.message.body.large().is_some() => {
                (consumer.unsettled.push(id), None, None)
            }
            Terms::BySending => {
                dispatched.sent.push(id);
                (DeliveryId(0), None, None)
            }
            Terms::ByPacket(packet, record) => (DeliveryId(0), Some(packet), record),
            Terms::Stalled => unreachable!("returned above"),
        };
        let delivery = Delivery {
            consumer: key.1,
            delivery,
            packet,
            message: entry.message.clone(),
            attempts: entry.attempts,
        };
        let session = consumer.client_session.and_then(|id| sessions.get(id));
        match session.filter(|session| session.kept) {
            None => events.push((key.0, Event::Deliver(delivery))),
            Some(session) => dispatched.packets.push(Guarded {
                session: session.id,
                to: key.0,
                delivery,
                record,
            }),
        }
        let sated = !consumer.is_hungry();
        self.last_served = Some(key);
        if sated {
            self.changed(key);
        }
    }

    fn terms(
        &mut self,
        key: ConsumerKey,
        id: MessageId,
        sessions: &mut ClientSessions,
        dispatched: &mut Dispatched,
    ) -> Terms {
        let consumer = &self.consumers[&key];
        let (settling, of) = (consumer.settling, consumer.client_session);
        let message = &self.entries[&id].message;
        if let Some(packet) = self.sent_before(id, key, sessions, dispatched) {
            return packet;
        }
        let most = match settling {
            Settling::ByDelivery => return Terms::ByDelivery,
            Settling::BySending => return Terms::BySending,
            Settling::ByPacket(most) => most,
        };
        let qos = most.min(qos_of(message));
        if qos == Qos::AtMostOnce {
            return Terms::BySending;
        }
        let Some(session) = of.and_then(|id| sessions.get_mut(id)) else {
            // Left in this turn; it closes.
            return Terms::Stalled;
        };
        if !session.packets.has_room() {
            session.stalled.push((self.record.id, key));
            return Terms::Stalled;
        }
        let flight = Flight {
            queue: self.record.id,
            message: id,
            qos,
        };
        let packet = Packet {
            id: session.packets.assign(flight),
            qos,
            again: false,
        };
        let record = session.kept.then_some(Record::PacketSent {
            session: session.id,
            packet: packet.id,
            flight,
        });
        Terms::ByPacket(packet, record)
    }

    /// A message that went out before, to a client that was lost: under the same id if it goes to the same client. If it
    /// goes to another one, the id is free.
    fn sent_before(
        &self,
        id: MessageId,
        to: ConsumerKey,
        sessions: &mut ClientSessions,
        dispatched: &mut Dispatched,
    ) -> Option<Terms> {
        if sessions.away.is_empty() {
            return None;
        }
        let key = (self.record.id, id);
        let (owner, packet) = *sessions.away.get(&key)?;
        let consumer = &self.consumers[&to];
        let session = sessions.get_mut(owner)?;
        let flight = session.packets.flight(packet)?;
        let by_packet = matches!(consumer.settling, Settling::ByPacket(_));
        let is_same = consumer.client_session == Some(owner) && by_packet;
        if !is_same {
            session.packets.completed(packet);
            let void = Record::PacketCompleted {
                session: owner,
                packet,
            };
            dispatched.records.extend(session.kept.then_some(void));
            sessions.away.remove(&key);
            return None;
        }
        if !session.packets.has_open_room() {
            session.stalled.push((self.record.id, to));
            return Some(Terms::Stalled);
        }
        session.packets.resend(packet);
        sessions.away.remove(&key);
        let packet = Packet {
            id: packet,
            qos: flight.qos,
            again: true,
        };
        Some(Terms::ByPacket(packet, None))
    }

    /// Deliveries that are remembered for its consumers, those in between that are settled included.
    pub fn unsettled_slots(&self) -> usize {
        let slots = self
            .consumers
            .values()
            .map(|consumer| consumer.unsettled.slots());
        slots.sum()
    }

    /// The consumer's client takes packets again.
    pub(crate) fn unstall(&mut self, key: ConsumerKey) {
        if let Some(consumer) = self.consumers.get_mut(&key) {
            consumer.stalled = false;
            self.changed(key);
        }
    }

    /// Keeps a message for a client that may have it already: nobody else is given it.
    pub(crate) fn reserve(&mut self, id: MessageId) {
        self.hold(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.place = Place::Delivering;
        }
    }
}

/// With which QoS a message may be delivered at most: any, if it did not come by MQTT.
pub(super) fn qos_of(message: &Message) -> Qos {
    let published = message.published.as_ref();
    published.map_or(Qos::ExactlyOnce, |published| published.qos)
}
