// SPDX-License-Identifier: Apache-2.0
//! The login modules of a realm of login.config, asked over the instance's files (manual, chapter Authentication &
//! Authorization).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use hind_config::authentication::{self, Outcome, Tables};
use hind_config::login_config::{LoginModule, PropertiesLogin, Realm};
use hind_config::users::{UserFiles, UserTable};
use hind_engine::security::user::{Credentials, Identity};
use parking_lot::Mutex;

use super::lines::Line;
use super::login::{Authenticator, Rejected};

/// Lets everybody in under the name they give: `security-enabled` is false.
#[derive(Clone, Copy, Debug)]
pub struct Open;

impl Authenticator for Open {
    fn check(&self, credentials: &Credentials) -> Result<Identity, Rejected> {
        let user = credentials.user.as_deref().unwrap_or_default().into();
        Ok(Identity {
            user,
            roles: Arc::default(),
        })
    }
}

/// A realm with its users and roles, read again when the files change.
#[derive(Debug)]
pub struct RealmAuthenticator {
    realm: Realm,
    /// The folder relative file names are seen from: that of login.config.
    folder: PathBuf,
    read: Mutex<Read>,
    generation: AtomicU64,
    guest_warned: AtomicBool,
}

#[derive(Debug, Default)]
struct Read {
    /// Shared with the logins under way.
    tables: Arc<Tables>,
    stamps: Vec<Option<Stamp>>,
}

/// What shows that one of the two files of a module has changed.
type Stamp = [FileStamp; 2];

/// What shows that a file has changed. A file that was put in the place of another (as every careful editor does) has
/// another number, even if it has the same length and, on a coarse clock or by `cp -p`, the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct FileStamp {
    device: u64,
    inode: u64,
    modified: Option<SystemTime>,
    length: u64,
}

impl RealmAuthenticator {
    /// Reads the files of every module of the realm.
    ///
    /// # Errors
    /// A file is missing or cannot be understood; the text names it.
    pub fn open(realm: Realm, folder: &Path) -> io::Result<Self> {
        let mut read = Read::default();
        for module in properties_modules(&realm) {
            let stamp = stamp(folder, module);
            Arc::make_mut(&mut read.tables).put(module, table(folder, module)?);
            read.stamps.push(stamp);
        }
        Ok(Self {
            realm,
            folder: folder.to_owned(),
            read: Mutex::new(read),
            generation: AtomicU64::new(0),
            guest_warned: AtomicBool::new(false),
        })
    }

    /// Reads again what has changed. A file that has become unreadable leaves what was known in force, with a warning.
    fn refresh(&self, read: &mut Read) {
        for (index, module) in properties_modules(&self.realm).enumerate() {
            if !module.reload {
                continue;
            }
            let now = stamp(&self.folder, module);
            if read.stamps[index] == now {
                continue;
            }
            read.stamps[index] = now;
            match table(&self.folder, module) {
                Ok(table) => {
                    Arc::make_mut(&mut read.tables).put(module, table);
                    self.generation.fetch_add(1, Ordering::Release);
                }
                Err(error) => Line::server_warn(format!("users are not read again: {error}")).say(),
            }
        }
    }

    /// The users and roles as the files say now.
    fn tables(&self) -> Arc<Tables> {
        let mut read = self.read.lock();
        self.refresh(&mut read);
        Arc::clone(&read.tables)
    }

    /// Says once that a wrong password makes a guest: Artemis does so silently.
    fn warn_of_guest(&self, user: Option<&str>, why: authentication::Reason) {
        if !self.guest_warned.swap(true, Ordering::Relaxed) {
            let user = user.unwrap_or("(none)");
            Line::server_warn(format!(
                "user {user} was let in as a guest although the login failed ({why}): GuestLoginModule is in force; \
                 said once"
            ))
            .say();
        }
    }
}

impl Authenticator for RealmAuthenticator {
    fn check(&self, credentials: &Credentials) -> Result<Identity, Rejected> {
        let tables = self.tables();
        let asked = authentication::Credentials {
            user: credentials.user.as_deref(),
            password: credentials.password.as_deref(),
        };
        match authentication::authenticate(&self.realm, &tables, &asked) {
            Outcome::Accepted(identity) => {
                if let Some(why) = identity.guest_despite {
                    self.warn_of_guest(asked.user, why);
                }
                Ok(Identity {
                    user: identity.user.into(),
                    roles: Arc::new(identity.roles),
                })
            }
            Outcome::Refused(_) => Err(Rejected),
        }
    }

    fn generation(&self) -> u64 {
        self.refresh(&mut self.read.lock());
        self.generation.load(Ordering::Acquire)
    }
}

fn properties_modules(realm: &Realm) -> impl Iterator<Item = &PropertiesLogin> {
    realm
        .entries
        .iter()
        .filter_map(|entry| match &entry.module {
            LoginModule::Properties(module) => Some(module),
            LoginModule::Guest(_) => None,
        })
}

fn files(folder: &Path, module: &PropertiesLogin) -> [PathBuf; 2] {
    let folder = module
        .base_dir
        .as_ref()
        .map_or_else(|| folder.to_owned(), |base| folder.join(base));
    [
        folder.join(&module.users_file),
        folder.join(&module.roles_file),
    ]
}

fn stamp(folder: &Path, module: &PropertiesLogin) -> Option<Stamp> {
    let one = |path: &PathBuf| {
        fs::metadata(path).ok().map(|meta| FileStamp {
            device: meta.dev(),
            inode: meta.ino(),
            modified: meta.modified().ok(),
            length: meta.len(),
        })
    };
    let [users, roles] = files(folder, module);
    Some([one(&users)?, one(&roles)?])
}

fn table(folder: &Path, module: &PropertiesLogin) -> io::Result<UserTable> {
    let [users, roles] = files(folder, module);
    let read = |path: &Path| {
        fs::read_to_string(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    let parsed = UserFiles::parse(&read(&users)?, &read(&roles)?);
    let parsed = parsed.map_err(|(in_users, in_roles)| {
        let lines = |path: &Path, errors: Vec<hind_config::file_error::FileError>| {
            errors
                .into_iter()
                .map(|error| format!("{}:{error}", path.display()))
                .collect::<Vec<_>>()
        };
        let all = [lines(&users, in_users), lines(&roles, in_roles)].concat();
        io::Error::new(io::ErrorKind::InvalidData, all.join("\n"))
    })?;
    Ok(UserTable::new(&parsed))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use hind_config::login_config::{ControlFlag, RealmEntry};

    use super::*;

    const USERS: &str = "users.properties";

    /// One module over two files in a new folder, read again when they change.
    fn realm() -> (tempfile::TempDir, RealmAuthenticator) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(USERS), "ann = one\n").expect("users");
        fs::write(folder.path().join("roles.properties"), "amq = ann\n").expect("roles");
        let module = PropertiesLogin {
            users_file: USERS.to_owned(),
            roles_file: "roles.properties".to_owned(),
            base_dir: None,
            reload: true,
            debug: false,
        };
        let entry = RealmEntry {
            module: LoginModule::Properties(module),
            flag: ControlFlag::Required,
            line: 1,
        };
        let realm = Realm {
            name: "activemq".to_owned(),
            entries: vec![entry],
        };
        let authenticator = RealmAuthenticator::open(realm, folder.path()).expect("opens");
        (folder, authenticator)
    }

    fn lets_in(authenticator: &RealmAuthenticator, password: &str) -> bool {
        let credentials = Credentials {
            user: Some("ann".to_owned()),
            password: Some(password.to_owned()),
        };
        authenticator.check(&credentials).is_ok()
    }

    #[test]
    fn a_file_put_in_the_place_of_another_is_seen_whatever_its_time_and_length() {
        let (folder, authenticator) = realm();
        assert!(lets_in(&authenticator, "one"));
        let users = folder.path().join(USERS);
        let modified = fs::metadata(&users).and_then(|old| old.modified());
        let other = folder.path().join("new");
        fs::write(&other, "ann = two\n").expect("written beside it");
        let file = File::options().write(true).open(&other).expect("there");
        let same_time = file.set_modified(modified.expect("has a time"));
        same_time.expect("a time may be set");
        fs::rename(&other, &users).expect("takes its place");
        assert!(lets_in(&authenticator, "two") && !lets_in(&authenticator, "one"));
        assert_eq!(authenticator.generation(), 1);
    }

    #[test]
    fn logins_share_the_tables_until_a_file_changes() {
        let (folder, authenticator) = realm();
        let before = authenticator.tables();
        assert!(Arc::ptr_eq(&before, &authenticator.tables()));
        fs::write(folder.path().join(USERS), "ann = three\n").expect("users");
        assert!(lets_in(&authenticator, "three"));
        assert!(!Arc::ptr_eq(&before, &authenticator.tables()));
    }
}
