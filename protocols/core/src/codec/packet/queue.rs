// SPDX-License-Identifier: Apache-2.0
//! Queues: created, deleted, asked about.

use crate::codec::field::{Form, Trailing, body, open_body};
use crate::codec::{Kind, SimpleString};

/// No routing type is wanted; the others are 0 multicast and 1 anycast.
pub const ROUTING_UNSET: i8 = -1;

open_body! {
    /// What may be said about a new queue; what is null is taken from the address settings. Older clients know fewer.
    QueueOptions {
        /// One consumer at a time.
        exclusive: Option<bool>,
        /// A newer message replaces an older one.
        last_value: Option<bool>,
        /// … that has the same value of this property.
        last_value_key: Option<SimpleString>,
        /// Consuming does not remove.
        non_destructive: Option<bool>,
        /// Nothing is dispatched before so many consumers are there,
        consumers_before_dispatch: Option<i32>,
        /// or so many ms have passed.
        delay_before_dispatch: Option<i64>,
        /// Groups are assigned anew when a consumer comes.
        group_rebalance: Option<bool>,
        /// How many groups are told apart; −1: all.
        group_buckets: Option<i32>,
        /// It goes when nobody uses it,
        auto_delete: Option<bool>,
        /// so many ms later,
        auto_delete_delay: Option<i64>,
        /// and if no more than so many messages are in it.
        auto_delete_message_count: Option<i64>,
        /// The property that marks the first message of a group.
        group_first_key: Option<SimpleString>,
        /// No more than so many messages are kept; −1: all.
        ring_size: Option<i64>,
        /// Messages are routed to it.
        enabled: Option<bool>,
        /// Dispatch pauses while groups are assigned anew.
        group_rebalance_pause_dispatch: Option<bool>,
    }
}

body! {
    /// What the second form of [`CreateQueue`] adds.
    QueueDetails {
        /// The client's wish, not its user's.
        auto_created: bool,
        /// 0 multicast, 1 anycast, or [`ROUTING_UNSET`].
        routing_type: i8,
        /// How many consumers it may have; −1: any number.
        consumers_max: i32,
        /// It is emptied when its last consumer goes.
        purge_on_no_consumers: bool,
        /// More.
        options: QueueOptions,
    }

    /// Creates a queue.
    CreateQueue {
        /// The address it is bound to.
        address: SimpleString,
        /// Its name.
        name: SimpleString,
        /// Which messages.
        filter: Option<SimpleString>,
        /// It survives a restart.
        durable: bool,
        /// It goes with the connection.
        temporary: bool,
        /// An answer is expected.
        requires_response: bool,
        /// More.
        details: Form<2, Box<QueueDetails>>,
    }

    /// What the second form of [`CreateSharedQueue`] adds behind `durable`; the answer is asked for in between.
    SharedQueueDetails {
        /// How many consumers it may have; −1: any number.
        consumers_max: Trailing<Option<i32>>,
        /// It is emptied when its last consumer goes.
        purge_on_no_consumers: Trailing<Option<bool>>,
        /// More.
        options: QueueOptions,
    }

    /// Creates a queue that several subscribers share, unless it is there as it should be.
    CreateSharedQueue {
        /// The address it is bound to.
        address: SimpleString,
        /// Its name.
        name: SimpleString,
        /// Which messages.
        filter: Option<SimpleString>,
        /// It survives its last consumer, and a restart.
        durable: bool,
        /// 0 multicast, 1 anycast, or [`ROUTING_UNSET`].
        routing_type: Form<2, i8>,
        /// An answer is expected.
        requires_response: bool,
        /// More.
        details: Form<2, Box<SharedQueueDetails>>,
    }

    /// Deletes a queue.
    DeleteQueue {
        /// Which.
        name: SimpleString,
    }

    /// Asks about a queue.
    QueueQuery {
        /// Which.
        name: SimpleString,
    }

    /// What is known about a queue.
    QueueQueryResponse {
        /// There is one.
        exists: bool,
        /// It survives a restart.
        durable: bool,
        /// It goes with its connection.
        temporary: bool,
        /// How many consumers it has.
        consumer_count: i32,
        /// How many messages it has.
        message_count: i64,
        /// Which messages it takes.
        filter: Option<SimpleString>,
        /// The address it is bound to.
        address: Option<SimpleString>,
        /// Its name.
        name: Option<SimpleString>,
        /// It would be created by being used.
        auto_create_queues: Form<2, bool>,
        /// More.
        details: Form<3, Box<QueueReport>>,
    }

    /// What the third form of [`QueueQueryResponse`] adds.
    QueueReport {
        /// It was created by being used.
        auto_created: bool,
        /// It is emptied when its last consumer goes.
        purge_on_no_consumers: bool,
        /// 0 multicast, 1 anycast.
        routing_type: i8,
        /// How many consumers it may have; −1: any number.
        consumers_max: i32,
        /// More.
        options: QueueReportOptions,
    }
}

open_body! {
    /// How a queue is configured, or would be; older brokers say less.
    QueueReportOptions {
        /// One consumer at a time.
        exclusive: Option<bool>,
        /// A newer message replaces an older one.
        last_value: Option<bool>,
        /// How much credit its consumers start with, in bytes.
        default_consumer_window_size: Option<i32>,
        /// The property by which messages replace one another.
        last_value_key: Option<SimpleString>,
        /// Consuming does not remove.
        non_destructive: Option<bool>,
        /// Nothing is dispatched before so many consumers are there,
        consumers_before_dispatch: Option<i32>,
        /// or so many ms have passed.
        delay_before_dispatch: Option<i64>,
        /// Groups are assigned anew when a consumer comes.
        group_rebalance: Option<bool>,
        /// How many groups are told apart; −1: all.
        group_buckets: Option<i32>,
        /// It goes when nobody uses it,
        auto_delete: Option<bool>,
        /// so many ms later,
        auto_delete_delay: Option<i64>,
        /// and if no more than so many messages are in it.
        auto_delete_message_count: Option<i64>,
        /// The property that marks the first message of a group.
        group_first_key: Option<SimpleString>,
        /// No more than so many messages are kept; −1: all.
        ring_size: Option<i64>,
        /// Messages are routed to it.
        enabled: Option<bool>,
        /// Dispatch pauses while groups are assigned anew.
        group_rebalance_pause_dispatch: Option<bool>,
        /// It stands in broker.xml.
        configuration_managed: Option<bool>,
    }
}

impl CreateQueue {
    /// The packet it is.
    pub(super) const fn kind(&self) -> Kind {
        if self.details.0.is_some() {
            Kind::CreateQueueV2
        } else {
            Kind::CreateQueue
        }
    }
}

impl CreateSharedQueue {
    /// The packet it is.
    pub(super) const fn kind(&self) -> Kind {
        if self.routing_type.0.is_some() {
            Kind::CreateSharedQueueV2
        } else {
            Kind::CreateSharedQueue
        }
    }
}

impl QueueQueryResponse {
    /// Leaves out what a client of an older version would not take for an answer: `form` is that of its version.
    #[must_use]
    pub fn in_form(mut self, form: u8) -> Self {
        self.auto_create_queues.limit(form);
        self.details.limit(form);
        self
    }

    /// The packet it is.
    pub(super) fn kind(&self) -> Kind {
        match self.auto_create_queues.number().max(self.details.number()) {
            1 => Kind::QueueQueryResponse,
            2 => Kind::QueueQueryResponseV2,
            _ => Kind::QueueQueryResponseV3,
        }
    }
}
