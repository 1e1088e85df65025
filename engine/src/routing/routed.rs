// SPDX-License-Identifier: Apache-2.0
//! A message on its way to its queues: which of them the log knows of, and which are reached through a page.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::{Engine, Turn, Unit};
use crate::gate::Held;
use crate::id::{AddressId, ConnectionId, QueueId};
use crate::message::Message;
use crate::storage::Position;
use crate::storage::record::{
    DuplicateIdRecord, MessageRecord, PagePlace, PagedRecord, Record, Route,
};

/// A message with its id and the queues it goes to; nothing has changed yet.
#[derive(Debug)]
pub(crate) struct Routed {
    pub message: Arc<Message>,
    /// Queues on which it stands in the log.
    pub logged: SmallVec<[QueueId; 1]>,
    /// Queues on which it does not.
    pub volatile: SmallVec<[QueueId; 1]>,
    /// Pages in which it stands for other queues.
    pub paged: SmallVec<[PagedTo; 1]>,
    pub scheduled: u64,
    pub duplicate: Option<DuplicateIdRecord>,
}

/// The message as a page of this address has it.
#[derive(Clone, Debug)]
pub(crate) struct PagedTo {
    /// Where it goes.
    pub place: PagePlace,
    /// The address.
    pub address: AddressId,
    /// Durable queues it is for, if it is durable.
    pub logged: SmallVec<[QueueId; 1]>,
    /// Other queues it is for.
    pub volatile: SmallVec<[QueueId; 1]>,
}

impl Routed {
    /// Appends the records that make it durable.
    pub fn records(&self, unit: &mut Unit) {
        if let Some(duplicate) = &self.duplicate {
            unit.push(Record::DuplicateId(duplicate.clone()));
        }
        let record = |queues: &[QueueId]| MessageRecord {
            message: self.message.clone(),
            routes: self.routes(queues),
        };
        if !self.logged.is_empty() {
            unit.push(Record::Message(record(&self.logged)));
        }
        for paged in self.paged.iter().filter(|paged| !paged.logged.is_empty()) {
            unit.push(Record::Paged(PagedRecord {
                place: paged.place,
                address: paged.address,
                message: record(&paged.logged),
            }));
        }
    }

    /// The message as it was sent to its address, wherever it has gone instead.
    pub fn original(&self, sent: Message) -> Arc<Message> {
        if sent.address == self.message.address {
            return self.message.clone();
        }
        let id = self.message.id;
        Arc::new(Message { id, ..sent })
    }

    /// Whether any queue takes it.
    pub fn reaches_a_queue(&self) -> bool {
        !(self.logged.is_empty() && self.volatile.is_empty() && self.paged.is_empty())
    }

    fn routes(&self, queues: &[QueueId]) -> SmallVec<[Route; 1]> {
        let route = |queue: &QueueId| Route {
            queue: *queue,
            count: 0,
            scheduled: self.scheduled,
        };
        queues.iter().map(route).collect()
    }
}

impl Engine {
    /// Takes from a message's queues those whose address pages: a place in a page for each such address.
    pub(super) fn take_paged(
        &mut self,
        logged: &mut SmallVec<[QueueId; 1]>,
        volatile: &mut SmallVec<[QueueId; 1]>,
        turn: &mut Turn<'_>,
    ) -> SmallVec<[PagedTo; 1]> {
        let mut addresses: SmallVec<[AddressId; 2]> = SmallVec::new();
        for queue in logged.iter().chain(volatile.iter()) {
            let address = self
                .state
                .queues
                .get(*queue)
                .map(|queue| queue.address_id());
            addresses.extend(address.filter(|address| !addresses.contains(address)));
        }
        let mut paged = SmallVec::new();
        for address in addresses {
            let Some(place) = self.page_for(address, turn) else {
                continue;
            };
            let queues = &self.state.queues;
            let elsewhere = |id: &QueueId| {
                let queue = queues.get(*id);
                queue.is_none_or(|queue| queue.address_id() != address)
            };
            let take = |from: &mut SmallVec<[QueueId; 1]>| {
                let (left, taken) = from.drain(..).partition(elsewhere);
                *from = left;
                taken
            };
            paged.push(PagedTo {
                place,
                address,
                logged: take(logged),
                volatile: take(volatile),
            });
        }
        paged
    }

    /// After its record is in the log: puts a message into a page for the queues that the log says nothing of, and lets
    /// it be seen when `position` is durable.
    pub(super) fn put_in_page(
        &mut self,
        from: Option<ConnectionId>,
        routed: &Routed,
        paged: &PagedTo,
        position: Position,
        turn: &mut Turn<'_>,
    ) {
        let (place, address) = (paged.place, paged.address);
        if !paged.volatile.is_empty() {
            let routes = routed.routes(&paged.volatile);
            self.state
                .pages
                .put(place, address, &routed.message, &routes, false);
        }
        let visible = self.gate.is_open(position);
        self.arrive_in_page(place, visible, turn);
        if !visible {
            let until = self.gate.hold(position, Held::Paged(place));
            if let Some(from) = from {
                self.wait_for(from, until);
            }
        }
    }
}
