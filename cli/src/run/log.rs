// SPDX-License-Identifier: Apache-2.0
//! The log as the instance's log4j2.properties wants it.

use crate::failure::{Failure, Outcome};
use crate::instance::Instance;
use hind_acceptors::host::log::{self, LevelFilter, LogOptions};
use hind_config::log4j2::{Appender, Level, LogSettings, Target};

/// Installs the log. Only the root logger's appenders are written to.
pub fn install(instance: &Instance, settings: &LogSettings, json: bool) -> Outcome {
    let mut options = LogOptions {
        json,
        root: settings.root.level.map_or(LevelFilter::ERROR, filter),
        levels: levels(settings),
        stdout: false,
        ..LogOptions::default()
    };
    let of_root = |appender: &&Appender| settings.root.appenders.contains(&appender.name);
    for appender in settings.appenders.iter().filter(of_root) {
        match &appender.target {
            Target::Stdout | Target::Stderr => options.stdout = true,
            Target::File { path, .. } => options.file = Some(instance.resolve(path)),
        }
    }
    log::install(options)
        .map_err(|error| Failure::new(format!("the log cannot be written: {error}")))
}

fn levels(settings: &LogSettings) -> Vec<(String, LevelFilter)> {
    let with_level = settings
        .loggers
        .iter()
        .filter_map(|logger| Some((logger.name.clone(), filter(logger.level?))));
    with_level.collect()
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Fatal | Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace | Level::All => LevelFilter::TRACE,
    }
}
