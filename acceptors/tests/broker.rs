// SPDX-License-Identifier: Apache-2.0
//! A whole broker over real sockets and a real disk, around a toy node and a toy protocol.

mod toy;

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hind_acceptors::broker::{Broker, Ending};
use hind_acceptors::options::{Protocol, Served};
use tempfile::TempDir;
use toy::{Client, Seen, ToyNode, address, durable_options, options, start};

fn seen() -> Arc<Seen> {
    Arc::new(Seen::default())
}

#[test]
fn a_client_logs_in_and_what_it_puts_is_answered_when_it_is_on_disk() {
    let (seen, directory) = (seen(), TempDir::new().expect("a directory"));
    let broker = start(&seen, durable_options(&seen, directory.path()));
    let mut client = Client::login(address(&broker));
    client.send("put something\n");
    assert_eq!(client.line(), "ok 2");
    let file = std::fs::read(directory.path().join("journal/hind-data-1.hjn"));
    assert!(file.expect("a file").starts_with(b"put something"));
    client.send("bye\n");
    assert_eq!(client.line(), "bye");
    assert!(client.is_closed());
    broker.stop();
    assert_eq!(broker.wait(), Ending::Stopped);
    assert_eq!(seen.disconnected.load(Ordering::SeqCst), 1);
}

#[test]
fn answers_to_one_client_come_in_order_whoever_runs_the_turn() {
    let (seen, directory) = (seen(), TempDir::new().expect("a directory"));
    let broker = start(&seen, durable_options(&seen, directory.path()));
    let address = address(&broker);
    const CLIENTS: usize = 8;
    const PUTS: usize = 500;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(move || {
                let mut client = Client::login(address);
                for _ in 0..PUTS / 10 {
                    client.send(&"put x\n".repeat(10));
                }
                for n in 0..PUTS {
                    assert_eq!(client.line(), format!("ok {}", n + 2));
                }
            });
        }
    });
    assert_eq!(seen.sends.load(Ordering::SeqCst), CLIENTS * PUTS);
    let stored = seen.stored.load(Ordering::SeqCst);
    assert!(
        stored < CLIENTS * PUTS / 4,
        "{stored} syncs for {} puts",
        CLIENTS * PUTS
    );
}

#[test]
fn without_persistence_puts_are_answered_all_the_same() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let mut client = Client::login(address(&broker));
    client.send("put a\nnow b\nput c\n");
    let mut answers = [client.line(), client.line(), client.line()];
    answers.sort();
    assert_eq!(answers, ["ok 2", "ok 3", "ok 4"]);
}

#[test]
fn a_wrong_login_is_answered_late_and_a_right_one_remembered() {
    let seen = seen();
    let mut options = options(&seen);
    options.login.failure_delay = Duration::from_millis(150);
    let broker = start(&seen, options);
    let address = address(&broker);
    let mut eve = Client::connect(address);
    let asked = Instant::now();
    eve.send("login eve\n");
    assert!(eve.line().starts_with("refused: AMQ229031"));
    assert!(asked.elapsed() >= Duration::from_millis(150));
    assert!(eve.is_closed());
    let checked = seen.logins.load(Ordering::SeqCst);
    drop([Client::login(address), Client::login(address)]);
    assert_eq!(seen.logins.load(Ordering::SeqCst), checked + 1);
}

#[test]
fn what_follows_a_login_in_the_same_packet_waits_for_its_answer() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let mut client = Client::connect(address(&broker));
    client.send("login ann\nnow x\nbye\n");
    assert_eq!(client.line(), "hello ann");
    let rest = [client.line(), client.line()];
    assert_eq!(
        rest,
        ["bye", ""],
        "the machine said goodbye before the answer came"
    );
}

#[test]
fn a_panic_in_a_machine_costs_that_connection_only() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let address = address(&broker);
    let mut witness = Client::login(address);
    let mut client = Client::login(address);
    client.send("panic\n");
    assert!(client.is_closed());
    Seen::await_at_least(&seen.disconnected, 1);
    witness.send("now x\n");
    assert_eq!(witness.line(), "ok 2");
}

#[test]
fn a_violation_is_answered_and_the_connection_closed() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let mut client = Client::login(address(&broker));
    client.send("bad\nnow this is never read\n");
    assert_eq!(client.line(), "error: bad");
    assert!(client.is_closed());
    Seen::await_at_least(&seen.disconnected, 1);
    assert_eq!(seen.sends.load(Ordering::SeqCst), 0);
}

#[test]
fn a_client_that_says_nothing_or_half_a_line_is_closed_after_the_handshake_timeout() {
    let seen = seen();
    let mut options = options(&seen);
    options.acceptors[0].handshake_timeout = Some(Duration::from_millis(200));
    let broker = start(&seen, options);
    let address = address(&broker);
    let mut logged_in = Client::login(address);
    let mut silent = Client::connect(address);
    let mut half = Client::connect(address);
    half.send("logi");
    let mut one_byte = Client::connect(address);
    one_byte.send("G");
    assert!(silent.is_closed() && half.is_closed() && one_byte.is_closed());
    logged_in.send("now still here\n");
    assert_eq!(logged_in.line(), "ok 2");
    assert_eq!(
        seen.connected.load(Ordering::SeqCst),
        2,
        "silent ones never reach the node"
    );
}

#[test]
fn a_client_beyond_the_limit_is_closed_and_its_place_is_free_again() {
    let seen = seen();
    let mut options = options(&seen);
    options.acceptors[0].connections_allowed = Some(2);
    let broker = start(&seen, options);
    let address = address(&broker);
    let first = Client::login(address);
    let _second = Client::login(address);
    assert!(Client::connect(address).is_closed());
    drop(first);
    Seen::await_at_least(&seen.disconnected, 1);
    // The place is given back a moment after the node knows.
    let again = std::iter::repeat_with(|| {
        let mut client = Client::connect(address);
        let _ = client.socket.write_all(b"login ann\n");
        (!client.is_closed()).then_some(client)
    });
    assert!(again.take(100).any(|client| client.is_some()));
}

#[test]
fn a_client_that_does_not_read_is_not_read_either() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let mut client = Client::login(address(&broker));
    client.send("flood 1000 100000\n");
    client
        .socket
        .set_write_timeout(Some(Duration::from_millis(300)))
        .expect("a socket");
    let line = "now x\n".repeat(10_000);
    let stuck = (0..1_000).any(|_| client.socket.write_all(line.as_bytes()).is_err());
    assert!(stuck, "60 MB were taken from a client that does not read");
}

#[test]
fn a_node_whose_disk_is_behind_holds_all_readers_back() {
    let (seen, directory) = (seen(), TempDir::new().expect("a directory"));
    let mut options = durable_options(&seen, directory.path());
    options.backlog_limit = 1_000;
    let broker = start(&seen, options);
    let mut client = Client::login(address(&broker));
    let line = format!("put {}\n", "x".repeat(600));
    client.send(&line.repeat(2_000));
    for n in 0..2_000 {
        assert_eq!(client.line(), format!("ok {}", n + 2));
    }
    let most = seen.backlog_most.load(Ordering::SeqCst);
    // The limit, and what one connection's reads brought before it was noticed.
    assert!(most < 200_000, "{most} bytes in a node that may have 1,000");
}

#[test]
fn a_large_frame_arrives_over_many_reads() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let mut client = Client::login(address(&broker));
    const SIZE: usize = 3_000_000;
    client.send(&format!("big {SIZE}\n"));
    client.socket.write_all(&vec![7; SIZE]).expect("writes");
    assert_eq!(client.line(), "got it");
    assert_eq!(seen.bytes_received.load(Ordering::SeqCst), SIZE as u64);
}

#[test]
fn a_client_gone_without_a_word_leaves_once() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let address = address(&broker);
    for _ in 0..20 {
        drop(Client::login(address));
    }
    let half_closed = Client::login(address);
    half_closed
        .socket
        .shutdown(Shutdown::Write)
        .expect("a socket");
    Seen::await_at_least(&seen.disconnected, 21);
    assert_eq!(seen.connected.load(Ordering::SeqCst), 21);
}

#[test]
fn machines_and_nodes_are_told_when_their_deadline_has_come() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let mut client = Client::login(address(&broker));
    client.send("beat\n");
    assert_eq!([client.line(), client.line()], ["beat", "beat"]);
    client.send("timer\n");
    Seen::await_at_least(&seen.times, 1);
}

#[test]
fn a_broker_that_stops_tells_its_clients() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let address = address(&broker);
    let mut client = Client::login(address);
    broker.stop();
    assert_eq!(client.line(), "stopping");
    assert!(client.is_closed());
    drop(client);
    assert_eq!(broker.wait(), Ending::Stopped);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_broker_stops_though_clients_neither_speak_nor_read() {
    let seen = seen();
    let mut options = options(&seen);
    options.stop_grace = Duration::from_millis(200);
    let broker = start(&seen, options);
    let address = address(&broker);
    let _silent = Client::connect(address);
    let mut deaf = Client::login(address);
    deaf.send("flood 1000 100000\n");
    Seen::await_at_least(&seen.floods, 1);
    let asked = Instant::now();
    broker.stop();
    assert_eq!(broker.wait(), Ending::Stopped);
    assert!(asked.elapsed() < Duration::from_millis(1500));
}

#[test]
fn a_port_that_is_taken_fails_the_broker_and_opens_no_other_door() {
    let seen = seen();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
    let mut options = options(&seen);
    let mut second = toy::acceptor(&seen);
    second.port = taken.local_addr().expect("an address").port();
    options.acceptors.push(second);
    let broker = start(&seen, options);
    assert_eq!(broker.wait(), Ending::Failed);
    assert_eq!(seen.connected.load(Ordering::SeqCst), 0);
}

#[test]
fn marker_files_stop_a_broker_and_those_of_the_last_run_do_not() {
    for (marker, ending) in [("STOP_ME", Ending::Stopped), ("KILL_ME", Ending::Killed)] {
        let (seen, directory) = (seen(), TempDir::new().expect("a directory"));
        std::fs::write(directory.path().join(marker), b"").expect("writes");
        let mut options = options(&seen);
        options.marker_directory = Some(directory.path().to_owned());
        options.kill_allowed = true;
        let broker = start(&seen, options);
        drop(Client::login(address(&broker)));
        std::fs::write(directory.path().join(marker), b"").expect("writes");
        assert_eq!(broker.wait(), ending);
        assert!(!directory.path().join(marker).exists());
    }
}

#[test]
fn a_broker_that_may_not_be_killed_leaves_the_marker_alone() {
    let (seen, directory) = (seen(), TempDir::new().expect("a directory"));
    let mut options = options(&seen);
    options.marker_directory = Some(directory.path().to_owned());
    let broker = start(&seen, options);
    drop(Client::login(address(&broker)));
    for marker in ["KILL_ME", "STOP_ME"] {
        std::fs::write(directory.path().join(marker), b"").expect("writes");
    }
    assert_eq!(broker.wait(), Ending::Stopped);
    assert!(directory.path().join("KILL_ME").exists());
}

#[test]
fn the_node_is_told_how_full_the_disk_is() {
    let (seen, directory) = (seen(), TempDir::new().expect("a directory"));
    let mut options = durable_options(&seen, directory.path());
    options.disk_scan_period = Some(Duration::from_millis(20));
    let _broker = start(&seen, options);
    Seen::await_at_least(&seen.disk_usages, 2);
}

#[test]
fn one_data_directory_serves_one_broker_at_a_time() {
    let (seen, directory) = (seen(), TempDir::new().expect("a directory"));
    let first = start(&seen, durable_options(&seen, directory.path()));
    let node = Box::new(ToyNode::new(&seen));
    let second = Broker::start(durable_options(&seen, directory.path()), node);
    let why = second.expect_err("is refused").to_string();
    let holder = format!("locked by process {}", std::process::id());
    assert!(why.contains(&holder), "{why}");
    drop(first);
    drop(start(&seen, durable_options(&seen, directory.path())));
}

#[test]
fn protocols_not_built_or_not_spoken_are_closed_at_once_on_a_shared_port() {
    let seen = seen();
    let mut options = options(&seen);
    options.acceptors[0].protocols.push(Served {
        protocol: Protocol::Amqp,
        machine: None,
    });
    options.acceptors[0].handshake_timeout = None;
    let broker = start(&seen, options);
    let address = address(&broker);
    for opening in [&b"AMQP\0\x01\0\0"[..], b"ARTEMIS", b"\x16\x03\x01\x02\0"] {
        let mut client = Client::connect(address);
        client.socket.write_all(opening).expect("writes");
        assert!(client.is_closed());
    }
    assert_eq!(seen.connected.load(Ordering::SeqCst), 0);
}

#[test]
fn every_host_of_an_acceptor_is_listened_at() {
    let seen = seen();
    let mut options = options(&seen);
    options.acceptors[0].hosts = vec!["127.0.0.1".into(), "127.0.0.2".into()];
    let mut all = toy::acceptor(&seen);
    all.name = "all".into();
    all.hosts = vec!["[::]".into()];
    options.acceptors.push(all);
    let broker = start(&seen, options);
    for (name, mut address) in broker.addresses() {
        if name == "all" {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        drop(Client::login(address));
    }
    assert!(broker.addresses().len() >= 3);
}
