// SPDX-License-Identifier: Apache-2.0
//! Links between clients and the broker: streams with delay, chunks cut anywhere, and ends that die.
//!
//! A link is a stream, so nothing inside it is lost or reordered; it can only end, and then what was under way is gone.
//! Each end learns of the end by itself: an orderly close arrives behind the bytes, a reset arrives at some time, and of
//! a half-open link one end never hears again.

use bytes::Bytes;

use super::model::ConnectionNumber;
use super::random::Random;

/// The longest a chunk travels, in nanoseconds.
pub const DELAY_MAX: u64 = 400_000;

/// One link for its whole life; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LinkId(pub u64);

/// A way through a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the client to the broker.
    Up,
    /// From the broker to the client.
    Down,
}

/// One link: when the last byte of each way arrives, and whether anything still does.
#[derive(Debug)]
pub struct Link {
    /// Which client's.
    pub client: usize,
    /// What the model calls the connection over it.
    pub connection: ConnectionNumber,
    delay: u64,
    last_up: u64,
    last_down: u64,
    cut: bool,
}

impl Link {
    /// A new link of a client, quick or slow for its whole life.
    pub fn new(client: usize, connection: ConnectionNumber, now: u64, random: &mut Random) -> Self {
        Self {
            client,
            connection,
            delay: random.between(5_000, 100_000),
            last_up: now,
            last_down: now,
            cut: false,
        }
    }

    /// Whether nothing arrives any more.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Loses whatever is under way in both directions, for ever.
    pub fn cut(&mut self) {
        self.cut = true;
    }

    /// When a chunk sent now arrives; never before what was sent earlier the same way.
    pub fn arrival(&mut self, way: Direction, now: u64, random: &mut Random) -> u64 {
        let delay = self.delay + random.below(self.delay);
        assert!(delay <= DELAY_MAX, "links are quicker than they promise");
        let last = match way {
            Direction::Up => &mut self.last_up,
            Direction::Down => &mut self.last_down,
        };
        *last = (*last).max(now + delay);
        *last
    }

    /// When bytes sent now arrive, chunk by chunk: usually whole, sometimes in pieces cut anywhere.
    pub fn carry(
        &mut self,
        way: Direction,
        bytes: Bytes,
        now: u64,
        random: &mut Random,
    ) -> Vec<(u64, Bytes)> {
        let mut chunks = Vec::with_capacity(1);
        let mut rest = bytes;
        while rest.len() > 1 && random.chance(15) {
            let cut = 1 + random.index(rest.len() - 1);
            let chunk = rest.split_to(cut);
            chunks.push((self.arrival(way, now, random), chunk));
        }
        chunks.push((self.arrival(way, now, random), rest));
        chunks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_its_order_and_every_byte() {
        let mut random = Random::new(3);
        let mut link = Link::new(0, ConnectionNumber(0), 0, &mut random);
        let mut arrived = Vec::new();
        let mut last = 0;
        for now in 0..200 {
            let bytes = Bytes::from(vec![u8::try_from(now).expect("small"); 20]);
            for (at, chunk) in link.carry(Direction::Up, bytes, now * 1_000, &mut random) {
                assert!(at >= last, "a chunk overtook another");
                assert!(at > now * 1_000, "a chunk arrived before it was sent");
                last = at;
                arrived.extend_from_slice(&chunk);
            }
        }
        let sent: Vec<u8> = (0..200u8).flat_map(|n| [n; 20]).collect();
        assert_eq!(arrived, sent);
    }
}
