// SPDX-License-Identifier: Apache-2.0
//! From a message and an address to places on queues (Artemis's post office).

pub mod duplicate_id_cache;
mod routed;
pub mod wildcard;

pub(crate) use routed::Routed;

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::address::full_policy::Verdict;
use crate::address::name::split_fqqn;
use crate::address::routing_type::RoutingType;
use crate::address::settings::AddressSettings;
use crate::command::Send;
use crate::engine::{Engine, Turn, Unit};
use crate::event::Refusal;
use crate::id::{AddressId, ConnectionId, MessageId, QueueId, SessionId};
use crate::message::Message;
use crate::message::properties::{self, Value};
use crate::notice::Notice;
use crate::security::permissions::Permission;
use crate::storage::record::{DuplicateIdRecord, Record};

/// Where a message is to go: an address, and with an FQQN one queue of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub address: AddressId,
    pub queue: Option<QueueId>,
}

impl Engine {
    /// A client sends a message.
    pub(crate) fn send(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        mut send: Send,
        turn: &mut Turn<'_>,
    ) {
        let ticket = send.ticket;
        if let Some(upload) = send.upload {
            match self.take_upload(from, upload) {
                Ok(Some(body)) => send.message.body = body,
                // It was dropped as it came.
                Ok(None) => return self.answer(from, ticket, Ok(()), turn),
                Err(refusal) => return self.answer(from, ticket, Err(refusal), turn),
            }
        }
        let end = if send.transaction.is_some() {
            self.send_in_transaction(from, session, send, turn)
        } else {
            self.send_with(from, session, send, Unit::new(), turn)
        };
        // Inside a transaction the answer promises nothing yet; it only keeps its place among the client's answers.
        self.answer(from, ticket, end, turn);
    }

    /// Sends a message, in one unit with the records given. Refused, nothing has happened.
    pub(crate) fn send_with(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        send: Send,
        mut unit: Unit,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        if let Some(packet) = send.packet
            && self.has_sent(from, packet, turn)?
        {
            return Ok(());
        }
        let target = self.target(from, session, &send, turn)?;
        if send.retain {
            self.admit_retained(&send.message)?;
        }
        if self.is_duplicate(&send.message) {
            self.wait_for_everything(from, turn);
            return Ok(());
        }
        if let Some(packet) = send.packet {
            self.remember_sent(from, packet, &mut unit);
        }
        if self.admit(from, target.address, turn)? == Verdict::Drop {
            self.commit(Some(from), &unit, true, turn);
            return Ok(());
        }
        let message = self.stamped(send.message, from, session, target, turn.now.wall);
        let retained = send.retain.then(|| message.clone());
        let routed = self.route(message, target, send.routing, Some(from), turn);
        routed.records(&mut unit);
        if let Some(retained) = retained {
            self.retain(routed.original(retained), &mut unit);
        }
        let sync = self.settings.sync_non_transactional;
        self.commit(Some(from), &unit, sync, turn);
        self.arrive(Some(from), routed, turn);
        Ok(())
    }

    /// Finds (or makes) the address and queue a message is sent to, and checks that the user may send there.
    pub(crate) fn target(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        send: &Send,
        turn: &mut Turn<'_>,
    ) -> Result<Target, Refusal> {
        let name = &send.message.address;
        self.authorize(from, session, Permission::Send, name)?;
        if let Some((last, address)) = self
            .clients
            .get(&from)
            .and_then(|client| client.last_address.as_ref())
            && last == name
            && self.serves(*address, send.routing)
        {
            return Ok(Target {
                address: *address,
                queue: None,
            });
        }
        let (address, queue) = split_fqqn(name);
        let target = match queue {
            None => Target {
                address: self.address_for_send(from, session, name, send.routing, turn)?,
                queue: None,
            },
            Some(queue) => {
                let queue =
                    self.queue_by_fqqn(from, session, address, queue, send.routing, turn)?;
                let address = self.state.queues.get(queue).map(|queue| queue.address_id());
                Target {
                    address: address.ok_or_else(|| Refusal::QueueMissing(name.clone()))?,
                    queue: Some(queue),
                }
            }
        };
        if target.queue.is_none()
            && let Some(client) = self.clients.get_mut(&from)
        {
            client.last_address = Some((name.clone(), target.address));
        }
        Ok(target)
    }

    /// Whether an address can take a message of that routing type as it stands.
    fn serves(&self, address: AddressId, routing: Option<RoutingType>) -> bool {
        let Some(address) = self.state.addresses.get(address) else {
            return false;
        };
        match routing {
            Some(RoutingType::Multicast) => address.record.multicast,
            None if !address.record.anycast => true,
            Some(RoutingType::Anycast) | None => address.queues.iter().any(|queue| {
                let queue = self.state.queues.get(*queue);
                queue.is_some_and(|queue| queue.routing() == RoutingType::Anycast)
            }),
        }
    }

    /// The message with what the broker says of it: who sent it (`populate-validated-user`) and when it came
    /// (`enable-ingress-timestamp`), whatever its sender said of that.
    pub(crate) fn stamped(
        &self,
        mut message: Message,
        from: ConnectionId,
        session: SessionId,
        target: Target,
        wall: u64,
    ) -> Message {
        let address = self.state.addresses.get(target.address);
        let arrival = address.is_some_and(|address| address.settings.enable_ingress_timestamp);
        let user = self.settings.populate_validated_user;
        if !arrival && !user {
            return message;
        }
        let mut replaced: SmallVec<[&str; 2]> = SmallVec::new();
        replaced.extend(user.then_some(properties::VALIDATED_USER));
        replaced.extend(arrival.then_some(properties::INGRESS_TIMESTAMP));
        let mut stamped = message.properties.without(&replaced);
        let user = user
            .then(|| self.user_of(from, session))
            .filter(|user| !user.is_empty());
        if let Some(user) = user {
            stamped.push(properties::VALIDATED_USER, Value::Text(&user));
        }
        if arrival {
            let wall = i64::try_from(wall).unwrap_or(i64::MAX);
            stamped.push(properties::INGRESS_TIMESTAMP, Value::Long(wall));
        }
        message.properties = stamped.finish();
        message
    }

    /// Whether the address has seen the message's duplicate id.
    pub(crate) fn is_duplicate(&self, message: &Message) -> bool {
        duplicate_id(message)
            .is_some_and(|id| self.state.duplicates.contains(address_of(message), &id))
    }

    /// Gives a message its id and decides where it goes; if nowhere, perhaps to the dead-letter address.
    pub(crate) fn route(
        &mut self,
        message: Message,
        target: Target,
        routing: Option<RoutingType>,
        from: Option<ConnectionId>,
        turn: &mut Turn<'_>,
    ) -> Routed {
        let routed = self.route_to(message, target, routing, from, turn);
        if routed.reaches_a_queue() {
            return routed;
        }
        let address = self.state.addresses.get(target.address);
        if address.is_some_and(|address| address.settings.send_to_dla_on_no_route)
            && let Some(dead) = self.dead_letter_of(&routed.message, target.address, turn)
        {
            let duplicate = routed.duplicate;
            return Routed { duplicate, ..dead };
        }
        routed
    }

    /// Gives a message its id and decides where it goes, which may be nowhere.
    pub(crate) fn route_to(
        &mut self,
        mut message: Message,
        target: Target,
        routing: Option<RoutingType>,
        from: Option<ConnectionId>,
        turn: &mut Turn<'_>,
    ) -> Routed {
        message.id = MessageId(self.new_id(turn));
        let settings = self
            .state
            .addresses
            .get(target.address)
            .map(|address| address.settings.clone());
        if let Some(settings) = &settings {
            limit_expiration(&mut message, settings, turn.now.wall);
        }
        let scheduled = message.properties.get(properties::SCHEDULED_DELIVERY);
        let scheduled = scheduled
            .and_then(|at| at.as_integer())
            .and_then(|at| u64::try_from(at).ok())
            .unwrap_or(0);
        let duplicate = duplicate_id(&message)
            .filter(|_| self.settings.persist_id_cache)
            .map(|id| DuplicateIdRecord {
                address: address_of(&message).into(),
                id,
                sequence: message.id.0,
            });
        let queues = self.choose(&message, target, routing, from);
        if queues.is_empty() {
            self.note_unrouted(target.address, turn);
        } else if let Some(address) = self.state.addresses.get_mut(target.address) {
            address.routed += 1;
        }
        let logs = |id: &QueueId| {
            self.state
                .queues
                .get(*id)
                .is_some_and(|queue| queue.logs(&message))
        };
        let (mut logged, mut volatile): (SmallVec<_>, SmallVec<_>) =
            queues.into_iter().partition(logs);
        let paged = self.take_paged(&mut logged, &mut volatile, turn);
        Routed {
            message: Arc::new(message),
            logged,
            volatile,
            paged,
            scheduled,
            duplicate,
        }
    }

    /// The queues for a message: every multicast queue that wants it, and one anycast queue that does, in turn.
    fn choose(
        &mut self,
        message: &Message,
        target: Target,
        routing: Option<RoutingType>,
        from: Option<ConnectionId>,
    ) -> SmallVec<[QueueId; 1]> {
        let mut chosen = SmallVec::new();
        if let Some(queue) = target.queue {
            chosen.extend(
                self.state
                    .queues
                    .get(queue)
                    .filter(|queue| queue.accepts(message))
                    .map(|_| queue),
            );
            return chosen;
        }
        let reach = self.state.addresses.reach(target.address);
        let mut anycast: SmallVec<[QueueId; 4]> = SmallVec::new();
        for id in reach.iter() {
            let Some(queue) = self.state.queues.get(*id) else {
                continue;
            };
            let other_type = routing.is_some_and(|routing| routing != queue.routing());
            let unwanted = from.is_some() && queue.no_local_of == from;
            if other_type || unwanted || queue.is_excluded(message) || !queue.accepts(message) {
                continue;
            }
            match queue.routing() {
                RoutingType::Multicast => chosen.push(*id),
                RoutingType::Anycast => anycast.push(*id),
            }
        }
        if let Some(address) = self.state.addresses.get_mut(target.address)
            && !anycast.is_empty()
        {
            chosen.push(anycast[address.next_anycast % anycast.len()]);
            address.next_anycast = address.next_anycast.wrapping_add(1);
        }
        chosen
    }

    /// After the records of a routed message are in the log: puts it on its other queues and lets it be delivered when
    /// what its sender caused is durable.
    pub(crate) fn arrive(
        &mut self,
        from: Option<ConnectionId>,
        routed: Routed,
        turn: &mut Turn<'_>,
    ) {
        let position = match from {
            Some(from) => self.last_position(from),
            None => turn.storage.appended(),
        };
        let id = routed.message.id;
        for paged in &routed.paged {
            self.put_in_page(from, &routed, paged, position, turn);
        }
        for queue in &routed.volatile {
            self.state
                .put_on(*queue, &routed.message, 0, routed.scheduled);
        }
        for queue in routed.logged.into_iter().chain(routed.volatile) {
            if let Some(entry) = self
                .state
                .queues
                .get_mut(queue)
                .and_then(|queue| queue.entry_mut(id))
            {
                entry.origin = from.unwrap_or_default();
            }
            self.enqueue(from, queue, id, position, turn.now);
        }
        if let Some(duplicate) =
            duplicate_id(&routed.message).filter(|_| !self.settings.persist_id_cache)
        {
            self.remember_duplicate(&routed.message, duplicate, turn);
        }
    }

    /// Remembers a duplicate id for as long as the broker runs (`persist-id-cache` is false).
    fn remember_duplicate(&mut self, message: &Message, id: Bytes, turn: &mut Turn<'_>) {
        let address = address_of(message).into();
        let record = Record::DuplicateId(DuplicateIdRecord {
            address,
            id,
            sequence: message.id.0,
        });
        self.state.apply(&record, turn.storage.live());
    }

    fn note_unrouted(&mut self, id: AddressId, turn: &mut Turn<'_>) {
        let Some(address) = self.state.addresses.get_mut(id) else {
            return;
        };
        address.unrouted += 1;
        if address.unrouted == 1 {
            turn.notices.push(Notice::Unrouted {
                address: address.record.name.clone(),
            });
        }
    }
}

/// The address a message was sent to, without the queue of an FQQN.
fn address_of(message: &Message) -> &str {
    split_fqqn(&message.address).0
}

/// The duplicate id a message carries, as bytes.
pub(crate) fn duplicate_id(message: &Message) -> Option<Bytes> {
    if message.properties.is_empty() {
        return None;
    }
    match message.properties.get(properties::DUPLICATE_ID)? {
        Value::Bytes(bytes) => Some(Bytes::copy_from_slice(bytes)),
        Value::Null => None,
        other => Some(Bytes::copy_from_slice(other.to_text().as_bytes())),
    }
}

/// Expiry as the address settings bound it: a delay rules alone, without one the maximum and the minimum do (manual,
/// chapter Message Expiry).
fn limit_expiration(message: &mut Message, settings: &AddressSettings, wall: u64) {
    let after = |delay: std::time::Duration| {
        wall.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    };
    if settings.no_expiry {
        message.expiration = 0;
    } else if message.expiration == 0 {
        let bounds = settings.max_expiry_delay.or(settings.min_expiry_delay);
        message.expiration = settings.expiry_delay.or(bounds).map_or(0, after);
    } else if settings.expiry_delay.is_none() {
        if let Some(min) = settings.min_expiry_delay {
            message.expiration = message.expiration.max(after(min));
        }
        if let Some(max) = settings.max_expiry_delay {
            message.expiration = message.expiration.min(after(max));
        }
    }
}
