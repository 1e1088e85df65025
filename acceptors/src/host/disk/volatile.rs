// SPDX-License-Identifier: Apache-2.0
//! The disk of a broker that keeps nothing (`persistence-enabled` is false).

use bytes::Bytes;
use hind_engine::storage::request::{Completion, Request};

/// Answers every request at once and forgets what it was given, `node.state` excepted.
#[derive(Debug, Default)]
pub struct VolatileDisk {
    state: Option<Bytes>,
}

impl VolatileDisk {
    /// The answer to one request, if it has one.
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
                unreachable!("these go to the thread for bulk")
            }
        }
    }
}
