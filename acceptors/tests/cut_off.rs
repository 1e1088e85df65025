// SPDX-License-Identifier: Apache-2.0
//! Clients whose connection breaks off while they are not read.

mod toy;

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use hind_acceptors::broker::BrokerHandle;
use hind_acceptors::host::login::{Authenticator, Rejected};
use hind_acceptors::options::BrokerOptions;
use hind_engine::security::user::{Credentials, Identity};
use toy::{Client, Doorman, Seen, ToyNode, acceptor, address};

/// Lets nobody in before the gate is opened; whoever waits for that is not read.
#[derive(Debug)]
struct Gatekeeper {
    seen: Arc<Seen>,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gatekeeper {
    fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }
}

impl Authenticator for Gatekeeper {
    fn check(&self, credentials: &Credentials) -> Result<Identity, Rejected> {
        let answer = Doorman(Arc::clone(&self.seen)).check(credentials);
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.opened.wait_while(is_open, |is_open| !*is_open);
        drop(wait);
        answer
    }
}

/// A broker at whose gate a client waits that has already said what it wants to put.
fn waiting() -> (Arc<Seen>, Arc<Gatekeeper>, BrokerHandle, Client) {
    let seen = Arc::new(Seen::default());
    let gate = Arc::new(Gatekeeper {
        seen: Arc::clone(&seen),
        is_open: Mutex::new(false),
        opened: Condvar::new(),
    });
    let mut options = BrokerOptions::new("toy", Arc::clone(&gate) as Arc<dyn Authenticator>);
    options.acceptors.push(acceptor(&seen));
    let node = Box::new(ToyNode::new(&seen));
    let broker = hind_acceptors::broker::Broker::start(options, node).expect("starts");
    let mut client = Client::connect(address(&broker));
    client.send("login ann\nnow x\n");
    Seen::await_at_least(&seen.logins, 1);
    (seen, gate, broker, client)
}

/// Ends the connection as a machine does that knows nothing of it any more.
fn reset(client: Client) {
    let Client { socket, .. } = client;
    reset_socket(&socket);
}

fn reset_socket(socket: &TcpStream) {
    let socket = socket2::SockRef::from(socket);
    socket.set_linger(Some(Duration::ZERO)).expect("a socket");
}

#[test]
fn what_a_client_said_that_is_cut_off_before_it_is_read_is_not_carried_out() {
    let (seen, gate, _broker, client) = waiting();
    reset(client);
    gate.open();
    Seen::await_at_least(&seen.disconnected, 1);
    assert_eq!(seen.sends.load(Ordering::SeqCst), 0);
}

#[test]
fn a_client_that_is_cut_off_is_noticed_though_it_is_not_read() {
    let (seen, gate, _broker, client) = waiting();
    reset(client);
    Seen::await_at_least(&seen.disconnected, 1);
    gate.open();
    assert_eq!(seen.sends.load(Ordering::SeqCst), 0);
}

#[test]
fn what_a_client_said_before_it_hung_up_in_order_is_carried_out() {
    let (seen, gate, _broker, client) = waiting();
    drop(client);
    gate.open();
    Seen::await_at_least(&seen.disconnected, 1);
    assert_eq!(seen.sends.load(Ordering::SeqCst), 1);
}
