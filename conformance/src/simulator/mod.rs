// SPDX-License-Identifier: Apache-2.0
//! The simulated host: the same broker as the real one, on virtual time, with a disk and a network that fail.
//!
//! ```text
//! seed ─▶ plan (what goes wrong when)          workload (what clients do next)
//!           │                                       │
//!           ▼                                       ▼
//!         world ◀──── event heap ────▶ clients ─ bytes ─ network ─ bytes ─▶ node (the broker under test)
//!           │                             │                                   │ requests
//!           │                             ▼                                   ▼
//!           └──────── check ◀────────── model (what each client knows)      disk (written, synced, torn)
//! ```
//!
//! Reading order: [`world`], then whatever the story there mentions. A run is wholly determined by its seed.

pub mod check;
pub mod client;
pub mod clock;
pub mod counters;
pub mod disk;
pub mod limits;
pub mod model;
pub mod mqtt;
pub mod network;
pub mod node;
pub mod plan;
pub mod planted;
pub mod random;
pub mod seeds;
pub mod settings;
pub mod trace;
pub mod workload;
pub mod world;
