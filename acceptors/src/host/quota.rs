// SPDX-License-Identifier: Apache-2.0
//! Keeps what clients can provoke from filling the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many lines about the same thing at the same acceptor go to the log in a minute.
///
/// Bounded: its keys are acceptors of the configuration times the kinds of lines in the code.
#[derive(Debug, Default)]
pub struct Quota {
    minutes: Mutex<BTreeMap<(String, &'static str), Minute>>,
}

#[derive(Debug)]
struct Minute {
    began: Instant,
    said: u32,
    left_out: u64,
}

impl Quota {
    const MINUTE: Duration = Duration::from_secs(60);

    /// Whether a line of this kind may be logged, and how many like it were left out since the last one.
    pub fn admits(&self, acceptor: &str, kind: &'static str, per_minute: u32) -> Option<u64> {
        self.admits_at(Instant::now(), acceptor, kind, per_minute)
    }

    fn admits_at(
        &self,
        now: Instant,
        acceptor: &str,
        kind: &'static str,
        per_minute: u32,
    ) -> Option<u64> {
        let mut minutes = self.minutes.lock();
        let minute = minutes
            .entry((acceptor.to_owned(), kind))
            .or_insert(Minute {
                began: now,
                said: 0,
                left_out: 0,
            });
        if now.duration_since(minute.began) >= Self::MINUTE {
            minute.began = now;
            minute.said = 0;
        }
        if minute.said >= per_minute {
            minute.left_out += 1;
            return None;
        }
        minute.said += 1;
        Some(std::mem::take(&mut minute.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_admits_its_number_of_lines_and_the_next_says_how_many_were_left_out() {
        let quota = Quota::default();
        let start = Instant::now();
        let at =
            |seconds, kind| quota.admits_at(start + Duration::from_secs(seconds), "a", kind, 2);
        assert_eq!(at(0, "x"), Some(0));
        assert_eq!(at(1, "x"), Some(0));
        assert_eq!(at(2, "x"), None);
        assert_eq!(at(59, "x"), None);
        assert_eq!(at(59, "y"), Some(0), "another kind has a quota of its own");
        assert_eq!(at(61, "x"), Some(2));
        assert_eq!(at(62, "x"), Some(0));
        assert_eq!(at(63, "x"), None);
    }
}
