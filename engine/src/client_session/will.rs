// SPDX-License-Identifier: Apache-2.0
//! What a client wants to be said when it is gone.

use std::sync::Arc;

use crate::address::routing_type::RoutingType;
use crate::command::Send;
use crate::engine::{Engine, Turn, Unit};
use crate::id::{ClientSessionId, ConnectionId, SessionId};
use crate::message::Message;
use crate::session::{Client, Session};
use crate::storage::record::{Record, SignedWill};

/// A message that is sent when the connection of its client is lost, unless the client comes back within the delay. It is
/// sent with the permissions that its client had.
#[derive(Clone, PartialEq, Debug)]
pub struct Will {
    /// The message, as in [`Send`](crate::command::Send).
    pub message: Message,
    /// As there.
    pub routing: Option<RoutingType>,
    /// As there.
    pub retain: bool,
    /// How long it waits, in seconds, at most as long as the session.
    pub delay_s: u32,
}

/// Sends wills: their clients are gone, or may be.
const EXECUTOR: ConnectionId = ConnectionId(u64::MAX);
const SESSION: SessionId = SessionId(0);

impl Engine {
    /// Sends the will of a session, if it has one that has not been sent.
    pub(super) fn send_will_of(&mut self, id: ClientSessionId, turn: &mut Turn<'_>) {
        let Some(session) = self.state.client_sessions.get_mut(id) else {
            return;
        };
        let Some(will) = session.will.take() else {
            return;
        };
        // In one unit with the message: it is sent once, whatever crashes.
        let sent = session.kept.then_some(Record::ClientSessionLeft {
            session: id,
            at: session.left,
            expiry: session.expiry,
            will: false,
        });
        self.execute_will(&will, sent.into_iter().collect(), turn);
    }

    fn execute_will(&mut self, signed: &Arc<SignedWill>, unit: Unit, turn: &mut Turn<'_>) {
        let will = &signed.will;
        let mut message = will.message.clone();
        if let Some(interval) = message.expiration.checked_sub(message.timestamp) {
            // Its life begins now (MQTT 5.0, 3.1.3.2.4).
            if message.expiration != 0 {
                message.expiration = turn.now.wall.saturating_add(interval);
            }
        }
        message.timestamp = turn.now.wall;
        let send = Send {
            message,
            retain: will.retain,
            packet: None,
            routing: will.routing,
            transaction: None,
            upload: None,
            ticket: None,
        };
        let mut client = Client::default();
        let session = Session::new(signed.identity.clone(), None);
        client.sessions.insert(SESSION, session);
        self.clients.insert(EXECUTOR, client);
        let left = unit.clone();
        if self.send_with(EXECUTOR, SESSION, send, unit, turn).is_err() {
            self.commit(None, &left, true, turn);
        }
        self.clients.remove(&EXECUTOR);
        self.blocks.forget(EXECUTOR);
    }
}
