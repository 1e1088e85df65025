// SPDX-License-Identifier: Apache-2.0
//! What a protocol may ask of the engine, grouped by noun.
//!
//! Commands of one connection are carried out in order. A command with a [`Ticket`] is answered exactly once with it
//! (`Done`, `Refused` or `Answer`), not before everything it changed is durable; one without is answered only if it is
//! refused.

use std::sync::Arc;

use bytes::Bytes;

use crate::address::routing_type::RoutingType;
use crate::client_session::{ClientSubscription, SessionExpiry, Will};
use crate::id::{
    ConsumerId, DeliveryId, DownloadId, PacketId, SessionId, Ticket, TransactionId, UploadId,
};
use crate::message::{LargeBody, Message, Qos};
use crate::security::user::Identity;

/// Anything a protocol machine may ask.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Open or close a session.
    Session(SessionId, SessionCommand),
    /// Take up, use or leave the session that the broker keeps for a client id.
    ClientSession(SessionId, ClientSessionCommand),
    /// Send a message.
    Send(SessionId, Send),
    /// Bring in the body of a large message before it is sent.
    Upload(UploadId, UploadCommand),
    /// Read the body of a large message that was delivered.
    Download(DownloadId, DownloadCommand),
    /// Open, feed, settle or close a consumer.
    Consumer(ConsumerId, ConsumerCommand),
    /// Begin or end a transaction.
    Transaction(TransactionId, TransactionCommand),
    /// Create, delete or ask about an address or queue.
    Resource(SessionId, ResourceCommand, Ticket),
}

/// A session: one user, and whatever ends with it.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionCommand {
    /// Must come before anything else of the session. Has no answer: logging in came before.
    Open {
        /// Who the login modules let in.
        identity: Identity,
        /// The client id, if the client gave one.
        client_id: Option<Arc<str>>,
    },
    /// Ends the session: its consumers close, its open transactions roll back, its temporary queues go.
    Close,
}

/// What may be done with the session that belongs to a client id rather than to a connection (MQTT's Session State):
/// its subscriptions, the packet ids in use in both directions, its will. It outlives the connection for as long as the
/// client asked for; what of it outlives the connection is in the log, and so outlives the broker.
///
/// Packet ids of deliveries are given by the engine (see [`Settling::ByPacket`]); every one given is in one of two states
/// until it is free again: the message is with the client, or (QoS 2) the client has said that it has it.
#[derive(Clone, PartialEq, Debug)]
pub enum ClientSessionCommand {
    /// Takes up the session of a client id, or makes one. Must come first, once in a connection. Answered by
    /// [`Attached`](crate::event::Event::Attached), or refused.
    Attach(Box<Attach>),
    /// PUBACK, or a PUBREC that refuses: the message leaves its queue, the id is free. Refused as unknown if no message is
    /// with the client under it.
    Acknowledge(PacketId, Option<Ticket>),
    /// PUBREC: the client has the message, which leaves its queue; the id waits for `Complete`. `Done` when that is
    /// durable, and PUBREL may be sent; also if it was said before. Refused as unknown if the id is free.
    Received(PacketId, Ticket),
    /// PUBCOMP: the id is free. Refused as unknown (without a ticket) if the client has not said `Received`.
    Complete(PacketId),
    /// PUBREL: the client will not send the message of this id again, the next with the id is a new one. Refused as
    /// unknown if none was sent under it.
    Release(PacketId, Ticket),
    /// UNSUBSCRIBE: the consumer closes, and the queue of its subscription is deleted unless others share it. Messages of
    /// the queue that are with the client can still be acknowledged.
    Unsubscribe(ConsumerId, Ticket),
    /// DISCONNECT: says what becomes of the will and the session when the connection now closes. Without it, the
    /// connection was lost.
    Leave {
        /// The will is sent as if the connection was lost; else it is dropped.
        will: bool,
        /// A new expiry, if the client has given one.
        expiry: Option<SessionExpiry>,
    },
}

/// A client takes up its session.
#[derive(Clone, PartialEq, Debug)]
pub struct Attach {
    /// Whose. Not empty: who assigns ids to clients without one is the protocol.
    pub client_id: Arc<str>,
    /// Whatever is left of an earlier session ends first.
    pub clean: bool,
    /// How long the session outlives the connection.
    pub expiry: SessionExpiry,
    /// Messages the client takes at the same time with QoS 1 or 2 (Receive Maximum), over all subscriptions; not 0.
    pub window: u16,
    /// To be sent if the connection is lost.
    pub will: Option<Box<Will>>,
    /// If the client id is connected: that connection is told [`TakenOver`](crate::event::Event::TakenOver) and loses the
    /// session; else this one is refused with [`ClientIdInUse`](crate::event::Refusal::ClientIdInUse).
    pub take_over: bool,
    /// For the answer.
    pub ticket: Ticket,
}

/// A message on its way in.
#[derive(Clone, PartialEq, Debug)]
pub struct Send {
    /// The message; `message.address` says where to, and may be an FQQN.
    pub message: Message,
    /// It is kept as the retained message of its address, in place of the one before; with an empty body there is none
    /// from now on. Becomes durable in one unit with the message itself. Not inside a transaction.
    pub retain: bool,
    /// A QoS 2 message from a client with a client session: if one was sent under this id and not released, nothing
    /// happens and the answer is the same. The id is remembered in one unit with the message. Not inside a transaction.
    pub packet: Option<PacketId>,
    /// Asked for by destination type or prefix; `None` lets the address decide, then its settings.
    pub routing: Option<RoutingType>,
    /// Held back until this transaction commits.
    pub transaction: Option<TransactionId>,
    /// The body has come in by this upload, which has ended and ends here; what the message has for a body is ignored.
    pub upload: Option<UploadId>,
    /// For a confirmation that the message is durable.
    pub ticket: Option<Ticket>,
}

/// A body on its way in. An upload that is not sent is forgotten with its connection.
#[derive(Clone, PartialEq, Debug)]
pub enum UploadCommand {
    /// Must come first. Refused if the message could not be sent, as far as that can be known before it is there; else
    /// without an answer.
    Begin(Box<UploadBegin>),
    /// The next part. Answered by [`Uploaded`](crate::event::Event::Uploaded) as parts reach the disk: whoever keeps the
    /// bytes not yet answered below a bound of at least [`UploadCommand::WINDOW`] never waits for ever.
    Append(Bytes),
    /// That was all. `Done` when the disk has it: for a durable message, for good.
    End {
        /// Whether the message to be sent with it is durable.
        durable: bool,
        /// For the answer.
        ticket: Ticket,
    },
    /// Nothing is to be sent with it.
    Abort,
}

impl UploadCommand {
    /// Bytes that a machine may append before it waits for answers.
    pub const WINDOW: u64 = 512 * 1024;
}

/// What is known of a message before its body has come.
#[derive(Clone, PartialEq, Debug)]
pub struct UploadBegin {
    /// The session it will be sent in.
    pub session: SessionId,
    /// Where to, as in the message.
    pub address: Arc<str>,
    /// As in the [`Send`].
    pub routing: Option<RoutingType>,
    /// Named in a refusal; the send that follows may carry the same.
    pub ticket: Option<Ticket>,
}

/// A body on its way out, in windows: never more of them than were asked for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum DownloadCommand {
    /// Must come first. It goes on whatever becomes of the message, until its last window or its end.
    Open(DownloadOpen),
    /// Asks for the next window, which [`Window`](crate::event::Event::Window) brings; several may be asked for at once.
    /// Nothing comes after the last one.
    Next,
    /// No more is wanted. Not needed after the last window.
    Close,
}

/// Which body, and whose delivery it belongs to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DownloadOpen {
    /// As the message has it.
    pub body: LargeBody,
    /// The consumer it was delivered to.
    pub consumer: ConsumerId,
    /// The delivery.
    pub delivery: DeliveryId,
}

/// What may be done with a consumer.
#[derive(Clone, PartialEq, Debug)]
pub enum ConsumerCommand {
    /// Starts consuming. Answered by `Done` before the first delivery.
    Open(Box<ConsumerOpen>),
    /// Goes on consuming from the same queue, which must be the one that this names, with another `settling`, `no_local`
    /// and `kept`; copies of retained messages come (again) if `retained` is set. No message is lost or delivered twice by
    /// it. Answered by `Done`. The rest of the particulars counts for nothing.
    Reopen(Box<ConsumerOpen>),
    /// Adds credit.
    Credit(Credit),
    /// Says what became of deliveries.
    Settle(Settle),
    /// Stops consuming; what is not settled goes back to the queue.
    Close(Option<Ticket>),
}

/// The particulars of a new consumer.
#[derive(Clone, PartialEq, Debug)]
pub struct ConsumerOpen {
    /// The session it belongs to.
    pub session: SessionId,
    /// What to consume from: an address or an FQQN (`address::queue`), without prefix.
    pub address: Arc<str>,
    /// Asked for by subscription type or prefix; `None` lets the address decide, then its settings.
    pub routing: Option<RoutingType>,
    /// On a multicast address: which subscription queue. Ignored where the address is anycast or the name an FQQN.
    pub subscription: Subscription,
    /// A JMS selector over the queue's messages; empty for all.
    pub selector: String,
    /// Do not deliver what this session's connection sent.
    pub no_local: bool,
    /// Higher ones are served first.
    pub priority: i8,
    /// The first credit.
    pub credit: Credit,
    /// Who says what became of deliveries, and how.
    pub settling: Settling,
    /// Copies of the retained messages of all addresses that `address` matches are put on the queue, marked as
    /// [`Published::stored`](crate::message::Published::stored).
    pub retained: bool,
    /// What a client session that outlives the connection is to remember of it; given back by
    /// [`Attached`](crate::event::Event::Attached). Needs a client session.
    pub kept: Option<Box<ClientSubscription>>,
    /// For the answer.
    pub ticket: Ticket,
}

/// How deliveries are settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Settling {
    /// The client says what became of each ([`ConsumerCommand::Settle`]).
    #[default]
    ByDelivery,
    /// Nobody says anything: a message leaves its queue as it is delivered. Deliveries have the id 0.
    BySending,
    /// By packet id, in the client session. Of this QoS and that of the message the lower counts; with 0 it is settled by
    /// sending, else the [`Delivery`](crate::event::Delivery) has a packet id, which is durable before the delivery is
    /// seen if the session outlives the connection. How many are with the client is bounded by [`Attach::window`], besides
    /// the credit.
    ByPacket(Qos),
}

/// Which queue of a multicast address a subscription reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subscription {
    /// A temporary queue of this consumer alone; gone with it.
    Temporary,
    /// A queue of this name, created when missing.
    Named {
        /// The queue's name, for example `client-id.subscription-name`.
        queue: Arc<str>,
        /// Survives the consumer and a restart.
        durable: bool,
        /// Several consumers may share it.
        shared: bool,
    },
}

/// How much a consumer is willing to take. Both counters must be above zero for a delivery; each delivery takes one
/// message and its size in bytes, so the byte credit may end below zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credit {
    /// Messages.
    pub messages: i64,
    /// Bytes, as [`Message::whole_size`] counts them.
    pub bytes: i64,
}

impl Credit {
    /// A counter that never runs out.
    pub const UNLIMITED: i64 = i64::MAX;

    /// Credit in messages only.
    pub const fn messages(messages: i64) -> Self {
        Self {
            messages,
            bytes: Self::UNLIMITED,
        }
    }

    /// Credit in bytes only.
    pub const fn bytes(bytes: i64) -> Self {
        Self {
            messages: Self::UNLIMITED,
            bytes,
        }
    }
}

/// What became of some deliveries of a consumer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settle {
    /// Which ones.
    pub deliveries: Deliveries,
    /// What became of them.
    pub outcome: Outcome,
    /// Takes effect when this transaction commits.
    pub transaction: Option<TransactionId>,
    /// For a confirmation that the outcome is durable.
    pub ticket: Option<Ticket>,
}

/// A choice of deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deliveries {
    /// This one.
    One(DeliveryId),
    /// This one and every unsettled one before it.
    UpTo(DeliveryId),
}

/// What a consumer says of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Done with: the message leaves the queue.
    Accepted,
    /// Failed: delivered again after the redelivery delay, or dead-lettered after the last attempt.
    Failed,
    /// Not looked at: goes back to its place without counting as an attempt.
    Released,
    /// Never to be delivered again: to the dead-letter address at once.
    Rejected,
}

/// What may be done with a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionCommand {
    /// Starts it in a session.
    Begin(SessionId),
    /// All of it becomes durable and visible, or (on refusal) nothing.
    Commit(Option<Ticket>),
    /// Nothing of it happens; deliveries settled in it count as failed attempts and go back to their queue.
    Rollback(Option<Ticket>),
}

/// What may be asked about addresses and queues.
#[derive(Clone, PartialEq, Debug)]
pub enum ResourceCommand {
    /// Deletes a queue, refused while it has consumers. Deleting a missing queue is refused.
    DeleteQueue {
        /// Its name.
        queue: Arc<str>,
    },
}
