// SPDX-License-Identifier: Apache-2.0
//! The transactions a client has begun, by the names it gave them.

use std::collections::BTreeMap;

use hind_engine::command::{Command, TransactionCommand};
use hind_engine::id::{SessionId, TransactionId};

use crate::codec::{ClientCommand, Frame};
use crate::fault::Fault;

/// Open transactions by name: their number, and whether they have messages.
///
/// *Invariant*: a number is never used twice in a connection.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: BTreeMap<String, (TransactionId, bool)>,
    last: u64,
}

impl Transactions {
    /// So many may be open at once.
    const OPEN: usize = 1000;

    /// A number that no transaction has had.
    pub fn number(&mut self) -> TransactionId {
        self.last += 1;
        TransactionId(self.last)
    }

    /// BEGIN [1.2 §BEGIN].
    pub fn begin(&mut self, frame: &Frame<'_>, session: SessionId) -> Result<Command, Fault> {
        let name = named(frame)?;
        if self.open.contains_key(name) {
            return Err(Fault::violation(
                "STOMP 1.2 §BEGIN",
                format!("AMQ339012: Error beginning a transaction {name}"),
                format!("A transaction {name} is already open on this connection."),
            ));
        }
        if self.open.len() == Self::OPEN {
            return Err(Fault::limit("open transactions", Self::OPEN));
        }
        let number = self.number();
        self.open.insert(name.to_owned(), (number, false));
        Ok(Command::Transaction(
            number,
            TransactionCommand::Begin(session),
        ))
    }

    /// The transaction that a COMMIT or ABORT ends, and whether it has messages; its name is free again.
    pub fn end(&mut self, frame: &Frame<'_>) -> Result<(TransactionId, bool), Fault> {
        let name = named(frame)?;
        self.open
            .remove(name)
            .ok_or_else(|| unknown(frame.command, name))
    }

    /// The transaction that a SEND, ACK or NACK is part of, if it names one.
    pub fn of(
        &mut self,
        command: ClientCommand,
        name: Option<&str>,
    ) -> Result<Option<TransactionId>, Fault> {
        match name {
            None => Ok(None),
            Some(name) => match self.open.get_mut(name) {
                Some((number, sends)) => {
                    *sends |= command == ClientCommand::Send;
                    Ok(Some(*number))
                }
                None => Err(unknown(command, name)),
            },
        }
    }
}

fn named<'a>(frame: &Frame<'a>) -> Result<&'a str, Fault> {
    frame.header("transaction").ok_or_else(|| {
        let (clause, message) = match frame.command {
            ClientCommand::Commit => (
                "STOMP 1.2 §COMMIT",
                "AMQ339030: transaction header is mandatory to COMMIT a transaction",
            ),
            ClientCommand::Abort => (
                "STOMP 1.2 §ABORT",
                "AMQ339033: transaction header is mandatory to ABORT a transaction",
            ),
            _ => (
                "STOMP 1.2 §BEGIN",
                "AMQ339032: Need a transaction id to begin",
            ),
        };
        Fault::violation(clause, message, message)
    })
}

fn unknown(command: ClientCommand, name: &str) -> Fault {
    let (clause, message) = match command {
        ClientCommand::Commit => (
            "STOMP 1.2 §COMMIT",
            format!("AMQ339013: Error committing {name}"),
        ),
        ClientCommand::Abort => (
            "STOMP 1.2 §ABORT",
            format!("AMQ339014: Error aborting {name}"),
        ),
        ClientCommand::Send => (
            "STOMP 1.2 §SEND",
            "AMQ339031: Error handling send".to_owned(),
        ),
        _ => (
            "STOMP 1.2 §ACK",
            format!("AMQ339018: Error acknowledging message in {name}"),
        ),
    };
    Fault::violation(
        clause,
        message,
        format!("No transaction {name} is open on this connection."),
    )
}
