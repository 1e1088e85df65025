// SPDX-License-Identifier: Apache-2.0
//! Reading the log back: what is whole, where it ends, and whether it may end there. FORMAT.md, "Recovery".

use std::collections::VecDeque;

use super::super::record::{Record, kind};
use super::super::request::Segment;
use super::super::{Branch, Position};
use super::Storage;
use super::content::{Content, Verified};
use super::damage::Damage;
use super::head::{ALIGNMENT, Head, generation, record_size};
use super::header::{Found, HEADER, Header};
use super::liveness::Liveness;

/// Where recovered records go, in log order and by whole units.
pub type Visitor<'a> = dyn FnMut(&mut Liveness, Position, Record) + 'a;

/// Reads the segments of a log, oldest first, and hands out what is whole.
///
/// *Invariants*: positions handed out ascend by one; a unit is handed out only when its last record has been read; no
/// bytes whatever make it panic.
#[derive(Debug)]
pub struct Replay {
    to_read: VecDeque<Segment>,
    last_segment: Segment,
    live: Liveness,
    /// The position that the next record must have; 0 = no header has been read.
    next: Position,
    branch: Option<Branch>,
    unit: Unit,
    gap: Option<Gap>,
    /// Segments that no record was read from.
    stale: Vec<(Segment, u64)>,
    records: u64,
    torn_bytes: u64,
    highest_epoch: u64,
}

/// Records read of a unit whose end has not been read.
#[derive(Debug, Default)]
struct Unit {
    records: Vec<Held>,
    /// The branch before the first of them.
    branch: Option<Branch>,
}

#[derive(Debug)]
struct Held {
    record: Record,
    position: Position,
    segment: Segment,
    size: u64,
}

/// Where reading stopped.
#[derive(Debug)]
struct Gap {
    segment: Segment,
    offset: usize,
    position: Position,
    /// What shows that the place was synced, and so is damaged rather than torn.
    proof: Option<String>,
    /// Bytes that belong to the log behind it.
    torn_bytes: u64,
}

/// What was recovered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// How many records were handed out.
    pub records: u64,
    /// Bytes behind the end that had been written but never acknowledged, and were cut.
    pub torn_bytes: u64,
    /// The position of the last record.
    pub last: Position,
    /// The branch of the last record, or that in which the log was begun if it has none yet; `None` without any log.
    pub branch: Option<Branch>,
    /// The highest epoch that anything readable speaks of, also what was cut: the next one has to be above it.
    pub highest_epoch: u64,
}

/// What [`Storage`] goes on from.
#[derive(Debug)]
pub(super) struct Tail {
    pub last: Position,
    pub branch: Option<Branch>,
    pub last_segment: Segment,
    pub live: Liveness,
    pub stale: Vec<(Segment, u64)>,
}

impl Replay {
    /// A replay of these segments ([`Completion::Segments`](super::super::request::Completion::Segments)).
    pub fn new(mut segments: Vec<Segment>) -> Self {
        segments.sort_unstable();
        segments.dedup();
        Self {
            last_segment: segments.last().copied().unwrap_or_default(),
            to_read: segments.into(),
            live: Liveness::default(),
            next: Position(0),
            branch: None,
            unit: Unit::default(),
            gap: None,
            stale: Vec::new(),
            records: 0,
            torn_bytes: 0,
            highest_epoch: 0,
        }
    }

    /// The segment to be read next; `None` when it is time to [`finish`](Self::finish).
    pub fn next_segment(&self) -> Option<Segment> {
        self.to_read.front().copied()
    }

    /// Reads the whole content of the next segment and hands out the units that end in it.
    pub fn segment(
        &mut self,
        segment: Segment,
        mut content: Content,
        out: &mut Visitor<'_>,
    ) -> Result<(), Damage> {
        assert_eq!(self.to_read.pop_front(), Some(segment), "segments in order");
        let records = std::mem::take(&mut content.records);
        let bytes = &*content;
        let file_size = bytes.len() as u64;
        let enters = match Header::find(bytes, segment) {
            Found::Header(header) => self.enter(&header)?,
            Found::Nothing => self.without_header(segment, bytes)?,
            Found::Foreign => return Err(self.damaged(segment, 0, "not written by Hind")),
            Found::Newer => {
                return Err(self.damaged(segment, 0, "written by a newer version of Hind"));
            }
        };
        if !enters {
            self.look_for_marks(segment, bytes, 0);
            self.stale.push((segment, file_size));
            return Ok(());
        }
        self.live.open(segment, file_size);
        let end = self.read_records(segment, records, out)?;
        self.gap = Some(Gap {
            segment,
            offset: end,
            position: self.next,
            proof: None,
            torn_bytes: 0,
        });
        self.look_for_marks(segment, bytes, end);
        Ok(())
    }

    /// Whether the log goes on in the segment of this header.
    fn enter(&mut self, header: &Header) -> Result<bool, Damage> {
        self.highest_epoch = self.highest_epoch.max(header.branch.epoch);
        if self.next.0 == 0 {
            self.next = header.first;
            self.branch = Some(header.branch);
            return Ok(true);
        }
        if self
            .branch
            .is_some_and(|own| header.branch.epoch < own.epoch)
        {
            // Left in a recycled file by a run whose use of the same number was lost with its directory entry.
            return Ok(false);
        }
        self.cut_unit(header);
        if header.first == self.next {
            self.torn_bytes += self.gap.take().map_or(0, |gap| gap.torn_bytes);
            return Ok(true);
        }
        if header.first < self.next {
            return Err(self.damaged(
                header.segment,
                0,
                "begins before the end of the segment in front of it",
            ));
        }
        let what = "the next segment was begun after it had been synced";
        self.prove(header.synced, what);
        Ok(false)
    }

    /// Drops the open unit if the header shows that an earlier recovery had found it not whole.
    fn cut_unit(&mut self, header: &Header) {
        let Some(first) = self.unit.records.first().map(|held| held.position) else {
            return;
        };
        // A later run begins behind what it recovered and says so: the unit was not of it.
        let began_later = self.branch != Some(header.branch);
        let cut_earlier = began_later && header.synced < first;
        if first == header.first || cut_earlier {
            self.drop_unit();
            if let Some(gap) = &mut self.gap {
                gap.position = first;
            }
        }
    }

    /// A segment without a readable header belongs to the log only by proof, and then it is damaged.
    fn without_header(&mut self, segment: Segment, bytes: &[u8]) -> Result<bool, Damage> {
        if Head::verify(bytes, HEADER, generation(segment)).is_some() {
            return Err(self.damaged(segment, 0, "its header cannot be read, its records can"));
        }
        if self.next.0 == 0 {
            self.next = Position(1);
        }
        if self.gap.is_none() {
            self.gap = Some(Gap {
                segment,
                offset: 0,
                position: self.next,
                proof: None,
                torn_bytes: 0,
            });
        }
        Ok(false)
    }

    /// Takes records as long as they follow one another; where they end.
    fn read_records(
        &mut self,
        segment: Segment,
        records: Vec<Verified>,
        out: &mut Visitor<'_>,
    ) -> Result<usize, Damage> {
        let mut end = HEADER;
        for Verified {
            head,
            offset,
            record,
        } in records
        {
            let Some(counts) = self.follows(&head) else {
                break;
            };
            let size = record_size(head.payload);
            if counts {
                let record = record
                    .filter(|record| self.is_consistent(&head, record))
                    .ok_or_else(|| {
                        self.damaged(segment, offset, "a record of a form that is not known")
                    })?;
                let held = Held {
                    record,
                    position: head.position,
                    segment,
                    size: size as u64,
                };
                self.accept(&head, held, out);
            }
            end = offset + size;
        }
        Ok(end)
    }

    /// Whether the record comes next: `Some(true)` if it counts, `Some(false)` if it is a note.
    fn follows(&self, head: &Head) -> Option<bool> {
        let same_branch = self.branch == Some(head.branch);
        if head.kind == kind::SYNCED {
            return (same_branch && head.position.next() == self.next).then_some(false);
        }
        let begins = head.kind == kind::BRANCH
            && self
                .branch
                .is_none_or(|branch| branch.epoch <= head.branch.epoch);
        (head.position == self.next && (same_branch || begins)).then_some(true)
    }

    fn is_consistent(&self, head: &Head, record: &Record) -> bool {
        match record {
            Record::Branch(start) => start.branch == head.branch && !head.more,
            _ => true,
        }
    }

    fn accept(&mut self, head: &Head, held: Held, out: &mut Visitor<'_>) {
        if self.unit.records.is_empty() {
            self.unit.branch = self.branch;
        }
        self.branch = Some(head.branch);
        self.highest_epoch = self.highest_epoch.max(head.branch.epoch);
        self.next = self.next.next();
        if head.more {
            self.unit.records.push(held);
            return;
        }
        let Self {
            unit,
            live,
            records,
            ..
        } = self;
        for held in unit.records.drain(..).chain([held]) {
            if let Some(key) = held.record.key() {
                live.settle(key, held.segment, held.size);
            }
            *records += 1;
            out(live, held.position, held.record);
        }
    }

    /// Forgets the records of a unit that is not whole.
    fn drop_unit(&mut self) {
        if let Some(first) = self.unit.records.first() {
            self.next = first.position;
            self.branch = self.unit.branch;
            self.torn_bytes += self.unit.records.iter().map(|held| held.size).sum::<u64>();
            // What was begun after its first record holds nothing else, and would mislead a later recovery once
            // the segment of that record is gone.
            self.stale.extend(self.live.disown_after(first.segment));
            self.unit.records.clear();
        }
    }

    /// Looks behind the end for marks that show the end to be damage, and for how much is cut.
    fn look_for_marks(&mut self, segment: Segment, bytes: &[u8], from: usize) {
        let generation = generation(segment);
        let mut torn_to = from;
        for offset in (from..bytes.len()).step_by(ALIGNMENT) {
            let Some(head) = Head::peek(bytes, offset, generation) else {
                continue;
            };
            if (kind::BRANCH..=kind::PAGE_PURGED).contains(&head.kind) {
                torn_to = torn_to.max(offset + record_size(head.payload));
            }
            if let Some(position) = Head::mark(bytes, offset, generation) {
                let what = format!(
                    "a mark in segment {} at byte {offset} says that it had been synced",
                    segment.0
                );
                self.prove(position, &what);
            }
        }
        if let Some(gap) = &mut self.gap {
            gap.torn_bytes += (torn_to - from) as u64;
        }
    }

    /// Something says that everything up to `synced` was on the disk.
    fn prove(&mut self, synced: Position, what: &str) {
        if let Some(gap) = &mut self.gap
            && synced >= gap.position
            && gap.proof.is_none()
        {
            gap.proof = Some(format!("cannot be read; {what}"));
        }
    }

    fn damaged(&self, segment: Segment, offset: usize, what: &str) -> Damage {
        Damage {
            segment,
            offset: offset as u64,
            position: self.next,
            what: what.into(),
        }
    }

    /// All segments have been read: `storage`, which is new, goes on from here. Everything recovered counts as stored,
    /// so the host has to sync it before anything is answered.
    pub fn finish(mut self, storage: &mut Storage) -> Result<Recovered, Damage> {
        assert!(self.to_read.is_empty(), "every segment has been read");
        if let Some(gap) = self.gap.take() {
            if let Some(what) = gap.proof {
                return Err(Damage {
                    segment: gap.segment,
                    offset: gap.offset as u64,
                    position: gap.position,
                    what,
                });
            }
            self.torn_bytes += gap.torn_bytes;
        }
        self.drop_unit();
        let recovered = Recovered {
            records: self.records,
            torn_bytes: self.torn_bytes,
            last: Position(self.next.0.saturating_sub(1)),
            branch: self.branch,
            highest_epoch: self.highest_epoch,
        };
        storage.resume(Tail {
            last: recovered.last,
            branch: recovered.branch,
            last_segment: self.last_segment,
            live: self.live,
            stale: self.stale,
        });
        Ok(recovered)
    }
}
