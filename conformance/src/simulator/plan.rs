// SPDX-License-Identifier: Apache-2.0
//! What goes wrong in a run, and when: drawn from the seed before the run begins, so that every run has its share.

use std::collections::VecDeque;

use super::disk::fault::Fault;
use super::random::Random;

/// One thing that goes wrong, or is looked into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mishap {
    /// The disk does what it should not.
    Disk(Fault),
    /// The process is killed between two of its deeds.
    Kill,
    /// The machine loses power between two deeds of the process.
    PowerLoss,
    /// An operator stops the broker in order and starts it again.
    Stop,
    /// The process is suspended for a while.
    Pause,
    /// A client's link breaks, and both ends learn of it.
    Reset,
    /// A client vanishes, and the broker is not told.
    Vanish,
    /// What is live is compared with what the log says, as soon as the disk is at rest.
    Fold,
}

/// How many client operations a run has at least.
pub const OPERATIONS: u64 = 2_000;
/// How many disk faults a run meets at least.
pub const FAULTS: u64 = 5;

/// Mishaps by the number of client operations before them.
#[derive(Debug)]
pub struct Plan {
    mishaps: VecDeque<(u64, Mishap)>,
    /// How many operations clients carry out.
    pub operations: u64,
}

impl Plan {
    /// The plan of a run; with faults of pages if there are `pages`.
    pub fn new(random: &mut Random, pages: bool) -> Self {
        let operations = random.between(OPERATIONS, OPERATIONS + 400);
        let mut mishaps = Vec::new();
        let mut add = |times: u64, mishap: Mishap, random: &mut Random| {
            for _ in 0..times {
                mishaps.push((random.between(50, operations - 50), mishap));
            }
        };
        for _ in 0..random.between(FAULTS + 1, FAULTS + 3) {
            let fault = random.pick(&Fault::ALL);
            add(1, Mishap::Disk(fault), random);
        }
        for (low, high, mishap) in [
            (1, 2, Mishap::Kill),
            (0, 1, Mishap::PowerLoss),
            (0, 1, Mishap::Stop),
            (1, 2, Mishap::Pause),
            (2, 5, Mishap::Reset),
            (0, 2, Mishap::Vanish),
            (2, 4, Mishap::Fold),
        ] {
            let times = random.between(low, high);
            add(times, mishap, random);
        }
        if pages {
            for _ in 0..random.below(3) {
                let fault = random.pick(&Fault::OF_PAGES);
                let at = random.between(50, operations - 50);
                mishaps.push((at, Mishap::Disk(fault)));
            }
        }
        mishaps.sort_by_key(|(at, _)| *at);
        Self {
            mishaps: mishaps.into(),
            operations,
        }
    }

    /// The next mishap if it is due after `operations`.
    pub fn next(&mut self, operations: u64) -> Option<Mishap> {
        let due = self
            .mishaps
            .front()
            .is_some_and(|(at, _)| *at <= operations);
        if due {
            self.mishaps.pop_front().map(|(_, mishap)| mishap)
        } else {
            None
        }
    }

    /// Whether there is nothing left to go wrong.
    pub fn is_over(&self) -> bool {
        self.mishaps.is_empty()
    }
}
