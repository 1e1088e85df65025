// SPDX-License-Identifier: Apache-2.0
//! Who needs the file of a large message's body.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::id::LargeId;
use crate::message::Message;
use crate::state::State;

/// Counts who needs each body: an entry on a queue, a place in a page, an operation of an open transaction, a download.
///
/// *Invariants*: no count is 0; a body that was let go by the last one, or by somebody who may have been the only one, is
/// in `let_go`.
#[derive(Debug, Default)]
pub struct References {
    counts: FxHashMap<LargeId, u64>,
    let_go: Vec<LargeId>,
}

impl References {
    /// One more needs the body.
    pub fn acquire(&mut self, body: LargeId) {
        *self.counts.entry(body).or_default() += 1;
    }

    /// One less needs it.
    ///
    /// # Panics
    /// If nobody did.
    pub fn release(&mut self, body: LargeId) {
        let count = self.counts.get_mut(&body).expect("somebody needed it");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&body);
            self.let_go.push(body);
        }
    }

    /// One more needs the body of the message, if that lies in a file.
    pub fn acquire_of(&mut self, message: &Message) {
        if let Some(large) = message.body.large() {
            self.acquire(large.id);
        }
    }

    /// One less needs it.
    pub fn release_of(&mut self, message: &Message) {
        if let Some(large) = message.body.large() {
            self.release(large.id);
        }
    }

    /// A body has been handed to whoever wants it: if that was nobody, it goes.
    pub(crate) fn offered(&mut self, body: LargeId) {
        self.let_go.push(body);
    }

    /// How many need it.
    pub fn count(&self, body: LargeId) -> u64 {
        self.counts.get(&body).copied().unwrap_or(0)
    }

    /// All bodies that somebody needs, in no order.
    pub fn bodies(&self) -> impl Iterator<Item = LargeId> {
        self.counts.keys().copied()
    }

    /// The bodies let go since the last look; some may have been taken up again.
    fn take_let_go(&mut self) -> Vec<LargeId> {
        std::mem::take(&mut self.let_go)
    }
}

/// Messages in memory and messages in pages are counted apart, because pages are apart.
impl State {
    /// How many need the body.
    pub fn large_count(&self, body: LargeId) -> u64 {
        self.large.count(body) + self.pages.large.count(body)
    }

    /// All bodies that somebody needs, ascending.
    pub fn large_bodies(&self) -> BTreeSet<LargeId> {
        let bodies = self.large.bodies().chain(self.pages.large.bodies());
        bodies.collect()
    }

    /// The bodies let go since the last look that nobody has taken up again.
    pub(crate) fn take_unneeded_bodies(&mut self) -> Vec<LargeId> {
        let mut unneeded = self.large.take_let_go();
        unneeded.extend(self.pages.large.take_let_go());
        unneeded.retain(|body| self.large_count(*body) == 0);
        unneeded.sort_unstable();
        unneeded.dedup();
        unneeded
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_body_goes_after_the_last_one_that_needs_it_unless_somebody_takes_it_up_again() {
        let mut state = State::new(Arc::default());
        let references = &mut state.large;
        let (one, two, unclaimed) = (LargeId(1), LargeId(2), LargeId(3));
        references.acquire(one);
        references.acquire(one);
        references.acquire(two);
        references.release(one);
        assert_eq!(state.take_unneeded_bodies(), []);
        let references = &mut state.large;
        state.pages.large.acquire(one);
        references.release(two);
        references.acquire(two);
        references.release(one);
        references.offered(unclaimed);
        assert_eq!(state.take_unneeded_bodies(), [unclaimed]);
        state.pages.large.release(one);
        assert_eq!(state.take_unneeded_bodies(), [one]);
        assert_eq!((state.large_count(one), state.large_count(two)), (0, 1));
    }
}
