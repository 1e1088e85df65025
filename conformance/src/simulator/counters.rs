// SPDX-License-Identifier: Apache-2.0
//! How often everything happened, so that a budget of seeds can show what it covered.

use std::collections::BTreeMap;
use std::fmt;

/// Names and how often each was hit, in name order. Names are `group.thing`, for example `fault.torn`.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// Counts one.
    pub fn hit(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    /// Counts several.
    pub fn add(&mut self, name: &'static str, times: u64) {
        *self.0.entry(name).or_default() += times;
    }

    /// How often it was hit.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The sum of a group.
    pub fn group(&self, group: &str) -> u64 {
        self.0
            .iter()
            .filter(|(name, _)| name.split('.').next() == Some(group))
            .map(|(_, times)| times)
            .sum()
    }

    /// Adds those of another run.
    pub fn merge(&mut self, other: &Self) {
        for (name, times) in &other.0 {
            self.add(name, *times);
        }
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, times) in &self.0 {
            writeln!(f, "{name:<32} {times:>12}")?;
        }
        Ok(())
    }
}
