// SPDX-License-Identifier: Apache-2.0
//! Raw MQTT packet sequences against a running broker: bytes sent, bytes expected, and what is left of the connection.
//!
//! [`script`] reads the files, [`payload`] their language of bytes, [`play`] plays one sequence over [`wire`], and
//! [`matching`] decides whether a packet that came is the one that was expected.

pub mod matching;
pub mod payload;
pub mod play;
pub mod script;
pub mod wire;
