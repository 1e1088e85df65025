// SPDX-License-Identifier: Apache-2.0
//! Who a client is: its credentials against a security domain, by the rules of JAAS.

use crate::login_config::{ControlFlag, GuestLogin, LoginModule, PropertiesLogin, Realm};
use crate::users::{UserTable, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The user tables that a realm's modules ask, by the files they were read from.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    by_files: BTreeMap<(Option<String>, String, String), UserTable>,
}

impl Tables {
    /// Gives a module its table, in place of the one it had.
    pub fn put(&mut self, module: &PropertiesLogin, table: UserTable) {
        self.by_files.insert(key(module), table);
    }

    pub fn get(&self, module: &PropertiesLogin) -> Option<&UserTable> {
        self.by_files.get(&key(module))
    }
}

fn key(module: &PropertiesLogin) -> (Option<String>, String, String) {
    (
        module.base_dir.clone(),
        module.users_file.clone(),
        module.roles_file.clone(),
    )
}

/// What a client sent; `None` where it sent nothing, which is not the same as an empty text.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    pub user: Option<&'a str>,
    pub password: Option<&'a str>,
}

/// Passwords never reach a log.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("password", &self.password.map(|_| "…"))
            .finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Accepted(Identity),
    /// For the log; the client is told no more than that it was refused.
    Refused(Reason),
}

/// Who a client is from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user: String,
    pub roles: BTreeSet<String>,
    /// Let in by the guest module although it named a user: a mistyped password looks like a login that lacks rights.
    /// Worth one warning per user.
    pub guest_despite: Option<Reason>,
}

/// Why credentials did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    NoUser,
    UnknownUser,
    WrongPassword,
    /// Every module declined to judge, as a guest module does with `credentialsInvalidate` and a password.
    NoModule,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUser => "no user was named",
            Self::UnknownUser => "the user does not exist",
            Self::WrongPassword => "the password does not match",
            Self::NoModule => "no login module judged the credentials",
        })
    }
}

/// A module's answer.
enum Answer {
    Yes {
        user: String,
        roles: Vec<String>,
        guest: bool,
    },
    No(Reason),
    /// Neither: the module does not take part.
    Ignored,
}

/// Asks the realm's modules in their order (JAAS `LoginContext.login`).
///
/// A module without a table in `tables` (its files could not be read) knows no user. The identity is the first
/// successful module's user with the roles of all that succeeded.
pub fn authenticate(realm: &Realm, tables: &Tables, credentials: &Credentials<'_>) -> Outcome {
    let mut accepted: Option<Identity> = None;
    let (mut required_failure, mut other_failure) = (None, None);
    for entry in &realm.entries {
        match ask(&entry.module, tables, credentials) {
            Answer::Yes { user, roles, guest } => {
                let identity = accepted.get_or_insert_with(|| Identity {
                    user,
                    roles: BTreeSet::new(),
                    guest_despite: credentials.user.and(other_failure).filter(|_| guest),
                });
                identity.roles.extend(roles);
                if entry.flag == ControlFlag::Sufficient && required_failure.is_none() {
                    break;
                }
            }
            Answer::No(reason) => match entry.flag {
                ControlFlag::Requisite => {
                    return Outcome::Refused(required_failure.unwrap_or(reason));
                }
                ControlFlag::Required => required_failure = required_failure.or(Some(reason)),
                ControlFlag::Sufficient | ControlFlag::Optional => {
                    other_failure = other_failure.or(Some(reason));
                }
            },
            Answer::Ignored => {}
        }
    }
    match (required_failure, accepted) {
        (Some(reason), _) => Outcome::Refused(reason),
        (None, Some(identity)) => Outcome::Accepted(identity),
        (None, None) => Outcome::Refused(other_failure.unwrap_or(Reason::NoModule)),
    }
}

fn ask(module: &LoginModule, tables: &Tables, credentials: &Credentials<'_>) -> Answer {
    match module {
        LoginModule::Properties(module) => ask_properties(tables.get(module), credentials),
        LoginModule::Guest(module) => ask_guest(module, credentials),
    }
}

fn ask_properties(table: Option<&UserTable>, credentials: &Credentials<'_>) -> Answer {
    let Some(user) = credentials.user else {
        return Answer::No(Reason::NoUser);
    };
    let Some(table) = table else {
        return Answer::No(Reason::UnknownUser);
    };
    match table.verify(user, credentials.password.unwrap_or_default()) {
        Verdict::Right { roles } => Answer::Yes {
            user: user.to_owned(),
            roles: roles.to_vec(),
            guest: false,
        },
        Verdict::WrongPassword => Answer::No(Reason::WrongPassword),
        Verdict::UnknownUser => Answer::No(Reason::UnknownUser),
    }
}

fn ask_guest(module: &GuestLogin, credentials: &Credentials<'_>) -> Answer {
    if module.credentials_invalidate && credentials.password.is_some() {
        return Answer::Ignored;
    }
    Answer::Yes {
        user: module.user.clone(),
        roles: module.roles.clone(),
        guest: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login_config::LoginConfig;
    use crate::users::UserFiles;

    const USERS: &str =
        "org.apache.activemq.jaas.properties.user=u org.apache.activemq.jaas.properties.role=r;";
    const CLASS: &str = "org.apache.activemq.artemis.spi.core.security.jaas.";

    /// A realm of modules written `properties FLAG` and `guest FLAG [options]`.
    fn realm(modules: &[&str]) -> Realm {
        let lines: String = modules
            .iter()
            .map(|module| match module.split_once(' ').expect("a flag") {
                ("properties", flag) => format!("{CLASS}PropertiesLoginModule {flag} {USERS}\n"),
                (_, flag) => format!("{CLASS}GuestLoginModule {flag};\n"),
            })
            .collect();
        LoginConfig::parse(&format!("d {{ {lines} }};"), &|_| None)
            .and_then(|config| config.realm("d"))
            .expect("valid")
    }

    fn login(modules: &[&str], user: Option<&str>, password: Option<&str>) -> Outcome {
        let realm = realm(modules);
        let files = UserFiles::parse("ann = x\n", "amq = ann\n").expect("readable");
        let mut tables = Tables::default();
        for module in realm.properties_logins() {
            tables.put(module, UserTable::new(&files));
        }
        authenticate(&realm, &tables, &Credentials { user, password })
    }

    /// `ok USER[roles]`, with `!` for a guest whose own credentials failed, or `no REASON`.
    fn short(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Accepted(identity) => {
                let roles: Vec<&str> = identity.roles.iter().map(String::as_str).collect();
                let mark = if identity.guest_despite.is_some() {
                    "!"
                } else {
                    ""
                };
                format!("ok {}[{}]{mark}", identity.user, roles.join(","))
            }
            Outcome::Refused(reason) => format!("no {reason:?}"),
        }
    }

    #[test]
    fn control_flags_decide_as_jaas_says() {
        let (right, wrong, nobody, silent) = (
            (Some("ann"), Some("x")),
            (Some("ann"), Some("y")),
            (Some("eve"), Some("x")),
            (None, None),
        );
        let rows: [(&[&str], _, &str); 22] = [
            (&["properties required"], right, "ok ann[amq]"),
            (&["properties required"], wrong, "no WrongPassword"),
            (&["properties required"], nobody, "no UnknownUser"),
            (&["properties required"], silent, "no NoUser"),
            (
                &["properties required"],
                (Some("ann"), None),
                "no WrongPassword",
            ),
            (&["properties optional"], right, "ok ann[amq]"),
            (&["properties optional"], wrong, "no WrongPassword"),
            (
                &["properties sufficient", "guest sufficient"],
                right,
                "ok ann[amq]",
            ),
            (
                &["properties sufficient", "guest sufficient"],
                wrong,
                "ok guest[guests]!",
            ),
            (
                &["properties sufficient", "guest sufficient"],
                nobody,
                "ok guest[guests]!",
            ),
            (
                &["properties sufficient", "guest sufficient"],
                silent,
                "ok guest[guests]",
            ),
            (
                &["properties required", "guest sufficient"],
                right,
                "ok ann[amq,guests]",
            ),
            (
                &["properties required", "guest sufficient"],
                wrong,
                "no WrongPassword",
            ),
            (
                &["properties requisite", "guest required"],
                silent,
                "no NoUser",
            ),
            (
                &["guest sufficient", "properties required"],
                wrong,
                "ok guest[guests]",
            ),
            (
                &["guest optional", "properties required"],
                wrong,
                "no WrongPassword",
            ),
            (
                &["guest optional", "properties sufficient"],
                right,
                "ok guest[amq,guests]",
            ),
            (
                &["guest required", "properties sufficient"],
                wrong,
                "ok guest[guests]",
            ),
            (
                &["properties optional", "guest required"],
                wrong,
                "ok guest[guests]!",
            ),
            (
                &["guest required credentialsInvalidate=true"],
                silent,
                "ok guest[guests]",
            ),
            (
                &["guest required credentialsInvalidate=true"],
                wrong,
                "no NoModule",
            ),
            (
                &[
                    "properties sufficient",
                    "guest sufficient credentialsInvalidate=true",
                ],
                wrong,
                "no WrongPassword",
            ),
        ];
        for (modules, (user, password), expected) in rows {
            assert_eq!(
                short(&login(modules, user, password)),
                expected,
                "{modules:?} {user:?} {password:?}"
            );
        }
    }

    #[test]
    fn the_guest_of_the_configuration_is_who_gets_in() {
        let guest = "guest required org.apache.activemq.jaas.guest.user=\"visitor\" org.apache.activemq.jaas.guest.role=\"a, b\"";
        assert_eq!(short(&login(&[guest], None, None)), "ok visitor[a,b]");
    }

    #[test]
    fn without_its_table_a_module_knows_nobody() {
        let realm = realm(&["properties required"]);
        let credentials = Credentials {
            user: Some("ann"),
            password: Some("x"),
        };
        let outcome = authenticate(&realm, &Tables::default(), &credentials);
        assert_eq!(outcome, Outcome::Refused(Reason::UnknownUser));
        assert!(!format!("{credentials:?}").contains('x'));
    }
}
