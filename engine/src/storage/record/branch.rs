// SPDX-License-Identifier: Apache-2.0
//! The first record of a branch.

use super::super::layout::{Reader, Sink};
use crate::storage::Branch;

const FORCED: u8 = 1;

/// The first record of a branch: what an election has to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BranchStart {
    /// Epoch and holder.
    pub branch: Branch,
    /// The broker ids (16 bytes each) that hold everything acknowledged before this record.
    pub in_sync: Vec<[u8; 16]>,
    /// Set by an operator's force.
    pub forced: bool,
}

impl BranchStart {
    pub(super) fn encode(&self, out: &mut impl Sink) {
        out.u64(self.branch.epoch);
        out.u64(self.branch.holder);
        out.u8(if self.forced { FORCED } else { 0 });
        out.count(self.in_sync.len());
        for broker in &self.in_sync {
            out.put(broker);
        }
    }

    pub(super) fn decode(mut from: Reader<'_>) -> Option<Self> {
        let branch = Branch {
            epoch: from.u64()?,
            holder: from.u64()?,
        };
        let forced = from.bits(FORCED)? == FORCED;
        let n = from.count(16)?;
        let mut in_sync = Vec::with_capacity(n);
        for _ in 0..n {
            in_sync.push(from.id()?);
        }
        from.end()?;
        Some(Self {
            branch,
            in_sync,
            forced,
        })
    }
}
