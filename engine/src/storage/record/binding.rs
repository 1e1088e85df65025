// SPDX-License-Identifier: Apache-2.0
//! Addresses and queues: what exists, with its properties.

use std::sync::Arc;

use super::super::layout::{Reader, Sink};
use crate::address::routing_type::RoutingType;
use crate::id::{AddressId, QueueId};

const ANYCAST: u8 = 1;
const MULTICAST: u8 = 2;
const AUTO_CREATED: u8 = 4;
const PAUSED: u8 = 8;

/// An address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressRecord {
    /// Its number.
    pub id: AddressId,
    /// Its name.
    pub name: Arc<str>,
    /// Has anycast queues, or may.
    pub anycast: bool,
    /// Has multicast queues, or may.
    pub multicast: bool,
    /// Made by use rather than by configuration or an operator.
    pub auto_created: bool,
    /// No message passes while paused (persisted pauses only).
    pub paused: bool,
}

/// A queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueRecord {
    /// Its number.
    pub id: QueueId,
    /// Its name, unique in the broker.
    pub name: Arc<str>,
    /// The address it is bound to.
    pub address: AddressId,
    /// Its routing type.
    pub routing: RoutingType,
    /// Only messages selected by this enter; empty = all.
    pub filter: Arc<str>,
    /// Who made it; empty = the broker itself.
    pub user: Arc<str>,
    /// Everything else about it, in name order: numbers, flags and texts by the names broker.xml uses.
    pub options: Vec<(Arc<str>, Arc<str>)>,
    /// Made by use rather than by configuration or an operator.
    pub auto_created: bool,
    /// Paused, and to stay so after a restart.
    pub paused: bool,
}

fn bit(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

impl AddressRecord {
    pub(super) fn encode(&self, out: &mut impl Sink) {
        out.u64(self.id.0);
        out.u8(bit(self.anycast, ANYCAST)
            | bit(self.multicast, MULTICAST)
            | bit(self.auto_created, AUTO_CREATED)
            | bit(self.paused, PAUSED));
        out.text(&self.name);
    }

    pub(super) fn decode(mut from: Reader<'_>) -> Option<Self> {
        let id = AddressId(from.u64()?);
        let bits = from.bits(ANYCAST | MULTICAST | AUTO_CREATED | PAUSED)?;
        let name = from.shared_text()?;
        from.end()?;
        Some(Self {
            id,
            name,
            anycast: bits & ANYCAST != 0,
            multicast: bits & MULTICAST != 0,
            auto_created: bits & AUTO_CREATED != 0,
            paused: bits & PAUSED != 0,
        })
    }
}

impl QueueRecord {
    pub(super) fn encode(&self, out: &mut impl Sink) {
        out.u64(self.id.0);
        out.u64(self.address.0);
        out.u8(match self.routing {
            RoutingType::Multicast => MULTICAST,
            RoutingType::Anycast => ANYCAST,
        } | bit(self.auto_created, AUTO_CREATED)
            | bit(self.paused, PAUSED));
        out.text(&self.name);
        out.text(&self.filter);
        out.text(&self.user);
        out.count(self.options.len());
        for (name, value) in &self.options {
            out.text(name);
            out.text(value);
        }
    }

    pub(super) fn decode(mut from: Reader<'_>) -> Option<Self> {
        let id = QueueId(from.u64()?);
        let address = AddressId(from.u64()?);
        let bits = from.bits(ANYCAST | MULTICAST | AUTO_CREATED | PAUSED)?;
        let routing = match bits & (ANYCAST | MULTICAST) {
            ANYCAST => RoutingType::Anycast,
            MULTICAST => RoutingType::Multicast,
            _ => return None,
        };
        let name = from.shared_text()?;
        let filter = from.shared_text()?;
        let user = from.shared_text()?;
        let n = from.count(8)?;
        let mut options = Vec::with_capacity(n);
        for _ in 0..n {
            options.push((from.shared_text()?, from.shared_text()?));
        }
        from.end()?;
        Some(Self {
            id,
            name,
            address,
            routing,
            filter,
            user,
            options,
            auto_created: bits & AUTO_CREATED != 0,
            paused: bits & PAUSED != 0,
        })
    }
}
