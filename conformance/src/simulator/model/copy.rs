// SPDX-License-Identifier: Apache-2.0
//! One message on one place.

use super::{PlaceId, SubscriptionId, TransactionNumber};

/// What is known of a message on one place.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Where.
    pub place: PlaceId,
    /// The place certainly existed when the message was sent, so the message has to be there.
    pub required: bool,
    /// The subscription it was last delivered to, until it is known to have been given back.
    pub holder: Option<SubscriptionId>,
    /// The acknowledgement of the last delivery.
    pub ack: Ack,
    /// How often it was seen.
    pub deliveries: u32,
    /// How often a client said that it failed.
    pub failures: u32,
    /// The crash count when it last failed, if it did.
    pub failed_epoch: Option<u32>,
    /// How often it has failed since that crash.
    pub failures_in_epoch: u32,
    /// A page it may have been in was damaged.
    pub damaged: bool,
    /// How it left the place other than by an acknowledgement.
    pub end: Option<End>,
}

/// How far an acknowledgement has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ack {
    /// Not asked for.
    None,
    /// Asked for, not confirmed: it may have happened.
    Issued,
    /// Asked for in a transaction that has not been confirmed.
    InTransaction(TransactionNumber),
    /// Confirmed: the message never comes again.
    Durable,
}

/// How a message leaves a place without being acknowledged there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It was found at the dead-letter address.
    DeadLettered,
    /// It was found at the expiry address.
    Expired,
}

impl Copy {
    /// A copy nobody has seen yet.
    pub fn new(place: PlaceId, required: bool) -> Self {
        Self {
            place,
            required,
            holder: None,
            ack: Ack::None,
            deliveries: 0,
            failures: 0,
            failed_epoch: None,
            failures_in_epoch: 0,
            damaged: false,
            end: None,
        }
    }

    /// Somebody has dealt with it, or may have.
    pub fn is_over(&self) -> bool {
        self.ack != Ack::None || self.end.is_some()
    }
}
