// SPDX-License-Identifier: Apache-2.0
//! The simulated host.
pub mod counters;
pub mod disk;
pub mod network;
pub mod random;
pub mod trace;
