// SPDX-License-Identifier: Apache-2.0
//! `version`: what runs, where it is installed, which instance it serves.

use crate::failure::Outcome;
use crate::instance;
use crate::say;
use hind_acceptors::assembly::COMPATIBLE_WITH;

pub fn version() -> Outcome {
    let instance = instance::from_environment();
    let instance = instance.map_or("null".to_owned(), |path| path.display().to_string());
    say!("{}", name());
    say!("ActiveMQ Artemis home: {}", instance::home().display());
    say!("ActiveMQ Artemis instance: {instance}");
    Ok(())
}

/// One line that names both.
pub fn name() -> String {
    format!(
        "Hind {} (compatible with Apache ActiveMQ Artemis {COMPATIBLE_WITH})",
        env!("CARGO_PKG_VERSION")
    )
}
