// SPDX-License-Identifier: Apache-2.0
//! A broker asks another to be its upstream, on channel 4. From the source of Artemis, never seen on the wire.

use crate::codec::field::{Field, Reader, Writer, body};
use crate::codec::{Malformed, TransportConfiguration};

const ADDRESS_POLICY: &str =
    "org.apache.activemq.artemis.core.config.federation.FederationAddressPolicyConfiguration";
const QUEUE_POLICY: &str =
    "org.apache.activemq.artemis.core.config.federation.FederationQueuePolicyConfiguration";

body! {
    /// The other is to connect back and take what the policies name.
    FederationDownstreamConnect {
        /// The federation.
        name: String,
        /// As whom to connect back.
        credentials: Option<Credentials>,
        /// What is federated.
        policies: Vec<Policy>,
        /// What happens to messages on the way.
        transformers: Vec<FederationTransformer>,
        /// The way.
        stream: FederationStream,
    }

    /// A user and a password.
    Credentials {
        /// Who.
        user: String,
        /// The password.
        password: String,
    }

    /// A named transformer.
    FederationTransformer {
        /// Its name.
        name: String,
        /// The Java class that does it.
        class: String,
        /// How it is set up.
        properties: Vec<TransformerProperty>,
    }

    /// One setting of a transformer.
    TransformerProperty {
        /// Which.
        key: String,
        /// To what.
        value: String,
    }

    /// A connection and what goes over it.
    FederationStream {
        /// Its name.
        name: String,
        /// How it is kept.
        connection: FederationConnection,
        /// The names of its policies.
        policy_references: Vec<String>,
        /// Where to connect back to.
        upstream: TransportConfiguration,
    }

    /// How a connection is kept. Durations in ms.
    FederationConnection {
        /// As whom.
        user: Option<String>,
        /// The password.
        password: Option<String>,
        /// One connection for several streams.
        share_connection: bool,
        /// How much lower than local consumers.
        priority_adjustment: i32,
        /// How often the other is looked after.
        client_failure_check_period: i64,
        /// How long the other may be silent.
        connection_ttl: i64,
        /// How long until the next attempt.
        retry_interval: i64,
        /// How much longer each time.
        retry_interval_multiplier: f64,
        /// Artemis writes the interval again where its maximum belongs.
        retry_interval_max: i64,
        /// How often at first; −1: for ever.
        initial_connect_attempts: i32,
        /// How often later; −1: for ever.
        reconnect_attempts: i32,
        /// How long a call may take,
        call_timeout: i64,
        /// and during a failover.
        call_failover_timeout: i64,
    }

    /// Which addresses are federated.
    AddressPolicy {
        /// Its name.
        name: String,
        /// The upstream's queue goes when nobody uses it,
        auto_delete: Option<bool>,
        /// so many ms later,
        auto_delete_delay: Option<i64>,
        /// and if no more than so many messages are in it.
        auto_delete_message_count: Option<i64>,
        /// Over how many brokers.
        hops_max: i32,
        /// The transformer's name.
        transformer: Option<String>,
        /// Which.
        includes: Vec<AddressMatcher>,
        /// But not these.
        excludes: Vec<AddressMatcher>,
        /// What is diverted there counts as wanted.
        enable_divert_bindings: bool,
    }

    /// A pattern.
    AddressMatcher {
        /// For addresses.
        address: String,
    }

    /// Which queues are federated.
    QueuePolicy {
        /// Its name.
        name: String,
        /// Consumers that are federated themselves count, too.
        include_federated: bool,
        /// How much lower than local consumers.
        priority_adjustment: Option<i32>,
        /// The transformer's name.
        transformer: Option<String>,
        /// Which.
        includes: Vec<QueueMatcher>,
        /// But not these.
        excludes: Vec<QueueMatcher>,
    }

    /// Two patterns.
    QueueMatcher {
        /// For addresses.
        address: Option<String>,
        /// For queues.
        queue: Option<String>,
    }
}

/// What is federated; on the wire behind the name of a Java class.
#[derive(Clone, PartialEq, Debug)]
pub enum Policy {
    /// Addresses.
    Address(AddressPolicy),
    /// Queues.
    Queue(QueuePolicy),
}

impl Field for Policy {
    const LEAST: usize = QUEUE_POLICY.len();

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match from.read::<String>()?.as_str() {
            ADDRESS_POLICY => from.read().map(Self::Address),
            QUEUE_POLICY => from.read().map(Self::Queue),
            _ => Err(Malformed::Policy),
        }
    }

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Address(policy) => {
                ADDRESS_POLICY.to_owned().write(to);
                policy.write(to);
            }
            Self::Queue(policy) => {
                QUEUE_POLICY.to_owned().write(to);
                policy.write(to);
            }
        }
    }
}
