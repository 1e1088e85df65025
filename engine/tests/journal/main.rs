// SPDX-License-Identifier: Apache-2.0
//! The log against a disk that crashes, forgets, tears and rots.
//!
//! `HIND_SEED=n cargo test -p hind-engine --test journal` replays one seed of the random tests.

mod append;
mod cleaning;
mod crash;
mod damage;
mod disk;
mod model;
mod mutation;
mod random;
mod session;
