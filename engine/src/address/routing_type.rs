// SPDX-License-Identifier: Apache-2.0
//! How an address hands out messages: to one queue, or to all.

use std::fmt;

/// The way an address or a queue routes; spelled as in broker.xml and in the management interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoutingType {
    /// Every message to exactly one of the queues (point-to-point).
    Anycast,
    /// Every message to each of the queues (publish-subscribe).
    Multicast,
}

impl RoutingType {
    /// Both words, in the order in which error texts list them.
    pub const WORDS: [&'static str; 2] = ["ANYCAST", "MULTICAST"];

    /// The upper-case word: `ANYCAST` or `MULTICAST`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Anycast => "ANYCAST",
            Self::Multicast => "MULTICAST",
        }
    }

    /// Reads the upper-case word. `None` for anything else, other letter cases included: the schema of broker.xml
    /// and `RoutingType.valueOf` know only the upper-case form. A protocol that wants to be lenient folds case itself.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "ANYCAST" => Some(Self::Anycast),
            "MULTICAST" => Some(Self::Multicast),
            _ => None,
        }
    }
}

impl fmt::Display for RoutingType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::RoutingType;

    #[test]
    fn words_read_back() {
        for word in RoutingType::WORDS {
            assert_eq!(
                RoutingType::from_word(word)
                    .map(|kind| kind.to_string())
                    .as_deref(),
                Some(word)
            );
        }
        assert_eq!(RoutingType::from_word("anycast"), None);
        assert_eq!(RoutingType::from_word(""), None);
    }
}
