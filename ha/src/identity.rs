// SPDX-License-Identifier: Apache-2.0
//! Who a broker is and what it has promised: the content of `node.state`, the one small file beside the journal.
//!
//! The fields are those of the HA protocol, §2; the bytes are in `engine/src/storage/FORMAT.md`, "node.state". The host
//! replaces the file as a whole, so that it is never half-written: what does not verify is damage.

use std::fmt;

use bytes::{Bytes, BytesMut};
use hind_engine::storage::layout::{Reader, Sink};
use hind_engine::storage::{Branch, Position};

const MAGIC: [u8; 8] = *b"HINDNODE";
const VERSION: u32 = 1;
/// Magic, version and checksum.
const PREAMBLE: usize = 16;

/// One installation; random, written once, never shared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BrokerId(pub [u8; 16]);

/// What the brokers of a pair share: the NodeID that clients and clusters see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub [u8; 16]);

impl BrokerId {
    /// Its first eight bytes, by which records name their branch's holder.
    pub fn holder(self) -> u64 {
        u64::from_be_bytes(*self.0.first_chunk().expect("sixteen bytes"))
    }
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(f, self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_uuid(f, self.0)
    }
}

/// As a UUID, in lower case.
fn write_uuid(f: &mut fmt::Formatter<'_>, id: [u8; 16]) -> fmt::Result {
    for (n, byte) in id.iter().enumerate() {
        let dash = if [4, 6, 8, 10].contains(&n) { "-" } else { "" };
        write!(f, "{dash}{byte:02x}")?;
    }
    Ok(())
}

/// How much of what was acknowledged this broker knows itself to hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mark {
    /// Someone else holds more.
    Out = 0,
    /// I hold everything, and so may my peer.
    In = 1,
    /// Nobody else can hold more.
    Sole = 2,
}

/// How the last run ended. Information only: no rule depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum StopMark {
    /// The broker is running, or has died.
    Running = 0,
    /// It stopped in order.
    Clean = 1,
}

/// A branch of the log, as an election has to know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryEntry {
    /// Epoch and holder.
    pub branch: Branch,
    /// The position of its first record.
    pub first: Position,
    /// Who held everything acknowledged before that.
    pub in_sync: Vec<BrokerId>,
    /// Begun by an operator's force.
    pub forced: bool,
}

/// The highest claim this broker has consented to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Promise {
    /// The epoch promised.
    pub epoch: u64,
    /// To whom.
    pub candidate: BrokerId,
}

/// Who votes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Electorate {
    /// Counts up with every change.
    pub version: u64,
    /// The seats, in order.
    pub seats: Vec<Seat>,
}

/// One vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seat {
    /// That of a broker.
    Broker(BrokerId),
    /// That of a witness, by its address.
    Witness(String),
}

/// A tail that did not become part of the log, kept until its content has been merged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetAside {
    /// The branch of its last record.
    pub branch: Branch,
    /// Its first record.
    pub first: Position,
    /// Its last record.
    pub last: Position,
    /// The name of its directory (`oldreplica.N`).
    pub directory: String,
    /// What has been done with it.
    pub state: TailState,
}

/// What has been done with a tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TailState {
    /// Copied; the log is cut, or about to be.
    Cut,
    /// Merged up to, but without, this position.
    MergingFrom(Position),
    /// Merged: may be deleted.
    Merged,
    /// Nobody was told that it was accepted: kept, not merged.
    Parked,
}

/// Everything durable about a broker that is not in its journal.
///
/// *Invariants*: `epoch` is at least that of every entry of `history`; the history's epochs and positions ascend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeState {
    /// Who it is.
    pub broker_id: BrokerId,
    /// For whom it speaks, or stands by.
    pub node_id: NodeId,
    /// The highest epoch entered here, as active or as accepted replica.
    pub epoch: u64,
    /// Its branches, oldest first.
    pub history: Vec<HistoryEntry>,
    /// What it holds.
    pub mark: Mark,
    /// What it has promised, if anything.
    pub promise: Option<Promise>,
    /// Who votes on its node id.
    pub electorate: Electorate,
    /// Its tails, oldest first.
    pub set_aside: Vec<SetAside>,
    /// How its last run ended.
    pub stop: StopMark,
}

/// Why a `node.state` is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateError {
    /// It does not begin like one.
    Foreign,
    /// It has this later format.
    Newer(u32),
    /// It does not verify, or says what cannot be.
    Damaged,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("node.state was not written by Hind"),
            Self::Newer(version) => {
                write!(
                    f,
                    "node.state has format {version}, written by a newer version of Hind"
                )
            }
            Self::Damaged => f.write_str("node.state is damaged"),
        }
    }
}

impl std::error::Error for StateError {}

impl NodeState {
    /// That of a broker at its first start, which nobody else can know more than.
    pub fn first(broker_id: BrokerId, node_id: NodeId) -> Self {
        Self {
            broker_id,
            node_id,
            epoch: 0,
            history: Vec::new(),
            mark: Mark::Sole,
            promise: None,
            electorate: Electorate::default(),
            set_aside: Vec::new(),
            stop: StopMark::Running,
        }
    }

    /// The epoch to claim next: above every one entered, promised or `seen` (in the journal, or with a peer).
    pub fn next_epoch(&self, seen: u64) -> u64 {
        let promised = self.promise.map_or(0, |promise| promise.epoch);
        self.epoch.max(promised).max(seen) + 1
    }

    /// Enters a new branch held by this broker alone, whose first record will be `first`; durable before that record
    /// is appended. `seen` as in [`next_epoch`](Self::next_epoch).
    pub fn enter_alone(&mut self, first: Position, seen: u64) -> Branch {
        let branch = Branch {
            epoch: self.next_epoch(seen),
            holder: self.broker_id.holder(),
        };
        self.epoch = branch.epoch;
        self.mark = Mark::Sole;
        self.stop = StopMark::Running;
        // A branch that was entered but never got a record has no place in the log.
        self.history.retain(|entry| entry.first < first);
        self.history.push(HistoryEntry {
            branch,
            first,
            in_sync: vec![self.broker_id],
            forced: false,
        });
        branch
    }

    /// The bytes of the file.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(256);
        out.put(&MAGIC);
        out.u32(VERSION);
        out.u32(0);
        self.encode_fields(&mut out);
        let checksum = checksum(&out);
        out[12..PREAMBLE].copy_from_slice(&checksum.to_le_bytes());
        out.freeze()
    }

    fn encode_fields(&self, out: &mut BytesMut) {
        out.put(&self.broker_id.0);
        out.put(&self.node_id.0);
        out.u64(self.epoch);
        out.u8(self.mark as u8);
        out.u8(self.stop as u8);
        let (promised, candidate) = match self.promise {
            Some(promise) => (promise.epoch, promise.candidate.0),
            None => (0, [0; 16]),
        };
        out.u8(u8::from(self.promise.is_some()));
        out.u64(promised);
        out.put(&candidate);
        out.count(self.history.len());
        for entry in &self.history {
            entry.encode(out);
        }
        out.u64(self.electorate.version);
        out.count(self.electorate.seats.len());
        for seat in &self.electorate.seats {
            seat.encode(out);
        }
        out.count(self.set_aside.len());
        for tail in &self.set_aside {
            tail.encode(out);
        }
    }

    /// Reads the file's bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(StateError::Foreign);
        }
        let mut preamble = Reader(bytes.get(8..PREAMBLE).ok_or(StateError::Damaged)?);
        let version = preamble.u32().ok_or(StateError::Damaged)?;
        let expected = preamble.u32().ok_or(StateError::Damaged)?;
        if checksum(bytes) != expected {
            return Err(StateError::Damaged);
        }
        if version != VERSION {
            return Err(StateError::Newer(version));
        }
        let state = Self::decode_fields(Reader(&bytes[PREAMBLE..]));
        state.filter(Self::is_consistent).ok_or(StateError::Damaged)
    }

    fn decode_fields(mut from: Reader<'_>) -> Option<Self> {
        let from = &mut from;
        let state = Self {
            broker_id: BrokerId(from.id()?),
            node_id: NodeId(from.id()?),
            epoch: from.u64()?,
            mark: match from.u8()? {
                0 => Mark::Out,
                1 => Mark::In,
                2 => Mark::Sole,
                _ => return None,
            },
            stop: match from.u8()? {
                0 => StopMark::Running,
                1 => StopMark::Clean,
                _ => return None,
            },
            promise: decode_promise(from)?,
            history: list(from, HistoryEntry::BYTES_MIN, HistoryEntry::decode)?,
            electorate: Electorate {
                version: from.u64()?,
                seats: list(from, Seat::BYTES_MIN, Seat::decode)?,
            },
            set_aside: list(from, SetAside::BYTES_MIN, SetAside::decode)?,
        };
        from.end()?;
        Some(state)
    }

    fn is_consistent(&self) -> bool {
        let ascends = |pair: &[HistoryEntry]| {
            pair[0].branch.epoch <= pair[1].branch.epoch && pair[0].first < pair[1].first
        };
        let last = self.history.last().map_or(0, |entry| entry.branch.epoch);
        last <= self.epoch && self.history.windows(2).all(ascends)
    }
}

/// Everything but the checksum itself; `bytes` has a whole preamble.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[PREAMBLE..])
}

fn list<T>(
    from: &mut Reader<'_>,
    bytes_min: usize,
    decode: fn(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let n = from.count(bytes_min)?;
    (0..n).map(|_| decode(from)).collect()
}

fn decode_promise(from: &mut Reader<'_>) -> Option<Option<Promise>> {
    let given = from.bits(1)? == 1;
    let promise = Promise {
        epoch: from.u64()?,
        candidate: BrokerId(from.id()?),
    };
    Some(given.then_some(promise))
}

fn encode_branch(branch: Branch, out: &mut BytesMut) {
    out.u64(branch.epoch);
    out.u64(branch.holder);
}

fn decode_branch(from: &mut Reader<'_>) -> Option<Branch> {
    Some(Branch {
        epoch: from.u64()?,
        holder: from.u64()?,
    })
}

impl HistoryEntry {
    const BYTES_MIN: usize = 29;

    fn encode(&self, out: &mut BytesMut) {
        encode_branch(self.branch, out);
        out.u64(self.first.0);
        out.u8(u8::from(self.forced));
        out.count(self.in_sync.len());
        for broker in &self.in_sync {
            out.put(&broker.0);
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            branch: decode_branch(from)?,
            first: Position(from.u64()?),
            forced: from.bits(1)? == 1,
            in_sync: list(from, 16, |from| from.id().map(BrokerId))?,
        })
    }
}

impl Seat {
    const BYTES_MIN: usize = 5;

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Broker(broker) => {
                out.u8(0);
                out.put(&broker.0);
            }
            Self::Witness(address) => {
                out.u8(1);
                out.text(address);
            }
        }
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        match from.u8()? {
            0 => from.id().map(|id| Self::Broker(BrokerId(id))),
            1 => from.text().map(|address| Self::Witness(address.into())),
            _ => None,
        }
    }
}

impl SetAside {
    const BYTES_MIN: usize = 45;

    fn encode(&self, out: &mut BytesMut) {
        encode_branch(self.branch, out);
        out.u64(self.first.0);
        out.u64(self.last.0);
        let (state, from) = match self.state {
            TailState::Cut => (0, 0),
            TailState::MergingFrom(position) => (1, position.0),
            TailState::Merged => (2, 0),
            TailState::Parked => (3, 0),
        };
        out.u8(state);
        out.u64(from);
        out.text(&self.directory);
    }

    fn decode(from: &mut Reader<'_>) -> Option<Self> {
        let branch = decode_branch(from)?;
        let first = Position(from.u64()?);
        let last = Position(from.u64()?);
        let state = from.u8()?;
        let position = from.u64()?;
        Some(Self {
            branch,
            first,
            last,
            state: match (state, position) {
                (0, 0) => TailState::Cut,
                (1, from) => TailState::MergingFrom(Position(from)),
                (2, 0) => TailState::Merged,
                (3, 0) => TailState::Parked,
                _ => return None,
            },
            directory: from.text()?.into(),
        })
    }
}
