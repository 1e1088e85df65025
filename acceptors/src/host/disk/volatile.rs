// SPDX-License-Identifier: Apache-2.0
//! The disk of a broker that keeps nothing (`persistence-enabled` is false).

use std::sync::Arc;

use bytes::Bytes;
use hind_engine::storage::request::{Completion, Request};

use super::bulk::BulkQueue;

/// Answers every request at once and forgets what it was given, `node.state` excepted. Pages and large messages go to
/// files all the same: they are there because they do not fit in memory.
#[derive(Debug, Default)]
pub struct VolatileDisk {
    state: Option<Bytes>,
    bulk: Arc<BulkQueue>,
}

impl VolatileDisk {
    /// Leaves pages and large messages to the thread behind `bulk`.
    pub fn new(bulk: Arc<BulkQueue>) -> Self {
        Self { state: None, bulk }
    }

    /// The answer to one request, if it has one now.
    pub fn execute(&mut self, request: Request) -> Option<Completion> {
        match request {
            Request::Batch(batch) => Some(Completion::Stored(batch.end)),
            Request::Release(_) => None,
            Request::WriteState(state) => {
                self.state = Some(state);
                Some(Completion::StateWritten)
            }
            Request::ReadState => Some(Completion::State(self.state.clone())),
            Request::ListSegments => Some(Completion::Segments(Vec::new())),
            Request::ReadSegment(segment) => Some(Completion::Failed(format!(
                "segment {} was never kept: persistence is off",
                segment.0
            ))),
            Request::SyncAll => Some(Completion::Synced),
            Request::Page(_) | Request::Large(_) => {
                self.bulk.push(request);
                None
            }
        }
    }
}
