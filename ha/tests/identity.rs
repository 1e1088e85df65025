// SPDX-License-Identifier: Apache-2.0
//! `node.state`: what is written comes back, and nothing else does.

use hind_engine::storage::{Branch, Position};
use hind_ha::identity::{
    BrokerId, Electorate, HistoryEntry, Mark, NodeId, NodeState, Promise, Seat, SetAside,
    StateError, StopMark, TailState,
};

const ME: BrokerId = BrokerId([0x11; 16]);
const PEER: BrokerId = BrokerId([0x22; 16]);
const NODE: NodeId = NodeId([
    0xe1, 0xb9, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
]);

fn branch(epoch: u64) -> Branch {
    Branch {
        epoch,
        holder: ME.holder(),
    }
}

/// Every field used, every variant present.
fn full() -> NodeState {
    let tail = |state| SetAside {
        branch: branch(2),
        first: Position(10),
        last: Position(20),
        directory: "oldreplica.1".into(),
        state,
    };
    NodeState {
        broker_id: ME,
        node_id: NODE,
        epoch: 9,
        history: vec![
            HistoryEntry {
                branch: branch(2),
                first: Position(1),
                in_sync: vec![ME],
                forced: false,
            },
            HistoryEntry {
                branch: branch(9),
                first: Position(77),
                in_sync: vec![ME, PEER],
                forced: true,
            },
        ],
        mark: Mark::In,
        promise: Some(Promise {
            epoch: 12,
            candidate: PEER,
        }),
        electorate: Electorate {
            version: 3,
            seats: vec![Seat::Broker(ME), Seat::Witness("tcp://w:5446".into())],
        },
        set_aside: vec![
            tail(TailState::Cut),
            tail(TailState::MergingFrom(Position(15))),
            tail(TailState::Merged),
            tail(TailState::Parked),
        ],
        stop: StopMark::Clean,
    }
}

#[test]
fn every_state_comes_back_as_it_was_written() {
    for state in [NodeState::first(ME, NODE), full()] {
        assert_eq!(NodeState::decode(&state.encode()), Ok(state));
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = full().encode();
    for cut in 0..bytes.len() {
        assert!(NodeState::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(NodeState::decode(&longer), Err(StateError::Damaged));
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = full().encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(NodeState::decode(&flipped).is_err(), "bit {bit}");
    }
}

/// Whatever the fields say, with a checksum to match: an answer, never a panic, and only of what could have been written.
#[test]
fn changed_fields_with_a_right_checksum_are_read_or_refused() {
    let bytes = full().encode();
    let mut read = 0;
    for at in 16..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = bytes.to_vec();
            changed[at] = value;
            let end = changed.len().min(at + 4);
            for to in [at + 1, end] {
                changed[at..to].fill(value);
                sign(&mut changed);
                if let Ok(state) = NodeState::decode(&changed) {
                    read += 1;
                    assert_eq!(NodeState::decode(&state.encode()), Ok(state));
                }
            }
        }
    }
    assert!(read > 100, "ids and numbers may be anything");
}

fn sign(bytes: &mut [u8]) {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn what_is_not_ours_or_not_yet_known_is_named() {
    assert_eq!(NodeState::decode(b"server.lock"), Err(StateError::Foreign));
    let mut newer = full().encode().to_vec();
    newer[8] = 2;
    sign(&mut newer);
    assert_eq!(NodeState::decode(&newer), Err(StateError::Newer(2)));
}

#[test]
fn a_history_that_goes_back_is_refused() {
    let mut state = full();
    state.history.swap(0, 1);
    assert_eq!(NodeState::decode(&state.encode()), Err(StateError::Damaged));
    let mut state = full();
    state.epoch = 8;
    assert_eq!(NodeState::decode(&state.encode()), Err(StateError::Damaged));
}

#[test]
fn an_unpaired_broker_takes_a_new_epoch_at_every_start() {
    let mut state = NodeState::first(ME, NODE);
    assert_eq!(state.enter_alone(Position(1), 0), branch(1));
    assert_eq!(state.enter_alone(Position(50), 1), branch(2));
    // The journal speaks of a later one: its holder's state was lost and replaced.
    assert_eq!(state.enter_alone(Position(60), 7), branch(8));
    assert_eq!(state.history.len(), 3);
    assert_eq!((state.epoch, state.mark), (8, Mark::Sole));
    // Nothing was written in the last one.
    assert_eq!(state.enter_alone(Position(60), 7), branch(9));
    assert_eq!(state.history.len(), 3);
    assert_eq!(NodeState::decode(&state.encode()), Ok(state));
}

#[test]
fn a_promise_raises_the_next_epoch() {
    assert_eq!(full().next_epoch(0), 13);
    assert_eq!(full().next_epoch(20), 21);
}

#[test]
fn ids_are_shown_as_uuids() {
    assert_eq!(NODE.to_string(), "e1b90001-0203-0405-0607-08090a0b0c0d");
    assert_eq!(ME.holder(), 0x1111_1111_1111_1111);
}
