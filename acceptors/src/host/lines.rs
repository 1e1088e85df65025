// SPDX-License-Identifier: Apache-2.0
//! What the log says, with the ids and key words that Artemis's operators search for
//! (`ActiveMQServerLogger` of 2.44.0). Broker and product are named for what they are.

use std::fmt;
use std::time::Duration;

use hind_engine::address::routing_type::RoutingType;
use hind_engine::notice::Notice;
use hind_ha::input::DiskUsage;

use super::limit_lines;
use crate::options::Directories;

/// Whose line it is; levels are configured by these names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Logger {
    /// `org.apache.activemq.artemis.core.server`
    Server,
    /// `org.apache.activemq.artemis.integration.bootstrap`
    Bootstrap,
}

impl Logger {
    /// The name of [`Logger::Server`].
    pub const SERVER: &str = "org.apache.activemq.artemis.core.server";
    /// The name of [`Logger::Bootstrap`].
    pub const BOOTSTRAP: &str = "org.apache.activemq.artemis.integration.bootstrap";
}

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Something failed.
    Error,
    /// Somebody should look.
    Warn,
    /// Worth knowing.
    Info,
    /// For whoever looks for something.
    Debug,
}

/// One line for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Whose.
    pub logger: Logger,
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub text: String,
}

impl Line {
    fn server(level: Level, text: String) -> Self {
        Self {
            logger: Logger::Server,
            level,
            text,
        }
    }

    /// An error of the broker's.
    pub fn server_error(text: String) -> Self {
        Self::server(Level::Error, text)
    }

    /// A warning of the broker's.
    pub fn server_warn(text: String) -> Self {
        Self::server(Level::Warn, text)
    }

    /// Something worth knowing about the broker.
    pub fn server_info(text: String) -> Self {
        Self::server(Level::Info, text)
    }

    /// Writes it to the log.
    pub fn say(&self) {
        macro_rules! emit {
            ($target:expr) => {
                match self.level {
                    Level::Error => tracing::error!(target: $target, "{}", self.text),
                    Level::Warn => tracing::warn!(target: $target, "{}", self.text),
                    Level::Info => tracing::info!(target: $target, "{}", self.text),
                    Level::Debug => tracing::debug!(target: $target, "{}", self.text),
                }
            };
        }
        match self.logger {
            Logger::Server => emit!(Logger::SERVER),
            Logger::Bootstrap => emit!(Logger::BOOTSTRAP),
        }
    }
}

/// The first line of a broker (AMQ221000).
pub fn starting(directories: &Directories) -> Line {
    Line::server_info(format!(
        "AMQ221000: Primary message broker is starting with configuration Broker Configuration (clustered=false,\
         journalDirectory={},bindingsDirectory={},largeMessagesDirectory={},pagingDirectory={})",
        directories.journal.display(),
        directories.bindings.display(),
        directories.large_messages.display(),
        directories.paging.display(),
    ))
}

/// What kind of journal it has (AMQ221013).
pub fn journal(persistent: bool) -> Line {
    Line::server_info(if persistent {
        "AMQ221013: Using Hind Journal".to_owned()
    } else {
        "AMQ221013: Using no Journal: persistence is off, messages do not survive a restart"
            .to_owned()
    })
}

/// A protocol it can speak (AMQ221043).
pub fn protocol(module: &str, key: &str) -> Line {
    Line::server_info(format!(
        "AMQ221043: Protocol module found: [{module}]. Adding protocol support for: {key}"
    ))
}

/// An acceptor it listens at (AMQ221020).
pub fn listening(host: &str, port: u16, protocols: &str) -> Line {
    Line::server_info(format!(
        "AMQ221020: Started EPOLL Acceptor at {host}:{port} for protocols [{protocols}]"
    ))
}

/// An acceptor it cannot listen at (AMQ224104).
pub fn not_listening(name: &str, host: &str, port: u16, error: &dyn fmt::Display) -> Line {
    Line::server_error(format!(
        "AMQ224104: Error starting the Acceptor {name} at {host}:{port}: {error}"
    ))
}

/// The last line of a broker (AMQ221002).
pub fn stopped(version: &str, node_id: &str, uptime: Duration) -> Line {
    Line::server_info(format!(
        "AMQ221002: Hind Message Broker version {version} [{node_id}] stopped, uptime {}",
        spoken_duration(uptime)
    ))
}

/// Turns what the node has noticed into lines.
#[derive(Debug)]
pub struct Announcer {
    /// The broker's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its node id, once known.
    pub node_id: String,
    /// The disk when it was last measured.
    pub disk: Option<DiskUsage>,
}

impl Announcer {
    /// The lines for a notice; none if it is not worth one.
    pub fn lines(&mut self, notice: Notice) -> Vec<Line> {
        match notice {
            Notice::Recovering { read, total } if !is_tenth(read, total) => Vec::new(),
            // Said once the broker serves, as Artemis does.
            Notice::Identified { node_id } => {
                self.node_id = node_id;
                Vec::new()
            }
            Notice::Active => vec![self.phrase(notice), self.identity()],
            notice => {
                let limit = limit_lines::line(&notice, self.disk);
                vec![limit.unwrap_or_else(|| self.phrase(notice))]
            }
        }
    }

    fn identity(&self) -> Line {
        Line::server_info(format!(
            "AMQ221001: Hind Message Broker version {} [{}, nodeID={}]",
            self.version, self.name, self.node_id
        ))
    }

    fn phrase(&mut self, notice: Notice) -> Line {
        match notice {
            Notice::AddressDeployed { address, routing } => Line::server_info(format!(
                "AMQ221080: Deploying address {address} supporting {}",
                routing_list(&routing)
            )),
            Notice::QueueDeployed {
                routing,
                queue,
                address,
            } => Line::server_info(format!(
                "AMQ221003: Deploying {} queue {queue} on address {address}",
                routing_word(routing)
            )),
            Notice::Unrouted { address } => Line::server_warn(format!(
                "messages sent to address {address} reach no queue: they are acknowledged and dropped (said once per \
                 address)"
            )),
            other => self.fate(other),
        }
    }

    /// Notices about messages that were not delivered, and about transactions nobody ended.
    fn fate(&mut self, notice: Notice) -> Line {
        match notice {
            Notice::DeadLettered {
                queue,
                address,
                message,
                attempts,
            } => Line::server_warn(format!(
                "AMQ222149: Sending message {message} to Dead Letter Address {address} from {queue} after {attempts} \
                 attempts"
            )),
            Notice::DroppedAfterAttempts {
                queue,
                message,
                attempts,
                dead_letter_address: None,
            } => Line::server_warn(format!(
                "AMQ222150: Sending message {message} to Dead Letter Address, but there is no Dead Letter Address \
                 configured for queue {queue} so dropping it after {attempts} attempts (said once per address)"
            )),
            Notice::DroppedAfterAttempts {
                queue,
                message,
                attempts,
                dead_letter_address: Some(address),
            } => Line::server_warn(format!(
                "AMQ222148: Sending message {message} to Dead Letter Address {address}, but it has no bindings so \
                 dropping it; from {queue} after {attempts} attempts (said once per address)"
            )),
            Notice::DroppedExpired {
                queue,
                expiry_address: None,
            } => Line::server_warn(format!(
                "AMQ222147: Messages are being expired on queue {queue}, but there is no Expiry Address configured so \
                 messages will be dropped. (said once per address)"
            )),
            Notice::DroppedExpired {
                queue,
                expiry_address: Some(address),
            } => Line::server_warn(format!(
                "AMQ222146: Message has expired. No bindings for Expiry Address {address} so dropping it; from \
                 {queue} (said once per address)"
            )),
            Notice::TransactionTimedOut {
                client,
                transaction,
            } => Line::server_warn(format!(
                "AMQ222103: transaction with xid {client}:{transaction} timed out and is rolled back (connection \
                 {client})"
            )),
            other => self.life(other),
        }
    }

    /// Notices about the broker's life.
    fn life(&mut self, notice: Notice) -> Line {
        match notice {
            Notice::BadFilter { queue, why } => Line::server_error(format!(
                "AMQ224006: Invalid filter: {why} (queue {queue} takes no messages)"
            )),
            Notice::BodyLost {
                queue,
                message,
                body,
                why,
            } => Line::server_error(format!(
                "the body of large message {message} on queue {queue} is lost: file number {body} in the \
                 large-messages directory cannot be used: {why}; the message was taken off the queue"
            )),
            Notice::BodySetAside { file } => {
                Line::server_warn(format!("the body of a large message is kept as {file}"))
            }
            Notice::Recovering { read, total } => Line::server_info(format!(
                "AMQ221014: {}% loaded ({read} of {total} journal files)",
                (read * 100).checked_div(total).unwrap_or(100)
            )),
            Notice::Recovered {
                messages,
                records,
                torn,
            } => Line::server_info(format!(
                "journal loaded: {messages} messages, {records} records{}",
                if torn == 0 {
                    String::new()
                } else {
                    format!("; {torn} bytes of an unfinished write at its end were cut")
                }
            )),
            Notice::Damaged(why) => Line::server_error(format!(
                "AMQ224000: Failure in initialisation: the journal cannot be used: {why}"
            )),
            Notice::StorageFailed(why) => Line::server_error(format!(
                "AMQ222010: Critical IO Error, shutting down the server. {why}"
            )),
            Notice::Active => Line::server_info("AMQ221007: Server is now active".to_owned()),
            other => Line::server_info(format!("{other:?}")),
        }
    }
}

/// Whether another tenth of a journal long enough to wait for has been read.
fn is_tenth(read: u64, total: u64) -> bool {
    let tenths = |read: u64| (read * 10).checked_div(total);
    total >= 10 && tenths(read) != tenths(read.saturating_sub(1))
}

fn routing_word(routing: RoutingType) -> &'static str {
    match routing {
        RoutingType::Anycast => "ANYCAST",
        RoutingType::Multicast => "MULTICAST",
    }
}

fn routing_list(routing: &[RoutingType]) -> String {
    let words: Vec<_> = routing.iter().copied().map(routing_word).collect();
    format!("[{}]", words.join(", "))
}

/// As Artemis prints an uptime: `12.345 seconds`, `5 minutes`, `2 hours 5 minutes`.
fn spoken_duration(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    if minutes == 0 {
        return format!("{:.3} seconds", duration.as_secs_f64());
    }
    let parts = [
        (minutes / (24 * 60), "day"),
        (minutes / 60 % 24, "hour"),
        (minutes % 60, "minute"),
    ];
    let words = parts.into_iter().filter(|(count, _)| *count > 0);
    let words = words.map(|(count, unit)| format!("{count} {unit}{}", plural(count)));
    words.collect::<Vec<_>>().join(" ")
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use hind_engine::id::{ConnectionId, MessageId, TransactionId};

    use super::*;

    fn announcer() -> Announcer {
        Announcer {
            name: "b".to_owned(),
            version: "1".to_owned(),
            node_id: String::new(),
            disk: Some(DiskUsage {
                total: 10 << 30,
                free: 512 << 20,
            }),
        }
    }

    #[test]
    fn notices_become_the_lines_that_operators_search_for() {
        let table = [
            (
                Notice::QueueDeployed {
                    routing: RoutingType::Anycast,
                    queue: "DLQ".into(),
                    address: "DLQ".into(),
                },
                "AMQ221003: Deploying ANYCAST queue DLQ on address DLQ",
            ),
            (
                Notice::AddressDeployed {
                    address: "X".into(),
                    routing: vec![RoutingType::Anycast, RoutingType::Multicast],
                },
                "AMQ221080: Deploying address X supporting [ANYCAST, MULTICAST]",
            ),
            (Notice::Active, "AMQ221007: Server is now active"),
            (
                Notice::DroppedExpired {
                    queue: "q".into(),
                    expiry_address: None,
                },
                "AMQ222147: Messages are being expired on queue q, but there is no Expiry Address configured so \
                 messages will be dropped. (said once per address)",
            ),
            (
                Notice::DroppedExpired {
                    queue: "q".into(),
                    expiry_address: Some("EXP".into()),
                },
                "AMQ222146: Message has expired. No bindings for Expiry Address EXP so dropping it; from q (said once \
                 per address)",
            ),
            (
                Notice::DroppedAfterAttempts {
                    queue: "q".into(),
                    message: MessageId(7),
                    attempts: 10,
                    dead_letter_address: None,
                },
                "AMQ222150: Sending message 7 to Dead Letter Address, but there is no Dead Letter Address configured \
                 for queue q so dropping it after 10 attempts (said once per address)",
            ),
            (
                Notice::DroppedAfterAttempts {
                    queue: "q".into(),
                    message: MessageId(7),
                    attempts: 10,
                    dead_letter_address: Some("DLQ".into()),
                },
                "AMQ222148: Sending message 7 to Dead Letter Address DLQ, but it has no bindings so dropping it; from \
                 q after 10 attempts (said once per address)",
            ),
            (
                Notice::TransactionTimedOut {
                    client: ConnectionId(3),
                    transaction: TransactionId(1),
                },
                "AMQ222103: transaction with xid 3:1 timed out and is rolled back (connection 3)",
            ),
        ];
        for (notice, text) in table {
            let lines = announcer().lines(notice);
            assert_eq!(lines.first().expect("is worth a line").text, text);
        }
    }

    #[test]
    fn the_identity_is_said_once_the_broker_serves() {
        let mut announcer = announcer();
        let node_id = "n-1".to_owned();
        assert_eq!(announcer.lines(Notice::Identified { node_id }), []);
        assert_eq!(
            announcer.lines(Notice::Active)[1].text,
            "AMQ221001: Hind Message Broker version 1 [b, nodeID=n-1]"
        );
    }

    #[test]
    fn recovery_says_every_tenth_of_a_long_journal_and_nothing_of_a_short_one() {
        let said = |total| {
            let read = 1..=total;
            read.flat_map(|read| announcer().lines(Notice::Recovering { read, total }))
                .map(|line| line.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(said(3), [""; 0]);
        let long = said(250);
        assert_eq!(long.len(), 10);
        assert_eq!(long[0], "AMQ221014: 10% loaded (25 of 250 journal files)");
        assert_eq!(long[9], "AMQ221014: 100% loaded (250 of 250 journal files)");
    }

    #[test]
    fn uptimes_read_like_artemis_ones() {
        let table = [
            (12_345, "12.345 seconds"),
            (60_000, "1 minute"),
            (7_500_000, "2 hours 5 minutes"),
            (90_000_000, "1 day 1 hour"),
        ];
        for (millis, words) in table {
            assert_eq!(spoken_duration(Duration::from_millis(millis)), words);
        }
    }
}
