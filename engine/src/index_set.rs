// SPDX-License-Identifier: Apache-2.0
//! A set of small numbers that are handed out in order, such as the places of messages in a page.

use crate::storage::layout::{Reader, Sink};

/// A set of numbers below 2³², a bit each from the first 64 in which there is one to the last.
///
/// *Invariants*: `len` counts the bits; no words without a bit at either end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IndexSet {
    /// How many words of 64 bits come before the first one kept.
    before: u32,
    words: Vec<u64>,
    len: u32,
}

impl IndexSet {
    /// How many numbers there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the number is there.
    pub fn contains(&self, index: u32) -> bool {
        self.word(index)
            .is_some_and(|at| self.words[at] & bit(index) != 0)
    }

    /// Adds a number; whether it was not there.
    pub fn insert(&mut self, index: u32) -> bool {
        let word = index / 64;
        if self.words.is_empty() {
            self.before = word;
        }
        if word < self.before {
            let more = (self.before - word) as usize;
            self.words.splice(0..0, std::iter::repeat_n(0, more));
            self.before = word;
        }
        let at = (word - self.before) as usize;
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        let new = self.words[at] & bit(index) == 0;
        self.words[at] |= bit(index);
        self.len += u32::from(new);
        new
    }

    /// Takes a number out; whether it was there.
    pub fn remove(&mut self, index: u32) -> bool {
        let Some(at) = self.word(index).filter(|_| self.contains(index)) else {
            return false;
        };
        self.words[at] &= !bit(index);
        self.len -= 1;
        if self.words[at] == 0 {
            self.trim();
        }
        true
    }

    /// The largest number.
    pub fn last(&self) -> Option<u32> {
        let word = self.words.last()?;
        let at = self.before + u32::try_from(self.words.len() - 1).ok()?;
        Some(at * 64 + 63 - word.leading_zeros())
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.words.iter().zip(self.before..);
        words.flat_map(|(bits, word)| ones(*bits).map(move |bit| word * 64 + bit))
    }

    /// Those that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for (bits, word) in self.words.iter().zip(self.before..) {
            let at = word.checked_sub(other.before).map(|at| at as usize);
            let shared = at.and_then(|at| other.words.get(at)).unwrap_or(&0) & bits;
            ones(shared).for_each(|bit| {
                both.insert(word * 64 + bit);
            });
        }
        both
    }

    /// Bytes it takes in memory beside itself.
    pub fn heap(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    fn word(&self, index: u32) -> Option<usize> {
        let at = (index / 64).checked_sub(self.before)? as usize;
        (at < self.words.len()).then_some(at)
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
        let empty = self.words.iter().take_while(|word| **word == 0).count();
        // Moving what is left costs as much as there is of it: only now and then.
        if empty > 0 && (self.words.is_empty() || empty * 2 >= self.words.len()) {
            self.words.drain(..empty);
            self.before += u32::try_from(empty).expect("words of 32-bit numbers");
        }
        if self.words.is_empty() {
            self.before = 0;
        }
    }

    /// Appends the number of words before the first, and the words.
    pub(crate) fn encode(&self, out: &mut impl Sink) {
        out.u32(self.before);
        out.count(self.words.len());
        for word in &self.words {
            out.u64(*word);
        }
    }

    /// Reads what [`IndexSet::encode`] has written; `None` if it is malformed.
    pub(crate) fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let before = from.u32()?;
        let n = from.count(8)?;
        let end = u64::from(before) + n as u64;
        if end > u64::from(u32::MAX / 64) + 1 {
            return None;
        }
        let mut set = Self {
            before,
            words: Vec::with_capacity(n),
            len: 0,
        };
        for _ in 0..n {
            let word = from.u64()?;
            set.len += word.count_ones();
            set.words.push(word);
        }
        Some(set)
    }
}

fn bit(index: u32) -> u64 {
    1 << (index % 64)
}

fn ones(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let next = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::Random;

    #[test]
    fn it_is_a_set_however_it_came_about_and_survives_being_written() {
        let mut random = Random::new(9);
        let (mut set, mut expected) = (IndexSet::default(), BTreeSet::new());
        for step in 0..20_000_u64 {
            let index = u32::try_from(random.number() % 700).expect("small");
            // First more come than go, then more go.
            if random.number() % 20_000 > step {
                assert_eq!(set.insert(index), expected.insert(index));
            } else {
                assert_eq!(set.remove(index), expected.remove(&index));
            }
            assert_eq!(set.len() as usize, expected.len());
            assert_eq!(set.contains(index), expected.contains(&index));
            if step % 500 == 0 {
                assert!(set.iter().eq(expected.iter().copied()));
                let mut out = bytes::BytesMut::new();
                set.encode(&mut out);
                let read = IndexSet::decode(&mut Reader(&out)).expect("written right");
                assert!(read.iter().eq(expected.iter().copied()));
            }
        }
    }

    #[test]
    fn what_both_have() {
        let set = |numbers: &[u32]| {
            let mut set = IndexSet::default();
            numbers.iter().for_each(|n| {
                set.insert(*n);
            });
            set
        };
        let both = set(&[1, 64, 200, 5_000]).intersection(&set(&[64, 200, 201]));
        assert_eq!(both.iter().collect::<Vec<_>>(), [64, 200]);
        assert!(set(&[5]).intersection(&set(&[500])).is_empty());
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        let mut out = bytes::BytesMut::new();
        out.u32(u32::MAX);
        out.count(1);
        out.u64(1);
        assert!(IndexSet::decode(&mut Reader(&out)).is_none());
    }
}
