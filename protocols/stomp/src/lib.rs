// SPDX-License-Identifier: Apache-2.0
//! STOMP 1.0, 1.1 and 1.2 as a pure connection machine.
//!
//! ```text
//! bytes ─▶ codec::Decoder ─▶ Frame ─▶ connection (dispatch by state)
//!                                        ├─ handshake      CONNECT, versions, login
//!                                        ├─ heart_beat     who must be heard from when
//!                                        └─ session        one frame each:
//!                                             convert ─▶ Send      subscription ─▶ Consumer
//!                                             transaction          receipt: tickets out, RECEIPT back
//! events ─▶ connection ─▶ delivery ─▶ HeadWriter ─▶ bytes
//!
//! large bodies:  Decoder ─▶ parts ─▶ upload ─▶ engine       engine ─▶ windows ─▶ download ─▶ bytes
//! ```
//!
//! Reading order: [`Connection`], then the nouns. The specifications are those of stomp.github.io; where a comment
//! names a clause it means 1.2 unless it says otherwise. What Artemis adds (headers, texts, defaults) follows its
//! manual's chapter STOMP.
#![forbid(unsafe_code)]

pub mod codec;
mod connection;
mod convert;
mod delivery;
mod destination;
mod download;
mod fault;
mod handshake;
mod heart_beat;
mod held;
mod options;
mod receipt;
mod refusal;
mod session;
mod subscription;
mod transaction;
mod unsettled;
mod upload;

pub use connection::Connection;
pub use options::{BadOption, Options};
