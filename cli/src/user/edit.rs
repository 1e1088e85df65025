// SPDX-License-Identifier: Apache-2.0
//! The users and roles files on disk: edited by one program at a time, each replaced as a whole.

use crate::configuration::user_files;
use crate::failure::{Failure, Outcome};
use crate::instance::Instance;
use crate::variables;
use hind_config::login_config::LoginConfig;
use hind_config::properties_file::PropertiesFile;
use hind_config::users::UserFiles;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the first properties module of the instance's security domain has its files.
#[derive(Debug)]
pub struct UserFilesOnDisk {
    users: PathBuf,
    roles: PathBuf,
    lock: PathBuf,
}

/// Which file is replaced first, so that whoever reads between the two sees a user with too few rights, never with
/// rights that were not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFirst {
    Users,
    Roles,
}

impl UserFilesOnDisk {
    pub fn find(instance: &Instance) -> Result<Self, Failure> {
        let login_config = instance.etc.join("login.config");
        let text = fs::read_to_string(&login_config)
            .map_err(|error| Failure::io("read", &login_config, &error))?;
        let domain = instance.bootstrap(None)?.domain;
        let realm = LoginConfig::parse(&text, &|name| variables::variable(instance, name))
            .and_then(|config| config.realm(&domain))
            .map_err(|errors| Failure::file(&login_config, &errors))?;
        let Some(module) = realm.properties_logins().next() else {
            return Err(Failure::new(format!(
                "{}: the security domain {domain} has no PropertiesLoginModule whose files could be edited",
                login_config.display()
            )));
        };
        let (users, roles) = user_files(instance, module);
        // A link, as a mounted secret is, stays a link: what it leads to is replaced.
        let real = |path: PathBuf| fs::canonicalize(&path).unwrap_or(path);
        Ok(Self {
            users: real(users),
            roles: real(roles),
            lock: instance.directory.join("lock").join("users.lock"),
        })
    }

    pub fn read(&self) -> Result<UserFiles, Failure> {
        let text = |path: &Path| match fs::read(path) {
            Ok(bytes) => Ok(PropertiesFile::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Failure::io("read", path, &error)),
        };
        UserFiles::parse(&text(&self.users)?, &text(&self.roles)?).map_err(|(users, roles)| {
            let faults = [(&self.users, users), (&self.roles, roles)];
            let texts = faults.iter().filter(|(_, errors)| !errors.is_empty());
            let texts: Vec<String> = texts
                .map(|(path, errors)| Failure::file(path, errors).to_string())
                .collect();
            Failure::new(texts.join("\n"))
        })
    }

    /// Reads, lets `change` edit, and writes, while no other program does the same.
    pub fn edit(
        &self,
        first: WriteFirst,
        change: impl FnOnce(&mut UserFiles) -> Outcome,
    ) -> Outcome {
        let _lock = self.lock()?;
        let before = self.read()?;
        let mut after = before.clone();
        change(&mut after)?;
        let users = (&self.users, &before.users, &after.users);
        let roles = (&self.roles, &before.roles, &after.roles);
        let order = if first == WriteFirst::Users {
            [users, roles]
        } else {
            [roles, users]
        };
        for (path, before, after) in order {
            if before != after {
                replace(path, &after.to_string())
                    .map_err(|error| Failure::io("write", path, &error))?;
            }
        }
        Ok(())
    }

    /// Held until the value is dropped; the system lets it go when the program dies.
    fn lock(&self) -> Result<File, Failure> {
        let lock = || {
            if let Some(folder) = self.lock.parent() {
                fs::create_dir_all(folder)?;
            }
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&self.lock)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error| Failure::io("lock", &self.lock, &error))
    }
}

/// Writes a file beside the old one, with its permissions (or for the owner alone), and puts it in its place: a reader
/// sees the old text or the new one, also after a crash.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let new = folder.join(format!(".{name}.new"));
    let written = write_new(&new, path, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // Nothing was changed; the leftover is of no use and would only be found later.
        let _ = fs::remove_file(&new);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_new(new: &Path, old: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(new)?;
    if let Ok(metadata) = fs::metadata(old) {
        file.set_permissions(fs::Permissions::from_mode(metadata.mode() & 0o777))?;
        // Only root may give a file away; anybody else keeps what he created.
        let _ = std::os::unix::fs::fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
