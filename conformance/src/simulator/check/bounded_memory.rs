// SPDX-License-Identifier: Apache-2.0
//! What the broker remembers is bounded by what it was given: its ledgers are the sums they claim to be, and at rest
//! nothing is left of what is over.

use super::Violation;
use crate::simulator::disk::Disk;
use crate::simulator::disk::bulk::Name;
use crate::simulator::model::{Kind, Model};
use crate::simulator::node::Process;
use crate::simulator::settings;

/// Things the gate may hold when everything appended is stored: none.
///
/// # Errors
/// Something waits for what has already happened.
///
/// # Panics
/// If an invariant of the engine's own ledgers does not hold.
pub fn at_any_time(process: &Process) -> Result<(), Violation> {
    let node = process.node();
    node.engine().state().check();
    let waiting = node.engine().gate().waiting();
    if waiting > 0 {
        return broken(format!("{waiting} things wait at an open gate"));
    }
    if node.storage().backlog() > 0 {
        return broken(format!(
            "{} bytes count as not stored",
            node.storage().backlog()
        ));
    }
    Ok(())
}

/// Segments the log may hold beyond twice what lives: the one being written, and the one being cleaned.
const SEGMENTS_SPARE: u64 = 2;

/// Every queue that certainly exists has been drained and every client has left.
///
/// # Errors
/// Something is left, or the log takes more room than it may.
///
/// # Panics
/// If an invariant of the engine's own ledgers does not hold.
pub fn at_rest(process: &Process, model: &Model, disk: &Disk) -> Result<(), Violation> {
    at_any_time(process)?;
    let engine = process.node().engine();
    if engine.client_count() > 0 {
        return broken(format!("{} clients are remembered", engine.client_count()));
    }
    let in_doubt = |name: &str| {
        let place = model.place_named(name).map(|place| &model.places[place.0]);
        place.is_some_and(|place| place.kind == Kind::Durable && !place.is_subscribed())
    };
    for queue in engine
        .state()
        .queues
        .iter()
        .filter(|queue| !in_doubt(queue.name()))
    {
        let left = engine.state().message_count(queue.id());
        if queue.temporary || !queue.is_empty() || left > 0 {
            return broken(format!(
                "{} still exists with {left} messages, {} of them in memory: {:?}",
                queue.name(),
                queue.len(),
                queue.cursor
            ));
        }
    }
    pages_at_rest(process, disk, in_doubt)?;
    let footprint = process.node().storage().footprint();
    let bound = 2 * footprint.live_bytes + SEGMENTS_SPARE * settings::SEGMENT as u64;
    if footprint.total_bytes > bound {
        return broken(format!(
            "the log takes more than {bound} bytes: {footprint:?}"
        ));
    }
    Ok(())
}

/// No page is kept that nothing is left in, except for queues that may have anything; no file without its page, unless it
/// was set aside.
fn pages_at_rest(
    process: &Process,
    disk: &Disk,
    in_doubt: impl Fn(&str) -> bool,
) -> Result<(), Violation> {
    let engine = process.node().engine();
    let state = engine.state();
    for (id, page) in state.pages.iter() {
        let wanted = page.shares().any(|(queue, share)| {
            let queue = state.queues.get(*queue);
            !share.pending.is_empty() && queue.is_some_and(|queue| in_doubt(queue.name()))
        });
        if !wanted {
            return broken(format!("page {id} is left of {:?}", page.address));
        }
    }
    for (name, _) in disk.bulk.files() {
        if let Name::Page(id) = name
            && !disk.bulk.is_aside(name)
            && state.pages.get(id).is_none()
        {
            return broken(format!("the file of page {id} is left"));
        }
    }
    if engine.pages_under_way() > 0 {
        let bytes = engine.pages_under_way();
        return broken(format!("{bytes} bytes count as not written to pages"));
    }
    Ok(())
}

fn broken(what: String) -> Result<(), Violation> {
    Err(Violation::new("bounded_memory", what))
}
