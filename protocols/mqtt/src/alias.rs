// SPDX-License-Identifier: Apache-2.0
//! Topic aliases: numbers that stand for topics, in each direction, for the life of a connection [MQTT 5.0 §3.3.2.3.4].

use std::collections::BTreeMap;

use crate::codec::Reason;
use crate::fault::Fault;

/// Bytes that the topics of one direction may take: 65,535 topics of full length would take four gigabytes.
const TOPICS_MAX: usize = 1024 * 1024;

/// What the client calls its topics.
#[derive(Debug, Default)]
pub(crate) struct ClientAliases {
    topics: BTreeMap<u16, Box<str>>,
    bytes: usize,
}

impl ClientAliases {
    /// The topic of a PUBLISH with an alias, which stands for it from now on.
    ///
    /// # Errors
    /// The alias is larger than agreed [MQTT-3.3.2-9], or stands for nothing, or there is no room.
    pub fn resolve<'a>(
        &'a mut self,
        alias: u16,
        topic: &'a str,
        maximum: u16,
    ) -> Result<&'a str, Fault> {
        if alias > maximum {
            let what = "a topic alias is larger than the server accepts";
            return Err(Fault::violation(
                Reason::TopicAliasInvalid,
                "MQTT-3.3.2-9",
                what,
            ));
        }
        if topic.is_empty() {
            return self
                .topics
                .get(&alias)
                .map(|topic| &**topic)
                .ok_or_else(|| {
                    let what = "a topic alias stands for no topic";
                    Fault::violation(Reason::ProtocolError, "MQTT-3.3.4-1", what)
                });
        }
        if self
            .topics
            .get(&alias)
            .is_none_or(|known| **known != *topic)
        {
            self.bytes += topic.len();
            let before = self.topics.insert(alias, Box::from(topic));
            self.bytes -= before.map_or(0, |before| before.len());
            if self.bytes > TOPICS_MAX {
                let what = "the topics that aliases stand for take too much room";
                return Err(Fault::refused(Reason::QuotaExceeded, what));
            }
        }
        Ok(topic)
    }
}

/// What the client's topics are called on the way to it: the first ones that come get a number.
#[derive(Debug)]
pub(crate) struct ServerAliases {
    maximum: u16,
    numbers: BTreeMap<Box<[u8]>, u16>,
    bytes: usize,
}

/// How a topic is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Named {
    /// As it is.
    Topic,
    /// With the number that stands for it from now on.
    New(u16),
    /// Only by its number.
    Alias(u16),
}

impl ServerAliases {
    /// Up to so many, which is above 0.
    pub fn new(maximum: u16) -> Self {
        Self {
            maximum,
            numbers: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// How a topic is sent.
    pub fn name(&mut self, topic: &[u8]) -> Named {
        if let Some(alias) = self.numbers.get(topic) {
            return Named::Alias(*alias);
        }
        if self.numbers.len() >= usize::from(self.maximum) || self.bytes + topic.len() > TOPICS_MAX
        {
            return Named::Topic;
        }
        let alias = self.numbers.len() as u16 + 1;
        self.bytes += topic.len();
        self.numbers.insert(Box::from(topic), alias);
        Named::New(alias)
    }

    /// A topic that was given a number was not sent after all.
    pub fn forget(&mut self, topic: &[u8]) {
        if self.numbers.remove(topic).is_some() {
            self.bytes -= topic.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_3_3_2_3_4_an_alias_stands_for_the_last_topic_it_came_with() {
        let mut aliases = ClientAliases::default();
        assert_eq!(aliases.resolve(1, "a", 2), Ok("a"));
        assert_eq!(aliases.resolve(1, "", 2), Ok("a"));
        assert_eq!(aliases.resolve(1, "b", 2), Ok("b"));
        assert_eq!(aliases.resolve(1, "", 2), Ok("b"));
        let reason = |result: Result<&str, Fault>| result.err().map(|fault| fault.reason);
        assert_eq!(
            reason(aliases.resolve(2, "", 2)),
            Some(Some(Reason::ProtocolError))
        );
        assert_eq!(
            reason(aliases.resolve(3, "c", 2)),
            Some(Some(Reason::TopicAliasInvalid))
        );
    }

    #[test]
    fn aliases_take_no_unbounded_memory() {
        let mut aliases = ClientAliases::default();
        let topic = "x".repeat(65_535);
        let refused = (1..=17).find(|alias| aliases.resolve(*alias, &topic, 100).is_err());
        assert_eq!(refused, Some(17));
        let mut aliases = ServerAliases::new(100);
        let named = (0..20_u8)
            .map(|n| aliases.name(&[n; 65_535]))
            .filter(|n| *n != Named::Topic);
        assert_eq!(named.count(), 16);
    }

    #[test]
    fn mqtt_3_1_2_26_the_server_uses_no_more_aliases_than_the_client_takes() {
        let mut aliases = ServerAliases::new(1);
        assert_eq!(aliases.name(b"a"), Named::New(1));
        assert_eq!(aliases.name(b"a"), Named::Alias(1));
        assert_eq!(aliases.name(b"b"), Named::Topic);
        aliases.forget(b"a");
        assert_eq!(aliases.name(b"b"), Named::New(1));
    }
}
