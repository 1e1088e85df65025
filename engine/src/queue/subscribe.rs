// SPDX-License-Identifier: Apache-2.0
//! Consumers come and go: which queue they read, who may, and what happens to a queue that loses its last one.

use std::sync::Arc;

use super::QueueOptions;
use super::consumer::{Consumer, ConsumerKey};
use super::settle::Departure;
use crate::address::lifecycle::NewQueue;
use crate::address::name::split_fqqn;
use crate::address::routing_type::RoutingType;
use crate::command::{ConsumerOpen, Credit, Outcome, Subscription};
use crate::engine::{Engine, Turn};
use crate::event::Refusal;
use crate::gate::Held;
use crate::id::{AddressId, ConnectionId, ConsumerId, QueueId, SubscriptionId};
use crate::security::permissions::Permission;
use crate::selector::Selector;

impl Engine {
    /// A client wants to consume.
    pub(crate) fn open_consumer(
        &mut self,
        from: ConnectionId,
        id: ConsumerId,
        open: &ConsumerOpen,
        turn: &mut Turn<'_>,
    ) {
        let ticket = open.ticket;
        let keeping = self.keep_subscription(from, open, turn);
        let subscription = keeping.as_ref().map(|keeping| keeping.id);
        let end = self.try_open_consumer(from, id, open, turn);
        let opened = end.as_ref().ok().copied();
        if let Some(keeping) = keeping {
            self.kept_subscription(from, keeping, opened, turn);
        }
        if let Some(queue) = opened {
            self.set_terms((from, id), queue, open, subscription);
        }
        self.answer(from, Some(ticket), end.map(|_| ()), turn);
        if let Some(queue) = opened {
            let position = self.last_position(from);
            if self.gate.is_open(position) {
                self.activate_consumer((from, id), queue, turn);
            } else {
                self.gate.hold(position, Held::Consumer((from, id), queue));
            }
        }
    }

    /// From now on the consumer may be given messages.
    pub(crate) fn activate_consumer(
        &mut self,
        key: ConsumerKey,
        queue: QueueId,
        turn: &mut Turn<'_>,
    ) {
        let Some(of) = self.state.queues.get_mut(queue) else {
            return;
        };
        let Some(consumer) = of.consumers.get_mut(&key) else {
            return;
        };
        consumer.active = true;
        of.changed(key);
        self.mark_dirty(queue);
        self.deliver_reserved(key, queue, turn);
    }

    /// A client wants to go on consuming on other terms.
    pub(crate) fn reopen_consumer(
        &mut self,
        from: ConnectionId,
        id: ConsumerId,
        open: &ConsumerOpen,
        turn: &mut Turn<'_>,
    ) {
        let client = self.clients.get(&from);
        let queue = client.and_then(|client| client.consumers.get(&id)).copied();
        let end = match queue {
            None => Err(Refusal::Unknown("consumer")),
            Some(_) if self.lacks_client_session(from, open) => {
                Err(Refusal::Unknown("client session"))
            }
            Some(queue) => {
                let keeping = self.keep_subscription(from, open, turn);
                let subscription = keeping.as_ref().map(|keeping| keeping.id);
                if let Some(keeping) = keeping {
                    self.kept_subscription(from, keeping, Some(queue), turn);
                }
                self.set_terms((from, id), queue, open, subscription);
                self.mark_dirty(queue);
                Ok(())
            }
        };
        self.answer(from, Some(open.ticket), end, turn);
    }

    /// What a consumer is given, and how it settles it.
    fn set_terms(
        &mut self,
        key: ConsumerKey,
        queue_id: QueueId,
        open: &ConsumerOpen,
        subscription: Option<SubscriptionId>,
    ) {
        let session = self.client_session_of(key.0);
        let client_id = session
            .and_then(|id| self.state.client_sessions.get(id))
            .map(|session| session.client_id.clone());
        let Some(queue) = self.state.queues.get_mut(queue_id) else {
            return;
        };
        let is_shared = queue.is_shared();
        let Some(consumer) = queue.consumers.get_mut(&key) else {
            return;
        };
        consumer.settling = open.settling;
        consumer.client_session = session;
        consumer.subscription = subscription;
        if session.is_some() && !is_shared {
            queue.excludes = client_id.filter(|_| open.no_local);
        }
        if open.retained {
            self.copies.begin(queue_id, open.address.clone());
        }
    }

    fn try_open_consumer(
        &mut self,
        from: ConnectionId,
        id: ConsumerId,
        open: &ConsumerOpen,
        turn: &mut Turn<'_>,
    ) -> Result<QueueId, Refusal> {
        if self.lacks_client_session(from, open) {
            return Err(Refusal::Unknown("client session"));
        }
        let client = self.clients.get(&from).ok_or(Refusal::Unknown("client"))?;
        if client.consumers.contains_key(&id) {
            return Err(Refusal::Unknown("free consumer id"));
        }
        if client.consumers.len() >= self.settings.limits.consumers {
            return Err(Refusal::LimitReached("consumers of one connection"));
        }
        let selector = Selector::parse(&open.selector)
            .map_err(|error| Refusal::InvalidSelector(error.to_string()))?;
        let queue_id = self.source(from, open, turn)?;
        let has_client_session = self.client_session_of(from);
        let own_subscription = self
            .state
            .queues
            .get(queue_id)
            .is_some_and(|queue| *queue.record.filter == *open.selector);
        let queue = self
            .state
            .queues
            .get_mut(queue_id)
            .ok_or_else(|| Refusal::QueueMissing(open.address.clone()))?;
        if queue
            .options
            .max_consumers
            .is_some_and(|max| queue.consumers.len() >= max as usize)
        {
            return Err(Refusal::MaxConsumers(queue.name().clone()));
        }
        let selector = if own_subscription { None } else { selector };
        // What the client of a client session publishes does not enter its queue: it would stay there.
        let no_local = open.no_local && (has_client_session.is_none() || queue.is_shared());
        let consumer = Consumer::new(open.session, selector, no_local, open.priority, open.credit);
        let alone = queue.consumers.is_empty() && queue.routing() == RoutingType::Multicast;
        queue.no_local_of = (alone && no_local).then_some(from);
        queue.add_consumer((from, id), consumer);
        queue.unused_since = None;
        if let Some(client) = self.clients.get_mut(&from) {
            client.consumers.insert(id, queue_id);
        }
        Ok(queue_id)
    }

    /// The queue a consumer reads, after checking that the user may consume from it: by its address and its name, not by
    /// what the client calls it.
    fn source(
        &mut self,
        from: ConnectionId,
        open: &ConsumerOpen,
        turn: &mut Turn<'_>,
    ) -> Result<QueueId, Refusal> {
        let (address, queue) = split_fqqn(&open.address);
        if let Some(queue) = queue {
            self.authorize(from, open.session, Permission::Consume, &open.address)?;
            return self.queue_by_fqqn(from, open.session, address, queue, open.routing, turn);
        }
        if open.routing != Some(RoutingType::Multicast)
            && let Some(queue) = self.state.queues.named(address)
            && queue.routing() == RoutingType::Anycast
        {
            let (id, address, name) = (queue.id(), queue.address.clone(), queue.name().clone());
            self.authorize_queue(from, open.session, Permission::Consume, &address, &name)?;
            return Ok(id);
        }
        let (id, routing) =
            self.address_for_use(from, open.session, &open.address, open.routing, turn)?;
        match routing {
            RoutingType::Anycast => self.anycast_source(from, open, id, turn),
            RoutingType::Multicast => self.subscription(from, open, id, turn),
        }
    }

    fn anycast_source(
        &mut self,
        from: ConnectionId,
        open: &ConsumerOpen,
        id: AddressId,
        turn: &mut Turn<'_>,
    ) -> Result<QueueId, Refusal> {
        let address = self
            .state
            .addresses
            .get(id)
            .ok_or_else(|| Refusal::AddressMissing(open.address.clone()))?;
        let is_anycast = |queue: &&QueueId| {
            self.state
                .queues
                .get(**queue)
                .is_some_and(|queue| queue.routing() == RoutingType::Anycast)
        };
        let existing = address.queues.iter().find(is_anycast).copied();
        if existing.is_none() && !address.settings.auto_create_queues {
            return Err(Refusal::QueueMissing(open.address.clone()));
        }
        let name = existing
            .and_then(|id| self.state.queues.get(id))
            .map_or_else(|| open.address.clone(), |queue| queue.name().clone());
        let permission = Permission::Consume;
        self.authorize_queue(from, open.session, permission, &open.address, &name)?;
        if let Some(existing) = existing {
            return Ok(existing);
        }
        self.auto_create_queue(
            from,
            open.session,
            open.address.clone(),
            id,
            RoutingType::Anycast,
            turn,
        )
    }

    fn subscription(
        &mut self,
        from: ConnectionId,
        open: &ConsumerOpen,
        address: AddressId,
        turn: &mut Turn<'_>,
    ) -> Result<QueueId, Refusal> {
        let (name, durable, shared) = match &open.subscription {
            Subscription::Temporary => (Arc::from(self.random.uuid()), false, false),
            Subscription::Named {
                queue,
                durable,
                shared,
            } => (queue.clone(), *durable, *shared),
        };
        let permission = Permission::Consume;
        self.authorize_queue(from, open.session, permission, &open.address, &name)?;
        if let Some(existing) = self.state.queues.named(&name) {
            let same =
                existing.address_id() == address && *existing.record.filter == *open.selector;
            if !same || (!shared && !existing.consumers.is_empty()) {
                return Err(Refusal::SubscriptionInUse(name));
            }
            let id = existing.id();
            // Whoever made it may not have been told yet that it is there to stay.
            self.wait_for_everything(from, turn);
            return Ok(id);
        }
        let permission = if durable {
            Permission::CreateDurableQueue
        } else {
            Permission::CreateNonDurableQueue
        };
        self.authorize_queue(from, open.session, permission, &open.address, &name)?;
        let settings = self
            .state
            .addresses
            .get(address)
            .map(|of| of.settings.clone());
        let defaults = settings.as_ref().map(|settings| QueueOptions {
            max_consumers: settings.default_max_consumers,
            purge_on_no_consumers: settings.default_purge_on_no_consumers,
            enabled: true,
        });
        let defaults = defaults.unwrap_or_default();
        let new = NewQueue {
            name,
            address,
            routing: RoutingType::Multicast,
            filter: open.selector.as_str().into(),
            user: self.user_of(from, open.session),
            options: QueueOptions {
                max_consumers: if shared {
                    defaults.max_consumers
                } else {
                    Some(1)
                },
                ..defaults
            },
            durable,
            auto_created: false,
        };
        let id = self.create_queue(Some(from), new, turn);
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.temporary = !durable;
        }
        Ok(id)
    }

    /// A consumer is willing to take more.
    pub(crate) fn add_credit(&mut self, from: ConnectionId, id: ConsumerId, credit: Credit) {
        let Some(queue_id) = self
            .clients
            .get(&from)
            .and_then(|client| client.consumers.get(&id))
            .copied()
        else {
            return;
        };
        let Some(queue) = self.state.queues.get_mut(queue_id) else {
            return;
        };
        if let Some(consumer) = queue.consumers.get_mut(&(from, id)) {
            consumer.add_credit(credit);
            queue.changed((from, id));
            self.mark_dirty(queue_id);
        }
    }

    /// A consumer leaves: in order, and what it had counts as not delivered; or by a broken connection (`failed`),
    /// and it counts as an attempt, so that a message that kills its consumers ends in the dead-letter address.
    pub(crate) fn close_consumer(&mut self, key: ConsumerKey, failed: bool, turn: &mut Turn<'_>) {
        let Some(queue_id) = self
            .clients
            .get_mut(&key.0)
            .and_then(|client| client.consumers.remove(&key.1))
        else {
            return;
        };
        let Some(queue) = self.state.queues.get_mut(queue_id) else {
            return;
        };
        let Some(mut consumer) = queue.remove_consumer(key) else {
            return;
        };
        let unsettled = consumer.unsettled.drain();
        queue.no_local_of = None;
        let last = queue.consumers.is_empty();
        let (temporary, purge) = (queue.temporary, queue.options.purge_on_no_consumers);
        let name = queue.name().clone();
        if last {
            queue.unused_since = Some(turn.now.wall);
        }
        let shared = self.state.client_sessions.sharing(&name);
        if last && temporary && shared == 0 {
            self.delete_queue(Some(key.0), queue_id, turn);
            return;
        }
        let outcome = if failed {
            Outcome::Failed
        } else {
            Outcome::Released
        };
        self.settle_messages(Some(key.0), queue_id, &unsettled, outcome, false, turn);
        if last && purge {
            self.purge(queue_id, turn);
        }
        self.mark_dirty(queue_id);
    }

    /// Empties a queue of everything nobody holds.
    fn purge(&mut self, id: QueueId, turn: &mut Turn<'_>) {
        let Some(queue) = self.state.queues.get(id) else {
            return;
        };
        let idle = |entry: &super::Entry| entry.place != super::Place::Delivering;
        let messages: Vec<_> = queue
            .sorted()
            .into_iter()
            .filter(|(_, e)| idle(e))
            .map(|(id, _)| id)
            .collect();
        self.remove(None, id, &messages, Departure::Killed, false, turn);
        self.purge_pages(id, turn);
    }
}
