// SPDX-License-Identifier: Apache-2.0
//! What HornetQ clients and those of Artemis 1.x call differently: addresses, properties, filter identifiers, classes.
//!
//! The layout of their messages is that of their version: [`Layout`](super::Layout).

use std::borrow::Cow;

use super::{Head, NamedParameter, TransportConfiguration, Version};

/// What such a client expects to find behind a name, by the prefix it puts before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// A queue; anycast.
    Queue,
    /// A topic; multicast.
    Topic,
    /// A queue that goes with its connection.
    TemporaryQueue,
    /// A topic that goes with its connection.
    TemporaryTopic,
}

impl Destination {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::Queue,
        Self::Topic,
        Self::TemporaryQueue,
        Self::TemporaryTopic,
    ];

    /// The prefix, with its dot.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Queue => "jms.queue.",
            Self::Topic => "jms.topic.",
            Self::TemporaryQueue => "jms.tempqueue.",
            Self::TemporaryTopic => "jms.temptopic.",
        }
    }

    /// What a name is for, and the name without its prefix; `None`: it has none.
    pub fn split(name: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|destination| {
            name.strip_prefix(destination.prefix())
                .map(|bare| (destination, bare))
        })
    }

    /// Whether one queue gets a message, and not all.
    pub const fn is_anycast(self) -> bool {
        matches!(self, Self::Queue | Self::TemporaryQueue)
    }
}

/// HornetQ's name for a property, and Artemis's. `__HQ_CID` is not among them: it stays as it is.
const PROPERTIES: [(&str, &str); 10] = [
    ("_HQ_ACTUAL_EXPIRY", "_AMQ_ACTUAL_EXPIRY"),
    ("_HQ_ORIG_ADDRESS", "_AMQ_ORIG_ADDRESS"),
    ("_HQ_ORIG_QUEUE", "_AMQ_ORIG_QUEUE"),
    ("_HQ_ORIG_MESSAGE_ID", "_AMQ_ORIG_MESSAGE_ID"),
    ("_HQ_GROUP_ID", "_AMQ_GROUP_ID"),
    ("_HQ_LARGE_COMPRESSED", "_AMQ_LARGE_COMPRESSED"),
    ("_HQ_LARGE_SIZE", "_AMQ_LARGE_SIZE"),
    ("_HQ_SCHED_DELIVERY", "_AMQ_SCHED_DELIVERY"),
    ("_HQ_DUPL_ID", "_AMQ_DUPL_ID"),
    ("_HQ_LVQ_NAME", "_AMQ_LVQ_NAME"),
];

/// The head of a message that a HornetQ client sent, with the properties under Artemis's names; `None`: nothing in it
/// has another name.
pub fn admitted(head: &Head) -> Option<Head> {
    renamed(head, |(old, new)| (old, new))
}

/// The head of a message for a HornetQ client, with the properties under HornetQ's names; `None`: nothing in it has
/// another name.
pub fn shown(head: &Head) -> Option<Head> {
    renamed(head, |(old, new)| (new, old))
}

fn renamed(
    head: &Head,
    direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) -> Option<Head> {
    let other_name = |key: super::Utf16<'_>| {
        let mut pairs = PROPERTIES.into_iter().map(&direction);
        pairs.find(|(from, _)| key == **from).map(|(_, to)| to)
    };
    let properties = head.properties();
    properties.iter().find_map(|(key, _)| other_name(key))?;
    let mut builder = head.to_builder();
    for (key, value) in properties.iter() {
        match other_name(key) {
            Some(name) => builder.properties.rename(name, &value),
            None => builder.properties.copy(key, &value),
        }
    }
    Some(builder.finish())
}

/// What HornetQ's filters call the fields of a message, without the `HQ` that the broker's say as `AMQ`.
const FIELDS: [&str; 6] = [
    "Durable",
    "Priority",
    "Timestamp",
    "UserID",
    "Expiration",
    "Size",
];

/// A filter of a HornetQ client in the broker's words. What stands between quotes is left alone.
pub fn filter(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    for (at, word) in identifiers(text) {
        if word
            .strip_prefix("HQ")
            .is_some_and(|field| FIELDS.contains(&field))
        {
            out.push_str(&text[copied..at]);
            out.push_str("AMQ");
            copied = at + "HQ".len();
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The identifiers in a filter, each with its place. In `'it''s'` the quote in the middle closes and opens.
fn identifiers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut quoted = false;
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let first = rest.chars().next()?;
            let start = at;
            if first == '\'' {
                quoted = !quoted;
            } else if !quoted && is_part(first) {
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                at += length;
                return Some((start, &rest[..length]));
            }
            at += first.len_utf8();
        }
    })
}

/// The last version whose clients look for HornetQ's classes.
const LAST_OF_HORNETQ_CLASSES: i32 = 125;
const CLASSES: &str = "org.apache.activemq.artemis";
const HORNETQ_CLASSES: &str = "org.hornetq";

/// A connector as a client of that version can read it: before 126 with HornetQ's class names, and parameters spelt with
/// dashes.
pub fn connector(
    connector: &TransportConfiguration,
    version: Version,
) -> Cow<'_, TransportConfiguration> {
    if version.number() > LAST_OF_HORNETQ_CLASSES {
        return Cow::Borrowed(connector);
    }
    let parameters = connector.parameters.iter().map(|named| NamedParameter {
        key: dashed(&named.key),
        value: named.value.clone(),
    });
    Cow::Owned(TransportConfiguration {
        name: connector.name.clone(),
        factory: connector.factory.replacen(CLASSES, HORNETQ_CLASSES, 1),
        parameters: parameters.collect(),
    })
}

fn dashed(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 4);
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            out.push('-');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{HeadBuilder, Value};

    #[test]
    fn names_are_split_at_their_prefix() {
        let queue = Destination::split("jms.queue.a.b");
        assert_eq!(queue, Some((Destination::Queue, "a.b")));
        let temporary = Destination::split("jms.temptopic.x");
        assert_eq!(temporary, Some((Destination::TemporaryTopic, "x")));
        assert_eq!(Destination::split("jms.queues.a"), None);
        assert!(Destination::Queue.is_anycast() && !Destination::Topic.is_anycast());
    }

    #[test]
    fn properties_change_their_names_on_the_way_in_and_back_on_the_way_out() {
        let mut builder = HeadBuilder::default();
        builder.properties.push("__HQ_CID", &Value::Text("c"));
        builder.properties.push("_HQ_GROUP_ID", &Value::Text("g"));
        builder
            .properties
            .push("_HQ_SCHED_DELIVERY", &Value::Long(7));
        let sent = builder.finish();
        let inside = admitted(&sent).expect("two have other names");
        let names = |head: &Head| -> Vec<String> {
            let properties = head.properties();
            properties
                .iter()
                .map(|(key, _)| key.to_text_lossy())
                .collect()
        };
        assert_eq!(
            names(&inside),
            ["__HQ_CID", "_AMQ_GROUP_ID", "_AMQ_SCHED_DELIVERY"]
        );
        let delivered = inside.properties().get("_AMQ_SCHED_DELIVERY");
        assert_eq!(delivered, Some(Value::Long(7)));
        assert_eq!(shown(&inside), Some(sent.clone()));
        assert_eq!(shown(&sent), None);
        assert_eq!(admitted(&inside), None);
    }

    #[test]
    fn filters_speak_of_the_same_fields() {
        for (hornetq, broker) in [
            ("HQPriority > 4", "AMQPriority > 4"),
            (
                "a = 1 AND HQDurable='DURABLE'",
                "a = 1 AND AMQDurable='DURABLE'",
            ),
            ("(HQSize<HQTimestamp)", "(AMQSize<AMQTimestamp)"),
            (
                "x = 'HQPriority' OR HQUserID = 'it''s HQSize'",
                "x = 'HQPriority' OR AMQUserID = 'it''s HQSize'",
            ),
            (
                "HQPriorities = 1 AND xHQPriority = 2",
                "HQPriorities = 1 AND xHQPriority = 2",
            ),
            ("", ""),
        ] {
            assert_eq!(filter(hornetq), broker);
        }
    }

    #[test]
    fn connectors_are_spelt_as_the_client_reads_them() {
        let mut tcp = TransportConfiguration::tcp("a", "h", 61616);
        tcp.parameters[0].key = "sslEnabled".to_owned();
        let old = connector(&tcp, Version::spoken_with(125));
        assert_eq!(
            old.factory,
            "org.hornetq.core.remoting.impl.netty.NettyConnectorFactory"
        );
        assert_eq!(old.parameters[0].key, "ssl-enabled");
        assert_eq!(old.port(), Some(61616));
        let new = connector(&tcp, Version::spoken_with(126));
        assert!(matches!(new, Cow::Borrowed(_)));
    }
}
