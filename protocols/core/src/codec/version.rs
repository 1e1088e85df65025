// SPDX-License-Identifier: Apache-2.0
//! The version a client announces, and what it decides about the bytes.

/// How a message is laid out inside its packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// HornetQ and Artemis 1.x: a second offset, behind the body, says where the message ends.
    TwoEnds,
    /// Artemis 2.x: only the end of the body is given; the rest delimits itself.
    OneEnd,
}

/// A version of the protocol that both ends of a connection speak.
///
/// It belongs to a connection, not to a packet: the client says it first in SUBSCRIBE_TOPOLOGY_V2, else in
/// CREATESESSION, and from then on it governs both what is read and what is written.
///
/// *Invariant*: [`Version::OLDEST`] ≤ it ≤ [`Version::NEWEST`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version(i32);

impl Version {
    /// HornetQ 2.1; the oldest that Artemis 2 still admits.
    pub const OLDEST: Self = Self(121);
    /// Artemis 2.37 and later; what a broker announces to every client.
    pub const NEWEST: Self = Self(136);
    /// The last one before the message layout and the address prefixes changed: Artemis 1.5.
    pub const LAST_OF_TWO_ENDS: Self = Self(128);

    /// The version to speak with a client that announced `number`: a newer client is expected to know the newest version
    /// here, an older one is a stranger ([`Version::is_admitted`] says so) whose bytes are read as the oldest.
    pub const fn spoken_with(number: i32) -> Self {
        if number < Self::OLDEST.0 {
            Self::OLDEST
        } else if number > Self::NEWEST.0 {
            Self::NEWEST
        } else {
            Self(number)
        }
    }

    /// Whether a session may be created by a client that announced `number`; if not, the answer is EXCEPTION 108.
    pub const fn is_admitted(number: i32) -> bool {
        number >= Self::OLDEST.0 && number <= Self::NEWEST.0
    }

    /// The number on the wire.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// How messages are laid out.
    pub const fn layout(self) -> Layout {
        if self.0 > Self::LAST_OF_TWO_ENDS.0 {
            Layout::OneEnd
        } else {
            Layout::TwoEnds
        }
    }

    /// Which of the forms of DISCONNECT the client understands: 1 to 3.
    pub const fn disconnect_form(self) -> u8 {
        match self.0 {
            ..=124 => 1,
            125..=130 => 2,
            _ => 3,
        }
    }

    /// Which of the forms of CLUSTER_TOPOLOGY the client is sent: 1 to 4. A broker that is not clustered never used the
    /// third, and nobody knows whether the clients of that time would mind.
    pub const fn topology_form(self, clustered: bool) -> u8 {
        match self.0 {
            ..=121 => 1,
            122..=124 => 2,
            125..=130 if clustered => 3,
            125..=130 => 2,
            _ => 4,
        }
    }

    /// Which of the forms of SESS_QUEUEQUERY_RESP the client waits for: 1 to 3. Any other is not an answer to it.
    pub const fn queue_query_form(self) -> u8 {
        match self.0 {
            ..=125 => 1,
            126..=128 => 2,
            _ => 3,
        }
    }

    /// Which of the forms of SESS_BINDINGQUERY_RESP the client waits for: 1 to 5. Any other is not an answer to it.
    pub const fn binding_query_form(self) -> u8 {
        match self.0 {
            ..=125 => 1,
            126 => 2,
            127..=128 => 3,
            129..=134 => 4,
            _ => 5,
        }
    }

    /// Whether DISCONNECT_CONSUMER may be sent.
    pub const fn knows_disconnect_consumer(self) -> bool {
        self.0 >= 124
    }
}

impl Default for Version {
    /// What a connection speaks before the client has said anything about it.
    fn default() -> Self {
        Self::NEWEST
    }
}
