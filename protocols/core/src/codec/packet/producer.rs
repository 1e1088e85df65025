// SPDX-License-Identifier: Apache-2.0
//! Producers: messages in, whole and in parts, and the credit for them.

use bytes::Bytes;

use crate::codec::field::{Field, Reader, Since, Writer, body};
use crate::codec::{Head, Malformed, Message, SimpleString};

body! {
    /// A message.
    Send {
        /// The message.
        message: Message,
        /// An answer is expected.
        requires_response: bool,
        /// What the answer is to carry; 0 if none is wanted.
        correlation: Since<130, i64>,
        /// Which producer sends; one that nobody knows is nothing to worry about.
        sender: Since<134, i32>,
    }

    /// A message of which the body follows. Not answered; it replaces one that is unfinished.
    SendLarge {
        /// All but the body.
        head: Head,
    }

    /// Announces a producer.
    CreateProducer {
        /// The client's number for it within its session, from 1 on.
        id: i32,
        /// Where it sends to; `None`: to where each message says.
        address: Option<SimpleString>,
    }

    /// Takes it back. The broker may never have heard of it.
    RemoveProducer {
        /// Which.
        id: i32,
    }

    /// Credit for producers: asked for, given, and refused because the address is full.
    ProducerCredits {
        /// How much, in bytes of encoded messages.
        credits: i32,
        /// For which address.
        address: SimpleString,
    }
}

/// A part of the body of a large message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendContinuation {
    /// The bytes.
    pub body: Bytes,
    /// `None`: more parts follow. In the last part, how large the whole body is before it was compressed, in bytes; −1 if
    /// its sender does not know.
    pub total: Option<i64>,
    /// An answer is expected.
    pub requires_response: bool,
    /// What the answer is to carry.
    pub correlation: Since<130, i64>,
    /// Which producer sends.
    pub sender: Since<134, i32>,
}

impl Field for SendContinuation {
    const LEAST: usize = 6;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let body = from.read()?;
        let continues: bool = from.read()?;
        Ok(Self {
            body,
            total: if continues { None } else { Some(from.read()?) },
            requires_response: from.read()?,
            correlation: from.read()?,
            sender: from.read()?,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.body.write(to);
        self.total.is_none().write(to);
        if let Some(total) = self.total {
            total.write(to);
        }
        self.requires_response.write(to);
        self.correlation.write(to);
        self.sender.write(to);
    }
}
