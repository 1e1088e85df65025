// SPDX-License-Identifier: Apache-2.0
//! Many seeds on all cores: each run is alone in its thread, so their number changes nothing but the wall time.

use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::counters::Counters;
use super::planted::Planted;
use super::world::{self, Options};

/// What became of some seeds.
#[derive(Clone, Default, Debug)]
pub struct Outcome {
    /// How many passed.
    pub passed: u64,
    /// What they hit.
    pub counters: Counters,
    /// The lowest seed that failed before the others were called off, and how.
    pub failure: Option<(u64, String)>,
}

/// Which seeds, and how.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// The one after the last.
    pub end: u64,
    /// No new ones after this time.
    pub time: Option<Duration>,
    /// Run them with this bug.
    pub planted: Option<Planted>,
}

/// Runs seeds until all have passed, one has failed, or the time is over.
pub fn run(seeds: Seeds) -> Outcome {
    let began = Instant::now();
    let next = AtomicU64::new(seeds.first);
    let failed = AtomicBool::new(false);
    let outcome = Mutex::new(Outcome::default());
    let over =
        || failed.load(Ordering::Relaxed) || seeds.time.is_some_and(|time| began.elapsed() > time);
    let work = || {
        while !over() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let ended = run_one(seed, seeds.planted);
            failed.fetch_or(ended.is_err(), Ordering::Relaxed);
            let mut outcome = outcome.lock().expect("nothing panics while it is held");
            outcome.add(seed, ended);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    outcome
        .into_inner()
        .expect("nothing panicked while it was held")
}

/// Runs one seed; a panic of the broker is a failure of its seed like any other.
///
/// # Errors
/// The last events, the promise that was broken, and the command that replays it.
pub fn run_one(seed: u64, planted: Option<Planted>) -> Result<Counters, String> {
    let options = Options {
        seed,
        keep: true,
        planted,
        ..Options::default()
    };
    match panic::catch_unwind(|| world::run(&options)) {
        Ok(Ok(report)) => Ok(report.counters),
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(_) => Err(format!(
            "seed {seed} panicked\nreplay: {}",
            world::replay_command(seed)
        )),
    }
}

impl Outcome {
    fn add(&mut self, seed: u64, ended: Result<Counters, String>) {
        match ended {
            Ok(counters) => {
                self.passed += 1;
                self.counters.merge(&counters);
            }
            Err(text) => {
                if self
                    .failure
                    .as_ref()
                    .is_none_or(|(before, _)| seed < *before)
                {
                    self.failure = Some((seed, text));
                }
            }
        }
    }
}
