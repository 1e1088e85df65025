// SPDX-License-Identifier: Apache-2.0
//! Every recorded frame is read to its end and written as it was.

use std::collections::BTreeSet;

use hind_core::codec::{Kind, Packet};

use crate::recordings::{all, decode, encode, frame};

#[test]
fn every_recorded_frame_is_written_as_it_was_read() {
    let mut frames = 0;
    let mut kinds = BTreeSet::new();
    for recording in all() {
        for (at, recorded) in recording.frames.iter().enumerate() {
            let place = format!("{} frame {at}", recording.name);
            let read = frame(&recorded.bytes).unwrap_or_else(|e| panic!("{place}: {e}"));
            let packet = Packet::decode(&read, recording.version)
                .unwrap_or_else(|e| panic!("{place}, {:?}: {e}", read.kind()));
            assert_eq!(Ok(packet.kind()), read.kind(), "{place}");
            let written = encode(&packet, read.channel, recording.version);
            assert_eq!(recorded.bytes, written, "{place}: {packet:?}");
            kinds.insert(packet.kind());
            frames += 1;
        }
    }
    assert_eq!((frames, kinds.len()), (4117, 72));
}

/// What the table names and no client was ever seen to send is at least made up elsewhere: `made.rs`.
#[test]
fn what_was_never_recorded_is_known() {
    let mut kinds: BTreeSet<Kind> = Kind::ALL.iter().copied().collect();
    for recording in all() {
        for recorded in &recording.frames {
            let packet = decode(&recorded.bytes, recording.version);
            kinds.remove(&packet.expect("just read").kind());
        }
    }
    let made: BTreeSet<Kind> = crate::made::packets()
        .iter()
        .map(|(packet, _)| packet.kind())
        .collect();
    let missing: Vec<_> = kinds.difference(&made).collect();
    assert!(missing.is_empty(), "neither recorded nor made: {missing:?}");
}
