// SPDX-License-Identifier: Apache-2.0
//! Bytes ↔ packets of all three versions. Knows neither the engine nor the state of a connection.
//!
//! ```text
//! bytes ─▶ frame (first byte, length) ─▶ packet ─▶ connect │ publish │ acknowledge │ subscribe │ disconnect
//!                                                    └─ cursor (numbers, text) ─ property ─ text
//! ```
//! A packet borrows from the bytes it was read from; only a large payload is held, as a slice of them. Where a comment
//! names a clause without saying so it is one of MQTT 5.0; the older versions have the same rules under other numbers.

mod acknowledge;
mod connect;
mod cursor;
mod disconnect;
mod encoder;
mod frame;
mod malformed;
mod packet;
mod property;
mod publish;
mod reason;
mod subscribe;
mod text;

pub use acknowledge::Acknowledge;
pub use connect::{Answer, Connect, RefusedConnect, Will};
pub use disconnect::{Auth, Disconnect};
pub use encoder::{ConnAck, PublishHead, PublishProperties, auth, disconnect, ping_response};
pub use encoder::{acknowledge, sub_ack, unsub_ack};
pub use frame::{Frame, Kind, Limits};
pub use malformed::Malformed;
pub use packet::Packet;
pub use property::{Carrier, Property, PropertyBlock};
pub use publish::{Payload, Publish};
pub use reason::Reason;
pub use subscribe::{RetainHandling, Subscribe, SubscribeEntry, Unsubscribe};
pub use text::{FilterParts, filter_parts};

/// A version of the protocol, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// MQTT 3.1, protocol level 3, which calls itself `MQIsdp`.
    V3_1,
    /// MQTT 3.1.1, protocol level 4.
    V3_1_1,
    /// MQTT 5.0, protocol level 5.
    V5,
}

/// How often a message may arrive, and how hard one tries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Qos {
    /// At most once.
    AtMostOnce = 0,
    /// At least once.
    AtLeastOnce = 1,
    /// Exactly once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The quality of service of a number, if it is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }
}
