// SPDX-License-Identifier: Apache-2.0
//! One message, as its producer knows it.

use std::fmt;

use super::{ConnectionNumber, Copy, PlaceId, TransactionNumber};

/// The number a producer writes into the message itself, so that it is known wherever it turns up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Uid(pub usize);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// What selectors look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shade {
    /// Half of the messages.
    Light,
    /// The other half.
    Dark,
}

impl fmt::Display for Shade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Light => "light",
            Self::Dark => "dark",
        })
    }
}

/// What a producer asks for.
#[derive(Clone, Debug)]
pub struct Sending {
    /// The queue; `None` is the topic.
    pub place: Option<PlaceId>,
    /// Survives a crash.
    pub persistent: bool,
    /// 0 to 9.
    pub priority: u8,
    /// For selectors.
    pub shade: Shade,
    /// When it expires, in milliseconds of wall time.
    pub expires: Option<u64>,
    /// Not to be delivered before this, in milliseconds of wall time.
    pub due: Option<u64>,
    /// Carries a duplicate id.
    pub duplicate_id: bool,
    /// Part of this transaction.
    pub transaction: Option<TransactionNumber>,
    /// Bytes of the body.
    pub size: usize,
}

/// What is known of a message's arrival at the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Sent on a connection that still lives: it will be there.
    Pending,
    /// Confirmed: it is there, and survives a crash if it is persistent.
    Certain,
    /// It may be there or not.
    Doubtful,
    /// Not to be seen before its transaction commits.
    InTransaction,
    /// Not to be seen at all.
    Never,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who sent it.
    pub connection: ConnectionNumber,
    /// What was asked for.
    pub sending: Sending,
    /// What became of that.
    pub fate: Fate,
    /// Its place among the messages of all producers; for one connection that is the order it may count on.
    pub order: u64,
    /// Sent more than once with its duplicate id: its place in the order is that of one of the sends.
    pub retried: bool,
    /// How many sends with a duplicate id there had been, this one included.
    pub duplicate_number: usize,
    /// Sent over MQTT, which has no words for some of what was asked for.
    pub of_mqtt: bool,
    /// Sent again without a duplicate id: it may come twice.
    pub doubled: bool,
    /// Where it is, or may be.
    pub copies: Vec<Copy>,
}

impl Message {
    /// A message about to be sent.
    pub fn new(connection: ConnectionNumber, sending: Sending) -> Self {
        Self {
            connection,
            sending,
            fate: Fate::Pending,
            order: 0,
            retried: false,
            duplicate_number: 0,
            of_mqtt: false,
            doubled: false,
            copies: Vec::new(),
        }
    }

    /// Whether anybody has seen it anywhere.
    pub fn was_seen(&self) -> bool {
        self.copies
            .iter()
            .any(|copy| copy.deliveries > 0 || copy.end.is_some())
    }

    /// Which message has this body.
    pub fn read_uid(body: &[u8]) -> Option<Uid> {
        let end = body.iter().position(|byte| *byte == b':')?;
        let text = std::str::from_utf8(&body[..end]).ok()?;
        text.strip_prefix('m')?.parse().ok().map(Uid)
    }

    /// The body of a message: its number, then bytes that follow from it, so that damage is noticed.
    pub fn body(uid: Uid, size: usize) -> Vec<u8> {
        let mut body = format!("{uid}:").into_bytes();
        let mut byte = uid.0;
        body.extend(
            std::iter::repeat_with(|| {
                byte = byte.wrapping_mul(31).wrapping_add(7);
                (byte >> 3) as u8 & 0x7f | 0x20
            })
            .take(size),
        );
        body
    }
}
