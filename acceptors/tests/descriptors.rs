// SPDX-License-Identifier: Apache-2.0
//! Without free file descriptors clients wait; they are neither refused nor does the broker burn the processor.

mod toy;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use toy::{Seen, address, options, start};

#[test]
fn clients_wait_until_there_are_file_descriptors_again() {
    let seen = Arc::new(Seen::default());
    let broker = start(&seen, options(&seen));
    let address = address(&broker);
    let socket = |_| Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let sockets: Vec<_> = (0..5).map(socket).collect();
    let allowed = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(100),
        maximum: allowed.maximum,
    };
    setrlimit(Resource::Nofile, few).expect("is allowed");
    // Takes every descriptor that is left.
    let fillers: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let clients: Vec<TcpStream> = sockets
        .into_iter()
        .map(|socket| {
            socket
                .connect(&address.into())
                .expect("the system connects");
            let mut client = TcpStream::from(socket);
            client
                .write_all(b"login ann\n")
                .expect("the system takes it");
            client
        })
        .collect();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(
        seen.connected.load(Ordering::SeqCst),
        0,
        "there is no descriptor for them"
    );
    drop(fillers);
    for client in clients {
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).expect("reads");
        assert_eq!(line, "hello ann\n");
    }
}
