// SPDX-License-Identifier: Apache-2.0
//! An entry of the duplicate-id cache.

use std::sync::Arc;

use bytes::Bytes;

use super::super::layout::{Reader, Sink};

/// An entry of the duplicate-id cache.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DuplicateIdRecord {
    /// The address.
    pub address: Arc<str>,
    /// The id as the client gave it.
    pub id: Bytes,
    /// Its place in the cache: the id of the message that carried it.
    pub sequence: u64,
}

impl DuplicateIdRecord {
    pub(super) fn encode(&self, out: &mut impl Sink) {
        out.u64(self.sequence);
        out.text(&self.address);
        out.block(&self.id);
    }

    pub(super) fn decode(mut from: Reader<'_>) -> Option<Self> {
        let sequence = from.u64()?;
        let address = from.shared_text()?;
        let id = Bytes::copy_from_slice(from.block()?);
        from.end()?;
        Some(Self {
            address,
            id,
            sequence,
        })
    }
}
