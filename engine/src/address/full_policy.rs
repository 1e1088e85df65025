// SPDX-License-Identifier: Apache-2.0
//! What becomes of a message for an address that is full: it goes to a page, its sender waits, it is refused, or it is
//! dropped (manual, chapter Paging).

use std::sync::Arc;

use super::registry::Address;
use super::settings::{AddressFullPolicy, AddressSettings, DiskFullPolicy, PageFullPolicy};
use crate::engine::{Engine, Turn};
use crate::event::{Block, Refusal};
use crate::id::{AddressId, ConnectionId};
use crate::notice::{Fill, Notice};

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
        let memory = self.state.memory();
        let bytes = memory.bytes + self.state.pages.unwritten_bytes();
        reached(self.settings.global_max_bytes, bytes)
            || reached(self.settings.global_max_messages, memory.messages)
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
            return match self.page_limit_policy(id, &address.settings) {
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
            AddressFullPolicy::Page => {
                self.page_limit_policy(id, &address.settings) == Some(PageFullPolicy::Fail)
            }
            AddressFullPolicy::Block | AddressFullPolicy::Drop => false,
        };
        let disk_fails =
            self.disk_full.is_some() && self.policy_on_full_disk(id) == DiskFullPolicy::Fail;
        (fails || disk_fails).then(|| full(address))
    }

    /// What is done with more messages if the pages of the address may not grow any more.
    fn page_limit_policy(
        &self,
        id: AddressId,
        settings: &AddressSettings,
    ) -> Option<PageFullPolicy> {
        let policy = settings.page_full_policy?;
        let of = self.state.pages.of(id)?;
        let full = reached(settings.page_limit_bytes, of.bytes)
            || reached(settings.page_limit_messages, of.left);
        full.then_some(policy)
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
        if self.blocking.insert(id) {
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
            let Some(address) = self.state.addresses.get(id) else {
                continue;
            };
            let (address, fill) = (address.record.name.clone(), self.fill(id));
            let block = Block::AddressFull(address.clone());
            turn.events.extend(self.blocks.end(&block));
            turn.notices
                .push(Notice::AddressUnblocked { address, fill });
        }
    }

    /// How full an address is, for the log.
    pub(crate) fn fill(&self, id: AddressId) -> Fill {
        let all = self.state.memory();
        let of_all = Fill {
            global_bytes: all.bytes,
            global_messages: all.messages,
            global_bytes_max: self.settings.global_max_bytes,
            global_messages_max: self.settings.global_max_messages,
            ..Fill::default()
        };
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
}

fn reached(limit: Option<u64>, value: u64) -> bool {
    limit.is_some_and(|limit| value >= limit)
}

fn full(address: &Address) -> Refusal {
    let name: Arc<str> = address.record.name.clone();
    Refusal::AddressFull(name)
}
