// SPDX-License-Identifier: Apache-2.0
//! At rest there is a file for each large body that a message on a queue has, and no other.

use std::collections::BTreeSet;

use hind_engine::id::LargeId;

use super::Violation;
use crate::simulator::disk::Disk;
use crate::simulator::disk::bulk::Name;
use crate::simulator::node::Process;

/// Every client has left and the disk has nothing to do. How many files there are.
///
/// # Errors
/// A file is missing or left over, or the engine counts bodies that nobody has.
pub fn at_rest(process: &Process, disk: &Disk) -> Result<u64, Violation> {
    let engine = process.node().engine();
    let on_queues = engine.state().queues.iter();
    let on_queues = on_queues.flat_map(|queue| queue.sorted());
    let needed: BTreeSet<LargeId> = on_queues
        .filter_map(|(_, entry)| entry.message.body.large())
        .map(|body| body.id)
        .collect();
    let counted = engine.state().large_bodies();
    if !counted.is_superset(&needed) || (engine.state().pages.is_empty() && counted != needed) {
        return broken(format!(
            "messages need {needed:?}, the engine keeps {counted:?}"
        ));
    }
    let files: BTreeSet<LargeId> = disk
        .bulk
        .files()
        .filter_map(|(name, _)| match name {
            Name::Body(body) => Some(body),
            Name::Page(_) => None,
        })
        .collect();
    if files != counted {
        return broken(format!("there are {files:?}, messages need {counted:?}"));
    }
    if engine.large_backlog() > 0 {
        let backlog = engine.large_backlog();
        return broken(format!("{backlog} bytes of bodies count as not written"));
    }
    Ok(files.len() as u64)
}

fn broken(what: String) -> Result<u64, Violation> {
    Err(Violation::new("large_files", what))
}
