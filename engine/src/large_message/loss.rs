// SPDX-License-Identifier: Apache-2.0
//! A body that cannot be read: damaged, cut short, or gone.

use crate::command::Deliveries;
use crate::engine::{Engine, Turn, Unit};
use crate::event::Event;
use crate::id::{ConnectionId, DownloadId, LargeId, MessageId, QueueId};
use crate::notice::Notice;
use crate::queue::Place;
use crate::queue::settle::Departure;
use crate::storage::request::{LargeRequest, Request};

use super::Download;

impl Engine {
    /// A body cannot be read: whoever was reading it is told, and its messages leave the queues, because nobody could be
    /// given them and they would stand in the way of the others. The operator is told of each, and the file is kept.
    ///
    /// What consumers have already been given is left to them.
    pub(super) fn lose_body(&mut self, body: LargeId, why: &str, turn: &mut Turn<'_>) {
        turn.storage
            .ask(Request::Large(LargeRequest::SetAside(body)));
        let mut lost: Vec<(QueueId, MessageId)> = Vec::new();
        for (from, id, download) in self.downloads_of(body) {
            self.close_download(from, id);
            turn.events.push((from, Event::DownloadFailed(id)));
            lost.extend(self.take_delivery(from, download));
        }
        for queue in self.state.queues.iter() {
            let idle = queue.entries().filter(|(_, entry)| {
                entry.place != Place::Delivering
                    && entry.message.body.large().is_some_and(|it| it.id == body)
            });
            let mut idle: Vec<MessageId> = idle.map(|(id, _)| id).collect();
            idle.sort_unstable();
            lost.extend(idle.into_iter().map(|message| (queue.id(), message)));
        }
        let mut unit = Unit::new();
        for (queue_id, message) in lost {
            let Some(queue) = self.state.queues.get_mut(queue_id) else {
                continue;
            };
            if queue.entry(message).is_none() {
                continue;
            }
            turn.notices.push(Notice::BodyLost {
                queue: queue.name().clone(),
                message,
                body,
                why: why.to_owned(),
            });
            self.acknowledgement(queue_id, message, Departure::Killed, &mut unit, turn);
            self.mark_dirty(queue_id);
        }
        self.commit(None, &unit, true, turn);
    }

    fn downloads_of(&self, body: LargeId) -> Vec<(ConnectionId, DownloadId, Download)> {
        let mut of_body = Vec::new();
        for (from, client) in &self.clients {
            let downloads = client.downloads.iter();
            let reading = downloads.filter(|(_, download)| download.body.id == body);
            of_body.extend(reading.map(|(id, download)| (*from, *id, *download)));
        }
        of_body
    }

    /// Takes the message of a failed download out of its consumer's hands.
    fn take_delivery(
        &mut self,
        from: ConnectionId,
        download: Download,
    ) -> Option<(QueueId, MessageId)> {
        let client = self.clients.get(&from)?;
        let queue_id = *client.consumers.get(&download.consumer)?;
        let queue = self.state.queues.get_mut(queue_id)?;
        let consumer = queue.consumers.get_mut(&(from, download.consumer))?;
        let delivery = Deliveries::One(download.delivery);
        let message = consumer.unsettled.settle(delivery).pop()?;
        Some((queue_id, message))
    }
}
