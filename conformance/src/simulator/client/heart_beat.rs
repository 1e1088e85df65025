// SPDX-License-Identifier: Apache-2.0
//! A client's side of heart-beating (STOMP 1.2, Heart-beating): what it promises to say, what it wants to hear, and
//! whether the broker keeps to both.

use crate::simulator::check::Violation;
use crate::simulator::random::Random;

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;
/// The broker beats no more often than this, whatever is wanted, in milliseconds.
const BROKERS_INTERVAL_MIN: u64 = 500;
/// How long the broker waits for a client whose promise is shorter than half of it (`connectionTtlMin`), in milliseconds.
pub const PATIENCE: u64 = 1_000;
/// What links, clients that look only now and then, and a process that is suspended may add, in milliseconds.
const SLACK: u64 = 80;
/// What a slow disk may add for a client that is silent, in milliseconds: while the large body it has sent waits for the
/// disk it is not read, and who is not read is not missed.
const NOT_READ: u64 = 400;

/// What one connection has agreed on, in milliseconds, and when each side last spoke, in nanoseconds of virtual time.
#[derive(Clone, Copy, Default, Debug)]
pub struct HeartBeat {
    /// The client says something at least so often; 0: no promise.
    promised: u64,
    /// The client wants to hear something at least so often; 0: it does not care.
    wanted: u64,
    spoken: u64,
    heard: u64,
    /// The client breaks its promise.
    mute: bool,
}

impl HeartBeat {
    /// A connection begins, with some promise and some wish, or without.
    pub fn begin(now: u64, random: &mut Random) -> Self {
        Self {
            promised: random.pick(&[0, 300, 400]),
            wanted: random.pick(&[0, 50, 600]),
            spoken: now,
            heard: now,
            mute: false,
        }
    }

    /// The header of CONNECT.
    pub fn header(&self) -> String {
        format!("{},{}", self.promised, self.wanted)
    }

    /// The broker's answer in CONNECTED.
    ///
    /// # Errors
    /// It announces other beats than it is to send, or expects more than was promised.
    pub fn agreed(&self, answer: Option<&str>) -> Result<(), Violation> {
        let numbers = answer.and_then(|answer| answer.split_once(','));
        let numbers = numbers.and_then(|(sends, expects)| {
            Some((sends.parse::<u64>().ok()?, expects.parse::<u64>().ok()?))
        });
        let right = numbers.is_some_and(|(sends, expects)| {
            sends == self.interval() && (self.promised == 0 || expects >= self.promised)
        });
        if right {
            return Ok(());
        }
        broken(format!("{:?} was answered by {answer:?}", self.header()))
    }

    /// How often the broker has to be heard.
    fn interval(&self) -> u64 {
        match self.wanted {
            0 => 0,
            wanted => wanted.max(BROKERS_INTERVAL_MIN),
        }
    }

    /// The client says something.
    pub fn spoke(&mut self, now: u64) {
        self.spoken = now;
    }

    /// Something came. Says whether it was a beat: nothing but an end of line, after a silence.
    pub fn hears(&mut self, now: u64, bytes: &[u8]) -> bool {
        let silence = now - std::mem::replace(&mut self.heard, now);
        bytes == b"\n" && silence > 300 * MS
    }

    /// From now on the client breaks its promise, if it has given one.
    pub fn fall_silent(&mut self) {
        self.mute = self.promised > 0;
    }

    /// Whether it is time to beat: well before the promise is broken.
    pub fn is_due(&self, now: u64) -> bool {
        self.promised > 0 && !self.mute && now - self.spoken >= self.promised * MS * 7 / 10
    }

    /// Whether the broker is right to give this client up for its silence.
    pub fn is_missed(&self, now: u64) -> bool {
        self.mute && now - self.spoken >= PATIENCE * MS
    }

    /// The client is still connected. `may_wait`: for room at a full address, for as long as nobody makes any; like one
    /// whose body waits for the disk it is not read then, and not missed.
    ///
    /// # Errors
    /// The broker should have been heard by now, or should have given the client up.
    pub fn check(&self, now: u64, may_wait: bool) -> Result<(), Violation> {
        let (heard, spoken) = (now - self.heard, now - self.spoken);
        if self.interval() > 0 && heard > (self.interval() + SLACK) * MS {
            return broken(format!("nothing came for {heard} ns: {self:?}"));
        }
        if self.mute && !may_wait && spoken > (PATIENCE + SLACK + NOT_READ) * MS {
            return broken(format!("nobody missed a client for {spoken} ns: {self:?}"));
        }
        Ok(())
    }
}

fn broken<T>(what: String) -> Result<T, Violation> {
    Err(Violation::new("heart_beats", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_keeps_silent_is_found_and_so_is_one_that_is_too_patient() {
        let quiet = HeartBeat {
            wanted: 600,
            ..HeartBeat::default()
        };
        assert!(quiet.check(600 * MS, true).is_ok());
        assert!(quiet.check(700 * MS, true).is_err());
        let mut mute = HeartBeat {
            promised: 400,
            ..HeartBeat::default()
        };
        assert!(mute.is_due(280 * MS) && !mute.is_due(279 * MS));
        mute.fall_silent();
        assert!(!mute.is_due(280 * MS));
        assert!(!mute.is_missed(999 * MS) && mute.is_missed(1_000 * MS));
        assert!(mute.check(1_000 * MS, false).is_ok());
        assert!(mute.check(1_600 * MS, false).is_err());
        assert!(mute.check(1_600 * MS, true).is_ok());
    }

    #[test]
    fn the_answer_announces_the_wish_within_the_brokers_bounds() {
        let wish = HeartBeat {
            promised: 400,
            wanted: 50,
            ..HeartBeat::default()
        };
        assert!(wish.agreed(Some("500,400")).is_ok());
        for wrong in [
            None,
            Some("50,400"),
            Some("500,300"),
            Some("500"),
            Some("a,b"),
        ] {
            assert!(wish.agreed(wrong).is_err(), "{wrong:?}");
        }
    }
}
