// SPDX-License-Identifier: Apache-2.0
//! What is to be retained of each topic: each has one client that says so, so that what comes last is known.

use super::CLIENTS;
use crate::simulator::model::{Fate, Message, Uid};

/// A place in the list of each topic.
pub type Retained = [usize; CLIENTS];

/// What was sent to be retained, by the client that did, oldest first; and whether it is to clear the topic.
#[derive(Debug, Default)]
pub struct History([Vec<(Uid, bool)>; CLIENTS]);

impl History {
    /// One more is sent.
    pub fn add(&mut self, client: usize, uid: Uid, clears: bool) {
        self.0[client].push((uid, clears));
    }

    /// Whether a message was sent to be retained, or is without payload, which is said only of what clears.
    pub fn has(&self, uid: Option<Uid>) -> bool {
        uid.is_none_or(|uid| self.0.iter().flatten().any(|(sent, _)| *sent == uid))
    }

    /// The last that were acknowledged; what was sent earlier is not retained any more.
    pub fn oldest(&self, messages: &[Message]) -> Retained {
        std::array::from_fn(|client| self.last_certain(client, messages).unwrap_or(0))
    }

    fn last_certain(&self, client: usize, messages: &[Message]) -> Option<usize> {
        let certain = |(uid, _): &(Uid, bool)| messages[uid.0].fate == Fate::Certain;
        self.0[client].iter().rposition(certain)
    }

    /// Whether a message was sent to be retained, and not before those.
    pub fn is_since(&self, client: usize, uid: Uid, oldest: &Retained) -> bool {
        let place = self.0[client].iter().position(|(sent, _)| *sent == uid);
        place.is_some_and(|place| place >= oldest[client])
    }

    /// What may be retained of that client's topic now; `None` stands for nothing.
    pub fn possible(&self, client: usize, messages: &[Message]) -> Vec<Option<Uid>> {
        let certain = self.last_certain(client, messages);
        let since = &self.0[client][certain.unwrap_or(0)..];
        let mut possible: Vec<Option<Uid>> = since
            .iter()
            .filter(|(uid, _)| messages[uid.0].fate != Fate::Never)
            .map(|(uid, clears)| (!clears).then_some(*uid))
            .collect();
        if certain.is_none() {
            possible.push(None);
        }
        possible
    }
}
