// SPDX-License-Identifier: Apache-2.0
//! What may follow `?` in an acceptor's URI for STOMP (manual, chapters STOMP and Configuring Transports).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How one acceptor serves STOMP.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// `stompConsumerWindowSize` (once `stompConsumerCredits`): bytes on their way to a consumer that acknowledges,
    /// unless its SUBSCRIBE says otherwise. 0 is one message at a time, negative is without limit.
    pub consumer_window_bytes: i64,
    /// `stompMinLargeMessageSize` (once `stomp-min-large-message-size`): from this size
    /// the body of a message goes to a file of its own. `None` (below zero): none does.
    pub large_message_bytes_min: Option<u64>,
    /// `stompEnableMessageId` (once `stomp-enable-message-id`): gives messages an `amqMessageId`.
    pub message_id_enabled: bool,
    /// `connectionTtl`, else the broker's `connection-ttl-override`, else one minute: how long a client may be silent
    /// that has not agreed on heart-beats. `None`: for ever.
    pub connection_ttl: Option<Duration>,
    /// `connectionTtlMin`: the least that heart-beats can make of it.
    pub connection_ttl_min: Duration,
    /// `connectionTtlMax`: the most that heart-beats can make of it.
    pub connection_ttl_max: Duration,
    /// `heartBeatToConnectionTtlModifier` in thousandths: how many of its own intervals a client may be silent.
    pub heart_beat_to_ttl_thousandths: u64,
    /// `disableStompServerHeader`: no `server` in CONNECTED.
    pub server_header_disabled: bool,
    /// `anycastPrefix`: destinations that begin with one of these are anycast.
    pub anycast_prefixes: Vec<Arc<str>>,
    /// `multicastPrefix`: destinations that begin with one of these are multicast.
    pub multicast_prefixes: Vec<Arc<str>>,
    /// What CONNECTED says the server is; the host's to set.
    pub server: String,
    /// The largest body of a SEND in bytes; the host's to set. Artemis has no limit: what does not fit in memory is a large
    /// message, and what does not fit on the disk blocks its producer.
    pub body_bytes_max: u64,
    /// The largest body of a SEND in bytes that is no large message; the host's to set. It is held in memory.
    pub small_body_bytes_max: u64,
}

impl Default for Options {
    /// The defaults of the manual.
    fn default() -> Self {
        Self {
            consumer_window_bytes: 10_240,
            large_message_bytes_min: Some(102_400),
            message_id_enabled: false,
            connection_ttl: Some(Duration::from_secs(60)),
            connection_ttl_min: Duration::from_secs(1),
            connection_ttl_max: Duration::from_millis(i64::MAX as u64),
            heart_beat_to_ttl_thousandths: 2000,
            server_header_disabled: false,
            anycast_prefixes: Vec::new(),
            multicast_prefixes: Vec::new(),
            server: concat!("Hind/", env!("CARGO_PKG_VERSION")).to_owned(),
            body_bytes_max: i64::MAX as u64,
            small_body_bytes_max: 100 * 1024 * 1024,
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
    /// The keys that mean something here, old spellings included.
    pub const KEYS: [&'static str; 13] = [
        "stompConsumerWindowSize",
        "stompConsumerCredits",
        "stompMinLargeMessageSize",
        "stomp-min-large-message-size",
        "stompEnableMessageId",
        "stomp-enable-message-id",
        "connectionTtl",
        "connectionTtlMin",
        "connectionTtlMax",
        "heartBeatToConnectionTtlModifier",
        "disableStompServerHeader",
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
        if options.connection_ttl_min > options.connection_ttl_max {
            return Err(BadOption {
                key: "connectionTtlMin".to_owned(),
                value: options.connection_ttl_min.as_millis().to_string(),
                expected: "at most connectionTtlMax",
            });
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "stompConsumerWindowSize" | "stompConsumerCredits" => {
                self.consumer_window_bytes = integer(value)?;
            }
            "stompMinLargeMessageSize" | "stomp-min-large-message-size" => {
                self.large_message_bytes_min = u64::try_from(integer(value)?).ok();
            }
            "stompEnableMessageId" | "stomp-enable-message-id" => {
                self.message_id_enabled = truth(value)?;
            }
            "connectionTtl" => self.connection_ttl = Some(positive_millis(value)?),
            "connectionTtlMin" => self.connection_ttl_min = positive_millis(value)?,
            "connectionTtlMax" => self.connection_ttl_max = positive_millis(value)?,
            "heartBeatToConnectionTtlModifier" => {
                self.heart_beat_to_ttl_thousandths = modifier(value)?;
            }
            "disableStompServerHeader" => self.server_header_disabled = truth(value)?,
            "anycastPrefix" => self.anycast_prefixes = prefixes(value),
            "multicastPrefix" => self.multicast_prefixes = prefixes(value),
            _ => {}
        }
        Ok(())
    }
}

fn integer(value: &str) -> Result<i64, &'static str> {
    value.parse().map_err(|_| "a whole number")
}

fn positive_millis(value: &str) -> Result<Duration, &'static str> {
    match value.parse() {
        Ok(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
        _ => Err("a number of milliseconds above zero"),
    }
}

fn truth(value: &str) -> Result<bool, &'static str> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Ok(true),
        _ if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("true or false"),
    }
}

/// A decimal of at least one: below, a client that beats on time would be cut off. Thousandths, because machines decide
/// nothing by floating point.
fn modifier(value: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = "a decimal number from 1.0 to 1000000, of which three places count";
    let (whole, places) = value.split_once('.').unwrap_or((value, ""));
    if places.len() > 18 || !places.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(EXPECTED);
    }
    let thousandths: u64 = format!("{places:0<3}")[..3].parse().map_err(|_| EXPECTED)?;
    match whole.parse::<u64>() {
        Ok(whole @ 1..=1_000_000) => Ok(whole * 1000 + thousandths),
        _ => Err(EXPECTED),
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
