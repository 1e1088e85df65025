// SPDX-License-Identifier: Apache-2.0
//! `kill`: ends a broker started with `run --allow-kill` at once, as a crash would.

use crate::failure::Outcome;
use crate::stop;

/// Where the broker is, is said as for `stop`.
pub type Arguments = stop::Arguments;

pub fn kill(arguments: &Arguments) -> Outcome {
    arguments.mark("KILL_ME")
}
