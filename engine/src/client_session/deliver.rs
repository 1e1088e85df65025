// SPDX-License-Identifier: Apache-2.0
//! Packet ids on their way: given to deliveries, ended by what clients say.

use super::attach::is_reserved;
use crate::engine::{Engine, Turn, Unit};
use crate::event::{Delivery, Event, Packet, Refusal};
use crate::gate::Held;
use crate::id::{ClientSessionId, ConnectionId, PacketId, QueueId};
use crate::queue::consumer::ConsumerKey;
use crate::queue::dispatch::Guarded;
use crate::queue::settle::Departure;
use crate::storage::record::{Flight, Record};

const UNKNOWN: Refusal = Refusal::Unknown("packet id");

impl Engine {
    /// The message of a packet leaves its queue and the id is free.
    pub(super) fn acknowledge_packet(
        &mut self,
        from: ConnectionId,
        id: ClientSessionId,
        packet: PacketId,
        confirmed: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        self.end_packet(from, id, packet, false, confirmed, turn)
    }

    /// The message of a packet leaves its queue and the id waits to be completed.
    pub(super) fn receive_packet(
        &mut self,
        from: ConnectionId,
        id: ClientSessionId,
        packet: PacketId,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let session = self.state.client_sessions.get(id);
        if session.is_some_and(|session| session.packets.is_received(packet)) {
            self.wait_for_everything(from, turn);
            return Ok(());
        }
        self.end_packet(from, id, packet, true, true, turn)
    }

    fn end_packet(
        &mut self,
        from: ConnectionId,
        id: ClientSessionId,
        packet: PacketId,
        received: bool,
        confirmed: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let sessions = &mut self.state.client_sessions;
        let session = sessions.get_mut(id).ok_or(UNKNOWN)?;
        let flight = session.packets.flight(packet).ok_or(UNKNOWN)?;
        let kept = session.kept;
        if sessions.is_away(flight) {
            // It has the id, but has not gone out over this connection.
            return Err(UNKNOWN);
        }
        let queue = self.state.queues.get(flight.queue);
        let is_there = queue.is_some_and(|queue| queue.entry(flight.message).is_some());
        let mut unit = Unit::new();
        if kept {
            self.acknowledge_flight(flight, &mut unit, turn);
            unit.push(Record::PacketAcknowledged {
                session: id,
                packet,
                flight,
                received,
            });
        } else {
            if is_there {
                let why = Departure::Acknowledged;
                self.acknowledgement(flight.queue, flight.message, why, &mut unit, turn);
            }
            if let Some(session) = self.state.client_sessions.get_mut(id) {
                match received {
                    true => session.packets.received(packet),
                    false => session.packets.completed(packet),
                }
            }
        }
        if !unit.is_empty() {
            let sync = confirmed && self.settings.sync_non_transactional;
            self.commit(Some(from), &unit, sync, turn);
        }
        if is_there {
            self.mark_dirty(flight.queue);
        }
        self.feed_stalled(id, turn);
        Ok(())
    }

    /// What the record of the packet does not say itself: that a message of a page is gone; and counts it.
    fn acknowledge_flight(&mut self, flight: Flight, unit: &mut Unit, turn: &mut Turn<'_>) {
        let Some(queue) = self.state.queues.get_mut(flight.queue) else {
            return;
        };
        let Some(entry) = queue.entry(flight.message) else {
            return;
        };
        let paged = entry.paged;
        queue.counters.count(Departure::Acknowledged);
        if let Some(place) = paged {
            self.acknowledge_in_page(flight.queue, place, flight.message, unit, turn);
        }
    }

    /// The client has forgotten the message; the id is free.
    pub(super) fn complete_packet(
        &mut self,
        from: ConnectionId,
        id: ClientSessionId,
        packet: PacketId,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let session = self.state.client_sessions.get_mut(id).ok_or(UNKNOWN)?;
        if !session.packets.is_received(packet) {
            return Err(UNKNOWN);
        }
        if session.kept {
            let session = id;
            let record = Record::PacketCompleted { session, packet };
            self.commit(Some(from), &[record], false, turn);
        } else {
            session.packets.completed(packet);
        }
        self.feed_stalled(id, turn);
        Ok(())
    }

    /// The client will not send the message of this id again.
    pub(super) fn release_packet(
        &mut self,
        from: ConnectionId,
        id: ClientSessionId,
        packet: PacketId,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let session = self.state.client_sessions.get_mut(id).ok_or(UNKNOWN)?;
        if !session.packets.is_inbound(packet) {
            return Err(UNKNOWN);
        }
        if session.kept {
            let session = id;
            let record = Record::PacketReleased { session, packet };
            let sync = self.settings.sync_non_transactional;
            self.commit(Some(from), &[record], sync, turn);
        } else {
            session.packets.released(packet);
        }
        Ok(())
    }

    /// Whether the client has sent a message under that id and not released it; without a client session none has an id.
    pub(crate) fn has_sent(
        &mut self,
        from: ConnectionId,
        packet: PacketId,
        turn: &Turn<'_>,
    ) -> Result<bool, Refusal> {
        let client = self.clients.get(&from);
        let id = client.and_then(|client| client.client_session);
        let session = id.and_then(|id| self.state.client_sessions.get(id));
        let session = session.ok_or(Refusal::Unknown("client session"))?;
        let is_known = session.packets.is_inbound(packet);
        if is_known {
            self.wait_for_everything(from, turn);
        }
        Ok(is_known)
    }

    /// The client has sent a message under that id.
    pub(crate) fn remember_sent(&mut self, from: ConnectionId, packet: PacketId, unit: &mut Unit) {
        let client = self.clients.get(&from);
        let Some(id) = client.and_then(|client| client.client_session) else {
            return;
        };
        let Some(session) = self.state.client_sessions.get_mut(id) else {
            return;
        };
        if session.kept {
            let session = id;
            unit.push(Record::PacketTaken { session, packet });
        } else {
            session.packets.taken(packet);
        }
    }

    /// The client takes more packets: consumers that waited for that go on.
    fn feed_stalled(&mut self, id: ClientSessionId, turn: &mut Turn<'_>) {
        let Some(session) = self.state.client_sessions.get_mut(id) else {
            return;
        };
        if session.stalled.is_empty() || !session.packets.has_room() {
            return;
        }
        for (queue, consumer) in std::mem::take(&mut session.stalled) {
            if let Some(of) = self.state.queues.get_mut(queue) {
                of.unstall(consumer);
                self.mark_dirty(queue);
            }
            self.deliver_reserved(consumer, queue, turn);
        }
    }

    /// Deliveries that have packet ids become seen when those are durable, and in order.
    pub(crate) fn deliver_packets(&mut self, given: Vec<Guarded>, turn: &mut Turn<'_>) {
        let sync = self.settings.sync_non_transactional;
        for guarded in given {
            let records = guarded.record.as_slice();
            self.commit(None, records, sync, turn);
            let event = Event::Deliver(guarded.delivery);
            let session = self.state.client_sessions.get_mut(guarded.session);
            let Some(session) = session else {
                continue;
            };
            if !records.is_empty() {
                session.given = turn.storage.appended();
            }
            if self.gate.is_open(session.given) {
                turn.events.push((guarded.to, event));
            } else {
                let held = Held::Reply(guarded.to, event);
                session.given = self.gate.hold(session.given, held);
            }
        }
    }

    /// Delivers what only this consumer's client may be given: messages of a shared queue that it may have already.
    pub(crate) fn deliver_reserved(
        &mut self,
        key: ConsumerKey,
        queue_id: QueueId,
        turn: &mut Turn<'_>,
    ) {
        let Some(queue) = self.state.queues.get_mut(queue_id) else {
            return;
        };
        if !queue.is_shared_subscription() || self.state.client_sessions.away.is_empty() {
            return;
        }
        let of = queue.consumers.get(&key).and_then(|one| one.client_session);
        let Some(session) = of.and_then(|id| self.state.client_sessions.get_mut(id)) else {
            return;
        };
        let mut again = Vec::new();
        for (packet, flight) in session.packets.all_sent() {
            if flight.queue == queue_id && is_reserved(queue, flight) {
                again.push((packet, flight));
            }
        }
        again.sort_unstable_by_key(|(_, flight)| flight.message);
        for (id, flight) in again {
            let Some(entry) = queue.entry(flight.message) else {
                continue;
            };
            let is_away = (flight.queue, flight.message);
            if !self.state.client_sessions.away.contains_key(&is_away) {
                continue;
            }
            if let Some(session) = of.and_then(|id| self.state.client_sessions.get_mut(id)) {
                if !session.packets.has_open_room() {
                    // [MQTT-3.3.4-9] The rest when the client has answered for what is open.
                    session.stalled.push((queue_id, key));
                    return;
                }
                session.packets.resend(id);
            }
            self.state.client_sessions.away.remove(&is_away);
            let delivery = Delivery {
                consumer: key.1,
                delivery: Default::default(),
                packet: Some(Packet {
                    id,
                    qos: flight.qos,
                    again: true,
                }),
                message: entry.message.clone(),
                attempts: entry.attempts,
            };
            turn.events.push((key.0, Event::Deliver(delivery)));
        }
    }
}
