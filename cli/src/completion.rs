// SPDX-License-Identifier: Apache-2.0
//! `completion`: a script that completes commands and flags in a shell.

use crate::failure::Outcome;
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell; the one of the environment variable SHELL, or bash, if none is given.
    #[arg(value_name = "shell")]
    shell: Option<Shell>,
    /// The script or program whose name is completed.
    #[arg(long, default_value = "./artemis")]
    start_script: String,
}

pub fn completion(arguments: &Arguments) -> Outcome {
    let shell = arguments
        .shell
        .or_else(Shell::from_env)
        .unwrap_or(Shell::Bash);
    let path = Path::new(&arguments.start_script);
    let name = path
        .file_name()
        .map_or("artemis".into(), |name| name.to_string_lossy().into_owned());
    let mut script = Vec::new();
    let mut command = crate::arguments::Arguments::command();
    clap_complete::generate(shell, &mut command, name, &mut script);
    crate::terminal::print(&script);
    Ok(())
}
