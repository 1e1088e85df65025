// SPDX-License-Identifier: Apache-2.0
//! From what broker.xml says to what the node is told.

use std::fmt;
use std::sync::Arc;

use hind_engine::address::matches::{Matches, MisplacedAnyWords};
use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::settings::AddressSettings;
use hind_engine::queue::QueueOptions;
use hind_engine::settings::{AddressDeployment, QueueDeployment, Settings as EngineSettings};
use hind_engine::storage::JournalSettings;
use hind_ha::policy::HaPolicy;

use crate::addresses::{Address, Queue};
use crate::settings::Settings;

/// A match of address or security settings that the wildcard syntax does not allow.
#[derive(Debug)]
pub struct BadMatch(MisplacedAnyWords);

impl fmt::Display for BadMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for BadMatch {}

impl Settings {
    /// What the node is told.
    ///
    /// # Errors
    /// A match has its any-words wildcard in the middle.
    pub fn node(&self) -> Result<hind_ha::Settings, BadMatch> {
        Ok(hind_ha::Settings {
            engine: self.engine()?,
            journal: self.journal_settings(),
            policy: HaPolicy::PrimaryOnly,
        })
    }

    fn engine(&self) -> Result<EngineSettings, BadMatch> {
        let wildcard = WildcardSyntax {
            delimiter: self.wildcards.delimiter,
            any_words: self.wildcards.any_words,
            single_word: self.wildcards.single_word,
            routing_enabled: self.wildcards.routing_enabled,
        };
        let mut address_settings = Matches::new(wildcard, self.literal_match_markers);
        for (pattern, overrides) in &self.address_settings {
            address_settings
                .insert(pattern, overrides.clone())
                .map_err(BadMatch)?;
        }
        let mut security = Matches::new(wildcard, None);
        for (pattern, permissions) in &self.security.matches {
            security
                .insert(pattern, permissions.clone())
                .map_err(BadMatch)?;
        }
        let settings_of = |address: &str| AddressSettings::merged(address_settings.all(address));
        let addresses = self
            .addresses
            .iter()
            .map(|address| deployment(address, &settings_of(&address.name)))
            .collect();
        Ok(EngineSettings {
            addresses,
            security_enabled: self.security.enabled,
            security,
            wildcard,
            id_cache_size: self.ids.id_cache_size,
            persist_id_cache: self.ids.persist_id_cache,
            max_redelivery_records: self.ids.max_redelivery_records,
            expiry_scan_period: self.periods.message_expiry_scan,
            address_queue_scan_period: self.periods.address_queue_scan,
            transaction_timeout: self.periods.transaction_timeout,
            sync_transactional: self.journal.sync_transactional,
            sync_non_transactional: self.journal.sync_non_transactional,
            // Where `min-disk-free` is given it rules alone.
            max_disk_usage: self
                .limits
                .max_disk_usage
                .filter(|_| self.limits.min_disk_free.is_none()),
            min_disk_free: self.limits.min_disk_free,
            address_settings,
            ..EngineSettings::default()
        })
    }

    fn journal_settings(&self) -> JournalSettings {
        JournalSettings {
            file_size: self.journal.file_size,
            compact_min_files: self.journal.compact_min_files,
            compact_percentage: self.journal.compact_percentage,
            pool_files: self
                .journal
                .pool_files
                .and_then(|files| i32::try_from(files).ok())
                .unwrap_or(-1),
            sync_transactional: self.journal.sync_transactional,
            sync_non_transactional: self.journal.sync_non_transactional,
            datasync: self.journal.datasync,
            persistence: self.persistence_enabled,
        }
    }
}

fn deployment(address: &Address, settings: &AddressSettings) -> AddressDeployment {
    AddressDeployment {
        name: address.name.as_str().into(),
        routing: address.routing_types.iter().copied().collect(),
        queues: address
            .queues
            .iter()
            .map(|queue| queue_deployment(queue, settings))
            .collect(),
    }
}

fn queue_deployment(queue: &Queue, settings: &AddressSettings) -> QueueDeployment {
    QueueDeployment {
        name: Arc::from(queue.name.as_str()),
        routing: queue.routing_type,
        filter: queue.filter.clone().unwrap_or_default(),
        durable: queue.durable,
        user: queue.user.clone().unwrap_or_default(),
        options: QueueOptions {
            max_consumers: queue
                .max_consumers
                .unwrap_or(settings.default_max_consumers),
            purge_on_no_consumers: queue.purge_on_no_consumers,
            enabled: queue.enabled.unwrap_or(true),
        },
    }
}
