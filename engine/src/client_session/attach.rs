// SPDX-License-Identifier: Apache-2.0
//! Client sessions find their connections and lose them.
//!
//! ```text
//!            Attach                 connection lost, Leave, or taken over
//! (nothing) ────────▶ connected ────────────────────────────────────────▶ left ──▶ will sent ──▶ ended
//!                         ▲                                                 │    delay      expiry
//!                         └─────────────────────────────────────────────────┘
//!                                        Attach (unless clean)
//! ```
//!
//! The will is sent before the session ends; whoever takes the session up in time is spared it (MQTT 5.0, 3.1.3.2.2).

use std::sync::Arc;

use super::SessionExpiry;
use super::sessions::ClientSession;
use crate::command::{Attach, ClientSessionCommand};
use crate::engine::{Engine, Turn, Unit};
use crate::event::{Attached, Event, Refusal};
use crate::id::{ClientSessionId, ConnectionId, SessionId};
use crate::message::Qos;
use crate::queue::Queue;
use crate::storage::record::{Flight, Record, SignedWill};

impl Engine {
    /// A client does something with its client session.
    pub(crate) fn client_session(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        command: ClientSessionCommand,
        turn: &mut Turn<'_>,
    ) {
        if let ClientSessionCommand::Attach(attach) = command {
            return self.attach(from, session, *attach, turn);
        }
        let client = self.clients.get(&from);
        let Some(id) = client.and_then(|client| client.client_session) else {
            // Somebody else has taken it up: this connection is told so and closes.
            return;
        };
        match command {
            ClientSessionCommand::Attach(_) => {}
            ClientSessionCommand::Acknowledge(packet, ticket) => {
                let end = self.acknowledge_packet(from, id, packet, ticket.is_some(), turn);
                self.answer(from, ticket, end, turn);
            }
            ClientSessionCommand::Received(packet, ticket) => {
                let end = self.receive_packet(from, id, packet, turn);
                self.answer(from, Some(ticket), end, turn);
            }
            ClientSessionCommand::Complete(packet) => {
                let end = self.complete_packet(from, id, packet, turn);
                self.answer(from, None, end, turn);
            }
            ClientSessionCommand::Release(packet, ticket) => {
                let end = self.release_packet(from, id, packet, turn);
                self.answer(from, Some(ticket), end, turn);
            }
            ClientSessionCommand::Unsubscribe(consumer, ticket) => {
                let end = self.unsubscribe(from, id, consumer, turn);
                self.answer(from, Some(ticket), end, turn);
            }
            ClientSessionCommand::Leave { will, expiry } => {
                if let Some(session) = self.state.client_sessions.get_mut(id) {
                    session.expiry = expiry.unwrap_or(session.expiry);
                    if !will {
                        session.will = None;
                    }
                }
                self.leave(from, turn);
            }
        }
    }

    fn attach(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        attach: Attach,
        turn: &mut Turn<'_>,
    ) {
        let ticket = attach.ticket;
        match self.try_attach(from, session, attach, turn) {
            Ok(attached) => self.tell(from, Event::Attached(ticket, Box::new(attached)), turn),
            Err(refusal) => self.answer(from, Some(ticket), Err(refusal), turn),
        }
    }

    fn try_attach(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        attach: Attach,
        turn: &mut Turn<'_>,
    ) -> Result<Attached, Refusal> {
        let client = self.clients.get(&from).ok_or(Refusal::Unknown("client"))?;
        if client.client_session.is_some() {
            return Err(Refusal::Unknown("connection without a client session"));
        }
        let of_connection = client.sessions.get(&session);
        let identity = of_connection
            .ok_or(Refusal::Unknown("session"))?
            .identity
            .clone();
        let before = self.state.client_sessions.of_client(&attach.client_id);
        if let Some(other) = before.and_then(|before| before.connection) {
            if !attach.take_over {
                return Err(Refusal::ClientIdInUse(attach.client_id));
            }
            self.take_over(other, turn);
        }
        let before = self.state.client_sessions.of_client(&attach.client_id);
        let before = before.map(|before| before.id);
        if let Some(id) = before {
            if attach.clean {
                self.end_client_session(id, turn);
            }
            // What ended it, or what it goes on with, may be known to this broker alone so far.
            self.wait_for_everything(from, turn);
        }
        let ended = self.state.client_sessions.ended;
        self.wait_for(from, ended);
        let id = before.filter(|_| !attach.clean);
        let present = id.is_some();
        let id = id.unwrap_or_else(|| self.new_client_session(&attach, turn));
        let will = attach.will.map(|will| {
            let will = *will;
            Arc::new(SignedWill { will, identity })
        });
        self.take_up(from, id, attach.expiry, will, turn);
        let packets = self.state.client_sessions.get_mut(id).map(|session| {
            session.packets.resume(attach.window);
            session.packets.all_received()
        });
        let subscriptions = self.state.client_sessions.subscriptions_of(id);
        Ok(Attached {
            present,
            subscriptions: subscriptions
                .iter()
                .map(|record| record.subscription.clone())
                .collect(),
            received: packets.unwrap_or_default(),
        })
    }

    fn new_client_session(&mut self, attach: &Attach, turn: &mut Turn<'_>) -> ClientSessionId {
        let id = ClientSessionId(self.new_id(turn));
        let kept = attach.expiry != SessionExpiry::AT_ONCE;
        let session = ClientSession::new(id, attach.client_id.clone(), kept);
        self.state.client_sessions.insert(session);
        id
    }

    /// The session has a connection from now on.
    fn take_up(
        &mut self,
        from: ConnectionId,
        id: ClientSessionId,
        expiry: SessionExpiry,
        will: Option<Arc<SignedWill>>,
        turn: &mut Turn<'_>,
    ) {
        self.state.client_sessions.set_times(id, None, None);
        self.drop_lost_packets(id);
        let Some(session) = self.state.client_sessions.get_mut(id) else {
            return;
        };
        session.connection = Some(from);
        session.left = 0;
        session.expiry = expiry;
        session.will = will;
        if session.kept {
            let record = Record::ClientSession(session.record());
            self.commit(Some(from), &[record], true, turn);
        }
        if let Some(client) = self.clients.get_mut(&from) {
            client.client_session = Some(id);
        }
    }

    /// Forgets packets whose messages have gone from their queues while nobody was there. Of QoS 2 the client may have the
    /// message, and would take another one under its id for it: it is told to release the id first [MQTT-4.3.3-8].
    fn drop_lost_packets(&mut self, id: ClientSessionId) {
        let Some(session) = self.state.client_sessions.get(id) else {
            return;
        };
        let away = &self.state.client_sessions.away;
        let is_lost = |flight: &Flight| !away.contains_key(&(flight.queue, flight.message));
        let sent = session.packets.all_sent().into_iter();
        let lost: Vec<_> = sent.filter(|(_, flight)| is_lost(flight)).collect();
        if let Some(session) = self.state.client_sessions.get_mut(id) {
            for (packet, flight) in lost {
                match flight.qos {
                    Qos::ExactlyOnce => session.packets.received(packet),
                    _ => session.packets.completed(packet),
                }
            }
        }
    }

    /// Somebody else takes up the session of this connection.
    fn take_over(&mut self, from: ConnectionId, turn: &mut Turn<'_>) {
        turn.events.push((from, Event::TakenOver));
        self.leave(from, turn);
    }

    /// The connection has no client session any more: it has left, is lost, or is replaced.
    pub(crate) fn leave(&mut self, from: ConnectionId, turn: &mut Turn<'_>) {
        let client = self.clients.get_mut(&from);
        let Some(id) = client.and_then(|client| client.client_session.take()) else {
            return;
        };
        let client = self.clients.get(&from);
        let consumers: Vec<_> = client
            .map(|client| client.consumers.keys().copied().collect())
            .unwrap_or_default();
        for consumer in consumers {
            self.close_consumer((from, consumer), false, turn);
        }
        let Some(session) = self.state.client_sessions.get_mut(id) else {
            return;
        };
        let wall = turn.now.wall.max(1);
        session.connection = None;
        session.stalled.clear();
        session.left = wall;
        session.packets.suspend();
        let (kept, expiry) = (session.kept, session.expiry);
        let delay_s = session.will.as_ref().map(|will| will.will.delay_s);
        self.give_back_sent(id, turn);
        let (will_at, ends_at) = times(wall, delay_s, expiry);
        self.state.client_sessions.set_times(id, will_at, ends_at);
        if kept {
            let left = Record::ClientSessionLeft {
                session: id,
                at: wall,
                expiry,
                will: delay_s.is_some(),
            };
            self.commit(Some(from), &[left], false, turn);
        }
        self.look_at_client_session(id, turn);
    }

    /// What was with the client goes back to its queue, to be sent again under the same packet ids.
    fn give_back_sent(&mut self, id: ClientSessionId, turn: &mut Turn<'_>) {
        let Some(session) = self.state.client_sessions.get(id) else {
            return;
        };
        for (packet, flight) in session.packets.all_sent() {
            let queue = self.state.queues.get_mut(flight.queue);
            let Some(queue) = queue.filter(|queue| queue.entry(flight.message).is_some()) else {
                continue;
            };
            let key = (flight.queue, flight.message);
            self.state.client_sessions.away.insert(key, (id, packet));
            if !is_reserved(queue, flight) {
                queue.hold(flight.message);
                self.make_ready(flight.queue, flight.message, turn.now);
            }
        }
    }

    /// The times of a session may have come: its will is sent, it ends.
    fn look_at_client_session(&mut self, id: ClientSessionId, turn: &mut Turn<'_>) {
        let Some(session) = self.state.client_sessions.get(id) else {
            return;
        };
        let (will_at, ends_at) = (session.will_at, session.ends_at);
        let wall = turn.now.wall;
        let has_come = |at: Option<u64>| at.is_some_and(|at| at <= wall);
        if has_come(will_at) {
            self.send_will_of(id, turn);
            self.state.client_sessions.set_times(id, None, ends_at);
        }
        if has_come(ends_at) {
            self.end_client_session(id, turn);
        }
    }

    /// Sends wills and ends sessions whose time has come.
    pub(crate) fn expire_client_sessions(&mut self, turn: &mut Turn<'_>) {
        for id in self.state.client_sessions.due(turn.now.wall) {
            self.look_at_client_session(id, turn);
        }
    }

    /// The session is over: first its will is sent, if it has not been, then its queues go.
    pub(crate) fn end_client_session(&mut self, id: ClientSessionId, turn: &mut Turn<'_>) {
        self.send_will_of(id, turn);
        let Some(session) = self.state.client_sessions.get(id) else {
            return;
        };
        let kept = session.kept;
        let sent = session.packets.all_sent();
        let subscriptions = self.state.client_sessions.subscriptions_of(id);
        let subscriptions: Vec<_> = subscriptions.into_iter().cloned().collect();
        for (_, flight) in &sent {
            self.settle_for_good(*flight, turn);
        }
        for record in subscriptions {
            self.drop_subscription(None, &record, turn);
        }
        if kept {
            // Whoever begins anew is told so, and must not find it there again.
            self.commit(None, &[Record::ClientSessionRemoved(id)], true, turn);
            self.state.client_sessions.ended = turn.storage.appended();
        } else {
            self.state.client_sessions.remove(id);
        }
    }

    /// Nobody will ask for the message under its packet id again. What was sent with QoS 2 is not given to anybody else:
    /// the client may have it [MQTT-4.8.2-5].
    fn settle_for_good(&mut self, flight: Flight, turn: &mut Turn<'_>) {
        let key = (flight.queue, flight.message);
        let is_away = self.state.client_sessions.away.remove(&key).is_some();
        let Some(queue) = self.state.queues.get_mut(flight.queue) else {
            return;
        };
        if is_reserved(queue, flight) {
            let mut unit = Unit::new();
            let why = crate::queue::settle::Departure::Acknowledged;
            self.acknowledgement(flight.queue, flight.message, why, &mut unit, turn);
            self.commit(None, &unit, false, turn);
        } else if !is_away {
            queue.hold(flight.message);
            self.make_ready(flight.queue, flight.message, turn.now);
        }
    }

    /// The log has been read back: whoever was connected has lost the connection.
    pub(crate) fn restart_client_sessions(&mut self, turn: &mut Turn<'_>) {
        let sessions = self.state.client_sessions.iter();
        let sessions: Vec<ClientSessionId> = sessions.map(|session| session.id).collect();
        for id in sessions {
            let Some(session) = self.state.client_sessions.get_mut(id) else {
                continue;
            };
            let wall = turn.now.wall.max(1);
            let was_connected = session.left == 0;
            if was_connected {
                session.left = wall;
            }
            let (left, expiry) = (session.left, session.expiry);
            let delay_s = session.will.as_ref().map(|will| will.will.delay_s);
            let (will_at, ends_at) = times(left, delay_s, expiry);
            self.state.client_sessions.set_times(id, will_at, ends_at);
            if was_connected {
                let left = Record::ClientSessionLeft {
                    session: id,
                    at: wall,
                    expiry,
                    will: delay_s.is_some(),
                };
                self.commit(None, &[left], false, turn);
            }
            self.await_packets(id);
        }
        self.exclude_publishers();
    }

    /// Messages that had packet ids when the broker stopped go out under them again.
    fn await_packets(&mut self, id: ClientSessionId) {
        let Some(session) = self.state.client_sessions.get(id) else {
            return;
        };
        for (packet, flight) in session.packets.all_sent() {
            let Some(queue) = self.state.queues.get_mut(flight.queue) else {
                continue;
            };
            let is_here = queue.entry(flight.message).is_some();
            let address = queue.address_id();
            if is_here || self.state.pages.of(address).is_some() {
                let key = (flight.queue, flight.message);
                self.state.client_sessions.away.insert(key, (id, packet));
            }
            if is_here && is_reserved(queue, flight) {
                queue.reserve(flight.message);
            }
        }
    }
}

/// Whether the message waits for this session's client and goes to no other.
pub(super) fn is_reserved(queue: &Queue, flight: Flight) -> bool {
    flight.qos == Qos::ExactlyOnce && queue.is_shared_subscription()
}

/// So many seconds later; nothing if that is never.
fn after(wall: u64, seconds: u32) -> Option<u64> {
    let never = seconds == SessionExpiry::NEVER.0;
    (!never).then(|| wall.saturating_add(u64::from(seconds) * 1_000))
}

/// The times at which a will is sent and a session ends that was left at `wall`; the will waits no longer than the session.
fn times(wall: u64, delay_s: Option<u32>, expiry: SessionExpiry) -> (Option<u64>, Option<u64>) {
    let ends_at = after(wall, expiry.0);
    let will_at = delay_s.map(|delay| after(wall, delay).into_iter().chain(ends_at).min());
    (will_at.flatten(), ends_at)
}
