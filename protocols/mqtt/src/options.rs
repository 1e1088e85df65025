// SPDX-License-Identifier: Apache-2.0
//! What may follow `?` in an acceptor's URI for MQTT (manual, chapters MQTT and Configuring Transports).

use std::fmt;
use std::sync::Arc;

use hind_engine::address::name::WildcardSyntax;

use crate::authentication::Method;

/// How one acceptor serves MQTT.
#[derive(Clone, Debug)]
pub struct Options {
    /// `defaultMqttSessionExpiryInterval` in seconds: how long the session of a client of MQTT 3.1 or 3.1.1 that asks for
    /// one is kept after it has gone. `u32::MAX` (below zero): for ever.
    pub default_session_expiry_s: u32,
    /// `topicAliasMaximum`: the highest alias a client may use. 0 (also below zero): none.
    pub topic_alias_maximum: u16,
    /// `receiveMaximum`: publications of a client that may be unanswered. `None` (below zero): not announced, and as many
    /// as there are packet identifiers.
    pub receive_maximum: Option<u16>,
    /// `maximumPacketSize` in bytes, with the fixed header. `None` (below zero): not announced, and as many as the
    /// protocol can say.
    pub maximum_packet_size: Option<u32>,
    /// `serverKeepAlive` in seconds: what a client of MQTT 5.0 has to keep to that asks for more, or for no limit. 0: no
    /// client has to be heard. `None` (below zero): as each client says.
    pub server_keep_alive: Option<u16>,
    /// `closeMqttConnectionOnPublishAuthorizationFailure`: whether a client of MQTT 3.1.1 that publishes where it may not
    /// loses its connection; else it is told that all is well.
    pub close_on_publish_authorization_failure: bool,
    /// `allowLinkStealing`: a client that connects under an id in use takes it over; else it is refused.
    pub allow_link_stealing: bool,
    /// `defaultMaximumInFlightPublishMessages`: publications to a client that may be unanswered, if it does not say.
    pub default_in_flight_maximum: u16,
    /// `anycastPrefix`: topics that begin with one of these are anycast.
    pub anycast_prefixes: Vec<Arc<str>>,
    /// `multicastPrefix`: topics that begin with one of these are multicast.
    pub multicast_prefixes: Vec<Arc<str>>,
    /// How addresses are written here (`wildcard-addresses`); the host's to set.
    pub addresses: WildcardSyntax,
    /// Ways to authenticate beside user name and password; the host's to set.
    pub methods: Vec<Arc<dyn Method>>,
}

impl Default for Options {
    /// The defaults of the manual.
    fn default() -> Self {
        Self {
            default_session_expiry_s: u32::MAX,
            topic_alias_maximum: u16::MAX,
            receive_maximum: Some(u16::MAX),
            maximum_packet_size: Some(268_435_455),
            server_keep_alive: Some(60),
            close_on_publish_authorization_failure: true,
            allow_link_stealing: true,
            default_in_flight_maximum: u16::MAX,
            anycast_prefixes: Vec::new(),
            multicast_prefixes: Vec::new(),
            addresses: WildcardSyntax::default(),
            methods: Vec::new(),
        }
    }
}

/// A parameter whose value makes no sense.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadOption {
    /// The key, as it was written.
    pub key: String,
    /// The value, as it was written.
    pub value: String,
    /// What would have made sense.
    pub expected: &'static str,
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}: expected {}", self.key, self.value, self.expected)
    }
}

impl std::error::Error for BadOption {}

impl Options {
    /// The largest packet that the protocol can say the length of, with its fixed header.
    pub const PACKET_MAX: u32 = 268_435_460;

    /// The keys that mean something here.
    pub const KEYS: [&'static str; 10] = [
        "defaultMqttSessionExpiryInterval",
        "topicAliasMaximum",
        "receiveMaximum",
        "maximumPacketSize",
        "serverKeepAlive",
        "closeMqttConnectionOnPublishAuthorizationFailure",
        "allowLinkStealing",
        "defaultMaximumInFlightPublishMessages",
        "anycastPrefix",
        "multicastPrefix",
    ];

    /// The options of an acceptor with these parameters. Keys of other protocols and of the transport are passed over:
    /// whether a key is known at all is the configuration's question.
    ///
    /// # Errors
    /// The first value that makes no sense, with its key.
    pub fn parse<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, BadOption> {
        let mut options = Self::default();
        for (key, value) in parameters {
            options.set(key, value).map_err(|expected| BadOption {
                key: key.to_owned(),
                value: value.to_owned(),
                expected,
            })?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "defaultMqttSessionExpiryInterval" => {
                self.default_session_expiry_s = seconds_or_ever(value)?;
            }
            "topicAliasMaximum" => self.topic_alias_maximum = short(value)?.unwrap_or(0),
            "receiveMaximum" => {
                let maximum = short(value)?;
                if maximum == Some(0) {
                    return Err("a number from 1 to 65535, or -1");
                }
                self.receive_maximum = maximum;
            }
            "maximumPacketSize" => self.maximum_packet_size = packet_size(value)?,
            "serverKeepAlive" => self.server_keep_alive = short(value)?,
            "closeMqttConnectionOnPublishAuthorizationFailure" => {
                self.close_on_publish_authorization_failure = truth(value)?;
            }
            "allowLinkStealing" => self.allow_link_stealing = truth(value)?,
            "defaultMaximumInFlightPublishMessages" => {
                self.default_in_flight_maximum = match value.parse() {
                    Ok(maximum @ 1..) => maximum,
                    _ => return Err("a number from 1 to 65535"),
                };
            }
            "anycastPrefix" => self.anycast_prefixes = prefixes(value),
            "multicastPrefix" => self.multicast_prefixes = prefixes(value),
            _ => {}
        }
        Ok(())
    }

    /// Publications of a client that may be unanswered.
    pub(crate) fn receive_window(&self) -> usize {
        usize::from(self.receive_maximum.unwrap_or(u16::MAX))
    }

    /// How large a packet of a client may be, in bytes.
    pub(crate) fn packet_limit(&self) -> usize {
        self.maximum_packet_size.unwrap_or(Self::PACKET_MAX) as usize
    }
}

/// 0 to 65,535; `None` below zero.
fn short(value: &str) -> Result<Option<u16>, &'static str> {
    match value.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number) => match u16::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err("a number from 0 to 65535, or -1"),
        },
        Err(_) => Err("a number from 0 to 65535, or -1"),
    }
}

fn seconds_or_ever(value: &str) -> Result<u32, &'static str> {
    match value.parse::<i64>() {
        Ok(-1) => Ok(u32::MAX),
        Ok(seconds) => u32::try_from(seconds).map_err(|_| "a number of seconds, or -1"),
        Err(_) => Err("a number of seconds, or -1"),
    }
}

/// At least as much as a CONNECT of any use needs.
fn packet_size(value: &str) -> Result<Option<u32>, &'static str> {
    const EXPECTED: &str = "a number of bytes from 64 to 268435460, or -1";
    match value.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(bytes) => match u32::try_from(bytes) {
            Ok(bytes @ 64..=Options::PACKET_MAX) => Ok(Some(bytes)),
            _ => Err(EXPECTED),
        },
        Err(_) => Err(EXPECTED),
    }
}

fn truth(value: &str) -> Result<bool, &'static str> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Ok(true),
        _ if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("true or false"),
    }
}

fn prefixes(value: &str) -> Vec<Arc<str>> {
    value
        .split(',')
        .map(str::trim)
        .filter(|prefix| !prefix.is_empty())
        .map(Arc::from)
        .collect()
}
