// SPDX-License-Identifier: Apache-2.0
//! Address settings, typed: what the broker does on an address, by the address-setting keys of broker.xml.
//!
//! Two types come out of one table. [`AddressSettingsOverrides`] is what one `<address-setting match="…">` wrote:
//! every field an `Option`, absent meaning "not written". [`AddressSettings`] is what rules an address once all
//! matching settings have been merged from the most specific to the least specific and the defaults filled in.
//! Field names are the XML names in snake_case; defaults are those of the broker's code (which is what rules where
//! the XML says nothing), not those of the file that `create` writes.

use std::fmt;
use std::time::Duration;

use super::routing_type::RoutingType;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// Every word of the vocabulary, in the order in which error texts list them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as written in broker.xml.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the word exactly as written in broker.xml; the schema is case-sensitive.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.word())
            }
        }
    };
}

words! {
    /// What happens to a send when the address is over its limit (`address-full-policy`).
    AddressFullPolicy {
        /// Further messages go to page files and come back in order.
        Page = "PAGE",
        /// The producer gets no more credit until there is room.
        Block = "BLOCK",
        /// The send is refused.
        Fail = "FAIL",
        /// The message is discarded silently.
        Drop = "DROP",
    }
}

words! {
    /// What happens to a send when the page limit of the address is reached (`page-full-policy`).
    PageFullPolicy {
        /// The message is discarded silently.
        Drop = "DROP",
        /// The send is refused.
        Fail = "FAIL",
    }
}

words! {
    /// What happens to a send when the disk is over its limit (`disk-full-policy`).
    DiskFullPolicy {
        /// The message is discarded silently.
        Drop = "DROP",
        /// The producer gets no more credit until there is room.
        Block = "BLOCK",
        /// The send is refused.
        Fail = "FAIL",
    }
}

words! {
    /// What is done about a consumer slower than `slow-consumer-threshold`.
    SlowConsumerPolicy {
        /// Its connection is closed.
        Kill = "KILL",
        /// A management notification is sent, nothing else.
        Notify = "NOTIFY",
    }
}

words! {
    /// The unit in which `slow-consumer-threshold` is counted.
    SlowConsumerThresholdMeasurementUnit {
        /// Messages in a second.
        MessagesPerSecond = "MESSAGES_PER_SECOND",
        /// Messages in a minute.
        MessagesPerMinute = "MESSAGES_PER_MINUTE",
        /// Messages in an hour.
        MessagesPerHour = "MESSAGES_PER_HOUR",
        /// Messages in a day.
        MessagesPerDay = "MESSAGES_PER_DAY",
    }
}

impl SlowConsumerThresholdMeasurementUnit {
    /// The time over which the threshold counts messages.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_secs(match self {
            Self::MessagesPerSecond => 1,
            Self::MessagesPerMinute => 60,
            Self::MessagesPerHour => 3_600,
            Self::MessagesPerDay => 86_400,
        })
    }
}

words! {
    /// What a configuration reload does with resources that are no longer written in broker.xml.
    DeletionPolicy {
        /// They stay.
        Off = "OFF",
        /// They are deleted, messages included.
        Force = "FORCE",
    }
}

/// A non-negative decimal factor, exact to a millionth, so that delays computed from it are the same on every
/// machine and in every replay (a float is not).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor {
    millionths: u64,
}

impl Factor {
    /// Zero.
    pub const ZERO: Self = Self { millionths: 0 };
    /// One.
    pub const ONE: Self = Self {
        millionths: 1_000_000,
    };

    /// The factor `millionths / 1,000,000`.
    #[must_use]
    pub const fn from_millionths(millionths: u64) -> Self {
        Self { millionths }
    }

    /// How many millionths of one.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.millionths
    }

    /// `duration` times this factor, rounded down to a nanosecond; the largest duration if it would overflow.
    #[must_use]
    pub fn times(self, duration: Duration) -> Duration {
        let nanos = duration
            .as_nanos()
            .checked_mul(u128::from(self.millionths))
            .map(|product| product / 1_000_000);
        let Some(nanos) = nanos else {
            return Duration::MAX;
        };
        match u64::try_from(nanos / 1_000_000_000) {
            Ok(seconds) => {
                Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).unwrap_or(0))
            }
            Err(_) => Duration::MAX,
        }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!(
            "{}.{:06}",
            self.millionths / 1_000_000,
            self.millionths % 1_000_000
        );
        let short = text.trim_end_matches('0');
        formatter.write_str(if short.ends_with('.') {
            &text[..=short.len()]
        } else {
            short
        })
    }
}

/// One line per key: XML name in snake_case, type, default. A default may use the fields above it: the
/// code's own default for `max-redelivery-delay`, say, is ten times whatever `redelivery-delay` turns out to be.
macro_rules! address_settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr;)+) => {
        /// What rules one address, every key decided.
        ///
        /// `None` is always a real value — no dead letter address, no limit, never —, never "not written".
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct AddressSettings { $($(#[$doc])* pub $name: $type),+ }

        /// What one `<address-setting>` wrote; `None` = not written, so that a less specific match or the default rules.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct AddressSettingsOverrides { $($(#[$doc])* pub $name: Option<$type>),+ }

        impl AddressSettingsOverrides {
            /// Every key, XML name in snake_case, in the order of the table.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// Takes from `less_specific` whatever is not written here.
            pub fn merge(&mut self, less_specific: &Self) {
                $(if self.$name.is_none() { self.$name.clone_from(&less_specific.$name); })+
            }

            /// Fills what is not written with the defaults.
            #[must_use]
            pub fn resolve(self) -> AddressSettings {
                $(let $name: $type = match self.$name { Some(written) => written, None => $default };)+
                AddressSettings { $($name),+ }
            }

            /// The keys that are written, with their values in `Debug` form.
            #[must_use]
            pub fn written(&self) -> Vec<(&'static str, String)> {
                let mut written = Vec::new();
                $(if let Some(value) = &self.$name { written.push((stringify!($name), format!("{value:?}"))); })+
                written
            }
        }
    };
}

const MEBIBYTE: u64 = 1024 * 1024;

address_settings! {
    /// Where messages go that were delivered `max-delivery-attempts` times; `None`: they are discarded.
    dead_letter_address: Option<String> = None;
    /// Create the dead letter address and one queue per original address when the first message dies.
    auto_create_dead_letter_resources: bool = false;
    /// Name of an auto-created dead letter queue: this, the original address, the suffix.
    dead_letter_queue_prefix: String = "DLQ.".to_owned();
    /// See `dead_letter_queue_prefix`.
    dead_letter_queue_suffix: String = String::new();
    /// Where expired messages go; `None`: they are discarded.
    expiry_address: Option<String> = None;
    /// Create the expiry address and one queue per original address when the first message expires.
    auto_create_expiry_resources: bool = false;
    /// Name of an auto-created expiry queue: this, the original address, the suffix.
    expiry_queue_prefix: String = "EXP.".to_owned();
    /// See `expiry_queue_prefix`.
    expiry_queue_suffix: String = String::new();
    /// Messages never expire here, whatever they ask for.
    no_expiry: bool = false;
    /// Given to messages that ask for no expiry; `None`: they keep none.
    expiry_delay: Option<Duration> = None;
    /// Shorter times to live are raised to this.
    min_expiry_delay: Option<Duration> = None;
    /// Longer times to live (and none) are cut to this.
    max_expiry_delay: Option<Duration> = None;
    /// Wait before a cancelled message is delivered again.
    redelivery_delay: Duration = Duration::ZERO;
    /// Each further wait is the last one times this.
    redelivery_delay_multiplier: Factor = Factor::ONE;
    /// Random spread of the wait, as a part of it: 0 to 1.
    redelivery_collision_avoidance_factor: Factor = Factor::ZERO;
    /// The longest wait; when not written ten times `redelivery-delay`.
    max_redelivery_delay: Duration = redelivery_delay.saturating_mul(10);
    /// Deliveries before a message is dead; `None`: it never dies.
    max_delivery_attempts: Option<u32> = Some(10);
    /// Bytes the address may hold before `address-full-policy` applies; `None`: no limit.
    max_size_bytes: Option<u64> = None;
    /// Messages the address may hold before `address-full-policy` applies; `None`: no limit.
    max_size_messages: Option<u64> = None;
    /// Bytes in page files before `page-full-policy` applies.
    page_limit_bytes: Option<u64> = None;
    /// Messages in page files before `page-full-policy` applies.
    page_limit_messages: Option<u64> = None;
    /// Under `BLOCK`, bytes above which sends are refused although the producer had credit.
    max_size_bytes_reject_threshold: Option<u64> = None;
    /// Size of one page file.
    page_size_bytes: u64 = 10 * MEBIBYTE;
    /// Has had no effect since 2.2x; kept because files still write it.
    page_max_cache_size: u32 = 5;
    /// Messages read from pages into memory at most; `None`: no limit.
    max_read_page_messages: Option<u64> = None;
    /// Messages read ahead from pages.
    prefetch_page_messages: Option<u64> = max_read_page_messages;
    /// Bytes read from pages into memory at most; when not written two pages.
    max_read_page_bytes: Option<u64> = Some(page_size_bytes.saturating_mul(2));
    /// Bytes read ahead from pages.
    prefetch_page_bytes: Option<u64> = max_read_page_bytes;
    /// What happens to a send over the limit.
    address_full_policy: AddressFullPolicy = AddressFullPolicy::Page;
    /// What happens to a send on a full disk; `None`: the broker's own answer by protocol (block).
    disk_full_policy: Option<DiskFullPolicy> = None;
    /// What happens to a send over the page limit; `None`: the page limit does not apply.
    page_full_policy: Option<PageFullPolicy> = None;
    /// Days of message-counter history.
    message_counter_history_day_limit: u32 = 0;
    /// Queues are last-value queues unless they say otherwise. `last-value-queue` is the old name of this key.
    default_last_value_queue: bool = false;
    /// The property that is the last-value key; `None`: `_AMQ_LVQ_NAME`.
    default_last_value_key: Option<String> = None;
    /// Queues are non-destructive unless they say otherwise.
    default_non_destructive: bool = false;
    /// Queues are exclusive unless they say otherwise.
    default_exclusive_queue: bool = false;
    /// Groups are reassigned when a consumer is added.
    default_group_rebalance: bool = false;
    /// Delivery pauses while groups are reassigned.
    default_group_rebalance_pause_dispatch: bool = false;
    /// How many buckets groups are hashed into; `None`: one per group; 0: groups are off.
    default_group_buckets: Option<u32> = None;
    /// The property that marks the first message of a group; `None`: none is marked.
    default_group_first_key: Option<String> = None;
    /// Consumers needed before delivery starts.
    default_consumers_before_dispatch: u32 = 0;
    /// Longest wait for those consumers; `None`: without end.
    default_delay_before_dispatch: Option<Duration> = None;
    /// Wait before messages move to a member with consumers; `None`: they never move.
    redistribution_delay: Option<Duration> = None;
    /// Messages routed to no queue go to the dead letter address.
    send_to_dla_on_no_route: bool = false;
    /// Slower than this is slow; `None`: nobody is.
    slow_consumer_threshold: Option<u64> = None;
    /// Unit of the threshold.
    slow_consumer_threshold_measurement_unit: SlowConsumerThresholdMeasurementUnit =
        SlowConsumerThresholdMeasurementUnit::MessagesPerSecond;
    /// What is done about a slow consumer.
    slow_consumer_policy: SlowConsumerPolicy = SlowConsumerPolicy::Notify;
    /// How often consumers are measured; written in seconds.
    slow_consumer_check_period: Duration = Duration::from_secs(5);
    /// Deprecated since 2.0, without effect beside `auto-create-queues`.
    auto_create_jms_queues: bool = true;
    /// Deprecated since 2.0, without effect beside `auto-delete-queues`.
    auto_delete_jms_queues: bool = true;
    /// Deprecated since 2.0, without effect beside `auto-create-addresses`.
    auto_create_jms_topics: bool = true;
    /// Deprecated since 2.0, without effect beside `auto-delete-addresses`.
    auto_delete_jms_topics: bool = true;
    /// A send to or consumer on a missing queue creates it.
    auto_create_queues: bool = true;
    /// Auto-created queues are deleted once unused.
    auto_delete_queues: bool = true;
    /// So are queues that an operator created.
    auto_delete_created_queues: bool = false;
    /// How long a queue must have been unused.
    auto_delete_queues_delay: Duration = Duration::ZERO;
    /// Messages a queue may still hold when it is auto-deleted; `None`: any number.
    auto_delete_queues_message_count: Option<u64> = Some(0);
    /// Delete queues that were never used at all.
    auto_delete_queues_skip_usage_check: bool = false;
    /// What a reload does with queues that left broker.xml.
    config_delete_queues: DeletionPolicy = DeletionPolicy::Off;
    /// A send to a missing address creates it.
    auto_create_addresses: bool = true;
    /// Auto-created addresses are deleted once they have no queues.
    auto_delete_addresses: bool = true;
    /// How long an address must have been unused.
    auto_delete_addresses_delay: Duration = Duration::ZERO;
    /// Delete addresses that were never used at all.
    auto_delete_addresses_skip_usage_check: bool = false;
    /// What a reload does with addresses that left broker.xml.
    config_delete_addresses: DeletionPolicy = DeletionPolicy::Off;
    /// What a reload does with diverts that left broker.xml.
    config_delete_diverts: DeletionPolicy = DeletionPolicy::Off;
    /// Messages per page when management browses a queue.
    management_browse_page_size: u32 = 200;
    /// Characters of a property shown by management; `None`: all.
    management_message_attribute_size_limit: Option<u32> = Some(256);
    /// Queues are emptied when their last consumer leaves, unless they say otherwise.
    default_purge_on_no_consumers: bool = false;
    /// Consumers a queue may have; `None`: any number.
    default_max_consumers: Option<u32> = None;
    /// Routing type of queues created without one.
    default_queue_routing_type: RoutingType = RoutingType::Multicast;
    /// Routing type of addresses created without one.
    default_address_routing_type: RoutingType = RoutingType::Multicast;
    /// Bytes of credit a Core consumer starts with; `None`: unbounded; 0: one message at a time.
    default_consumer_window_size: Option<u64> = Some(MEBIBYTE);
    /// Messages a ring queue keeps; `None`: not a ring queue.
    default_ring_size: Option<u64> = None;
    /// Messages kept for queues that are created later; 0: none.
    retroactive_message_count: u64 = 0;
    /// Metrics are published for this address and its queues.
    enable_metrics: bool = true;
    /// Messages are stamped with the time they came in.
    enable_ingress_timestamp: bool = false;
    /// Duplicate ids remembered; `None`: the broker's `id-cache-size`.
    id_cache_size: Option<u32> = None;
    /// First capacity of a queue's buffers; a power of two.
    initial_queue_buffer_size: u32 = 8192;
}

impl AddressSettings {
    /// The settings of an address from all that matched it, most specific first; with none, the defaults.
    #[must_use]
    pub fn merged<'a>(matches: impl IntoIterator<Item = &'a AddressSettingsOverrides>) -> Self {
        let mut merged = AddressSettingsOverrides::default();
        for overrides in matches {
            merged.merge(overrides);
        }
        merged.resolve()
    }
}

impl Default for AddressSettings {
    fn default() -> Self {
        AddressSettingsOverrides::default().resolve()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_78_keys_besides_the_alias_last_value_queue() {
        assert_eq!(AddressSettingsOverrides::NAMES.len(), 78);
    }

    #[test]
    fn the_most_specific_written_value_rules() {
        let specific = AddressSettingsOverrides {
            max_delivery_attempts: Some(None),
            ..Default::default()
        };
        let general = AddressSettingsOverrides {
            max_delivery_attempts: Some(Some(3)),
            dead_letter_address: Some(Some("DLQ".to_owned())),
            ..Default::default()
        };
        let settings = AddressSettings::merged([&specific, &general]);
        assert_eq!(
            settings.max_delivery_attempts, None,
            "unlimited is written, so the general 3 does not rule"
        );
        assert_eq!(settings.dead_letter_address.as_deref(), Some("DLQ"));
        assert_eq!(settings.address_full_policy, AddressFullPolicy::Page);
    }

    #[test]
    fn defaults_follow_the_keys_they_depend_on() {
        let written = AddressSettingsOverrides {
            redelivery_delay: Some(Duration::from_millis(50)),
            page_size_bytes: Some(1000),
            ..Default::default()
        };
        let settings = written.resolve();
        assert_eq!(settings.max_redelivery_delay, Duration::from_millis(500));
        assert_eq!(settings.max_read_page_bytes, Some(2000));
        assert_eq!(settings.prefetch_page_bytes, Some(2000));
    }

    #[test]
    fn a_factor_multiplies_exactly_and_saturates() {
        let one_and_a_half = Factor::from_millionths(1_500_000);
        assert_eq!(
            one_and_a_half.times(Duration::from_millis(5)),
            Duration::from_micros(7500)
        );
        assert_eq!(
            Factor::from_millionths(u64::MAX).times(Duration::MAX),
            Duration::MAX
        );
        assert_eq!(one_and_a_half.to_string(), "1.5");
        assert_eq!(Factor::ONE.to_string(), "1.0");
        assert_eq!(Factor::from_millionths(10_000_000).to_string(), "10.0");
    }

    #[test]
    fn policy_words_read_back_and_only_in_upper_case() {
        for word in AddressFullPolicy::WORDS {
            assert_eq!(
                AddressFullPolicy::from_word(word).map(AddressFullPolicy::word),
                Some(*word)
            );
        }
        assert_eq!(AddressFullPolicy::from_word("Page"), None);
        let day = SlowConsumerThresholdMeasurementUnit::from_word("MESSAGES_PER_DAY");
        assert_eq!(
            day.map(SlowConsumerThresholdMeasurementUnit::period),
            Some(Duration::from_secs(86_400))
        );
    }
}
