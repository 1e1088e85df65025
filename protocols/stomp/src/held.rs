// SPDX-License-Identifier: Apache-2.0
//! SENDs that wait until the broker takes messages again, and what may not be done before them.

use hind_engine::command::{Command, ConsumerCommand};
use hind_engine::id::ConsumerId;

/// What a client that also consumes has asked for while producers wait, in its order.
///
/// Such a client is read on a little: what it acknowledges may be what makes room. Its SENDs wait here, and with them
/// whatever means something else after them: the end of a transaction with messages, a subscription (it is not to be
/// given what was sent before it), and the end of that subscription.
///
/// *Limits*: [`Held::BYTES`] of frames, but for what only ends something that is held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Producers wait.
    waits: bool,
    commands: Vec<Command>,
    bytes: usize,
}

impl Held {
    /// So many bytes are held at most, what a message takes beside its own bytes counted; then the client is not read any
    /// further.
    const BYTES: usize = 64 * 1024;
    const OVERHEAD: usize = 352;

    /// From now on SENDs wait.
    pub fn begin(&mut self) {
        self.waits = true;
    }

    /// They wait no longer: everything that did, in order.
    pub fn end(&mut self) -> Vec<Command> {
        std::mem::take(self).commands
    }

    /// Whether a frame of that size may be added.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes + Self::OVERHEAD <= Self::BYTES
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// A SEND, from a frame of that size: waits if producers do.
    pub fn send(&mut self, command: Command, bytes: usize, out: &mut Vec<Command>) {
        match self.waits {
            true => self.keep(command, bytes),
            false => out.push(command),
        }
    }

    /// What is not to be done before the SENDs that wait.
    pub fn behind_sends(&mut self, command: Command, bytes: usize, out: &mut Vec<Command>) {
        match self.is_empty() {
            true => out.push(command),
            false => self.keep(command, bytes),
        }
    }

    fn keep(&mut self, command: Command, bytes: usize) {
        self.bytes += bytes + Self::OVERHEAD;
        self.commands.push(command);
    }

    /// Whether the opening of a consumer waits; `None`: of any.
    pub fn opens(&self, consumer: Option<ConsumerId>) -> bool {
        let opens = |command: &Command| match command {
            Command::Consumer(of, ConsumerCommand::Open(_)) => {
                consumer.is_none_or(|one| *of == one)
            }
            _ => false,
        };
        self.commands.iter().any(opens)
    }
}
