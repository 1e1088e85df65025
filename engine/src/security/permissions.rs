// SPDX-License-Identifier: Apache-2.0
//! Permissions by role, matched by address.
use std::fmt;
/// placeholder until the config branch lands
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Permission {
    /// SEND
    Send,
}
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SEND")
    }
}
