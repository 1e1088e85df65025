// SPDX-License-Identifier: Apache-2.0
//! Who needs the file of a large message's body.

use rustc_hash::FxHashMap;

use crate::id::LargeId;
use crate::message::Message;

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

    /// The bodies let go since the last look that nobody has taken up again.
    pub(crate) fn take_unneeded(&mut self) -> Vec<LargeId> {
        let mut unneeded = std::mem::take(&mut self.let_go);
        unneeded.retain(|body| !self.counts.contains_key(body));
        unneeded.sort_unstable();
        unneeded.dedup();
        unneeded
    }

    /// Whether something was let go.
    pub(crate) fn has_let_go(&self) -> bool {
        !self.let_go.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_goes_after_the_last_one_that_needs_it_unless_somebody_takes_it_up_again() {
        let mut references = References::default();
        let (one, two, unclaimed) = (LargeId(1), LargeId(2), LargeId(3));
        references.acquire(one);
        references.acquire(one);
        references.acquire(two);
        references.release(one);
        assert_eq!(references.take_unneeded(), []);
        references.release(two);
        references.acquire(two);
        references.release(one);
        references.offered(unclaimed);
        assert_eq!(references.take_unneeded(), [one, unclaimed]);
        assert_eq!((references.count(one), references.count(two)), (0, 1));
    }
}
