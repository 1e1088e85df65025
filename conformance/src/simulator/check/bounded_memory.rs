// SPDX-License-Identifier: Apache-2.0
//! What the broker remembers is bounded by what it was given: its ledgers are the sums they claim to be, and at rest
//! nothing is left of what is over.

use super::Violation;
use crate::simulator::node::Process;

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

/// Every queue has been drained and every client has left.
///
/// # Errors
/// Something is left, or the log holds more than twice what lives plus two segments.
///
/// # Panics
/// If an invariant of the engine's own ledgers does not hold.
pub fn at_rest(process: &Process) -> Result<(), Violation> {
    at_any_time(process)?;
    let node = process.node();
    let engine = node.engine();
    if engine.client_count() > 0 {
        return broken(format!("{} clients are remembered", engine.client_count()));
    }
    if engine.state().logged_messages() > 0 {
        return broken(format!(
            "{} messages are left in the log",
            engine.state().logged_messages()
        ));
    }
    Ok(())
}

fn broken(what: String) -> Result<(), Violation> {
    Err(Violation::new("bounded_memory", what))
}
