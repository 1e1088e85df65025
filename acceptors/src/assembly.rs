// SPDX-License-Identifier: Apache-2.0
//! From what broker.xml says to what the host is told: doors with the protocols they speak, folders, the journal.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hind_config::acceptors::{Acceptor, Protocol as Word};
use hind_config::{Position, Settings};
use hind_ha::{Node, Seed};

use crate::global_max_size::GlobalMaxSize;
use crate::host::allocator::LITTLE;
use crate::host::disk_fill::Fullest;
use crate::host::entropy;
use crate::host::login::Authenticator;
use crate::host::turn::Brain;
use crate::options::{
    AcceptorOptions, BrokerOptions, Directories, JournalOptions, Machine, Opening, Protocol, Served,
};

/// The version of Artemis this broker takes over from: said wherever it names itself.
pub const COMPATIBLE_WITH: &str = "2.44.0";

/// An acceptor parameter whose value its protocol does not understand.
#[derive(Debug)]
pub struct BadParameter {
    /// Where the acceptor stands.
    pub position: Position,
    /// Which one, and what was expected.
    pub what: String,
}

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.what)
    }
}

impl std::error::Error for BadParameter {}

/// What the host is told for these settings. Relative folders are seen from `instance`.
///
/// # Errors
/// Every parameter that a protocol does not understand.
pub fn options(
    settings: &Settings,
    instance: &Path,
    authenticator: Arc<dyn Authenticator>,
) -> Result<BrokerOptions, Vec<BadParameter>> {
    let mut options = BrokerOptions::new(&settings.name, authenticator);
    let mut errors = Vec::new();
    for acceptor in settings
        .acceptors
        .iter()
        .filter(|acceptor| acceptor.auto_start)
    {
        match acceptor_options(settings, acceptor) {
            Ok(acceptor) => options.acceptors.push(acceptor),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    options.version = format!(
        "{} (compatible with Apache ActiveMQ Artemis {COMPATIBLE_WITH})",
        env!("CARGO_PKG_VERSION")
    );
    options.modules = [("hind-mqtt", "MQTT"), ("hind-stomp", "STOMP")]
        .map(|(module, key)| (module.to_owned(), key.to_owned()))
        .to_vec();
    options.directories = directories(settings, instance);
    options.journal = settings.persistence_enabled.then(|| journal(settings));
    let memory = GlobalMaxSize::of(settings);
    options.start_lines = memory.lines();
    options.backlog_limit = memory.backlog_limit();
    options.frugal = memory.bytes.is_some_and(|bytes| bytes < LITTLE);
    if let Some(journal) = &mut options.journal {
        journal.read_ahead = !options.frugal;
    }
    options.disk_scan_period = settings.limits.disk_scan_period;
    if settings.limits.min_disk_free.is_some() {
        options.fullest_disk = Fullest::LeastFree;
    }
    options.signals = true;
    options.lock_patience = Duration::from_secs(10);
    options.login.cache_size =
        usize::try_from(settings.security.authentication_cache_size).unwrap_or(usize::MAX);
    options.login.cache_for = settings.security.invalidation_interval;
    Ok(options)
}

/// The node for these settings, not started.
///
/// # Errors
/// The system gives no randomness.
pub fn node(settings: &Settings) -> io::Result<Box<dyn Brain>> {
    let seed = Seed(entropy::node_seed()?);
    let mut node = settings.node();
    node.engine.global_max_bytes = GlobalMaxSize::of(settings).bytes;
    Ok(Box::new(Node::new(node, seed)))
}

fn directories(settings: &Settings, instance: &Path) -> Directories {
    let folder = |path: &str| -> PathBuf { instance.join(path) };
    Directories {
        journal: folder(&settings.paths.journal),
        bindings: folder(&settings.paths.bindings),
        large_messages: folder(&settings.paths.large_messages),
        paging: folder(&settings.paths.paging),
        create_journal: settings.paths.create_journal,
        create_bindings: settings.paths.create_bindings,
    }
}

fn journal(settings: &Settings) -> JournalOptions {
    JournalOptions {
        segment_size: settings.journal.file_size,
        pool_files: settings.journal.pool_files.map(|files| files as usize),
        min_files: settings.journal.min_files as usize,
        datasync: settings.journal.datasync,
        read_ahead: true,
        buffer_timeout: settings.journal.buffer_timeout,
    }
}

fn acceptor_options(
    settings: &Settings,
    acceptor: &Acceptor,
) -> Result<AcceptorOptions, BadParameter> {
    let protocols = acceptor
        .protocols
        .iter()
        .map(|word| served(settings, acceptor, *word));
    let protocols = protocols.collect::<Result<Vec<_>, _>>()?;
    let host = acceptor.hosts.first().map_or("localhost", String::as_str);
    let mut options = AcceptorOptions::new(&acceptor.name, host, acceptor.port, protocols);
    options.hosts.clone_from(&acceptor.hosts);
    options.handshake_timeout = acceptor.handshake_timeout;
    options.connections_allowed = acceptor
        .connections_allowed
        .map(|allowed| usize::try_from(allowed).unwrap_or(usize::MAX));
    options.tcp_no_delay = acceptor.tcp_no_delay;
    options.send_buffer = acceptor.tcp_send_buffer_size.map(|bytes| bytes as usize);
    options.receive_buffer = acceptor.tcp_receive_buffer_size.map(|bytes| bytes as usize);
    options.backlog = acceptor.backlog.unwrap_or(options.backlog);
    if acceptor.ssl_enabled {
        options.closed_reason = Some("TLS is not built yet, and sslEnabled asks for it".to_owned());
    }
    for parameter in &acceptor.parameters {
        options
            .params
            .insert(parameter.name.clone(), parameter.value.clone());
        match parameter.name.as_str() {
            "webSocketMaxFramePayloadLength" | "stompMaxFramePayloadLength" => {
                options.web_socket_frame_max = parameter
                    .value
                    .parse()
                    .unwrap_or(options.web_socket_frame_max);
            }
            "webSocketEncoderType" => {
                options.web_socket_text = parameter.value.eq_ignore_ascii_case("text")
            }
            _ => {}
        }
    }
    Ok(options)
}

fn served(settings: &Settings, acceptor: &Acceptor, word: Word) -> Result<Served, BadParameter> {
    let (protocol, machine) = match word {
        Word::Stomp => (Protocol::Stomp, Some(stomp(settings, acceptor)?)),
        Word::Core => (Protocol::Core, None),
        Word::Amqp => (Protocol::Amqp, None),
        Word::Hornetq => (Protocol::HornetQ, None),
        Word::Mqtt => (Protocol::Mqtt, Some(mqtt(settings, acceptor)?)),
        Word::Openwire => (Protocol::OpenWire, None),
    };
    Ok(Served { protocol, machine })
}

fn parameters(acceptor: &Acceptor) -> impl Iterator<Item = (&str, &str)> {
    let parameters = acceptor.parameters.iter();
    parameters.map(|parameter| (parameter.name.as_str(), parameter.value.as_str()))
}

fn bad_parameter(acceptor: &Acceptor, error: &dyn fmt::Display) -> BadParameter {
    BadParameter {
        position: acceptor.position.clone(),
        what: format!("acceptor {}: {error}", acceptor.name),
    }
}

fn mqtt(settings: &Settings, acceptor: &Acceptor) -> Result<Machine, BadParameter> {
    let mut options = hind_mqtt::Options::parse(parameters(acceptor))
        .map_err(|error| bad_parameter(acceptor, &error))?;
    options.addresses = settings.wildcards;
    let options = Arc::new(options);
    Ok(Arc::new(move |opening: &Opening| {
        Box::new(hind_mqtt::Connection::new(
            Arc::clone(&options),
            opening.id,
            opening.seed,
        ))
    }))
}

fn stomp(settings: &Settings, acceptor: &Acceptor) -> Result<Machine, BadParameter> {
    let mut options = hind_stomp::Options::parse(parameters(acceptor))
        .map_err(|error| bad_parameter(acceptor, &error))?;
    if acceptor.connection_ttl.is_none()
        && let Some(ttl) = settings.periods.connection_ttl_override
    {
        options.connection_ttl = Some(ttl);
    }
    options.server = format!(
        "Hind/{} (ActiveMQ-Artemis/{COMPATIBLE_WITH} compatible)",
        env!("CARGO_PKG_VERSION")
    );
    let options = Arc::new(options);
    Ok(Arc::new(move |opening: &Opening| {
        Box::new(hind_stomp::Connection::new(
            Arc::clone(&options),
            opening.id,
        ))
    }))
}
