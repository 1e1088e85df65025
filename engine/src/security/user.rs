// SPDX-License-Identifier: Apache-2.0
//! Who a session belongs to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What a client said about itself; checked by the host's login modules, outside the turn.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// The user name, if one was given.
    pub user: Option<String>,
    /// The password, if one was given.
    pub password: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Never shows the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A user the login modules have let in, with the roles they gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// The validated name.
    pub user: Arc<str>,
    /// The roles, to be compared with the security settings.
    pub roles: Arc<BTreeSet<String>>,
}
