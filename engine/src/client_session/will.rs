// SPDX-License-Identifier: Apache-2.0
//! What a client wants to be said when it is gone.

use crate::address::routing_type::RoutingType;
use crate::message::Message;

/// A message that is sent when the connection of its client is lost, unless the client comes back within the delay. It is
/// sent with the permissions that its client had.
#[derive(Clone, PartialEq, Debug)]
pub struct Will {
    /// The message, as in [`Send`](crate::command::Send).
    pub message: Message,
    /// As there.
    pub routing: Option<RoutingType>,
    /// As there.
    pub retain: bool,
    /// How long it waits, in seconds, at most as long as the session.
    pub delay_s: u32,
}
