// SPDX-License-Identifier: Apache-2.0
//! How many unanswered commands a connection may have.

use hind_engine::command::{
    ClientSessionCommand, Command, ConsumerCommand, TransactionCommand, UploadCommand,
};
use hind_engine::event::Event;

/// Counts commands whose answer is outstanding.
#[derive(Debug, Default)]
pub struct Permits {
    outstanding: usize,
}

impl Permits {
    /// From this number on the socket is not read until answers have come.
    pub const MAX: usize = 8_192;

    /// These commands have been submitted.
    pub fn spend(&mut self, commands: &[Command]) {
        self.outstanding += commands
            .iter()
            .filter(|command| is_answered(command))
            .count();
    }

    /// An event has come.
    pub fn refund(&mut self, event: &Event) {
        if matches!(
            event,
            Event::Done(_) | Event::Attached(..) | Event::Refused(Some(_), _)
        ) {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
    }

    /// No more may be submitted for now.
    pub fn exhausted(&self) -> bool {
        self.outstanding >= Self::MAX
    }
}

/// Whether the command carries a ticket.
fn is_answered(command: &Command) -> bool {
    match command {
        Command::Session(..) => false,
        Command::ClientSession(_, command) => match command {
            ClientSessionCommand::Attach(_)
            | ClientSessionCommand::Received(..)
            | ClientSessionCommand::Release(..)
            | ClientSessionCommand::Unsubscribe(..) => true,
            ClientSessionCommand::Acknowledge(_, ticket) => ticket.is_some(),
            ClientSessionCommand::Complete(_) | ClientSessionCommand::Leave { .. } => false,
        },
        Command::Send(_, send) => send.ticket.is_some(),
        Command::Upload(_, command) => matches!(command, UploadCommand::End { .. }),
        Command::Download(..) => false,
        Command::Consumer(_, command) => match command {
            ConsumerCommand::Open(_) | ConsumerCommand::Reopen(_) => true,
            ConsumerCommand::Credit(_) => false,
            ConsumerCommand::Settle(settle) => settle.ticket.is_some(),
            ConsumerCommand::Close(ticket) => ticket.is_some(),
        },
        Command::Transaction(_, command) => match command {
            TransactionCommand::Begin(_) => false,
            TransactionCommand::Commit(ticket) | TransactionCommand::Rollback(ticket) => {
                ticket.is_some()
            }
        },
        Command::Resource(..) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hind_engine::event::Refusal;
    use hind_engine::id::{SessionId, Ticket, TransactionId};

    #[test]
    fn permits_run_out_and_come_back_with_answers() {
        let mut permits = Permits::default();
        let ticketed = Command::Transaction(
            TransactionId(1),
            TransactionCommand::Commit(Some(Ticket(1))),
        );
        let free = Command::Transaction(TransactionId(1), TransactionCommand::Begin(SessionId(1)));
        permits.spend(&vec![free; Permits::MAX]);
        assert!(!permits.exhausted());
        permits.spend(&vec![ticketed; Permits::MAX]);
        assert!(permits.exhausted());
        permits.refund(&Event::Unblocked);
        permits.refund(&Event::Refused(None, Refusal::Stopping));
        assert!(permits.exhausted());
        permits.refund(&Event::Done(Ticket(1)));
        assert!(!permits.exhausted());
    }
}
