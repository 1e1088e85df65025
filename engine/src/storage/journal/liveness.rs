// SPDX-License-Identifier: Apache-2.0
//! Which records are still needed, where they stand, and which segment may go. FORMAT.md, "Cleaning".

use std::collections::{BTreeMap, VecDeque};

use super::super::Position;
use super::super::record::Key;
use super::super::request::Segment;
use super::homes::{Home, Homes};
use crate::id::PageId;

/// What is live, per key and per segment.
///
/// A page that does not stand on the disk yet has no home but *pins* every segment that one of its messages stands in:
/// these are never written again, the page is put on the disk instead.
///
/// *Invariants*: a key has at most one home, the segment of its latest record; a segment's live bytes are the sum of
/// the sizes of the keys whose home it is and of what pins it; segments ascend.
#[derive(Debug, Default)]
pub struct Liveness {
    homes: Homes,
    /// Per open page, bytes per segment.
    pins: BTreeMap<PageId, BTreeMap<Segment, u64>>,
    segments: VecDeque<Usage>,
    live_bytes: u64,
    total_bytes: u64,
}

#[derive(Debug)]
struct Usage {
    segment: Segment,
    file_size: u64,
    live_bytes: u64,
    live_keys: usize,
    /// Every key that was ever at home here, in order of arrival.
    keys: Vec<Key>,
    /// How many of `keys` have been handed out for cleaning.
    handed_out: usize,
    /// Nothing is live: may go once everything up to here is synced.
    needs: Option<Position>,
}

/// How much room the log takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Footprint {
    /// Files.
    pub segments: usize,
    /// Bytes of records that are still needed.
    pub live_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
}

impl Liveness {
    /// The key's record is not needed any more: the message has left its last durable queue, the queue is removed …
    /// Called when the record that says so has been applied. Unknown keys are ignored.
    pub fn dead(&mut self, key: Key) {
        if let Key::OpenPage(page) = key {
            self.unpin(page);
        } else if let Some(home) = self.homes.remove(key) {
            self.leave(home);
        }
    }

    /// Whether the key has a record that is still needed.
    pub fn is_live(&self, key: Key) -> bool {
        match key {
            Key::OpenPage(page) => self.pins.contains_key(&page),
            key => self.homes.get(key).is_some(),
        }
    }

    /// How many keys are live.
    pub fn len(&self) -> usize {
        self.homes.len() + self.pins.len()
    }

    /// Whether nothing is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of records of a page that does not stand on the disk yet.
    pub fn pinned_by(&self, page: PageId) -> u64 {
        self.pins.get(&page).map_or(0, |pins| pins.values().sum())
    }

    /// The segment of the key's latest record, if it is live.
    pub fn home(&self, key: Key) -> Option<Segment> {
        self.homes.get(key).map(|home| home.segment)
    }

    pub(super) fn footprint(&self) -> Footprint {
        Footprint {
            segments: self.segments.len(),
            live_bytes: self.live_bytes,
            total_bytes: self.total_bytes,
        }
    }

    /// A segment follows the last one.
    pub(super) fn open(&mut self, segment: Segment, file_size: u64) {
        assert!(
            self.segments
                .back()
                .is_none_or(|last| last.segment < segment)
        );
        self.total_bytes += file_size;
        self.segments.push_back(Usage {
            segment,
            file_size,
            live_bytes: 0,
            live_keys: 0,
            keys: Vec::new(),
            handed_out: 0,
            needs: None,
        });
    }

    /// Takes the segments after this one, in which nothing has settled, off the log; each with its file's size.
    pub(super) fn disown_after(&mut self, segment: Segment) -> Vec<(Segment, u64)> {
        let from = self
            .segments
            .partition_point(|usage| usage.segment <= segment);
        let disowned: Vec<_> = self.segments.drain(from..).collect();
        assert!(disowned.iter().all(|usage| usage.keys.is_empty()));
        self.total_bytes -= disowned.iter().map(|usage| usage.file_size).sum::<u64>();
        disowned
            .into_iter()
            .map(|usage| (usage.segment, usage.file_size))
            .collect()
    }

    /// The key's latest record now stands in `segment`, `size` bytes long.
    pub(super) fn settle(&mut self, key: Key, segment: Segment, size: u64) {
        if let Key::OpenPage(page) = key {
            self.pin(page, segment, size);
            return;
        }
        let before = self.homes.insert(key, Home { segment, size });
        if let Some(home) = before {
            self.leave(home);
        }
        self.live_bytes += size;
        let usage = self.usage(segment);
        usage.live_bytes += size;
        usage.live_keys += 1;
        if before.is_none_or(|home| home.segment != segment) {
            usage.keys.push(key);
        }
    }

    fn pin(&mut self, page: PageId, segment: Segment, size: u64) {
        let pins = self.pins.entry(page).or_default();
        let new = !pins.contains_key(&segment);
        *pins.entry(segment).or_default() += size;
        self.live_bytes += size;
        let usage = self.usage(segment);
        usage.live_bytes += size;
        if new {
            usage.live_keys += 1;
            usage.keys.push(Key::OpenPage(page));
        }
    }

    fn unpin(&mut self, page: PageId) {
        for (segment, size) in self.pins.remove(&page).unwrap_or_default() {
            self.leave(Home { segment, size });
        }
    }

    fn leave(&mut self, home: Home) {
        self.live_bytes -= home.size;
        let usage = self.usage(home.segment);
        usage.live_bytes -= home.size;
        usage.live_keys -= 1;
    }

    fn usage(&mut self, segment: Segment) -> &mut Usage {
        let last = self.segments.len() - 1;
        let at = if self.segments[last].segment == segment {
            last
        } else {
            self.segments
                .partition_point(|usage| usage.segment < segment)
        };
        let usage = &mut self.segments[at];
        assert_eq!(usage.segment, segment, "a home is a segment of the log");
        usage
    }

    /// Whether the log is larger than twice what is live plus two segments of `file_size`.
    pub(super) fn is_oversized(&self, file_size: u64) -> bool {
        self.segments.len() > 1 && self.total_bytes > 2 * self.live_bytes + 2 * file_size
    }

    /// The next keys to move out of the oldest segment, until their records make up `budget` bytes.
    pub(super) fn portion(&mut self, budget: u64) -> Vec<Key> {
        let mut portion = Vec::new();
        let Some(oldest) = self.segments.front_mut() else {
            return portion;
        };
        if oldest.handed_out == oldest.keys.len() {
            // Whoever still lives here after all were handed out was not written again: once more from the start.
            oldest.handed_out = 0;
        }
        let mut bytes = 0;
        while bytes < budget && oldest.handed_out < oldest.keys.len() {
            let key = oldest.keys[oldest.handed_out];
            oldest.handed_out += 1;
            if let Key::OpenPage(page) = key {
                let pins = self.pins.get(&page);
                let pinned = pins.and_then(|pins| pins.get(&oldest.segment));
                if let Some(size) = pinned {
                    bytes += size;
                    portion.push(key);
                }
                continue;
            }
            let home = self.homes.get(key);
            if let Some(home) = home.filter(|home| home.segment == oldest.segment) {
                bytes += home.size;
                portion.push(key);
            }
        }
        portion
    }

    /// End of a turn that has appended up to `appended`: the oldest segments that nothing lives in any more may go
    /// once that is synced. Whether any of them waits for a sync.
    pub(super) fn retire(&mut self, appended: Position) -> bool {
        let older = self.segments.len().saturating_sub(1);
        let mut waiting = false;
        for usage in self.segments.iter_mut().take(older) {
            if usage.live_keys > 0 {
                break;
            }
            usage.needs.get_or_insert(appended);
            waiting = true;
        }
        waiting
    }

    /// The oldest segment, if it may go now that everything up to `synced` is synced.
    pub(super) fn release(&mut self, synced: Position) -> Option<Segment> {
        let oldest = self.segments.front()?;
        if oldest.needs.is_none_or(|needs| needs > synced) {
            return None;
        }
        assert_eq!(oldest.live_keys, 0, "a released segment holds no live key");
        let gone = self.segments.pop_front()?;
        self.total_bytes -= gone.file_size;
        Some(gone.segment)
    }
}
