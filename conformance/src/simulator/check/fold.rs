// SPDX-License-Identifier: Apache-2.0
//! State is a fold over records: whoever reads the log gets what whoever wrote it has, however often it is read, and a
//! record that is applied twice changes nothing the second time.

use hind_engine::engine::Engine;
use hind_engine::storage::Replay;
use hind_engine::storage::request::{Completion, Request};
use hind_ha::Node;

use super::Violation;
use crate::simulator::disk::Disk;
use crate::simulator::settings;

/// What is live is what the log says, and the log says the same twice.
///
/// # Errors
/// It does not.
pub fn live_is_log(live: &Node, disk: &mut Disk) -> Result<(), Violation> {
    let live = live.engine().state().durable_digest();
    let once = fold(disk, 1)?;
    let twice = fold(disk, 2)?;
    if live == once && once == twice {
        return Ok(());
    }
    let what =
        format!("live {live:016x}, replayed {once:016x}, every record applied twice {twice:016x}");
    Err(Violation::new("fold", what))
}

/// What the log on this disk says, with each record applied so many `times` in a row.
fn fold(disk: &mut Disk, times: u32) -> Result<u64, Violation> {
    let mut engine = Engine::new(settings::node().engine, 0);
    let mut replay = Replay::new(disk.files().map(|(segment, _)| segment).collect());
    while let Some(segment) = replay.next_segment() {
        for completion in disk.serve(Request::ReadSegment(segment)) {
            let Completion::Segment(segment, bytes) = completion else {
                continue;
            };
            let read = replay.segment(segment, &bytes, &mut |live, _, record| {
                (0..times).for_each(|_| engine.replay(&record, live));
            });
            read.map_err(|damage| Violation::new("fold", damage.to_string()))?;
        }
    }
    Ok(engine.state().durable_digest())
}
