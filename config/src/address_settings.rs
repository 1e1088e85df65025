// SPDX-License-Identifier: Apache-2.0
//! `<address-settings>`: what each `<address-setting match="…">` wrote.

use std::time::Duration;

use hind_engine::address::routing_type::RoutingType;
use hind_engine::address::settings::{
    AddressFullPolicy, AddressSettingsOverrides, DeletionPolicy, DiskFullPolicy, Factor,
    PageFullPolicy, SlowConsumerPolicy, SlowConsumerThresholdMeasurementUnit,
};

use crate::error::{Effective, Findings, Level, Origin};
use crate::reader::{limited, milliseconds};
use crate::value;
use crate::xml::Element;

/// Every match with what was written for it, in the order of the file. A match that is written twice counts as last
/// written, with a WARN.
pub(crate) fn read(
    core: &Element,
    findings: &mut Findings,
) -> Vec<(String, AddressSettingsOverrides)> {
    let mut settings: Vec<(String, AddressSettingsOverrides)> = Vec::new();
    for setting in core
        .all("address-settings")
        .flat_map(|all| all.all("address-setting"))
    {
        let Some(pattern) = setting.attribute("match") else {
            continue;
        };
        let mut overrides = AddressSettingsOverrides::default();
        for child in &setting.children {
            written(child, &mut overrides);
            findings.effective.push(Effective {
                name: format!("address-settings[{}]/{}", pattern.value, child.name),
                value: child.text.clone(),
                origin: Origin::Written(child.text_position.clone()),
            });
        }
        if let Some((_, first)) = settings
            .iter_mut()
            .find(|(other, _)| *other == pattern.value)
        {
            let text = format!(
                "a second <address-setting match=\"{}\"> replaces the first",
                pattern.value
            );
            findings.note(Level::Warn, &pattern.position, "address-setting", text);
            *first = overrides;
        } else {
            settings.push((pattern.value.clone(), overrides));
        }
    }
    page_limits(core, &settings, findings);
    settings
}

/// A page limit acts only together with `page-full-policy`: the one without the other is said to be ignored, unless
/// another match may complete it.
fn page_limits(
    core: &Element,
    settings: &[(String, AddressSettingsOverrides)],
    findings: &mut Findings,
) {
    let limited = |settings: &AddressSettingsOverrides| {
        settings.page_limit_bytes.flatten().is_some()
            || settings.page_limit_messages.flatten().is_some()
    };
    let any_limit = settings.iter().any(|(_, settings)| limited(settings));
    let any_policy = settings
        .iter()
        .any(|(_, settings)| settings.page_full_policy.flatten().is_some());
    for setting in core
        .all("address-settings")
        .flat_map(|all| all.all("address-setting"))
    {
        if let Some((element, text)) = ignored_page_limit(setting, any_limit, any_policy)
            && let Some(child) = setting.child(element)
        {
            findings.note(Level::Warn, &child.text_position, element, text);
        }
    }
}

/// The element of a setting that is ignored for want of another, and what is to be said of it.
fn ignored_page_limit(
    setting: &Element,
    any_limit: bool,
    any_policy: bool,
) -> Option<(&'static str, String)> {
    let name = setting.attribute("match").map_or("", |of| &of.value);
    let text = |name: &str| setting.child(name).map(|child| child.text.as_str());
    if let Some(policy) = text("page-full-policy").filter(|_| !any_limit) {
        let text = format!(
            "AMQ224124: Address {name} has page-full-policy={policy} but neither page-limit-bytes nor \
             page-limit-messages are set. Page full configuration being ignored on this address."
        );
        return Some(("page-full-policy", text));
    }
    let limit = |name: &str| text(name).filter(|limit| *limit != "-1");
    let (bytes, messages) = (limit("page-limit-bytes"), limit("page-limit-messages"));
    let element = match (bytes, messages) {
        (Some(_), _) => "page-limit-bytes",
        (None, Some(_)) => "page-limit-messages",
        (None, None) => return None,
    };
    let text = format!(
        "AMQ224125: Address {name} has page-limit-bytes={} and page-limit-messages={} but no page-full-policy set. \
         Page full configuration being ignored on this address",
        bytes.unwrap_or("null"),
        messages.unwrap_or("null")
    );
    (!any_policy).then_some((element, text))
}

/// One type of the settings, and how it is written.
trait FromXml: Sized {
    fn from_xml(text: &str) -> Option<Self>;
}

impl FromXml for bool {
    fn from_xml(text: &str) -> Option<Self> {
        value::boolean(text, false)
    }
}

impl FromXml for String {
    fn from_xml(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl FromXml for Option<String> {
    fn from_xml(text: &str) -> Option<Self> {
        Some((!text.is_empty()).then(|| text.to_owned()))
    }
}

impl FromXml for u32 {
    fn from_xml(text: &str) -> Option<Self> {
        value::integer(text)?.try_into().ok()
    }
}

impl FromXml for u64 {
    fn from_xml(text: &str) -> Option<Self> {
        value::bytes(text)?.try_into().ok()
    }
}

impl FromXml for Option<u32> {
    fn from_xml(text: &str) -> Option<Self> {
        limited(value::integer(text)?)
    }
}

impl FromXml for Option<u64> {
    fn from_xml(text: &str) -> Option<Self> {
        limited(value::bytes(text)?)
    }
}

impl FromXml for Duration {
    fn from_xml(text: &str) -> Option<Self> {
        milliseconds(text).flatten()
    }
}

impl FromXml for Option<Duration> {
    fn from_xml(text: &str) -> Option<Self> {
        milliseconds(text)
    }
}

impl FromXml for Factor {
    fn from_xml(text: &str) -> Option<Self> {
        value::decimal(text)
    }
}

macro_rules! words {
    ($($name:ident),+) => { $(impl FromXml for $name {
        fn from_xml(text: &str) -> Option<Self> { $name::from_word(text) }
    })+ };
}
words!(
    AddressFullPolicy,
    DeletionPolicy,
    DiskFullPolicy,
    PageFullPolicy,
    RoutingType,
    SlowConsumerPolicy,
    SlowConsumerThresholdMeasurementUnit
);

/// The fields whose XML name is the field's own with dashes and whose type says how it is written.
macro_rules! written {
    ($($field:ident),+ $(,)?) => {
        /// Takes one child over. A wrong value has been reported by the check and stays unwritten.
        fn written(child: &Element, settings: &mut AddressSettingsOverrides) {
            let name = child.name.replace('-', "_");
            match name.as_str() {
                $(stringify!($field) => settings.$field = FromXml::from_xml(&child.text),)+
                "last_value_queue" => settings.default_last_value_queue = FromXml::from_xml(&child.text),
                "slow_consumer_check_period" => {
                    settings.slow_consumer_check_period = u64::from_xml(&child.text).map(Duration::from_secs);
                }
                "max_delivery_attempts" => {
                    // 0 means the same as −1: a message never dies.
                    let attempts: Option<Option<u32>> = FromXml::from_xml(&child.text);
                    settings.max_delivery_attempts = attempts.map(|attempts| attempts.filter(|count| *count > 0));
                }
                "id_cache_size" => settings.id_cache_size = u32::from_xml(&child.text).map(Some),
                _ => {}
            }
        }

        #[cfg(test)]
        const FIELDS: &[&str] =
            &[$(stringify!($field)),+, "slow_consumer_check_period", "max_delivery_attempts", "id_cache_size"];
    };
}

written! {
    dead_letter_address, auto_create_dead_letter_resources, dead_letter_queue_prefix, dead_letter_queue_suffix,
    expiry_address, auto_create_expiry_resources, expiry_queue_prefix, expiry_queue_suffix, no_expiry, expiry_delay,
    min_expiry_delay, max_expiry_delay, redelivery_delay, redelivery_delay_multiplier,
    redelivery_collision_avoidance_factor, max_redelivery_delay, max_size_bytes, max_size_messages, page_limit_bytes,
    page_limit_messages, max_size_bytes_reject_threshold, page_size_bytes, page_max_cache_size,
    max_read_page_messages, prefetch_page_messages, max_read_page_bytes, prefetch_page_bytes, address_full_policy,
    disk_full_policy, page_full_policy, message_counter_history_day_limit, default_last_value_queue,
    default_last_value_key, default_non_destructive, default_exclusive_queue, default_group_rebalance,
    default_group_rebalance_pause_dispatch, default_group_buckets, default_group_first_key,
    default_consumers_before_dispatch, default_delay_before_dispatch, redistribution_delay, send_to_dla_on_no_route,
    slow_consumer_threshold, slow_consumer_threshold_measurement_unit, slow_consumer_policy, auto_create_jms_queues,
    auto_delete_jms_queues, auto_create_jms_topics, auto_delete_jms_topics, auto_create_queues, auto_delete_queues,
    auto_delete_created_queues, auto_delete_queues_delay, auto_delete_queues_message_count,
    auto_delete_queues_skip_usage_check, config_delete_queues, auto_create_addresses, auto_delete_addresses,
    auto_delete_addresses_delay, auto_delete_addresses_skip_usage_check, config_delete_addresses,
    config_delete_diverts, management_browse_page_size, management_message_attribute_size_limit,
    default_purge_on_no_consumers, default_max_consumers, default_queue_routing_type, default_address_routing_type,
    default_consumer_window_size, default_ring_size, retroactive_message_count, enable_metrics,
    enable_ingress_timestamp, initial_queue_buffer_size,
}

impl FromXml for Option<DiskFullPolicy> {
    fn from_xml(text: &str) -> Option<Self> {
        DiskFullPolicy::from_word(text).map(Some)
    }
}

impl FromXml for Option<PageFullPolicy> {
    fn from_xml(text: &str) -> Option<Self> {
        PageFullPolicy::from_word(text).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_taken_over() {
        let mut known: Vec<&str> = AddressSettingsOverrides::NAMES.to_vec();
        let mut taken: Vec<&str> = FIELDS.to_vec();
        known.sort_unstable();
        taken.sort_unstable();
        assert_eq!(known, taken);
    }
}
