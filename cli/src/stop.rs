// SPDX-License-Identifier: Apache-2.0
//! `stop`: asks the running broker to stop by a marker file beside its broker.xml.

use crate::failure::{Failure, Outcome};
use crate::instance::{Instance, InstanceArgument};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The bootstrap file. Default: etc/bootstrap.xml of the instance.
    #[arg(value_name = "configuration")]
    configuration: Option<PathBuf>,
    /// The broker configuration to use instead of the one that bootstrap.xml names.
    #[arg(long)]
    broker: Option<PathBuf>,
    /// Print additional information.
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    instance: InstanceArgument,
}

pub fn stop(arguments: &Arguments) -> Outcome {
    arguments.mark("STOP_ME")
}

impl Arguments {
    /// Writes the marker that the broker looks for in the folder of its broker.xml.
    pub fn mark(&self, marker: &str) -> Outcome {
        let instance = Instance::find(&self.instance)?;
        let broker_xml = match &self.broker {
            Some(path) => path.clone(),
            None => instance.resolve(
                &instance
                    .bootstrap(self.configuration.as_deref())?
                    .configuration,
            ),
        };
        let folder = broker_xml.parent().unwrap_or(Path::new("."));
        let path = folder.join(marker);
        std::fs::write(&path, "").map_err(|error| Failure::io("write", &path, &error))
    }
}
