// SPDX-License-Identifier: Apache-2.0
//! Every address of the broker, by number, by name, and by the wildcards in their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ledger::Ledger;
use super::name::WildcardSyntax;
use super::paging::Paging;
use super::routing_type::RoutingType;
use super::settings::AddressSettings;
use crate::id::{AddressId, MessageId, QueueId};
use crate::notice::Spell;
use crate::routing::wildcard::AddressTree;
use crate::storage::record::AddressRecord;

/// One address: what the log says of it, the queues bound to it, and what is remembered while the broker runs.
#[derive(Debug)]
pub struct Address {
    /// What the log says.
    pub record: AddressRecord,
    /// Comes from the configuration.
    pub configured: bool,
    /// Queues bound to it, oldest first.
    pub queues: Vec<QueueId>,
    /// What rules it; looked up once.
    pub settings: Arc<AddressSettings>,
    /// Messages that reached a queue.
    pub routed: u64,
    /// Messages that reached none.
    pub unrouted: u64,
    /// Messages dropped because the address or the disk was full.
    pub dropped: u64,
    /// Messages of its queues that expired and were dropped, for want of an expiry address.
    pub dropped_expired: u64,
    /// Messages of its queues that used up their attempts and were dropped, for want of a dead-letter address.
    pub dropped_dead: u64,
    /// Whose turn it is among the anycast queues.
    pub next_anycast: usize,
    /// Since when it has had no queue, ms since 1970.
    pub unused_since: Option<u64>,
    /// Queues a message may reach, its own and those of matching wildcard addresses, as of which change of wildcards;
    /// `None`: to be found again.
    pub(crate) reach: Option<(u64, Arc<[QueueId]>)>,
    /// What the messages on its queues take in memory.
    pub memory: Ledger,
    /// How many of its queues hold a message that went to several.
    pub(crate) holders: FxHashMap<MessageId, u32>,
    /// Whether it pages, and into which page.
    pub paging: Paging,
    /// Whoever sends to it waits.
    pub(crate) blocked: Spell,
}

impl Address {
    /// Whether it has that routing type.
    pub fn has(&self, routing: RoutingType) -> bool {
        match routing {
            RoutingType::Anycast => self.record.anycast,
            RoutingType::Multicast => self.record.multicast,
        }
    }

    /// Its routing types, in the order Artemis prints them.
    pub fn routing_types(&self) -> Vec<RoutingType> {
        [RoutingType::Multicast, RoutingType::Anycast]
            .into_iter()
            .filter(|routing| self.has(*routing))
            .collect()
    }
}

/// All addresses.
///
/// *Invariants*: `by_name` and `by_id` hold the same addresses; `wildcards` those whose name is a wildcard.
#[derive(Debug)]
pub struct Addresses {
    syntax: WildcardSyntax,
    by_id: FxHashMap<AddressId, Address>,
    by_name: BTreeMap<Arc<str>, AddressId>,
    wildcards: AddressTree<AddressId>,
    /// Counts the changes of queues on wildcard addresses: what any address reaches may be another then.
    wildcard_changes: u64,
}

impl Addresses {
    /// No addresses.
    pub fn new(syntax: WildcardSyntax) -> Self {
        Self {
            syntax,
            by_id: FxHashMap::default(),
            by_name: BTreeMap::new(),
            wildcards: AddressTree::new(syntax),
            wildcard_changes: 0,
        }
    }

    /// The address of that name.
    pub fn id(&self, name: &str) -> Option<AddressId> {
        self.by_name.get(name).copied()
    }

    /// The address of that name.
    pub fn named(&self, name: &str) -> Option<&Address> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// The address of that number.
    pub fn get(&self, id: AddressId) -> Option<&Address> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: AddressId) -> Option<&mut Address> {
        self.by_id.get_mut(&id)
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = &Address> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Adds or replaces what the log says of an address.
    pub(crate) fn put(
        &mut self,
        record: AddressRecord,
        settings: impl FnOnce(&str) -> Arc<AddressSettings>,
    ) {
        if let Some(address) = self.by_id.get_mut(&record.id) {
            address.record = record;
            return;
        }
        let id = record.id;
        if self.syntax.is_wildcard(&record.name) {
            self.wildcards.insert(&record.name, id);
            self.forget_reach();
        }
        self.by_name.insert(record.name.clone(), id);
        let settings = settings(&record.name);
        let address = Address {
            record,
            configured: false,
            queues: Vec::new(),
            settings,
            routed: 0,
            unrouted: 0,
            dropped: 0,
            dropped_expired: 0,
            dropped_dead: 0,
            next_anycast: 0,
            unused_since: None,
            reach: None,
            memory: Ledger::default(),
            holders: FxHashMap::default(),
            paging: Paging::default(),
            blocked: Spell::default(),
        };
        self.by_id.insert(id, address);
    }

    pub(crate) fn remove(&mut self, id: AddressId) {
        let Some(address) = self.by_id.remove(&id) else {
            return;
        };
        self.by_name.remove(&address.record.name);
        if self.syntax.is_wildcard(&address.record.name) {
            self.wildcards.remove(&address.record.name);
            self.forget_reach();
        }
    }

    pub(crate) fn bind(&mut self, id: AddressId, queue: QueueId) {
        let Some(address) = self.by_id.get_mut(&id) else {
            return;
        };
        if !address.queues.contains(&queue) {
            address.queues.push(queue);
        }
        self.changed(id);
    }

    pub(crate) fn unbind(&mut self, id: AddressId, queue: QueueId) {
        if let Some(address) = self.by_id.get_mut(&id) {
            address.queues.retain(|other| *other != queue);
        }
        self.changed(id);
    }

    /// The queues a message to this address may reach.
    pub(crate) fn reach(&mut self, id: AddressId) -> Arc<[QueueId]> {
        let Some(address) = self.by_id.get(&id) else {
            return Arc::from([]);
        };
        if let Some((as_of, reach)) = &address.reach
            && *as_of == self.wildcard_changes
        {
            return reach.clone();
        }
        let mut queues = address.queues.clone();
        if self.syntax.routing_enabled {
            let by_id = &self.by_id;
            self.wildcards
                .matching(&address.record.name, |_, wildcard: &AddressId| {
                    if *wildcard != id
                        && let Some(other) = by_id.get(wildcard)
                    {
                        queues.extend(&other.queues);
                    }
                });
        }
        let reach: Arc<[QueueId]> = queues.into();
        if let Some(address) = self.by_id.get_mut(&id) {
            address.reach = Some((self.wildcard_changes, reach.clone()));
        }
        reach
    }

    fn changed(&mut self, id: AddressId) {
        let Some(address) = self.by_id.get_mut(&id) else {
            return;
        };
        address.reach = None;
        if self.syntax.is_wildcard(&address.record.name) {
            self.forget_reach();
        }
    }

    fn forget_reach(&mut self) {
        self.wildcard_changes += 1;
    }
}
