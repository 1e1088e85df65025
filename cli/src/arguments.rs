// SPDX-License-Identifier: Apache-2.0
//! The command line: names, flags and the texts of mistakes are those of the `artemis` command.

use crate::{check, completion, create, kill, man, mask, perf_journal, run, stop, user};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;

/// The message broker that takes over from Apache ActiveMQ Artemis where it stands.
#[derive(Debug, Parser)]
#[command(
    name = "hind",
    disable_version_flag = true,
    subcommand_required = false
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a new broker instance.
    Create(Box<create::Arguments>),
    /// Run the broker.
    Run(run::Arguments),
    /// Stop the broker.
    Stop(stop::Arguments),
    /// Kill a broker started with --allow-kill.
    Kill(kill::Arguments),
    /// File-based user management.
    #[command(subcommand)]
    User(user::Command),
    /// Check a configuration.
    #[command(subcommand)]
    Check(check::Command),
    /// Mask a password and print it out.
    Mask(mask::Arguments),
    /// Measure how fast this disk makes journal writes durable.
    PerfJournal(perf_journal::Arguments),
    /// Print version information.
    Version(Plain),
    /// Print the current folder and instance.
    Pwd(Plain),
    /// Print the script that completes commands in a shell.
    #[command(alias = "auto-complete")]
    Completion(completion::Arguments),
    /// Print the manual page.
    #[command(hide = true)]
    Man(man::Arguments),
}

/// A command without options of its own.
#[derive(Debug, Args)]
pub struct Plain {
    /// Print additional information.
    #[arg(long)]
    verbose: bool,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Request {
    Run(Option<Box<Command>>),
    /// To be printed, with status 0.
    Help(String),
    /// To be printed as an error, with status 1.
    Mistake(String),
}

/// Reads the words of a command line, the program's own name first.
pub fn parse(words: &[OsString]) -> Request {
    match Arguments::try_parse_from(words) {
        Ok(arguments) => Request::Run(arguments.command.map(Box::new)),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Request::Help(error.render().to_string())
            }
            // `help GROUP` of a group that this version lacks prints what there is.
            ErrorKind::InvalidSubcommand if words.get(1).is_some_and(|word| word == "help") => {
                Request::Help(top_help())
            }
            _ => Request::Mistake(mistake(&error, words)),
        },
    }
}

pub fn top_help() -> String {
    Arguments::command().render_long_help().to_string()
}

/// The `artemis` command's words for a mistake, and where help is.
fn mistake(error: &clap::Error, words: &[OsString]) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    let option = argument.split([' ', '=']).next().unwrap_or_default();
    let first = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("Unknown option: '{argument}'")
        }
        ErrorKind::UnknownArgument => unmatched(&argument, words),
        ErrorKind::InvalidSubcommand => unmatched(&text(ContextKind::InvalidSubcommand), words),
        ErrorKind::MissingRequiredArgument if argument.starts_with('<') => {
            format!("Missing required parameter: '{argument}'")
        }
        ErrorKind::MissingRequiredArgument => format!("Missing required option: '{argument}'"),
        ErrorKind::ArgumentConflict if text(ContextKind::PriorArg) == argument => {
            format!("option '{option}' should be specified only once")
        }
        ErrorKind::ValueValidation => {
            let value = text(ContextKind::InvalidValue);
            let reason = std::error::Error::source(error).map(|source| source.to_string());
            format!(
                "Invalid value for option '{option}': '{value}' {}",
                reason.unwrap_or_default()
            )
        }
        ErrorKind::InvalidValue if text(ContextKind::InvalidValue).is_empty() => {
            format!("Missing required parameter for option '{option}'")
        }
        ErrorKind::InvalidValue => format!(
            "Invalid value for option '{option}': expected one of [{}] but was '{}'",
            text(ContextKind::ValidValue),
            text(ContextKind::InvalidValue)
        ),
        _ => {
            let rendered = error.render().to_string();
            rendered.trim_start_matches("error: ").trim_end().to_owned()
        }
    };
    let near = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ]
    .map(text)
    .into_iter()
    .find(|near| !near.is_empty());
    let near = near
        .map(|near| format!("\nDid you mean: {near}?"))
        .unwrap_or_default();
    format!("{first}{near}\n\nUsage: hind [COMMAND]\nuse 'help <command>' for more information")
}

fn unmatched(word: &str, words: &[OsString]) -> String {
    let index = words
        .iter()
        .skip(1)
        .position(|known| known == word)
        .unwrap_or_default();
    format!("Unmatched argument at index {index}: '{word}'")
}

/// A whole number, refused in the words of the `artemis` command.
pub fn int(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| "is not an int".to_owned())
}

/// A whole number, refused in the words of the `artemis` command.
pub fn long(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "is not a long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake_of(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match parse(&words) {
            Request::Mistake(text) => text.lines().next().unwrap_or_default().to_owned(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn mistakes_have_the_texts_that_scripts_know() {
        let rows = [
            ("hind nosuch", "Unmatched argument at index 0: 'nosuch'"),
            (
                "hind version extra",
                "Unmatched argument at index 1: 'extra'",
            ),
            ("hind version --bogus", "Unknown option: '--bogus'"),
            ("hind create", "Missing required parameter: '<directory>'"),
            ("hind mask", "Missing required parameter: '<password>'"),
            (
                "hind create x --port-offset abc",
                "Invalid value for option '--port-offset': 'abc' is not an int",
            ),
            (
                "hind create x --user a --user b",
                "option '--user' should be specified only once",
            ),
            (
                "hind create x --user",
                "Missing required parameter for option '--user'",
            ),
            (
                "hind create x --message-load-balancing foo",
                "Invalid value for option '--message-load-balancing': expected one of [OFF, STRICT, ON_DEMAND, OFF_WITH_REDISTRIBUTION, LOCAL_ONLY] but was 'foo'",
            ),
        ];
        for (line, expected) in rows {
            assert_eq!(mistake_of(line), expected, "{line}");
        }
    }

    #[test]
    fn help_of_an_unknown_group_prints_the_top_help() {
        let words = ["hind", "help", "lock"].map(OsString::from);
        assert!(matches!(parse(&words), Request::Help(text) if text.contains("create")));
    }
}
