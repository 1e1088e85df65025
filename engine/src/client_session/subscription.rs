// SPDX-License-Identifier: Apache-2.0
//! What a client session remembers of a subscription.

use std::sync::Arc;

use crate::message::Qos;

/// A subscription as the client made it. The engine keeps it for the protocol and reads nothing in it but the filter, by
/// which a session has one at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientSubscription {
    /// The topic filter as the client wrote it, `$share/…` included.
    pub filter: Arc<str>,
    /// The QoS granted.
    pub qos: Qos,
    /// What the client publishes itself is not delivered to it.
    pub no_local: bool,
    /// Deliveries say whether the message was published as retained.
    pub retain_as_published: bool,
    /// When retained messages are sent: 0 always, 1 if the subscription is new, 2 never.
    pub retain_handling: u8,
    /// The client's number for it.
    pub identifier: Option<u32>,
}
