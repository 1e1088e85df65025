// SPDX-License-Identifier: Apache-2.0
//! What members of a cluster say to each other on channel 3.

use crate::codec::field::{Trailing, body};
use crate::codec::{SimpleString, TransportConfiguration};

body! {
    /// A member shows that it is one.
    ClusterConnect {
        /// The cluster's user.
        user: String,
        /// The cluster's password.
        password: String,
    }

    /// Whether it may stay.
    ClusterConnectReply {
        /// It may.
        authorized: bool,
    }

    /// A member tells how it is reached.
    NodeAnnounce {
        /// Which; a backup gives its primary's.
        node_id: String,
        /// The group within which backups pair.
        backup_group_name: Option<String>,
        /// It is a backup.
        backup: bool,
        /// The age of the news.
        current_event_id: i64,
        /// How it is reached.
        connector: Option<TransportConfiguration>,
        /// How its backup is reached.
        backup_connector: Option<TransportConfiguration>,
        /// The group within which messages are handed on.
        scale_down_group_name: Option<String>,
    }

    /// A member that goes tells who has its messages now.
    ScaleDownAnnouncement {
        /// Who has them.
        target_node_id: SimpleString,
        /// Who had them.
        scaled_down_node_id: SimpleString,
    }

    /// A member asks for, or gives, a vote. Seen in the source of Artemis, never on the wire.
    QuorumVote {
        /// What is voted on.
        handler: SimpleString,
        /// The vote.
        vote: bool,
        /// About whom, where the question is whether anybody is connected to a node.
        connected_to: Trailing<ConnectedTo>,
    }

    /// The node a vote is about.
    ConnectedTo {
        /// Which.
        node_id: String,
        /// How it is reached, as text.
        transport_configuration: Option<String>,
    }
}
