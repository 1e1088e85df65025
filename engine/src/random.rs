// SPDX-License-Identifier: Apache-2.0
//! Randomness as the pure crates have it: from a seed handed in, so that a run can be repeated.

/// A stream of numbers from a seed (SplitMix64). For names and spreads, never for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A name in the form of a UUID, version 4.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.number(), self.number());
        let (high, middle, low) = (a >> 32, (a >> 16) & 0xffff, a & 0x0fff);
        let (variant, node) = ((b >> 48) & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
        format!("{high:08x}-{middle:04x}-4{low:03x}-{variant:04x}-{node:012x}")
    }
}
