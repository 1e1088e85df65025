// SPDX-License-Identifier: Apache-2.0
//! Pages written and read back: whole, in chunks of any size, damaged anywhere, cut off, and random.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use smallvec::smallvec;

use super::*;
use crate::id::{AddressId, MessageId, PageId, QueueId};
use crate::message::{Kind, Message, PropertiesBuilder, Value};
use crate::storage::record::{LastAddress, MessageRecord, Route};
use crate::storage::request::PageRequest;

const PAGE: PageId = PageId(0x1_0000_0007);

fn header() -> PageHeader {
    PageHeader {
        page: PAGE,
        address: AddressId(3),
        name: "größe.orders".to_owned(),
    }
}

/// Messages of all shapes; `body` bytes in the largest.
fn messages(count: u32, body: usize) -> Vec<MessageRecord> {
    (0..count)
        .map(|n| {
            let length = if n % 4 == 3 { body } else { n as usize % 19 };
            let body = Bytes::from(vec![n as u8; length]);
            let mut message = Message::new("orders".into(), Kind::Text, body);
            message.id = MessageId(u64::from(n) + 1);
            message.durable = n % 2 == 0;
            if n % 3 == 0 {
                let mut properties = PropertiesBuilder::default();
                properties.push("colour", Value::Text("red"));
                message.properties = properties.finish();
                message.user_id = Some(format!("ID:{n}").into());
            }
            let route = |queue| Route {
                queue: QueueId(queue),
                count: n,
                scheduled: 5,
            };
            let routes = if n % 5 == 0 {
                smallvec![route(1), route(2)]
            } else {
                smallvec![route(1)]
            };
            MessageRecord {
                message: Arc::new(message),
                routes,
            }
        })
        .collect()
}

/// The file that these appends make.
fn file(appends: impl IntoIterator<Item = PageRequest>) -> Bytes {
    let mut file = BytesMut::new();
    for append in appends {
        let PageRequest::Append {
            page,
            offset,
            pieces,
        } = append
        else {
            panic!("{append:?}");
        };
        assert_eq!((page, offset), (PAGE, file.len() as u64));
        pieces
            .iter()
            .for_each(|piece| file.extend_from_slice(piece));
    }
    file.freeze()
}

fn written(messages: &[MessageRecord]) -> Bytes {
    let mut appender = Appender::new(&header());
    for (index, message) in messages.iter().enumerate() {
        appender.push(index as u32, message);
    }
    file(appender.take())
}

/// What reading a whole file in chunks of at most `size` bytes (more where an entry needs more) finds.
#[derive(Default, Debug)]
struct Found {
    header: Option<PageHeader>,
    entries: Vec<(u32, u64, MessageRecord)>,
    malformed: u32,
    damaged: Vec<std::ops::Range<u64>>,
}

fn read(file: &Bytes, size: usize) -> Found {
    let mut found = Found::default();
    let mut addresses = LastAddress::default();
    let mut resume = Resume {
        offset: 0,
        at_least: 0,
    };
    while resume.offset < file.len() as u64 {
        let from = resume.offset as usize;
        let asked = size.max(resume.at_least);
        let chunk = file.slice(from..file.len().min(from + asked));
        let last = chunk.len() < asked;
        let mut entries = Entries::new(PAGE, resume.offset, &chunk, last);
        for entry in &mut entries {
            let copied = entry.decode(&mut addresses);
            assert_eq!(copied, entry.decode_shared(&mut addresses));
            match copied {
                Some(record) => found.entries.push((entry.index, entry.offset, record)),
                None => found.malformed += 1,
            }
        }
        found.header = found.header.or_else(|| entries.header().cloned());
        found.damaged.extend_from_slice(entries.damaged());
        let progress = entries.resume().offset > resume.offset
            || entries.resume().at_least > resume.at_least && !last;
        assert!(progress, "{:?} after {resume:?}", entries.resume());
        resume = entries.resume();
    }
    found
}

fn expect_all(found: &Found, messages: &[MessageRecord]) {
    assert_eq!(found.header, Some(header()));
    assert!(
        found.damaged.is_empty() && found.malformed == 0,
        "{found:?}"
    );
    assert_eq!(found.entries.len(), messages.len());
    for (n, ((index, _, record), message)) in found.entries.iter().zip(messages).enumerate() {
        assert_eq!((*index as usize, record), (n, message));
    }
}

/// A xorshift generator: seeded, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn what_was_pushed_is_read_back() {
    let messages = messages(50, 40_000);
    let file = written(&messages);
    expect_all(&read(&file, file.len()), &messages);
    expect_all(&read(&file, 1 << 20), &messages);
}

#[test]
fn portions_follow_one_another_and_their_lengths_are_told_before() {
    let messages = messages(40, 20_000);
    let mut appender = Appender::new(&header());
    let mut appends = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let before = appender.end();
        let size = appender.push(index as u32, message);
        assert_eq!(size, entry_size(message));
        assert_eq!(appender.end(), before + size);
        if index % 7 == 0 {
            appends.extend(appender.take());
            assert_eq!(appender.collected(), 0);
            assert_eq!(appender.take(), None);
        }
    }
    appends.extend(appender.take());
    let file = file(appends);
    assert_eq!(file.len() as u64, appender.end());
    expect_all(&read(&file, 4096), &messages);
}

#[test]
fn a_large_body_is_not_copied() {
    let messages = messages(4, 100_000);
    let body = messages[3].message.body.inline().expect("in memory");
    let mut appender = Appender::new(&header());
    for (index, message) in messages.iter().enumerate() {
        appender.push(index as u32, message);
    }
    let Some(PageRequest::Append { pieces, .. }) = appender.take() else {
        panic!("something was pushed");
    };
    assert!(pieces.iter().any(|piece| piece.as_ptr() == body.as_ptr()));
}

#[test]
fn a_shared_body_is_a_part_of_the_chunk_and_a_copied_one_is_not() {
    let file = written(&messages(4, 1000));
    let inside = |part: &Bytes| file.as_ptr_range().contains(&part.as_ptr());
    let entry = Entries::new(PAGE, 0, &file, true).last().expect("an entry");
    let mut addresses = LastAddress::default();
    let shared = entry.decode_shared(&mut addresses).expect("a message");
    let copied = entry.decode(&mut addresses).expect("a message");
    let body = |record: &MessageRecord| record.message.body.inline().cloned();
    let (shared_body, copied_body) = (body(&shared), body(&copied));
    assert!(
        inside(&shared_body.expect("in memory")) && inside(shared.message.properties.encoded())
    );
    assert!(
        !inside(&copied_body.expect("in memory")) && !inside(copied.message.properties.encoded())
    );
}

#[test]
fn every_chunk_size_reads_the_same() {
    let messages = messages(12, 300);
    let file = written(&messages);
    for size in 1..=file.len() + 1 {
        expect_all(&read(&file, size), &messages);
    }
}

#[test]
fn a_flipped_bit_is_noticed_and_costs_at_most_the_entry_it_hits() {
    let messages = messages(9, 150);
    let file = written(&messages);
    let whole = read(&file, file.len());
    for bit in 0..file.len() * 8 {
        let mut bytes = file.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let found = read(&bytes.into(), 100);
        let byte = bit as u64 / 8;
        let hit = whole.entries.iter().rposition(|(_, at, _)| *at <= byte);
        assert!(
            found.damaged.iter().any(|range| range.contains(&byte)),
            "bit {bit}: {found:?}"
        );
        let left = whole
            .entries
            .iter()
            .enumerate()
            .filter(|(n, _)| Some(*n) != hit);
        assert!(
            left.map(|(_, entry)| entry).eq(&found.entries),
            "bit {bit}: {found:?}"
        );
        assert_eq!(found.header.is_some(), hit.is_some(), "bit {bit}");
    }
}

#[test]
fn a_stretch_that_is_gone_costs_the_entries_it_hits() {
    let messages = messages(60, 700);
    let file = written(&messages);
    let whole = read(&file, file.len());
    let ends = whole.entries[1..]
        .iter()
        .map(|(_, at, _)| *at)
        .chain([file.len() as u64]);
    let ends: Vec<u64> = ends.collect();
    for sector in 0..file.len() / 512 {
        let gone = sector as u64 * 512..(sector as u64 + 1) * 512;
        let mut bytes = file.to_vec();
        bytes[sector * 512..(sector + 1) * 512].fill(0);
        let found = read(&bytes.into(), 1000);
        let left = whole.entries.iter().zip(&ends);
        let left = left.filter(|((_, at, _), end)| **end <= gone.start || *at >= gone.end);
        assert!(
            left.map(|(entry, _)| entry).eq(&found.entries),
            "sector {sector}"
        );
        assert!(!found.damaged.is_empty());
    }
}

#[test]
fn a_file_cut_short_keeps_what_is_left_and_reports_the_rest_of_an_entry() {
    let messages = messages(9, 200);
    let file = written(&messages);
    let whole = read(&file, file.len());
    let mut ends: Vec<u64> = whole.entries.iter().map(|(_, at, _)| *at).collect();
    ends.push(file.len() as u64);
    for length in 0..file.len() {
        let found = read(&file.slice(..length), 64);
        let left = ends[1..]
            .iter()
            .filter(|end| **end <= length as u64)
            .count();
        assert_eq!(found.entries, whole.entries[..left], "{length} bytes");
        let between = length == 0 || ends.contains(&(length as u64));
        assert_eq!(
            found.damaged.is_empty(),
            between,
            "{length} bytes: {found:?}"
        );
    }
}

#[test]
fn an_entry_of_another_page_is_not_read() {
    let messages = messages(3, 10);
    let mut appender = Appender::new(&PageHeader {
        page: PageId(PAGE.0 + 1),
        ..header()
    });
    messages.iter().for_each(|message| {
        appender.push(0, message);
    });
    let Some(PageRequest::Append { pieces, .. }) = appender.take() else {
        panic!("something was pushed");
    };
    let found = read(&Bytes::from(pieces.concat()), 500);
    assert!(found.entries.is_empty() && found.header.is_none() && !found.damaged.is_empty());
}

#[test]
fn the_header_keeps_as_much_of_a_long_name_as_fits_in_4_kib() {
    for name in ["", "a", &"ä".repeat(2016), &"aä".repeat(3000)] {
        let header = PageHeader {
            name: name.to_owned(),
            ..header()
        };
        let bytes = header.encode();
        assert!(bytes.len() <= 4096 && bytes.len().is_multiple_of(8));
        let chunk = Bytes::from(bytes);
        let mut entries = Entries::new(PAGE, 0, &chunk, true);
        assert!(entries.next().is_none() && entries.damaged().is_empty());
        let kept = &entries.header().expect("verifies").name;
        assert!(name.starts_with(kept.as_str()) && kept.len() >= name.len().min(4031));
    }
}

#[test]
fn the_length_of_an_entry_longer_than_the_chunk_is_told() {
    let messages = messages(4, 5_000);
    let file = written(&messages);
    let whole = read(&file, file.len());
    let at = whole.entries[3].1;
    let chunk = file.slice(at as usize..at as usize + 100);
    let mut entries = Entries::new(PAGE, at, &chunk, false);
    assert!(entries.next().is_none());
    let needed = Resume {
        offset: at,
        at_least: entry_size(&messages[3]) as usize,
    };
    assert_eq!(entries.resume(), needed);
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(0x5EED);
    let sound = written(&messages(30, 400));
    for _ in 0..3_000 {
        let mut bytes = sound.to_vec();
        for _ in 0..random.below(40) {
            let from = random.below(bytes.len() as u64) as usize;
            let length = 1 + random.below(60) as usize;
            for byte in bytes.iter_mut().skip(from).take(length) {
                *byte = random.below(256) as u8;
            }
        }
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        let size = 1 + random.below(2_000) as usize;
        read(&bytes.into(), size);
        let noise: Vec<u8> = (0..random.below(500))
            .map(|_| random.below(256) as u8)
            .collect();
        read(&noise.into(), size);
    }
}

#[test]
fn a_payload_that_verifies_but_is_no_message_is_none() {
    let payload = [0xFF; 40];
    let mut bytes = header().encode();
    let start = bytes.len();
    bytes.extend_from_slice(&super::head::Head::encode(PAGE, 0, payload.len()));
    bytes.extend_from_slice(&payload);
    let checksum = crc32c::crc32c(&bytes[start + super::head::CHECKED_FROM..]);
    bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    let found = read(&bytes.into(), 4096);
    assert_eq!((found.malformed, found.damaged.len()), (1, 0));
}
