// SPDX-License-Identifier: Apache-2.0
//! One simulated file: what is on the platter, and what was written but not synced.

use bytes::Bytes;

use crate::simulator::random::Random;

/// What the device writes as one: a sector is old or new after a power loss, never a mixture.
pub const SECTOR: usize = 512;

/// One journal file.
#[derive(Clone, Debug)]
pub struct File {
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

/// A write that a power loss may still undo, wholly or sector by sector.
#[derive(Clone, Debug)]
struct Unsynced {
    offset: usize,
    bytes: Bytes,
}

/// Which unsynced writes a power loss leaves behind. Real devices reorder between syncs, so anything may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survival {
    /// All had reached the platter.
    All,
    /// None had.
    Nothing,
    /// Each by a toss of a coin: a later one may be there while an earlier is missing.
    SomeWrites,
    /// Each up to a random sector.
    Prefixes,
    /// Each sector by a toss of a coin.
    SomeSectors,
}

/// What a power loss did to the unsynced writes of a file.
#[derive(Clone, Copy, Default, Debug)]
pub struct Losses {
    /// Writes of which nothing is left.
    pub lost: u64,
    /// Writes of which a part is left.
    pub torn: u64,
    /// Writes that are there (in part) although an earlier one is missing (in part).
    pub reordered: u64,
}

impl Losses {
    /// Counts those of another file.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.torn += other.torn;
        self.reordered += other.reordered;
    }
}

impl File {
    /// A file of these bytes, all of them on the platter: zeros, or what a recycled file held before.
    pub fn new(content: Vec<u8>) -> Self {
        Self {
            durable: content,
            unsynced: Vec::new(),
        }
    }

    /// Writes into the page cache.
    pub fn write(&mut self, offset: u64, bytes: Bytes) {
        let offset = usize::try_from(offset).expect("simulated files are small");
        self.unsynced.push(Unsynced { offset, bytes });
    }

    /// Puts on the platter whatever was written.
    pub fn sync(&mut self) {
        for write in std::mem::take(&mut self.unsynced) {
            write.apply(&mut self.durable);
        }
    }

    /// What a process reads: the page cache over the platter.
    pub fn read(&self) -> Vec<u8> {
        let mut content = self.durable.clone();
        for write in &self.unsynced {
            write.apply(&mut content);
        }
        content
    }

    /// How long it is for a process.
    pub fn len(&self) -> u64 {
        let ends = self
            .unsynced
            .iter()
            .map(|write| write.offset + write.bytes.len());
        ends.fold(self.durable.len(), usize::max) as u64
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cuts what is on the platter to this length.
    pub fn cut(&mut self, length: usize) {
        self.durable.truncate(length);
    }

    /// What is on the platter.
    pub fn durable(&self) -> &[u8] {
        &self.durable
    }

    /// Whether a power loss could change anything.
    pub fn has_unsynced(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// Turns one bit on the platter; the same again turns it back.
    pub fn flip(&mut self, byte: usize, bit: u8) {
        self.durable[byte] ^= 1 << bit;
    }

    /// The power is gone: the page cache with it, except for what had reached the platter by itself.
    pub fn lose_power(&mut self, survival: Survival, random: &mut Random) -> Losses {
        let mut losses = Losses::default();
        let mut cache = self.durable.clone();
        let mut missing_before = false;
        for write in std::mem::take(&mut self.unsynced) {
            write.apply(&mut cache);
            self.durable.resize(cache.len(), 0);
            let sectors =
                write.offset / SECTOR..(write.offset + write.bytes.len()).div_ceil(SECTOR);
            let kept = Self::keep_sectors(&cache, &mut self.durable, &sectors, survival, random);
            let whole = kept == sectors.len();
            losses.lost += u64::from(kept == 0);
            losses.torn += u64::from(kept > 0 && !whole);
            losses.reordered += u64::from(kept > 0 && missing_before);
            missing_before |= !whole;
        }
        losses
    }

    /// Copies the surviving ones of `sectors` from the cache to the platter; returns how many.
    fn keep_sectors(
        cache: &[u8],
        durable: &mut [u8],
        sectors: &std::ops::Range<usize>,
        survival: Survival,
        random: &mut Random,
    ) -> usize {
        let count = sectors.len();
        let (prefix, coin) = match survival {
            Survival::All => (count, false),
            Survival::Nothing => (0, false),
            Survival::SomeWrites => (if random.chance(50) { count } else { 0 }, false),
            Survival::Prefixes => (random.index(count + 1), false),
            Survival::SomeSectors => (0, true),
        };
        let mut kept = 0;
        for (place, sector) in sectors.clone().enumerate() {
            if place < prefix || (coin && random.chance(50)) {
                let bytes = sector * SECTOR..((sector + 1) * SECTOR).min(cache.len());
                durable[bytes.clone()].copy_from_slice(&cache[bytes]);
                kept += 1;
            }
        }
        kept
    }
}

impl Unsynced {
    fn apply(&self, content: &mut Vec<u8>) {
        let end = self.offset + self.bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[self.offset..end].copy_from_slice(&self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> File {
        let mut file = File::new(vec![b'.'; 4 * SECTOR]);
        file.write(0, Bytes::from(vec![b'a'; 100]));
        file.sync();
        file.write(100, Bytes::from(vec![b'b'; 2 * SECTOR]));
        file.write(100 + 2 * SECTOR as u64, Bytes::from(vec![b'c'; SECTOR]));
        file
    }

    #[test]
    fn what_was_synced_survives_every_power_loss() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let survival = random.pick(&[
                Survival::All,
                Survival::Nothing,
                Survival::SomeWrites,
                Survival::Prefixes,
                Survival::SomeSectors,
            ]);
            let mut file = written();
            file.lose_power(survival, &mut random);
            assert!(file.durable()[..100].iter().all(|byte| *byte == b'a'));
            assert!(!file.has_unsynced());
        }
    }

    #[test]
    fn a_later_write_may_survive_where_an_earlier_is_lost() {
        let reordered = (0..200).any(|seed| {
            let mut file = written();
            let losses = file.lose_power(Survival::SomeWrites, &mut Random::new(seed));
            losses.reordered > 0 && file.durable()[3 * SECTOR] == b'c'
        });
        assert!(reordered);
    }

    #[test]
    fn a_sector_is_old_or_new_never_mixed() {
        for seed in 0..200 {
            let mut file = written();
            file.lose_power(Survival::SomeSectors, &mut Random::new(seed));
            let second = &file.durable()[SECTOR..2 * SECTOR];
            assert!(second.iter().all(|b| *b == b'.') || second.iter().all(|b| *b == b'b'));
        }
    }

    #[test]
    fn nothing_or_all_survive_when_told_so() {
        let mut file = written();
        file.lose_power(Survival::Nothing, &mut Random::new(0));
        assert!(file.durable()[100..].iter().all(|byte| *byte == b'.'));
        let mut file = written();
        let read = file.read();
        file.lose_power(Survival::All, &mut Random::new(0));
        assert_eq!(file.durable(), read);
    }
}
