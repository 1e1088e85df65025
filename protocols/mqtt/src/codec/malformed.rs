// SPDX-License-Identifier: Apache-2.0
//! Why bytes are no packet.

use std::fmt;

use super::Reason;

/// Bytes that are no packet, or none that a client may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The clause that is broken.
    pub clause: &'static str,
    /// What MQTT 5.0 calls it.
    pub reason: Reason,
    /// What is wrong.
    pub detail: &'static str,
    /// The peer is told nothing: it has no more right to an answer than to a connection.
    pub is_silent: bool,
}

impl Malformed {
    /// The packet cannot be read (0x81).
    pub const fn packet(clause: &'static str, detail: &'static str) -> Self {
        Self::because(Reason::MalformedPacket, clause, detail)
    }

    /// The packet can be read but must not be sent (0x82).
    pub const fn protocol(clause: &'static str, detail: &'static str) -> Self {
        Self::because(Reason::ProtocolError, clause, detail)
    }

    /// As the reason says.
    pub const fn because(reason: Reason, clause: &'static str, detail: &'static str) -> Self {
        Self {
            clause,
            reason,
            detail,
            is_silent: false,
        }
    }

    /// The same, without an answer.
    #[must_use]
    pub const fn silently(self) -> Self {
        Self {
            is_silent: true,
            ..self
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl std::error::Error for Malformed {}
