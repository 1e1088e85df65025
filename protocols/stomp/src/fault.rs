// SPDX-License-Identifier: Apache-2.0
//! What goes into an ERROR frame, after which the connection always closes [1.2 §ERROR].

use hind_engine::protocol::PeerViolation;

use crate::codec::Malformed;

/// One reason to give a client up.
///
/// The texts with a number are Artemis's, because clients and their operators search for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// The clause that was broken; `None` if the client did nothing wrong but was refused.
    pub clause: Option<&'static str>,
    /// The `message` header: short.
    pub message: String,
    /// The body: everything there is to know.
    pub detail: String,
    /// A `version` header, for a client that speaks none of ours.
    pub versions: Option<&'static str>,
}

impl Fault {
    /// The client broke a clause.
    pub fn violation(
        clause: &'static str,
        message: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            clause: Some(clause),
            message: message.into(),
            detail: detail.into(),
            versions: None,
        }
    }

    /// The broker will not do it.
    pub fn refused(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            clause: None,
            detail: message.clone(),
            message,
            versions: None,
        }
    }

    /// Why the connection closes, for the host's log.
    pub fn reason(&self) -> String {
        match self.as_violation() {
            Some(violation) => violation.to_string(),
            None => self.message.clone(),
        }
    }

    /// The same, if it was the client's fault.
    pub fn as_violation(&self) -> Option<PeerViolation> {
        Some(PeerViolation {
            clause: self.clause?,
            detail: self.message.clone(),
        })
    }

    pub fn unsupported_command(command: &str, detail: &str) -> Self {
        Self::violation(
            "STOMP 1.2 §Client Frames",
            format!("AMQ339029: Unsupported command: {command}"),
            detail,
        )
    }

    pub fn header_value(clause: &'static str, name: &str, value: &str, expected: &str) -> Self {
        let shown: String = value.chars().take(64).collect();
        Self::violation(
            clause,
            format!("AMQ339023: Invalid STOMP frame: {name}: {shown}"),
            format!("The value of the header {name} is to be {expected}."),
        )
    }

    pub fn limit(what: &str, limit: usize) -> Self {
        Self::refused(format!("limit reached: {limit} {what} of one connection"))
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        let text = malformed.to_string();
        Self::violation(
            malformed.clause(),
            text.clone(),
            format!("{text}\nThis connection cannot be read any further."),
        )
    }
}
