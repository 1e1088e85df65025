// SPDX-License-Identifier: Apache-2.0
//! `run`: reads an instance and serves it until it is told to stop.

use crate::failure::{Failure, Outcome};
use crate::instance::{Instance, InstanceArgument};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The bootstrap file. Default: etc/bootstrap.xml of the instance.
    #[arg(value_name = "configuration")]
    pub configuration: Option<PathBuf>,
    /// Let `kill` end this broker at once.
    #[arg(long)]
    pub allow_kill: bool,
    #[command(flatten)]
    pub instance: InstanceArgument,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let instance = Instance::find(&arguments.instance)?;
    let _bootstrap = instance.bootstrap(arguments.configuration.as_deref())?;
    Err(Failure::new("run: not wired"))
}
