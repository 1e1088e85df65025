// SPDX-License-Identifier: Apache-2.0
//! Seeded mutation of recorded and made frames: no panic, nothing reserved on the word of a length, and what is read
//! after all can be written.
//!
//! A failure prints its seed; `HIND_CORE_SEED=n` runs that case alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{Bytes, BytesMut};
use hind_core::codec::{Body, Frame, Packet, Version};

use crate::made;
use crate::recordings::{all, encode};

const CASES: u64 = 150_000;

/// Xorshift: the same numbers from the same seed, everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }
}

/// Lengths and counts that one might believe.
const LENGTHS: [i32; 12] = [
    i32::MIN,
    -1,
    0,
    1,
    8,
    9,
    13,
    17,
    4095,
    65_536,
    0x7fff_fff0,
    i32::MAX,
];

/// Frames to begin with: each recorded one once, and the made ones.
fn corpus() -> Vec<(Bytes, Version)> {
    let recorded = all().into_iter().flat_map(|recording| {
        let version = recording.version;
        let frames = recording.frames.into_iter();
        frames.map(move |recorded| (recorded.bytes, version))
    });
    let made = made::packets().into_iter();
    let made = made.map(|(packet, version)| (encode(&packet, 11, version), version));
    let mut corpus: Vec<_> = recorded.chain(made).collect();
    corpus.sort();
    corpus.dedup();
    corpus
}

fn mutate(frame: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for _ in 0..=random.below(4) {
        let at = 4 + random.below(bytes.len() - 4);
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => {
                let length = LENGTHS[random.below(LENGTHS.len())].to_be_bytes();
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&length[..end - at]);
            }
            3 => bytes.truncate(at.max(13)),
            4 => {
                let from = 4 + random.below(bytes.len() - 4);
                let piece = bytes[from..bytes.len().min(from + 16)].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let end = bytes.len().min(at + 1 + random.below(8));
                bytes.drain(at.max(13).min(end)..end);
            }
        }
    }
    // The length is right, or nothing else would be looked at; sometimes the number is another packet's.
    if random.below(16) == 0 {
        bytes[4] = random.next() as u8;
    }
    let length = u32::try_from(bytes.len() - 4).expect("short");
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Reads a frame, everything in it that is read late, and writes it again. Whether there was a packet in it.
fn exercise(bytes: &[u8], version: Version) -> bool {
    let mut input = BytesMut::from(bytes);
    let Ok(Some(frame)) = Frame::take(&mut input, 1 << 20) else {
        return false;
    };
    let Ok(packet) = Packet::decode(&frame, version) else {
        return false;
    };
    look_into(&packet);
    for other in [version, Version::OLDEST, Version::NEWEST] {
        let written = encode(&packet, frame.channel, other);
        assert!(written.len() <= 2 * bytes.len() + 64, "{packet:?}");
        let again = Packet::decode(
            &Frame::take(&mut BytesMut::from(&written[..]), usize::MAX)
                .expect("a length that is right")
                .expect("a whole frame"),
            other,
        );
        if other == version {
            // By its text, because a number may be none (NaN).
            assert_eq!(format!("{again:?}"), format!("{:?}", Ok::<_, ()>(&packet)));
        }
    }
    true
}

fn look_into(packet: &Packet) {
    let (head, message) = match packet {
        Packet::Send(send) => (&send.message.head, Some(&send.message)),
        Packet::Receive(receive) => (&receive.message.head, Some(&receive.message)),
        Packet::SendLarge(large) => (&large.head, None),
        Packet::ReceiveLarge(large) => (&large.head, None),
        _ => return,
    };
    let properties = head.properties();
    assert_eq!(properties.iter().count(), properties.len());
    for (key, value) in properties.iter() {
        let _ = (key.to_text(), key.to_text_lossy(), format!("{value:?}"));
    }
    let _ = (head.address(), head.user_id(), head.kind(), head.priority());
    let _ = (head.is_durable(), head.expiration(), head.timestamp());
    let Some(message) = message else {
        return;
    };
    match message.view() {
        Body::Map(map) => assert_eq!(map.iter().count(), map.len()),
        Body::Stream(stream) => assert!(stream.iter().count() <= message.body.len()),
        _ => {}
    }
}

#[test]
fn mutated_frames_are_refused_or_understood_and_nothing_else() {
    let corpus = corpus();
    let only = std::env::var("HIND_CORE_SEED").ok();
    let seeds = match only.and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..CASES,
    };
    let mut understood = 0;
    for seed in seeds.clone() {
        let mut random = Random::new(seed);
        let (frame, version) = &corpus[random.below(corpus.len())];
        let bytes = mutate(frame, &mut random);
        match catch_unwind(AssertUnwindSafe(|| exercise(&bytes, *version))) {
            Ok(packet) => understood += u64::from(packet),
            Err(_) => panic!("HIND_CORE_SEED={seed}: {bytes:02x?}"),
        }
    }
    if seeds.end - seeds.start == CASES {
        // Neither all nor nothing: the mutations reach what lies behind the first check.
        assert!(
            understood > CASES / 10 && understood < CASES * 9 / 10,
            "{understood}"
        );
    }
}

#[test]
fn every_beginning_of_a_frame_is_refused_or_understood() {
    for (packet, version) in made::packets() {
        let whole = encode(&packet, 11, version);
        for end in 13..whole.len() {
            let mut bytes = whole[..end].to_vec();
            let length = u32::try_from(end - 4).expect("short");
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            exercise(&bytes, version);
        }
    }
}

/// A list of elements as small as they can be, as long as its frame allows: it may not take much more than the frame.
#[test]
fn lists_take_memory_in_proportion_to_their_frame() {
    const COUNT: usize = 10_000;
    const FACTOR: usize = 8;
    let frame = |number: i8, least: usize, before: &[u8]| {
        let mut body = before.to_vec();
        body.extend_from_slice(&u32::try_from(COUNT).expect("small").to_be_bytes());
        body.resize(body.len() + COUNT * least, 0);
        Frame {
            number,
            channel: 11,
            body: body.into(),
        }
    };
    let read = |frame: &Frame| Packet::decode(frame, Version::NEWEST);

    let queues = frame(50, 4, &[1]);
    let Ok(Packet::BindingQueryResponse(answer)) = read(&queues) else {
        panic!("ten thousand empty names");
    };
    let taken = answer.queues.capacity() * size_of_val(&answer.queues[0]);
    assert!(taken <= FACTOR * queues.size(), "{taken}");

    let branches = frame(62, 12, &[]);
    let Ok(Packet::XaInDoubtResponse(xids)) = read(&branches) else {
        panic!("ten thousand empty branches");
    };
    let taken = xids.capacity() * size_of_val(&xids[0]);
    assert!(taken <= FACTOR * branches.size(), "{taken}");

    // One element too few for the count: refused before room is made.
    for (number, least, before) in [(50, 4, &[1][..]), (62, 12, &[])] {
        let mut short = frame(number, least, before);
        short.body.truncate(short.body.len() - 1);
        assert!(read(&short).is_err());
        let at = before.len();
        let mut lying = short.body.to_vec();
        lying[at..at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
        short.body = lying.into();
        assert!(read(&short).is_err());
    }
}
