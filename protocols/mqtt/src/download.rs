// SPDX-License-Identifier: Apache-2.0
//! A PUBLISH whose payload comes from a file while it is sent.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;
use hind_engine::command::{Command, DownloadCommand, DownloadOpen};
use hind_engine::event::{Delivery, Event};
use hind_engine::id::DownloadId;
use hind_engine::message::LargeBody;
use hind_engine::protocol::{Outbound, Segments};
use hind_engine::time::Now;

use crate::codec::Reason;
use crate::connection::{Connection, State};
use crate::fault::Fault;

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
        !mem::replace(&mut self.begun, true)
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

/// Large messages on their way out.
impl Connection {
    /// A packet has begun to go out and has not ended.
    pub(crate) fn is_speaking(&self) -> bool {
        self.download
            .as_ref()
            .is_some_and(|download| download.has_begun())
    }

    pub(crate) fn deliver(&mut self, now: Now, delivery: Delivery, out: &mut Outbound) {
        let State::Connected(session) = &mut self.state else {
            return;
        };
        match delivery.message.body.large() {
            None => session.deliver(now, &delivery, out),
            Some(body) => {
                let id = session.download_id();
                let download = Download::begin(id, delivery, body, &mut out.commands);
                self.download = Some(Box::new(download));
            }
        }
    }

    /// What the engine says of messages waits until the one that is on its way has gone.
    pub(crate) fn wait(&mut self, event: Event) -> Option<Event> {
        let of_messages = matches!(event, Event::Deliver(_) | Event::Detached(..));
        match &mut self.download {
            Some(download) if of_messages => {
                download.waiting.push_back(event);
                None
            }
            _ => Some(event),
        }
    }

    pub(crate) fn window(&mut self, now: Now, id: DownloadId, window: &Bytes, out: &mut Outbound) {
        let Some(download) = self.download.as_mut().filter(|download| download.is(id)) else {
            return;
        };
        let State::Connected(session) = &mut self.state else {
            return;
        };
        if download.pass(window, &mut out.commands)
            && !session.write_head(now, &download.delivery, out)
        {
            out.commands.push(download.close());
            session.delivered(&download.delivery, false, out);
            self.next_message(now, out);
            return;
        }
        out.bytes.payload(window);
        if download.is_over() {
            session.delivered(&download.delivery, true, out);
            self.next_message(now, out);
        }
    }

    pub(crate) fn download_failed(&mut self, now: Now, id: DownloadId, out: &mut Outbound) {
        let Some(download) = self.download.as_ref().filter(|download| download.is(id)) else {
            return;
        };
        if download.has_begun() {
            let what = "the rest of a message could not be read";
            let fault = Fault::refused(Reason::ImplementationSpecificError, what);
            self.fail(&fault, out);
            return;
        }
        if let State::Connected(session) = &mut self.state {
            session.delivered(&download.delivery, false, out);
        }
        self.next_message(now, out);
    }

    /// The message that was on its way has gone: what waited for that.
    fn next_message(&mut self, now: Now, out: &mut Outbound) {
        let Some(mut before) = self.download.take() else {
            return;
        };
        while let Some(segment) = before.aside.pop() {
            out.bytes.payload(&segment);
        }
        while let Some(event) = before.waiting.pop_front() {
            self.deal_with(now, event, out);
            if let Some(download) = &mut self.download {
                download.waiting = before.waiting;
                return;
            }
        }
    }

    /// Carries something out that may speak while a packet is going out: what it says is put aside.
    pub(crate) fn aside<R>(
        &mut self,
        out: &mut Outbound,
        act: impl FnOnce(&mut Self, &mut Outbound) -> R,
    ) -> R {
        let Some(download) = self
            .download
            .as_mut()
            .filter(|download| download.has_begun())
        else {
            return act(self, out);
        };
        let before = mem::replace(&mut out.bytes, mem::take(&mut download.aside));
        let result = act(self, out);
        let said = mem::replace(&mut out.bytes, before);
        if let Some(download) = &mut self.download {
            download.aside = said;
        }
        result
    }
}
