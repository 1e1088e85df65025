// SPDX-License-Identifier: Apache-2.0
//! SENDs that wait until the broker takes messages again, and what may not be done before them.

use hind_engine::command::{Command, ConsumerCommand, TransactionCommand};
use hind_engine::id::{ConsumerId, TransactionId};

/// What a client that also consumes has asked for while producers wait, in its order.
///
/// Such a client is read on a little: what it acknowledges is what makes room. Its SENDs wait here, and with them
/// everything that means something else after them: the end of a transaction that has one of them, a subscription (it
/// is not to be given what was sent before it), and the end of that subscription.
///
/// *Limits*: [`Held::BYTES`] of frames, but for what only ends something that is held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    commands: Vec<Command>,
    bytes: usize,
}

impl Held {
    /// So many bytes are held at most, what a message takes beside its own bytes counted; then the client is not read any
    /// further.
    pub const BYTES: usize = 64 * 1024;
    const OVERHEAD: usize = 352;

    /// Whether a frame of that size may be added.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes + Self::OVERHEAD <= Self::BYTES
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Of the commands that a frame of that size came to, keeps those that have to wait.
    pub fn keep(
        &mut self,
        commands: impl IntoIterator<Item = Command>,
        bytes: usize,
    ) -> Vec<Command> {
        let mut at_once = Vec::new();
        for command in commands {
            if self.has_to_wait(&command) {
                self.bytes += bytes + Self::OVERHEAD;
                self.commands.push(command);
            } else {
                at_once.push(command);
            }
        }
        at_once
    }

    fn has_to_wait(&self, command: &Command) -> bool {
        match command {
            Command::Send(..) => true,
            Command::Consumer(_, ConsumerCommand::Open(_)) => !self.is_empty(),
            Command::Consumer(consumer, ConsumerCommand::Close(_)) => self.opens(*consumer),
            Command::Resource(..) => self.is_subscribing(),
            Command::Transaction(
                transaction,
                TransactionCommand::Commit(_) | TransactionCommand::Rollback(_),
            ) => self.sends_in(*transaction),
            _ => false,
        }
    }

    fn opens(&self, consumer: ConsumerId) -> bool {
        self.commands.iter().any(|command| {
            matches!(command, Command::Consumer(of, ConsumerCommand::Open(_)) if *of == consumer)
        })
    }

    /// A subscription waits: queues of subscriptions are not deleted before it, because one of them may be its own.
    fn is_subscribing(&self) -> bool {
        let open =
            |command: &Command| matches!(command, Command::Consumer(_, ConsumerCommand::Open(_)));
        self.commands.iter().any(open)
    }

    fn sends_in(&self, transaction: TransactionId) -> bool {
        self.commands.iter().any(
            |command| matches!(command, Command::Send(_, send) if send.transaction == Some(transaction)),
        )
    }

    /// Everything that waited, in order.
    pub fn release(&mut self) -> Vec<Command> {
        self.bytes = 0;
        std::mem::take(&mut self.commands)
    }
}
