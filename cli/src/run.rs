// SPDX-License-Identifier: Apache-2.0
//! `run`: reads an instance and serves it until it is told to stop.

mod log;

use crate::configuration::{Configuration, Overrides, Remark};
use crate::failure::{Failure, Outcome};
use crate::instance::{Instance, InstanceArgument};
use crate::say;
use clap::ValueEnum;
use hind_acceptors::assembly;
use hind_acceptors::broker::{Broker, Ending};
use hind_acceptors::host::lines::Line;
use hind_acceptors::host::login::Authenticator;
use hind_acceptors::host::login_modules::{Open, RealmAuthenticator};
use hind_config::Level;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The bootstrap file. Default: etc/bootstrap.xml of the instance.
    #[arg(value_name = "configuration")]
    pub configuration: Option<PathBuf>,
    /// Let `kill` end this broker at once.
    #[arg(long)]
    pub allow_kill: bool,
    /// Check the configuration as `check config` does, and do not run.
    #[arg(long)]
    pub check: bool,
    /// How log lines look.
    #[arg(long, value_name = "format", default_value = "text")]
    pub log_format: LogFormat,
    #[command(flatten)]
    pub folders: FolderArguments,
    /// A file of broker properties. Not built yet.
    #[arg(long)]
    pub properties: Option<PathBuf>,
    /// Print additional information.
    #[arg(long)]
    pub verbose: bool,
    #[command(flatten)]
    pub instance: InstanceArgument,
}

/// What is used in the place of the values of bootstrap.xml and broker.xml.
#[derive(Debug, clap::Args)]
pub struct FolderArguments {
    /// The broker configuration to use instead of the one that bootstrap.xml names.
    #[arg(long)]
    broker: Option<PathBuf>,
    /// The folder used for bindings. Default: read from broker.xml.
    #[arg(long)]
    bindings: Option<PathBuf>,
    /// The folder used for messages. Default: read from broker.xml.
    #[arg(long)]
    journal: Option<PathBuf>,
    /// The folder used for large messages. Default: read from broker.xml.
    #[arg(long)]
    large_messages: Option<PathBuf>,
    /// The folder used for paged messages. Default: read from broker.xml.
    #[arg(long)]
    paging: Option<PathBuf>,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// As log4j writes them.
    Text,
    /// One JSON object a line.
    Json,
}

pub fn run(arguments: &Arguments) -> Outcome {
    if let Some(properties) = &arguments.properties {
        return Err(Failure::new(format!(
            "--properties {}: broker properties are not built yet, and what they say would be lost",
            properties.display()
        )));
    }
    let instance = Instance::find(&arguments.instance)?;
    let overrides = Overrides {
        bootstrap: arguments.configuration.as_deref(),
        broker_xml: arguments.folders.broker.as_deref(),
    };
    let mut configuration = Configuration::load(&instance, overrides)
        .map_err(|problems| Failure::remarks(&problems))?;
    if arguments.check {
        say!("{}: valid", configuration.broker_xml.display());
        return Ok(());
    }
    arguments.folders.put_in(&mut configuration)?;
    log::install(
        &instance,
        &configuration.log,
        arguments.log_format == LogFormat::Json,
    )?;
    configuration.remarks.iter().for_each(log_remark);
    serve(&instance, &configuration, arguments.allow_kill)
}

impl FolderArguments {
    /// A relative folder is seen from where the command was given.
    fn put_in(&self, configuration: &mut Configuration) -> Outcome {
        let paths = &mut configuration.loaded.settings.paths;
        let folders = [
            (&self.bindings, &mut paths.bindings),
            (&self.journal, &mut paths.journal),
            (&self.large_messages, &mut paths.large_messages),
            (&self.paging, &mut paths.paging),
        ];
        for (given, folder) in folders {
            if let Some(given) = given {
                let absolute = std::path::absolute(given)
                    .map_err(|error| Failure::io("find", given, &error))?;
                *folder = absolute.to_string_lossy().into_owned();
            }
        }
        Ok(())
    }
}

fn log_remark(remark: &Remark) {
    match remark.level {
        Level::Info => Line::server_info(remark.to_string()).say(),
        Level::Warn => Line::server_warn(remark.to_string()).say(),
    }
}

/// Serves an instance until it ends.
fn serve(instance: &Instance, configuration: &Configuration, allow_kill: bool) -> Outcome {
    let settings = &configuration.loaded.settings;
    let authenticator = authenticator(instance, configuration)?;
    let mut options =
        assembly::options(settings, &instance.directory, authenticator).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::new(lines.join("\n"))
        })?;
    let folder = configuration.broker_xml.parent().unwrap_or(Path::new("."));
    options.marker_directory = Some(folder.to_path_buf());
    options.kill_allowed = allow_kill;
    let node = assembly::node(settings)
        .map_err(|error| Failure::new(format!("no randomness: {error}")))?;
    let broker = Broker::start(options, node).map_err(|error| Failure::new(error.to_string()))?;
    match broker.wait() {
        Ending::Stopped => {
            say!("Server stopped!");
            Ok(())
        }
        Ending::Killed => Err(Failure::new("killed by etc/KILL_ME")),
        Ending::Failed => Err(Failure::new("the broker has failed; its log says why")),
    }
}

/// The login modules of the realm that bootstrap.xml names.
fn authenticator(
    instance: &Instance,
    configuration: &Configuration,
) -> Result<Arc<dyn Authenticator>, Failure> {
    let Some(realm) = configuration.realm.clone() else {
        return Ok(Arc::new(Open));
    };
    let modules = RealmAuthenticator::open(realm, &instance.etc)
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(Arc::new(modules))
}
