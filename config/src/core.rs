// SPDX-License-Identifier: Apache-2.0
//! The elements of `<core>` that stand for themselves: periods, time-outs, names, the analyser of stuck threads.

use std::time::Duration;

use crate::error::Findings;
use crate::reader::Reader;
use crate::xml::Element;

/// Periods and time-outs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Periods {
    /// How often expired messages are looked for; `None`: never.
    pub message_expiry_scan: Option<Duration>,
    /// How often unused addresses and queues are looked for; `None`: never.
    pub address_queue_scan: Option<Duration>,
    /// A transaction without activity for so long is rolled back.
    pub transaction_timeout: Duration,
    /// How often such transactions are looked for.
    pub transaction_timeout_scan: Duration,
    /// A connection that is silent for so long is dead, whatever the client asked for; `None`: as the client asks.
    pub connection_ttl_override: Option<Duration>,
    /// How often dead connections are looked for.
    pub connection_ttl_check: Duration,
    /// How often broker.xml is looked at for changes; `None`: never.
    pub configuration_file_refresh: Option<Duration>,
}

/// How the broker stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GracefulShutdown {
    /// Waits for clients to disconnect.
    pub enabled: bool,
    /// How long; `None`: without end.
    pub timeout: Option<Duration>,
}

/// What to do about a part of the broker that is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CriticalAnalyzerPolicy {
    /// Say so.
    Log,
    /// Leave at once, so that a backup can take over.
    Halt,
    /// Stop in order.
    Shutdown,
}

impl CriticalAnalyzerPolicy {
    /// The word of broker.xml.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Log => "LOG",
            Self::Halt => "HALT",
            Self::Shutdown => "SHUTDOWN",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Log, Self::Halt, Self::Shutdown]
            .into_iter()
            .find(|policy| policy.word() == word)
    }
}

/// The watch over stuck parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriticalAnalyzer {
    /// Whether it watches at all.
    pub enabled: bool,
    /// Stuck for so long is stuck.
    pub timeout: Duration,
    /// How often it looks; by default half the time-out.
    pub check_period: Duration,
    /// What it does then.
    pub policy: CriticalAnalyzerPolicy,
}

/// Addresses that management listens on and speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementAddresses {
    /// Requests go here.
    pub requests: String,
    /// Notifications come from here.
    pub notifications: String,
}

pub(crate) fn periods(core: &Element, findings: &mut Findings) -> Periods {
    let mut reader = Reader::new(Some(core), "", findings);
    let seconds = |count| Some(Duration::from_secs(count));
    Periods {
        message_expiry_scan: reader.optional_millis("message-expiry-scan-period", seconds(30)),
        address_queue_scan: reader.optional_millis("address-queue-scan-period", seconds(30)),
        transaction_timeout: reader.millis("transaction-timeout", Duration::from_secs(300)),
        transaction_timeout_scan: reader
            .millis("transaction-timeout-scan-period", Duration::from_secs(1)),
        connection_ttl_override: reader.optional_millis("connection-ttl-override", None),
        connection_ttl_check: reader
            .millis("connection-ttl-check-interval", Duration::from_secs(2)),
        configuration_file_refresh: reader
            .optional_millis("configuration-file-refresh-period", seconds(5)),
    }
}

pub(crate) fn graceful_shutdown(core: &Element, findings: &mut Findings) -> GracefulShutdown {
    let mut reader = Reader::new(Some(core), "", findings);
    GracefulShutdown {
        enabled: reader.bool("graceful-shutdown-enabled", false),
        timeout: reader.optional_millis("graceful-shutdown-timeout", None),
    }
}

pub(crate) fn critical_analyzer(core: &Element, findings: &mut Findings) -> CriticalAnalyzer {
    let mut reader = Reader::new(Some(core), "", findings);
    let enabled = reader.bool("critical-analyzer", true);
    let timeout = reader.millis("critical-analyzer-timeout", Duration::from_secs(120));
    let written = reader.millis("critical-analyzer-check-period", Duration::ZERO);
    CriticalAnalyzer {
        enabled,
        timeout,
        check_period: if written.is_zero() {
            timeout / 2
        } else {
            written
        },
        policy: reader.word(
            "critical-analyzer-policy",
            CriticalAnalyzerPolicy::Log,
            CriticalAnalyzerPolicy::from_word,
            CriticalAnalyzerPolicy::word,
        ),
    }
}

pub(crate) fn management(core: &Element, findings: &mut Findings) -> ManagementAddresses {
    let mut reader = Reader::new(Some(core), "", findings);
    ManagementAddresses {
        requests: reader.text("management-address", "activemq.management"),
        notifications: reader.text("management-notification-address", "activemq.notifications"),
    }
}
