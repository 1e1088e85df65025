// SPDX-License-Identifier: Apache-2.0
//! The signals that stop a broker.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Signals {
    /// Takes them from now on; for a process, once. Must be called inside a runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one; for ever without signals.
    pub async fn next(this: &mut Option<Self>) {
        match this {
            Some(signals) => tokio::select! {
                _ = signals.term.recv() => {}
                _ = signals.int.recv() => {}
            },
            None => std::future::pending().await,
        }
    }
}
