// SPDX-License-Identifier: Apache-2.0
//! What may be chosen about a queue.

use std::sync::Arc;

/// What an operator or a client may choose about a queue beyond its name, filter and routing type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueOptions {
    /// Consumers it may have at once; `None`: any number.
    pub max_consumers: Option<u32>,
    /// Emptied when the last consumer leaves.
    pub purge_on_no_consumers: bool,
    /// Takes messages at all.
    pub enabled: bool,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            max_consumers: None,
            purge_on_no_consumers: false,
            enabled: true,
        }
    }
}

impl QueueOptions {
    /// As name and value, for the log; only what differs from the default.
    pub fn to_record(self) -> Vec<(Arc<str>, Arc<str>)> {
        let mut options: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        if !self.enabled {
            options.push(("enabled".into(), "false".into()));
        }
        if let Some(max) = self.max_consumers {
            options.push(("max-consumers".into(), max.to_string().into()));
        }
        if self.purge_on_no_consumers {
            options.push(("purge-on-no-consumers".into(), "true".into()));
        }
        options
    }

    /// Back from the log; names of a later version are left out.
    pub fn from_record(record: &[(Arc<str>, Arc<str>)]) -> Self {
        let mut options = Self::default();
        for (name, value) in record {
            match &**name {
                "enabled" => options.enabled = &**value == "true",
                "max-consumers" => options.max_consumers = value.parse().ok(),
                "purge-on-no-consumers" => options.purge_on_no_consumers = &**value == "true",
                _ => {}
            }
        }
        options
    }
}
