// SPDX-License-Identifier: Apache-2.0
//! Who may do what on an address: permissions by role, as `<security-setting match="…">` writes them.

use std::collections::BTreeSet;
use std::fmt;

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $xml:literal, $name:literal;)+) => {
        /// One thing a user may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $($(#[$doc])* $variant),+ }

        impl Permission {
            /// Every permission, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The `type` attribute of `<permission>` in broker.xml, such as `createDurableQueue`.
            #[must_use]
            pub const fn xml(self) -> &'static str {
                match self { $(Self::$variant => $xml),+ }
            }

            /// The upper-case name in error texts and management, such as `CREATE_DURABLE_QUEUE`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Reads the spelling of broker.xml.
            #[must_use]
            pub fn from_xml(word: &str) -> Option<Self> {
                match word { $($xml => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

permissions! {
    /// Send messages to the address.
    Send = "send", "SEND";
    /// Consume from queues of the address.
    Consume = "consume", "CONSUME";
    /// Create the address.
    CreateAddress = "createAddress", "CREATE_ADDRESS";
    /// Delete the address.
    DeleteAddress = "deleteAddress", "DELETE_ADDRESS";
    /// Create durable queues on the address.
    CreateDurableQueue = "createDurableQueue", "CREATE_DURABLE_QUEUE";
    /// Delete durable queues of the address.
    DeleteDurableQueue = "deleteDurableQueue", "DELETE_DURABLE_QUEUE";
    /// Create temporary queues on the address.
    CreateNonDurableQueue = "createNonDurableQueue", "CREATE_NON_DURABLE_QUEUE";
    /// Delete temporary queues of the address.
    DeleteNonDurableQueue = "deleteNonDurableQueue", "DELETE_NON_DURABLE_QUEUE";
    /// Send management messages.
    Manage = "manage", "MANAGE";
    /// Browse queues of the address.
    Browse = "browse", "BROWSE";
    /// Read management attributes.
    View = "view", "VIEW";
    /// Change things through management.
    Edit = "edit", "EDIT";
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What one `<security-setting>` grants: for each permission the roles that have it.
///
/// *Invariant*: a permission nobody was granted allows nobody. Settings do not inherit: on an address only the most
/// specific match rules, and what it does not grant is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    roles: [BTreeSet<String>; Permission::ALL.len()],
}

impl Permissions {
    /// Lets `role` do `permission`. Granting twice changes nothing.
    pub fn grant(&mut self, permission: Permission, role: impl Into<String>) {
        self.roles[permission as usize].insert(role.into());
    }

    /// The roles that may do `permission`.
    #[must_use]
    pub fn roles(&self, permission: Permission) -> &BTreeSet<String> {
        &self.roles[permission as usize]
    }

    /// True when one of the user's `roles` may do `permission`.
    #[must_use]
    pub fn allows(&self, permission: Permission, roles: &BTreeSet<String>) -> bool {
        !self.roles(permission).is_disjoint(roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn both_spellings_exist_for_every_permission() {
        for permission in Permission::ALL {
            assert_eq!(Permission::from_xml(permission.xml()), Some(*permission));
            assert_eq!(
                permission.name().replace('_', "").to_lowercase(),
                permission.xml().to_lowercase()
            );
        }
        assert_eq!(Permission::from_xml("SEND"), None);
    }

    #[test]
    fn one_shared_role_is_enough_and_none_is_denied() {
        let mut permissions = Permissions::default();
        permissions.grant(Permission::Send, "amq");
        permissions.grant(Permission::Send, "ops");
        assert!(permissions.allows(Permission::Send, &roles(&["guest", "ops"])));
        assert!(!permissions.allows(Permission::Send, &roles(&["guest"])));
        assert!(!permissions.allows(Permission::Send, &roles(&[])));
        assert!(!permissions.allows(Permission::Consume, &roles(&["amq"])));
    }
}
