// SPDX-License-Identifier: Apache-2.0
//! What of a page a queue takes into memory now, and what stays in the page until its time.

use super::page_cursor::{Place, Purpose};
use super::page_in::{Found, Look};
use crate::address::ledger::Ledger;
use crate::engine::{Engine, Turn};
use crate::id::{MessageId, PageId, QueueId};
use crate::message::Message;
use crate::storage::page::Entry;
use crate::storage::record::{LastAddress, Mark, MessageRecord, PagePlace};

impl Engine {
    /// Whether a message in a page is worth a copy of its own in memory.
    pub(super) fn is_worth_a_copy(
        &self,
        look: Look,
        entry: &Entry<'_>,
        addresses: &mut LastAddress,
    ) -> bool {
        look.purpose != Purpose::Search
            || entry
                .decode_shared(addresses)
                .is_some_and(|record| self.is_sought(look, &record.message))
    }

    fn is_sought(&self, look: Look, message: &Message) -> bool {
        let queue = self.state.queues.get(look.queue);
        queue.is_some_and(|queue| queue.is_sought(message, look.from))
    }

    /// A queue takes messages of a page into memory. Where it stopped, if it has no room for all.
    pub(super) fn take_in(
        &mut self,
        look: Look,
        found: Vec<Found>,
        turn: &mut Turn<'_>,
    ) -> Option<Place> {
        for Found {
            index,
            offset,
            record,
        } in found
        {
            let place = PagePlace {
                page: look.from.page,
                index,
            };
            let message = &record.message;
            let Some(mark) = self.mark_of_absent(look.queue, place, message.id) else {
                continue;
            };
            if !self.is_for_now(look, place, message, mark) {
                continue;
            }
            let enough = look.purpose == Purpose::Next && self.has_prefetched(look.queue);
            let takes = !enough && self.has_room(look.queue, look.purpose);
            if !message.is_expired(look.wall) && !takes {
                if look.purpose == Purpose::Due {
                    self.wait_for_room(look.queue, place.page);
                    continue;
                }
                return Some(Place {
                    page: place.page,
                    index,
                    offset: offset.unwrap_or(look.from.offset),
                });
            }
            self.take_one(look, place, &record, mark, turn);
        }
        None
    }

    /// What is remembered of a message that is left for the queue and not in its memory.
    fn mark_of_absent(&self, id: QueueId, place: PagePlace, message: MessageId) -> Option<Mark> {
        let share = self.state.pages.get(place.page)?.share(id)?;
        let absent = self.state.queues.get(id)?.entry(message).is_none();
        let left = share.pending.contains(place.index) && absent;
        left.then(|| share.marks.get(&place.index).copied().unwrap_or_default())
    }

    /// Whether a message is to be taken now; one whose time has not come is left behind.
    fn is_for_now(&mut self, look: Look, place: PagePlace, message: &Message, mark: Mark) -> bool {
        if message.is_expired(look.wall) {
            return true;
        }
        match look.purpose {
            Purpose::Due => self.is_due(look, place, message, mark),
            Purpose::Search if !self.is_sought(look, message) => false,
            Purpose::Search | Purpose::Next => {
                let now = mark.scheduled <= look.wall || self.has_room_to_wait(look.queue);
                if !now {
                    self.leave_behind(look.queue, place.page, message, mark);
                }
                now
            }
        }
    }

    fn take_one(
        &mut self,
        look: Look,
        place: PagePlace,
        record: &MessageRecord,
        mark: Mark,
        turn: &mut Turn<'_>,
    ) {
        let (id, message) = (look.queue, record.message.id);
        if look.purpose == Purpose::Next {
            self.release_after(id, message, turn);
        }
        self.state
            .put_on(id, &record.message, mark.count, mark.scheduled);
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.mark_paged(message, place, look.purpose == Purpose::Search);
            // It was counted when it came.
            queue.counters.added -= 1;
        }
        if record.message.is_expired(turn.now.wall) {
            self.expired.push((id, message));
        } else {
            self.make_ready(id, message, turn.now);
        }
    }

    /// Whether a message that was left behind has to be dealt with now; one that reading in order has not come to only
    /// if it has expired.
    fn is_due(&mut self, look: Look, place: PagePlace, message: &Message, mark: Mark) -> bool {
        let queue = self.state.queues.get(look.queue);
        let next = queue.map_or_else(Place::default, |queue| queue.cursor.next);
        let come_to = (place.page, place.index) < (next.page, next.index);
        if come_to && mark.scheduled <= look.wall {
            return true;
        }
        let scheduled = if come_to { mark.scheduled } else { 0 };
        let mark = Mark { scheduled, ..mark };
        self.leave_behind(look.queue, place.page, message, mark);
        false
    }

    /// A message stays in its page until it is to be delivered or expires.
    fn leave_behind(&mut self, id: QueueId, page: PageId, message: &Message, mark: Mark) {
        let times = [mark.scheduled, message.expiration].into_iter();
        if let Some(at) = times.filter(|at| *at != 0).min() {
            self.leave_until(id, page, at);
        }
    }

    /// Something in the page is due and finds no room: it is looked at again when there is some.
    fn wait_for_room(&mut self, id: QueueId, page: PageId) {
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.cursor.crowded.insert(page);
        }
    }

    pub(super) fn leave_until(&mut self, id: QueueId, page: PageId, at: u64) {
        if let Some(queue) = self.state.queues.get_mut(id) {
            queue.cursor.leave_behind(page, at);
        }
        self.set_alarm(id);
    }

    /// Messages that wait for their time take at most half of the room.
    fn has_room_to_wait(&self, id: QueueId) -> bool {
        let queue = self.state.queues.get(id);
        let in_memory = queue.map_or_else(Ledger::default, |queue| queue.cursor.in_memory);
        let (bytes, messages) = self.window(id);
        in_memory.bytes < bytes / 2 && in_memory.messages < messages / 2
    }

    /// Messages that came after those in pages, and not later than this one, may be delivered.
    pub(super) fn release_after(&mut self, id: QueueId, message: MessageId, turn: &mut Turn<'_>) {
        let Some(queue) = self.state.queues.get_mut(id) else {
            return;
        };
        if queue.cursor.after.is_empty() {
            return;
        }
        let later = queue.cursor.after.split_off(&message);
        let now = std::mem::replace(&mut queue.cursor.after, later);
        for message in now {
            self.make_ready(id, message, turn.now);
        }
    }
}
