// SPDX-License-Identifier: Apache-2.0
//! The `hind` program: arguments in, one command run, an exit status out.
#![forbid(unsafe_code)]

mod arguments;
mod check;
mod completion;
mod configuration;
mod create;
mod default_instance;
mod failure;
mod instance;
mod json;
mod kill;
mod man;
mod mask;
mod perf_journal;
mod profile;
mod pwd;
mod run;
mod stop;
mod template;
mod terminal;
mod user;
mod variables;
mod version;

use arguments::{Command, Request};
use failure::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let outcome = match arguments::parse(&words) {
        Request::Run(Some(command)) => perform(*command),
        Request::Run(None) => without_command(),
        Request::Help(text) => {
            terminal::print(text.as_bytes());
            Ok(())
        }
        Request::Mistake(text) => Err(failure::Failure::new(text)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                eprintln!("{failure}");
            }
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> Outcome {
    match command {
        Command::Create(arguments) => create::create(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Stop(arguments) => stop::stop(&arguments),
        Command::Kill(arguments) => kill::kill(&arguments),
        Command::User(command) => user::user(&command),
        Command::Check(command) => check::check(&command),
        Command::Mask(arguments) => mask::mask(&arguments),
        Command::PerfJournal(arguments) => perf_journal::perf_journal(&arguments),
        Command::Version(_) => version::version(),
        Command::Pwd(_) => pwd::pwd(),
        Command::Completion(arguments) => completion::completion(&arguments),
        Command::Man(arguments) => man::man(&arguments),
    }
}

/// Inside an instance: the help. Anywhere else: the default instance, created if need be, runs.
fn without_command() -> Outcome {
    if instance::from_environment().is_some() {
        terminal::print(arguments::top_help().as_bytes());
        return Ok(());
    }
    default_instance::run()
}
