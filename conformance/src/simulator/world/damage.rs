// SPDX-License-Identifier: Apache-2.0
//! What the model is told when a page was damaged: which messages may be lost with it.

use bytes::Bytes;
use hind_engine::storage::page::Entries;
use hind_engine::storage::record::LastAddress;

use super::World;
use crate::simulator::model::Uid;

impl World {
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
