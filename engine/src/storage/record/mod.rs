// SPDX-License-Identifier: Apache-2.0
//! What the log says: the only way durable state ever changes. One file per family; FORMAT.md, "Payloads".

use bytes::{Bytes, BytesMut};

use super::Position;
use super::layout::{Counter, Reader, Sink};
use crate::client_session::SessionExpiry;
use crate::id::{AddressId, ClientSessionId, MessageId, PacketId, PageId, QueueId, SubscriptionId};

mod binding;
mod branch;
mod client_session;
mod duplicate_id;
mod message;
mod page;
#[cfg(test)]
mod tests;

pub use binding::{AddressRecord, QueueRecord};
pub use branch::BranchStart;
pub use client_session::{ClientSessionRecord, Flight, SignedWill, SubscriptionRecord};
pub use duplicate_id::DuplicateIdRecord;
pub(crate) use message::Neighbours;
pub use message::{LastAddress, MessageRecord, Route};
pub use page::{Mark, PagePlace, PageRecord, PagedRecord, Share};

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
    /// A message goes to a page. Needed until the page stands on the disk or nothing of it is left.
    Paged(PagedRecord),
    /// A page stands on the disk, whole (again: says what is left of it).
    Page(PageRecord),
    /// The message in the page has left the queue.
    PageAcknowledge {
        /// The queue.
        queue: QueueId,
        /// Where the message stands.
        place: PagePlace,
        /// Which message it is.
        message: MessageId,
    },
    /// What is to be remembered of the message in the page for the queue.
    PageMark {
        /// The queue.
        queue: QueueId,
        /// Where the message stands.
        place: PagePlace,
        /// Which message it is.
        message: MessageId,
        /// What.
        mark: Mark,
    },
    /// Nothing of the page is left for the queue.
    PagePurged {
        /// The queue.
        queue: QueueId,
        /// The page.
        page: PageId,
    },
    /// The message is the retained one of its address, in place of one with a lower id. It has no routes.
    Retained(MessageRecord),
    /// The retained message is none any more.
    RetainedRemoved(MessageId),
    /// A client session exists, with all that is on its way (again: replaces).
    ClientSession(ClientSessionRecord),
    /// A client session is over, with its subscriptions (their queues have records of their own).
    ClientSessionRemoved(ClientSessionId),
    /// A client session has lost its connection, or its client has left.
    ClientSessionLeft {
        /// The session.
        session: ClientSessionId,
        /// When, ms since 1970.
        at: u64,
        /// How long it lasts from then on.
        expiry: SessionExpiry,
        /// Whether it still has its will; else that was sent or dropped.
        will: bool,
    },
    /// A client session has a subscription (again: replaces).
    Subscription(SubscriptionRecord),
    /// It no longer has it.
    SubscriptionRemoved(SubscriptionId),
    /// A message goes to the client under this packet id.
    PacketSent {
        /// The session.
        session: ClientSessionId,
        /// The id.
        packet: PacketId,
        /// What.
        flight: Flight,
    },
    /// The message has left the queue because the client has it.
    PacketAcknowledged {
        /// The session.
        session: ClientSessionId,
        /// Its id.
        packet: PacketId,
        /// What.
        flight: Flight,
        /// The id stays in use until `PacketCompleted` (QoS 2); else it is free.
        received: bool,
    },
    /// The packet id is free, whatever it stood for.
    PacketCompleted {
        /// The session.
        session: ClientSessionId,
        /// The id.
        packet: PacketId,
    },
    /// The client has sent a QoS 2 message under this id.
    PacketTaken {
        /// The session.
        session: ClientSessionId,
        /// The id.
        packet: PacketId,
    },
    /// The client will not send it again.
    PacketReleased {
        /// The session.
        session: ClientSessionId,
        /// The id.
        packet: PacketId,
    },
    /// Storage's own note, local to one disk: everything up to this position was synced there when this was written.
    /// What is unreadable below a mark was not torn by a crash but damaged later. It takes no position, is not
    /// replicated, and neither appended nor replayed by anybody but storage.
    Synced(Position),
}

/// What stays live in the log until it is replaced or ends; what has no key is never live by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
    /// A page that stands on the disk.
    Page(PageId),
    /// The messages of a page that does not; it is never written again but put on the disk.
    OpenPage(PageId),
    /// A retained message.
    Retained(MessageId),
    /// A client session.
    ClientSession(ClientSessionId),
    /// A subscription of a client session.
    Subscription(SubscriptionId),
}

/// The number of a record's kind in its head.
pub(crate) mod kind {
    pub const BRANCH: u8 = 1;
    pub const MESSAGE: u8 = 2;
    pub const ACKNOWLEDGE: u8 = 3;
    pub const DELIVERY_COUNT: u8 = 4;
    pub const SCHEDULED: u8 = 5;
    pub const DUPLICATE_ID: u8 = 6;
    pub const ADDRESS: u8 = 7;
    pub const ADDRESS_REMOVED: u8 = 8;
    pub const QUEUE: u8 = 9;
    pub const QUEUE_REMOVED: u8 = 10;
    pub const ID_COUNTER: u8 = 11;
    pub const SYNCED: u8 = 12;
    pub const PAGED: u8 = 13;
    pub const PAGE: u8 = 14;
    pub const PAGE_ACKNOWLEDGE: u8 = 15;
    pub const PAGE_MARK: u8 = 16;
    pub const PAGE_PURGED: u8 = 17;
    pub const RETAINED: u8 = 18;
    pub const RETAINED_REMOVED: u8 = 19;
    pub const CLIENT_SESSION: u8 = 20;
    pub const CLIENT_SESSION_REMOVED: u8 = 21;
    pub const CLIENT_SESSION_LEFT: u8 = 22;
    pub const SUBSCRIPTION: u8 = 23;
    pub const SUBSCRIPTION_REMOVED: u8 = 24;
    pub const PACKET_SENT: u8 = 25;
    pub const PACKET_ACKNOWLEDGED: u8 = 26;
    pub const PACKET_COMPLETED: u8 = 27;
    pub const PACKET_TAKEN: u8 = 28;
    pub const PACKET_RELEASED: u8 = 29;
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
            Self::Page(record) => Some(Key::Page(record.id)),
            Self::Paged(record) => Some(Key::OpenPage(record.place.page)),
            Self::Retained(record) => Some(Key::Retained(record.message.id)),
            Self::ClientSession(record) => Some(Key::ClientSession(record.id)),
            Self::Subscription(record) => Some(Key::Subscription(record.id)),
            Self::Acknowledge { .. }
            | Self::DeliveryCount { .. }
            | Self::Scheduled { .. }
            | Self::AddressRemoved(_)
            | Self::QueueRemoved(_)
            | Self::PageAcknowledge { .. }
            | Self::PageMark { .. }
            | Self::PagePurged { .. }
            | Self::RetainedRemoved(_)
            | Self::ClientSessionRemoved(_)
            | Self::ClientSessionLeft { .. }
            | Self::SubscriptionRemoved(_)
            | Self::PacketSent { .. }
            | Self::PacketAcknowledged { .. }
            | Self::PacketCompleted { .. }
            | Self::PacketTaken { .. }
            | Self::PacketReleased { .. }
            | Self::Synced(_) => None,
        }
    }

    /// The number of its kind in the log.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Branch(_) => kind::BRANCH,
            Self::Message(_) => kind::MESSAGE,
            Self::Acknowledge { .. } => kind::ACKNOWLEDGE,
            Self::DeliveryCount { .. } => kind::DELIVERY_COUNT,
            Self::Scheduled { .. } => kind::SCHEDULED,
            Self::DuplicateId(_) => kind::DUPLICATE_ID,
            Self::Address(_) => kind::ADDRESS,
            Self::AddressRemoved(_) => kind::ADDRESS_REMOVED,
            Self::Queue(_) => kind::QUEUE,
            Self::QueueRemoved(_) => kind::QUEUE_REMOVED,
            Self::IdCounter(_) => kind::ID_COUNTER,
            Self::Synced(_) => kind::SYNCED,
            Self::Paged(_) => kind::PAGED,
            Self::Page(_) => kind::PAGE,
            Self::PageAcknowledge { .. } => kind::PAGE_ACKNOWLEDGE,
            Self::PageMark { .. } => kind::PAGE_MARK,
            Self::PagePurged { .. } => kind::PAGE_PURGED,
            Self::Retained(_) => kind::RETAINED,
            Self::RetainedRemoved(_) => kind::RETAINED_REMOVED,
            Self::ClientSession(_) => kind::CLIENT_SESSION,
            Self::ClientSessionRemoved(_) => kind::CLIENT_SESSION_REMOVED,
            Self::ClientSessionLeft { .. } => kind::CLIENT_SESSION_LEFT,
            Self::Subscription(_) => kind::SUBSCRIPTION,
            Self::SubscriptionRemoved(_) => kind::SUBSCRIPTION_REMOVED,
            Self::PacketSent { .. } => kind::PACKET_SENT,
            Self::PacketAcknowledged { .. } => kind::PACKET_ACKNOWLEDGED,
            Self::PacketCompleted { .. } => kind::PACKET_COMPLETED,
            Self::PacketTaken { .. } => kind::PACKET_TAKEN,
            Self::PacketReleased { .. } => kind::PACKET_RELEASED,
        }
    }

    /// Bytes of the payload before the body: see [`Record::body`].
    pub(crate) fn envelope_len(&self) -> usize {
        let mut counter = Counter::default();
        self.encode_into(&mut counter);
        counter.0
    }

    /// Appends the payload except its body.
    pub(crate) fn encode_envelope(&self, out: &mut BytesMut) {
        self.encode_into(out);
    }

    /// What ends the payload and is worth not copying.
    pub(crate) fn body(&self) -> Option<&Bytes> {
        match self {
            Self::Message(record) | Self::Retained(record) => record.body(),
            Self::Paged(record) => record.message.body(),
            _ => None,
        }
    }

    fn encode_into(&self, out: &mut impl Sink) {
        match self {
            Self::Branch(start) => start.encode(out),
            Self::Message(record) | Self::Retained(record) => record.encode_envelope(out),
            Self::Acknowledge { queue, message } => {
                out.u64(queue.0);
                out.u64(message.0);
            }
            Self::DeliveryCount {
                queue,
                message,
                count,
            } => {
                out.u64(queue.0);
                out.u64(message.0);
                out.u32(*count);
            }
            Self::Scheduled { queue, message, at } => {
                out.u64(queue.0);
                out.u64(message.0);
                out.u64(*at);
            }
            Self::DuplicateId(record) => record.encode(out),
            Self::Address(record) => record.encode(out),
            Self::AddressRemoved(id) => out.u64(id.0),
            Self::Queue(record) => record.encode(out),
            Self::QueueRemoved(id) => out.u64(id.0),
            Self::IdCounter(next) => out.u64(*next),
            Self::Synced(position) => out.u64(position.0),
            Self::Paged(record) => record.encode_envelope(out),
            Self::Page(record) => record.encode(out),
            Self::PageAcknowledge {
                queue,
                place,
                message,
            } => {
                out.u64(queue.0);
                place.encode(out);
                out.u64(message.0);
            }
            Self::PageMark {
                queue,
                place,
                message,
                mark,
            } => {
                out.u64(queue.0);
                place.encode(out);
                out.u64(message.0);
                out.u32(mark.count);
                out.u64(mark.scheduled);
            }
            Self::PagePurged { queue, page } => {
                out.u64(queue.0);
                out.u64(page.0);
            }
            Self::RetainedRemoved(id) => out.u64(id.0),
            Self::ClientSession(record) => record.encode(out),
            Self::ClientSessionRemoved(id) => out.u64(id.0),
            Self::Subscription(record) => record.encode(out),
            Self::SubscriptionRemoved(id) => out.u64(id.0),
            Self::ClientSessionLeft {
                session,
                at,
                expiry,
                will,
            } => {
                out.u64(session.0);
                out.u64(*at);
                out.u32(expiry.0);
                out.u8(u8::from(*will));
            }
            Self::PacketSent { .. }
            | Self::PacketAcknowledged { .. }
            | Self::PacketCompleted { .. }
            | Self::PacketTaken { .. }
            | Self::PacketReleased { .. } => self.encode_packet(out),
        }
    }

    fn encode_packet(&self, out: &mut impl Sink) {
        match self {
            Self::PacketSent {
                session,
                packet,
                flight,
            } => {
                out.u64(session.0);
                packet.encode(out);
                flight.encode(out);
            }
            Self::PacketAcknowledged {
                session,
                packet,
                flight,
                received,
            } => {
                out.u64(session.0);
                packet.encode(out);
                flight.encode(out);
                out.u8(u8::from(*received));
            }
            Self::PacketCompleted { session, packet }
            | Self::PacketTaken { session, packet }
            | Self::PacketReleased { session, packet } => {
                out.u64(session.0);
                packet.encode(out);
            }
            _ => unreachable!("called for packets only"),
        }
    }

    /// Reads a payload back; `None` if it is malformed or of no known kind. Never keeps a slice of `payload`.
    pub(crate) fn decode(kind: u8, payload: &[u8], near: &mut Neighbours) -> Option<Self> {
        let from = Reader(payload);
        Some(match kind {
            kind::BRANCH => Self::Branch(BranchStart::decode(from)?),
            kind::MESSAGE => Self::Message(MessageRecord::decode(from, near)?),
            kind::DUPLICATE_ID => Self::DuplicateId(DuplicateIdRecord::decode(from)?),
            kind::ADDRESS => Self::Address(AddressRecord::decode(from)?),
            kind::QUEUE => Self::Queue(QueueRecord::decode(from)?),
            kind::PAGED => Self::Paged(PagedRecord::decode(from, near)?),
            kind::PAGE => Self::Page(PageRecord::decode(from)?),
            kind::RETAINED => Self::Retained(
                MessageRecord::decode(from, near).filter(|record| record.routes.is_empty())?,
            ),
            kind::CLIENT_SESSION => Self::ClientSession(ClientSessionRecord::decode(from, near)?),
            kind::SUBSCRIPTION => Self::Subscription(SubscriptionRecord::decode(from)?),
            kind::PACKET_SENT..=kind::PACKET_RELEASED => return Self::decode_packet(kind, from),
            _ => return Self::decode_numbers(kind, from),
        })
    }

    fn decode_numbers(kind: u8, mut from: Reader<'_>) -> Option<Self> {
        let first = from.u64()?;
        let record = match kind {
            kind::ACKNOWLEDGE => Self::Acknowledge {
                queue: QueueId(first),
                message: MessageId(from.u64()?),
            },
            kind::DELIVERY_COUNT => Self::DeliveryCount {
                queue: QueueId(first),
                message: MessageId(from.u64()?),
                count: from.u32()?,
            },
            kind::SCHEDULED => Self::Scheduled {
                queue: QueueId(first),
                message: MessageId(from.u64()?),
                at: from.u64()?,
            },
            kind::ADDRESS_REMOVED => Self::AddressRemoved(AddressId(first)),
            kind::QUEUE_REMOVED => Self::QueueRemoved(QueueId(first)),
            kind::ID_COUNTER => Self::IdCounter(first),
            kind::SYNCED => Self::Synced(Position(first)),
            kind::PAGE_ACKNOWLEDGE => Self::PageAcknowledge {
                queue: QueueId(first),
                place: PagePlace::decode(&mut from)?,
                message: MessageId(from.u64()?),
            },
            kind::PAGE_MARK => Self::PageMark {
                queue: QueueId(first),
                place: PagePlace::decode(&mut from)?,
                message: MessageId(from.u64()?),
                mark: Mark {
                    count: from.u32()?,
                    scheduled: from.u64()?,
                },
            },
            kind::PAGE_PURGED => Self::PagePurged {
                queue: QueueId(first),
                page: PageId(from.u64()?),
            },
            kind::RETAINED_REMOVED => Self::RetainedRemoved(MessageId(first)),
            kind::CLIENT_SESSION_REMOVED => Self::ClientSessionRemoved(ClientSessionId(first)),
            kind::CLIENT_SESSION_LEFT => Self::ClientSessionLeft {
                session: ClientSessionId(first),
                at: from.u64()?,
                expiry: SessionExpiry(from.u32()?),
                will: from.bits(1)? != 0,
            },
            kind::SUBSCRIPTION_REMOVED => Self::SubscriptionRemoved(SubscriptionId(first)),
            _ => return None,
        };
        from.end()?;
        Some(record)
    }

    fn decode_packet(kind: u8, mut from: Reader<'_>) -> Option<Self> {
        let session = ClientSessionId(from.u64()?);
        let packet = PacketId::decode(&mut from)?;
        let record = match kind {
            kind::PACKET_SENT => Self::PacketSent {
                session,
                packet,
                flight: Flight::decode(&mut from)?,
            },
            kind::PACKET_ACKNOWLEDGED => Self::PacketAcknowledged {
                session,
                packet,
                flight: Flight::decode(&mut from)?,
                received: from.bits(1)? != 0,
            },
            kind::PACKET_COMPLETED => Self::PacketCompleted { session, packet },
            kind::PACKET_TAKEN => Self::PacketTaken { session, packet },
            kind::PACKET_RELEASED => Self::PacketReleased { session, packet },
            _ => return None,
        };
        from.end()?;
        Some(record)
    }
}
