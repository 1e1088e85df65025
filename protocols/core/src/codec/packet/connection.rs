// SPDX-License-Identifier: Apache-2.0
//! What concerns a whole connection: life signs, farewells, and the answers that any request may get.

use crate::codec::field::{Since, body};
use crate::codec::{SimpleString, TransportConfiguration, Version};

/// The correlation of an answer to a request that has none.
pub const UNCORRELATED: i64 = -1;

body! {
    /// A life sign, which is answered by the same.
    Ping {
        /// How long the sender may be silent, in ms; −1: for ever.
        connection_ttl: i64,
    }

    /// The broker is about to close the connection; for clients before 125.
    Disconnect {
        /// Who closes.
        node_id: Option<SimpleString>,
    }

    /// The same, for clients before 131.
    DisconnectV2 {
        /// Who closes.
        node_id: Option<SimpleString>,
        /// Who has its messages now, if they went somewhere.
        scale_down_node_id: Option<SimpleString>,
    }

    /// The same, with a reason.
    DisconnectV3 {
        /// Who closes.
        node_id: Option<SimpleString>,
        /// Why: see [`reason`].
        reason: i8,
        /// Whom to go to.
        target_node_id: Option<SimpleString>,
        /// How to get there.
        target_connector: Option<TransportConfiguration>,
    }

    /// The broker has closed a consumer, usually because its queue is gone.
    DisconnectConsumer {
        /// Which one.
        consumer_id: i64,
    }

    /// The broker gives up a consumer that is too slow, with its connection.
    DisconnectConsumerKill {
        /// Who closes.
        node_id: Option<SimpleString>,
    }

    /// A request has failed. Whoever waits for an answer on the channel takes this for it, so it is never sent unasked.
    Exception {
        /// What kind of failure; the numbers stand in [`code`].
        code: i32,
        /// What happened.
        message: Option<String>,
        /// That of the request, if it has one.
        correlation: Since<130, i64>,
    }

    /// A request has been done, and there is nothing to say about it.
    NullResponse {
        /// That of the request, or [`UNCORRELATED`]; without it the client goes on waiting.
        correlation: Since<130, i64>,
    }

    /// What has been received and dealt with need not be kept for another time.
    PacketsConfirmed {
        /// The number of the last such packet; the first one on a channel has the number 0.
        command_id: i32,
    }
}

/// Why a broker closes: the numbers of DISCONNECT_V3.
pub mod reason {
    /// No reason is given.
    pub const NONE: i8 = -1;
    /// Another member is to serve this client.
    pub const REDIRECT: i8 = 0;
    /// The same, after a critical failure.
    pub const REDIRECT_CRITICAL: i8 = 1;
    /// The messages have moved to another member. Artemis says so whenever it is stopped, if need be without a target.
    pub const SCALE_DOWN: i8 = 2;
    /// The same, after a critical failure.
    pub const SCALE_DOWN_CRITICAL: i8 = 3;
    /// The broker stops.
    pub const SHUT_DOWN: i8 = 4;
    /// The same, after a critical failure.
    pub const SHUT_DOWN_CRITICAL: i8 = 5;
}

/// The failures that clients tell apart: the numbers of EXCEPTION.
pub mod code {
    /// Something is wrong in the broker.
    pub const INTERNAL_ERROR: i32 = 0;
    /// A packet that is not understood.
    pub const UNSUPPORTED_PACKET: i32 = 1;
    /// The connection is not there any more.
    pub const NOT_CONNECTED: i32 = 2;
    /// Nothing was heard for too long.
    pub const CONNECTION_TIMED_OUT: i32 = 3;
    /// The connection was closed.
    pub const DISCONNECTED: i32 = 4;
    /// A call was given up by a failover.
    pub const UNBLOCKED: i32 = 5;
    /// The disk failed.
    pub const IO_ERROR: i32 = 6;
    /// No queue of that name.
    pub const QUEUE_DOES_NOT_EXIST: i32 = 100;
    /// A queue of that name is there already.
    pub const QUEUE_EXISTS: i32 = 101;
    /// Something closed was used.
    pub const OBJECT_CLOSED: i32 = 102;
    /// A filter that cannot be read.
    pub const INVALID_FILTER_EXPRESSION: i32 = 103;
    /// Not now, or not like this.
    pub const ILLEGAL_STATE: i32 = 104;
    /// Not with that user.
    pub const SECURITY_EXCEPTION: i32 = 105;
    /// No address of that name.
    pub const ADDRESS_DOES_NOT_EXIST: i32 = 106;
    /// An address of that name is there already.
    pub const ADDRESS_EXISTS: i32 = 107;
    /// The client's version is not spoken.
    pub const INCOMPATIBLE_CLIENT_SERVER_VERSIONS: i32 = 108;
    /// The body of a large message is broken.
    pub const LARGE_MESSAGE_ERROR_BODY: i32 = 110;
    /// The transaction is undone.
    pub const TRANSACTION_ROLLED_BACK: i32 = 111;
    /// Not yet: the client tries again at once.
    pub const SESSION_CREATION_REJECTED: i32 = 112;
    /// A duplicate in a transaction.
    pub const DUPLICATE_ID_REJECTED: i32 = 113;
    /// Metadata that another session has, such as its client id.
    pub const DUPLICATE_METADATA: i32 = 114;
    /// Nobody knows how the transaction ended.
    pub const TRANSACTION_OUTCOME_UNKNOWN: i32 = 115;
    /// The primary has a replica already.
    pub const ALREADY_REPLICATING: i32 = 116;
    /// An interceptor does not let the packet through.
    pub const INTERCEPTOR_REJECTED_PACKET: i32 = 117;
    /// A transient queue is not shared like that.
    pub const INVALID_TRANSIENT_QUEUE_USE: i32 = 118;
    /// The other end closed.
    pub const REMOTE_DISCONNECT: i32 = 119;
    /// The transaction took too long.
    pub const TRANSACTION_TIMEOUT: i32 = 120;
    /// The address is full.
    pub const ADDRESS_FULL: i32 = 210;
    /// A large message was not finished.
    pub const LARGE_MESSAGE_INTERRUPTED: i32 = 211;
    /// Not with that cluster password.
    pub const CLUSTER_SECURITY_EXCEPTION: i32 = 212;
    /// Not built.
    pub const NOT_IMPLEMENTED: i32 = 213;
    /// The queue has as many consumers as it may.
    pub const MAX_CONSUMER_LIMIT_EXCEEDED: i32 = 214;
    /// The address is not of that routing type.
    pub const UNEXPECTED_ROUTING_TYPE_FOR_ADDRESS: i32 = 215;
    /// A queue cannot be configured like that.
    pub const INVALID_QUEUE_CONFIGURATION: i32 = 216;
    /// The address cannot be deleted.
    pub const DELETE_ADDRESS_ERROR: i32 = 217;
    /// Something that must be there is null.
    pub const NULL_REF: i32 = 218;
    /// The broker is stopping.
    pub const SHUTDOWN_ERROR: i32 = 219;
    /// The replica did not answer.
    pub const REPLICATION_TIMEOUT: i32 = 220;
    /// No divert of that name.
    pub const DIVERT_DOES_NOT_EXIST: i32 = 221;
    /// Another member is to serve this client.
    pub const ROUTING: i32 = 222;
    /// The broker took too long.
    pub const TIMEOUT: i32 = 223;
    /// Anything else.
    pub const GENERIC_EXCEPTION: i32 = 999;
}

impl NullResponse {
    /// The answer to a request of that correlation.
    pub const fn to(correlation: Option<i64>) -> Self {
        Self {
            correlation: Since(Some(match correlation {
                Some(correlation) => correlation,
                None => UNCORRELATED,
            })),
        }
    }
}

impl Exception {
    /// The answer to a request of that correlation; to one without it, the answer has none either.
    pub fn to(correlation: Option<i64>, code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: Some(message.into()),
            correlation: Since(correlation),
        }
    }
}

/// The broker's farewell, in the form a client understands.
#[derive(Clone, PartialEq, Debug)]
pub struct Farewell {
    /// Who closes.
    pub node_id: SimpleString,
    /// Why: see [`reason`].
    pub reason: i8,
    /// Whom to go to, and how.
    pub target: Option<(SimpleString, TransportConfiguration)>,
}

impl Farewell {
    /// The packet for a client of that version.
    pub fn packet(self, version: Version) -> super::Packet {
        let node_id = Some(self.node_id);
        let (target_node_id, target_connector) = self.target.unzip();
        match version.disconnect_form() {
            1 => super::Packet::Disconnect(Disconnect { node_id }),
            2 => super::Packet::DisconnectV2(DisconnectV2 {
                node_id,
                scale_down_node_id: target_node_id,
            }),
            _ => super::Packet::DisconnectV3(Box::new(DisconnectV3 {
                node_id,
                reason: self.reason,
                target_node_id,
                target_connector,
            })),
        }
    }
}
