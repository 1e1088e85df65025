// SPDX-License-Identifier: Apache-2.0
//! State is a fold over records: whoever reads the log gets what whoever wrote it has, however often it is read, and a
//! record that is applied twice changes nothing the second time.

use hind_engine::engine::Engine;
use hind_engine::state::State;
use hind_engine::storage::request::{Completion, Request};
use hind_engine::storage::{Replay, Storage};
use hind_ha::Node;

use super::Violation;
use crate::simulator::disk::Disk;
use crate::simulator::limits::Limits;
use crate::simulator::settings;

/// What is live is what the log says, and the log says the same twice.
///
/// # Errors
/// It does not.
pub fn live_is_log(live: &Node, disk: &mut Disk, limits: Option<&Limits>) -> Result<(), Violation> {
    let live = live.engine().state();
    for times in [1, 2] {
        let folded = fold(disk, times, limits)?;
        if folded.state().durable_digest() != live.durable_digest() {
            let difference = difference(live, folded.state());
            let what = format!("with every record applied {times}×, {difference}");
            return Err(Violation::new("fold", what));
        }
    }
    Ok(())
}

/// The first thing two states disagree on, in words.
fn difference(live: &State, folded: &State) -> String {
    let (live, folded) = (lines(live), lines(folded));
    let only = |these: &[String], those: &[String]| {
        these.iter().find(|line| !those.contains(line)).cloned()
    };
    let (live, folded) = (only(&live, &folded), only(&folded, &live));
    format!("live has {live:?}, the log has {folded:?}")
}

/// What is durable, one thing a line.
fn lines(state: &State) -> Vec<String> {
    let mut lines: Vec<String> = state
        .addresses
        .iter()
        .map(|address| format!("{:?}", address.record))
        .collect();
    for queue in state.queues.iter().filter(|queue| queue.durable) {
        lines.push(format!("{:?}", queue.record));
        let name = &queue.record.name;
        for (id, entry) in queue.sorted() {
            if entry.paged.is_none() && queue.logs(&entry.message) {
                let (attempts, scheduled) = (entry.attempts, entry.scheduled);
                lines.push(format!(
                    "{name} {id} attempts {attempts} scheduled {scheduled}"
                ));
            }
        }
    }
    lines.extend(state.page_lines());
    for (address, age, id) in state.duplicates.iter() {
        lines.push(format!("{address} {age} {id:?}"));
    }
    lines
}

/// What the log on this disk says, with each record applied so many `times` in a row.
fn fold(disk: &mut Disk, times: u32, limits: Option<&Limits>) -> Result<Engine, Violation> {
    let mut engine = Engine::new(settings::node(limits).engine, 0);
    let mut replay = Replay::new(disk.files().map(|(segment, _)| segment).collect());
    while let Some(segment) = replay.next_segment() {
        for completion in disk.serve(Request::ReadSegment(segment)) {
            let Completion::Segment(segment, content) = completion else {
                continue;
            };
            let read = replay.segment(segment, content, &mut |live, _, record| {
                (0..times).for_each(|_| engine.replay(&record, live));
            });
            read.map_err(|damage| Violation::new("fold", damage.to_string()))?;
        }
    }
    let mut storage = Storage::new(settings::node(limits).journal);
    let finished = replay.finish(&mut storage);
    finished.map_err(|damage| Violation::new("fold", damage.to_string()))?;
    engine.replayed(storage.live());
    Ok(engine)
}
