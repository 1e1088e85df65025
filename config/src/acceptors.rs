// SPDX-License-Identifier: Apache-2.0
//! `<acceptors>` and `<connectors>`: the doors, with everything their URIs say.

use std::time::Duration;

use crate::check::{note, refusal, shown};
use crate::error::{ConfigError, Effective, Findings, Level, Origin, Position};
use crate::nearest::nearest;
use crate::secrets::Codec;
use crate::uri::{self, Parameter, Uri};
use crate::value::{self, Kind};
use crate::vocabulary::{Side, Status, Vocabulary, Word};
use crate::xml::Element;

/// A protocol that an acceptor may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// The Java broker's own.
    Core,
    /// AMQP 1.0.
    Amqp,
    /// STOMP 1.0, 1.1, 1.2.
    Stomp,
    /// Core as spoken by HornetQ.
    Hornetq,
    /// MQTT 3.1, 3.1.1, 5.
    Mqtt,
    /// The protocol of ActiveMQ Classic.
    Openwire,
}

impl Protocol {
    /// All of them: what an acceptor speaks that names none.
    pub const ALL: [Self; 6] = [
        Self::Core,
        Self::Amqp,
        Self::Stomp,
        Self::Hornetq,
        Self::Mqtt,
        Self::Openwire,
    ];

    /// The word of the `protocols` parameter.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Core => "CORE",
            Self::Amqp => "AMQP",
            Self::Stomp => "STOMP",
            Self::Hornetq => "HORNETQ",
            Self::Mqtt => "MQTT",
            Self::Openwire => "OPENWIRE",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.word().eq_ignore_ascii_case(word))
    }
}

/// A door for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptor {
    /// Its name, unique among acceptors.
    pub name: String,
    /// Names and addresses to listen on; at least one.
    pub hosts: Vec<String>,
    /// 0: the system chooses.
    pub port: u16,
    /// What it speaks, in the order written; never empty.
    pub protocols: Vec<Protocol>,
    /// Stripped from addresses, which are then anycast.
    pub anycast_prefixes: Vec<String>,
    /// Stripped from addresses, which are then multicast.
    pub multicast_prefixes: Vec<String>,
    /// Connections at a time; `None`: any number.
    pub connections_allowed: Option<u64>,
    /// How long a connection may stay silent before its first bytes; `None`: without end.
    pub handshake_timeout: Option<Duration>,
    /// True: only TLS may be spoken here. Until TLS is built the door must stay closed.
    pub ssl_enabled: bool,
    /// False: opened by management only.
    pub auto_start: bool,
    /// Small packets leave at once.
    pub tcp_no_delay: bool,
    /// Bytes; `None`: as the system has it.
    pub tcp_send_buffer_size: Option<u32>,
    /// Bytes; `None`: as the system has it.
    pub tcp_receive_buffer_size: Option<u32>,
    /// Connections waiting to be accepted; `None`: as the system has it.
    pub backlog: Option<u32>,
    /// A connection that is silent for so long is dead; `None`: as the protocol and the broker have it.
    pub connection_ttl: Option<Duration>,
    /// Every parameter as written, in order, for the protocols' own `options`. Names and values have been checked.
    pub parameters: Vec<Parameter>,
    /// Where it stands.
    pub position: Position,
}

/// The acceptors of `<core>`; connectors and their URIs are only checked.
pub(crate) fn read(
    core: &Element,
    vocabulary: &Vocabulary,
    codec: &Codec,
    findings: &mut Findings,
) -> Vec<Acceptor> {
    let mut acceptors: Vec<Acceptor> = Vec::new();
    for element in core.all("acceptors").flat_map(|all| all.all("acceptor")) {
        let Some(acceptor) = acceptor(element, vocabulary, codec, findings) else {
            continue;
        };
        for other in &acceptors {
            clash(other, &acceptor, findings);
        }
        acceptors.push(acceptor);
    }
    for element in core.all("connectors").flat_map(|all| all.all("connector")) {
        if let Some(uri) = uri::parse(element, findings) {
            scheme(&uri, findings);
            parameters(&uri, Side::Connector, vocabulary, codec, findings);
        }
        named(element, findings);
    }
    acceptors
}

fn acceptor(
    element: &Element,
    vocabulary: &Vocabulary,
    codec: &Codec,
    findings: &mut Findings,
) -> Option<Acceptor> {
    let name = named(element, findings);
    let uri = uri::parse(element, findings)?;
    scheme(&uri, findings);
    parameters(&uri, Side::Acceptor, vocabulary, codec, findings);
    let name = name?;
    let protocols = protocols(
        find(&uri, "protocols").or_else(|| find(&uri, "protocol")),
        findings,
    );
    if protocols.contains(&Protocol::Stomp)
        && let Err(bad) = hind_stomp::Options::parse(pairs(&uri))
    {
        no_value(&uri, &bad.key, &bad.value, bad.expected, findings);
    }
    if protocols.contains(&Protocol::Mqtt)
        && let Err(bad) = hind_mqtt::Options::parse(pairs(&uri))
    {
        no_value(&uri, &bad.key, &bad.value, bad.expected, findings);
    }
    effective(&name, &uri, vocabulary, findings);
    let text = |name: &str| find(&uri, name).map(|parameter| parameter.value.as_str());
    let number = |name: &str| text(name).and_then(value::integer);
    let yes = |name: &str, default: bool| {
        text(name)
            .and_then(|text| value::boolean(text, true))
            .unwrap_or(default)
    };
    let size = |name: &str| {
        number(name).map_or(Some(1 << 20), |size| {
            u32::try_from(size).ok().filter(|size| *size > 0)
        })
    };
    let ssl_enabled = yes("sslEnabled", false);
    if ssl_enabled {
        let position =
            find(&uri, "sslEnabled").map_or(&uri.position, |parameter| &parameter.position);
        let said = format!("TLS is not built yet: acceptor {name} stays closed");
        findings.note(Level::Warn, position, "sslEnabled", said);
    }
    Some(Acceptor {
        hosts: text("host")
            .map(list)
            .filter(|hosts| !hosts.is_empty())
            .unwrap_or_else(|| uri.hosts.clone()),
        port: number("port")
            .and_then(|port| u16::try_from(port).ok())
            .or(uri.port)
            .unwrap_or(61616),
        protocols,
        anycast_prefixes: text("anycastPrefix").map(list).unwrap_or_default(),
        multicast_prefixes: text("multicastPrefix").map(list).unwrap_or_default(),
        connections_allowed: number("connectionsAllowed")
            .and_then(|count| u64::try_from(count).ok()),
        handshake_timeout: seconds(number("handshake-timeout").unwrap_or(10)),
        ssl_enabled,
        auto_start: yes("autoStart", true),
        tcp_no_delay: yes("tcpNoDelay", true),
        tcp_send_buffer_size: size("tcpSendBufferSize"),
        tcp_receive_buffer_size: size("tcpReceiveBufferSize"),
        backlog: number("backlog").and_then(|count| u32::try_from(count).ok()),
        connection_ttl: number("connectionTtl")
            .and_then(|ttl| u64::try_from(ttl).ok())
            .map(Duration::from_millis),
        position: element.position.clone(),
        parameters: uri.parameters,
        name,
    })
}

fn find<'a>(uri: &'a Uri, name: &str) -> Option<&'a Parameter> {
    uri.parameters
        .iter()
        .rfind(|parameter| parameter.name == name)
}

/// The parameters for a protocol that reads its own: what each must be was checked, what they must be together only it
/// knows.
fn pairs(uri: &Uri) -> impl Iterator<Item = (&str, &str)> {
    let parameters = uri.parameters.iter();
    parameters.map(|parameter| (parameter.name.as_str(), parameter.value.as_str()))
}

/// A protocol does not understand a value.
fn no_value(uri: &Uri, key: &str, value: &str, expected: &str, findings: &mut Findings) {
    let position = find(uri, key).map_or(&uri.position, |parameter| &parameter.position);
    if findings
        .errors
        .iter()
        .any(|error| error.position == *position)
    {
        return;
    }
    let problem = format!("{} is no value of {key}", shown(value));
    findings.error(ConfigError::new(position, key, problem).expected(expected));
}

/// A positive number of seconds.
fn seconds(count: i64) -> Option<Duration> {
    u64::try_from(count)
        .ok()
        .filter(|count| *count > 0)
        .map(Duration::from_secs)
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn named(element: &Element, findings: &mut Findings) -> Option<String> {
    let name = element.attribute("name").map(|name| name.value.clone());
    if name.is_none() {
        let problem = format!("<{}> has no attribute name", element.name);
        findings.error(ConfigError::new(&element.position, "name", problem));
    }
    name
}

fn scheme(uri: &Uri, findings: &mut Findings) {
    if uri.scheme != "tcp" {
        let problem = format!("{}:// is no transport of this broker", uri.scheme);
        findings.error(ConfigError::new(&uri.position, &uri.scheme, problem).expected("tcp://"));
    }
}

fn protocols(parameter: Option<&Parameter>, findings: &mut Findings) -> Vec<Protocol> {
    let Some(parameter) = parameter else {
        return Protocol::ALL.to_vec();
    };
    let mut protocols = Vec::new();
    for word in list(&parameter.value) {
        match Protocol::from_word(&word) {
            Some(protocol) if protocols.contains(&protocol) => {}
            Some(protocol) => protocols.push(protocol),
            None => {
                let near = nearest(
                    &word.to_ascii_uppercase(),
                    Protocol::ALL.map(Protocol::word),
                )
                .map(str::to_owned);
                let error = ConfigError::new(
                    &parameter.position,
                    &parameter.name,
                    format!("{} is no protocol", shown(&word)),
                );
                let known = Protocol::ALL.map(Protocol::word).join(", ");
                findings.error(error.expected(format!("one of {known}")).nearest(near));
            }
        }
    }
    if protocols.is_empty() {
        Protocol::ALL.to_vec()
    } else {
        protocols
    }
}

/// Checks names and values of what follows the question mark.
fn parameters(
    uri: &Uri,
    side: Side,
    vocabulary: &Vocabulary,
    codec: &Codec,
    findings: &mut Findings,
) {
    for (at, parameter) in uri.parameters.iter().enumerate() {
        let Some(word) = vocabulary
            .parameters(side)
            .find(|word| word.name == parameter.name)
        else {
            let near = nearest(
                &parameter.name,
                vocabulary.parameters(side).map(|word| word.name),
            )
            .map(str::to_owned);
            let problem = format!("unknown parameter {}", parameter.name);
            findings.error(
                ConfigError::new(&parameter.position, &parameter.name, problem).nearest(near),
            );
            continue;
        };
        if uri.parameters[..at]
            .iter()
            .any(|other| other.name == parameter.name)
        {
            let problem = format!("a second parameter {}", parameter.name);
            findings.error(
                ConfigError::new(&parameter.position, &parameter.name, problem)
                    .expected("at most one"),
            );
        }
        if let Some(expected) = word.value.refuse(&parameter.value) {
            let problem = format!(
                "{} is no value of {}",
                shown(&parameter.value),
                parameter.name
            );
            let near =
                nearest(&parameter.value, word.value.words().iter().copied()).map(str::to_owned);
            let error = ConfigError::new(&parameter.position, &parameter.name, problem);
            findings.error(error.expected(expected).nearest(near));
        }
        if word.value.kind == Kind::Secret {
            codec.check(
                &parameter.value,
                &parameter.position,
                &parameter.name,
                findings,
            );
        }
        fate(word, parameter, side, findings);
    }
}

fn fate(word: &Word, parameter: &Parameter, side: Side, findings: &mut Findings) {
    if word.harmless(&parameter.value) {
        return;
    }
    if word.status == Status::Refused {
        findings.error(refusal(
            &parameter.position,
            &parameter.name,
            &parameter.name,
            word.reason,
        ));
    } else if let Some((level, text)) =
        note(word, &parameter.name).filter(|_| side == Side::Acceptor)
    {
        // Connectors as a whole are noted by the check.
        findings.note(level, &parameter.position, &parameter.name, text);
    }
}

fn effective(name: &str, uri: &Uri, vocabulary: &Vocabulary, findings: &mut Findings) {
    let origin = |position: &Position| Origin::Written(position.clone());
    let address = format!("{}:{}", uri.hosts.join(","), uri.port.unwrap_or(61616));
    let entry = Effective {
        name: format!("acceptors[{name}]"),
        value: address,
        origin: origin(&uri.position),
    };
    findings.effective.push(entry);
    for parameter in &uri.parameters {
        let word = vocabulary
            .parameters(Side::Acceptor)
            .find(|word| word.name == parameter.name);
        let secret = word.is_some_and(|word| word.value.kind == Kind::Secret);
        let value = if secret {
            "****".to_owned()
        } else {
            parameter.value.clone()
        };
        let name = format!("acceptors[{name}]/{}", parameter.name);
        findings.effective.push(Effective {
            name,
            value,
            origin: origin(&parameter.position),
        });
    }
}

/// Two doors with one name or on one port.
fn clash(first: &Acceptor, second: &Acceptor, findings: &mut Findings) {
    if first.name == second.name {
        let problem = format!(
            "a second acceptor {}; the first stands in line {}",
            first.name, first.position.line
        );
        findings.error(
            ConfigError::new(&second.position, "acceptor", problem).expected("a name of its own"),
        );
    }
    let any = |hosts: &[String]| {
        hosts
            .iter()
            .any(|host| matches!(host.as_str(), "0.0.0.0" | "::"))
    };
    let shared = any(&first.hosts)
        || any(&second.hosts)
        || first.hosts.iter().any(|host| second.hosts.contains(host));
    if shared && first.port == second.port && first.port != 0 {
        let problem = format!(
            "acceptor {} wants port {} that acceptor {} has",
            second.name, second.port, first.name
        );
        findings.error(
            ConfigError::new(&second.position, "acceptor", problem).expected("a port of its own"),
        );
    }
}
