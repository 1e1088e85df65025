// SPDX-License-Identifier: Apache-2.0
//! The users of an instance and their roles: `artemis-users.properties` and `artemis-roles.properties`.

use crate::file_error::FileError;
use crate::masked;
use crate::properties_file::PropertiesFile;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use subtle::ConstantTimeEq;

/// The two files as texts to be edited. Comments and the order of lines survive every edit.
///
/// Invariants: a user's name stands in the roles file only while it stands in the users file; a role whose last user
/// goes is taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFiles {
    pub users: PropertiesFile,
    pub roles: PropertiesFile,
}

/// One line of `user list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    /// In the order of the roles file.
    pub roles: Vec<String>,
}

/// Why an edit was not made. The ids and sentences of the first two are those of the management interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserError {
    Exists(String),
    Missing(String),
    /// A name the files cannot hold.
    BadName {
        what: &'static str,
        name: String,
    },
    NoRole,
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => write!(f, "AMQ229223: User {name} already exists"),
            Self::Missing(name) => write!(f, "AMQ229224: User {name} does not exist"),
            Self::BadName { what, name } => write!(
                f,
                "'{name}' cannot be the name of a {what}: it must not be empty, hold a comma or begin or end with white space"
            ),
            Self::NoRole => f.write_str("at least one role is needed"),
        }
    }
}

impl std::error::Error for UserError {}

impl UserFiles {
    /// Reads both texts; the faults of the first and of the second.
    pub fn parse(users: &str, roles: &str) -> Result<Self, (Vec<FileError>, Vec<FileError>)> {
        match (PropertiesFile::parse(users), PropertiesFile::parse(roles)) {
            (Ok(users), Ok(roles)) => Ok(Self { users, roles }),
            (users, roles) => Err((
                users.err().unwrap_or_default(),
                roles.err().unwrap_or_default(),
            )),
        }
    }

    /// Adds a user. `stored` is what the users file shall hold: a clear password or `ENC(iterations:salt:hash)`.
    pub fn add(&mut self, name: &str, stored: &str, roles: &[String]) -> Result<(), UserError> {
        check_name("user", name)?;
        if self.users.get(name).is_some() {
            return Err(UserError::Exists(name.to_owned()));
        }
        check_roles(roles)?;
        // Leftovers of a user whom somebody took out of the users file by hand must not come back as rights.
        self.leave_all_roles(name);
        self.users.set(name, stored);
        self.join_roles(name, roles);
        Ok(())
    }

    /// Changes the password, the roles, or both; what is `None` stays as it is.
    pub fn reset(
        &mut self,
        name: &str,
        stored: Option<&str>,
        roles: Option<&[String]>,
    ) -> Result<(), UserError> {
        if self.users.get(name).is_none() {
            return Err(UserError::Missing(name.to_owned()));
        }
        if let Some(roles) = roles {
            check_roles(roles)?;
            self.leave_all_roles(name);
            self.join_roles(name, roles);
        }
        if let Some(stored) = stored {
            self.users.set(name, stored);
        }
        Ok(())
    }

    pub fn remove(&mut self, name: &str) -> Result<(), UserError> {
        if !self.users.remove(name) {
            return Err(UserError::Missing(name.to_owned()));
        }
        self.leave_all_roles(name);
        Ok(())
    }

    /// All users in the order of the users file, each once.
    pub fn list(&self) -> Vec<User> {
        let mut seen = BTreeSet::new();
        self.users
            .entries()
            .filter(|entry| seen.insert(entry.key))
            .map(|entry| User {
                name: entry.key.to_owned(),
                roles: self.roles_of(entry.key),
            })
            .collect()
    }

    pub fn roles_of(&self, name: &str) -> Vec<String> {
        let mut roles = Vec::new();
        for entry in self.roles.entries() {
            // Where a role is written twice only its last line counts.
            let counts = self
                .roles
                .get(entry.key)
                .is_some_and(|users| members(users).any(|user| user == name));
            if counts && !roles.iter().any(|role| role == entry.key) {
                roles.push(entry.key.to_owned());
            }
        }
        roles
    }

    fn join_roles(&mut self, name: &str, roles: &[String]) {
        for role in roles {
            let mut users: Vec<&str> = self
                .roles
                .get(role)
                .map(|users| members(users).collect())
                .unwrap_or_default();
            if !users.contains(&name) {
                users.push(name);
            }
            let joined = users.join(",");
            self.roles.set(role, &joined);
        }
    }

    fn leave_all_roles(&mut self, name: &str) {
        for role in self.roles_of(name) {
            let users = self.roles.get(&role).unwrap_or_default();
            let left: Vec<&str> = members(users).filter(|user| *user != name).collect();
            let left = left.join(",");
            if left.is_empty() {
                self.roles.remove(&role);
            } else {
                self.roles.set(&role, &left);
            }
        }
        debug_assert!(self.roles_of(name).is_empty());
    }
}

/// The two files read for checking logins.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserTable {
    users: BTreeMap<String, Stored>,
}

#[derive(Clone, PartialEq, Eq)]
struct Stored {
    password: String,
    roles: Vec<String>,
}

/// What a users file says about a name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    Right { roles: &'a [String] },
    WrongPassword,
    UnknownUser,
}

impl UserTable {
    pub fn new(files: &UserFiles) -> Self {
        let users = files.list().into_iter().map(|user| {
            let password = files.users.get(&user.name).unwrap_or_default().to_owned();
            (
                user.name,
                Stored {
                    password,
                    roles: user.roles,
                },
            )
        });
        Self {
            users: users.collect(),
        }
    }

    /// Checks a password against a clear or a hashed one. A hashed one costs about a millisecond, by intent.
    pub fn verify(&self, name: &str, password: &str) -> Verdict<'_> {
        match self.users.get(name) {
            None => Verdict::UnknownUser,
            Some(stored) if stored.accepts(password) => Verdict::Right {
                roles: &stored.roles,
            },
            Some(_) => Verdict::WrongPassword,
        }
    }

    /// Users whose password is `ENC(…)` but not a hash: nobody can log in as them, which is worth a warning.
    pub fn unusable(&self) -> impl Iterator<Item = &str> {
        self.users.iter().filter_map(|(name, stored)| {
            let inside = masked::enclosed(&stored.password)?;
            (!masked::is_hash(inside)).then_some(name.as_str())
        })
    }

    pub fn len(&self) -> usize {
        self.users.len()
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }
}

/// Passwords never reach a log.
impl fmt::Debug for UserTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.users.keys()).finish()
    }
}

impl Stored {
    fn accepts(&self, password: &str) -> bool {
        if masked::enclosed(&self.password).is_some() {
            masked::verify_hash(password, &self.password)
        } else {
            self.password.as_bytes().ct_eq(password.as_bytes()).into()
        }
    }
}

fn members(users: &str) -> impl Iterator<Item = &str> {
    users
        .split(',')
        .map(str::trim)
        .filter(|user| !user.is_empty())
}

fn check_name(what: &'static str, name: &str) -> Result<(), UserError> {
    if name.is_empty() || name.contains(',') || name.trim() != name {
        return Err(UserError::BadName {
            what,
            name: name.to_owned(),
        });
    }
    Ok(())
}

fn check_roles(roles: &[String]) -> Result<(), UserError> {
    if roles.is_empty() {
        return Err(UserError::NoRole);
    }
    roles.iter().try_for_each(|role| check_name("role", role))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> UserFiles {
        let users = "# users of this instance\nann = x\n\n# temporary\njoe = y\n";
        UserFiles::parse(users, "# roles\namq = ann,joe\nview = joe\n").expect("readable")
    }

    fn roles(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_user_is_added_to_both_files_and_comments_stay() {
        let mut files = files();
        files
            .add("bob", "z", &roles(&["amq", "send"]))
            .expect("added");
        assert_eq!(
            files.users.to_string(),
            "# users of this instance\nann = x\n\n# temporary\njoe = y\nbob = z\n"
        );
        assert_eq!(
            files.roles.to_string(),
            "# roles\namq = ann,joe,bob\nview = joe\nsend = bob\n"
        );
        assert_eq!(files.roles_of("bob"), ["amq", "send"]);
    }

    #[test]
    fn a_second_add_and_edits_of_nobody_say_so() {
        let mut files = files();
        let exists = files.add("ann", "z", &roles(&["amq"])).expect_err("exists");
        assert_eq!(exists.to_string(), "AMQ229223: User ann already exists");
        let missing = files.remove("eve").expect_err("missing");
        assert_eq!(missing.to_string(), "AMQ229224: User eve does not exist");
        assert_eq!(
            files.reset("eve", None, None),
            Err(UserError::Missing("eve".into()))
        );
        assert_eq!(files.add("eve", "z", &[]), Err(UserError::NoRole));
        for name in ["", "a,b", " a"] {
            assert!(
                matches!(
                    files.add(name, "z", &roles(&["amq"])),
                    Err(UserError::BadName { .. })
                ),
                "{name:?}"
            );
        }
        assert_eq!(files, self::files());
    }

    #[test]
    fn a_removed_user_leaves_no_role_behind() {
        let mut files = files();
        files.remove("joe").expect("removed");
        assert_eq!(files.roles.to_string(), "# roles\namq = ann\n");
        assert_eq!(
            files.list(),
            [User {
                name: "ann".into(),
                roles: roles(&["amq"])
            }]
        );
    }

    #[test]
    fn rights_of_a_user_deleted_by_hand_do_not_return_with_the_name() {
        let mut files = files();
        files.users.remove("joe");
        files.add("joe", "new", &roles(&["view"])).expect("added");
        assert_eq!(files.roles_of("joe"), ["view"]);
    }

    #[test]
    fn reset_changes_what_is_given() {
        let mut files = files();
        files.reset("joe", Some("new"), None).expect("reset");
        assert_eq!(
            (files.users.get("joe"), files.roles_of("joe")),
            (Some("new"), roles(&["amq", "view"]))
        );
        files
            .reset("joe", None, Some(&roles(&["send"])))
            .expect("reset");
        assert_eq!(
            (files.users.get("joe"), files.roles_of("joe")),
            (Some("new"), roles(&["send"]))
        );
    }

    #[test]
    fn passwords_are_checked_plain_and_hashed() {
        let mut files = files();
        let stored = format!("ENC({})", masked::hash("secret", [7; 32]));
        files.add("bob", &stored, &roles(&["send"])).expect("added");
        files
            .add("eve", "ENC(-41e444c3ed07d6dd)", &roles(&["send"]))
            .expect("added");
        let table = UserTable::new(&files);
        assert_eq!(
            table.verify("ann", "x"),
            Verdict::Right {
                roles: &roles(&["amq"])
            }
        );
        assert_eq!(table.verify("ann", "X"), Verdict::WrongPassword);
        assert_eq!(table.verify("ann", ""), Verdict::WrongPassword);
        assert_eq!(
            table.verify("bob", "secret"),
            Verdict::Right {
                roles: &roles(&["send"])
            }
        );
        assert_eq!(table.verify("bob", &stored), Verdict::WrongPassword);
        assert_eq!(table.verify("eve", "secret"), Verdict::WrongPassword);
        assert_eq!(table.verify("nobody", ""), Verdict::UnknownUser);
        assert_eq!(table.unusable().collect::<Vec<_>>(), ["eve"]);
        assert!(!format!("{table:?}").contains("secret"));
    }
}
