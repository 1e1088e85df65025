// SPDX-License-Identifier: Apache-2.0
//! The only home of threads, files and the clock.

pub mod allocator;
pub mod backlog;
pub mod chores;
pub mod clock;
pub mod disk;
pub mod disk_fill;
pub mod entropy;
pub mod limit_lines;
pub mod lines;
pub mod lock_file;
pub mod log;
pub mod login;
pub mod login_modules;
pub mod mailbox;
pub mod markers;
pub mod memory;
pub mod quota;
pub mod signals;
pub mod turn;
pub mod watchdog;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hind_engine::id::ConnectionId;

use backlog::Backlog;
use clock::Clock;
use login::LoginDesk;
use quota::Quota;
use turn::Turn;

/// What all connections of a broker share.
#[derive(Debug)]
pub struct House {
    /// The clock.
    pub clock: Clock,
    /// The way to the node.
    pub turn: Arc<Turn>,
    /// Whether sockets may be read.
    pub backlog: Arc<Backlog>,
    /// Who checks logins.
    pub login: Arc<LoginDesk>,
    /// How often the same thing is logged.
    pub quota: Quota,
    /// The next connection's number.
    pub next_connection: AtomicU64,
}

impl House {
    /// A number for a new connection, never given twice.
    pub fn connection_id(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }
}
