// SPDX-License-Identifier: Apache-2.0
//! Artemis's Core protocol, and HornetQ's, which is its past, for clients of version 121 to 136: from HornetQ 2.4 over
//! Artemis 1.5 to 2.44.
//!
//! ```text
//!            ┌─ codec ──────────────────────────────────────────────────────────────────────┐
//! bytes ────▶│ Frame: length, type, channel ──▶ Packet: the table, one struct per packet    │
//!            │                                     └─ Message: body (a slice), head (as it  │
//! bytes ◀────│ Packet::encode / encode_around ◀────   came), properties (read when asked)   │
//!            └──────────────────────────────────────────────────────────────────────────────┘
//!                    │ Packet
//! channel 0          ├──▶ ping       LifeSigns: who must be heard from, and by when
//! channel 10 and on  └──▶ channel    Channel: which packets arrived, what is kept to be sent again
//! ```
//!
//! The codec knows neither the engine nor the state of a connection; all it is told is the [`Version`](codec::Version)
//! that both ends speak, which decides how messages are laid out, which fields a packet ends with, and which form of an
//! answer a client waits for. A [`Channel`] belongs to a session and outlives its connection.
//!
//! Reading order: [`codec`], [`Packet`](codec::Packet), then the nouns. There is no public specification; the reference is
//! what was recorded between unmodified clients and Artemis 2.44, which the tests hold frame by frame.
#![forbid(unsafe_code)]

mod channel;
pub mod codec;
mod ping;

pub use channel::{Channel, OutOfStep, SentFrame, is_confirmable};
pub use ping::{DEFAULT_TTL, LifeSigns};
