// SPDX-License-Identifier: Apache-2.0
//! What a broker writes to its log between start and stop.

mod toy;

use std::fs;
use std::io::Write;
use std::sync::Arc;

use hind_acceptors::broker::Ending;
use hind_acceptors::host::log::{self, LogOptions};
use hind_acceptors::options::{Protocol, Served};
use tempfile::TempDir;
use toy::{Client, Seen, durable_options, start};

#[test]
fn a_run_leaves_the_lines_that_scripts_wait_for() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("log/artemis.log");
    let installed = log::install(LogOptions {
        stdout: false,
        file: Some(file.clone()),
        ..LogOptions::default()
    });
    installed.expect("installs");

    let seen = Arc::new(Seen::default());
    let mut options = durable_options(&seen, directory.path());
    options.modules.push(("hind-stomp".into(), "STOMP".into()));
    let mut amqp = toy::acceptor(&seen);
    amqp.name = "amqp".into();
    amqp.protocols = vec![Served {
        protocol: Protocol::Amqp,
        machine: None,
    }];
    options.acceptors.push(amqp);
    let mut closed = toy::acceptor(&seen);
    closed.name = "secure".into();
    closed.closed_reason = Some("sslEnabled is not built yet".into());
    options.acceptors.push(closed);
    let broker = start(&seen, options);
    let addresses = broker.addresses();
    let [(_, address), (_, amqp)] = addresses[..] else {
        panic!("two doors are open, not {addresses:?}");
    };
    for _ in 0..5 {
        let mut client = Client::connect(amqp);
        client.socket.write_all(b"AMQP\0\x01\0\0").expect("writes");
        assert!(client.is_closed());
    }
    let mut violator = Client::login(address);
    violator.send("bad\n");
    while !violator.is_closed() {}
    drop(violator);
    broker.stop();
    assert_eq!(broker.wait(), Ending::Stopped);

    let text = fs::read_to_string(&file).expect("a log");
    let port = address.port();
    let expected = [
        "AMQ221000: Primary message broker is starting with configuration Broker Configuration (clustered=false,",
        "AMQ221013: Using Hind Journal",
        "AMQ221043: Protocol module found: [hind-stomp]. Adding protocol support for: STOMP",
        &format!("AMQ221020: Started EPOLL Acceptor at 127.0.0.1:{port} for protocols [STOMP]"),
        "acceptor secure stays closed: sslEnabled is not built yet",
        "AMQ221007: Server is now active",
        "AMQ221001: Hind Message Broker version",
        "which speaks AMQP: that protocol is not built yet",
        "AMQ222067: Connection failure has been detected: bad [toy 1.1]",
        "AMQ221002: Hind Message Broker version",
    ];
    let mut lines = text.lines();
    for expected in expected {
        let found = lines.find(|line| line.contains(expected));
        let line = found.unwrap_or_else(|| panic!("no {expected:?} at its place in\n{text}"));
        let (head, _) = line.split_at(24);
        assert!(
            head.ends_with(char::is_whitespace) && head.contains(','),
            "{line}"
        );
        assert!(
            line.contains("[org.apache.activemq.artemis.core.server] "),
            "{line}"
        );
    }
    assert_eq!(
        text.matches("which speaks AMQP").count(),
        1,
        "once a minute"
    );
    assert!(text.trim_end().ends_with(" seconds"));
}
