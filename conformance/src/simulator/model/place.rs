// SPDX-License-Identifier: Apache-2.0
//! A place messages wait at: a queue, or a subscription's queue on the topic.

/// The number of a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PlaceId(pub usize);

/// What kind of place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An anycast queue, made when first used.
    Queue,
    /// A durable subscription.
    Durable,
    /// A subscription that ends with its connection.
    Temporary,
}

/// One place.
#[derive(Clone, Debug)]
pub struct Place {
    /// The queue's name; of a temporary one only the broker knows it.
    pub name: String,
    /// The address it is bound to; that of a subscription may be a wildcard.
    pub address: &'static str,
    /// What kind.
    pub kind: Kind,
    /// It certainly exists.
    pub established: bool,
    /// Its end was asked for: nothing on it is promised any more.
    pub deleted: bool,
    /// A consumer was once asked for.
    pub consumed: bool,
    /// How many consumers of it ended without a goodbye; each may have taken unseen deliveries with it.
    pub breaks: u32,
    /// How many consumers of it are on their way out.
    pub closing: u32,
    /// Messages sent before this one may have been handed out and given back, so their order is not promised.
    pub disturbed_below: usize,
    /// Messages sent before this one may have been lost on the way to an automatic consumer.
    pub lost_below: usize,
}

impl Place {
    /// A place nobody knows anything of.
    pub fn new(name: String, address: &'static str, kind: Kind) -> Self {
        Self {
            name,
            address,
            kind,
            established: false,
            deleted: false,
            consumed: false,
            breaks: 0,
            closing: 0,
            disturbed_below: 0,
            lost_below: 0,
        }
    }

    /// A durable subscription that gets whatever is sent now.
    pub fn is_subscribed(&self) -> bool {
        self.kind == Kind::Durable && self.established && !self.deleted
    }
}
