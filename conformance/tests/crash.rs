// SPDX-License-Identifier: Apache-2.0
//! Every prefix of every write of a recorded session recovers to a state that the session's clients allow: what they
//! were told is done is there, what they never asked for is not, and of a transaction in doubt there is all or nothing.
//!
//! The session is recorded once, on a disk that answers at once; then the machine loses its power at every request, and
//! inside every request at every boundary of its writes and at bytes in between, and a broker recovers from what is left.

#[path = "crash/allowed.rs"]
mod allowed;
#[path = "crash/session.rs"]
mod session;

use hind_conformance::simulator::disk::Disk;
use hind_engine::storage::request::{Batch, Request};

use session::{Moment, Recording};

/// How many things the recorded clients do.
const OPERATIONS: usize = 400;
/// How many bytes lie between two cuts inside a write, about.
const STRIDE: usize = 173;

#[test]
fn every_prefix_of_every_write_recovers_to_a_state_the_clients_allow() {
    for seed in [1, 2] {
        let recording = Recording::new(seed, OPERATIONS);
        let mut recoveries = 0;
        for moment in &recording.moments {
            for cut in cuts(&moment.request) {
                let mut disk = moment.disk.clone();
                write_up_to(&mut disk, &moment.request, cut);
                check(&mut disk, moment, cut);
                recoveries += 1;
            }
        }
        eprintln!(
            "{recoveries} recoveries from {} requests",
            recording.moments.len()
        );
        assert!(
            recording.moments.len() > 100,
            "a session of a few hundred operations writes often"
        );
        assert!(recoveries > 1_000, "and every write is cut in many places");
        assert!(
            recording.counters.get("command.commit") > 0
                && recording.counters.get("command.nack") > 0
        );
    }
}

#[test]
fn a_session_read_back_whole_is_what_it_was() {
    let recording = Recording::new(3, OPERATIONS);
    let mut disk = recording.disk.clone();
    let node = session::recover(&mut disk).expect("a sound disk");
    assert_eq!(
        node.node().engine().state().durable_digest(),
        recording.digest,
        "what is recovered is what was live"
    );
}

fn check(disk: &mut Disk, moment: &Moment, cut: usize) {
    let recovered = session::recover(disk)
        .unwrap_or_else(|why| panic!("after {cut} bytes of {:?}: {why}", moment.request));
    let mut model = moment.model.clone();
    model.crashed();
    let present = allowed::present(recovered.node());
    if let Err(why) = allowed::check(&model, &present) {
        panic!("after {cut} bytes of request {}: {why}", moment.number);
    }
}

/// Where to cut a request, in bytes of its writes: at both ends, at every piece, and now and then in between.
fn cuts(request: &Request) -> Vec<usize> {
    let Request::Batch(batch) = request else {
        return vec![0];
    };
    let mut cuts = vec![0];
    let mut end = 0;
    for piece in batch.writes.iter().flat_map(|write| &write.pieces) {
        let inside = (end..end + piece.len()).step_by(STRIDE);
        cuts.extend(inside.skip(1));
        end += piece.len();
        cuts.extend([end - 1, end]);
    }
    cuts.dedup();
    cuts
}

/// Carries out the first `cut` bytes of a request, and nothing else.
fn write_up_to(disk: &mut Disk, request: &Request, cut: usize) {
    let Request::Batch(batch) = request else {
        return;
    };
    let mut left = cut;
    let mut part = Batch {
        sync: true,
        ..batch.clone()
    };
    for piece in part.writes.iter_mut().flat_map(|write| &mut write.pieces) {
        let kept = left.min(piece.len());
        piece.truncate(kept);
        left -= kept;
    }
    part.writes.retain(|write| !write.is_empty());
    disk.serve(Request::Batch(part));
}
