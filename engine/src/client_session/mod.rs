// SPDX-License-Identifier: Apache-2.0
//! Sessions that belong to a client id and not to a connection: MQTT's Session State.

mod attach;
mod deliver;
pub mod packets;
pub mod sessions;
mod subscribe;
mod subscription;
mod will;

pub use sessions::{ClientSession, ClientSessions};
pub use subscription::ClientSubscription;
pub use will::Will;

/// How long a client session outlives its connection, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionExpiry(pub u32);

impl SessionExpiry {
    /// It ends with the connection.
    pub const AT_ONCE: Self = Self(0);
    /// It never ends by itself.
    pub const NEVER: Self = Self(u32::MAX);
}
