// SPDX-License-Identifier: Apache-2.0
//! What becomes of a message for an address that is full: it goes to a page, its sender waits, it is refused, or it is
//! dropped (manual, chapter Paging).

use std::sync::Arc;
use std::time::Duration;

use super::registry::Address;
use super::settings::{AddressFullPolicy, DiskFullPolicy, PageFullPolicy};
use crate::engine::{Engine, Turn};
use crate::event::{Block, Refusal};
use crate::id::{AddressId, ConnectionId};
use crate::notice::{Fill, Notice};

/// A limit that is reached again and again is spoken of once in so long: of an address, and of all together.
const SAID_EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// What is to be done with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Take it.
    Accept,
    /// Say yes and forget it.
    Drop,
}

impl Engine {
    /// Whether an address has as much in memory as it may, or all addresses together have.
    pub(crate) fn is_full(&self, address: &Address) -> bool {
        let settings = &address.settings;
        let own = reached(settings.max_size_bytes, address.memory.bytes)
            || reached(settings.max_size_messages, address.memory.messages);
        own || self.is_globally_full()
    }

    /// Whether all addresses together have as much in memory as they may.
    pub(crate) fn is_globally_full(&self) -> bool {
        let fill = self.fill_of_all();
        reached(fill.global_bytes_max, fill.global_bytes)
            || reached(fill.global_messages_max, fill.global_messages)
    }

    /// Whether the address takes one more message, by its policy.
    pub(crate) fn admit(
        &mut self,
        from: ConnectionId,
        id: AddressId,
        turn: &mut Turn<'_>,
    ) -> Result<Verdict, Refusal> {
        let Some(address) = self.state.addresses.get(id) else {
            return Ok(Verdict::Accept);
        };
        let policy = address.settings.address_full_policy;
        if policy == AddressFullPolicy::Page {
            return match self.page_limit_policy(id) {
                None => {
                    self.wait_for_pages(from, id, turn);
                    Ok(Verdict::Accept)
                }
                Some(PageFullPolicy::Drop) => self.drop_message(id, turn),
                Some(PageFullPolicy::Fail) => Err(full(address)),
            };
        }
        if !self.is_full(address) {
            return Ok(Verdict::Accept);
        }
        match policy {
            AddressFullPolicy::Page => Ok(Verdict::Accept),
            AddressFullPolicy::Fail => Err(full(address)),
            AddressFullPolicy::Drop => self.drop_message(id, turn),
            AddressFullPolicy::Block => {
                self.block(from, id, turn);
                Ok(Verdict::Accept)
            }
        }
    }

    /// Why the address would take no message now and tell its sender so, if so: before the message is there.
    pub(crate) fn refuses_at_once(&self, id: AddressId) -> Option<Refusal> {
        let address = self.state.addresses.get(id)?;
        let fails = match address.settings.address_full_policy {
            AddressFullPolicy::Fail => self.is_full(address),
            AddressFullPolicy::Page => self.page_limit_policy(id) == Some(PageFullPolicy::Fail),
            AddressFullPolicy::Block | AddressFullPolicy::Drop => false,
        };
        let disk_fails =
            self.disk_full.is_some() && self.policy_on_full_disk(id) == DiskFullPolicy::Fail;
        (fails || disk_fails).then(|| full(address))
    }

    /// End of a turn: the log is told that all addresses together have reached a limit, or are well below it again.
    pub(crate) fn note_global_limit(&mut self, turn: &mut Turn<'_>) {
        if self.is_globally_full() {
            if self.global_limit.begins(turn.now.monotonic, SAID_EVERY.1) {
                turn.notices.push(Notice::GlobalFull(self.fill_of_all()));
            }
        } else if self.is_globally_roomy() && self.global_limit.ends() {
            turn.notices.push(Notice::GlobalNotFull(self.fill_of_all()));
        }
    }

    /// Whether all addresses together have so little in memory that the limit is not about to be reached again.
    fn is_globally_roomy(&self) -> bool {
        let fill = self.fill_of_all();
        let roomy = |limit: Option<u64>, value| limit.is_none_or(|limit| value < limit - limit / 4);
        roomy(fill.global_bytes_max, fill.global_bytes)
            && roomy(fill.global_messages_max, fill.global_messages)
    }

    fn drop_message(&mut self, id: AddressId, turn: &mut Turn<'_>) -> Result<Verdict, Refusal> {
        let fill = self.fill(id);
        self.note_dropped(id, Some(fill), turn);
        Ok(Verdict::Drop)
    }

    /// The client waits until the address has room.
    fn block(&mut self, from: ConnectionId, id: AddressId, turn: &mut Turn<'_>) {
        let Some(address) = self.state.addresses.get(id) else {
            return;
        };
        let address = address.record.name.clone();
        let block = Block::AddressFull(address.clone());
        turn.events.extend(self.blocks.begin(from, block));
        self.blocking.insert(id);
        let known = self.state.addresses.get_mut(id);
        if known.is_some_and(|known| known.blocked.begins(turn.now.monotonic, SAID_EVERY.0)) {
            let fill = self.fill(id);
            turn.notices.push(Notice::AddressBlocked { address, fill });
        }
    }

    /// End of a turn: whoever waited for an address that has room again goes on.
    pub(crate) fn unblock(&mut self, turn: &mut Turn<'_>) {
        let addresses = &self.state.addresses;
        let full = |id: &AddressId| addresses.get(*id).is_some_and(|one| self.is_full(one));
        let free: Vec<AddressId> = self
            .blocking
            .iter()
            .copied()
            .filter(|id| !full(id))
            .collect();
        for id in free {
            self.blocking.remove(&id);
            let Some(address) = self.state.addresses.get_mut(id) else {
                continue;
            };
            let said = address.blocked.ends();
            let address = address.record.name.clone();
            let block = Block::AddressFull(address.clone());
            turn.events.extend(self.blocks.end(&block));
            if said {
                let fill = self.fill(id);
                turn.notices
                    .push(Notice::AddressUnblocked { address, fill });
            }
        }
    }

    /// How full an address is, for the log.
    pub(crate) fn fill(&self, id: AddressId) -> Fill {
        let of_all = self.fill_of_all();
        let Some(address) = self.state.addresses.get(id) else {
            return of_all;
        };
        Fill {
            bytes: address.memory.bytes,
            messages: address.memory.messages,
            bytes_max: address.settings.max_size_bytes,
            messages_max: address.settings.max_size_messages,
            ..of_all
        }
    }

    /// How full all addresses together are.
    fn fill_of_all(&self) -> Fill {
        let memory = self.state.memory();
        Fill {
            global_bytes: memory.bytes + self.state.pages.unwritten_bytes(),
            global_messages: memory.messages,
            global_bytes_max: self.settings.global_max_bytes,
            global_messages_max: self.settings.global_max_messages,
            ..Fill::default()
        }
    }
}

fn reached(limit: Option<u64>, value: u64) -> bool {
    limit.is_some_and(|limit| value >= limit)
}

fn full(address: &Address) -> Refusal {
    let name: Arc<str> = address.record.name.clone();
    Refusal::AddressFull(name)
}
