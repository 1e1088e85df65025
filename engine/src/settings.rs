// SPDX-License-Identifier: Apache-2.0
//! What an operator decides for the engine: typed once at the edge, never a string that means a number.

use std::sync::Arc;
use std::time::Duration;

use crate::address::matches::Matches;
use crate::address::name::WildcardSyntax;
use crate::address::routing_type::RoutingType;
use crate::address::settings::AddressSettingsOverrides;
use crate::queue::QueueOptions;
use crate::security::permissions::Permissions;

/// Everything the engine is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses and queues that must exist.
    pub addresses: Vec<AddressDeployment>,
    /// What was written per match.
    pub address_settings: Matches<AddressSettingsOverrides>,
    /// Whether permissions are checked at all.
    pub security_enabled: bool,
    /// Permissions per match; only the most specific counts.
    pub security: Matches<Permissions>,
    /// Whether messages say which user sent them.
    pub populate_validated_user: bool,
    /// How wildcard addresses are written.
    pub wildcard: WildcardSyntax,
    /// Duplicate ids remembered per address.
    pub id_cache_size: u32,
    /// Whether they survive a restart.
    pub persist_id_cache: bool,
    /// How many delivery-count records one message may cause; `None`: any number.
    pub max_redelivery_records: Option<u32>,
    /// How often queues are searched for expired messages; `None`: only at delivery.
    pub expiry_scan_period: Option<Duration>,
    /// How often unused auto-created addresses and queues are looked for; `None`: never.
    pub address_queue_scan_period: Option<Duration>,
    /// How long a transaction may stay open.
    pub transaction_timeout: Duration,
    /// Whether a commit waits for the disk.
    pub sync_transactional: bool,
    /// Whether a durable send or an acknowledgement outside a transaction waits for the disk.
    pub sync_non_transactional: bool,
    /// `disk-full-policy` acts when so much of the disk is used, in percent, or more.
    pub max_disk_usage: Option<u8>,
    /// `disk-full-policy` acts when so little of the disk is free, in bytes, or less.
    pub min_disk_free: Option<u64>,
    /// Bytes of messages in memory, on all addresses together, from which on each follows its `address-full-policy`;
    /// `None`: any number.
    pub global_max_bytes: Option<u64>,
    /// The same as a number of messages.
    pub global_max_messages: Option<u64>,
    /// Bounds that no client may pass.
    pub limits: Limits,
}

impl Default for Settings {
    /// The defaults of Artemis's code, no addresses, no security.
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            address_settings: Matches::new(WildcardSyntax::default(), None),
            security_enabled: false,
            security: Matches::new(WildcardSyntax::default(), None),
            populate_validated_user: false,
            wildcard: WildcardSyntax::default(),
            id_cache_size: 20_000,
            persist_id_cache: true,
            max_redelivery_records: Some(10),
            expiry_scan_period: Some(Duration::from_secs(30)),
            address_queue_scan_period: Some(Duration::from_secs(30)),
            transaction_timeout: Duration::from_secs(300),
            sync_transactional: true,
            sync_non_transactional: true,
            max_disk_usage: Some(90),
            min_disk_free: None,
            global_max_bytes: None,
            global_max_messages: None,
            limits: Limits::default(),
        }
    }
}

/// Bounds on what one client can make the engine remember.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Operations in one open transaction.
    pub transaction_operations: usize,
    /// Bytes of messages in one open transaction.
    pub transaction_bytes: u64,
    /// Open transactions of one connection.
    pub transactions: usize,
    /// Bodies that one connection uploads at the same time.
    pub uploads: usize,
    /// Consumers of one connection.
    pub consumers: usize,
    /// Deliveries one consumer may leave unsettled, whatever its credit.
    pub unsettled: usize,
    /// Bytes of all retained messages.
    pub retained_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transaction_operations: 1_000_000,
            transaction_bytes: 1 << 30,
            transactions: 1_000,
            uploads: 1_000,
            consumers: 100_000,
            unsettled: 1_000_000,
            retained_bytes: 1 << 30,
        }
    }
}

/// An address of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressDeployment {
    /// Its name.
    pub name: Arc<str>,
    /// Its routing types; those of its queues are added.
    pub routing: Vec<RoutingType>,
    /// Its queues.
    pub queues: Vec<QueueDeployment>,
}

/// A queue of the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueDeployment {
    /// Its name.
    pub name: Arc<str>,
    /// Its routing type.
    pub routing: RoutingType,
    /// Selects what enters; empty = everything.
    pub filter: String,
    /// Survives a restart, with its durable messages.
    pub durable: bool,
    /// Who it is said to belong to.
    pub user: String,
    /// The rest.
    pub options: QueueOptions,
}
