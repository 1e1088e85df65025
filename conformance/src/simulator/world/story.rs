// SPDX-License-Identifier: Apache-2.0
//! A run, from its seed to its verdict: clients work while things go wrong, then everything comes to rest, every queue is
//! emptied, and what was promised is compared with what was seen.

use std::fmt;

use super::{CLIENTS, Happening, Phase, World};
use crate::simulator::check::{self, Violation};
use crate::simulator::client::{Stage, heart_beat};
use crate::simulator::counters::Counters;
use crate::simulator::disk::Crash;
use crate::simulator::disk::fault::Fault;
use crate::simulator::network::Direction;
use crate::simulator::plan::{FAULTS, Mishap, OPERATIONS};
use crate::simulator::planted::Planted;

/// Which run, and what is wanted of it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Print every line of the trace.
    pub print: bool,
    /// Keep the last lines of the trace for a failure.
    pub keep: bool,
    /// Leave the limits of the seed out.
    pub unlimited: bool,
    /// Run with this bug.
    pub planted: Option<Planted>,
}

/// A run that broke no promise.
#[derive(Clone, Debug)]
pub struct Report {
    /// Client operations.
    pub operations: u64,
    /// Virtual time, in nanoseconds.
    pub time: u64,
    /// Equal for two runs only if all their events were.
    pub trace_hash: u64,
    /// Events traced.
    pub trace_lines: u64,
    /// What was hit.
    pub counters: Counters,
}

/// A run that did.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The run.
    pub seed: u64,
    /// The promise.
    pub violation: Violation,
    /// The last events, oldest first.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "seed {} failed: {}", self.seed, self.violation)?;
        write!(f, "replay: {}", replay_command(self.seed))
    }
}

/// The one command that shows a seed again, event by event.
pub fn replay_command(seed: u64) -> String {
    format!("cargo run --release -p hind-conformance --bin simulate -- --seed {seed}")
}

/// Runs a seed.
///
/// # Errors
/// The broker broke a promise.
pub fn run(options: &Options) -> Result<Report, Failure> {
    let mut world = World::new(options);
    match world.tell() {
        Ok(()) => Ok(Report {
            operations: world.operations,
            time: world.now,
            trace_hash: world.trace.hash(),
            trace_lines: world.trace.lines(),
            counters: world.counters,
        }),
        Err(violation) => Err(Failure {
            seed: options.seed,
            violation,
            trace: world.trace.last().map(str::to_owned).collect(),
        }),
    }
}

impl World {
    /// The whole story.
    fn tell(&mut self) -> Result<(), Violation> {
        self.later(0, Happening::Restart);
        for client in 0..=CLIENTS + self.mqtt.len() {
            self.later(0, Happening::Act(client));
        }
        while self.operations < self.plan.operations || !self.plan.is_over() {
            self.step()?;
        }
        while self.disk.armed.hits.group("fault") < FAULTS {
            // Some faults of the plan found nothing to spoil.
            let fault = self
                .random
                .pick(&[Fault::Slow, Fault::FailedSync, Fault::Torn]);
            self.mishap(Mishap::Disk(fault))?;
            let enough = self.operations + 30;
            while self.operations < enough {
                self.step()?;
            }
        }
        self.come_to_rest()?;
        self.drain()?;
        self.judge()?;
        self.restart_empty()?;
        self.was_a_whole_run()
    }

    /// Nothing goes wrong any more; clients end what is open and leave; the broker forgets those that vanished.
    fn come_to_rest(&mut self) -> Result<(), Violation> {
        self.trace.line(
            self.now,
            format_args!("world"),
            format_args!("comes to rest"),
        );
        self.disk.armed.disarm();
        self.deeds_left = None;
        self.crash_while_writing = false;
        self.flip_next = false;
        self.listen()?;
        self.phase = Phase::Leave;
        let all_gone = |world: &Self| {
            world.open
                && world
                    .clients
                    .iter()
                    .all(|client| client.stage == Stage::Away)
                && world.mqtt.have_left()
        };
        let mut patience = Some(self.now + 2_000_000_000);
        while !all_gone(self) {
            if patience.is_some_and(|until| self.now > until) {
                patience = None;
                self.give_up_waiting();
            }
            self.step()?;
        }
        let missed = self.now + 3_000_000_000;
        while self.now < missed
            || self
                .process
                .as_ref()
                .is_none_or(|process| process.connections() > 0)
        {
            self.step()?;
        }
        Ok(())
    }

    /// Producers that wait for room nobody is left to make give up; of those that vanished while they waited the network
    /// tells the broker, which does not miss whom it does not read.
    fn give_up_waiting(&mut self) {
        let waits = self.limits.as_ref().is_some_and(|limits| limits.blocks());
        let links = self.links.keys().filter(|_| waits);
        for id in links.copied().collect::<Vec<_>>() {
            self.cut(id);
            self.later(10_000, Happening::Closed(id, Direction::Down));
            self.later(10_000, Happening::Closed(id, Direction::Up));
        }
    }

    /// Clients say no more than they have promised, a few not even that, for long enough to be missed.
    fn listen(&mut self) -> Result<(), Violation> {
        self.trace
            .line(self.now, format_args!("world"), format_args!("listens"));
        self.phase = Phase::Listen;
        for client in &mut self.clients {
            if client.stage == Stage::Connected && self.random.chance(30) {
                client.heart_beat.fall_silent();
            }
        }
        let enough = self.now + 3 * heart_beat::PATIENCE * 500_000;
        while self.now < enough {
            self.step()?;
        }
        Ok(())
    }

    /// The last client empties every queue, until nothing comes for a while.
    fn drain(&mut self) -> Result<(), Violation> {
        self.trace
            .line(self.now, format_args!("world"), format_args!("drains"));
        self.phase = Phase::Drain;
        let mut quiet_since = self.now;
        let came = |world: &Self| {
            world.counters.get("event.message") + world.counters.get("mqtt_in.publish")
        };
        let mut seen = came(self);
        while self.now < quiet_since + 300_000_000
            || !self.clients[CLIENTS].is_settled()
            || !self.mqtt.is_settled()
        {
            self.step()?;
            let now_seen = came(self);
            if now_seen != seen {
                (seen, quiet_since) = (now_seen, self.now);
            }
        }
        self.mqtt_judge()?;
        self.phase = Phase::Leave;
        while self.clients[CLIENTS].stage != Stage::Away || !self.mqtt.have_left() {
            self.step()?;
        }
        let settled = self.now + 100_000_000;
        while self.now < settled {
            self.step()?;
        }
        Ok(())
    }

    fn judge(&mut self) -> Result<(), Violation> {
        // What is stuck is not lost.
        let process = self.process.as_ref().expect("nothing ends it at rest");
        check::bounded_memory::at_rest(process, &self.model, &self.disk)?;
        check::no_loss::at_rest(&self.model)?;
        check::transactions::at_rest(&self.model)?;
        let process = self.process.as_ref().expect("nothing ends it at rest");
        let files = check::large_files::at_rest(process, &self.disk)?;
        self.counters.add("check.large_files", files);
        let promises = check::no_loss::promises(&self.model.messages);
        self.counters.add("check.promises_kept", promises);
        let doubtful = self.model.transactions.iter();
        let doubtful = doubtful
            .filter(|transaction| transaction.stage == crate::simulator::model::Stage::InDoubt);
        self.counters
            .add("check.transactions_in_doubt", doubtful.count() as u64);
        Ok(())
    }

    /// What was emptied is empty after a power loss, too: no acknowledgement was only remembered.
    fn restart_empty(&mut self) -> Result<(), Violation> {
        self.crash(Crash::PowerLoss);
        while !self.open {
            self.step()?;
        }
        let before = self.counters.get("event.message");
        self.drain()?;
        let came = self.counters.get("event.message") - before;
        if came > 0 {
            let what = format!("{came} messages came back after everything had been acknowledged");
            return Err(Violation::new("duplicates", what));
        }
        self.judge()
    }

    /// A run that does not do what a run is to do proves nothing.
    fn was_a_whole_run(&mut self) -> Result<(), Violation> {
        let hits = self.disk.armed.hits.clone();
        let faults = hits.group("fault");
        self.counters.merge(&hits);
        self.counters.add("run.operations", self.operations);
        self.counters.hit("run.seeds");
        let crashes = self.counters.group("crash");
        if self.operations < OPERATIONS || faults < FAULTS || crashes < 2 {
            let operations = self.operations;
            let what =
                format!("only {operations} operations, {faults} disk faults, {crashes} crashes");
            return Err(Violation::new("whole_run", what));
        }
        Ok(())
    }
}
