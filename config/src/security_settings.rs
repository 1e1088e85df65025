// SPDX-License-Identifier: Apache-2.0
//! `<security-settings>` and the elements about users beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hind_engine::security::permissions::{Permission, Permissions};

use crate::check::shown;
use crate::error::{ConfigError, Effective, Findings, Level, Origin};
use crate::nearest::nearest;
use crate::reader::Reader;
use crate::xml::{Attribute, Element};

/// Who may do what, and how long answers about it are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecuritySettings {
    /// False: everybody may do everything (`security-enabled`).
    pub enabled: bool,
    /// What each match grants, in the order of the file; role mappings are already applied.
    pub matches: Vec<(String, Permissions)>,
    /// Role of a login module → roles of the permissions that it stands for.
    pub role_mappings: BTreeMap<String, BTreeSet<String>>,
    /// How many authentications are remembered; 0: none.
    pub authentication_cache_size: u64,
    /// How many authorisations are remembered; 0: none.
    pub authorization_cache_size: u64,
    /// How long they are remembered; zero: not at all.
    pub invalidation_interval: Duration,
    /// Messages are stamped with the user who sent them.
    pub populate_validated_user: bool,
}

/// Names of permissions that old files use.
const OLD_NAMES: [(&str, Permission); 2] = [
    ("createTempQueue", Permission::CreateNonDurableQueue),
    ("deleteTempQueue", Permission::DeleteNonDurableQueue),
];

pub(crate) fn read(core: &Element, findings: &mut Findings) -> SecuritySettings {
    let role_mappings = role_mappings(core, findings);
    let matches = matches(core, &role_mappings, findings);
    let mut reader = Reader::new(Some(core), "", findings);
    SecuritySettings {
        enabled: reader.bool("security-enabled", true),
        authentication_cache_size: reader.number("authentication-cache-size", 1000),
        authorization_cache_size: reader.number("authorization-cache-size", 1000),
        invalidation_interval: reader
            .millis("security-invalidation-interval", Duration::from_secs(10)),
        populate_validated_user: reader.bool("populate-validated-user", false),
        matches,
        role_mappings,
    }
}

fn role_mappings(core: &Element, findings: &mut Findings) -> BTreeMap<String, BTreeSet<String>> {
    let mut mappings: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mapping in core
        .all("security-settings")
        .flat_map(|settings| settings.all("role-mapping"))
    {
        if let (Some(from), Some(to)) = (mapping.attribute("from"), mapping.attribute("to")) {
            mappings
                .entry(from.value.clone())
                .or_default()
                .extend(roles(&to.value).map(str::to_owned));
            findings.effective.push(Effective {
                name: format!("security-settings/role-mapping[{}]", from.value),
                value: roles(&to.value).collect::<Vec<_>>().join(","),
                origin: Origin::Written(to.position.clone()),
            });
        }
    }
    mappings
}

fn matches(
    core: &Element,
    mappings: &BTreeMap<String, BTreeSet<String>>,
    findings: &mut Findings,
) -> Vec<(String, Permissions)> {
    let mut matches: Vec<(String, Permissions)> = Vec::new();
    for setting in core
        .all("security-settings")
        .flat_map(|settings| settings.all("security-setting"))
    {
        let Some(pattern) = setting.attribute("match") else {
            continue;
        };
        let mut granted = Permissions::default();
        for permission in setting.all("permission") {
            let (Some(kind), Some(list)) =
                (permission.attribute("type"), permission.attribute("roles"))
            else {
                continue;
            };
            let Some(kind) = kind_of(kind, findings) else {
                continue;
            };
            for role in roles(&list.value) {
                granted.grant(kind, role);
                let mapped = mappings.iter().filter(|(_, to)| to.contains(role));
                mapped.for_each(|(from, _)| granted.grant(kind, from.as_str()));
            }
            findings.effective.push(Effective {
                name: format!("security-settings[{}]/{}", pattern.value, kind.xml()),
                value: roles(&list.value).collect::<Vec<_>>().join(","),
                origin: Origin::Written(list.position.clone()),
            });
        }
        if let Some((_, first)) = matches
            .iter_mut()
            .find(|(other, _)| *other == pattern.value)
        {
            let text = format!(
                "a second <security-setting match=\"{}\"> replaces the first",
                pattern.value
            );
            findings.note(Level::Warn, &pattern.position, "security-setting", text);
            *first = granted;
        } else {
            matches.push((pattern.value.clone(), granted));
        }
    }
    matches
}

fn kind_of(attribute: &Attribute, findings: &mut Findings) -> Option<Permission> {
    let old = OLD_NAMES
        .iter()
        .find(|(name, _)| *name == attribute.value)
        .map(|(_, permission)| *permission);
    let kind = Permission::from_xml(&attribute.value).or(old);
    if kind.is_none() {
        let known = || Permission::ALL.iter().map(|permission| permission.xml());
        let near = nearest(&attribute.value, known()).map(str::to_owned);
        let problem = format!("{} is no permission", shown(&attribute.value));
        let error = ConfigError::new(&attribute.position, "type", problem).nearest(near);
        findings
            .error(error.expected(format!("one of {}", known().collect::<Vec<_>>().join(", "))));
    }
    kind
}

fn roles(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|role| !role.is_empty())
}
