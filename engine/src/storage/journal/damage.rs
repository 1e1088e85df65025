// SPDX-License-Identifier: Apache-2.0
//! What recovery refuses to go past.

use std::fmt;

use super::super::Position;
use super::super::request::Segment;

/// A place of the log that cannot be read although it was on the disk: a fault of the disk or of somebody's hand. The
/// broker does not start; an operator (or the replica) decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The segment where reading stopped.
    pub segment: Segment,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The position of the record that cannot be read.
    pub position: Position,
    /// What is wrong, for the operator.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "journal segment {} is damaged at byte {} (record {}): {}",
            self.segment.0, self.offset, self.position.0, self.what
        )
    }
}

impl std::error::Error for Damage {}
