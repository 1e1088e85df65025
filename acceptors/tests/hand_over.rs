// SPDX-License-Identifier: Apache-2.0
//! Who carries the disk's requests out: the worker that queued them, or the disk thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use hind_acceptors::host::disk::group_commit::{self, DiskQueue};
use hind_acceptors::host::disk::pace::Pace;
use hind_engine::storage::Position;
use hind_engine::storage::request::{Batch, Completion, Request, Segment, Write};
use parking_lot::Mutex;

/// Tells the fake disk what to do beside answering.
type Script = Box<dyn FnMut(&[Request]) + Send>;

/// A queue over a fake disk.
struct Rig {
    queue: Arc<DiskQueue>,
    thread: Option<JoinHandle<()>>,
    /// What has been answered, and by whom.
    answered: Arc<Mutex<Vec<(u64, ThreadId)>>>,
    failures: Arc<AtomicU64>,
    reliefs: mpsc::Receiver<()>,
    last: u64,
}

/// Longer than anything here lasts, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

impl Rig {
    fn new(fast: Duration, mut script: Script) -> Self {
        let queue = Arc::new(DiskQueue::new(Duration::ZERO, fast));
        let answered: Arc<Mutex<Vec<_>>> = Arc::default();
        let failures: Arc<AtomicU64> = Arc::default();
        let (relieve, reliefs) = mpsc::channel();
        let disk = Box::new(move |requests: &mut Vec<Request>| {
            script(requests);
            let end = requests.drain(..).filter_map(|request| match request {
                Request::Batch(batch) => Some(Completion::Stored(batch.end)),
                _ => None,
            });
            end.collect()
        });
        let thread = group_commit::start(
            disk,
            Arc::clone(&queue),
            note(&answered, &failures),
            move || relieve.send(()).unwrap_or_default(),
        );
        Self {
            queue,
            thread: Some(thread.expect("a thread")),
            answered,
            failures,
            reliefs,
            last: 0,
        }
    }

    /// Queues what ends at the next position, and serves. Returns that position.
    fn serve(&mut self, awaited: bool, request: impl FnOnce(Position) -> Request) -> u64 {
        self.last += 1;
        self.queue.push(&mut vec![request(Position(self.last))]);
        self.queue
            .serve(awaited, note(&self.answered, &self.failures));
        self.last
    }

    fn commit(&mut self) -> u64 {
        self.serve(false, plain)
    }

    /// Whether this thread has carried out what ends at `position`; waits until somebody has.
    fn mine(&self, position: u64) -> bool {
        loop {
            let by = |(end, by): &(u64, ThreadId)| (*end == position).then_some(*by);
            let by = self.answered.lock().iter().find_map(by);
            match by {
                Some(by) => return by == thread::current().id(),
                None => thread::yield_now(),
            }
        }
    }

    /// Commits one at a time until this thread carries them out.
    fn calm_down(&mut self) -> u64 {
        let mut rounds = 0;
        loop {
            rounds += 1;
            let position = self.commit();
            if self.mine(position) {
                return rounds;
            }
            // The disk thread answers before it puts the disk back.
            thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            assert!(thread::panicking(), "the disk thread panicked");
        }
    }
}

fn note(
    answered: &Arc<Mutex<Vec<(u64, ThreadId)>>>,
    failures: &Arc<AtomicU64>,
) -> impl FnMut(Vec<Completion>) + Send + 'static {
    let (answered, failures) = (Arc::clone(answered), Arc::clone(failures));
    move |completions| {
        for completion in completions {
            match completion {
                Completion::Stored(Position(end)) => {
                    answered.lock().push((end, thread::current().id()));
                }
                Completion::Failed(_) => drop(failures.fetch_add(1, Ordering::SeqCst)),
                other => panic!("nobody asked for {other:?}"),
            }
        }
    }
}

fn batch(end: Position, sync: bool, offset: u64, size: usize) -> Request {
    Request::Batch(Batch {
        writes: vec![Write {
            segment: Segment(1),
            offset,
            pieces: vec![Bytes::from(vec![0; size])],
        }],
        sync,
        end,
    })
}

fn plain(end: Position) -> Request {
    batch(end, true, 4096, 1024)
}

fn fast() -> Script {
    Box::new(|_| {})
}

#[test]
fn a_calm_begins_after_some_fast_lone_syncs_and_ends_with_a_slow_one_or_a_crowd() {
    let mut pace = Pace::new(Duration::ZERO, Pace::FAST);
    let calm_down = |pace: &mut Pace| {
        for _ in 0..Pace::CALM_AFTER {
            assert!(!pace.is_calm());
            pace.learn(1, 0, Duration::from_micros(80));
        }
        assert!(pace.is_calm());
    };
    calm_down(&mut pace);
    pace.learn(0, 5, Duration::from_secs(1));
    assert!(pace.is_calm(), "a round without a sync teaches nothing");
    pace.learn(1, 0, Pace::FAST);
    calm_down(&mut pace);
    pace.learn(1, 1, Duration::from_micros(80));
    calm_down(&mut pace);
    pace.learn(2, 0, Duration::from_micros(80));
    calm_down(&mut pace);
    pace.disturb();
    calm_down(&mut pace);
}

#[test]
fn in_a_calm_the_worker_carries_out_what_it_has_queued() {
    let mut rig = Rig::new(PATIENCE, fast());
    assert!(rig.calm_down() > u64::from(Pace::CALM_AFTER));
}

#[test]
fn without_other_workers_it_is_always_the_disk_thread() {
    let mut rig = Rig::new(Duration::ZERO, fast());
    for _ in 0..50 {
        let position = rig.commit();
        assert!(!rig.mine(position));
    }
}

#[test]
fn what_may_take_long_goes_to_the_disk_thread_even_in_a_calm() {
    let slow: [fn(Position) -> Request; 3] = [
        |end| batch(end, true, 0, 1024),
        |end| batch(end, true, 4096, 64 * 1024),
        |end| batch(end, false, 0, 1024),
    ];
    for request in slow {
        let mut rig = Rig::new(PATIENCE, fast());
        rig.calm_down();
        let position = rig.serve(false, request);
        assert!(!rig.mine(position));
    }
    let mut rig = Rig::new(PATIENCE, fast());
    rig.calm_down();
    // What comes after a request that is not a batch waits with it.
    rig.queue.push(&mut vec![Request::Release(Segment(0))]);
    let position = rig.commit();
    assert!(!rig.mine(position));
}

#[test]
fn a_large_batch_ends_the_calm_because_its_sender_does_not_wait() {
    let mut rig = Rig::new(PATIENCE, fast());
    rig.calm_down();
    let position = rig.serve(false, |end| batch(end, true, 4096, 64 * 1024));
    assert!(!rig.mine(position));
    assert!(rig.calm_down() > u64::from(Pace::CALM_AFTER));
}

#[test]
fn a_worker_that_tasks_wait_for_writes_but_does_not_sync() {
    let mut rig = Rig::new(PATIENCE, fast());
    rig.calm_down();
    let position = rig.serve(true, |end| batch(end, false, 4096, 1024));
    assert!(rig.mine(position));
    let position = rig.serve(true, plain);
    assert!(!rig.mine(position));
}

#[test]
fn after_one_slow_sync_the_worker_leaves_the_disk_alone() {
    const SLOW: Duration = Duration::from_millis(300);
    let slow: Arc<AtomicU64> = Arc::default();
    let until = Arc::clone(&slow);
    let script = move |requests: &[Request]| {
        if matches!(&requests[0], Request::Batch(it) if it.end.0 == until.load(Ordering::SeqCst)) {
            thread::sleep(SLOW);
        }
    };
    let mut rig = Rig::new(SLOW, Box::new(script));
    rig.calm_down();
    slow.store(rig.last + 1, Ordering::SeqCst);
    let position = rig.commit();
    assert!(rig.mine(position), "nobody knew");
    for _ in 0..Pace::CALM_AFTER {
        let position = rig.commit();
        assert!(!rig.mine(position));
    }
}

/// A disk that stops before one position until it is let go.
struct Stopper {
    at: Arc<AtomicU64>,
    reached: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
}

impl Stopper {
    fn new() -> (Self, Script) {
        let at: Arc<AtomicU64> = Arc::default();
        let ((reach, reached), (go, going)) = (mpsc::channel(), mpsc::channel());
        let stop_at = Arc::clone(&at);
        let script = move |requests: &[Request]| {
            let stop_at = stop_at.load(Ordering::SeqCst);
            if matches!(&requests[0], Request::Batch(it) if it.end.0 == stop_at) {
                reach.send(()).expect("the test waits");
                going.recv_timeout(PATIENCE).expect("the test lets go");
            }
        };
        (Self { at, reached, go }, Box::new(script))
    }
}

#[test]
fn what_comes_while_a_worker_is_away_with_the_disk_is_carried_out_after_it_by_the_disk_thread() {
    let (stopper, script) = Stopper::new();
    let mut rig = Rig::new(PATIENCE, script);
    rig.calm_down();
    stopper.at.store(rig.last + 1, Ordering::SeqCst);
    let rig = thread::scope(|scope| {
        let (queue, answered) = (Arc::clone(&rig.queue), Arc::clone(&rig.answered));
        let (first, failures) = (rig.last + 1, Arc::clone(&rig.failures));
        let worker = scope.spawn(move || {
            queue.push(&mut vec![plain(Position(first))]);
            queue.serve(false, note(&answered, &failures));
        });
        stopper.reached.recv_timeout(PATIENCE).expect("reached");
        rig.last += 1;
        rig.commit();
        rig.reliefs
            .recv_timeout(PATIENCE)
            .expect("another worker is woken");
        stopper.go.send(()).expect("the disk waits");
        worker.join().expect("ends");
        rig
    });
    assert!(!rig.mine(rig.last));
    let ends: Vec<u64> = rig.answered.lock().iter().map(|(end, _)| *end).collect();
    assert!(ends.is_sorted(), "{ends:?}");
}

#[test]
fn closing_waits_for_a_worker_that_is_away_with_the_disk() {
    let (stopper, script) = Stopper::new();
    let mut rig = Rig::new(PATIENCE, script);
    rig.calm_down();
    stopper.at.store(rig.last + 1, Ordering::SeqCst);
    thread::scope(|scope| {
        let (queue, answered) = (Arc::clone(&rig.queue), Arc::clone(&rig.answered));
        let (last, failures) = (rig.last + 1, Arc::clone(&rig.failures));
        scope.spawn(move || {
            queue.push(&mut vec![plain(Position(last))]);
            queue.serve(false, note(&answered, &failures));
        });
        stopper.reached.recv_timeout(PATIENCE).expect("reached");
        rig.queue.close();
        let thread = rig.thread.take().expect("not joined yet");
        assert!(!thread.is_finished());
        stopper.go.send(()).expect("the disk waits");
        thread.join().expect("ends");
        assert_eq!(rig.answered.lock().last().map(|(end, _)| *end), Some(last));
    });
}

#[test]
fn a_disk_that_panics_has_failed_and_is_not_asked_again() {
    let script = |requests: &[Request]| {
        let end = matches!(&requests[0], Request::Batch(batch) if batch.end.0 == 3);
        assert!(!end, "the disk was told to");
    };
    let mut rig = Rig::new(PATIENCE, Box::new(script));
    for _ in 0..2 {
        let position = rig.commit();
        assert!(!rig.mine(position));
    }
    rig.commit();
    rig.thread
        .take()
        .expect("not joined yet")
        .join()
        .expect("it ends in order");
    rig.commit();
    assert_eq!(rig.failures.load(Ordering::SeqCst), 1);
    assert_eq!(rig.answered.lock().len(), 2);
}

#[test]
fn none_is_left_lying_and_all_are_in_order_however_workers_and_the_disk_thread_race() {
    const WORKERS: u64 = 4;
    const EACH: u64 = 10_000;
    let mut rig = Rig::new(PATIENCE, fast());
    rig.calm_down();
    // As under the node's lock: what is numbered first is queued first.
    let last = Mutex::new(rig.last);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (queue, last) = (&rig.queue, &last);
            let (answered, failures) = (&rig.answered, &rig.failures);
            scope.spawn(move || {
                for n in 0..EACH {
                    let mut last = last.lock();
                    *last += 1;
                    // Mostly writes without a sync, which leave the calm as it is.
                    let request = batch(Position(*last), n % 64 == worker, 4096, 100);
                    queue.push(&mut vec![request]);
                    drop(last);
                    queue.serve(n % 7 == 0, note(answered, failures));
                }
            });
        }
    });
    rig.last = *last.lock();
    // Nothing is queued any more: what is not there yet must come without a push.
    while rig.answered.lock().len() as u64 != rig.last {
        thread::yield_now();
    }
    let ends: Vec<u64> = rig.answered.lock().iter().map(|(end, _)| *end).collect();
    assert!(ends.into_iter().eq(1..=rig.last));
    rig.calm_down();
}
