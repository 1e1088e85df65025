// SPDX-License-Identifier: Apache-2.0
//! One file per promise. Some are checked with every delivery, some when everything has come to rest.

pub mod bounded_memory;
pub mod duplicates;
pub mod fold;
pub mod large_files;
pub mod no_loss;
pub mod order;
pub mod routing;
pub mod time;
pub mod transactions;

use std::fmt;

/// A promise broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The check that found it.
    pub check: &'static str,
    /// What happened.
    pub what: String,
}

impl Violation {
    /// The violation `what`, found by `check`.
    pub fn new(check: &'static str, what: String) -> Self {
        Self { check, what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}
