// SPDX-License-Identifier: Apache-2.0
//! `check config`: whether a configuration may start, said without starting it.

use crate::configuration::{self, Configuration, Overrides, Remark};
use crate::failure::{Failure, Outcome};
use crate::instance::{self, Instance};
use crate::{json, say};
use hind_acceptors::global_max_size::GlobalMaxSize;
use hind_config::{Effective, Level};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check an instance's configuration without starting it. Exit status 0 if it may start, 1 if not.
    Config(ConfigArguments),
}

#[derive(Debug, clap::Args)]
pub struct ConfigArguments {
    /// An instance's directory, or a broker.xml. Default: the instance whose bin/artemis was started.
    #[arg(value_name = "directory|file")]
    path: Option<PathBuf>,
    /// Print every value in force, and where it comes from.
    #[arg(long)]
    print_effective: bool,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was found: without errors the configuration may start.
#[derive(Default)]
struct Report {
    errors: Vec<Remark>,
    notes: Vec<Remark>,
    effective: Vec<Effective>,
}

pub fn check(command: &Command) -> Outcome {
    let Command::Config(arguments) = command;
    let path = arguments.path.clone().or_else(instance::from_environment);
    let path =
        path.ok_or_else(|| Failure::new("Missing required parameter: '<directory|file>'"))?;
    let report = Report::of(&path)?;
    if arguments.json {
        say!("{}", report.json(arguments.print_effective));
        return if report.errors.is_empty() {
            Ok(())
        } else {
            Err(Failure::silent())
        };
    }
    for note in &report.notes {
        say!("{}: {note}", word(note.level));
    }
    if arguments.print_effective {
        for value in &report.effective {
            say!("{} = {}  ({})", value.name, value.value, value.origin);
        }
    }
    if report.errors.is_empty() {
        say!("{}: valid", path.display());
        return Ok(());
    }
    let mut lines: Vec<String> = report
        .errors
        .iter()
        .map(|error| format!("error: {error}"))
        .collect();
    let count = lines.len();
    lines.push(format!(
        "{}: {count} error{}",
        path.display(),
        if count == 1 { "" } else { "s" }
    ));
    Err(Failure::new(lines.join("\n")))
}

impl Report {
    fn of(path: &Path) -> Result<Self, Failure> {
        let result = if path.is_dir() {
            let instance = Instance::at(path)?;
            Configuration::load(&instance, Overrides::default())
                .map(|configuration| (configuration.loaded, configuration.remarks))
        } else {
            configuration::broker(None, path).map(|loaded| {
                let notes = loaded.notes.iter().map(Remark::of_note).collect();
                (loaded, notes)
            })
        };
        Ok(match result {
            Ok((loaded, notes)) => Self {
                errors: Vec::new(),
                notes,
                effective: GlobalMaxSize::of(&loaded.settings).effective(&loaded.settings),
            },
            Err(errors) => Self {
                errors,
                ..Self::default()
            },
        })
    }

    fn json(&self, with_effective: bool) -> String {
        let errors = json::list(self.errors.iter().map(|error| json::object(&place(error))));
        let notes = self.notes.iter().map(|note| {
            let mut fields = place(note);
            fields.push(("level", json::string(word(note.level))));
            json::object(&fields)
        });
        let mut fields = vec![
            ("valid", self.errors.is_empty().to_string()),
            ("errors", errors),
            ("notes", json::list(notes)),
        ];
        if with_effective {
            let values = self.effective.iter().map(|value| {
                json::object(&[
                    ("name", json::string(&value.name)),
                    ("value", json::string(&value.value)),
                    ("origin", json::string(&value.origin.to_string())),
                ])
            });
            fields.push(("effective", json::list(values)));
        }
        json::object(&fields)
    }
}

fn place(remark: &Remark) -> Vec<(&'static str, String)> {
    vec![
        ("file", json::string(&remark.file)),
        ("line", remark.line.to_string()),
        ("column", remark.column.to_string()),
        ("element", json::string(&remark.element)),
        ("message", json::string(&remark.text)),
    ]
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warn => "warn",
    }
}
