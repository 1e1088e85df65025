// SPDX-License-Identifier: Apache-2.0
//! The one owner of the log.

use std::collections::VecDeque;
use std::mem;

use super::super::record::{BranchStart, Key, Record};
use super::super::request::{Batch, Request, Segment};
use super::super::settings::JournalSettings;
use super::super::{Branch, Position};
use super::collector::Collector;
use super::head::{Head, record_size};
use super::header::{HEADER, Header};
use super::liveness::{Footprint, Liveness};
use super::replay;

/// Sizes of files that are made larger for one record are multiples of this.
const LARGE_FILE_STEP: u64 = 4096;

/// The one owner of the journal: gives every record its position, collects what a turn appends into a batch, knows
/// what is stored and what is still needed.
///
/// Calls: [`append`](Self::append) and [`live`](Self::live) while a turn changes state, [`cleaning`](Self::cleaning)
/// and [`take_batch`](Self::take_batch) at its end, [`on_stored`](Self::on_stored) when the disk has answered.
///
/// *Invariants*: nothing is appended before [`begin`](Self::begin); `synced ≤ stored ≤ appended`; a unit (records
/// appended with `more`, up to and with the first without) is never split by a branch or by the end of a turn.
#[derive(Debug)]
pub struct Storage {
    settings: JournalSettings,
    branch: Option<Branch>,
    /// How the branch began, to be written again when its segment is cleaned.
    branch_start: Option<BranchStart>,
    appended: Position,
    stored: Position,
    /// Up to here everything was not only written but synced.
    synced: Position,
    /// What the last mark in the log says.
    marked: Position,
    /// The last record said that its unit goes on.
    unit_open: bool,
    current: Option<Current>,
    last_segment: Segment,
    collector: Collector,
    /// Whether a record collected asks for a sync.
    sync: bool,
    /// Batches handed out and not yet stored.
    under_way: VecDeque<UnderWay>,
    live: Liveness,
    /// Segments that recovery found to hold nothing of the log; they go before any other.
    stale: Stale,
    /// Asked of the disk beside the journal and not yet taken by the host.
    asked: Vec<Request>,
    /// To be asked for when everything up to the position is synced.
    asked_when_synced: VecDeque<(Position, Request)>,
}

/// The segment that is written to.
#[derive(Clone, Copy, Debug)]
struct Current {
    segment: Segment,
    offset: u64,
    file_size: u64,
}

#[derive(Clone, Copy, Debug)]
struct UnderWay {
    end: Position,
    bytes: u64,
    sync: bool,
}

#[derive(Debug, Default)]
struct Stale {
    segments: Vec<(Segment, u64)>,
    /// They may go when this is synced: then the log goes on behind them.
    needs: Option<Position>,
}

impl Storage {
    /// A log of which nothing is known yet: recovery ([`Replay`]) or, where there is nothing to recover,
    /// [`begin`](Self::begin) comes first.
    pub fn new(settings: JournalSettings) -> Self {
        Self {
            settings,
            branch: None,
            branch_start: None,
            appended: Position(0),
            stored: Position(0),
            synced: Position(0),
            marked: Position(0),
            unit_open: false,
            current: None,
            last_segment: Segment(0),
            collector: Collector::default(),
            sync: false,
            under_way: VecDeque::new(),
            live: Liveness::default(),
            stale: Stale::default(),
            asked: Vec::new(),
            asked_when_synced: VecDeque::new(),
        }
    }

    /// Asks the disk for something beside the journal: pages, large messages.
    pub fn ask(&mut self, request: Request) {
        self.asked.push(request);
    }

    /// Asks the disk for several things.
    pub fn ask_all(&mut self, requests: impl IntoIterator<Item = Request>) {
        self.asked.extend(requests);
    }

    /// Asks the disk for something as soon as everything appended so far is synced: what gives up a file whose content
    /// is not needed because of a record.
    pub fn ask_when_synced(&mut self, request: Request) {
        if self.synced >= self.appended {
            self.asked.push(request);
        } else {
            self.asked_when_synced.push_back((self.appended, request));
        }
    }

    /// End of a turn: what has been asked for, in order.
    pub fn asked(&mut self) -> impl Iterator<Item = Request> + '_ {
        self.asked.drain(..)
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &JournalSettings {
        &self.settings
    }

    /// Begins a branch, after everything recovered has been synced ([`Request::SyncAll`]). The first one of a run
    /// opens a new segment: an old file is never written to again. `branch.epoch` is above every epoch ever begun on
    /// this disk (`node.state` knows), also above those whose records were lost with a torn tail.
    pub fn begin(&mut self, branch: Branch, in_sync: Vec<[u8; 16]>) {
        self.start(BranchStart {
            branch,
            in_sync,
            forced: false,
        });
    }

    /// [`begin`](Self::begin), with everything a branch start says.
    pub fn start(&mut self, start: BranchStart) {
        assert!(!self.unit_open, "a branch begins between units");
        assert!(
            self.branch
                .is_none_or(|old| old != start.branch && old.epoch <= start.branch.epoch),
            "a branch is begun once, in a higher epoch"
        );
        self.branch = Some(start.branch);
        if self.settings.persistence && self.current.is_none() {
            self.open_segment(0);
        }
        self.branch_start = Some(start.clone());
        let begun = self.log(&Record::Branch(start), false, true);
        self.stale.needs.get_or_insert(begun);
    }

    /// The branch that records are stamped with; the last one recovered before [`begin`](Self::begin).
    pub fn branch(&self) -> Option<Branch> {
        self.branch
    }

    /// Appends a record. `more`: its unit goes on with the next record, and replay applies all of it or nothing.
    /// `sync`: `Stored` has to mean that it is on the disk.
    pub fn append(&mut self, record: &Record, more: bool, sync: bool) -> Position {
        assert!(
            !matches!(record, Record::Synced(_) | Record::Branch(_)),
            "marks and branches are storage's own"
        );
        self.log(record, more, sync)
    }

    fn log(&mut self, record: &Record, more: bool, sync: bool) -> Position {
        let position = self.appended.next();
        self.unit_open = more;
        if !self.settings.persistence {
            self.appended = position;
            (self.stored, self.synced) = (position, position);
            return position;
        }
        if self.collector.is_empty() {
            self.note_synced();
        }
        self.sync |= sync;
        let (segment, size) = self.put(record, position, more);
        self.appended = position;
        if let Some(key) = record.key() {
            self.live.settle(key, segment, size);
        }
        position
    }

    /// Everything appended in this turn is to be synced when it is stored, whatever its records asked for.
    pub fn sync_collected(&mut self) {
        self.sync |= !self.collector.is_empty();
    }

    /// The position of the last record appended.
    pub fn appended(&self) -> Position {
        self.appended
    }

    /// Everything up to here is stored as it asked to be.
    pub fn stored(&self) -> Position {
        self.stored
    }

    /// End of a turn: what it appended, if anything.
    pub fn take_batch(&mut self) -> Option<Batch> {
        assert!(!self.unit_open, "a turn ends between units");
        let release_waits = self.live.retire(self.appended) || !self.asked_when_synced.is_empty();
        if self.collector.is_empty() {
            return None;
        }
        let under_way = UnderWay {
            end: self.appended,
            bytes: self.collector.bytes,
            // A file must not be given up before what replaces its records is really on the disk.
            sync: mem::take(&mut self.sync) || release_waits,
        };
        self.under_way.push_back(under_way);
        Some(Batch {
            writes: self.collector.take(),
            sync: under_way.sync,
            end: under_way.end,
        })
    }

    /// Before an orderly stop, when the last batch is stored: a batch of only a mark, so that afterwards every record
    /// is known to have been synced. `None` if the log says so already.
    pub fn seal(&mut self) -> Option<Batch> {
        let idle = self.under_way.is_empty() && self.collector.is_empty();
        if idle && self.current.is_some() && self.synced > self.marked {
            self.note_synced();
            self.sync = true;
        }
        self.take_batch()
    }

    /// The disk has answered: everything up to `position` is stored. What may now be given up.
    pub fn on_stored(&mut self, position: Position) -> Vec<Request> {
        assert!(position <= self.appended, "stored is what was appended");
        while let Some(first) = self.under_way.front().filter(|b| b.end <= position) {
            self.stored = self.stored.max(first.end);
            if first.sync {
                // A sync covers every write before it.
                self.synced = self.stored;
            }
            self.under_way.pop_front();
        }
        let mut requests = Vec::new();
        while let Some((_, request)) = self
            .asked_when_synced
            .pop_front_if(|(needs, _)| *needs <= self.synced)
        {
            requests.push(request);
        }
        if self.stale.needs.is_some_and(|needs| needs <= self.synced) {
            let gone = self.stale.segments.drain(..);
            requests.extend(gone.map(|(segment, _)| Request::Release(segment)));
        }
        if self.stale.segments.is_empty() {
            while let Some(segment) = self.live.release(self.synced) {
                requests.push(Request::Release(segment));
            }
        }
        requests
    }

    /// What is still needed; `apply` tells it what is not.
    pub fn live(&mut self) -> &mut Liveness {
        &mut self.live
    }

    /// The next keys whose records have to be written again, each as an ordinary record with its present state, in this
    /// turn, so that the oldest segment can go; about `budget` bytes of them. Empty while the log is small enough for
    /// what is live. Never [`Key::Branch`]: that one is written here.
    pub fn cleaning(&mut self, budget: u64) -> Vec<Key> {
        assert!(!self.unit_open, "records are written again between units");
        let allowed = self.settings.compact_min_files > 0 && self.current.is_some();
        if !allowed || !self.live.is_oversized(self.settings.file_size) {
            return Vec::new();
        }
        let mut portion = self.live.portion(budget);
        portion.retain(|key| *key != Key::Branch || !self.log_branch_again());
        portion
    }

    /// Whether there is one.
    fn log_branch_again(&mut self) -> bool {
        let Some(start) = self.branch_start.take() else {
            return false;
        };
        let record = Record::Branch(start.clone());
        self.log(&record, false, false);
        self.branch_start = Some(start);
        true
    }

    /// Bytes collected or handed out and not yet stored: for back-pressure.
    pub fn backlog(&self) -> u64 {
        let handed_out: u64 = self.under_way.iter().map(|batch| batch.bytes).sum();
        handed_out + self.collector.bytes
    }

    /// How much room the log takes.
    pub fn footprint(&self) -> Footprint {
        let mut footprint = self.live.footprint();
        footprint.segments += self.stale.segments.len();
        footprint.total_bytes += self
            .stale
            .segments
            .iter()
            .map(|(_, size)| size)
            .sum::<u64>();
        footprint
    }

    /// A mark, if more has been synced than the log says. It takes no position but repeats the one before it.
    fn note_synced(&mut self) {
        if self.synced > self.marked {
            self.marked = self.synced;
            self.put(&Record::Synced(self.synced), self.appended, false);
        }
    }

    /// Encodes a record into the segment that has room for it; where it stands and how large it is.
    fn put(&mut self, record: &Record, position: Position, more: bool) -> (Segment, u64) {
        let branch = self
            .branch
            .expect("a branch has begun before anything is appended");
        let payload = record.envelope_len() + record.body().map_or(0, |body| body.len());
        let size = record_size(payload) as u64;
        let segment = self.make_room(size);
        let head = Head {
            kind: record.kind(),
            more,
            position,
            branch,
            payload,
        };
        self.collector.record(segment, &head, record);
        (segment, size)
    }

    /// Takes `size` bytes of the current segment, or of a new one if they do not fit.
    fn make_room(&mut self, size: u64) -> Segment {
        if self
            .current
            .is_none_or(|current| current.file_size - current.offset < size)
        {
            self.open_segment(size);
        }
        let current = self.current.as_mut().expect("a segment is open");
        current.offset += size;
        if current.file_size > self.settings.file_size {
            // Made larger for one record: it stands alone, so that the file goes with it.
            current.offset = current.file_size;
        }
        current.segment
    }

    fn open_segment(&mut self, size: u64) {
        let needed = HEADER as u64 + size;
        let file_size = match needed <= self.settings.file_size {
            true => self.settings.file_size,
            false => needed.next_multiple_of(LARGE_FILE_STEP),
        };
        let segment = Segment(self.last_segment.0 + 1);
        let header = Header {
            segment,
            first: self.appended.next(),
            branch: self.branch.expect("a segment is opened in a branch"),
            synced: self.synced,
            file_size,
        };
        self.last_segment = segment;
        self.current = Some(Current {
            segment,
            offset: HEADER as u64,
            file_size,
        });
        self.live.open(segment, file_size);
        self.collector.go_to(segment, 0);
        self.collector.raw(&header.encode());
    }

    /// Goes on behind what was recovered.
    pub(super) fn resume(&mut self, tail: replay::Tail) {
        assert!(self.branch.is_none(), "recovery comes first");
        self.branch = tail.branch;
        self.appended = tail.last;
        self.stored = tail.last;
        self.synced = tail.last;
        self.marked = tail.last;
        self.last_segment = tail.last_segment;
        self.live = tail.live;
        self.stale.segments = tail.stale;
    }
}
