// SPDX-License-Identifier: Apache-2.0
//! Duplicate detection: the last ids seen on each address (manual, chapter Duplicate Message Detection).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::storage::record::DuplicateIdRecord;

/// The caches of all addresses.
///
/// *Invariant*: `by_sequence` has the sequences of all caches and no others.
#[derive(Debug, Default)]
pub struct DuplicateIdCaches {
    by_address: BTreeMap<Arc<str>, DuplicateIdCache>,
    /// The address of each sequence, for the log's cleaning, which knows nothing else of an id.
    by_sequence: FxHashMap<u64, Arc<str>>,
}

/// The ids seen on one address, the oldest forgotten first.
///
/// *Invariants*: both maps hold the same ids; never more than the limit given at insertion.
#[derive(Debug, Default)]
struct DuplicateIdCache {
    by_age: BTreeMap<u64, Bytes>,
    by_id: BTreeMap<Bytes, u64>,
}

impl DuplicateIdCaches {
    /// Whether the id was seen on the address.
    pub fn contains(&self, address: &str, id: &[u8]) -> bool {
        self.by_address
            .get(address)
            .is_some_and(|cache| cache.by_id.contains_key(id))
    }

    /// Remembers an id; calls `forgotten` with the sequence of every id that has to go for it.
    pub(crate) fn insert(
        &mut self,
        record: &DuplicateIdRecord,
        limit: usize,
        mut forgotten: impl FnMut(u64),
    ) {
        let cache = self.by_address.entry(record.address.clone()).or_default();
        self.by_sequence
            .insert(record.sequence, record.address.clone());
        if let Some(older) = cache.by_id.insert(record.id.clone(), record.sequence)
            && older != record.sequence
        {
            cache.by_age.remove(&older);
            self.by_sequence.remove(&older);
            forgotten(older);
        }
        cache.by_age.insert(record.sequence, record.id.clone());
        while cache.by_age.len() > limit {
            let Some((sequence, id)) = cache.by_age.pop_first() else {
                break;
            };
            cache.by_id.remove(&id);
            self.by_sequence.remove(&sequence);
            forgotten(sequence);
        }
    }

    /// Forgets an address; calls `forgotten` with the sequence of each of its ids.
    pub(crate) fn remove(&mut self, address: &str, mut forgotten: impl FnMut(u64)) {
        let cache = self.by_address.remove(address).unwrap_or_default();
        for sequence in cache.by_age.into_keys() {
            self.by_sequence.remove(&sequence);
            forgotten(sequence);
        }
    }

    /// Keeps what `belongs` says, by address and sequence; calls `forgotten` with every other sequence.
    pub(crate) fn retain(
        &mut self,
        belongs: impl Fn(&str, u64) -> bool,
        mut forgotten: impl FnMut(u64),
    ) {
        for (address, cache) in &mut self.by_address {
            cache.by_age.retain(|sequence, id| {
                let keep = belongs(address, *sequence);
                if !keep {
                    cache.by_id.remove(id);
                    self.by_sequence.remove(sequence);
                    forgotten(*sequence);
                }
                keep
            });
        }
        self.by_address.retain(|_, cache| !cache.by_age.is_empty());
    }

    /// The entry of that sequence, to be written again.
    pub(crate) fn record(&self, sequence: u64) -> Option<DuplicateIdRecord> {
        let address = self.by_sequence.get(&sequence)?;
        let id = self.by_address.get(address)?.by_age.get(&sequence)?;
        Some(DuplicateIdRecord {
            address: address.clone(),
            id: id.clone(),
            sequence,
        })
    }

    /// All entries by address and age.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, u64, &Bytes)> {
        self.by_address.iter().flat_map(|(address, cache)| {
            cache
                .by_age
                .iter()
                .map(move |(age, id)| (address, *age, id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &'static str, sequence: u64) -> DuplicateIdRecord {
        DuplicateIdRecord {
            address: "a".into(),
            id: Bytes::from_static(id.as_bytes()),
            sequence,
        }
    }

    #[test]
    fn the_oldest_is_forgotten_when_the_cache_is_full_and_replaying_twice_changes_nothing() {
        let mut caches = DuplicateIdCaches::default();
        let mut forgotten = Vec::new();
        for (id, sequence) in [("x", 1), ("y", 2), ("x", 1), ("z", 3)] {
            caches.insert(&record(id, sequence), 2, |s| forgotten.push(s));
        }
        assert_eq!(forgotten, [1]);
        assert!(
            !caches.contains("a", b"x") && caches.contains("a", b"y") && caches.contains("a", b"z")
        );
        assert!(!caches.contains("b", b"y"));
        assert_eq!(caches.record(3), Some(record("z", 3)));
        assert_eq!(caches.record(1), None);
        caches.remove("a", |s| forgotten.push(s));
        assert_eq!(forgotten, [1, 2, 3]);
        assert!(caches.by_sequence.is_empty());
    }
}
