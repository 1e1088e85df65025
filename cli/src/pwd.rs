// SPDX-License-Identifier: Apache-2.0
//! `pwd`: the folders that commands work on, in a box.

use crate::failure::Outcome;
use crate::instance::{self, Instance};
use crate::say;

pub fn pwd() -> Outcome {
    let current = std::env::current_dir().unwrap_or_default();
    let mut lines = Vec::new();
    if let Some(directory) = instance::from_environment() {
        let instance = Instance::at(&directory)?;
        lines.push(format!(
            "* Artemis instance:: {}",
            instance.directory.display()
        ));
        lines.push(format!("* Home:: {}", instance::home().display()));
        lines.push(format!("* etc:: {}", instance.etc.display()));
    } else {
        lines.push(format!("* Home:: {}", instance::home().display()));
    }
    lines.push(format!("* Current dir:{}", current.display()));
    let edge = "*".repeat(
        lines
            .iter()
            .map(|line| line.chars().count())
            .max()
            .unwrap_or(0)
            .max(80),
    );
    say!("\n{edge}\n{}\n{edge}\n", lines.join("\n"));
    Ok(())
}
