// SPDX-License-Identifier: Apache-2.0
//! The second host, and what Hind promises, as tests.
#![forbid(unsafe_code)]

pub mod sequences;
pub mod simulator;
