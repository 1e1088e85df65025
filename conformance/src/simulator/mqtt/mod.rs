// SPDX-License-Identifier: Apache-2.0
//! MQTT clients in the simulator, byte for byte: they work beside those of STOMP, on a topic of theirs and on topics of
//! their own.
//!
//! ```text
//! workload ─▶ client ── say ──▶ packet ─ bytes ─▶ broker
//!               ▲                                   │
//!               └──── receive ◀── packet ◀─ bytes ──┘
//!                        │
//!                        ▼
//!             book: subscriptions, retained messages, wills      known: what a client may count on of its session
//! ```
//!
//! Every message has a [`Uid`](super::model::Uid) of the model, whoever sent it, so that what one protocol sends is known
//! where another receives it. What clients of MQTT may count on is in the [`Book`].

pub mod book;
pub mod client;
pub mod known;
pub mod packet;
mod receive;
pub mod retained;
mod say;
pub mod subscription;
pub mod will;
pub mod workload;

pub use book::{Book, Strand};
pub use client::Client;

use super::check::Violation;

/// Seeds from this one on have clients of MQTT beside those of STOMP.
pub const FIRST_SEED: u64 = 2_000_000;
/// How many of them work; one more looks at the end what is retained.
pub const CLIENTS: usize = 5;
/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;
/// What links, clients that look only now and then, and a process that is suspended may add to a time, in nanoseconds.
pub const SLACK: u64 = 100_000_000;
/// The keep alive that clients announce, in seconds.
pub const KEEP_ALIVE: u16 = 1;
/// How long the broker may take to miss a client.
pub const MISSED: u64 = SECOND * 3 / 2 + SLACK;
/// A time that never comes, in seconds.
pub const NEVER: u32 = u32::MAX;

/// So many seconds later.
pub fn after(time: u64, seconds: u32) -> u64 {
    match seconds {
        NEVER => u64::MAX,
        seconds => time.saturating_add(u64::from(seconds) * SECOND),
    }
}

fn broken<T>(what: String) -> Result<T, Violation> {
    Err(Violation::new("mqtt", what))
}
