// SPDX-License-Identifier: Apache-2.0
//! Sessions: their beginning, their second life on another connection, and what is known about them.

use crate::codec::Kind;
use crate::codec::field::{Form, body};

body! {
    /// Opens a session. A client of 131 or later sends the first form until it has dealt with a topology packet.
    CreateSession {
        /// The client's name for it, by which it is reattached.
        name: String,
        /// The channel it will have, from 10 on.
        channel: i64,
        /// The client's version.
        version: i32,
        /// Who.
        username: Option<String>,
        /// The password.
        password: Option<String>,
        /// From this size on, in bytes, the client sends and expects messages in parts.
        large_message_size_min: i32,
        /// Transactions are branches of distributed ones.
        xa: bool,
        /// Sends are not part of a transaction.
        auto_commit_sends: bool,
        /// Acknowledgements are not part of a transaction.
        auto_commit_acks: bool,
        /// After how many bytes packets are confirmed; −1: never, and no reattachment.
        confirmation_window: i32,
        /// Messages are acknowledged when they are sent to the client.
        pre_acknowledge: bool,
        /// Where messages without an address go.
        default_address: Option<String>,
        /// The JMS client id.
        client_id: Form<2, Option<String>>,
    }

    /// A session is open.
    CreateSessionResponse {
        /// The version that the client will take for the connection's.
        version: i32,
    }

    /// Asks for the session of a connection that was lost.
    ReattachSession {
        /// Its name.
        name: String,
        /// The last packet the client has received on its channel; −1: none.
        last_confirmed_command_id: i32,
    }

    /// Whether there is such a session.
    ReattachSessionResponse {
        /// The last packet the broker has received on its channel; −1: none.
        last_confirmed_command_id: i32,
        /// It is here, and goes on.
        reattached: bool,
    }

    /// Something about a session for others to see; not answered.
    AddMetadata {
        /// What.
        key: String,
        /// The thing itself.
        data: String,
    }

    /// The same, answered if asked for; and the same once more, refused if another session has it.
    AddMetadataConfirmed {
        /// What.
        key: String,
        /// The thing itself.
        data: String,
        /// An answer is expected.
        requires_confirmation: bool,
    }
}

impl CreateSession {
    /// The packet it is.
    pub(super) const fn kind(&self) -> Kind {
        if self.client_id.0.is_some() {
            Kind::CreateSessionV2
        } else {
            Kind::CreateSession
        }
    }
}
