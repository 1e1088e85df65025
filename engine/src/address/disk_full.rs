// SPDX-License-Identifier: Apache-2.0
//! What becomes of a send while the disk is full: its sender waits, it is refused, or it is dropped (manual, chapter
//! Paging, "Monitoring Disk").

use std::collections::BTreeSet;

use super::settings::DiskFullPolicy;
use crate::command::Send;
use crate::engine::{Engine, Turn};
use crate::event::{Block, Refusal};
use crate::id::{AddressId, ConnectionId, SessionId};
use crate::notice::{DiskLimit, Fill, Notice};
use crate::settings::Settings;

/// A disk that has reached a limit.
#[derive(Debug)]
pub(crate) struct FullDisk {
    limit: DiskLimit,
    /// Addresses whose senders are known to wait for it.
    held: BTreeSet<AddressId>,
}

impl Settings {
    /// The limit of the disk that is reached; `total` and `free` in bytes.
    fn reached(&self, total: u64, free: u64) -> Option<DiskLimit> {
        let used = u128::from(total.saturating_sub(free)) * 100;
        let too_used = |max: u8| used >= u128::from(total) * u128::from(max) && total > 0;
        if self.min_disk_free.is_some_and(|min| free <= min) {
            Some(DiskLimit::MinDiskFree)
        } else if self.max_disk_usage.is_some_and(too_used) {
            Some(DiskLimit::MaxDiskUsage)
        } else {
            None
        }
    }
}

impl Engine {
    /// How full the disk is. From `max-disk-usage` or `min-disk-free` on, every address follows its
    /// `disk-full-policy`.
    pub fn disk_usage(&mut self, total: u64, free: u64, turn: &mut Turn<'_>) {
        let reached = self.settings.reached(total, free);
        match (self.disk_full.take(), reached) {
            (None, Some(limit)) => {
                let held = BTreeSet::new();
                self.disk_full = Some(FullDisk { limit, held });
                turn.notices.push(Notice::DiskFull(limit));
                let clients: Vec<ConnectionId> = self.clients.keys().copied().collect();
                for client in clients {
                    self.hold_on_full_disk(client, turn);
                }
            }
            (Some(full), None) => {
                turn.notices.push(Notice::DiskFree(full.limit));
                turn.events.extend(self.blocks.end(&Block::DiskFull));
                for address in full.held {
                    self.note_free_of_disk(address, turn);
                }
            }
            (full, _) => self.disk_full = full,
        }
    }

    /// Says of an address, once while the disk is full, that its senders wait.
    fn note_held_by_disk(&mut self, id: AddressId, turn: &mut Turn<'_>) {
        let address = self.state.addresses.get(id);
        if let (Some(full), Some(address)) = (&mut self.disk_full, address)
            && full.held.insert(id)
        {
            let address = address.record.name.clone();
            turn.notices.push(Notice::AddressBlockedByDisk { address });
        }
    }

    /// Says that they go on, unless the address is full, too.
    fn note_free_of_disk(&mut self, id: AddressId, turn: &mut Turn<'_>) {
        let address = self.state.addresses.get(id);
        if let Some(address) = address.filter(|_| !self.blocking.contains(&id)) {
            let address = address.record.name.clone();
            let fill = self.fill(id);
            turn.notices
                .push(Notice::AddressUnblocked { address, fill });
        }
    }

    /// The disk may be full: the client's producers wait, if the address it sends to has them wait. Where it will send
    /// is not known before it has: then it waits unless there are addresses that refuse or drop instead.
    pub(crate) fn hold_on_full_disk(&mut self, client: ConnectionId, turn: &mut Turn<'_>) {
        if self.disk_full.is_none() {
            return;
        }
        let client_of = self.clients.get(&client);
        let last = client_of.and_then(|client| client.last_address.as_ref());
        let last = last.map(|(_, address)| *address);
        let waits = match last {
            Some(address) => self.policy_on_full_disk(address) == DiskFullPolicy::Block,
            None => self.settings.address_settings.values().all(|written| {
                matches!(
                    written.disk_full_policy.flatten(),
                    None | Some(DiskFullPolicy::Block)
                )
            }),
        };
        if waits {
            turn.events
                .extend(self.blocks.begin(client, Block::DiskFull));
            if let Some(address) = last {
                self.note_held_by_disk(address, turn);
            }
        }
    }

    /// A client sends while the disk is full. What is on its way when an address has its senders wait is taken: they
    /// wait after it.
    pub(crate) fn send_on_full_disk(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        send: Send,
        turn: &mut Turn<'_>,
    ) {
        let target = self.target(from, session, &send, turn);
        let Some(target) = target.ok().filter(|_| self.is_open(from, &send)) else {
            // Refused for another reason, which has its own answer.
            return self.send(from, session, send, turn);
        };
        match self.policy_on_full_disk(target.address) {
            DiskFullPolicy::Block => {
                self.send(from, session, send, turn);
                turn.events.extend(self.blocks.begin(from, Block::DiskFull));
                self.note_held_by_disk(target.address, turn);
            }
            DiskFullPolicy::Fail => {
                self.abort_upload_of(from, &send, turn);
                let refusal = Refusal::AddressFull(send.message.address.clone());
                self.fail_transaction(from, &send, &refusal);
                self.answer(from, send.ticket, Err(refusal), turn);
            }
            DiskFullPolicy::Drop => {
                self.abort_upload_of(from, &send, turn);
                self.note_dropped(target.address, None, turn);
                self.answer(from, send.ticket, Ok(()), turn);
            }
        }
    }

    pub(crate) fn policy_on_full_disk(&self, address: AddressId) -> DiskFullPolicy {
        let address = self.state.addresses.get(address);
        address
            .and_then(|address| address.settings.disk_full_policy)
            .unwrap_or(DiskFullPolicy::Block)
    }

    /// Whether the transaction of the send, if it has one, exists.
    fn is_open(&self, from: ConnectionId, send: &Send) -> bool {
        let client = self.clients.get(&from);
        send.transaction
            .is_none_or(|id| client.is_some_and(|client| client.transactions.contains_key(&id)))
    }

    /// A transaction that lost one of its messages must not commit the others.
    fn fail_transaction(&mut self, from: ConnectionId, send: &Send, refusal: &Refusal) {
        let client = self.clients.get_mut(&from);
        let open = client
            .zip(send.transaction)
            .and_then(|(client, id)| client.transactions.get_mut(&id));
        if let Some(open) = open {
            open.failed = Some(refusal.clone());
        }
    }

    /// Says that an address drops what is sent to it; once.
    pub(crate) fn note_dropped(&mut self, id: AddressId, fill: Option<Fill>, turn: &mut Turn<'_>) {
        let Some(address) = self.state.addresses.get_mut(id) else {
            return;
        };
        address.dropped += 1;
        if address.dropped == 1 {
            turn.notices.push(Notice::AddressDropping {
                address: address.record.name.clone(),
                fill,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_at_its_value() {
        let table = [
            (Some(90), None, 100, 10, Some(DiskLimit::MaxDiskUsage)),
            (Some(90), None, 100, 11, None),
            (Some(0), None, 100, 100, Some(DiskLimit::MaxDiskUsage)),
            (Some(100), None, 100, 0, Some(DiskLimit::MaxDiskUsage)),
            (Some(90), None, 0, 0, None),
            (Some(90), None, u64::MAX, 0, Some(DiskLimit::MaxDiskUsage)),
            (None, Some(50), 1000, 50, Some(DiskLimit::MinDiskFree)),
            (None, Some(50), 1000, 51, None),
            (None, None, 100, 0, None),
        ];
        for (max_disk_usage, min_disk_free, total, free, reached) in table {
            let settings = Settings {
                max_disk_usage,
                min_disk_free,
                ..Settings::default()
            };
            assert_eq!(settings.reached(total, free), reached, "{free} of {total}");
        }
    }
}
