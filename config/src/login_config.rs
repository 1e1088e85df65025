// SPDX-License-Identifier: Apache-2.0
//! `login.config`: which login modules a security domain asks, in which order, and what each answer decides.
//!
//! The grammar is that of `javax.security.auth.login.Configuration`; the modules are those of Artemis's security chapter.

use crate::file_error::FileError;
use crate::login_grammar::{self, WrittenModule, WrittenRealm, hint};
use crate::nearest::nearest;

const PACKAGE: &str = "org.apache.activemq.artemis.spi.core.security.jaas.";

/// Login modules that Artemis ships and this broker does not have yet.
const NOT_BUILT: [&str; 13] = [
    "AuditLoginModule",
    "CertificateLoginModule",
    "ExternalCertificateLoginModule",
    "InVMLoginModule",
    "Krb5LoginModule",
    "KubernetesLoginModule",
    "LDAPLoginModule",
    "OIDCLoginModule",
    "PrincipalConversionLoginModule",
    "SCRAMLoginModule",
    "SCRAMPropertiesLoginModule",
    "TextFileCertificateLoginModule",
    "AbstractPrincipalLoginModule",
];

const USERS_FILE: &str = "org.apache.activemq.jaas.properties.user";
const ROLES_FILE: &str = "org.apache.activemq.jaas.properties.role";
const PASSWORD_CODEC: &str = "org.apache.activemq.jaas.properties.password.codec";
const GUEST_USER: &str = "org.apache.activemq.jaas.guest.user";
const GUEST_ROLE: &str = "org.apache.activemq.jaas.guest.role";
const CREDENTIALS_INVALIDATE: &str = "credentialsInvalidate";

/// A whole `login.config`, read but not yet understood: a domain nobody names may use modules this broker lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginConfig {
    written: Vec<WrittenRealm>,
}

/// One security domain, understood: its modules in the order they are asked. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    pub name: String,
    pub entries: Vec<RealmEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmEntry {
    pub module: LoginModule,
    pub flag: ControlFlag,
    /// Line of the module's class in `login.config`.
    pub line: u32,
}

/// What a module's answer decides (JAAS `AppConfigurationEntry.LoginModuleControlFlag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlFlag {
    /// Must succeed; the others are asked either way.
    Required,
    /// Must succeed; a failure ends the login at once.
    Requisite,
    /// A success ends the login at once, unless a required module failed before; a failure decides nothing.
    Sufficient,
    /// Decides nothing unless no module is required or requisite.
    Optional,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginModule {
    Properties(PropertiesLogin),
    Guest(GuestLogin),
}

/// `PropertiesLoginModule`: users with passwords in one file, roles with their users in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertiesLogin {
    /// As written; relative to `base_dir`, or without it to the folder of `login.config`.
    pub users_file: String,
    pub roles_file: String,
    pub base_dir: Option<String>,
    /// Whether a changed file is read again at the next login.
    pub reload: bool,
    pub debug: bool,
}

/// `GuestLoginModule`: lets in whoever reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestLogin {
    pub user: String,
    /// Written as one value; a comma separates roles here as it does in `security-setting`.
    pub roles: Vec<String>,
    /// Whether a client that sent a password is none of this module's guests.
    pub credentials_invalidate: bool,
    pub debug: bool,
}

impl LoginConfig {
    /// Reads the text. `${name}` in a value is looked up with `variable`, as Java does with its system properties.
    /// A fault in the grammar ends the reading, for what follows it cannot be told apart.
    pub fn parse(
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<FileError>> {
        login_grammar::read(text, variable).map(|written| Self { written })
    }

    pub fn realm_names(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(|realm| realm.name.as_str())
    }

    /// The domain that `bootstrap.xml` names, every module understood, or everything in it that could not be.
    pub fn realm(&self, name: &str) -> Result<Realm, Vec<FileError>> {
        let Some(written) = self.written.iter().find(|realm| realm.name == name) else {
            let known: Vec<&str> = self.realm_names().collect();
            let message = format!(
                "security domain '{name}' is not defined here; defined: {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            );
            return Err(vec![FileError::at(1, 1, message)]);
        };
        let mut errors = Vec::new();
        let mut entries = Vec::new();
        for module in &written.modules {
            match understand(module) {
                Ok(entry) => entries.push(entry),
                Err(faults) => errors.extend(faults),
            }
        }
        if errors.is_empty() {
            assert!(!entries.is_empty(), "the grammar wants at least one module");
            Ok(Realm {
                name: name.to_owned(),
                entries,
            })
        } else {
            Err(errors)
        }
    }
}

impl Realm {
    /// The pairs of files whose tables this realm asks.
    pub fn properties_logins(&self) -> impl Iterator<Item = &PropertiesLogin> {
        self.entries.iter().filter_map(|entry| match &entry.module {
            LoginModule::Properties(properties) => Some(properties),
            LoginModule::Guest(_) => None,
        })
    }

    /// Whether a client without any credentials may get in.
    pub fn admits_guests(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| matches!(entry.module, LoginModule::Guest(_)))
    }
}

fn understand(written: &WrittenModule) -> Result<RealmEntry, Vec<FileError>> {
    let fault = |message: String| FileError::at(written.line, written.column, message);
    let short = written.class.strip_prefix(PACKAGE);
    let (module, errors) = match short {
        Some("PropertiesLoginModule") => properties_login(written),
        Some("GuestLoginModule") => guest_login(written),
        Some(known) if NOT_BUILT.contains(&known) => {
            return Err(vec![fault(format!(
                "login module {known} is not built yet; refusing to start because logins would not be checked as written"
            ))]);
        }
        _ => {
            let known = NOT_BUILT
                .iter()
                .chain(&["PropertiesLoginModule", "GuestLoginModule"]);
            let simple = written.class.rsplit('.').next().unwrap_or(&written.class);
            let meant = nearest(simple, known.copied())
                .map(|name| format!("; did you mean {PACKAGE}{name}?"))
                .unwrap_or_default();
            return Err(vec![fault(format!(
                "unknown login module {}{meant}",
                written.class
            ))]);
        }
    };
    match module {
        Some(module) if errors.is_empty() => Ok(RealmEntry {
            module,
            flag: written.flag,
            line: written.line,
        }),
        _ => Err(errors),
    }
}

fn properties_login(written: &WrittenModule) -> (Option<LoginModule>, Vec<FileError>) {
    const KNOWN: [&str; 7] = [
        USERS_FILE,
        ROLES_FILE,
        "reload",
        "debug",
        "baseDir",
        "decrypt",
        PASSWORD_CODEC,
    ];
    let mut errors = unknown_options(written, &KNOWN);
    for (option, why) in [
        ("decrypt", "encrypted passwords"),
        (PASSWORD_CODEC, "a password codec"),
    ] {
        if let Some(found) = written.option(option)
            && !found.value.eq_ignore_ascii_case("false")
        {
            let message = format!("{option}: {why} in the users file is not built yet");
            errors.push(FileError::at(found.line, found.column, message));
        }
    }
    let mut needed = |option: &str| {
        let value = written.option(option).map(|found| found.value.clone());
        if value.is_none() {
            let message = format!("PropertiesLoginModule needs the option {option}");
            errors.push(FileError::at(written.line, written.column, message));
        }
        value
    };
    let (users_file, roles_file) = (needed(USERS_FILE), needed(ROLES_FILE));
    let module = users_file.zip(roles_file).map(|(users_file, roles_file)| {
        LoginModule::Properties(PropertiesLogin {
            users_file,
            roles_file,
            base_dir: written.option("baseDir").map(|found| found.value.clone()),
            reload: written.flag_option("reload"),
            debug: written.flag_option("debug"),
        })
    });
    (module, errors)
}

fn guest_login(written: &WrittenModule) -> (Option<LoginModule>, Vec<FileError>) {
    const KNOWN: [&str; 5] = [
        GUEST_USER,
        GUEST_ROLE,
        CREDENTIALS_INVALIDATE,
        "debug",
        "reload",
    ];
    let text = |option, default: &str| {
        written
            .option(option)
            .map_or_else(|| default.to_owned(), |found| found.value.clone())
    };
    let module = LoginModule::Guest(GuestLogin {
        user: text(GUEST_USER, "guest"),
        roles: text(GUEST_ROLE, "guests")
            .split(',')
            .map(|role| role.trim().to_owned())
            .collect(),
        credentials_invalidate: written.flag_option(CREDENTIALS_INVALIDATE),
        debug: written.flag_option("debug"),
    });
    (Some(module), unknown_options(written, &KNOWN))
}

/// Options that the module does not have, and flags that are neither true nor false.
fn unknown_options(written: &WrittenModule, known: &[&str]) -> Vec<FileError> {
    const FLAGS: [&str; 4] = ["reload", "debug", "decrypt", CREDENTIALS_INVALIDATE];
    let mut errors = Vec::new();
    for option in &written.options {
        let mut fault = |message| errors.push(FileError::at(option.line, option.column, message));
        if !known.contains(&option.name.as_str()) {
            let meant = hint(&option.name, known.iter().copied());
            fault(format!(
                "unknown option {} of {}{meant}",
                option.name, written.class
            ));
        } else if FLAGS.contains(&option.name.as_str())
            && !["true", "false"].contains(&option.value.to_lowercase().as_str())
        {
            fault(format!(
                "{}: '{}' is neither true nor false",
                option.name, option.value
            ));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Artemis's `create --allow-anonymous` writes it.
    const CREATED: &str = r#"/*
 * licence
 */
activemq {
   org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule sufficient
       debug=false
       reload=true
       org.apache.activemq.jaas.properties.user="artemis-users.properties"
       org.apache.activemq.jaas.properties.role="artemis-roles.properties";

   // guests
   org.apache.activemq.artemis.spi.core.security.jaas.GuestLoginModule sufficient
       debug=false
       org.apache.activemq.jaas.guest.user="a"
       org.apache.activemq.jaas.guest.role="amq";
};"#;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn realm(text: &str) -> Result<Realm, Vec<FileError>> {
        LoginConfig::parse(text, &nothing)?.realm("activemq")
    }

    /// The faults of a realm with one line per module, as `line:column`.
    fn faults(text: &str) -> Vec<String> {
        realm(text)
            .expect_err("faults")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_create_writes_is_understood() {
        let realm = realm(CREATED).expect("valid");
        let properties = LoginModule::Properties(PropertiesLogin {
            users_file: "artemis-users.properties".into(),
            roles_file: "artemis-roles.properties".into(),
            base_dir: None,
            reload: true,
            debug: false,
        });
        let guest = LoginModule::Guest(GuestLogin {
            user: "a".into(),
            roles: vec!["amq".into()],
            credentials_invalidate: false,
            debug: false,
        });
        let sufficient = ControlFlag::Sufficient;
        assert_eq!(
            realm.entries[0],
            RealmEntry {
                module: properties,
                flag: sufficient,
                line: 5
            }
        );
        assert_eq!(
            realm.entries[1],
            RealmEntry {
                module: guest,
                flag: sufficient,
                line: 12
            }
        );
        assert!(realm.admits_guests());
    }

    #[test]
    fn a_module_that_is_not_built_refuses_only_the_domain_that_uses_it() {
        let text = CREATED.to_owned()
            + "\nldap {\n  org.apache.activemq.artemis.spi.core.security.jaas.LDAPLoginModule required\n  x=y;\n};\n";
        let config = LoginConfig::parse(&text, &nothing).expect("grammar");
        assert!(config.realm("activemq").is_ok());
        let errors = config.realm("ldap").expect_err("not built");
        assert_eq!((errors[0].line, errors[0].column), (18, 3));
        assert!(
            errors[0]
                .message
                .contains("LDAPLoginModule is not built yet; refusing to start")
        );
    }

    #[test]
    fn every_fault_of_a_domain_is_reported_with_its_place() {
        let text = "activemq {\n  org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModul required;\n  \
                    org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule required\n    reload=yes\n    \
                    org.apache.activemq.jaas.properties.users=\"u\"\n    org.apache.activemq.jaas.properties.role=\"r\";\n};";
        let found = faults(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(
            found[0].starts_with("2:3: unknown login module"),
            "{}",
            found[0]
        );
        assert!(
            found[0].ends_with("jaas.PropertiesLoginModule?"),
            "{}",
            found[0]
        );
        assert!(found[1].starts_with("4:5: reload: 'yes'"), "{}", found[1]);
        assert!(found[2].contains("did you mean org.apache.activemq.jaas.properties.user?"));
        assert!(
            found[3].starts_with("3:3: PropertiesLoginModule needs"),
            "{}",
            found[3]
        );
    }

    #[test]
    fn faults_of_the_grammar_name_what_was_expected() {
        let rows = [
            (
                "activemq {\n  x.Y suficient;\n};",
                "2:7: 'suficient' is not a control flag",
            ),
            (
                "activemq {\n  x.Y sufficient\n};",
                "3:1: an option or ';' is expected, found '}'",
            ),
            (
                "activemq {\n  x.Y required a=;\n};",
                "2:18: the option's value is expected, found ';'",
            ),
            (
                "activemq { };",
                "1:12: the class of a login module is expected, found '}'",
            ),
            (
                "activemq { x.Y required; }",
                "1:27: ';' is expected, found the end of the file",
            ),
            (
                "activemq { x.Y required a=\"b; };",
                "1:27: a string without its closing quote",
            ),
            (
                "activemq { /* x.Y required; };",
                "1:12: a comment without its end",
            ),
            (
                "activemq { x.Y required a=${b}; };",
                "1:27: '${b}' is not defined",
            ),
        ];
        for (text, expected) in rows {
            let found = faults(text);
            assert!(
                found[0].starts_with(expected),
                "{text:?} gave {found:?}, not {expected}"
            );
        }
    }

    #[test]
    fn a_missing_or_doubled_domain_is_named() {
        assert!(
            faults("other { x.Y required; };")[0]
                .contains("'activemq' is not defined here; defined: other")
        );
        assert!(
            faults("a { x.Y required; };\na { x.Y required; };")[0]
                .starts_with("2:1: security domain 'a'")
        );
    }

    #[test]
    fn variables_are_replaced_and_flags_are_read_without_case() {
        let text = CREATED
            .replace("\"artemis-users", "\"${artemis.instance}${/}artemis-users")
            .replace("sufficient", "REQUIRED");
        let home = |name: &str| (name == "artemis.instance").then(|| "/i".to_owned());
        let realm = LoginConfig::parse(&text, &home)
            .and_then(|config| config.realm("activemq"))
            .expect("valid");
        let users = &realm.properties_logins().next().expect("one").users_file;
        assert_eq!(users, "/i/artemis-users.properties");
        assert_eq!(realm.entries[0].flag, ControlFlag::Required);
    }
}
