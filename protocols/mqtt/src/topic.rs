// SPDX-License-Identifier: Apache-2.0
//! Topics and filters as addresses, and back (manual, chapter MQTT; `wildcard-addresses`).
//!
//! `/`, `+` and `#` become what the broker has for them, by default `.`, `*` and `#`; what has a meaning there and none
//! here is escaped by a backslash (ARTEMIS-4532). A fully qualified name (`address::queue`) stays one.

use std::borrow::Cow;
use std::sync::Arc;

use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::routing_type::RoutingType;
use smallvec::SmallVec;

use crate::options::Options;

/// How MQTT writes what the broker writes as addresses.
const MQTT: WildcardSyntax = WildcardSyntax {
    delimiter: '/',
    any_words: '#',
    single_word: '+',
    routing_enabled: true,
};

/// Where a topic or filter leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Destination {
    /// The address, or `address::queue`, without prefix.
    pub address: Arc<str>,
    /// What the prefix says.
    pub routing: Option<RoutingType>,
}

impl Destination {
    /// The address of a topic or filter.
    pub fn of(text: &str, options: &Options) -> Self {
        let (text, routing) = without_prefix(text, options);
        let address = MQTT.convert(text, &options.addresses);
        if routing.is_some() {
            return Self {
                address: Arc::from(&*address),
                routing,
            };
        }
        // Prefixes are also written as addresses are.
        let (address, routing) = without_prefix(&address, options);
        Self {
            address: Arc::from(address),
            routing,
        }
    }
}

/// Cuts off the longest prefix that fits, unless nothing is left then.
fn without_prefix<'a>(text: &'a str, options: &Options) -> (&'a str, Option<RoutingType>) {
    let prefixes = [
        (&options.anycast_prefixes, RoutingType::Anycast),
        (&options.multicast_prefixes, RoutingType::Multicast),
    ];
    let fitting = prefixes.iter().flat_map(|(prefixes, routing)| {
        let rest = prefixes.iter().map(|prefix| text.strip_prefix(&**prefix));
        rest.flatten().map(|rest| (rest, Some(*routing)))
    });
    fitting
        .filter(|(rest, _)| !rest.is_empty())
        .min_by_key(|(rest, _)| rest.len())
        .unwrap_or((text, None))
}

/// The address of the last topic: a client mostly publishes to one after the other.
#[derive(Debug, Default)]
pub(crate) struct LastTopic {
    topic: Box<str>,
    destination: Option<Destination>,
}

impl LastTopic {
    /// The address of a topic.
    pub fn get(&mut self, topic: &str, options: &Options) -> &Destination {
        if self.destination.is_none() || *self.topic != *topic {
            self.topic = Box::from(topic);
            self.destination = None;
        }
        self.destination
            .get_or_insert_with(|| Destination::of(topic, options))
    }
}

/// The topic of an address, written without an allocation where it is short.
pub(crate) type TopicText = SmallVec<[u8; 128]>;

/// The topic that a message sent to `address` has.
pub(crate) fn of_address(address: &str, syntax: &WildcardSyntax) -> TopicText {
    let marks = [syntax.delimiter, syntax.any_words, syntax.single_word];
    let mut topic = TopicText::from_slice(address.as_bytes());
    if *syntax == MQTT {
        return topic;
    }
    if !marks.iter().all(char::is_ascii) || topic.iter().any(|byte| is_special(*byte)) {
        return match syntax.convert(address, &MQTT) {
            Cow::Borrowed(_) => topic,
            Cow::Owned(text) => TopicText::from_slice(text.as_bytes()),
        };
    }
    // Nothing is escaped and nothing has to be: octet for octet.
    for byte in &mut topic {
        if *byte == marks[0] as u8 {
            *byte = b'/';
        } else if *byte == marks[1] as u8 {
            *byte = b'#';
        } else if *byte == marks[2] as u8 {
            *byte = b'+';
        }
    }
    topic
}

/// Whether an address that contains it has to be converted with care.
const fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'/' | b'#' | b'+')
}

/// The name of the queue of a subscription (manual, chapter MQTT): the client's, or its group's, and the address.
pub(crate) fn queue_name(owner: &str, address: &str) -> Arc<str> {
    Arc::from(format!("{owner}.{address}"))
}

/// Topics a client must not publish to: those of the server [MQTT-4.7.2-1] and of shared subscriptions, and the broker's
/// own queues. Bridges of Mosquitto announce themselves in `$SYS`.
pub(crate) fn is_reserved(topic: &str) -> bool {
    if !topic.starts_with('$') {
        return false;
    }
    let level = topic.split('/').next().unwrap_or(topic);
    match level {
        "$SYS" => !is_bridge_state(topic),
        "$share" | "$CONTROL" => true,
        _ => is_internal(topic),
    }
}

/// What the broker keeps for itself (Artemis has its queues there).
pub(crate) fn is_internal(topic: &str) -> bool {
    topic.starts_with("$sys.mqtt.") || topic.starts_with("$sys/mqtt/")
}

fn is_bridge_state(topic: &str) -> bool {
    topic
        .strip_prefix("$SYS/broker/connection/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(name, rest)| !name.is_empty() && rest == "state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artemis_topics_become_addresses_and_come_back() {
        let options = Options::default();
        let pairs = [
            ("nm/+/c", "nm.*.c"),
            ("nm/a/#", "nm.a.#"),
            ("nm.dot/z", r"nm\.dot.z"),
            ("nm*star", r"nm\*star"),
            ("/nm/lead/", ".nm.lead."),
            ("nm//e", "nm..e"),
            ("$nm/dollar", "$nm.dollar"),
            ("plain", "plain"),
            ("é/ü", "é.ü"),
        ];
        for (topic, address) in pairs {
            assert_eq!(&*Destination::of(topic, &options).address, address);
            let back = of_address(address, &options.addresses);
            assert_eq!(&back[..], topic.as_bytes());
        }
    }

    #[test]
    fn with_mqtts_own_syntax_nothing_is_converted() {
        let options = Options {
            addresses: MQTT,
            ..Options::default()
        };
        for text in ["a/b", "a.b", "+/#", r"a\b"] {
            assert_eq!(&*Destination::of(text, &options).address, text);
            assert_eq!(&of_address(text, &MQTT)[..], text.as_bytes());
        }
    }

    #[test]
    fn with_any_syntax_topics_come_back() {
        let addresses = WildcardSyntax {
            delimiter: '_',
            any_words: '>',
            single_word: '?',
            routing_enabled: true,
        };
        let options = Options {
            addresses,
            ..Options::default()
        };
        for topic in ["a/b", "a.b", "a_b/c", "x>y", "+/b/#", "long/é/topic"] {
            let address = Destination::of(topic, &options).address;
            assert_eq!(
                &of_address(&address, &addresses)[..],
                topic.as_bytes(),
                "{address}"
            );
        }
    }

    #[test]
    fn artemis_prefixes_are_cut_off_as_topics_and_as_addresses() {
        let options = Options::parse([
            ("anycastPrefix", "queue/,jms.queue."),
            ("multicastPrefix", "topic/"),
        ])
        .expect("valid parameters");
        let table = [
            ("queue/a/b", "a.b", Some(RoutingType::Anycast)),
            ("jms/queue/a", "a", Some(RoutingType::Anycast)),
            ("topic/a", "a", Some(RoutingType::Multicast)),
            ("topic/", "topic.", None),
            ("other/a", "other.a", None),
        ];
        for (topic, address, routing) in table {
            let destination = Destination::of(topic, &options);
            assert_eq!(
                (&*destination.address, destination.routing),
                (address, routing)
            );
        }
    }

    #[test]
    fn mqtt_4_7_2_1_topics_of_the_server_are_not_for_clients() {
        for topic in [
            "$SYS/broker/uptime",
            "$SYS/broker/connection/me",
            "$share/g/a",
            "$CONTROL",
            "$sys.mqtt.sessions",
        ] {
            assert!(is_reserved(topic), "{topic}");
        }
        for topic in [
            "a",
            "$test/test",
            "$SYS/broker/connection/me/state",
            "a/$SYS",
            "$shared",
        ] {
            assert!(!is_reserved(topic), "{topic}");
        }
    }
}
