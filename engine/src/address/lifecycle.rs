// SPDX-License-Identifier: Apache-2.0
//! How addresses and queues come and go: by configuration, by use (auto-create), and for want of use (auto-delete).

use std::sync::Arc;

use super::routing_type::RoutingType;
use crate::command::ResourceCommand;
use crate::engine::{Engine, Turn};
use crate::event::Refusal;
use crate::id::{AddressId, ConnectionId, QueueId, SessionId, Ticket};
use crate::notice::Notice;
use crate::queue::{Queue, QueueOptions};
use crate::security::permissions::Permission;
use crate::selector::Selector;
use crate::settings::QueueDeployment;
use crate::state::State;
use crate::storage::record::{AddressRecord, QueueRecord, Record};

/// The longest address or queue name, in bytes: what an MQTT topic of full length comes to with every character escaped,
/// behind a client id of full length.
const NAME_MAX: usize = 65_535 + 1 + 2 * 65_535;

/// Artemis keeps retained messages and sessions at addresses that begin so; nobody is to send there what another broker
/// would take for one.
const RESERVED: &str = "$sys.mqtt.";

/// A queue to be made.
#[derive(Debug)]
pub(crate) struct NewQueue {
    pub name: Arc<str>,
    pub address: AddressId,
    pub routing: RoutingType,
    pub filter: Arc<str>,
    pub user: Arc<str>,
    pub options: QueueOptions,
    pub durable: bool,
    pub auto_created: bool,
}

impl Engine {
    /// Makes what the configuration names and is not there yet.
    pub(crate) fn deploy(&mut self, turn: &mut Turn<'_>) {
        let settings = self.settings.clone();
        for deployment in &settings.addresses {
            let mut routing = deployment.routing.clone();
            routing.extend(deployment.queues.iter().map(|queue| queue.routing));
            if routing.is_empty() {
                routing.push(
                    State::settings_of(&settings, &deployment.name).default_address_routing_type,
                );
            }
            let address = self.give_routing(None, &deployment.name, &routing, false, turn);
            if let Some(address) = self.state.addresses.get_mut(address) {
                address.configured = true;
                let notice = Notice::AddressDeployed {
                    address: deployment.name.clone(),
                    routing: address.routing_types(),
                };
                turn.notices.push(notice);
            }
            for queue in &deployment.queues {
                self.deploy_queue(address, &deployment.name, queue, turn);
            }
        }
    }

    fn deploy_queue(
        &mut self,
        address: AddressId,
        address_name: &Arc<str>,
        queue: &QueueDeployment,
        turn: &mut Turn<'_>,
    ) {
        if let Err(error) = Selector::parse(&queue.filter) {
            turn.notices.push(Notice::BadFilter {
                queue: queue.name.clone(),
                why: error.to_string(),
            });
        }
        let id = match self.state.queues.named(&queue.name) {
            Some(existing) => {
                let id = existing.id();
                self.redeploy(id, queue, turn);
                id
            }
            None => self.create_queue(
                None,
                NewQueue {
                    name: queue.name.clone(),
                    address,
                    routing: queue.routing,
                    filter: queue.filter.as_str().into(),
                    user: queue.user.as_str().into(),
                    options: queue.options,
                    durable: queue.durable,
                    auto_created: false,
                },
                turn,
            ),
        };
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.configured = true;
        }
        let (routing, queue, address) = (queue.routing, queue.name.clone(), address_name.clone());
        turn.notices.push(Notice::QueueDeployed {
            routing,
            queue,
            address,
        });
    }

    /// The configuration's filter and options win over what the log remembers.
    fn redeploy(&mut self, id: QueueId, queue: &QueueDeployment, turn: &mut Turn<'_>) {
        let Some(existing) = self.state.queues.get(id) else {
            return;
        };
        let mut record = existing.record.clone();
        record.filter = queue.filter.as_str().into();
        record.options = queue.options.to_record();
        record.auto_created = false;
        if record != existing.record && existing.durable {
            self.commit(None, &[Record::Queue(record)], true, turn);
        }
    }

    /// The address a message is sent to: as it is, with the routing type added, or made.
    pub(crate) fn address_for_send(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        name: &Arc<str>,
        routing: Option<RoutingType>,
        turn: &mut Turn<'_>,
    ) -> Result<AddressId, Refusal> {
        let (id, routing) = self.address_for_use(from, session, name, routing, turn)?;
        let has_queue = |id: &QueueId| {
            self.state
                .queues
                .get(*id)
                .is_some_and(|queue| queue.routing() == RoutingType::Anycast)
        };
        let address = self
            .state
            .addresses
            .get(id)
            .ok_or_else(|| Refusal::AddressMissing(name.clone()))?;
        let lacks_queue = routing == RoutingType::Anycast && !address.queues.iter().any(has_queue);
        if lacks_queue
            && address.settings.auto_create_queues
            && self.state.queues.named(name).is_none()
        {
            self.auto_create_queue(from, session, name.clone(), id, RoutingType::Anycast, turn)?;
        }
        Ok(id)
    }

    /// The address, with the routing type asked for (or its own) settled; made or widened if settings and
    /// permissions allow it.
    pub(crate) fn address_for_use(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        name: &Arc<str>,
        routing: Option<RoutingType>,
        turn: &mut Turn<'_>,
    ) -> Result<(AddressId, RoutingType), Refusal> {
        if let Some(address) = self.state.addresses.named(name) {
            let only_multicast = address.record.multicast && !address.record.anycast;
            let own = if only_multicast {
                RoutingType::Multicast
            } else {
                RoutingType::Anycast
            };
            let wanted = routing.unwrap_or(own);
            if address.has(wanted) {
                return Ok((address.record.id, wanted));
            }
            if !address.settings.auto_create_addresses {
                return Err(Refusal::RoutingTypeMismatch(name.clone()));
            }
            self.authorize(from, session, Permission::CreateAddress, name)?;
            return Ok((
                self.give_routing(Some(from), name, &[wanted], true, turn),
                wanted,
            ));
        }
        check_name(name)?;
        let settings = State::settings_of(&self.settings, name);
        if !settings.auto_create_addresses {
            return Err(Refusal::AddressMissing(name.clone()));
        }
        self.authorize(from, session, Permission::CreateAddress, name)?;
        let wanted = routing.unwrap_or(settings.default_address_routing_type);
        Ok((
            self.give_routing(Some(from), name, &[wanted], true, turn),
            wanted,
        ))
    }

    /// Makes an address with these routing types, or adds them to it.
    pub(crate) fn give_routing(
        &mut self,
        from: Option<ConnectionId>,
        name: &Arc<str>,
        routing: &[RoutingType],
        auto_created: bool,
        turn: &mut Turn<'_>,
    ) -> AddressId {
        let existing = self
            .state
            .addresses
            .named(name)
            .map(|address| address.record.clone());
        let mut record = match existing.clone() {
            Some(record) => record,
            None => AddressRecord {
                id: AddressId(self.new_id(turn)),
                name: name.clone(),
                anycast: false,
                multicast: false,
                auto_created,
                paused: false,
            },
        };
        record.anycast |= routing.contains(&RoutingType::Anycast);
        record.multicast |= routing.contains(&RoutingType::Multicast);
        record.auto_created &= auto_created;
        let id = record.id;
        if existing.as_ref() != Some(&record) {
            self.commit(from, &[Record::Address(record)], true, turn);
        }
        id
    }

    /// The queue an FQQN names, made if settings and permissions allow it.
    pub(crate) fn queue_by_fqqn(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        address: &str,
        queue: &str,
        routing: Option<RoutingType>,
        turn: &mut Turn<'_>,
    ) -> Result<QueueId, Refusal> {
        if let Some(existing) = self.state.queues.named(queue) {
            if *existing.address != *address {
                return Err(Refusal::QueueMissing(format!("{address}::{queue}").into()));
            }
            return Ok(existing.id());
        }
        let settings = State::settings_of(&self.settings, address);
        if !settings.auto_create_queues {
            return Err(Refusal::QueueMissing(queue.into()));
        }
        let address: Arc<str> = address.into();
        let routing = routing.or_else(|| {
            self.state
                .addresses
                .named(&address)
                .is_none()
                .then_some(settings.default_queue_routing_type)
        });
        let (id, routing) = self.address_for_use(from, session, &address, routing, turn)?;
        self.auto_create_queue(from, session, queue.into(), id, routing, turn)
    }

    /// Makes a durable queue because somebody uses it.
    pub(crate) fn auto_create_queue(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        name: Arc<str>,
        address: AddressId,
        routing: RoutingType,
        turn: &mut Turn<'_>,
    ) -> Result<QueueId, Refusal> {
        check_name(&name)?;
        let Some(of) = self.state.addresses.get(address) else {
            return Err(Refusal::AddressMissing(name));
        };
        let (address_name, settings) = (of.record.name.clone(), of.settings.clone());
        let permission = Permission::CreateDurableQueue;
        self.authorize_queue(from, session, permission, &address_name, &name)?;
        let options = QueueOptions {
            max_consumers: settings.default_max_consumers,
            purge_on_no_consumers: settings.default_purge_on_no_consumers,
            enabled: true,
        };
        let user = self.user_of(from, session);
        let filter = "".into();
        let new = NewQueue {
            name,
            address,
            routing,
            filter,
            user,
            options,
            durable: true,
            auto_created: true,
        };
        Ok(self.create_queue(Some(from), new, turn))
    }

    pub(crate) fn user_of(&self, from: ConnectionId, session: SessionId) -> Arc<str> {
        let session = self
            .clients
            .get(&from)
            .and_then(|client| client.sessions.get(&session));
        session.map_or_else(|| "".into(), |session| session.identity.user.clone())
    }

    /// Makes a queue; a non-durable one is in no log.
    pub(crate) fn create_queue(
        &mut self,
        from: Option<ConnectionId>,
        new: NewQueue,
        turn: &mut Turn<'_>,
    ) -> QueueId {
        let id = QueueId(self.new_id(turn));
        let record = QueueRecord {
            id,
            name: new.name,
            address: new.address,
            routing: new.routing,
            filter: new.filter,
            user: new.user,
            options: new.options.to_record(),
            auto_created: new.auto_created,
            paused: false,
        };
        if new.durable {
            self.commit(from, &[Record::Queue(record)], true, turn);
        } else {
            self.state.put_queue(record, false);
        }
        id
    }

    /// Deletes a queue with everything on it; its consumers are told.
    pub(crate) fn delete_queue(
        &mut self,
        from: Option<ConnectionId>,
        id: QueueId,
        turn: &mut Turn<'_>,
    ) {
        let Some(queue) = self.state.queues.get(id) else {
            return;
        };
        let (durable, address) = (queue.durable, queue.address_id());
        let refusal = Refusal::QueueMissing(queue.name().clone());
        for (client, consumer) in queue.consumers.keys().copied().collect::<Vec<_>>() {
            if let Some(state) = self.clients.get_mut(&client) {
                state.consumers.remove(&consumer);
            }
            turn.events.push((
                client,
                crate::event::Event::Detached(consumer, refusal.clone()),
            ));
        }
        self.clear_alarm(id);
        if durable {
            self.commit(from, &[Record::QueueRemoved(id)], true, turn);
        } else {
            self.state.remove_queue(id, turn.storage.live());
        }
        if let Some(address) = self.state.addresses.get_mut(address)
            && address.queues.is_empty()
        {
            address.unused_since = Some(turn.now.wall);
        }
    }

    /// A client asks about or changes an address or queue.
    pub(crate) fn resource(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        command: &ResourceCommand,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) {
        let end = match command {
            ResourceCommand::DeleteQueue { queue } => {
                self.delete_queue_of(from, session, queue, turn)
            }
        };
        self.answer(from, Some(ticket), end, turn);
    }

    fn delete_queue_of(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        name: &Arc<str>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let queue = self
            .state
            .queues
            .named(name)
            .ok_or_else(|| Refusal::QueueMissing(name.clone()))?;
        let (id, address, durable) = (queue.id(), queue.address.clone(), queue.durable);
        if !queue.consumers.is_empty() {
            return Err(Refusal::QueueInUse(name.clone()));
        }
        let permission = if durable {
            Permission::DeleteDurableQueue
        } else {
            Permission::DeleteNonDurableQueue
        };
        self.authorize_queue(from, session, permission, &address, name)?;
        self.delete_queue(Some(from), id, turn);
        Ok(())
    }

    /// Deletes queues and addresses that nobody uses any more, if their settings say so (manual, chapter Address Settings).
    pub(crate) fn delete_unused(&mut self, turn: &mut Turn<'_>) {
        let wall = turn.now.wall;
        let unused = |queue: &&Queue| !queue.temporary && self.queue_is_unused(queue, wall);
        let queues: Vec<QueueId> = self
            .state
            .queues
            .iter()
            .filter(unused)
            .map(Queue::id)
            .collect();
        for queue in queues {
            self.delete_queue(None, queue, turn);
        }
        let unused = self.state.addresses.iter().filter(|address| {
            let since = address.unused_since.or(address
                .settings
                .auto_delete_addresses_skip_usage_check
                .then_some(0));
            let delay = u64::try_from(address.settings.auto_delete_addresses_delay.as_millis())
                .unwrap_or(u64::MAX);
            address.record.auto_created
                && !address.configured
                && address.settings.auto_delete_addresses
                && address.queues.is_empty()
                && since.is_some_and(|since| since.saturating_add(delay) <= wall)
        });
        let addresses: Vec<AddressId> = unused.map(|address| address.record.id).collect();
        for address in addresses {
            self.commit(None, &[Record::AddressRemoved(address)], false, turn);
        }
    }

    fn queue_is_unused(&self, queue: &Queue, wall: u64) -> bool {
        let Some(address) = self.state.addresses.get(queue.address_id()) else {
            return false;
        };
        let settings = &address.settings;
        let few = settings
            .auto_delete_queues_message_count
            .is_none_or(|count| self.state.message_count(queue.id()) <= count);
        let since = queue
            .unused_since
            .or(settings.auto_delete_queues_skip_usage_check.then_some(0));
        let delay =
            u64::try_from(settings.auto_delete_queues_delay.as_millis()).unwrap_or(u64::MAX);
        let wanted = if queue.record.auto_created {
            settings.auto_delete_queues
        } else {
            settings.auto_delete_created_queues
        };
        wanted
            && !queue.configured
            && queue.consumers.is_empty()
            && few
            && since.is_some_and(|since| since.saturating_add(delay) <= wall)
    }
}

/// A name that every protocol can carry and no log line or file can be broken by.
fn check_name(name: &str) -> Result<(), Refusal> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_MAX {
        "it is longer than 196,606 bytes"
    } else if name.starts_with(RESERVED) {
        "it is reserved for the broker"
    } else if name.chars().any(char::is_control) {
        "it contains a control character"
    } else {
        return Ok(());
    };
    Err(Refusal::InvalidName(why.to_owned()))
}
