// SPDX-License-Identifier: Apache-2.0
//! `hind` without arguments.

use crate::failure::{Failure, Outcome};

pub fn run() -> Outcome {
    Err(Failure::new("not wired"))
}
