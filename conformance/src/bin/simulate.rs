// SPDX-License-Identifier: Apache-2.0
//! Runs simulations: one seed with its trace, a range of seeds, or as many as fit into some hours.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use hind_conformance::simulator::seeds::{self, Seeds};
use hind_conformance::simulator::world::{self, Options};

const USAGE: &str = "usage: simulate --seed N | --seeds A..B | --count N | --hours H";

/// What the arguments ask for.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// One seed, every event printed.
    One(u64),
    /// Seeds from the first up to but not including the second, no new ones after the time.
    Many(u64, u64, Option<Duration>),
}

#[allow(clippy::print_stdout)] // what this program is for
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match parse(&arguments) {
        Some(Task::One(seed)) => one(seed),
        Some(Task::Many(first, end, time)) => many(first, end, time),
        None => {
            println!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[&str]) -> Option<Task> {
    match arguments {
        ["--seed", seed] => Some(Task::One(seed.parse().ok()?)),
        ["--seeds", range] => {
            let (first, end) = range.split_once("..")?;
            Some(Task::Many(first.parse().ok()?, end.parse().ok()?, None))
        }
        ["--count", count] => Some(Task::Many(0, count.parse().ok()?, None)),
        ["--hours", hours] => {
            let hours: f64 = hours.parse().ok()?;
            let time = Duration::try_from_secs_f64(hours * 3600.0).ok()?;
            Some(Task::Many(fresh_seed(), u64::MAX, Some(time)))
        }
        _ => None,
    }
}

/// A long run looks where none has looked before.
fn fresh_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() * 1_000_000)
}

#[allow(clippy::print_stdout)]
fn one(seed: u64) -> ExitCode {
    let options = Options {
        seed,
        print: true,
        ..Options::default()
    };
    match world::run(&options) {
        Ok(report) => {
            print!("{}", report.counters);
            println!(
                "seed {seed} passed: {} operations, {} events, trace {:016x}",
                report.operations, report.trace_lines, report.trace_hash
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout)]
fn many(first: u64, end: u64, time: Option<Duration>) -> ExitCode {
    let began = Instant::now();
    let outcome = seeds::run(Seeds {
        first,
        end,
        time,
        planted: None,
    });
    print!("{}", outcome.counters);
    println!(
        "{} seeds passed in {:.1} s",
        outcome.passed,
        began.elapsed().as_secs_f64()
    );
    match outcome.failure {
        None => ExitCode::SUCCESS,
        Some((_, text)) => {
            println!("{text}");
            ExitCode::FAILURE
        }
    }
}
