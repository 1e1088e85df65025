// SPDX-License-Identifier: Apache-2.0
//! What the log says: the only way durable state ever changes.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Branch, Position};
use crate::address::routing_type::RoutingType;
use crate::id::{AddressId, MessageId, QueueId};
use crate::message::Message;

/// One user record. State is the fold of these over time; applying one twice is the same as once.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// The first record of a branch.
    Branch(BranchStart),
    /// A message and every durable queue it is on. Written again, with what is left of the list, when the segment it
    /// stood in is cleaned: the later one replaces the earlier.
    Message(MessageRecord),
    /// The message has left the queue.
    Acknowledge {
        /// The queue.
        queue: QueueId,
        /// The message.
        message: MessageId,
    },
    /// How often the message has been delivered from the queue without success.
    DeliveryCount {
        /// The queue.
        queue: QueueId,
        /// The message.
        message: MessageId,
        /// Attempts so far.
        count: u32,
    },
    /// The message is to be delivered from the queue no earlier than this.
    Scheduled {
        /// The queue.
        queue: QueueId,
        /// The message.
        message: MessageId,
        /// Milliseconds since 1970 UTC; 0 = no longer scheduled.
        at: u64,
    },
    /// A duplicate id has been seen on an address.
    DuplicateId(DuplicateIdRecord),
    /// An address exists, with these properties (again: replaces).
    Address(AddressRecord),
    /// An address is gone.
    AddressRemoved(AddressId),
    /// A queue exists, with these properties (again: replaces).
    Queue(QueueRecord),
    /// A queue is gone, with everything on it.
    QueueRemoved(QueueId),
    /// Ids below this one may have been used.
    IdCounter(u64),
    /// Storage's own mark: everything up to this position was synced when this was written. What is unreadable below
    /// a mark was not torn by a crash but damaged later.
    Synced(Position),
}

/// The first record of a branch: what an election has to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BranchStart {
    /// Epoch and holder.
    pub branch: Branch,
    /// The broker ids (16 bytes each) that hold everything acknowledged before this record.
    pub in_sync: Vec<[u8; 16]>,
    /// Set by an operator's force.
    pub forced: bool,
}

/// A message with its places.
#[derive(Clone, PartialEq, Debug)]
pub struct MessageRecord {
    /// Its id is set.
    pub message: Arc<Message>,
    /// The durable queues it is on.
    pub routes: SmallVec<[Route; 1]>,
}

/// A message's place on one queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The queue.
    pub queue: QueueId,
    /// Attempts so far.
    pub count: u32,
    /// Not to be delivered before this, milliseconds since 1970 UTC; 0 = at once.
    pub scheduled: u64,
}

/// An entry of the duplicate-id cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DuplicateIdRecord {
    /// The address.
    pub address: Arc<str>,
    /// The id as the client gave it.
    pub id: Bytes,
    /// Its place in the cache: the id of the message that carried it.
    pub sequence: u64,
}

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

/// What stays live in the log until it is replaced or ends; what has no key is never live by itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    /// The current branch start.
    Branch,
    /// A message that is still on a durable queue.
    Message(MessageId),
    /// An entry of a duplicate-id cache, by its sequence.
    DuplicateId(u64),
    /// An address.
    Address(AddressId),
    /// A queue.
    Queue(QueueId),
    /// The id counter.
    IdCounter,
}

impl Record {
    /// The key under which the record stays live, if it does.
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Branch(_) => Some(Key::Branch),
            Self::Message(record) => Some(Key::Message(record.message.id)),
            Self::DuplicateId(record) => Some(Key::DuplicateId(record.sequence)),
            Self::Address(record) => Some(Key::Address(record.id)),
            Self::Queue(record) => Some(Key::Queue(record.id)),
            Self::IdCounter(_) => Some(Key::IdCounter),
            Self::Acknowledge { .. }
            | Self::DeliveryCount { .. }
            | Self::Scheduled { .. }
            | Self::AddressRemoved(_)
            | Self::QueueRemoved(_)
            | Self::Synced(_) => None,
        }
    }
}
