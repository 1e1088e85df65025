// SPDX-License-Identifier: Apache-2.0
//! What goes out while the frame of a large message is open, window by window: nothing else may stand inside it.

use std::mem;

use bytes::{BufMut, Bytes};
use hind_engine::event::{Delivery, Event};
use hind_engine::id::DownloadId;
use hind_engine::protocol::Outbound;
use hind_engine::time::Now;

use super::{Connection, State};
use crate::codec::FRAME_END;
use crate::download::Download;
use crate::fault::Fault;

impl Connection {
    /// A frame has begun to go out and has not ended.
    pub(super) fn is_speaking(&self) -> bool {
        self.download.as_ref().is_some_and(Download::has_begun)
    }

    pub(super) fn deliver(&mut self, delivery: Delivery, out: &mut Outbound) {
        let State::Connected(session) = &mut self.state else {
            return;
        };
        if delivery.message.body.large().is_some() {
            self.download = session.begin_download(delivery, out);
        } else {
            session.deliver(&delivery, out);
        }
    }

    /// The event has to wait until the message that is on its way has gone. So has what was done after something refused:
    /// the client is not to take its receipt for a yes to all before.
    pub(super) fn waits(&self, event: &Event) -> bool {
        let refused = |event: &Event| matches!(event, Event::Refused(..));
        if matches!(event, Event::Done(_)) && self.waiting.iter().any(refused) {
            return true;
        }
        self.download.is_some()
            && matches!(
                event,
                Event::Deliver(_) | Event::Detached(..) | Event::Refused(..)
            )
    }

    pub(super) fn window(&mut self, now: Now, id: DownloadId, window: &Bytes, out: &mut Outbound) {
        let Some(download) = self.download.as_mut().filter(|download| download.is(id)) else {
            return;
        };
        let is_first = download.pass(window, &mut out.commands);
        if let (State::AwaitingLastAnswers(_), Some(heart_beat)) =
            (&self.state, &mut self.heart_beat)
        {
            // It takes what it is sent: windows come only when there is room for them.
            heart_beat.heard(now);
        }
        if is_first {
            let delivery = &download.delivery;
            let wanted = match &mut self.state {
                State::Connected(session) if delivery.message.is_expired(now.wall) => {
                    session.give_back(delivery, out);
                    false
                }
                State::Connected(session) => session.write_head(delivery, out),
                _ => false,
            };
            if !wanted {
                out.commands.push(download.close());
                self.next_message(now, out);
                return;
            }
        }
        let is_over = download.is_over();
        out.bytes.payload(window);
        if is_over {
            out.bytes.head().put_slice(FRAME_END);
            if let (Some(download), State::Connected(session)) =
                (self.download.take(), &mut self.state)
            {
                session.delivered(&download.delivery, out);
            }
            self.next_message(now, out);
        }
    }

    pub(super) fn download_failed(&mut self, now: Now, id: DownloadId, out: &mut Outbound) {
        let Some(download) = self.download.as_ref().filter(|download| download.is(id)) else {
            return;
        };
        if download.has_begun() {
            let fault = Fault::refused("the rest of a message could not be read");
            self.fail(&fault, None, out);
            return;
        }
        if let State::Connected(session) = &mut self.state {
            session.lost(&download.delivery, out);
        }
        self.next_message(now, out);
    }

    /// The message that was on its way has gone: what waited for that.
    fn next_message(&mut self, now: Now, out: &mut Outbound) {
        self.download = None;
        while let Some(segment) = self.aside.pop() {
            out.bytes.payload(&segment);
        }
        while self.download.is_none()
            && let Some(event) = self.waiting.pop_front()
        {
            match (event, &mut self.state) {
                // Its time has passed while it waited.
                (Event::Deliver(delivery), State::Connected(session))
                    if delivery.message.is_expired(now.wall) =>
                {
                    session.give_back(&delivery, out);
                }
                (event, _) => self.deal_with(now, event, out),
            }
        }
        self.close_if_answered(out);
    }

    /// Carries something out that may speak while a frame is going out: what it says is put aside.
    pub(super) fn aside<R>(
        &mut self,
        out: &mut Outbound,
        act: impl FnOnce(&mut Self, &mut Outbound) -> R,
    ) -> R {
        if !self.is_speaking() {
            return act(self, out);
        }
        let before = mem::replace(&mut out.bytes, mem::take(&mut self.aside));
        let result = act(self, out);
        let said = mem::replace(&mut out.bytes, before);
        if matches!(self.state, State::Closed) {
            return result;
        }
        self.aside = said;
        result
    }
}
