// SPDX-License-Identifier: Apache-2.0
//! What happened that an operator may want to read. Machines do not log; the host turns notices into log lines.

use std::sync::Arc;

use crate::address::routing_type::RoutingType;
use crate::event::Block;
use crate::id::{ConnectionId, LargeId, MessageId, TransactionId};

/// One thing worth a log line.
#[derive(Clone, PartialEq, Debug)]
pub enum Notice {
    /// An address of the configuration exists (AMQ221080).
    AddressDeployed {
        /// Its name.
        address: Arc<str>,
        /// Its routing types.
        routing: Vec<RoutingType>,
    },
    /// A queue of the configuration exists (AMQ221003).
    QueueDeployed {
        /// Its routing type.
        routing: RoutingType,
        /// Its name.
        queue: Arc<str>,
        /// Its address.
        address: Arc<str>,
    },
    /// A message was acknowledged to its sender and reached no queue; said once per address.
    Unrouted {
        /// The address.
        address: Arc<str>,
    },
    /// A message used up its attempts and is dropped; said once per address.
    DroppedAfterAttempts {
        /// The queue it was on.
        queue: Arc<str>,
        /// The message.
        message: MessageId,
        /// How often it was tried.
        attempts: u32,
        /// The dead-letter address, at which nothing takes messages (AMQ222148); `None`: there is none (AMQ222150).
        dead_letter_address: Option<Arc<str>>,
    },
    /// A message expired and is dropped; said once per address.
    DroppedExpired {
        /// The queue it was on.
        queue: Arc<str>,
        /// The expiry address, at which nothing takes messages (AMQ222146); `None`: there is none (AMQ222147).
        expiry_address: Option<Arc<str>>,
    },
    /// A transaction was open for too long and is rolled back (AMQ222103).
    TransactionTimedOut {
        /// Whose.
        client: ConnectionId,
        /// Which of its transactions.
        transaction: TransactionId,
    },
    /// A message used up its attempts and went to the dead-letter address (AMQ222149).
    DeadLettered {
        /// The queue it was on.
        queue: Arc<str>,
        /// Where it went.
        address: Arc<str>,
        /// The message.
        message: MessageId,
        /// How often it was tried.
        attempts: u32,
    },
    /// The body of a large message cannot be read: the message was taken off the queue, what is left of the file is kept
    /// where it is.
    BodyLost {
        /// The queue it was on.
        queue: Arc<str>,
        /// The message.
        message: MessageId,
        /// The number of the file.
        body: LargeId,
        /// What is wrong with it.
        why: String,
    },
    /// Producers wait (AMQ222210, AMQ222212).
    Blocked(Block),
    /// They go on (AMQ222211).
    Unblocked,
    /// A filter of the configuration or the journal cannot be parsed; the queue takes nothing.
    BadFilter {
        /// The queue.
        queue: Arc<str>,
        /// What is wrong.
        why: String,
    },
    /// Part of the journal has been read back.
    Recovering {
        /// Segments read so far.
        read: u64,
        /// Segments there are.
        total: u64,
    },
    /// The journal has been read back.
    Recovered {
        /// Messages on durable queues.
        messages: u64,
        /// Records read.
        records: u64,
        /// Bytes of a torn tail that were cut.
        torn: u64,
    },
    /// The journal is damaged, or was written by something else: the broker does not start.
    Damaged(String),
    /// The disk failed: the broker stops.
    StorageFailed(String),
    /// The broker serves (AMQ221007).
    Active,
    /// The node's identity, once known (part of AMQ221001).
    Identified {
        /// As Artemis writes a UUID.
        node_id: String,
    },
}
