// SPDX-License-Identifier: Apache-2.0
//! Keep alive: how long a client may be silent [MQTT-3.1.2-22; MQTT-3.1.2-24 of 3.1.1].

use std::time::Duration;

use hind_engine::time::{Instant, Now};

use crate::codec::Version;
use crate::options::Options;

/// When a client was heard, and when it must be heard again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAlive {
    heard: Instant,
    /// One and a half times what was agreed; `None`: for ever.
    silence_max: Option<Duration>,
}

impl KeepAlive {
    /// What a client is held to that offers `seconds`, and what it is told if that is not what it offered.
    ///
    /// Only clients of MQTT 5.0 can be told: the others are taken at their word.
    pub fn agree(
        seconds: u16,
        version: Version,
        options: &Options,
        now: Now,
    ) -> (Self, Option<u16>) {
        let server = options
            .server_keep_alive
            .filter(|server| version == Version::V5 && (seconds == 0 || seconds > *server));
        let agreed = server.unwrap_or(seconds);
        let keep_alive = Self {
            heard: now.monotonic,
            silence_max: (agreed > 0).then(|| Duration::from_millis(u64::from(agreed) * 1500)),
        };
        (keep_alive, server.filter(|server| *server != seconds))
    }

    /// The client has said something.
    pub fn heard(&mut self, now: Now) {
        self.heard = now.monotonic;
    }

    /// When it must have said something.
    pub fn deadline(&self) -> Option<Instant> {
        Some(self.heard.after(self.silence_max?))
    }

    /// Whether that time has come.
    pub fn is_overdue(&self, now: Now) -> bool {
        self.deadline()
            .is_some_and(|deadline| deadline <= now.monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(client: u16, server: Option<u16>, version: Version) -> (Option<u64>, Option<u16>) {
        let options = Options {
            server_keep_alive: server,
            ..Options::default()
        };
        let (keep_alive, told) = KeepAlive::agree(client, version, &options, Now::default());
        let silence = keep_alive.silence_max.map(|silence| silence.as_secs());
        (silence, told)
    }

    #[test]
    fn mqtt_3_2_2_22_the_server_keep_alive_replaces_what_is_larger_or_without_limit() {
        let v5 = |client, server| agreed(client, server, Version::V5);
        assert_eq!(v5(10, Some(60)), (Some(15), None));
        assert_eq!(v5(60, Some(60)), (Some(90), None));
        assert_eq!(v5(61, Some(60)), (Some(90), Some(60)));
        assert_eq!(v5(0, Some(60)), (Some(90), Some(60)));
        assert_eq!(v5(61, None), (Some(91), None));
        assert_eq!(v5(0, None), (None, None));
        assert_eq!(v5(61, Some(0)), (None, Some(0)));
        assert_eq!(agreed(61, Some(60), Version::V3_1_1), (Some(91), None));
        assert_eq!(agreed(0, Some(60), Version::V3_1), (None, None));
    }
}
