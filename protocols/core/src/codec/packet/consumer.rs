// SPDX-License-Identifier: Apache-2.0
//! Consumers: messages out, whole and in parts, the credit for them, and their acknowledgement.

use bytes::Bytes;

use crate::codec::field::{Since, body};
use crate::codec::{Head, Message, SimpleString};

body! {
    /// Opens a consumer.
    CreateConsumer {
        /// The client's number for it within its session, from 0 on.
        id: i64,
        /// The queue, or `address::queue`.
        queue: SimpleString,
        /// Which messages.
        filter: Option<SimpleString>,
        /// Messages are shown and stay.
        browse_only: bool,
        /// An answer, which is that to a queue query, is expected.
        requires_response: bool,
        /// Before those of lower priority.
        priority: Since<130, i32>,
    }

    /// Closes it.
    CloseConsumer {
        /// Which.
        consumer_id: i64,
    }

    /// Credit for a consumer.
    ConsumerCredits {
        /// Which.
        consumer_id: i64,
        /// How much more, in bytes of frames; −1: without limit; 0: what is left is taken back.
        credits: i32,
    }

    /// Asks for everything there is, and a mark behind it.
    ForceDelivery {
        /// For which consumer.
        consumer_id: i64,
        /// What the mark is to carry.
        sequence: i64,
    }

    /// A message is consumed: that one, or all up to it in the order of their delivery.
    Acknowledge {
        /// By which consumer.
        consumer_id: i64,
        /// Which message.
        message_id: i64,
        /// An answer is expected.
        requires_response: bool,
    }

    /// A message had expired when the client got it. Not answered.
    Expired {
        /// Delivered to which consumer.
        consumer_id: i64,
        /// Which message.
        message_id: i64,
    }

    /// A message.
    Receive {
        /// The message.
        message: Message,
        /// For which consumer.
        consumer_id: i64,
        /// Which attempt this is, from 1 on; 0 for browsers.
        delivery_count: i32,
    }

    /// A message of which the body follows.
    ReceiveLarge {
        /// For which consumer.
        consumer_id: i64,
        /// Which attempt this is, from 1 on.
        delivery_count: i32,
        /// How large the body is as it is stored, in bytes.
        size: i64,
        /// All but the body.
        head: Head,
    }

    /// A part of the body of a large message.
    ReceiveContinuation {
        /// The bytes.
        body: Bytes,
        /// More parts follow.
        continues: bool,
        /// For which consumer.
        consumer_id: i64,
    }
}
