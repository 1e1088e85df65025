// SPDX-License-Identifier: Apache-2.0
//! A local transaction: operations in order, carried out together at commit.

mod commit;

use crate::command::{Outcome, Send};
use crate::id::{MessageId, QueueId, SessionId};
use crate::time::Instant;

/// An open transaction. Nothing of it is durable or visible before its commit.
#[derive(Debug)]
pub struct Transaction {
    /// Its session.
    pub session: SessionId,
    /// When it is rolled back for having been open too long.
    pub deadline: Instant,
    /// What it does, in order.
    pub operations: Vec<Operation>,
    /// Bytes of the messages in it.
    pub bytes: u64,
    /// Why it can no longer be committed, if so.
    pub failed: Option<crate::event::Refusal>,
}

/// One operation of a transaction.
#[derive(Debug)]
pub enum Operation {
    /// Send a message (checked and with its address created when it was asked for).
    Send(Send),
    /// Settle messages of a queue; they are in the transaction's hands.
    Settle {
        /// The queue.
        queue: QueueId,
        /// The messages.
        messages: Vec<MessageId>,
        /// What became of them.
        outcome: Outcome,
    },
}

impl Transaction {
    /// An empty transaction.
    pub fn new(session: SessionId, deadline: Instant) -> Self {
        Self {
            session,
            deadline,
            operations: Vec::new(),
            bytes: 0,
            failed: None,
        }
    }
}
