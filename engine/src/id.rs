// SPDX-License-Identifier: Apache-2.0
//! Newtypes for everything that has a number.
//!
//! Who counts: [`ConnectionId`] the host; [`SessionId`], [`ConsumerId`], [`TransactionId`], [`UploadId`],
//! [`DownloadId`] and [`Ticket`] the protocol machine, unique within its connection; [`MessageId`], [`QueueId`], [`AddressId`],
//! [`PageId`], [`LargeId`] and [`DeliveryId`] the engine.

use std::fmt;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// One message for its whole life; also its place in the order of every queue it is on. Never used twice.
    MessageId;
    /// One queue; never used twice.
    QueueId;
    /// One address; never used twice.
    AddressId;
    /// One page of an address; never used twice. Pages of one address ascend in the order of their messages.
    PageId;
    /// The body of a large message, in a file of its own; never used twice.
    LargeId;
    /// One socket (or simulated socket).
    ConnectionId;
    /// One session of a connection: a user and the state that ends with it.
    SessionId;
    /// One consumer of a connection.
    ConsumerId;
    /// One delivery to one consumer; counts up by one per consumer from 1.
    DeliveryId;
    /// One transaction of a connection.
    TransactionId;
    /// One body that a connection sends in pieces.
    UploadId;
    /// One body that a connection is given in pieces.
    DownloadId;
    /// Chosen by the protocol, returned unchanged with the answer, so that the engine keeps no protocol map.
    Ticket;
}
