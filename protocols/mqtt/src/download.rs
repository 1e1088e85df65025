// SPDX-License-Identifier: Apache-2.0
//! A PUBLISH whose payload comes from a file while it is sent.

use std::collections::VecDeque;

use bytes::Bytes;
use hind_engine::command::{Command, DownloadCommand, DownloadOpen};
use hind_engine::event::{Delivery, Event};
use hind_engine::id::DownloadId;
use hind_engine::message::LargeBody;
use hind_engine::protocol::Segments;

/// A PUBLISH that is being sent in windows: its head with the first one.
///
/// Nothing else may stand inside of the packet: what the engine says meanwhile waits in order, and what is said to the
/// client otherwise is put aside.
#[derive(Debug)]
pub(crate) struct Download {
    id: DownloadId,
    /// What is being sent.
    pub delivery: Delivery,
    /// What came while it was. Bounded by the windows of the subscriptions.
    pub waiting: VecDeque<Event>,
    /// What is to be said when the packet has ended.
    pub aside: Segments,
    /// Bytes of the payload that have not come yet.
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
            waiting: VecDeque::new(),
            aside: Segments::default(),
            left: body.size,
            begun: false,
        }
    }

    /// Whether that is its number.
    pub fn is(&self, id: DownloadId) -> bool {
        self.id == id
    }

    /// The head has gone out, and nothing but the payload may follow.
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
