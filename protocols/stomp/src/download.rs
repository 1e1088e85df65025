// SPDX-License-Identifier: Apache-2.0
//! A MESSAGE whose body comes from a file while it is sent.

use bytes::Bytes;
use hind_engine::command::{Command, DownloadCommand, DownloadOpen};
use hind_engine::event::Delivery;
use hind_engine::id::DownloadId;
use hind_engine::message::LargeBody;

/// A MESSAGE frame that is being sent in windows: its head with the first one, its end with the last one.
#[derive(Debug)]
pub(crate) struct Download {
    id: DownloadId,
    /// What is being sent.
    pub delivery: Delivery,
    /// Bytes of the body that have not come yet.
    left: u64,
    begun: bool,
}

impl Download {
    /// Windows asked for ahead: while one goes out, the next is read.
    const AHEAD: usize = 2;

    /// Asks for the first windows.
    pub fn begin(
        id: DownloadId,
        delivery: Delivery,
        body: LargeBody,
        commands: &mut Vec<Command>,
    ) -> Self {
        let open = DownloadOpen {
            body,
            consumer: delivery.consumer,
            delivery: delivery.delivery,
        };
        commands.push(Command::Download(id, DownloadCommand::Open(open)));
        for _ in 0..Self::AHEAD {
            commands.push(Command::Download(id, DownloadCommand::Next));
        }
        Self {
            id,
            delivery,
            left: body.size,
            begun: false,
        }
    }

    /// Whether that is its number.
    pub fn is(&self, id: DownloadId) -> bool {
        self.id == id
    }

    /// The head has gone out, and nothing but the body may follow.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// A window goes out, and another is asked for if there is one. Whether the head has to go out before it.
    pub fn pass(&mut self, window: &Bytes, commands: &mut Vec<Command>) -> bool {
        self.left = self.left.saturating_sub(window.len() as u64);
        if self.left > 0 {
            commands.push(Command::Download(self.id, DownloadCommand::Next));
        }
        !std::mem::replace(&mut self.begun, true)
    }

    /// The last window has gone out.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Nothing of it is wanted any more.
    pub fn close(&self) -> Command {
        Command::Download(self.id, DownloadCommand::Close)
    }
}
