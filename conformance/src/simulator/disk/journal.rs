// SPDX-License-Identifier: Apache-2.0
//! The log's bytes, read independently of the broker (by `engine/src/storage/FORMAT.md`): to count what was written, to
//! find a bit whose damage must be noticed, and to plant bugs.

use std::ops::Range;

use hind_engine::storage::request::Segment;

const HEADER: usize = 64;
const HEAD: usize = 40;
const MAGIC: &[u8] = b"HINDJRNL";

/// Names of the record kinds by their number in the log, for counters.
pub const KINDS: [&str; 30] = [
    "record.none",
    "record.branch",
    "record.message",
    "record.acknowledge",
    "record.delivery_count",
    "record.scheduled",
    "record.duplicate_id",
    "record.address",
    "record.address_removed",
    "record.queue",
    "record.queue_removed",
    "record.id_counter",
    "record.synced",
    "record.paged",
    "record.page",
    "record.page_acknowledge",
    "record.page_mark",
    "record.page_purged",
    "record.retained",
    "record.retained_removed",
    "record.client_session",
    "record.client_session_removed",
    "record.client_session_left",
    "record.subscription",
    "record.subscription_removed",
    "record.packet_sent",
    "record.packet_acknowledged",
    "record.packet_completed",
    "record.packet_taken",
    "record.packet_released",
];
/// The number of storage's own mark.
const SYNCED: u8 = 12;
/// The number of an acknowledgement.
pub const ACKNOWLEDGE: u8 = 3;
/// The number of an acknowledgement of a message in a page.
pub const PAGE_ACKNOWLEDGE: u8 = 15;

/// The number of a packet identifier given to a message that goes out.
pub const PACKET_SENT: u8 = 25;
/// The number of a packet identifier that a client has given to a message of QoS 2.
pub const PACKET_TAKEN: u8 = 28;

/// A record in a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its number in [`KINDS`].
    pub kind: u8,
    /// Its position.
    pub position: u64,
    /// The bytes under its checksum, and the checksum.
    pub bytes: Range<usize>,
}

impl Record {
    /// Where its payload is.
    pub fn payload(&self) -> Range<usize> {
        self.bytes.start + HEAD..self.bytes.end
    }
}

/// What a segment's header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The position of its first record.
    pub first: u64,
    /// Everything up to here was synced when it was written.
    pub synced: u64,
}

/// The header of a segment, if there is one.
pub fn header(segment: Segment, bytes: &[u8]) -> Option<Header> {
    let header = bytes.get(..HEADER)?;
    let right = &header[..8] == MAGIC && number(header, 16) == segment.0 && {
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..]);
        checksum == short(header, 12)
    };
    right.then(|| Header {
        first: number(header, 24),
        synced: number(header, 48),
    })
}

/// The records of a segment from its start, up to the first that does not verify.
pub fn records(segment: Segment, bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    if header(segment, bytes).is_none() {
        return records;
    }
    let mut at = HEADER;
    while let Some(record) = record(segment, bytes, at).filter(|record| is_whole(bytes, record)) {
        at = record.bytes.end.next_multiple_of(8);
        records.push(record);
    }
    records
}

/// What stands behind the last whole record if it looks like the start of another one.
pub fn torn(segment: Segment, bytes: &[u8]) -> Option<Record> {
    header(segment, bytes)?;
    let at = records(segment, bytes)
        .last()
        .map_or(HEADER, |record| record.bytes.end.next_multiple_of(8));
    record(segment, bytes, at).filter(|record| (1..KINDS.len()).contains(&usize::from(record.kind)))
}

/// Makes the checksum of a record right, whatever it holds.
pub fn make_whole(bytes: &mut [u8], record: &Record) {
    let checksum = crc32c::crc32c(&bytes[record.bytes.start + 8..record.bytes.end]);
    bytes[record.bytes.start..record.bytes.start + 4].copy_from_slice(&checksum.to_le_bytes());
}

fn record(segment: Segment, bytes: &[u8], at: usize) -> Option<Record> {
    let head = bytes.get(at..at + HEAD)?;
    let length = short(head, 8) as usize;
    let end = at.checked_add(HEAD)?.checked_add(length)?;
    let generation = u64::from(short(head, 4)) == segment.0 & u64::from(u32::MAX);
    (generation && end <= bytes.len()).then(|| Record {
        kind: head[12],
        position: number(head, 16),
        bytes: at..end,
    })
}

fn is_whole(bytes: &[u8], record: &Record) -> bool {
    let checksum = crc32c::crc32c(&bytes[record.bytes.start + 8..record.bytes.end]);
    checksum == short(bytes, record.bytes.start)
}

fn short(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// A bit whose damage recovery must notice, because it stands below what the log itself says was synced.
pub fn sensitive_bit(
    disk: &super::Disk,
    random: &mut super::Random,
) -> Option<(Segment, usize, u8)> {
    let segments: Vec<(Segment, Vec<u8>)> = disk
        .files()
        .map(|(segment, file)| (segment, file.read()))
        .collect();
    let mut candidates = Vec::new();
    for (place, (segment, bytes)) in segments.iter().enumerate() {
        let later: Vec<Header> = segments[place + 1..]
            .iter()
            .filter_map(|(segment, bytes)| header(*segment, bytes))
            .collect();
        let synced = later.iter().map(|header| header.synced).max().unwrap_or(0);
        let first = later.iter().map(|header| header.first).min().unwrap_or(0);
        let sure = |record: &Record| {
            // A lost mark is no loss: it says nothing that the next header does not say as well.
            record.kind != SYNCED && record.position <= synced && record.position < first
        };
        let sensitive = records(*segment, bytes).into_iter().filter(sure);
        candidates.extend(sensitive.map(|record| (*segment, record.bytes)));
    }
    if candidates.is_empty() {
        return None;
    }
    let (segment, bytes) = &candidates[random.index(candidates.len())];
    let bit = u8::try_from(random.below(8)).expect("below 8");
    Some((*segment, bytes.start + random.index(bytes.len()), bit))
}
