// SPDX-License-Identifier: Apache-2.0
//! Queues that read no more from their pages because too much of what they have read is not settled.

use std::time::Duration;

use super::page_cursor::Purpose;
use crate::engine::{Engine, Turn};
use crate::id::QueueId;
use crate::notice::Notice;

/// So often it is said of a queue, as in Artemis.
const SAID_EVERY: Duration = Duration::from_secs(60);

impl Engine {
    /// The queue has something in pages that it does not read: said, if somebody would take it and all that has been
    /// read is with consumers.
    pub(super) fn note_reads_held(&mut self, id: QueueId, turn: &mut Turn<'_>) {
        let full = !self.has_room(id, Purpose::Next);
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        let wanted = !queue.hungry.is_empty() && queue.ready.is_empty();
        let cursor = &mut queue.cursor;
        let now = turn.now.monotonic;
        let recently = cursor
            .held_said
            .is_some_and(|said| now.since(said) < SAID_EVERY);
        if !full || !wanted || recently || cursor.in_memory.messages == 0 {
            return;
        }
        cursor.held_said = Some(now);
        let in_memory = cursor.in_memory;
        let (address, queue) = (queue.address_id(), queue.name().clone());
        let Some(address) = self.state.addresses.get(address) else {
            return;
        };
        turn.notices.push(Notice::PageReadsHeld {
            address: address.record.name.clone(),
            queue,
            messages: in_memory.messages,
            bytes: in_memory.bytes,
            messages_max: address.settings.max_read_page_messages,
            bytes_max: address.settings.max_read_page_bytes,
        });
    }
}
