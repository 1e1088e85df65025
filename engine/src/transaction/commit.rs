// SPDX-License-Identifier: Apache-2.0
//! Beginning and ending transactions: everything of a commit is one unit of the log.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use super::{Operation, Transaction};
use crate::address::full_policy::Verdict;
use crate::command::{Outcome, Send};
use crate::engine::{Engine, Turn, Unit};
use crate::event::Refusal;
use crate::id::{ConnectionId, SessionId, Ticket, TransactionId};
use crate::notice::Notice;
use crate::queue::settle::Departure;
use crate::routing::{self, Routed, Target};

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
        let open = client.transactions.len();
        let refusal = match client.transactions.entry(id) {
            Entry::Occupied(_) => Refusal::TransactionOpen,
            Entry::Vacant(_) if open >= limit => {
                Refusal::LimitReached("open transactions of one connection")
            }
            Entry::Vacant(place) => {
                place.insert(Transaction::new(session, deadline));
                self.transaction_deadlines.insert((deadline, from, id));
                return;
            }
        };
        self.answer(from, None, Err(refusal), turn);
    }

    /// Takes an open transaction out of its client's hands.
    fn take_transaction(&mut self, from: ConnectionId, id: TransactionId) -> Option<Transaction> {
        let client = self.clients.get_mut(&from)?;
        let transaction = client.transactions.remove(&id)?;
        let deadline = (transaction.deadline, from, id);
        self.transaction_deadlines.remove(&deadline);
        for operation in &transaction.operations {
            if let Operation::Send(send) = operation {
                // Whoever takes the message needs its body before this turn ends.
                self.state.large.release_of(&send.message);
            }
        }
        Some(transaction)
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
        let checked = checked.and_then(|target| self.admit(from, target.address, turn));
        let client = self
            .clients
            .get_mut(&from)
            .ok_or(Refusal::Unknown("client"))?;
        let open = client
            .transactions
            .get_mut(&transaction)
            .ok_or(Refusal::Unknown("transaction"))?;
        match checked {
            Ok(Verdict::Accept) => {}
            Ok(Verdict::Drop) => return Ok(()),
            Err(refusal) => {
                // A transaction that lost one of its messages must not commit the others.
                open.failed = Some(refusal.clone());
                return Err(refusal);
            }
        }
        let size = send.message.size();
        let open = self.room_in_transaction(from, transaction, size)?;
        open.bytes += size;
        let body = send.message.body.large();
        open.operations.push(Operation::Send(send));
        if let Some(large) = body {
            self.state.large.acquire(large.id);
        }
        Ok(())
    }

    /// The open transaction, if one more operation with so many bytes of messages fits into it; else it has failed.
    pub(crate) fn room_in_transaction(
        &mut self,
        from: ConnectionId,
        id: TransactionId,
        bytes: u64,
    ) -> Result<&mut Transaction, Refusal> {
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
        if full {
            let refusal = Refusal::LimitReached("size of one transaction");
            open.failed = Some(refusal.clone());
            return Err(refusal);
        }
        Ok(open)
    }

    /// A client commits: all or nothing.
    pub(crate) fn commit_transaction(
        &mut self,
        from: ConnectionId,
        id: TransactionId,
        ticket: Option<Ticket>,
        turn: &mut Turn<'_>,
    ) {
        let Some(transaction) = self.take_transaction(from, id) else {
            self.answer(from, ticket, Err(Refusal::Unknown("transaction")), turn);
            return;
        };
        let end = match self.refuses(&transaction) {
            Some(refusal) => {
                self.undo(from, transaction, turn);
                Err(refusal)
            }
            None => match self.targets(from, &transaction, turn) {
                Ok(targets) => {
                    self.carry_out(from, transaction, targets, turn);
                    Ok(())
                }
                Err(refusal) => {
                    self.undo(from, transaction, turn);
                    Err(refusal)
                }
            },
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

    /// Where the sends of a transaction go, in their order. The addresses were there when it sent; those deleted since
    /// are made again, or nothing of the transaction happens.
    fn targets(
        &mut self,
        from: ConnectionId,
        transaction: &Transaction,
        turn: &mut Turn<'_>,
    ) -> Result<Vec<Target>, Refusal> {
        let sends = transaction
            .operations
            .iter()
            .filter_map(|operation| match operation {
                Operation::Send(send) => Some(send),
                Operation::Settle { .. } => None,
            });
        sends
            .map(|send| self.target(from, transaction.session, send, turn))
            .collect()
    }

    fn carry_out(
        &mut self,
        from: ConnectionId,
        transaction: Transaction,
        targets: Vec<Target>,
        turn: &mut Turn<'_>,
    ) {
        let mut targets = targets.into_iter();
        let session = transaction.session;
        let mut unit = Unit::new();
        let mut routed: Vec<Routed> = Vec::new();
        let mut other = Vec::new();
        for operation in transaction.operations {
            match operation {
                Operation::Send(send) => {
                    let target = targets.next().expect("one for each send");
                    let wall = turn.now.wall;
                    let message = self.stamped(send.message, from, session, target, wall);
                    let one = self.route(message, target, send.routing, Some(from), turn);
                    one.records(&mut unit);
                    routed.push(one);
                }
                Operation::Settle {
                    queue,
                    messages,
                    outcome: Outcome::Accepted,
                } => {
                    let why = Departure::Acknowledged;
                    for message in messages {
                        self.acknowledgement(queue, message, why, &mut unit, turn);
                    }
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
        let end = self
            .take_transaction(from, id)
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
        while let Some((deadline, client, id)) = self.transaction_deadlines.first().copied() {
            if deadline > turn.now.monotonic {
                break;
            }
            turn.notices.push(Notice::TransactionTimedOut {
                client,
                transaction: id,
            });
            self.rollback_transaction(client, id, None, turn);
        }
    }
}
