// SPDX-License-Identifier: Apache-2.0
//! The turn on its own: many submitters, one node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use hind_acceptors::broker::{Broker, Ending};
use hind_acceptors::host::backlog::Backlog;
use hind_acceptors::host::chores::Chores;
use hind_acceptors::host::clock::Clock;
use hind_acceptors::host::login::{Authenticator, Rejected};
use hind_acceptors::host::turn::{Brain, DiskPort, Turn};
use hind_acceptors::host::watchdog::Watchdog;
use hind_acceptors::options::BrokerOptions;
use hind_engine::command::{Command, TransactionCommand};
use hind_engine::id::{ConnectionId, Ticket, TransactionId};
use hind_engine::security::user::{Credentials, Identity};
use hind_engine::storage::Position;
use hind_engine::storage::request::{Batch, Completion, Request};
use hind_engine::time::{Instant, Now};
use hind_ha::effect::{Door, Effects};
use hind_ha::input::Input;
use parking_lot::Mutex;

/// A node that calls a closure for every turn.
struct Scripted<F>(F);

impl<F: FnMut(Now, Vec<Input>, &mut Effects) + Send> Brain for Scripted<F> {
    fn handle(&mut self, now: Now, inputs: &mut dyn Iterator<Item = Input>, effects: &mut Effects) {
        (self.0)(now, inputs.collect(), effects);
    }

    fn deadline(&self, _: Now) -> Option<Instant> {
        None
    }

    fn backlog(&self) -> u64 {
        0
    }
}

fn turn(node: impl FnMut(Now, Vec<Input>, &mut Effects) + Send + 'static) -> Turn {
    Turn::new(
        Box::new(Scripted(node)),
        Clock::start(),
        DiskPort::Volatile(Mutex::default()),
        Arc::new(Chores::default()),
        Arc::new(Backlog::new(u64::MAX)),
    )
}

/// A command that carries a number.
fn numbered(number: u64) -> Command {
    Command::Transaction(
        TransactionId(1),
        TransactionCommand::Commit(Some(Ticket(number))),
    )
}

fn number(command: &Command) -> u64 {
    match command {
        Command::Transaction(_, TransactionCommand::Commit(Some(Ticket(number)))) => *number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_submitted_is_lost_reordered_or_left_lying_whoever_runs_the_turn() {
    const THREADS: u64 = 8;
    const EACH: u64 = 20_000;
    let seen: Arc<Mutex<BTreeMap<ConnectionId, u64>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let turn = turn(move |_, inputs, _| {
        let last = &mut *kept.lock();
        for input in inputs {
            let Input::Client(from, commands) = input else {
                continue;
            };
            for command in commands {
                let last = last.entry(from).or_default();
                assert_eq!(
                    number(&command),
                    *last + 1,
                    "{from}'s commands are in order"
                );
                *last += 1;
            }
        }
    });
    let turn = Arc::new(turn);
    let relief = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime");
    let keeper = Arc::clone(&turn);
    relief.spawn(async move { keeper.keep_time().await });
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let turn = &turn;
            scope.spawn(move || {
                for n in (1..=EACH).step_by(2) {
                    let commands = vec![numbered(n), numbered(n + 1)];
                    turn.submit(Input::Client(ConnectionId(thread), commands));
                }
            });
        }
    });
    // Nothing is submitted any more: what is not there yet must come without a push.
    let all_there = || {
        let last = seen.lock();
        last.len() as u64 == THREADS && last.values().all(|last| *last == EACH)
    };
    while !all_there() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_is_submitted_during_a_turn_is_one_turn_after_it_and_nobody_waits() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let turns: Arc<Mutex<Vec<usize>>> = Arc::default();
    let kept = Arc::clone(&turns);
    let turn = turn(move |_, inputs, _| {
        kept.lock().push(inputs.len());
        if inputs.contains(&Input::Start) {
            // Ends when the test lets go, or has failed.
            let _ = held.lock().recv();
        }
    });
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| turn.submit(Input::Start));
        while turn.running_for().is_none() {
            std::thread::yield_now();
        }
        for client in 0..10 {
            // Returns though the node is busy.
            turn.submit(Input::Client(ConnectionId(client), vec![numbered(1)]));
        }
        release.send(()).expect("the node waits");
        holder.join().expect("ends");
    });
    assert_eq!(*turns.lock(), [1, 10]);
}

#[test]
fn a_turn_takes_about_a_thousand_commands_at_most() {
    let most: Arc<Mutex<usize>> = Arc::default();
    let kept = Arc::clone(&most);
    let turn = turn(move |_, inputs, _| {
        let commands = inputs.iter().map(|input| match input {
            Input::Client(_, commands) => commands.len(),
            _ => 0,
        });
        let mut most = kept.lock();
        *most = (*most).max(commands.sum());
    });
    let hundred = || Input::Client(ConnectionId(1), (0..100).map(numbered).collect());
    turn.submit_all((0..50).map(|_| hundred()));
    assert_eq!(*most.lock(), 1_000);
}

#[test]
fn a_disk_that_keeps_nothing_answers_before_what_came_later() {
    let order: Arc<Mutex<Vec<&'static str>>> = Arc::default();
    let kept = Arc::clone(&order);
    let turn = turn(move |_, inputs, effects| {
        for input in inputs {
            kept.lock().push(match input {
                Input::Start => {
                    let batch = |end| {
                        Request::Batch(Batch {
                            writes: Vec::new(),
                            sync: true,
                            end: Position(end),
                        })
                    };
                    effects.disk.extend([batch(1), batch(2)]);
                    "start"
                }
                Input::Disk(Completion::Stored(Position(1))) => "stored 1",
                Input::Disk(Completion::Stored(Position(2))) => "stored 2",
                _ => "other",
            });
        }
    });
    turn.submit(Input::Start);
    turn.submit(Input::Time);
    assert_eq!(*order.lock(), ["start", "stored 1", "stored 2", "other"]);
}

#[test]
fn a_turn_that_takes_too_long_is_complained_about_once() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let turn = turn(move |_, inputs, _| {
        if inputs.contains(&Input::Start) {
            // Ends when the test lets go, or has failed.
            let _ = held.lock().recv();
        }
    });
    let mut watchdog = Watchdog::default();
    assert_eq!(watchdog.look(&turn), None);
    std::thread::scope(|scope| {
        scope.spawn(|| turn.submit(Input::Start));
        let line = loop {
            match watchdog.look(&turn) {
                Some(line) => break line,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        assert!(line.text.contains("busy with one turn"), "{}", line.text);
        assert_eq!(watchdog.look(&turn), None, "once is enough");
        release.send(()).expect("the node waits");
    });
    assert_eq!(turn.running_for(), None);
}

#[test]
fn a_node_that_panics_ends_the_broker_and_is_not_asked_again() {
    struct Nobody;
    impl Authenticator for Nobody {
        fn check(&self, _: &Credentials) -> Result<Identity, Rejected> {
            Err(Rejected)
        }
    }
    let asked: Arc<Mutex<u32>> = Arc::default();
    let kept = Arc::clone(&asked);
    let node = Scripted(move |_, _: Vec<Input>, effects: &mut Effects| {
        *kept.lock() += 1;
        effects.doors.push(Door::Open);
        panic!("the node was told to");
    });
    let broker = Broker::start(
        BrokerOptions::new("broken", Arc::new(Nobody)),
        Box::new(node),
    )
    .expect("starts");
    broker.turn().submit(Input::Time);
    assert_eq!(broker.wait(), Ending::Failed);
    assert_eq!(*asked.lock(), 1);
}
