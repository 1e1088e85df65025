// SPDX-License-Identifier: Apache-2.0
//! Heart-beats and the time to live: who has to be heard from, and by when.

use std::time::Duration;

use hind_engine::time::{Instant, Now};

use crate::codec::Version;
use crate::fault::Fault;
use crate::options::Options;

/// The broker does not beat more often than this.
const SERVER_INTERVAL_MIN: Duration = Duration::from_millis(500);

/// What a client said of heart-beats: the two numbers of its header, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    /// It can send one this often; 0: it cannot.
    pub can_send: u64,
    /// It would like to get one this often; 0: it does not care.
    pub wants: u64,
}

impl Wish {
    /// Reads a `heart-beat` header [1.2 §Heart-beating].
    pub fn parse(header: &str) -> Result<Self, Fault> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
            // More than a u32 is 49 days: nobody can tell the difference.
            digits.then(|| text.parse::<u32>().unwrap_or(u32::MAX).into())
        };
        header
            .split_once(',')
            .and_then(|(can_send, wants)| {
                Some(Self {
                    can_send: number(can_send.trim())?,
                    wants: number(wants.trim())?,
                })
            })
            .ok_or_else(|| {
                Fault::header_value(
                    "STOMP 1.2 §Heart-beating",
                    "heart-beat",
                    header,
                    "two numbers of milliseconds with a comma between",
                )
            })
    }
}

/// When the client must have been heard from and when it must hear from the broker.
///
/// *Invariants*: the numbers announced in CONNECTED are the ones acted upon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HeartBeat {
    /// How long the client may be silent.
    ttl: Option<Duration>,
    /// How long the broker may be silent.
    interval: Option<Duration>,
    heard: Instant,
    spoken: Instant,
}

impl HeartBeat {
    /// What is agreed with a client, and the two numbers for CONNECTED if it gave two.
    pub fn agree(
        options: &Options,
        version: Version,
        wish: Option<Wish>,
        now: Now,
    ) -> (Self, Option<(u64, u64)>) {
        let mut agreed = Self {
            ttl: options.connection_ttl,
            interval: None,
            heard: now.monotonic,
            spoken: now.monotonic,
        };
        let Some(wish) = wish.filter(|_| version >= Version::V1_1) else {
            return (agreed, None);
        };
        if wish.can_send > 0 {
            agreed.ttl = Some(ttl_of(options, wish.can_send));
        }
        if wish.wants > 0 {
            agreed.interval = Some(Duration::from_millis(wish.wants).max(SERVER_INTERVAL_MIN));
        }
        let expected = agreed.ttl.map_or(0, |ttl| {
            scale(millis(ttl), 1000, options.heart_beat_to_ttl_thousandths)
        });
        (
            agreed.clone(),
            Some((agreed.interval.map_or(0, millis), expected)),
        )
    }

    /// Something arrived, whatever it was [1.2 §Heart-beating].
    pub fn heard(&mut self, now: Now) {
        self.heard = now.monotonic;
    }

    /// Something was sent.
    pub fn spoken(&mut self, now: Now) {
        self.spoken = now.monotonic;
    }

    /// When something must be done. A client that is not being read is not expected to be heard.
    pub fn deadline(&self, reading: bool) -> Option<Instant> {
        let silence = self.silence_ends().filter(|_| reading);
        [silence, self.beat_due()].into_iter().flatten().min()
    }

    /// Whether it is time to beat.
    pub fn must_beat(&self, now: Now) -> bool {
        self.beat_due().is_some_and(|due| due <= now.monotonic)
    }

    /// How long the client was allowed to be silent, if it was silent for longer.
    pub fn overdue(&self, now: Now) -> Option<Duration> {
        let end = self.silence_ends()?;
        (end <= now.monotonic).then_some(self.ttl?)
    }

    fn silence_ends(&self) -> Option<Instant> {
        Some(self.heard.after(self.ttl?))
    }

    /// A tenth early, so that a timer that is a little late still keeps the promise.
    fn beat_due(&self) -> Option<Instant> {
        let interval = self.interval?;
        Some(self.spoken.after(interval - interval / 10))
    }
}

fn ttl_of(options: &Options, beat_ms: u64) -> Duration {
    Duration::from_millis(scale(beat_ms, options.heart_beat_to_ttl_thousandths, 1000))
        .clamp(options.connection_ttl_min, options.connection_ttl_max)
}

fn scale(value: u64, by: u64, per: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(by) / u128::from(per)).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
