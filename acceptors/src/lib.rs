// SPDX-License-Identifier: Apache-2.0
//! The real host: the only crate of the broker that has sockets, files, threads and a clock.
//!
//! ```text
//!   acceptor ──▶ connection ──▶ host::turn ──▶ host::disk
//!   (doors)      (socket ↔       (who runs      (one thread,
//!                 machine)        the node)      group commit)
//! ```
//!
//! [`broker::Broker`] puts them together and may be embedded.
#![deny(unsafe_code)]

pub mod acceptor;
pub mod assembly;
pub mod broker;
mod caretaker;
pub mod connection;
pub mod global_max_size;
pub mod host;
pub mod options;
