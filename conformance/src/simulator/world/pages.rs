// SPDX-License-Identifier: Apache-2.0
//! What the world sees of pages: what is asked of them, and which messages may be lost when one was damaged.

use bytes::Bytes;
use hind_engine::id::PageId;
use hind_engine::storage::page::Entries;
use hind_engine::storage::record::LastAddress;
use hind_engine::storage::request::{PageRequest, Request};

use super::World;
use crate::simulator::disk::bulk::Name;
use crate::simulator::model::Uid;

impl World {
    /// What is asked of pages, for the trace.
    pub(super) fn trace_page(&mut self, request: &Request) {
        let Request::Page(request) = request else {
            return;
        };
        let (what, page, of) = match request {
            PageRequest::Append {
                page,
                offset,
                pieces,
            } => {
                let bytes: usize = pieces.iter().map(Bytes::len).sum();
                ("page.append", *page, (*offset, bytes as u64))
            }
            PageRequest::Seal(page) => ("page.seal", *page, (0, 0)),
            PageRequest::Read {
                page,
                offset,
                length,
            } => ("page.read", *page, (*offset, u64::from(*length))),
            PageRequest::Delete(page) => ("page.delete", *page, (0, 0)),
            PageRequest::SetAside(page) => ("page.set_aside", *page, (0, 0)),
            PageRequest::List => ("page.list", PageId(0), (0, 0)),
        };
        self.counters.hit(what);
        self.trace.line(
            self.now,
            format_args!("node"),
            format_args!("{what} {page} {of:?}"),
        );
    }

    /// A planted bug: files go that the log may still need after a crash.
    pub(super) fn delete_pages_early(&mut self) {
        let Some(process) = self.process.as_ref().filter(|_| self.open) else {
            return;
        };
        let pages = &process.node().engine().state().pages;
        let done = |(name, sealed)| match name {
            Name::Page(page) if sealed && pages.get(page).is_none() => Some(page),
            _ => None,
        };
        let done: Vec<PageId> = self.disk.bulk.files().filter_map(done).collect();
        for page in done {
            self.disk.serve(Request::Page(PageRequest::Delete(page)));
        }
    }

    /// Pages that were damaged just now may lose the messages that were in them, and no others.
    pub(super) fn account_for_damage(&mut self) {
        for (page, content) in self.disk.bulk.take_before_damage() {
            let Some(state) = self.process.as_ref().map(|it| it.node().engine().state()) else {
                continue;
            };
            let address = state.pages.get(page).map(|page| page.address);
            let Some(address) = address.and_then(|id| state.addresses.get(id)) else {
                continue;
            };
            let chunk = Bytes::from(content);
            let mut addresses = LastAddress::default();
            for entry in Entries::new(page, 0, &chunk, true) {
                let record = entry.decode(&mut addresses);
                let uid = record.and_then(|it| it.message.properties.text("uid")?.parse().ok());
                if let Some(uid) = uid {
                    self.model.damaged(Uid(uid), &address.record.name);
                }
            }
        }
    }
}
