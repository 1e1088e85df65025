// SPDX-License-Identifier: Apache-2.0
//! `<addresses>` and the older `<queues>`: what is there before anybody connects; and how addresses are spelled.

use std::collections::BTreeSet;
use std::time::Duration;

use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::routing_type::RoutingType;
use hind_engine::selector::Selector;

use crate::check::shown;
use crate::error::{ConfigError, Effective, Findings, Origin, Position};
use crate::reader::Reader;
use crate::xml::Element;

/// An address to deploy at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its name.
    pub name: String,
    /// How it routes; never empty.
    pub routing_types: BTreeSet<RoutingType>,
    /// Its queues in the order of the file.
    pub queues: Vec<Queue>,
}

/// A queue to deploy at start. `None` everywhere means: as the address settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name, unique in the broker.
    pub name: String,
    /// How it takes part in its address.
    pub routing_type: RoutingType,
    /// Survives a restart.
    pub durable: bool,
    /// Only messages that match this selector are routed here.
    pub filter: Option<String>,
    /// The user it belongs to.
    pub user: Option<String>,
    /// Consumers it may have; `Some(None)`: any number.
    pub max_consumers: Option<Option<u32>>,
    /// Emptied when the last consumer leaves. Not written means no, whatever the address settings say.
    pub purge_on_no_consumers: bool,
    /// One consumer at a time.
    pub exclusive: Option<bool>,
    /// Keeps only the last message for each key.
    pub last_value: Option<bool>,
    /// The property that is the key.
    pub last_value_key: Option<String>,
    /// Consumers do not take messages away.
    pub non_destructive: Option<bool>,
    /// Groups are reassigned when a consumer is added.
    pub group_rebalance: Option<bool>,
    /// Delivery pauses meanwhile.
    pub group_rebalance_pause_dispatch: Option<bool>,
    /// Buckets that groups are hashed into; `Some(None)`: one per group.
    pub group_buckets: Option<Option<u32>>,
    /// The property that marks the first message of a group.
    pub group_first_key: Option<String>,
    /// Consumers needed before delivery starts.
    pub consumers_before_dispatch: Option<u32>,
    /// Longest wait for them; `Some(None)`: without end.
    pub delay_before_dispatch: Option<Option<Duration>>,
    /// Messages kept, the oldest dropped; `None`: no ring. Not written means none, whatever the address settings say.
    pub ring_size: Option<u64>,
    /// False: takes no messages.
    pub enabled: Option<bool>,
}

/// Reads `<wildcard-addresses>`.
pub(crate) fn wildcards(core: &Element, findings: &mut Findings) -> WildcardSyntax {
    let default = WildcardSyntax::default();
    let outer = Reader::new(Some(core), "", findings)
        .bool("wild-card-routing-enabled", default.routing_enabled);
    let element = core.child("wildcard-addresses");
    let mut reader = Reader::new(element, "wildcard-addresses/", findings);
    let old = reader.bool("enabled", outer);
    let mut character = |name: &str, default: char| {
        reader.value(name, default, |text| text.chars().next(), char::to_string)
    };
    let (delimiter, any_words, single_word) = (
        character("delimiter", default.delimiter),
        character("any-words", default.any_words),
        character("single-word", default.single_word),
    );
    let syntax = WildcardSyntax {
        routing_enabled: reader.bool("routing-enabled", old),
        delimiter,
        any_words,
        single_word,
    };
    if let Some(element) = element
        .filter(|_| delimiter == any_words || delimiter == single_word || any_words == single_word)
    {
        let problem = format!(
            "delimiter {delimiter}, any-words {any_words} and single-word {single_word} are not all different"
        );
        findings.error(
            ConfigError::new(&element.position, "wildcard-addresses", problem)
                .expected("three characters"),
        );
    }
    syntax
}

/// Reads all addresses and queues; one that is written twice is an error unless both times the same was written.
pub(crate) fn read(core: &Element, findings: &mut Findings) -> Vec<Address> {
    let mut deploy = Deploy {
        addresses: Vec::new(),
        places: Vec::new(),
        findings,
    };
    for address in core.all("addresses").flat_map(|all| all.all("address")) {
        deploy.address(address);
    }
    for queue in core.all("queues").flat_map(|all| all.all("queue")) {
        let address = queue.child("address").map(|child| child.text.clone());
        let name = queue.attribute("name").map(|name| name.value.clone());
        if let Some(address) = address.or(name) {
            deploy.queue(&address, queue, RoutingType::Multicast);
        }
    }
    deploy.addresses
}

struct Deploy<'a> {
    addresses: Vec<Address>,
    /// Queue, its address, and where it was written first.
    places: Vec<(Queue, String, Position)>,
    findings: &'a mut Findings,
}

impl Deploy<'_> {
    fn address(&mut self, element: &Element) {
        let Some(name) = element.attribute("name") else {
            return;
        };
        if name.value.contains("::") {
            let problem = format!("{} names a queue too", name.value);
            self.findings.error(
                ConfigError::new(&name.position, "name", problem).expected("an address without ::"),
            );
        }
        let kinds = [
            ("anycast", RoutingType::Anycast),
            ("multicast", RoutingType::Multicast),
        ];
        let mut routed = false;
        for child in &element.children {
            let Some((_, kind)) = kinds.iter().find(|(kind, _)| *kind == child.name) else {
                continue;
            };
            routed = true;
            self.entry(&name.value).routing_types.insert(*kind);
            for queue in child.all("queue") {
                self.queue(&name.value, queue, *kind);
            }
            self.findings.effective.push(Effective {
                name: format!("addresses[{}]", name.value),
                value: kind.to_string(),
                origin: Origin::Written(child.position.clone()),
            });
        }
        if !routed && element.children.is_empty() {
            let problem = format!("address {} has no routing type", name.value);
            let error = ConfigError::new(&element.position, "address", problem);
            self.findings
                .error(error.expected("<anycast> or <multicast>"));
        }
    }

    fn queue(&mut self, address: &str, element: &Element, routing_type: RoutingType) {
        let Some(name) = element.attribute("name") else {
            return;
        };
        let mut read = Findings::default();
        let prefix = format!("addresses[{address}]/{routing_type}[{}]/", name.value);
        let queue = queue(element, &name.value, routing_type, &prefix, &mut read);
        self.findings.errors.append(&mut read.errors);
        if let Some((same, other, first)) = self
            .places
            .iter()
            .find(|(other, _, _)| other.name == queue.name)
        {
            if *same != queue || other != address {
                let problem = format!(
                    "a second queue {} that differs from the one in line {}",
                    queue.name, first.line
                );
                self.findings
                    .error(ConfigError::new(&element.position, "queue", problem));
            }
            return;
        }
        let written = read
            .effective
            .into_iter()
            .filter(|value| value.origin != Origin::Default);
        self.findings.effective.extend(written);
        self.places
            .push((queue.clone(), address.to_owned(), element.position.clone()));
        let entry = self.entry(address);
        entry.routing_types.insert(routing_type);
        entry.queues.push(queue);
    }

    fn entry(&mut self, name: &str) -> &mut Address {
        let at = self
            .addresses
            .iter()
            .position(|address| address.name == name)
            .unwrap_or(self.addresses.len());
        if at == self.addresses.len() {
            self.addresses.push(Address {
                name: name.to_owned(),
                routing_types: BTreeSet::new(),
                queues: Vec::new(),
            });
        }
        &mut self.addresses[at]
    }
}

fn queue(
    element: &Element,
    name: &str,
    routing_type: RoutingType,
    prefix: &str,
    findings: &mut Findings,
) -> Queue {
    let filter = filter(element, prefix, findings);
    let mut reader = Reader::new(Some(element), prefix, findings);
    Queue {
        name: reader.text("name", name),
        routing_type,
        durable: reader.bool("durable", true),
        filter,
        user: reader.optional_text("user"),
        max_consumers: reader.given("max-consumers", |reader, name| reader.limit(name, None)),
        purge_on_no_consumers: reader.bool("purge-on-no-consumers", false),
        exclusive: reader.given("exclusive", |reader, name| reader.bool(name, false)),
        last_value: reader.given("last-value", |reader, name| reader.bool(name, false)),
        last_value_key: reader.optional_text("last-value-key"),
        non_destructive: reader.given("non-destructive", |reader, name| reader.bool(name, false)),
        group_rebalance: reader.given("group-rebalance", |reader, name| reader.bool(name, false)),
        group_rebalance_pause_dispatch: reader
            .given("group-rebalance-pause-dispatch", |reader, name| {
                reader.bool(name, false)
            }),
        group_buckets: reader.given("group-buckets", |reader, name| reader.limit(name, None)),
        group_first_key: reader.optional_text("group-first-key"),
        consumers_before_dispatch: reader.given("consumers-before-dispatch", |reader, name| {
            reader.number(name, 0)
        }),
        delay_before_dispatch: reader.given("delay-before-dispatch", |reader, name| {
            reader.optional_millis(name, None)
        }),
        ring_size: reader.limit("ring-size", None),
        enabled: reader.given("enabled", |reader, name| reader.bool(name, true)),
    }
}

/// The selector of `<filter string="…">`; an empty one is none. What is no selector is reported.
fn filter(element: &Element, prefix: &str, findings: &mut Findings) -> Option<String> {
    let filter = element.child("filter")?.attribute("string")?;
    if let Err(reason) = Selector::parse(&filter.value) {
        let problem = format!("{} is no selector: {reason}", shown(&filter.value));
        findings.error(ConfigError::new(&filter.position, "string", problem));
    }
    findings.effective.push(Effective {
        name: format!("{prefix}filter"),
        value: filter.value.clone(),
        origin: Origin::Written(filter.position.clone()),
    });
    (!filter.value.is_empty()).then(|| filter.value.clone())
}
