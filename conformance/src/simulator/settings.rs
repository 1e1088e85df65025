// SPDX-License-Identifier: Apache-2.0
//! How a simulated broker is configured: everything small and quick, so that a short run meets every edge.

use std::time::Duration;

use hind_engine::address::matches::Matches;
use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::routing_type::RoutingType;
use hind_engine::address::settings::{AddressSettingsOverrides, Factor};
use hind_engine::queue::QueueOptions;
use hind_engine::security::permissions::{Permission, Permissions};
use hind_engine::settings::{AddressDeployment, QueueDeployment};
use hind_engine::storage::JournalSettings;

use super::client::FORBIDDEN;
use super::limits::Limits;
use super::model::{ATTEMPTS_MAX, DEAD_LETTERS, EXPIRED, ID_CACHE_SIZE, QUEUES, RETRIED};

/// The role of every simulated client.
pub const ROLE: &str = "everything";
/// The queue whose messages wait before they are tried again, and whose address stays when it is not used: an address that
/// goes takes its duplicate ids along, so that no producer may count on them elsewhere.
const LASTING: &str = QUEUES[RETRIED.0];
/// From this size on the body of a message goes to a file of its own.
pub const LARGE_FROM: u64 = 5_000;
/// Bytes of a journal segment.
pub const SEGMENT: usize = 64 * 1024;

/// What the node is told.
pub fn node(limits: Option<&Limits>) -> hind_ha::Settings {
    hind_ha::Settings {
        engine: hind_engine::settings::Settings {
            addresses: [DEAD_LETTERS, EXPIRED].map(given_up_to).to_vec(),
            address_settings: address_settings(limits),
            security_enabled: true,
            security: security(),
            id_cache_size: ID_CACHE_SIZE as u32,
            expiry_scan_period: Some(Duration::from_millis(20)),
            address_queue_scan_period: Some(Duration::from_millis(30)),
            transaction_timeout: Duration::from_secs(3_600),
            max_redelivery_records: None,
            global_max_bytes: limits.and_then(|limits| limits.global_bytes),
            ..hind_engine::settings::Settings::default()
        },
        journal: JournalSettings {
            file_size: SEGMENT as u64,
            ..JournalSettings::default()
        },
        ..hind_ha::Settings::default()
    }
}

/// How STOMP is served. Not every client promises to beat: the silence that ends the connection of one that does not has
/// to outlast a run's pauses. Every twentieth body or so is large.
pub fn stomp() -> hind_stomp::Options {
    hind_stomp::Options {
        large_message_bytes_min: Some(LARGE_FROM),
        connection_ttl: Some(Duration::from_secs(2)),
        ..hind_stomp::Options::default()
    }
}

fn given_up_to(name: &str) -> AddressDeployment {
    AddressDeployment {
        name: name.into(),
        routing: vec![RoutingType::Anycast],
        queues: vec![QueueDeployment {
            name: name.into(),
            routing: RoutingType::Anycast,
            filter: String::new(),
            durable: true,
            user: String::new(),
            options: QueueOptions::default(),
        }],
    }
}

fn address_settings(limits: Option<&Limits>) -> Matches<AddressSettingsOverrides> {
    let mut settings = Matches::new(WildcardSyntax::default(), None);
    let mut of_all = AddressSettingsOverrides {
        dead_letter_address: Some(Some(DEAD_LETTERS.to_owned())),
        expiry_address: Some(Some(EXPIRED.to_owned())),
        max_delivery_attempts: Some(Some(ATTEMPTS_MAX)),
        ..AddressSettingsOverrides::default()
    };
    for (name, mut overrides) in limits.into_iter().flat_map(Limits::settings) {
        if name == "#" {
            of_all.merge(&overrides);
        } else {
            overrides.merge(&of_all);
            settings.insert(name, overrides).expect("a right pattern");
        }
    }
    settings.insert("#", of_all).expect("a right pattern");
    let overrides = AddressSettingsOverrides {
        redelivery_delay: Some(Duration::from_millis(2)),
        redelivery_delay_multiplier: Some(Factor::from_millionths(1_500_000)),
        auto_delete_addresses: Some(false),
        ..AddressSettingsOverrides::default()
    };
    settings
        .insert(LASTING, overrides)
        .expect("a right pattern");
    settings
}

fn security() -> Matches<Permissions> {
    let mut everything = Permissions::default();
    for permission in Permission::ALL {
        everything.grant(*permission, ROLE);
    }
    let mut settings = Matches::new(WildcardSyntax::default(), None);
    settings.insert("#", everything).expect("a right pattern");
    settings
        .insert(FORBIDDEN, Permissions::default())
        .expect("a right pattern");
    settings
}
