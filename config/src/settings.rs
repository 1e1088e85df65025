// SPDX-License-Identifier: Apache-2.0
//! Everything a configuration says, typed.

use hind_engine::address::matches::Matches;
use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::settings::AddressSettingsOverrides;

use crate::acceptors::{self, Acceptor};
use crate::addresses::{self, Address};
use crate::core::{self, CriticalAnalyzer, GracefulShutdown, ManagementAddresses, Periods};
use crate::error::{ConfigError, Effective, Findings};
use crate::journal::{self, JournalSettings, Paths, RememberedIds};
use crate::paging::{self, Limits};
use crate::reader::Reader;
use crate::secrets::Codec;
use crate::security_settings::{self, SecuritySettings};
use crate::vocabulary::Vocabulary;
use crate::xml::Element;
use crate::{address_settings, plugins};

/// What a broker is to be.
///
/// *Invariants*: every value is in its range; nothing here is a text that means a number; `None` is a real value
/// (no limit, never), not "not written"; names of acceptors and queues are unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The broker's name.
    pub name: String,
    /// False: nothing is written to disk.
    pub persistence_enabled: bool,
    /// Doors for clients, in the order of the file.
    pub acceptors: Vec<Acceptor>,
    /// Addresses and queues to deploy at start.
    pub addresses: Vec<Address>,
    /// What is written for each match, in the order of the file.
    pub address_settings: Vec<(String, AddressSettingsOverrides)>,
    /// Who may do what.
    pub security: SecuritySettings,
    /// How addresses are taken apart.
    pub wildcards: WildcardSyntax,
    /// A match of settings between these two characters is taken letter by letter.
    pub literal_match_markers: Option<(char, char)>,
    /// Where data lives.
    pub paths: Paths,
    /// How it is written.
    pub journal: JournalSettings,
    /// What is remembered about ids and deliveries.
    pub ids: RememberedIds,
    /// Limits of memory and disk.
    pub limits: Limits,
    /// Periods and time-outs.
    pub periods: Periods,
    /// How the broker stops.
    pub graceful_shutdown: GracefulShutdown,
    /// The watch over stuck parts.
    pub critical_analyzer: CriticalAnalyzer,
    /// Addresses of management.
    pub management: ManagementAddresses,
    effective: Vec<Effective>,
}

impl Settings {
    /// Every value in force with its origin: what is written in the order of the file's concepts, and the defaults
    /// that rule where nothing is written.
    #[must_use]
    pub fn effective(&self) -> &[Effective] {
        &self.effective
    }

    pub(crate) fn with_effective(mut self, effective: Vec<Effective>) -> Self {
        self.effective = effective;
        self
    }
}

/// Takes everything out of `<core>`, which has been checked.
pub(crate) fn read(
    core: &Element,
    vocabulary: &Vocabulary,
    variables: &dyn Fn(&str) -> Option<String>,
    findings: &mut Findings,
) -> Settings {
    let codec = Codec::read(core, variables, findings);
    plugins::check(core, findings);
    one_of(core, "ha-policy", findings);
    let mut reader = Reader::new(Some(core), "", findings);
    let name = reader.text("name", "localhost");
    let persistence_enabled = reader.bool("persistence-enabled", true);
    let journal = journal::read(core, findings);
    let wildcards = addresses::wildcards(core, findings);
    let literal_match_markers = literal_match_markers(core, findings);
    patterns(core, wildcards, literal_match_markers, findings);
    Settings {
        name,
        persistence_enabled,
        acceptors: acceptors::read(core, vocabulary, &codec, findings),
        addresses: addresses::read(core, findings),
        address_settings: address_settings::read(core, findings),
        security: security_settings::read(core, findings),
        wildcards,
        literal_match_markers,
        paths: journal::paths(core, findings),
        ids: journal::ids(core, findings),
        limits: paging::read(core, journal.buffer_timeout, findings),
        journal,
        periods: core::periods(core, findings),
        graceful_shutdown: core::graceful_shutdown(core, findings),
        critical_analyzer: core::critical_analyzer(core, findings),
        management: core::management(core, findings),
        effective: Vec::new(),
    }
}

fn literal_match_markers(core: &Element, findings: &mut Findings) -> Option<(char, char)> {
    let parse = |text: &str| Some(text.chars().next().zip(text.chars().nth(1)));
    let show = |markers: &Option<(char, char)>| {
        markers.map_or(String::new(), |(open, close)| format!("{open}{close}"))
    };
    Reader::new(Some(core), "", findings).value("literal-match-markers", None, parse, show)
}

/// An element of which only one child can be meant.
fn one_of(core: &Element, name: &str, findings: &mut Findings) {
    if let Some(second) = core.child(name).and_then(|element| element.children.get(1)) {
        let problem = format!("<{}> beside another choice in <{name}>", second.name);
        findings.error(
            ConfigError::new(&second.position, &second.name, problem).expected("one choice"),
        );
    }
}

/// Reports the matches of address and security settings that the engine could not use.
fn patterns(
    core: &Element,
    wildcards: WildcardSyntax,
    markers: Option<(char, char)>,
    findings: &mut Findings,
) {
    for (all, one) in [
        ("address-settings", "address-setting"),
        ("security-settings", "security-setting"),
    ] {
        for setting in core.all(all).flat_map(|settings| settings.all(one)) {
            let Some(pattern) = setting.attribute("match") else {
                continue;
            };
            if let Err(reason) = Matches::new(wildcards, markers).insert(&pattern.value, ()) {
                let error = ConfigError::new(&pattern.position, "match", reason.to_string());
                findings.error(error.expected(format!("nothing after {}", wildcards.any_words)));
            }
        }
    }
}
