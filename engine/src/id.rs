// SPDX-License-Identifier: Apache-2.0
//! Newtypes for everything that has a number.
//!
//! Who counts: [`ConnectionId`] the host; [`SessionId`], [`ConsumerId`], [`TransactionId`], [`UploadId`],
//! [`DownloadId`] and [`Ticket`] the protocol machine, unique within its connection; [`MessageId`], [`QueueId`], [`AddressId`],
//! [`PageId`], [`LargeId`] and [`DeliveryId`] the engine.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

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
    /// One client session; never used twice.
    ClientSessionId;
    /// One subscription of a client session; never used twice.
    SubscriptionId;
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

/// A message on its way between a client and the broker, as MQTT numbers them: in use in one direction from the PUBLISH
/// to the last packet about it. Never 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PacketId(pub u16);

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A map by message. Never iterated where the order matters.
#[expect(
    clippy::disallowed_types,
    reason = "the hasher has no seed: every process orders alike"
)]
pub type MessageMap<V> = std::collections::HashMap<MessageId, V, BuildHasherDefault<NearHasher>>;

/// Sends numbers that follow one another to places that follow one another, sixteen at a time, and scatters the
/// sixteens. Messages come, and mostly go, in the order of their numbers: so a map of a million is walked along, instead
/// of missing the cache for each of them.
#[derive(Clone, Copy, Default, Debug)]
pub struct NearHasher(u64);

impl Hasher for NearHasher {
    fn write_u64(&mut self, number: u64) {
        /// As many as a table looks at in one step.
        const NEAR: u32 = 4;
        /// 2^64 divided by the golden ratio.
        const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;
        let near = number & ((1 << NEAR) - 1);
        let area = (number >> NEAR).wrapping_mul(SCATTER).rotate_left(26);
        // Tables tell entries apart by the highest bits before they compare: neighbours differ there, too.
        self.0 = (area << NEAR | near) ^ number << 57;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn hash(number: u64) -> u64 {
        let mut hasher = NearHasher::default();
        hasher.write_u64(number);
        hasher.finish()
    }

    #[test]
    fn sixteen_neighbours_lie_side_by_side_and_differ_in_their_highest_bits() {
        for first in [0, 16, 1 << 20, (1 << 62) + 48] {
            let places: Vec<u64> = (first..first + 16).map(|n| hash(n) & 0xfffff).collect();
            assert!(places.windows(2).all(|two| two[1] == two[0] + 1));
            let marks: BTreeSet<u64> = (first..first + 16).map(|n| hash(n) >> 57).collect();
            assert_eq!(marks.len(), 16);
        }
    }

    #[test]
    fn numbers_at_any_distance_are_scattered() {
        const AREAS: usize = 1 << 12;
        for distance in [1, 16, 17, 1 << 10, 1 << 16, 1 << 32, 1_000, 65_535] {
            let mut filled = vec![0_u32; AREAS];
            for n in 0..8 * AREAS as u64 {
                let place = hash(n.wrapping_mul(distance)) as usize & (16 * AREAS - 1);
                filled[place / 16] += 1;
            }
            let crowded = filled.iter().filter(|n| **n > 64).count();
            assert!(crowded < AREAS / 50, "distance {distance}: {crowded} areas");
        }
    }
}
