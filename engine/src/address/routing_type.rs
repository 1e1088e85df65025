// SPDX-License-Identifier: Apache-2.0
//! The two ways an address hands out messages.

use std::fmt;

/// How an address routes (manual, chapter Address Model).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum RoutingType {
    /// To every queue.
    #[default]
    Multicast,
    /// To one queue.
    Anycast,
}

impl fmt::Display for RoutingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Multicast => "MULTICAST",
            Self::Anycast => "ANYCAST",
        })
    }
}
