// SPDX-License-Identifier: Apache-2.0
//! What of the settings the node is told: the engine's, the journal's and the policy's part.

use hind_engine::address::matches::Matches;
use hind_engine::address::settings::{AddressSettings, AddressSettingsOverrides};
use hind_engine::queue::QueueOptions;
use hind_engine::settings::{AddressDeployment, QueueDeployment};
use hind_engine::storage::JournalSettings;
use hind_ha::policy::HaPolicy;

use crate::addresses::{Address, Queue};
use crate::paging::GlobalMaxSize;
use crate::settings::Settings;

impl Settings {
    /// The part of the node, with its engine, journal and policy. What a client may make the engine remember
    /// (`Limits`) is not written in broker.xml and stays at its defaults; a `global-max-size` that is a share of the
    /// memory is not limited here: who knows the memory sets it.
    #[must_use]
    pub fn node(&self) -> hind_ha::node::Settings {
        hind_ha::node::Settings {
            engine: self.engine(),
            journal: self.storage(),
            policy: HaPolicy::PrimaryOnly,
        }
    }

    fn engine(&self) -> hind_engine::settings::Settings {
        let address_settings = self.matches(&self.address_settings);
        hind_engine::settings::Settings {
            addresses: self
                .addresses
                .iter()
                .map(|address| deployment(address, &address_settings))
                .collect(),
            address_settings,
            security_enabled: self.security.enabled,
            security: self.matches(&self.security.matches),
            populate_validated_user: self.security.populate_validated_user,
            wildcard: self.wildcards,
            id_cache_size: self.ids.id_cache_size,
            persist_id_cache: self.ids.persist_id_cache,
            max_redelivery_records: self.ids.max_redelivery_records,
            expiry_scan_period: self.periods.message_expiry_scan,
            address_queue_scan_period: self.periods.address_queue_scan,
            transaction_timeout: self.periods.transaction_timeout,
            sync_transactional: self.journal.sync_transactional,
            sync_non_transactional: self.journal.sync_non_transactional,
            sync_large_messages: self.journal.large_message_sync,
            // Where `min-disk-free` is given it rules alone.
            max_disk_usage: self
                .limits
                .max_disk_usage
                .filter(|_| self.limits.min_disk_free.is_none()),
            min_disk_free: self.limits.min_disk_free,
            global_max_bytes: match self.limits.global_max_size {
                GlobalMaxSize::Bytes(bytes) => Some(bytes),
                GlobalMaxSize::PercentOfMemory(_) => None,
            },
            global_max_messages: self.limits.global_max_messages,
            limits: hind_engine::settings::Limits::default(),
        }
    }

    fn storage(&self) -> JournalSettings {
        JournalSettings {
            file_size: self.journal.file_size,
            compact_min_files: self.journal.compact_min_files,
            compact_percentage: self.journal.compact_percentage,
            pool_files: self
                .journal
                .pool_files
                .map_or(-1, |count| i32::try_from(count).unwrap_or(i32::MAX)),
            datasync: self.journal.datasync,
            persistence: self.persistence_enabled,
        }
    }

    fn matches<T: Clone>(&self, written: &[(String, T)]) -> Matches<T> {
        let mut matches = Matches::new(self.wildcards, self.literal_match_markers);
        for (pattern, value) in written {
            matches
                .insert(pattern, value.clone())
                .expect("every match was tried when it was read");
        }
        matches
    }
}

fn deployment(
    address: &Address,
    settings: &Matches<AddressSettingsOverrides>,
) -> AddressDeployment {
    let ruling = AddressSettings::merged(settings.all(&address.name));
    AddressDeployment {
        name: address.name.as_str().into(),
        routing: address.routing_types.iter().copied().collect(),
        queues: address
            .queues
            .iter()
            .map(|queue| queue_deployment(queue, &ruling))
            .collect(),
    }
}

fn queue_deployment(queue: &Queue, ruling: &AddressSettings) -> QueueDeployment {
    QueueDeployment {
        name: queue.name.as_str().into(),
        routing: queue.routing_type,
        filter: queue.filter.clone().unwrap_or_default(),
        durable: queue.durable,
        user: queue.user.clone().unwrap_or_default(),
        options: QueueOptions {
            max_consumers: queue.max_consumers.unwrap_or(ruling.default_max_consumers),
            purge_on_no_consumers: queue.purge_on_no_consumers,
            enabled: queue.enabled.unwrap_or(true),
        },
    }
}
