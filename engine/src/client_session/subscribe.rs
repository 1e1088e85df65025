// SPDX-License-Identifier: Apache-2.0
//! Subscriptions of client sessions: remembered before their queue is made, so that no crash leaves a queue that nobody
//! knows; gone after it.

use std::sync::Arc;

use crate::command::{ConsumerOpen, Settling, Subscription};
use crate::engine::{Engine, Turn};
use crate::event::Refusal;
use crate::id::{ClientSessionId, ConnectionId, ConsumerId, QueueId, SubscriptionId};
use crate::storage::record::{Record, SubscriptionRecord};

/// What was written of a subscription before its consumer was opened.
#[derive(Debug)]
pub(crate) struct Keeping {
    pub id: SubscriptionId,
    before: Option<SubscriptionRecord>,
}

impl Engine {
    /// The client session of a connection.
    pub(crate) fn client_session_of(&self, from: ConnectionId) -> Option<ClientSessionId> {
        self.clients.get(&from)?.client_session
    }

    /// Whether a consumer asks for what only a client session has, and has none.
    pub(crate) fn lacks_client_session(&self, from: ConnectionId, open: &ConsumerOpen) -> bool {
        let needs = matches!(open.settling, Settling::ByPacket(_)) || open.kept.is_some();
        needs && self.client_session_of(from).is_none()
    }

    /// Remembers a subscription that is about to be opened, if its session is kept.
    pub(crate) fn keep_subscription(
        &mut self,
        from: ConnectionId,
        open: &ConsumerOpen,
        turn: &mut Turn<'_>,
    ) -> Option<Keeping> {
        let kept = open.kept.as_deref()?;
        let session = self.client_session_of(from)?;
        if !self.state.client_sessions.get(session)?.kept {
            return None;
        }
        let before = self
            .state
            .client_sessions
            .subscription(session, &kept.filter);
        let before = before.cloned();
        let (queue, shared) = match &open.subscription {
            Subscription::Temporary => (Arc::from(""), false),
            Subscription::Named { queue, shared, .. } => (queue.clone(), *shared),
        };
        let id = match &before {
            Some(before) => before.id,
            None => SubscriptionId(self.new_id(turn)),
        };
        let record = SubscriptionRecord {
            id,
            session,
            queue,
            shared,
            subscription: kept.clone(),
        };
        if before.as_ref() != Some(&record) {
            self.commit(Some(from), &[Record::Subscription(record)], true, turn);
        }
        Some(Keeping { id, before })
    }

    /// The consumer reads this queue, or could not be opened: then what was written is taken back.
    pub(crate) fn kept_subscription(
        &mut self,
        from: ConnectionId,
        keeping: Keeping,
        opened: Option<QueueId>,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut record) = self.state.client_sessions.subscription_record(keeping.id) else {
            return;
        };
        let queue = opened.map(|queue| self.state.queues.get(queue).map(|of| of.name().clone()));
        let again = match (queue, keeping.before) {
            (Some(name), _) if name.as_ref() == Some(&record.queue) => return,
            (Some(_), _) => {
                // A queue that was there before and stays: an anycast one, or that of an FQQN.
                record.queue = Arc::from("");
                Record::Subscription(record)
            }
            (None, Some(before)) => Record::Subscription(before),
            (None, None) => Record::SubscriptionRemoved(keeping.id),
        };
        self.commit(Some(from), &[again], true, turn);
    }

    /// The client does not want it any more.
    pub(super) fn unsubscribe(
        &mut self,
        from: ConnectionId,
        session: ClientSessionId,
        consumer: ConsumerId,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let client = self.clients.get(&from).ok_or(Refusal::Unknown("client"))?;
        let queue = client.consumers.get(&consumer).copied();
        let queue = queue.ok_or(Refusal::Unknown("consumer"))?;
        let of = self.state.queues.get(queue);
        let kept = of.and_then(|queue| queue.consumers.get(&(from, consumer))?.subscription);
        self.close_consumer((from, consumer), false, turn);
        let kept = kept.and_then(|id| self.state.client_sessions.subscription_record(id));
        if let Some(record) = kept.filter(|record| record.session == session) {
            self.drop_subscription(Some(from), &record, turn);
        }
        Ok(())
    }

    /// Deletes the queue of a subscription, unless others share it, and then forgets the subscription.
    pub(super) fn drop_subscription(
        &mut self,
        from: Option<ConnectionId>,
        record: &SubscriptionRecord,
        turn: &mut Turn<'_>,
    ) {
        let queue = self
            .state
            .queues
            .named(&record.queue)
            .map(|queue| queue.id());
        let others = record.shared && self.state.client_sessions.sharing(&record.queue) > 1;
        if let Some(id) = queue.filter(|_| !record.queue.is_empty() && !others) {
            match self.state.queues.get_mut(id) {
                // Consumers of sessions that end with their connections: it goes with the last of them.
                Some(queue) if record.shared && !queue.consumers.is_empty() => {
                    queue.temporary = true;
                }
                _ => self.delete_queue(from, id, turn),
            }
        }
        self.commit(from, &[Record::SubscriptionRemoved(record.id)], true, turn);
    }

    /// After replay: queues whose sessions do not want what their own clients publish.
    pub(super) fn exclude_publishers(&mut self) {
        let sessions = &self.state.client_sessions;
        let without = |record: &&SubscriptionRecord| {
            record.subscription.no_local && !record.shared && !record.queue.is_empty()
        };
        for record in sessions.subscriptions().filter(without) {
            let client_id = sessions.get(record.session).map(|of| of.client_id.clone());
            let id = self
                .state
                .queues
                .named(&record.queue)
                .map(|queue| queue.id());
            if let Some(queue) = id.and_then(|id| self.state.queues.get_mut(id)) {
                queue.excludes = client_id;
            }
        }
    }
}
