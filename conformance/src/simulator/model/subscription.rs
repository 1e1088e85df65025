// SPDX-License-Identifier: Apache-2.0
//! Subscriptions and connections, as the client that made them knows them.

use std::collections::BTreeMap;

use super::{PlaceId, Shade, TransactionNumber};

/// The number of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SubscriptionId(pub usize);

/// The number of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ConnectionNumber(pub usize);

/// How deliveries are acknowledged (STOMP 1.2, SUBSCRIBE ack Header).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckMode {
    /// By being sent.
    Auto,
    /// One and every one before it.
    Client,
    /// Each by itself.
    Individual,
}

/// One subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// What it consumes.
    pub place: PlaceId,
    /// Whose it is.
    pub connection: ConnectionNumber,
    /// How it acknowledges.
    pub mode: AckMode,
    /// Takes only these.
    pub selector: Option<Shade>,
    /// Nothing has ended it yet.
    pub live: bool,
    /// The last one seen, in its producer's order, by producer and priority.
    pub last: BTreeMap<(ConnectionNumber, u8), u64>,
}

impl Subscription {
    /// A subscription about to be asked for.
    pub fn new(
        place: PlaceId,
        connection: ConnectionNumber,
        mode: AckMode,
        selector: Option<Shade>,
    ) -> Self {
        Self {
            place,
            connection,
            mode,
            selector,
            live: true,
            last: BTreeMap::new(),
        }
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Nothing has ended it yet.
    pub live: bool,
    /// The broker knows that it ended.
    pub noticed: bool,
    pub subscriptions: Vec<SubscriptionId>,
    pub transactions: Vec<TransactionNumber>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            live: true,
            noticed: false,
            subscriptions: Vec::new(),
            transactions: Vec::new(),
        }
    }
}
