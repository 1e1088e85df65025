// SPDX-License-Identifier: Apache-2.0
//! A transaction, as the client that began it knows it.

use super::{PlaceId, Uid};

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
