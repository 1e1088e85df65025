// SPDX-License-Identifier: Apache-2.0
//! Life signs: how long a client may be silent, and who it is that says so.

use std::time::Duration;

use hind_engine::time::{Instant, Now};

use crate::codec::packet::connection::Ping;

/// How long a client may be silent before it has said how long (manual, chapter Detecting Dead Connections).
pub const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// When a client must have been heard from. Any byte counts; a PING also says how long the next silence may be, and is
/// answered by the same PING at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LifeSigns {
    /// How long it may be silent; `None`: for ever.
    ttl: Option<Duration>,
    /// The broker's `connection-ttl-override` stands above what the client says.
    overridden: bool,
    heard: Instant,
}

impl LifeSigns {
    /// A client has connected. `ttl_override` is the broker's own wish, if it has one.
    pub const fn new(now: Now, ttl_override: Option<Duration>) -> Self {
        Self {
            ttl: match ttl_override {
                Some(_) => ttl_override,
                None => Some(DEFAULT_TTL),
            },
            overridden: ttl_override.is_some(),
            heard: now.monotonic,
        }
    }

    /// Something arrived, whatever it was.
    pub fn heard(&mut self, now: Now) {
        self.heard = now.monotonic;
    }

    /// A PING arrived. Any negative time is for ever.
    pub fn ping(&mut self, now: Now, ping: &Ping) {
        self.heard(now);
        if !self.overridden {
            let millis = u64::try_from(ping.connection_ttl).ok();
            self.ttl = millis.map(Duration::from_millis);
        }
    }

    /// When the client is given up unless it is heard from.
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.heard.after(self.ttl?))
    }

    /// How long the client was allowed to be silent, if it was silent for longer.
    pub fn overdue(&self, now: Now) -> Option<Duration> {
        let deadline = self.deadline()?;
        (deadline <= now.monotonic).then_some(self.ttl?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now {
            monotonic: Instant::from_nanos(millis * 1_000_000),
            wall: 0,
        }
    }

    #[test]
    fn a_client_is_given_up_after_the_time_it_said_itself() {
        let mut signs = LifeSigns::new(at(0), None);
        assert_eq!(signs.deadline(), Some(at(60_000).monotonic));
        let ping = Ping {
            connection_ttl: 5_000,
        };
        signs.ping(at(1_000), &ping);
        assert_eq!(signs.overdue(at(5_999)), None);
        assert_eq!(signs.overdue(at(6_000)), Some(Duration::from_secs(5)));
        signs.heard(at(6_000));
        assert_eq!(signs.deadline(), Some(at(11_000).monotonic));
    }

    #[test]
    fn a_client_may_be_silent_for_ever_unless_the_broker_says_otherwise() {
        let for_ever = Ping { connection_ttl: -1 };
        let mut signs = LifeSigns::new(at(0), None);
        signs.ping(at(0), &for_ever);
        assert_eq!((signs.deadline(), signs.overdue(at(1 << 40))), (None, None));
        let mut overridden = LifeSigns::new(at(0), Some(Duration::from_secs(9)));
        overridden.ping(at(500), &for_ever);
        assert_eq!(overridden.deadline(), Some(at(9_500).monotonic));
    }
}
