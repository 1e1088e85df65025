// SPDX-License-Identifier: Apache-2.0
//! How much an address may page: `page-limit-bytes`, `page-limit-messages`, and what becomes of more (manual, chapter
//! Paging, "Page Limits").

use super::settings::PageFullPolicy;
use crate::engine::{Engine, Turn};
use crate::id::AddressId;
use crate::notice::{Notice, PageLimit};

impl Engine {
    /// What is done with more messages if the pages of the address may not grow any more.
    pub(crate) fn page_limit_policy(&self, id: AddressId) -> Option<PageFullPolicy> {
        let full = self.page_work.full.contains(&id);
        let address = self.state.addresses.get(id).filter(|_| full)?;
        address.settings.page_full_policy
    }

    /// Which limit the pages of an address have reached.
    ///
    /// As in Artemis, `page-limit-bytes` allows a whole number of pages, and the one that is too many is begun before
    /// anything is refused; `page-limit-messages` counts those left for the queue that has most. Pages that were closed
    /// early count as the part of a page that they are.
    fn page_limit_reached(&self, id: AddressId) -> Option<PageLimit> {
        let settings = &self.state.addresses.get(id)?.settings;
        settings.page_full_policy?;
        let of = self.state.pages.of(id)?;
        if let Some(limit) = settings.page_limit_bytes {
            let page_size = settings.page_size_bytes.max(1);
            let (pages, pages_max) = (of.bytes.div_ceil(page_size), limit / page_size);
            if pages > pages_max {
                return Some(PageLimit::Bytes {
                    pages,
                    pages_max,
                    limit,
                    page_size,
                });
            }
        }
        let limit = settings.page_limit_messages?;
        let (queue, messages) = of.queues.iter().max_by_key(|(_, messages)| **messages)?;
        let queue = self.state.queues.get(*queue)?;
        (*messages >= limit).then(|| PageLimit::Messages {
            queue: queue.name().clone(),
            messages: *messages,
            limit,
        })
    }

    /// Something has come to a page of the address: it may be the last that may.
    pub(crate) fn look_at_page_limit(&mut self, id: AddressId, turn: &mut Turn<'_>) {
        if self.page_work.full.contains(&id) {
            return;
        }
        if let Some(limit) = self.page_limit_reached(id)
            && let Some(address) = self.state.addresses.get(id)
        {
            self.page_work.full.insert(id);
            let address = address.record.name.clone();
            turn.notices
                .push(Notice::PageLimitReached { address, limit });
        }
    }

    /// End of a turn: addresses that have settled enough may page again.
    pub(crate) fn release_page_limits(&mut self, turn: &mut Turn<'_>) {
        let full = self.page_work.full.iter().copied();
        let free: Vec<AddressId> = full
            .filter(|id| self.page_limit_reached(*id).is_none())
            .collect();
        for id in free {
            self.page_work.full.remove(&id);
            if let Some(address) = self.state.addresses.get(id) {
                let address = address.record.name.clone();
                turn.notices.push(Notice::PageLimitReleased { address });
            }
        }
    }
}
