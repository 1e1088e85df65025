// SPDX-License-Identifier: Apache-2.0
//! What a protocol is told.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::client_session::ClientSubscription;
use crate::id::{ConsumerId, DeliveryId, DownloadId, PacketId, Ticket, UploadId};
use crate::message::{Message, Qos};
use crate::security::permissions::Permission;
use crate::security::user::Identity;

/// Anything the broker may say to a protocol machine.
#[derive(Clone, Debug)]
pub enum Event {
    /// The login asked for has succeeded (said by the host, not by the engine).
    LoggedIn(Ticket, Identity),
    /// What the ticket stands for has happened and is durable.
    Done(Ticket),
    /// It has not happened and will not. Without a ticket: the command had none.
    Refused(Option<Ticket>, Refusal),
    /// A message for a consumer.
    Deliver(Delivery),
    /// So many more bytes of the upload have reached the disk.
    Uploaded(UploadId, u64),
    /// The next window of the download.
    Window(DownloadId, Bytes),
    /// The body cannot be read (on), and the download has ended. The message is gone from its queue: the delivery has
    /// been settled for the consumer, which only gives its credit again.
    DownloadFailed(DownloadId),
    /// Stop reading what the client's producers send. Said when the first reason begins to hold for this connection,
    /// and names it; a further reason that begins meanwhile is not said.
    Blocked(Block),
    /// Go on reading: the last reason has ended.
    Unblocked,
    /// The client session is taken up.
    Attached(Ticket, Box<Attached>),
    /// Another connection has taken up the client session of this one, which has none any more and is to close.
    TakenOver,
    /// The consumer is gone without having been closed (its queue was deleted).
    Detached(ConsumerId, Refusal),
    /// The broker is going away: say so in the protocol's way and close.
    Stopping,
}

/// One message for one consumer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// For whom.
    pub consumer: ConsumerId,
    /// To be named when it is settled; 0 if it is settled in another way ([`Settling`](crate::command::Settling)).
    pub delivery: DeliveryId,
    /// The packet id it goes out with, if it is settled by that.
    pub packet: Option<Packet>,
    /// Shared with every other delivery of it.
    pub message: Arc<Message>,
    /// How often it was delivered before without success; 0 the first time.
    pub attempts: u32,
}

/// A packet id in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// The id.
    pub id: PacketId,
    /// With which QoS, 1 or 2.
    pub qos: Qos,
    /// It went out with this id before, over another connection (DUP).
    pub again: bool,
}

/// What a client finds that takes up its session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attached {
    /// There was one, and it goes on (Session Present).
    pub present: bool,
    /// Subscriptions of the session, to be opened again by the machine, under the same queue names and with
    /// `retained` off; oldest first.
    pub subscriptions: Vec<ClientSubscription>,
    /// Packet ids for which PUBREL is to be sent again, in the order of their PUBRECs.
    pub received: Vec<PacketId>,
}

/// Why producers have to wait.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Block {
    /// `max-disk-usage` or `min-disk-free` is reached (`disk-full-policy` BLOCK).
    DiskFull,
    /// The address has as much in memory as it may, or all addresses together have (`address-full-policy` BLOCK).
    AddressFull(Arc<str>),
}

/// Why a command was refused. `Display` gives the text Artemis's clients see, with its AMQ number where it has one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The login modules said no.
    NotAuthenticated {
        /// The name that was given.
        user: Option<String>,
    },
    /// No role of the user has the permission.
    NotAuthorized {
        /// Who asked.
        user: Arc<str>,
        /// What for.
        permission: Permission,
        /// Where.
        address: Arc<str>,
        /// Named in the text when the check was about a queue.
        queue: Option<Arc<str>>,
    },
    /// No such address, and it may not be auto-created.
    AddressMissing(Arc<str>),
    /// No such queue, and it may not be auto-created.
    QueueMissing(Arc<str>),
    /// The address does not have the routing type asked for, and may not be given it.
    RoutingTypeMismatch(Arc<str>),
    /// Deleting a queue that has consumers.
    QueueInUse(Arc<str>),
    /// The queue has as many consumers as `max-consumers` allows.
    MaxConsumers(Arc<str>),
    /// A durable subscription that exists has another address or selector, or an unshared one is already in use.
    SubscriptionInUse(Arc<str>),
    /// The selector cannot be parsed; what and where.
    InvalidSelector(String),
    /// The message carries a duplicate id already seen on the address, inside a transaction.
    DuplicateId(Arc<str>),
    /// The address, its pages or the disk is full (policy FAIL).
    AddressFull(Arc<str>),
    /// A name that cannot be an address or queue; why.
    InvalidName(String),
    /// The client id is connected, and the acceptor lets nobody take it over.
    ClientIdInUse(Arc<str>),
    /// Beginning a transaction with the id of one that is open.
    TransactionOpen,
    /// The session, consumer, transaction or delivery named does not exist.
    Unknown(&'static str),
    /// A bound of the settings is reached; which.
    LimitReached(&'static str),
    /// The broker is stopping.
    Stopping,
    /// The disk failed; the broker stops.
    StorageFailure,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthenticated { user } => match user {
                Some(user) => {
                    write!(f, "AMQ229031: Unable to validate user from connection. Username: {user}; SSL certificate subject DN: unavailable")
                }
                None => f.write_str(
                    "AMQ229031: Unable to validate user from connection. Username: null; SSL certificate subject DN: unavailable",
                ),
            },
            Self::NotAuthorized { user, permission, address, queue: None } => {
                write!(f, "AMQ229032: User: {user} does not have permission='{permission}' on address {address}")
            }
            Self::NotAuthorized { user, permission, address, queue: Some(queue) } => {
                write!(f, "AMQ229213: User: {user} does not have permission='{permission}' for queue {queue} on address {address}")
            }
            Self::AddressMissing(address) => write!(f, "AMQ229203: Address Does Not Exist: {address}"),
            Self::QueueMissing(queue) => write!(f, "AMQ229017: Queue {queue} does not exist"),
            Self::RoutingTypeMismatch(address) => {
                write!(f, "AMQ229207: Can not create queue with this routing type: address {address} does not support it")
            }
            Self::QueueInUse(queue) => write!(f, "AMQ229025: Cannot delete queue {queue} on binding {queue} - it has consumers"),
            Self::MaxConsumers(queue) => {
                write!(f, "AMQ229200: Maximum Consumer Limit Reached on Queue: {queue}")
            }
            Self::SubscriptionInUse(queue) => {
                write!(f, "AMQ229082: Queue {queue} already exists on another subscription: with another address, selector or consumer")
            }
            Self::InvalidSelector(why) => write!(f, "AMQ229020: Invalid filter: {why}"),
            Self::DuplicateId(address) => {
                // Artemis's exception carries no number; the number 222059 is that of its log line.
                write!(f, "Duplicate message detected - message will not be routed. Message information: address {address}; the transaction is rolled back")
            }
            Self::AddressFull(address) => write!(f, "AMQ229102: Address \"{address}\" is full."),
            Self::InvalidName(why) => write!(f, "AMQ229216: Invalid queue name: {why}"),
            Self::ClientIdInUse(client_id) => write!(f, "the client id {client_id} is connected"),
            Self::TransactionOpen => f.write_str("a transaction of that id is open"),
            Self::Unknown(what) => write!(f, "no such {what}"),
            Self::LimitReached(limit) => write!(f, "limit reached: {limit}"),
            Self::Stopping => f.write_str("the broker is stopping"),
            Self::StorageFailure => f.write_str("the broker's storage has failed"),
        }
    }
}
