// SPDX-License-Identifier: Apache-2.0
//! The log as the instance's log4j2.properties wants it.

use crate::failure::Failure;
use crate::instance::Instance;
use crate::variables;
use hind_acceptors::host::log::{self, LevelFilter, LogOptions};
use hind_config::file_error::FileError;
use hind_config::log4j2::{Level, LogSettings, Target};

/// Installs the log; returns what in the file has no effect.
pub fn install(instance: &Instance, json: bool) -> Result<Vec<FileError>, Failure> {
    let path = instance.etc.join("log4j2.properties");
    let mut options = LogOptions {
        json,
        ..LogOptions::default()
    };
    let mut notes = Vec::new();
    if path.is_file() {
        let text =
            std::fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
        let settings = LogSettings::parse(&text, &|name| lookup(instance, name))
            .map_err(|errors| Failure::file(&path, &errors))?;
        options.root = settings.root.level.map_or(LevelFilter::ERROR, filter);
        options.levels = levels(&settings);
        options.stdout = false;
        for appender in settings
            .appenders
            .iter()
            .filter(|appender| settings.root.appenders.contains(&appender.name))
        {
            match &appender.target {
                Target::Stdout | Target::Stderr => options.stdout = true,
                Target::File { path, .. } => options.file = Some(instance.resolve(path)),
            }
        }
        notes = settings.notes;
    }
    log::install(options)
        .map_err(|error| Failure::new(format!("the log cannot be written: {error}")))?;
    Ok(notes)
}

/// Log4j names the place a value is looked up in: system properties or the environment.
fn lookup(instance: &Instance, name: &str) -> Option<String> {
    match name.split_once(':') {
        Some(("sys", name)) => variables::variable(instance, name),
        Some(("env", name)) => std::env::var(name).ok(),
        Some(_) => None,
        None => variables::variable(instance, name),
    }
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
