// SPDX-License-Identifier: Apache-2.0
//! Everything that may arrive at a node.

use hind_engine::command::Command;
use hind_engine::id::ConnectionId;
use hind_engine::storage::request::Completion;

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// The process has come up. The first input ever, once.
    Start,
    /// A client's connection has been accepted.
    Connected(ConnectionId),
    /// Commands of a client, in order.
    Client(ConnectionId, Vec<Command>),
    /// A client's connection is gone; nothing of it follows.
    Disconnected(ConnectionId),
    /// The disk has answered.
    Disk(Completion),
    /// How full the disk is.
    DiskUsage(DiskUsage),
    /// An operator wants something.
    Operator(Operation),
    /// A deadline may have passed.
    Time,
}

/// How full the disk under the data directory is, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DiskUsage {
    /// What the file system holds in all.
    pub total: u64,
    /// What is still free to this process.
    pub free: u64,
}

/// What an operator may want.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Stop in order: clients are told, what is under way becomes durable, the process ends.
    Stop,
}
