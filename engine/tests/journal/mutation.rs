// SPDX-License-Identifier: Apache-2.0
//! Bytes nobody ever wrote: no panic, no hang, nothing made up.

use crate::disk::settings;
use crate::random::{Random, seeds};
use crate::session::Session;

const HEADER: usize = 64;
const HEAD: usize = 40;

/// Any bytes anywhere, lengths and numbers first.
#[test]
fn mutated_segments_never_panic_the_reader() {
    for seed in seeds(10) {
        let mut session = Session::new(seed, 2048);
        for _ in 0..30 {
            session.turn();
            session.sync();
        }
        let mut random = Random(seed);
        for _ in 0..400 {
            let mut disk = session.disk.clone();
            for _ in 0..1 + random.below(6) {
                let nth = random.below(disk.files.len());
                mutate(
                    disk.files.values_mut().nth(nth).expect("a file"),
                    &mut random,
                );
            }
            let _ = disk.recover(settings(2048), &mut |_, _, _| ());
        }
    }
}

fn mutate(file: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(file.len());
    match random.below(5) {
        0 => file[at] = random.next() as u8,
        1 => file.truncate(at + 1),
        2 => file.extend_from_slice(&[0xff; 100]),
        3 => {
            let from = random.below(file.len());
            let n = random.below(file.len() - at.max(from));
            file.copy_within(from..from + n, at);
        }
        _ => {
            let number = [u64::MAX, 0, 1 << 31, 1 << 63][random.below(4)].to_le_bytes();
            let n = number.len().min(file.len() - at);
            file[at..at + n].copy_from_slice(&number[..n]);
        }
    }
}

/// Payloads and heads changed and signed again: what the checksum does not catch, the decoder refuses.
#[test]
fn mutated_records_with_a_right_checksum_never_panic_the_reader() {
    for seed in seeds(10) {
        let mut session = Session::new(seed, 4096);
        for _ in 0..30 {
            session.turn();
            session.sync();
        }
        let mut random = Random(seed);
        for _ in 0..600 {
            let mut disk = session.disk.clone();
            let nth = random.below(disk.files.len());
            let file = disk.files.values_mut().nth(nth).expect("a file");
            sign_again(file, &mut random);
            let _ = disk.recover(settings(4096), &mut |_, _, _| ());
        }
    }
}

/// Changes a byte or a number of some record, and its checksum with it.
fn sign_again(file: &mut [u8], random: &mut Random) {
    let mut records = vec![];
    let mut at = HEADER;
    while let Some(head) = file.get(at..at + HEAD) {
        let length = u32::from_le_bytes(head[8..12].try_into().expect("four")) as usize;
        if head[12] == 0 || at + HEAD + length > file.len() {
            break;
        }
        records.push((at, HEAD + length));
        at += (HEAD + length).next_multiple_of(8);
    }
    if records.is_empty() {
        return;
    }
    let (start, size) = records[random.below(records.len())];
    let record = &mut file[start..start + size];
    let change = 8 + random.below(size - 8);
    if random.one_in(2) {
        record[change] = random.next() as u8;
    } else {
        let end = size.min(change + 4);
        record[change..end].fill([0xff, 0x7f, 0][random.below(3)]);
    }
    let checksum = crc32c::crc32c(&record[8..]);
    record[..4].copy_from_slice(&checksum.to_le_bytes());
}
