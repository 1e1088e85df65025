// SPDX-License-Identifier: Apache-2.0
//! Plays every raw MQTT packet sequence of a folder against a running broker.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hind_conformance::sequences::play::{Broker, play};
use hind_conformance::sequences::script::{self, Sequence};

const USAGE: &str = "usage: mqtt-sequences HOST:PORT FOLDER [--only WORD] [--patience MILLISECONDS] [--expect COUNT]";

/// What the arguments ask for.
struct Task {
    broker: Broker,
    folder: PathBuf,
    /// Only sequences with this in their file or name.
    only: String,
    /// How many there must be.
    expected: Option<usize>,
}

#[allow(clippy::print_stdout)] // what this program is for
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = parse(&arguments) else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match script::folder(&task.folder) {
        Ok(mut sequences) => {
            sequences.retain(|one| format!("{} {}", one.file, one.name).contains(&task.only));
            run(&task, &sequences)
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Option<Task> {
    let (address, rest) = arguments.split_first()?;
    let (folder, mut rest) = rest.split_first()?;
    let address: SocketAddr = address.to_socket_addrs().ok()?.next()?;
    let mut task = Task {
        broker: Broker {
            address,
            patience: Duration::from_secs(2),
        },
        folder: folder.into(),
        only: String::new(),
        expected: None,
    };
    while let [option, value, others @ ..] = rest {
        match option.as_str() {
            "--only" => task.only.clone_from(value),
            "--patience" => task.broker.patience = Duration::from_millis(value.parse().ok()?),
            "--expect" => task.expected = Some(value.parse().ok()?),
            _ => return None,
        }
        rest = others;
    }
    rest.is_empty().then_some(task)
}

#[allow(clippy::print_stdout)]
fn run(task: &Task, sequences: &[Sequence]) -> ExitCode {
    let began = Instant::now();
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for sequence in sequences {
        let (passed, total) = files.entry(&sequence.file).or_default();
        *total += 1;
        match play(task.broker, sequence) {
            Ok(()) => *passed += 1,
            Err(departure) => println!("FAILED  {}: {}: {departure}", sequence.file, sequence.name),
        }
    }
    for (file, (passed, total)) in &files {
        println!("{file:16} {passed:5} of {total}");
    }
    let passed: usize = files.values().map(|(passed, _)| passed).sum();
    let failed = sequences.len() - passed;
    println!("{passed} passed, {failed} failed");
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    let complete = task.expected.is_none_or(|count| count == sequences.len());
    if !complete {
        println!(
            "there are {} sequences, not {:?}",
            sequences.len(),
            task.expected
        );
    }
    if failed == 0 && complete && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
