// SPDX-License-Identifier: Apache-2.0
//! Numbers from a seed (SplitMix64).

#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The seeds of a random test: so many, or the one that the environment names.
pub fn seeds(n: u64) -> Vec<u64> {
    match std::env::var("HIND_SEED") {
        Ok(seed) => vec![seed.parse().expect("HIND_SEED is a number")],
        Err(_) => (1..=n).collect(),
    }
}
