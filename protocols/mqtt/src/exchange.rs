// SPDX-License-Identifier: Apache-2.0
//! Packet identifiers in use on this connection, in each direction: which step of its exchange each has come to.
//!
//! What outlives the connection the engine keeps; here is only what tells a valid next step from a wrong one, and how many
//! messages are under way [MQTT 5.0 §4.3, §4.9].

use std::collections::BTreeMap;
use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::codec::{Publish, Qos, Reason};
use crate::fault::Fault;

/// Messages of the client that are not answered for good.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    /// Those of QoS 2 by packet identifier, until PUBCOMP.
    received: BTreeMap<u16, Received>,
    /// Those of QoS 1 whose PUBACK is owed.
    unacknowledged: usize,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    /// Of topic and payload.
    digest: u64,
    /// How often it came again without saying so.
    unmarked: u8,
}

impl Inbound {
    /// A message of QoS 1 or 2 has come; `window` many may be under way.
    ///
    /// # Errors
    /// More are under way than agreed [MQTT-3.3.4-9], or the client sends the same one over and over without DUP
    /// [MQTT-3.3.1-1].
    pub fn begin(
        &mut self,
        publish: &Publish<'_>,
        topic: &str,
        window: usize,
    ) -> Result<(), Fault> {
        if publish.qos == Qos::ExactlyOnce {
            let digest = digest(topic, publish.payload.bytes());
            if let Some(received) = self.received.get_mut(&publish.packet_id) {
                return received.again(digest, publish.dup);
            }
            let received = Received {
                digest,
                unmarked: 0,
            };
            self.received.insert(publish.packet_id, received);
        } else {
            self.unacknowledged += 1;
        }
        if self.unacknowledged + self.received.len() > window {
            let what = "more messages are unanswered than the server's receive maximum";
            return Err(Fault::violation(
                Reason::ReceiveMaximumExceeded,
                "MQTT-3.3.4-9",
                what,
            ));
        }
        Ok(())
    }

    /// A PUBACK goes out.
    pub fn acknowledged(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// A PUBCOMP goes out, or a PUBREC that refuses.
    pub fn completed(&mut self, packet_id: u16) {
        self.received.remove(&packet_id);
    }
}

impl Received {
    /// A message with its identifier has come again. One that differs, or came once more than it should, is only a
    /// careless client's; to send the same one for ever is not.
    fn again(&mut self, digest: u64, dup: bool) -> Result<(), Fault> {
        if dup {
            return Ok(());
        }
        self.unmarked = if self.digest == digest {
            self.unmarked + 1
        } else {
            0
        };
        self.digest = digest;
        if self.unmarked > 1 {
            let what = "a message is sent again and again without being marked as a duplicate";
            return Err(Fault::violation(
                Reason::ProtocolError,
                "MQTT-3.3.1-1",
                what,
            ));
        }
        Ok(())
    }
}

fn digest(topic: &str, payload: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(topic.as_bytes());
    hasher.write_usize(payload.len());
    hasher.write(payload);
    hasher.finish()
}

/// What the client has to say next of a message that was sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Awaiting {
    /// PUBACK.
    Acknowledge,
    /// PUBREC.
    Received,
    /// PUBCOMP.
    Complete,
}

/// Messages to the client that it has not answered for good.
#[derive(Debug, Default)]
pub(crate) struct Outbound(BTreeMap<u16, Awaiting>);

impl Outbound {
    /// A message goes out, or the PUBREL of an earlier connection's.
    pub fn sent(&mut self, packet_id: u16, awaiting: Awaiting) {
        self.0.insert(packet_id, awaiting);
    }

    /// What the client has to say next; `None`: nothing is under way.
    pub fn awaiting(&self, packet_id: u16) -> Option<Awaiting> {
        self.0.get(&packet_id).copied()
    }

    /// Nothing more is to be said of it.
    pub fn finished(&mut self, packet_id: u16) {
        self.0.remove(&packet_id);
    }
}
