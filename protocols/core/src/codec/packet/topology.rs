// SPDX-License-Identifier: Apache-2.0
//! Who is in the cluster, and how a client gets there.

use crate::codec::field::{Field, Form, Reader, Writer, body};
use crate::codec::{Kind, Malformed, TransportConfiguration};

body! {
    /// Asks to be told of every member now and of every change later.
    SubscribeTopology {
        /// A member asks, not a client.
        cluster_connection: bool,
        /// The client's version, which is that of the connection from now on.
        client_version: Form<2, i32>,
    }

    /// Asks whether a node is, or has the messages of, the one a client was connected to.
    CheckForFailover {
        /// That one.
        node_id: Option<String>,
    }

    /// Whether it is worth staying.
    CheckForFailoverReply {
        /// It is.
        ok_to_failover: bool,
    }

    /// A member as clients are to reach it.
    Member {
        /// The active one; `None`: where the client is connected to.
        primary: Option<TransportConfiguration>,
        /// Its backup.
        backup: Option<TransportConfiguration>,
        /// The last of the first answer. A client that has not seen one does not connect.
        last: bool,
    }
}

/// A member has come, changed or gone.
#[derive(Clone, PartialEq, Debug)]
pub struct ClusterTopology {
    /// Which.
    pub node_id: String,
    /// The age of the news; clients ignore older ones about the same member.
    pub unique_event_id: Form<2, i64>,
    /// How it is reached; `None`: it is gone.
    pub member: Option<Member>,
    /// The group within which backups pair.
    pub backup_group_name: Form<2, Option<String>>,
    /// The group within which messages are handed on.
    pub scale_down_group_name: Form<3, Option<String>>,
    /// The member's version.
    pub server_version: Form<4, i32>,
}

impl Field for ClusterTopology {
    const LEAST: usize = 5;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let exit: bool = from.read()?;
        Ok(Self {
            node_id: from.read()?,
            unique_event_id: from.read()?,
            member: if exit { None } else { Some(from.read()?) },
            backup_group_name: from.read()?,
            scale_down_group_name: from.read()?,
            server_version: from.read()?,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.member.is_none().write(to);
        self.node_id.write(to);
        self.unique_event_id.write(to);
        if let Some(member) = &self.member {
            member.write(to);
        }
        self.backup_group_name.write(to);
        self.scale_down_group_name.write(to);
        self.server_version.write(to);
    }
}

impl ClusterTopology {
    /// Leaves out what an older client would not understand: `form` is that of its version.
    #[must_use]
    pub fn in_form(mut self, form: u8) -> Self {
        self.unique_event_id.limit(form);
        self.backup_group_name.limit(form);
        self.scale_down_group_name.limit(form);
        self.server_version.limit(form);
        self
    }

    /// The packet it is.
    pub(super) fn kind(&self) -> Kind {
        let form = self
            .unique_event_id
            .number()
            .max(self.scale_down_group_name.number())
            .max(self.server_version.number());
        match form {
            1 => Kind::ClusterTopology,
            2 => Kind::ClusterTopologyV2,
            3 => Kind::ClusterTopologyV3,
            _ => Kind::ClusterTopologyV4,
        }
    }
}

impl SubscribeTopology {
    /// The packet it is.
    pub(super) const fn kind(&self) -> Kind {
        if self.client_version.0.is_some() {
            Kind::SubscribeTopologyV2
        } else {
            Kind::SubscribeTopology
        }
    }
}
