// SPDX-License-Identifier: Apache-2.0
//! A subscription of a client session, as its client knows it.

use std::collections::{BTreeMap, BTreeSet};

use super::Strand;
use super::retained::Retained;
use crate::simulator::model::{ConnectionNumber, Uid};

/// The number of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SubscriptionId(pub usize);

/// Where a subscription is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// SUBSCRIBE was sent; ends with SUBACK.
    Asked,
    /// What is sent reaches it.
    Established,
    /// Its end was asked for, or its session may have ended: nothing is promised of it any more.
    Over,
}

/// One subscription, from the SUBSCRIBE that made it until its session or an UNSUBSCRIBE ends it.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Whose.
    pub client: usize,
    /// What it takes.
    pub strand: Strand,
    /// The greatest QoS.
    pub qos: u8,
    /// It does not take what its own client sends.
    pub no_local: bool,
    /// Where it is in its life.
    pub stage: Stage,
    /// Since when it certainly exists.
    pub since: u64,
    /// What has to come.
    pub required: BTreeSet<Uid>,
    /// What has come, under which packet identifier, and how often the broker had crashed by then.
    pub seen: BTreeMap<Uid, (u16, u32)>,
    /// The last one seen, in its producer's order, by producer and priority.
    pub last: BTreeMap<(ConnectionNumber, u8), u64>,
    /// Copies of retained messages were asked for.
    pub stored: bool,
    /// Retained messages older than these are not for it.
    pub oldest: Retained,
}

impl Subscription {
    /// Whether what is sent now has to reach it.
    pub fn is_sure(&self) -> bool {
        self.stage == Stage::Established
    }

    /// Nothing is promised any more.
    pub fn end(&mut self) {
        self.stage = Stage::Over;
        self.required.clear();
    }
}
