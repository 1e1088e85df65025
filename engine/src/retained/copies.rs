// SPDX-License-Identifier: Apache-2.0
//! Copies of retained messages for a new subscription: put on its queue as there is room, so that neither a turn nor the
//! queue is ever long for a subscription to everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{Engine, Turn, Unit};
use crate::id::QueueId;
use crate::message::{Message, properties};
use crate::routing::Target;
use crate::routing::wildcard::Cursor;

/// A queue gets no further copies while so many messages wait on it.
const WAITING: usize = 1_024;
/// Nodes of the tree looked at for one queue in one go.
const LOOKS: usize = 512;

/// Queues that are still to be given copies.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    by_queue: BTreeMap<QueueId, Search>,
}

/// How far the search for a queue has come.
#[derive(Clone, Debug)]
struct Search {
    pattern: Arc<str>,
    after: Option<Cursor>,
}

impl Copies {
    /// The queue is to be given copies of what matches the address `pattern`, from the beginning.
    pub fn begin(&mut self, queue: QueueId, pattern: Arc<str>) {
        let after = None;
        self.by_queue.insert(queue, Search { pattern, after });
    }

    pub fn is_empty(&self) -> bool {
        self.by_queue.is_empty()
    }
}

impl Engine {
    /// Whether a queue could be given more copies now.
    pub(crate) fn can_copy(&self) -> bool {
        let mut queues = self.copies.by_queue.keys();
        queues.any(|queue| self.has_room_for_copies(*queue))
    }

    fn has_room_for_copies(&self, queue: QueueId) -> bool {
        let queue = self.state.queues.get(queue);
        queue.is_none_or(|queue| queue.len() < WAITING)
    }

    /// Gives queues a portion of the copies they are still to get.
    pub(crate) fn copy_retained(&mut self, turn: &mut Turn<'_>) {
        let queues: Vec<QueueId> = self.copies.by_queue.keys().copied().collect();
        for queue in queues {
            if !self.has_room_for_copies(queue) {
                continue;
            }
            let Some(search) = self.copies.by_queue.remove(&queue) else {
                continue;
            };
            if self.state.queues.get(queue).is_none() {
                continue;
            }
            let Search { pattern, after } = search;
            let retained = &self.state.retained;
            let (found, after) = retained.search(&pattern, after.as_ref(), LOOKS);
            for id in found {
                if let Some(message) = self.retained_now(id, turn.now.wall) {
                    self.copy_to(&message, queue, turn);
                }
            }
            if after.is_some() {
                self.copies
                    .by_queue
                    .insert(queue, Search { pattern, after });
            }
        }
    }

    fn copy_to(&mut self, message: &Message, queue: QueueId, turn: &mut Turn<'_>) {
        let Some(of) = self.state.queues.get(queue) else {
            return;
        };
        let address = of.address_id();
        let mut copy = message.clone();
        if let Some(published) = &mut copy.published {
            published.stored = true;
        }
        if copy.properties.get(properties::DUPLICATE_ID).is_some() {
            let without = copy.properties.without(&[properties::DUPLICATE_ID]);
            copy.properties = without.finish();
        }
        let target = Target {
            address,
            queue: Some(queue),
        };
        let routed = self.route_to(copy, target, None, None, turn);
        let mut unit = Unit::new();
        routed.records(&mut unit);
        self.commit(None, &unit, false, turn);
        self.arrive(None, routed, turn);
    }
}
