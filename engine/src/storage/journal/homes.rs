// SPDX-License-Identifier: Apache-2.0
//! Where the latest record of each live key stands: one entry per message in the log, so it is kept small.

use std::collections::BTreeMap;

use super::super::record::Key;
use super::super::request::Segment;
use super::head::generation;
use crate::id::MessageMap;

/// Where a key's latest record stands, and how large it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Home {
    pub segment: Segment,
    pub size: u64,
}

/// The homes of all live keys.
///
/// *Invariants*: all homes are within 2³² segments below `newest`, so that the low bits of a number tell the segment.
#[derive(Debug, Default)]
pub(super) struct Homes {
    messages: MessageMap<Packed>,
    others: BTreeMap<Key, Packed>,
    newest: Segment,
}

#[derive(Clone, Copy, Debug)]
struct Packed {
    generation: u32,
    size: u32,
}

impl Homes {
    pub fn len(&self) -> usize {
        self.messages.len() + self.others.len()
    }

    pub fn get(&self, key: Key) -> Option<Home> {
        let packed = match key {
            Key::Message(id) => self.messages.get(&id),
            key => self.others.get(&key),
        };
        packed.map(|packed| self.unpack(*packed))
    }

    /// The key moves here; where it was before.
    pub fn insert(&mut self, key: Key, home: Home) -> Option<Home> {
        self.newest = self.newest.max(home.segment);
        let packed = Packed {
            generation: generation(home.segment),
            size: u32::try_from(home.size).expect("a record is at most a head longer than 1 GiB"),
        };
        let before = match key {
            Key::Message(id) => self.messages.insert(id, packed),
            key => self.others.insert(key, packed),
        };
        before.map(|packed| self.unpack(packed))
    }

    pub fn remove(&mut self, key: Key) -> Option<Home> {
        let packed = match key {
            Key::Message(id) => self.messages.remove(&id),
            key => self.others.remove(&key),
        };
        packed.map(|packed| self.unpack(packed))
    }

    fn unpack(&self, packed: Packed) -> Home {
        let behind = generation(self.newest).wrapping_sub(packed.generation);
        Home {
            segment: Segment(self.newest.0 - u64::from(behind)),
            size: u64::from(packed.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MessageId;

    #[test]
    fn segments_come_back_whole_where_their_low_bits_turn_over() {
        let mut homes = Homes::default();
        let turn = 1 << 32;
        let home = |segment, size| Home {
            segment: Segment(segment),
            size,
        };
        let keys = [Key::Message(MessageId(1)), Key::Branch];
        for (key, at) in keys.into_iter().zip([turn - 2, turn + 3]) {
            assert_eq!(homes.insert(key, home(at, 48)), None);
        }
        assert_eq!(homes.get(keys[0]), Some(home(turn - 2, 48)));
        assert_eq!(
            homes.insert(keys[0], home(turn + 4, 56)),
            Some(home(turn - 2, 48))
        );
        assert_eq!(homes.remove(keys[1]), Some(home(turn + 3, 48)));
        assert_eq!((homes.len(), homes.get(keys[1])), (1, None));
    }
}
