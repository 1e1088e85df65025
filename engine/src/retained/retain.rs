// SPDX-License-Identifier: Apache-2.0
//! How messages become retained, and how they cease to be.

use std::sync::Arc;

use crate::address::name::split_fqqn;
use crate::engine::{Engine, Turn, Unit};
use crate::event::Refusal;
use crate::id::MessageId;
use crate::message::Message;
use crate::storage::record::{MessageRecord, Record};

/// How many expired ones are dropped in one go.
const EXPIRY_PORTION: usize = 256;

impl Engine {
    /// Whether one more message may be retained: they take memory and go to no page, so there is a limit to them.
    pub(crate) fn admit_retained(&self, message: &Message) -> Result<(), Refusal> {
        let address = split_fqqn(&message.address).0;
        let replaced = self.state.retained.of(address).map_or(0, |one| one.size());
        let bytes = self.state.retained.memory().bytes.saturating_sub(replaced);
        let is_removal = message.body.is_empty();
        if !is_removal && bytes + message.size() > self.settings.limits.retained_bytes {
            return Err(Refusal::LimitReached("bytes of retained messages"));
        }
        Ok(())
    }

    /// Appends what makes a message the retained one of its address, or, if it has no body, the last one none. `message`
    /// is as it was sent, with the id and the expiration it was routed with.
    pub(crate) fn retain(&mut self, message: Arc<Message>, unit: &mut Unit) {
        let address = split_fqqn(&message.address).0;
        if self.settings.wildcard.is_wildcard(address) {
            return;
        }
        if message.body.is_empty() {
            let before = self.state.retained.of(address);
            unit.extend(before.map(|before| Record::RetainedRemoved(before.id)));
            return;
        }
        unit.push(Record::Retained(MessageRecord {
            message,
            routes: Default::default(),
        }));
    }

    /// Drops retained messages whose time is over. Whether there may be more of them.
    pub(crate) fn expire_retained(&mut self, turn: &mut Turn<'_>) -> bool {
        let expired = self.state.retained.expired(turn.now.wall, EXPIRY_PORTION);
        let unit: Unit = expired
            .iter()
            .copied()
            .map(Record::RetainedRemoved)
            .collect();
        self.commit(None, &unit, false, turn);
        unit.len() == EXPIRY_PORTION
    }

    /// The retained message of that number, unless its time is over.
    pub(super) fn retained_now(&self, id: MessageId, wall: u64) -> Option<Arc<Message>> {
        let message = self.state.retained.get(id)?;
        (!message.is_expired(wall)).then(|| message.clone())
    }
}
