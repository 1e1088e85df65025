// SPDX-License-Identifier: Apache-2.0
//! `run`: reads an instance and serves it until it is told to stop.

mod log;

use crate::failure::{Failure, Outcome};
use crate::instance::{Instance, InstanceArgument};
use crate::variables;
use clap::ValueEnum;
use hind_acceptors::assembly;
use hind_acceptors::broker::{Broker, Ending};
use hind_acceptors::host::entropy;
use hind_acceptors::host::lines::Line;
use hind_acceptors::host::login::Authenticator;
use hind_acceptors::host::login_modules::{Open, RealmAuthenticator};
use hind_config::login_config::LoginConfig;
use hind_config::{Level, Loaded, Settings};
use hind_ha::{Node, Seed};
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
    /// How log lines look.
    #[arg(long, value_name = "format", default_value = "text")]
    pub log_format: LogFormat,
    #[command(flatten)]
    pub instance: InstanceArgument,
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
    let instance = Instance::find(&arguments.instance)?;
    serve(&instance, arguments.configuration.as_deref(), arguments)
}

/// Serves an instance until it ends.
fn serve(instance: &Instance, configuration: Option<&Path>, arguments: &Arguments) -> Outcome {
    let bootstrap = instance.bootstrap(configuration)?;
    let broker_xml = instance.resolve(&bootstrap.configuration);
    let loaded = load(instance, &broker_xml)?;
    let notes = log::install(instance, arguments.log_format == LogFormat::Json)?;
    for note in &bootstrap.notes {
        Line::server_info(format!("bootstrap.xml:{note}")).say();
    }
    for note in notes {
        Line::server_info(format!("log4j2.properties:{note}")).say();
    }
    for note in &loaded.notes {
        match note.level {
            Level::Info => Line::server_info(note.to_string()).say(),
            Level::Warn => Line::server_warn(note.to_string()).say(),
        }
    }
    start(
        instance,
        &loaded.settings,
        &bootstrap.domain,
        arguments.allow_kill,
    )
}

/// broker.xml and what it includes; every error in it on a line of its own.
pub fn load(instance: &Instance, broker_xml: &Path) -> Result<Loaded, Failure> {
    let mut read = |file: &str| std::fs::read_to_string(file).map_err(|error| error.to_string());
    hind_config::load(&broker_xml.to_string_lossy(), &mut read, &|name| {
        variables::variable(instance, name)
    })
    .map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(lines.join("\n"))
    })
}

fn start(instance: &Instance, settings: &Settings, domain: &str, allow_kill: bool) -> Outcome {
    let authenticator = authenticator(instance, settings, domain)?;
    let mut options =
        assembly::options(settings, &instance.directory, authenticator).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::new(lines.join("\n"))
        })?;
    options.marker_directory = Some(instance.etc.clone());
    options.kill_allowed = allow_kill;
    let seed = || entropy::seed().map_err(|error| Failure::new(format!("no randomness: {error}")));
    let seed = Seed(u128::from(seed()?) << 64 | u128::from(seed()?));
    let node = Node::new(settings.node(), seed);
    let broker =
        Broker::start(options, Box::new(node)).map_err(|error| Failure::new(error.to_string()))?;
    match broker.wait() {
        Ending::Stopped => {
            println!("Server stopped!");
            Ok(())
        }
        Ending::Killed => Err(Failure::new("killed by etc/KILL_ME")),
        Ending::Failed => Err(Failure::new("the broker has failed; its log says why")),
    }
}

/// The login modules of the realm that bootstrap.xml names.
fn authenticator(
    instance: &Instance,
    settings: &Settings,
    domain: &str,
) -> Result<Arc<dyn Authenticator>, Failure> {
    if !settings.security.enabled {
        return Ok(Arc::new(Open));
    }
    let path = instance.etc.join("login.config");
    let text =
        std::fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
    let realm = LoginConfig::parse(&text, &|name| variables::variable(instance, name))
        .and_then(|config| config.realm(domain))
        .map_err(|errors| Failure::file(&path, &errors))?;
    let modules = RealmAuthenticator::open(realm, &instance.etc)
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(Arc::new(modules))
}
