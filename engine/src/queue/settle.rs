// SPDX-License-Identifier: Apache-2.0
//! What becomes of delivered messages: acknowledged, given back, tried again, or dead.

use crate::command::{Outcome, Settle};
use crate::engine::{Engine, Turn, Unit};
use crate::event::Refusal;
use crate::id::{ConnectionId, ConsumerId, MessageId, QueueId};
use crate::storage::record::{PagePlace, Record};
use crate::transaction::Operation;

/// Why a message leaves a queue for good: Artemis counts each apart (`MessagesAcknowledged`, `MessagesExpired`,
/// `MessagesKilled`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Departure {
    /// A consumer has accepted it.
    Acknowledged,
    /// Its time was over.
    Expired,
    /// It went to the dead-letter address, or was dropped or purged.
    Killed,
}

impl Engine {
    /// A consumer says what became of deliveries.
    pub(crate) fn settle(
        &mut self,
        from: ConnectionId,
        id: ConsumerId,
        settle: Settle,
        turn: &mut Turn<'_>,
    ) {
        let end = self.try_settle(from, id, settle, turn);
        self.answer(from, settle.ticket, end, turn);
    }

    fn try_settle(
        &mut self,
        from: ConnectionId,
        id: ConsumerId,
        settle: Settle,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let client = self.clients.get(&from).ok_or(Refusal::Unknown("client"))?;
        let queue_id = *client
            .consumers
            .get(&id)
            .ok_or(Refusal::Unknown("consumer"))?;
        if settle
            .transaction
            .is_some_and(|transaction| !client.transactions.contains_key(&transaction))
        {
            return Err(Refusal::Unknown("transaction"));
        }
        if let Some(transaction) = settle.transaction {
            // Before anything is taken from the consumer: what is refused here stays with it.
            self.room_in_transaction(from, transaction, 0)?;
        }
        let queue = self
            .state
            .queues
            .get_mut(queue_id)
            .ok_or(Refusal::Unknown("queue"))?;
        let consumer = queue
            .consumers
            .get_mut(&(from, id))
            .ok_or(Refusal::Unknown("consumer"))?;
        let messages = consumer.unsettled.settle(settle.deliveries);
        if messages.is_empty() {
            return Err(Refusal::Unknown("delivery"));
        }
        match settle.transaction {
            Some(transaction) => {
                let operation = Operation::Settle {
                    queue: queue_id,
                    messages,
                    outcome: settle.outcome,
                };
                self.room_in_transaction(from, transaction, 0)?
                    .operations
                    .push(operation);
            }
            None => self.settle_messages(
                Some(from),
                queue_id,
                &messages,
                settle.outcome,
                settle.ticket.is_some(),
                turn,
            ),
        }
        // Room among the unsettled ones may be what held the consumer back.
        self.mark_dirty(queue_id);
        Ok(())
    }

    /// Carries out an outcome for messages nobody else holds. `confirmed`: somebody waits to hear that it is durable.
    pub(crate) fn settle_messages(
        &mut self,
        from: Option<ConnectionId>,
        queue: QueueId,
        messages: &[MessageId],
        outcome: Outcome,
        confirmed: bool,
        turn: &mut Turn<'_>,
    ) {
        match outcome {
            Outcome::Accepted => {
                let why = Departure::Acknowledged;
                self.remove(from, queue, messages, why, confirmed, turn);
            }
            Outcome::Released => self.give_back(queue, messages, turn),
            Outcome::Failed => messages
                .iter()
                .for_each(|message| self.try_again(from, queue, *message, turn)),
            Outcome::Rejected => messages
                .iter()
                .for_each(|message| self.dead_letter(from, queue, *message, turn)),
        }
    }

    /// Takes messages off a queue in one unit.
    pub(crate) fn remove(
        &mut self,
        from: Option<ConnectionId>,
        queue_id: QueueId,
        messages: &[MessageId],
        why: Departure,
        confirmed: bool,
        turn: &mut Turn<'_>,
    ) {
        let mut unit = Unit::new();
        for message in messages {
            self.acknowledgement(queue_id, *message, why, &mut unit, turn);
        }
        let sync = confirmed && self.settings.sync_non_transactional;
        self.commit(from, &unit, sync, turn);
    }

    /// Takes a message off a queue, and counts it: by a record if it stands in the log, else at once.
    pub(crate) fn acknowledgement(
        &mut self,
        queue_id: QueueId,
        message: MessageId,
        why: Departure,
        unit: &mut Unit,
        turn: &mut Turn<'_>,
    ) {
        let Some(queue) = self.state.queues.get_mut(queue_id) else {
            return;
        };
        let Some(entry) = queue.entry(message) else {
            return;
        };
        let logs = queue.logs(&entry.message);
        let paged = entry.paged;
        queue.counters.count(why);
        if let Some((session, packet)) = self.state.client_sessions.recall(queue_id, message) {
            unit.push(Record::PacketCompleted { session, packet });
        }
        if let Some(place) = paged {
            // There is room for more.
            self.page_work.wanting.insert(queue_id);
            self.acknowledge_in_page(queue_id, place, message, unit, turn);
        } else if logs {
            unit.push(Record::Acknowledge {
                queue: queue_id,
                message,
            });
        } else {
            self.state.take_off(queue_id, message);
        }
    }

    /// Takes a message of a page off a queue: by a record if the log knows of it, else at once.
    pub(crate) fn acknowledge_in_page(
        &mut self,
        queue: QueueId,
        place: PagePlace,
        message: MessageId,
        unit: &mut Unit,
        turn: &mut Turn<'_>,
    ) {
        let durable = self
            .state
            .queues
            .get(queue)
            .is_some_and(|queue| queue.durable);
        let page = self.state.pages.get(place.page);
        if durable && page.is_some_and(|page| page.is_durable(place.index)) {
            unit.push(Record::PageAcknowledge {
                queue,
                place,
                message,
            });
        } else {
            let live = turn.storage.live();
            self.state.acknowledge_paged(queue, place, message, live);
        }
    }

    fn give_back(&mut self, queue_id: QueueId, messages: &[MessageId], turn: &mut Turn<'_>) {
        for message in messages {
            if let Some(queue) = self.state.queues.get_mut(queue_id) {
                queue.hold(*message);
            }
            self.make_ready(queue_id, *message, turn.now);
        }
    }
}
