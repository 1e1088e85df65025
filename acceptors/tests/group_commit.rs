// SPDX-License-Identifier: Apache-2.0
//! How many puts share a sync, and what that costs; run by name to be read:
//! `cargo test --release -p hind-acceptors --test group_commit -- --ignored --nocapture`

#![allow(clippy::print_stdout, reason = "a measurement is printed to be read")]

mod toy;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hind_acceptors::host::disk::pace::Pace;
use tempfile::TempDir;
use toy::{Client, Seen, address, durable_options, start};

#[test]
fn a_lone_writer_never_waits_and_a_crowd_waits_less_than_a_sync() {
    let sync = Duration::from_micros(200);
    let mut pace = Pace::new(Duration::from_micros(500), Pace::FAST);
    assert_eq!(pace.advice(), None);
    pace.learn(1, 0, sync);
    assert_eq!(pace.advice(), None, "one writer, waiting for its answer");
    pace.learn(1, 1, sync);
    assert_eq!(pace.advice(), Some((2, sync / 2)), "two that take turns");
    pace.learn(0, 9, Duration::from_micros(5));
    assert_eq!(pace.advice(), Some((2, sync / 2)), "a write without sync");
    pace.learn(5, 3, Duration::from_millis(20));
    assert_eq!(pace.advice(), Some((8, Duration::from_micros(500))));
    pace.learn(5, 3, Duration::from_micros(10));
    assert_eq!(pace.advice(), None, "a sleep would cost more than the sync");
    let mut never = Pace::new(Duration::ZERO, Pace::FAST);
    never.learn(5, 3, sync);
    assert_eq!(never.advice(), None);
}

#[test]
#[ignore = "a measurement, to be read"]
fn measure() {
    println!("writers window  wait µs     puts/s  puts/sync  CPU µs/put  p50 µs  p99 µs");
    for (writers, window) in [(1, 1), (1, 200), (2, 1), (4, 50), (8, 1), (16, 1), (64, 1)] {
        for wait in [0, 500] {
            run(writers, window, Duration::from_micros(wait));
        }
    }
}

fn run(writers: usize, window: usize, wait: Duration) {
    let (seen, directory) = (
        Arc::new(Seen::default()),
        TempDir::new_in(".").expect("a directory"),
    );
    let mut options = durable_options(&seen, directory.path());
    options.journal.as_mut().expect("has one").buffer_timeout = wait;
    let broker = start(&seen, options);
    let address = address(&broker);
    let line = format!("put {}\n", "x".repeat(1_000));
    // Puts until every block of the one segment has been written once.
    let mut warm = Client::login(address);
    for n in 0..1_200 {
        warm.send(&line);
        if n >= 100 {
            warm.line();
        }
    }
    let (puts, syncs) = (&seen.sends, &seen.stored);
    let (puts_before, syncs_before) = (puts.load(Ordering::SeqCst), syncs.load(Ordering::SeqCst));
    let (began, cpu) = (Instant::now(), cpu_time());
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let writer = |_| scope.spawn(|| write(address, &line, window));
        let writers: Vec<_> = (0..writers).map(writer).collect();
        let joined = writers
            .into_iter()
            .map(|writer| writer.join().expect("ends"));
        joined.flatten().collect()
    });
    let (took, cpu) = (began.elapsed(), cpu_time() - cpu);
    let puts = puts.load(Ordering::SeqCst) - puts_before;
    let syncs = syncs.load(Ordering::SeqCst) - syncs_before;
    latencies.sort_unstable();
    println!(
        "{writers:7} {window:6} {:8} {:10.0} {:10.1} {:11.1} {:7} {:7}",
        wait.as_micros(),
        puts as f64 / took.as_secs_f64(),
        puts as f64 / syncs as f64,
        cpu.as_micros() as f64 / puts as f64,
        latencies[latencies.len() / 2].as_micros(),
        latencies[latencies.len() * 99 / 100].as_micros(),
    );
}

fn write(address: std::net::SocketAddr, line: &str, window: usize) -> Vec<Duration> {
    let mut client = Client::login(address);
    let (mut sent, mut latencies) = (VecDeque::new(), Vec::new());
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        while sent.len() < window {
            client.send(line);
            sent.push_back(Instant::now());
        }
        client.line();
        let asked: Instant = sent.pop_front().expect("the window is not empty");
        latencies.push(asked.elapsed());
    }
    latencies
}

/// What all threads of this process have used, clients included.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().expect("has fields");
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|it| it.parse::<u64>().ok());
    let ticks = ticks().unwrap_or(0) + ticks().unwrap_or(0);
    Duration::from_millis(ticks * 10)
}
