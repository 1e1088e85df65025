// SPDX-License-Identifier: Apache-2.0
//! All of an instance's configuration, read at once, or everything that is wrong with it.

use crate::instance::Instance;
use crate::variables;
use hind_acceptors::assembly::{self, BadParameter};
use hind_acceptors::host::login_modules::Open;
use hind_config::bootstrap::Bootstrap;
use hind_config::file_error::FileError;
use hind_config::log4j2::LogSettings;
use hind_config::login_config::{LoginConfig, PropertiesLogin, Realm};
use hind_config::properties_file::PropertiesFile;
use hind_config::users::{UserFiles, UserTable};
use hind_config::{ConfigError, Level, Loaded, Note};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An instance that may start.
#[derive(Debug)]
pub struct Configuration {
    pub broker_xml: PathBuf,
    pub loaded: Loaded,
    /// Who judges logins; `None` while security is off.
    pub realm: Option<Realm>,
    pub log: LogSettings,
    /// Everything that is accepted and worth a line in the log, of all files.
    pub remarks: Vec<Remark>,
}

/// Something found in a file; a problem refuses the start, a remark does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub file: String,
    /// From 1; 0 for a file that cannot be read.
    pub line: u32,
    pub column: u32,
    pub element: String,
    pub text: String,
    pub level: Level,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.text),
        }
    }
}

/// What the command line puts in the place of an instance's own files.
#[derive(Debug, Default, Clone, Copy)]
pub struct Overrides<'a> {
    pub bootstrap: Option<&'a Path>,
    pub broker_xml: Option<&'a Path>,
}

impl Configuration {
    /// Reads `bootstrap.xml` and all that it leads to.
    pub fn load(instance: &Instance, overrides: Overrides<'_>) -> Result<Self, Vec<Remark>> {
        let bootstrap_path = instance.bootstrap_path(overrides.bootstrap);
        let bootstrap = bootstrap(instance, &bootstrap_path)?;
        let broker_xml = match overrides.broker_xml {
            Some(path) => path.to_path_buf(),
            None => instance.resolve(&bootstrap.configuration),
        };
        let loaded = broker(Some(instance), &broker_xml);
        // Where nobody logs in nothing is asked of login.config.
        let open = loaded
            .as_ref()
            .is_ok_and(|loaded| !loaded.settings.security.enabled);
        let login = if open {
            Ok((None, Vec::new()))
        } else {
            realm(instance, &bootstrap.domain)
        };
        let log = log_settings(instance);
        let (loaded, (realm, mut remarks), log) = match (loaded, login, log) {
            (Ok(loaded), Ok(login), Ok(log)) => (loaded, login, log),
            (loaded, login, log) => {
                let problems = [loaded.err(), login.err(), log.err()];
                return Err(problems.into_iter().flatten().flatten().collect());
            }
        };
        let log_path = log_path(instance);
        remarks.extend(
            bootstrap
                .notes
                .iter()
                .map(|note| Remark::of_file(&bootstrap_path, note)),
        );
        remarks.extend(
            log.notes
                .iter()
                .map(|note| Remark::of_file(&log_path, note)),
        );
        remarks.extend(loaded.notes.iter().map(Remark::of_note));
        Ok(Self {
            broker_xml,
            loaded,
            realm,
            log,
            remarks,
        })
    }
}

/// One broker.xml, alone or as an instance's.
pub fn broker(instance: Option<&Instance>, path: &Path) -> Result<Loaded, Vec<Remark>> {
    let mut read = |name: &str| fs::read_to_string(name).map_err(|error| error.to_string());
    let variable = |name: &str| match instance {
        Some(instance) => variables::variable(instance, name),
        None => std::env::var(name).ok(),
    };
    let loaded = hind_config::load(&path.to_string_lossy(), &mut read, &variable)
        .map_err(|errors| errors.iter().map(Remark::of_error).collect::<Vec<_>>())?;
    // What the protocols say of their parameters; who logs in is not asked here.
    assembly::options(&loaded.settings, Path::new(""), Arc::new(Open))
        .map_err(|errors| errors.iter().map(Remark::of_parameter).collect::<Vec<_>>())?;
    Ok(loaded)
}

/// Reads the two files of a login module again.
pub fn user_table(instance: &Instance, module: &PropertiesLogin) -> Result<UserTable, Vec<Remark>> {
    let (users_path, roles_path) = user_files(instance, module);
    let text = |path: &Path| {
        fs::read(path)
            .map(|bytes| PropertiesFile::decode(&bytes))
            .map_err(|error| vec![Remark::unreadable(path, &error)])
    };
    let (users, roles) = (text(&users_path), text(&roles_path));
    let (users, roles) = match (users, roles) {
        (Ok(users), Ok(roles)) => (users, roles),
        (users, roles) => {
            return Err([users.err(), roles.err()]
                .into_iter()
                .flatten()
                .flatten()
                .collect());
        }
    };
    let files = UserFiles::parse(&users, &roles).map_err(|(users, roles)| {
        let of = |path: &Path, errors: &[FileError]| -> Vec<Remark> {
            errors
                .iter()
                .map(|error| Remark::of_file(path, error))
                .collect()
        };
        [of(&users_path, &users), of(&roles_path, &roles)].concat()
    })?;
    Ok(UserTable::new(&files))
}

/// The users file and the roles file of a login module.
pub fn user_files(instance: &Instance, module: &PropertiesLogin) -> (PathBuf, PathBuf) {
    let base = match &module.base_dir {
        Some(base) => instance.etc.join(base),
        None => instance.etc.clone(),
    };
    (base.join(&module.users_file), base.join(&module.roles_file))
}

fn bootstrap(instance: &Instance, path: &Path) -> Result<Bootstrap, Vec<Remark>> {
    let text = fs::read_to_string(path).map_err(|error| vec![Remark::unreadable(path, &error)])?;
    Bootstrap::parse(&text, &|name| variables::variable(instance, name)).map_err(|errors| {
        errors
            .iter()
            .map(|error| Remark::of_file(path, error))
            .collect()
    })
}

/// The realm, and what is odd about its users.
fn realm(instance: &Instance, domain: &str) -> Result<(Option<Realm>, Vec<Remark>), Vec<Remark>> {
    let path = instance.etc.join("login.config");
    let text =
        fs::read_to_string(&path).map_err(|error| vec![Remark::unreadable(&path, &error)])?;
    let realm = LoginConfig::parse(&text, &|name| variables::variable(instance, name))
        .and_then(|config| config.realm(domain))
        .map_err(|errors| {
            errors
                .iter()
                .map(|error| Remark::of_file(&path, error))
                .collect::<Vec<_>>()
        })?;
    let (mut problems, mut remarks) = (Vec::new(), Vec::new());
    for module in realm.properties_logins() {
        match user_table(instance, module) {
            Ok(table) => {
                let (users_path, _) = user_files(instance, module);
                remarks.extend(
                    table
                        .unusable()
                        .map(|user| Remark::unusable(&users_path, user)),
                );
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok((Some(realm), remarks))
    } else {
        Err(problems)
    }
}

fn log_path(instance: &Instance) -> PathBuf {
    instance.etc.join("log4j2.properties")
}

/// Without the file everything from INFO up goes to standard output.
fn log_settings(instance: &Instance) -> Result<LogSettings, Vec<Remark>> {
    const DEFAULT: &str = "rootLogger.level = INFO\nrootLogger.appenderRef.console.ref = console\n\
        appender.console.type = Console\nappender.console.layout.pattern = %d %-5level [%logger] %msg%n\n";
    let path = log_path(instance);
    let text = match fs::read(&path) {
        Ok(bytes) => PropertiesFile::decode(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => DEFAULT.to_owned(),
        Err(error) => return Err(vec![Remark::unreadable(&path, &error)]),
    };
    LogSettings::parse(&text, &|name| variables::variable(instance, name)).map_err(|errors| {
        errors
            .iter()
            .map(|error| Remark::of_file(&path, error))
            .collect()
    })
}

impl Remark {
    fn of_file(path: &Path, error: &FileError) -> Self {
        Self {
            file: path.display().to_string(),
            line: error.line,
            column: error.column,
            element: String::new(),
            text: error.message.clone(),
            level: Level::Info,
        }
    }

    fn of_error(error: &ConfigError) -> Self {
        let place = format!("{}: ", error.position);
        let text = error.to_string();
        Self {
            file: error.position.file.to_string(),
            line: error.position.line,
            column: error.position.column,
            element: error.element.clone(),
            text: text.strip_prefix(&place).unwrap_or(&text).to_owned(),
            level: Level::Warn,
        }
    }

    pub fn of_note(note: &Note) -> Self {
        let place = format!("{}:{}: ", note.position.file, note.position.line);
        let text = note.to_string();
        Self {
            file: note.position.file.to_string(),
            line: note.position.line,
            column: note.position.column,
            element: note.element.clone(),
            text: text.strip_prefix(&place).unwrap_or(&text).to_owned(),
            level: note.level,
        }
    }

    fn of_parameter(error: &BadParameter) -> Self {
        Self {
            file: error.position.file.to_string(),
            line: error.position.line,
            column: error.position.column,
            element: "acceptor".to_owned(),
            text: error.what.clone(),
            level: Level::Warn,
        }
    }

    fn unusable(path: &Path, user: &str) -> Self {
        Self {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            element: user.to_owned(),
            text: format!(
                "the password of {user} is ENC(…) but no hash: nobody can log in with it; write it by `user reset`"
            ),
            level: Level::Warn,
        }
    }

    fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            element: String::new(),
            text: format!("cannot be read: {error}"),
            level: Level::Warn,
        }
    }
}
