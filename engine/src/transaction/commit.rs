// SPDX-License-Identifier: Apache-2.0
//! Beginning and ending transactions: everything of a commit is one unit of the log.

use std::collections::BTreeSet;

use super::{Operation, Transaction};
use crate::command::{Outcome, Send};
use crate::engine::{Engine, Turn, Unit};
use crate::event::Refusal;
use crate::id::{ConnectionId, SessionId, Ticket, TransactionId};
use crate::routing::{self, Routed};

impl Engine {
    /// A client begins a transaction.
    pub(crate) fn begin(
        &mut self,
        from: ConnectionId,
        id: TransactionId,
        session: SessionId,
        turn: &mut Turn<'_>,
    ) {
        let deadline = turn.now.monotonic.after(self.settings.transaction_timeout);
        let limit = self.settings.limits.transactions;
        let Some(client) = self.clients.get_mut(&from) else {
            return;
        };
        if client.transactions.len() >= limit {
            self.answer(
                from,
                None,
                Err(Refusal::LimitReached("open transactions of one connection")),
                turn,
            );
            return;
        }
        client
            .transactions
            .insert(id, Transaction::new(session, deadline));
    }

    /// A client sends a message inside a transaction: checked now, carried out at commit.
    pub(crate) fn send_in_transaction(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        send: Send,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let Some(transaction) = send.transaction else {
            return Err(Refusal::Unknown("transaction"));
        };
        let checked = self.target(from, session, &send, turn);
        let client = self
            .clients
            .get_mut(&from)
            .ok_or(Refusal::Unknown("client"))?;
        let open = client
            .transactions
            .get_mut(&transaction)
            .ok_or(Refusal::Unknown("transaction"))?;
        if let Err(refusal) = checked {
            // A transaction that lost one of its messages must not commit the others.
            open.failed = Some(refusal.clone());
            return Err(refusal);
        }
        let size = send.message.size();
        self.add_operation(from, transaction, Operation::Send(send), size)
    }

    /// Adds an operation to an open transaction, within its bounds.
    pub(crate) fn add_operation(
        &mut self,
        from: ConnectionId,
        id: TransactionId,
        operation: Operation,
        bytes: u64,
    ) -> Result<(), Refusal> {
        let limits = self.settings.limits;
        let client = self
            .clients
            .get_mut(&from)
            .ok_or(Refusal::Unknown("client"))?;
        let open = client
            .transactions
            .get_mut(&id)
            .ok_or(Refusal::Unknown("transaction"))?;
        let full = open.operations.len() >= limits.transaction_operations
            || open.bytes + bytes > limits.transaction_bytes;
        if full && matches!(operation, Operation::Send(_)) {
            let refusal = Refusal::LimitReached("size of one transaction");
            open.failed = Some(refusal.clone());
            return Err(refusal);
        }
        open.bytes += bytes;
        open.operations.push(operation);
        Ok(())
    }

    /// A client commits: all or nothing.
    pub(crate) fn commit_transaction(
        &mut self,
        from: ConnectionId,
        id: TransactionId,
        ticket: Option<Ticket>,
        turn: &mut Turn<'_>,
    ) {
        let taken = self
            .clients
            .get_mut(&from)
            .and_then(|client| client.transactions.remove(&id));
        let Some(transaction) = taken else {
            self.answer(from, ticket, Err(Refusal::Unknown("transaction")), turn);
            return;
        };
        let end = match self.refuses(&transaction) {
            Some(refusal) => {
                self.undo(from, transaction, turn);
                Err(refusal)
            }
            None => {
                self.carry_out(from, transaction, turn);
                Ok(())
            }
        };
        self.answer(from, ticket, end, turn);
    }

    /// Why a transaction cannot be committed, if so: it has failed already, or carries a duplicate id the address (or
    /// itself) has seen.
    fn refuses(&self, transaction: &Transaction) -> Option<Refusal> {
        if transaction.failed.is_some() {
            return transaction.failed.clone();
        }
        let mut own = BTreeSet::new();
        for operation in &transaction.operations {
            let Operation::Send(send) = operation else {
                continue;
            };
            let Some(id) = routing::duplicate_id(&send.message) else {
                continue;
            };
            if self.is_duplicate(&send.message) || !own.insert((send.message.address.clone(), id)) {
                return Some(Refusal::DuplicateId(send.message.address.clone()));
            }
        }
        None
    }

    fn carry_out(&mut self, from: ConnectionId, transaction: Transaction, turn: &mut Turn<'_>) {
        let session = transaction.session;
        let mut unit = Unit::new();
        let mut routed: Vec<Routed> = Vec::new();
        let mut other = Vec::new();
        for operation in transaction.operations {
            match operation {
                Operation::Send(send) => {
                    // Its address was there when it was sent; one deleted since is made again or the send is lost with it.
                    if let Ok(target) = self.target(from, session, &send, turn) {
                        let one = self.route(send.message, target, send.routing, turn);
                        one.records(&mut unit);
                        routed.push(one);
                    }
                }
                Operation::Settle {
                    queue,
                    messages,
                    outcome: Outcome::Accepted,
                } => {
                    messages
                        .iter()
                        .for_each(|message| self.acknowledgement(queue, *message, &mut unit));
                }
                Operation::Settle {
                    queue,
                    messages,
                    outcome,
                } => other.push((queue, messages, outcome)),
            }
        }
        let sync = self.settings.sync_transactional;
        self.commit(Some(from), &unit, sync, turn);
        for one in routed {
            self.arrive(Some(from), one, turn);
        }
        for (queue, messages, outcome) in other {
            self.settle_messages(Some(from), queue, &messages, outcome, true, turn);
        }
    }

    /// A client rolls back, or its transaction ends with its session or its time.
    pub(crate) fn rollback_transaction(
        &mut self,
        from: ConnectionId,
        id: TransactionId,
        ticket: Option<Ticket>,
        turn: &mut Turn<'_>,
    ) {
        let taken = self
            .clients
            .get_mut(&from)
            .and_then(|client| client.transactions.remove(&id));
        let end = taken
            .map(|transaction| self.undo(from, transaction, turn))
            .ok_or(Refusal::Unknown("transaction"));
        self.answer(from, ticket, end, turn);
    }

    fn undo(&mut self, from: ConnectionId, transaction: Transaction, turn: &mut Turn<'_>) {
        for operation in transaction.operations {
            if let Operation::Settle {
                queue, messages, ..
            } = operation
            {
                self.settle_messages(Some(from), queue, &messages, Outcome::Failed, false, turn);
            }
        }
    }

    /// Rolls back what has been open for too long; its commit will be refused.
    pub(crate) fn time_out_transactions(&mut self, turn: &mut Turn<'_>) {
        let mut late = Vec::new();
        for (client, state) in &self.clients {
            let open = state.transactions.iter();
            late.extend(
                open.filter(|(_, t)| t.deadline <= turn.now.monotonic)
                    .map(|(id, _)| (*client, *id)),
            );
        }
        for (client, id) in late {
            self.rollback_transaction(client, id, None, turn);
        }
    }
}
