// SPDX-License-Identifier: Apache-2.0
//! MQTT 3.1, 3.1.1 and 5.0 as a pure connection machine.
//!
//! ```text
//! bytes ─▶ codec::Frame ─▶ Packet ─▶ connection (dispatch by state)
//!                                      ├─ handshake       CONNECT, terms, will      authentication  AUTH
//!                                      ├─ keep_alive      when it must be heard
//!                                      └─ session         one packet each:
//!                                           publish ─▶ exchange (QoS 1, 2)   alias   convert ─▶ Send
//!                                           subscribe ─▶ subscription ─▶ Consumer    topic ↔ address
//!                                           answers: tickets out, PUBACK … SUBACK back, in order
//! events ─▶ connection ─▶ delivery ─▶ codec::PublishHead ─▶ bytes
//! ```
//!
//! Reading order: [`Connection`], then the nouns. The specifications are those of OASIS (3.1.1, 5.0) and of IBM and
//! Eurotech (3.1); where a comment names a clause it means 5.0 unless it says otherwise. What Artemis adds (queue names,
//! property names, parameters, defaults) follows its manual's chapter MQTT.
//!
//! What belongs to a client and not to its connection (subscriptions, packet identifiers, the will) is the engine's: it
//! outlives connections, and the broker. The machine knows of it only what tells a valid packet from another.
#![forbid(unsafe_code)]

mod alias;
mod answers;
pub mod authentication;
pub mod codec;
mod connection;
mod convert;
mod delivery;
mod exchange;
mod fault;
mod handshake;
mod keep_alive;
mod options;
mod publish;
mod refusal;
mod session;
mod subscribe;
mod subscription;
mod topic;

pub use connection::Connection;
pub use options::{BadOption, Options};
