// SPDX-License-Identifier: Apache-2.0
//! Addresses: created, asked about.

use crate::codec::field::{Form, body};
use crate::codec::{Kind, SimpleString};

body! {
    /// Creates an address, unless it is there.
    CreateAddress {
        /// Its name.
        address: SimpleString,
        /// 0 multicast, 1 anycast.
        routing_types: Vec<i8>,
        /// An answer is expected.
        requires_response: bool,
        /// The client's wish, not its user's.
        auto_created: bool,
    }

    /// Asks about an address.
    BindingQuery {
        /// Which.
        address: SimpleString,
    }

    /// What is known about an address.
    BindingQueryResponse {
        /// There is one.
        exists: bool,
        /// The queues bound to it.
        queues: Vec<SimpleString>,
        /// Queues would be created by being used.
        auto_create_queues: Form<2, bool>,
        /// It would be created by being used.
        auto_create_addresses: Form<3, bool>,
        /// How its queues would be.
        defaults: Form<4, Box<QueueDefaults>>,
        /// What it may be used for.
        routing: Form<5, SupportedRouting>,
    }

    /// How a queue of an address would be if nothing is said about it.
    QueueDefaults {
        /// It is emptied when its last consumer goes.
        purge_on_no_consumers: bool,
        /// How many consumers it may have; −1: any number.
        consumers_max: i32,
        /// One consumer at a time.
        exclusive: Option<bool>,
        /// A newer message replaces an older one.
        last_value: Option<bool>,
        /// The property by which messages replace one another.
        last_value_key: Option<SimpleString>,
        /// Consuming does not remove.
        non_destructive: Option<bool>,
        /// Nothing is dispatched before so many consumers are there,
        consumers_before_dispatch: Option<i32>,
        /// or so many ms have passed.
        delay_before_dispatch: Option<i64>,
    }

    /// What an address may be used for; neither if there is none.
    SupportedRouting {
        /// Every queue gets a copy.
        multicast: bool,
        /// One queue gets the message.
        anycast: bool,
    }
}

impl BindingQueryResponse {
    /// Leaves out what a client of an older version would not take for an answer: `form` is that of its version.
    #[must_use]
    pub fn in_form(mut self, form: u8) -> Self {
        self.auto_create_queues.limit(form);
        self.auto_create_addresses.limit(form);
        self.defaults.limit(form);
        self.routing.limit(form);
        self
    }

    /// The packet it is.
    pub(super) fn kind(&self) -> Kind {
        let form = self
            .auto_create_queues
            .number()
            .max(self.auto_create_addresses.number())
            .max(self.defaults.number())
            .max(self.routing.number());
        match form {
            1 => Kind::BindingQueryResponse,
            2 => Kind::BindingQueryResponseV2,
            3 => Kind::BindingQueryResponseV3,
            4 => Kind::BindingQueryResponseV4,
            _ => Kind::BindingQueryResponseV5,
        }
    }
}
