// SPDX-License-Identifier: Apache-2.0
//! Wills: messages that the broker sends once when their client is lost, and not when it leaves in order or comes back in
//! time (MQTT 5.0, 3.1.2.5 and 3.1.3.2.2).

use super::{SLACK, after};
use crate::simulator::model::{ConnectionNumber, Uid};

/// What is known of a will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Its client is connected, or about to be.
    Registered,
    /// Its client is gone; it comes between these times, unless the client returns before.
    Due(u64, u64),
    /// Its client left in order, with so many crashes of the broker before; another may bring it back.
    Left(u32),
    /// Its client came back in time.
    Cancelled,
    /// It may be sent or not.
    Doubtful,
    /// It was sent, or will be.
    Certain,
}

/// One will.
#[derive(Clone, Debug)]
pub struct Will {
    /// Its message.
    pub uid: Uid,
    /// The connection that it was registered with.
    pub connection: ConnectionNumber,
    /// How long it waits, in seconds.
    pub delay: u32,
    /// CONNACK came.
    pub accepted: bool,
    /// It is not in the log: a crash after so many may lose it.
    pub fragile: Option<u32>,
    /// What is known.
    pub stage: Stage,
    /// When its connection was last heard of.
    pub heard: u64,
}

impl Will {
    /// Its connection has ended. `orderly`: by the client's own DISCONNECT, which the broker has read.
    pub fn lost(&mut self, orderly: bool, said: bool, heard: u64, noticed: u64, crashes: u32) {
        self.heard = heard;
        self.stage = match (orderly, said) {
            (true, _) => Stage::Left(crashes),
            (false, true) => Stage::Doubtful,
            (false, false) => Stage::Due(after(heard, self.delay), after(noticed, self.delay)),
        };
    }

    /// Its client says CONNECT again at `now`. A clean start ends the session, and what waits for that is sent.
    pub fn contested(&mut self, now: u64, clean: bool) {
        if let Stage::Due(earliest, latest) = self.stage
            && clean
        {
            self.stage = Stage::Due(earliest.min(now), latest);
        }
    }

    /// That CONNECT was never answered: it may have come in time.
    pub fn unanswered(&mut self) {
        if matches!(self.stage, Stage::Due(..)) && self.delay > 0 {
            self.stage = Stage::Doubtful;
        }
    }

    /// Its client has come back: to its session, if that was `present`.
    pub fn resumed(&mut self, present: bool, sent: u64, now: u64) {
        self.stage = match self.stage {
            Stage::Due(earliest, _) if present && self.delay > 0 && now < earliest => {
                Stage::Cancelled
            }
            Stage::Due(_, latest) if self.accepted => {
                match !present || self.delay == 0 || sent > latest.saturating_add(SLACK) {
                    true => Stage::Certain,
                    false => Stage::Doubtful,
                }
            }
            Stage::Due(..) => Stage::Doubtful,
            other => other,
        };
    }

    /// Whether it may be seen at `now`; `gone`: its connection has ended.
    pub fn may_be_seen(&self, gone: bool, now: u64, crashes: u32) -> bool {
        match self.stage {
            Stage::Registered => gone,
            Stage::Due(earliest, _) => now + SLACK >= earliest,
            Stage::Left(before) => crashes > before,
            Stage::Cancelled => false,
            Stage::Doubtful | Stage::Certain => true,
        }
    }

    /// Whether it must have been sent by now.
    pub fn must_be_sent(&self, now: u64, crashes: u32) -> bool {
        let kept = self.fragile.is_none_or(|before| before == crashes);
        let sent = match self.stage {
            Stage::Certain => true,
            Stage::Due(_, latest) => now > latest.saturating_add(SLACK),
            _ => false,
        };
        sent && kept && self.accepted
    }
}
