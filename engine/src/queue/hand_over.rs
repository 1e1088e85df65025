// SPDX-License-Identifier: Apache-2.0
//! The short way: a message that would pass through an empty queue to a consumer that waits for it, without its ever
//! standing there.

use std::sync::Arc;

use super::Queue;
use crate::client_session::ClientSessions;
use crate::command::Settling;
use crate::engine::{Engine, Turn};
use crate::event::{Delivery, Event, Packet};
use crate::id::{ConnectionId, DeliveryId, QueueId};
use crate::message::{Message, Qos};
use crate::state::State;
use crate::storage::record::Flight;

/// From so many events of a turn on messages wait on their queues: a thousand messages for a thousand subscribers are a
/// million deliveries.
const EVENTS: usize = 65_536;

impl Engine {
    /// Gives a message to the one consumer of a queue on which nothing stands, if nobody will ask for it again: it is
    /// settled by sending, or under a packet id of a session that ends with its connection, as its queue does. Whether it
    /// has been given.
    pub(crate) fn hand_over(
        &mut self,
        queue: QueueId,
        message: &Arc<Message>,
        turn: &mut Turn<'_>,
    ) -> bool {
        let State {
            queues,
            client_sessions,
            ..
        } = &mut self.state;
        let Some(queue) = queues.get_mut(queue) else {
            return false;
        };
        let has_room = turn.events.len() < EVENTS;
        let is_ready = message.body.large().is_none() && !message.is_expired(turn.now.wall);
        let is_ready = is_ready && has_room;
        let given = is_ready
            .then(|| queue.pass(message, client_sessions))
            .flatten();
        let is_given = given.is_some();
        turn.events.extend(given);
        is_given
    }
}

impl Queue {
    fn pass(
        &mut self,
        message: &Arc<Message>,
        sessions: &mut ClientSessions,
    ) -> Option<(ConnectionId, Event)> {
        if !self.entries.is_empty() || self.consumers.len() != 1 {
            return None;
        }
        let (key, consumer) = self.consumers.iter_mut().next()?;
        let key = *key;
        if !consumer.is_hungry() || !consumer.takes_all() {
            return None;
        }
        let qos = match consumer.settling {
            Settling::ByDelivery => return None,
            Settling::BySending => Qos::AtMostOnce,
            Settling::ByPacket(most) => most.min(super::give::qos_of(message)),
        };
        let session = consumer.client_session.and_then(|id| sessions.get_mut(id));
        if session.as_ref().is_some_and(|session| session.kept) {
            // Others of its deliveries may wait for the log.
            return None;
        }
        let is_own = self.temporary && self.options.max_consumers == Some(1);
        let mut packet = None;
        if qos != Qos::AtMostOnce {
            let session = session.filter(|session| is_own && session.packets.has_room())?;
            let flight = Flight {
                queue: self.record.id,
                message: message.id,
                qos,
            };
            let id = session.packets.assign(flight);
            let again = false;
            packet = Some(Packet { id, qos, again });
        }
        consumer.charge(message);
        let sated = !consumer.is_hungry();
        self.counters.added += 1;
        self.counters.acknowledged += 1;
        let delivery = Delivery {
            consumer: key.1,
            delivery: DeliveryId(0),
            packet,
            message: Arc::clone(message),
            attempts: 0,
        };
        if sated {
            self.changed(key);
        }
        Some((key.0, Event::Deliver(delivery)))
    }
}
