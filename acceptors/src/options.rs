// SPDX-License-Identifier: Apache-2.0
//! What a broker is told before it starts: plain values, no text left to parse.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hind_engine::id::ConnectionId;
use hind_engine::protocol;
use hind_engine::time::Now;

use crate::host::disk_fill::Fullest;
use crate::host::lines::Line;
use crate::host::login::Authenticator;

/// Everything the host needs to know about a broker. The node has been told its own part already.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// The broker's name, for the log.
    pub name: String,
    /// The version the log shows.
    pub version: String,
    /// The doors.
    pub acceptors: Vec<AcceptorOptions>,
    /// Protocols to announce at start (AMQ221043): module and key, for example `hind-stomp` and `STOMP`.
    pub modules: Vec<(String, String)>,
    /// What else the log says at start.
    pub start_lines: Vec<Line>,
    /// Where durable state lives.
    pub directories: Directories,
    /// How the journal is written; `None` when `persistence-enabled` is false.
    pub journal: Option<JournalOptions>,
    /// How long to wait for a data directory that another process has locked.
    pub lock_patience: Duration,
    /// Where `STOP_ME` and `KILL_ME` may appear.
    pub marker_directory: Option<PathBuf>,
    /// Whether `KILL_ME` is obeyed (`run --allow-kill`).
    pub kill_allowed: bool,
    /// How often the disk is measured; `None` for never.
    pub disk_scan_period: Option<Duration>,
    /// Which of the file systems under its folders counts then.
    pub fullest_disk: Fullest,
    /// Whether the process is the broker's own: SIGTERM and SIGINT stop it, and it takes all the file descriptors it may
    /// have.
    pub signals: bool,
    /// Who checks logins, and how.
    pub login: LoginOptions,
    /// Threads that serve sockets; at least 1. By default one per processor, from 2 to 16.
    pub workers: usize,
    /// Bytes the node may hold unwritten before sockets are no longer read.
    pub backlog_limit: u64,
    /// Whether there is little memory: it is given back to the system rather than kept for the next need.
    pub frugal: bool,
    /// How long clients may take to leave once the broker stops, before they are cut off.
    pub stop_grace: Duration,
    /// How long an orderly stop may take before the process ends anyway.
    pub stop_timeout: Duration,
}

impl BrokerOptions {
    /// A broker without doors that keeps nothing, to be filled in.
    pub fn new(name: &str, authenticator: Arc<dyn Authenticator>) -> Self {
        Self {
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            acceptors: Vec::new(),
            modules: Vec::new(),
            start_lines: Vec::new(),
            directories: Directories::default(),
            journal: None,
            lock_patience: Duration::ZERO,
            marker_directory: None,
            kill_allowed: false,
            disk_scan_period: None,
            fullest_disk: Fullest::MostUsed,
            signals: false,
            login: LoginOptions::new(authenticator),
            workers: thread::available_parallelism().map_or(2, |it| it.get().clamp(2, 16)),
            backlog_limit: 64 << 20,
            frugal: false,
            stop_grace: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// Where durable state lives.
#[derive(Clone, Debug, Default)]
pub struct Directories {
    /// `journal-directory`: all records.
    pub journal: PathBuf,
    /// `bindings-directory`: kept for its name and place; Hind writes bindings to the journal.
    pub bindings: PathBuf,
    /// `large-messages-directory`.
    pub large_messages: PathBuf,
    /// `paging-directory`.
    pub paging: PathBuf,
    /// Whether a missing journal directory is created (`create-journal-dir`).
    pub create_journal: bool,
    /// Whether a missing bindings directory is created (`create-bindings-dir`).
    pub create_bindings: bool,
}

/// How the journal is written.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// `journal-file-size`, in bytes.
    pub segment_size: u64,
    /// `journal-pool-files`: how many idle files are kept; `None` for all.
    pub pool_files: Option<usize>,
    /// `journal-min-files`: how many idle files are prepared ahead.
    pub min_files: usize,
    /// `journal-datasync`: `fdatasync`, else `fsync`.
    pub datasync: bool,
    /// Whether segments are read ahead in recovery, by threads that each have some in memory.
    pub read_ahead: bool,
    /// `journal-buffer-timeout`: the longest a batch may wait for company.
    pub buffer_timeout: Duration,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_size: 10 << 20,
            pool_files: Some(10),
            min_files: 2,
            datasync: true,
            read_ahead: true,
            buffer_timeout: Duration::from_micros(500),
        }
    }
}

/// Who checks logins, and how.
#[derive(Clone)]
pub struct LoginOptions {
    /// The login modules.
    pub authenticator: Arc<dyn Authenticator>,
    /// `authentication-cache-size`: successful logins remembered; 0 for none.
    pub cache_size: usize,
    /// `security-invalidation-interval`: for how long.
    pub cache_for: Duration,
    /// How long the answer to a wrong password is held back.
    pub failure_delay: Duration,
    /// Checks that may run at once.
    pub concurrency: usize,
}

impl LoginOptions {
    /// Artemis's defaults.
    pub fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        Self {
            authenticator,
            cache_size: 1000,
            cache_for: Duration::from_secs(10),
            failure_delay: Duration::from_millis(300),
            concurrency: 4,
        }
    }
}

impl fmt::Debug for LoginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginOptions")
            .field("cache_size", &self.cache_size)
            .field("cache_for", &self.cache_for)
            .finish_non_exhaustive()
    }
}

/// One acceptor of the configuration.
#[derive(Clone, Debug)]
pub struct AcceptorOptions {
    /// Its name.
    pub name: String,
    /// Hosts to listen on, as written (`0.0.0.0`, `::`, `localhost` …); at least one.
    pub hosts: Vec<String>,
    /// The port; 0 for any free one.
    pub port: u16,
    /// What may be spoken here, in the order of the configuration.
    pub protocols: Vec<Served>,
    /// How long a client may take until it has a session; `None` for ever.
    pub handshake_timeout: Option<Duration>,
    /// `connectionsAllowed`; `None` for any number.
    pub connections_allowed: Option<usize>,
    /// `tcpNoDelay`.
    pub tcp_no_delay: bool,
    /// `tcpSendBufferSize` in bytes; `None` leaves it to the system.
    pub send_buffer: Option<usize>,
    /// `tcpReceiveBufferSize` in bytes; `None` leaves it to the system.
    pub receive_buffer: Option<usize>,
    /// `backlog`: connections the system may hold ready.
    pub backlog: u32,
    /// Why the acceptor stays closed (for example: TLS is not built yet); `None` opens it.
    pub closed_reason: Option<String>,
    /// `webSocketMaxFramePayloadLength`, in bytes.
    pub web_socket_frame_max: usize,
    /// `webSocketEncoderType=text`: frames go out as text where they are UTF-8.
    pub web_socket_text: bool,
    /// The parameters as written, for the log.
    pub params: BTreeMap<String, String>,
}

impl AcceptorOptions {
    /// An acceptor with Artemis's defaults.
    pub fn new(name: &str, host: &str, port: u16, protocols: Vec<Served>) -> Self {
        Self {
            name: name.to_owned(),
            hosts: vec![host.to_owned()],
            port,
            protocols,
            handshake_timeout: Some(Duration::from_secs(10)),
            connections_allowed: None,
            tcp_no_delay: true,
            send_buffer: None,
            receive_buffer: None,
            backlog: 1024,
            closed_reason: None,
            web_socket_frame_max: 65536,
            web_socket_text: false,
            params: BTreeMap::new(),
        }
    }
}

/// A protocol an acceptor speaks.
#[derive(Clone)]
pub struct Served {
    /// Which one.
    pub protocol: Protocol,
    /// What makes its machines; `None` while the protocol is not built.
    pub machine: Option<Machine>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("protocol", &self.protocol)
            .field("built", &self.machine.is_some())
            .finish()
    }
}

/// Makes the machine of one connection.
pub type Machine = Arc<dyn Fn(&Opening) -> Box<dyn protocol::Connection> + Send + Sync>;

/// What is known of a connection when its machine is made.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Its number.
    pub id: ConnectionId,
    /// The client's address.
    pub peer: SocketAddr,
    /// Unpredictable, for session ids.
    pub seed: u64,
    /// When.
    pub now: Now,
}

/// The protocols Artemis's acceptors know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// Artemis's own.
    Core,
    /// AMQP 1.0.
    Amqp,
    /// MQTT 3.1, 3.1.1, 5.
    Mqtt,
    /// STOMP 1.0, 1.1, 1.2.
    Stomp,
    /// ActiveMQ "Classic"'s own.
    OpenWire,
    /// The ancestor of Core.
    HornetQ,
}

impl Protocol {
    /// All of them, in the order in which a first byte is looked at.
    pub const ALL: [Self; 6] = [
        Self::Core,
        Self::Amqp,
        Self::Mqtt,
        Self::Stomp,
        Self::OpenWire,
        Self::HornetQ,
    ];

    /// The word used in broker.xml and in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Core => "CORE",
            Self::Amqp => "AMQP",
            Self::Mqtt => "MQTT",
            Self::Stomp => "STOMP",
            Self::OpenWire => "OPENWIRE",
            Self::HornetQ => "HORNETQ",
        }
    }

    /// The protocol of a word of broker.xml, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.word().eq_ignore_ascii_case(word))
    }
}
