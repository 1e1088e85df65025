// SPDX-License-Identifier: Apache-2.0
//! Pages that cannot be read: their messages are given up, aloud, and their files kept.

use super::page_cursor::Place;
use super::page_in::Look;
use crate::engine::{Engine, Turn, Unit};
use crate::id::{AddressId, MessageId, PageId, QueueId};
use crate::notice::Notice;
use crate::storage::record::PagePlace;
use crate::storage::request::{PageRequest, Request};

impl Engine {
    /// Messages of a page that cannot be read are given up: said once for each page, and the file is kept.
    pub(super) fn lose(
        &mut self,
        id: QueueId,
        page_id: PageId,
        lost: &[u32],
        what: Option<String>,
        turn: &mut Turn<'_>,
    ) {
        let Some(page) = self.state.pages.get_mut(page_id) else {
            return;
        };
        let share = page.share(id);
        let pending = |index: &&u32| share.is_some_and(|share| share.pending.contains(**index));
        let lost: Vec<u32> = lost.iter().filter(pending).copied().collect();
        let first = !page.damaged && (what.is_some() || !lost.is_empty());
        let address = page.address;
        page.damaged |= first;
        if first {
            turn.storage
                .ask(Request::Page(PageRequest::SetAside(page_id)));
        }
        if first || !lost.is_empty() {
            let what = what.unwrap_or_else(|| "messages are missing".to_owned());
            self.say_damaged(address, page_id, what, lost.len() as u64, turn);
        }
        let mut unit = Unit::new();
        for index in lost {
            let place = PagePlace {
                page: page_id,
                index,
            };
            self.acknowledge_in_page(id, place, MessageId(0), &mut unit, turn);
        }
        self.commit(None, &unit, false, turn);
    }

    fn say_damaged(
        &mut self,
        address: AddressId,
        page: PageId,
        what: String,
        lost: u64,
        turn: &mut Turn<'_>,
    ) {
        let address = self.state.addresses.get(address);
        let address = address.map_or_else(|| "".into(), |address| address.record.name.clone());
        turn.notices.push(Notice::PageDamaged {
            address,
            page,
            what,
            lost,
        });
    }

    /// A part of a page cannot be read; when it has been tried often enough, all behind it is given up.
    pub(crate) fn page_unreadable(
        &mut self,
        page_id: PageId,
        offset: u64,
        why: &str,
        turn: &mut Turn<'_>,
    ) {
        let part = (page_id, offset);
        let read = self.page_work.reads.remove(&part).unwrap_or_default();
        let Some(read) = self.read_again(part, read, why, turn) else {
            return;
        };
        for (id, purpose) in read.readers {
            let place = self.end_read(id, purpose);
            self.page_work.wanting.insert(id);
            let Some(page) = self.state.pages.get(page_id) else {
                continue;
            };
            let from = place.map_or(0, |place| place.index);
            let (end, in_file) = (page.visible(), page.in_file);
            let lost: Vec<u32> = (from..in_file.min(end)).collect();
            self.lose(id, page_id, &lost, Some(why.to_owned()), turn);
            let to = Place {
                page: page_id,
                index: in_file.min(end),
                offset,
            };
            let look = Look {
                queue: id,
                purpose,
                from: place.unwrap_or_default(),
                wall: turn.now.wall,
            };
            self.advance(look, to);
        }
    }
}
