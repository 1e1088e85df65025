// SPDX-License-Identifier: Apache-2.0
//! Why a connection is given up, and what the client is told of it.

use hind_engine::protocol::{Close, PeerViolation};

use crate::codec::{Malformed, Reason};

/// One reason to give a client up. In MQTT 5.0 it is told by a DISCONNECT, before that by nothing but the end of the
/// connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// The clause that was broken; `None` if the client did nothing wrong but was refused.
    pub clause: Option<&'static str>,
    /// What the client is told; `None`: nothing.
    pub reason: Option<Reason>,
    /// Everything there is to know, for the log and for a client that wants to know.
    pub detail: String,
}

impl Fault {
    /// The client broke a clause.
    pub fn violation(reason: Reason, clause: &'static str, detail: &str) -> Self {
        Self {
            clause: Some(clause),
            reason: Some(reason),
            detail: detail.to_owned(),
        }
    }

    /// The broker will not do it.
    pub fn refused(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            clause: None,
            reason: Some(reason),
            detail: detail.into(),
        }
    }

    /// The same, if it was the client's fault.
    pub fn as_violation(&self) -> Option<PeerViolation> {
        Some(PeerViolation {
            clause: self.clause?,
            detail: self.detail.clone(),
        })
    }

    /// Why the connection closes, for the host's log.
    pub fn close(&self) -> Close {
        Close::Refused(match self.as_violation() {
            Some(violation) => violation.to_string(),
            None => self.detail.clone(),
        })
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        Self {
            clause: Some(malformed.clause),
            reason: (!malformed.is_silent).then_some(malformed.reason),
            detail: malformed.detail.to_owned(),
        }
    }
}
