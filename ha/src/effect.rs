// SPDX-License-Identifier: Apache-2.0
//! Everything a host must do for a node.

use hind_engine::event::Event;
use hind_engine::id::ConnectionId;
use hind_engine::notice::Notice;
use hind_engine::storage::request::Request;

/// What a turn wants done, appended by the node and drained by the host, each list in order.
#[derive(Debug, Default)]
pub struct Effects {
    /// Answers and deliveries for clients.
    pub events: Vec<(ConnectionId, Event)>,
    /// Requests to the disk.
    pub disk: Vec<Request>,
    /// Doors to open or close.
    pub doors: Vec<Door>,
    /// For the log.
    pub notices: Vec<Notice>,
}

/// What happens at the doors of the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// Accept clients: the node serves.
    Open,
    /// Accept no more clients.
    Close,
    /// The node has nothing left to do: end the process with success (`true`) or failure.
    Exit(bool),
}
