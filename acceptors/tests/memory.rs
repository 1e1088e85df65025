// SPDX-License-Identifier: Apache-2.0
//! What connections cost in memory. Run one after the other: the process is what is measured.

mod toy;

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use toy::{Client, Seen, address, options, start};

#[test]
fn connections_cost_what_they_use() {
    a_slow_reader_costs_bounded_memory_and_gets_everything_in_the_end();
    a_thousand_idle_connections_hold_no_buffers();
}

fn seen() -> Arc<Seen> {
    Arc::new(Seen::default())
}

fn a_slow_reader_costs_bounded_memory_and_gets_everything_in_the_end() {
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let mut client = Client::login(address(&broker));
    let before = toy::resident();
    // 400 MB in 2,000 deliveries that share one body, and as many lines of its own that are copies.
    client.send("flood 2000 200000\nflood 100000 1000\n");
    std::thread::sleep(Duration::from_millis(300));
    let grown = toy::resident().saturating_sub(before);
    assert!(
        grown < 32 << 20,
        "{grown} bytes for a client that does not read"
    );
    let mut left = 2000 * 200_001 + 100_000 * 1_001;
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        let read = client.socket.read(&mut buffer).expect("reads");
        assert!(read > 0 && read <= left);
        left -= read;
    }
}

fn a_thousand_idle_connections_hold_no_buffers() {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).expect("may be raised");
    let seen = seen();
    let broker = start(&seen, options(&seen));
    let address = address(&broker);
    let warm: Vec<_> = (0..50).map(|_| Client::login(address)).collect();
    let before = toy::resident();
    const CLIENTS: usize = 1_000;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut socket = std::net::TcpStream::connect(address).expect("connects");
            socket.write_all(b"login ann\nno").expect("writes");
            socket
        })
        .collect();
    Seen::await_at_least(&seen.connected, CLIENTS + warm.len());
    let each = toy::resident().saturating_sub(before) / CLIENTS;
    assert!(each < 6 * 1024, "{each} bytes for an idle connection");
    drop(clients);
}
