// SPDX-License-Identifier: Apache-2.0
//! The marker files by which Artemis's scripts ask a broker to end: `STOP_ME` and `KILL_ME` in the instance's `etc`.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// How often the directory is looked at.
pub const PERIOD: Duration = Duration::from_millis(500);

/// What a marker asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marker {
    /// Stop in order.
    Stop,
    /// End at once.
    Kill,
}

/// Looks for a marker and removes it. Left-overs of the last run are removed by looking once before the start.
/// `KILL_ME` is obeyed only if that is allowed, and left alone otherwise.
pub fn look(directory: &Path, kill_allowed: bool) -> Option<Marker> {
    let found = |name| fs::remove_file(directory.join(name)).is_ok();
    if kill_allowed && found("KILL_ME") {
        Some(Marker::Kill)
    } else if found("STOP_ME") {
        Some(Marker::Stop)
    } else {
        None
    }
}
