// SPDX-License-Identifier: Apache-2.0
//! A transaction, as the client that began it knows it.

use super::{Ack, ConnectionNumber, Copy, Fate, Model, PlaceId, Uid};

/// The number of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TransactionNumber(pub usize);

/// How far it has got.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Stage {
    /// Nothing of it may be seen.
    #[default]
    Open,
    /// COMMIT was sent.
    Committing,
    /// COMMIT was confirmed.
    Committed,
    /// It was given up, or died with its connection.
    Aborted,
    /// The connection ended between COMMIT and its receipt: all of it or nothing.
    InDoubt,
}

/// One transaction.
#[derive(Clone, Default, Debug)]
pub struct Transaction {
    /// How far it has got.
    pub stage: Stage,
    /// Messages sent in it.
    pub sends: Vec<Uid>,
    /// Messages acknowledged in it.
    pub acknowledges: Vec<(Uid, PlaceId)>,
    /// One of them has come again, so it did not commit.
    pub came_again: bool,
}

impl Model {
    /// A transaction is about to begin.
    pub fn beginning(&mut self, connection: ConnectionNumber) -> TransactionNumber {
        let stage = if self.is_live(connection) {
            Stage::Open
        } else {
            Stage::Aborted
        };
        self.transactions.push(Transaction {
            stage,
            ..Transaction::default()
        });
        let number = TransactionNumber(self.transactions.len() - 1);
        self.connections[connection.0].transactions.push(number);
        number
    }

    /// A COMMIT is about to be sent: from now on what it holds may be seen.
    pub fn committing(&mut self, number: TransactionNumber) {
        if self.transactions[number.0].stage != Stage::Open {
            return;
        }
        self.transactions[number.0].stage = Stage::Committing;
        for uid in self.transactions[number.0].sends.clone() {
            let order = self.take_order();
            let copies = self.destinations(self.messages[uid.0].sending.place);
            let message = &mut self.messages[uid.0];
            message.order = order;
            message.copies = copies;
            message.fate = Fate::Pending;
            self.pending.insert(uid);
        }
    }

    /// The receipt of a COMMIT has come.
    pub fn committed(&mut self, number: TransactionNumber) {
        self.transactions[number.0].stage = Stage::Committed;
        for uid in self.transactions[number.0].sends.clone() {
            self.sent(uid);
        }
        for (uid, place) in self.transactions[number.0].acknowledges.clone() {
            self.copy_mut(uid, place).ack = Ack::Durable;
        }
    }

    /// Whether the message was acknowledged in a transaction whose COMMIT may just be refused, because something sent in it
    /// found an address full: the broker undoes it, and then says so.
    pub fn may_be_undone(&self, copy: &Copy) -> bool {
        let Ack::InTransaction(number) = copy.ack else {
            return false;
        };
        let transaction = &self.transactions[number.0];
        let refused = |uid: &Uid| {
            let place = self.messages[uid.0].sending.place;
            self.limits.as_ref().is_some_and(|it| it.refuses(place))
        };
        transaction.stage == Stage::Committing && transaction.sends.iter().any(refused)
    }

    /// A message comes again: if a COMMIT was refused that acknowledged it, the broker counts that as a failure.
    pub(super) fn count_if_undone(&mut self, uid: Uid, place: PlaceId) {
        let undone = self.copy(uid, place);
        if undone.is_some_and(|copy| self.may_be_undone(copy)) {
            self.copy_mut(uid, place).failures += 1;
        }
    }

    /// An ABORT is about to be sent, or the transaction ends with its connection: nothing of it must ever be seen.
    pub fn aborting(&mut self, number: TransactionNumber) {
        if self.transactions[number.0].stage != Stage::Open {
            return;
        }
        self.transactions[number.0].stage = Stage::Aborted;
        for uid in self.transactions[number.0].sends.clone() {
            self.refused(uid);
        }
        for (uid, place) in self.transactions[number.0].acknowledges.clone() {
            self.fail(uid, place);
        }
    }
}

impl Model {
    /// A message has come again of which that was asked before.
    pub(super) fn came_again(&mut self, uid: Uid, ack: Ack) {
        // Of one that was sent twice this may be the other.
        let doubled = self.messages[uid.0].doubled;
        if let Ack::InTransaction(transaction) = ack
            && !doubled
        {
            self.transactions[transaction.0].came_again = true;
        }
    }
}
