// SPDX-License-Identifier: Apache-2.0
//! A toy node and a toy line protocol, so that the host is tested with everything real but the broker.
//!
//! Lines a client may send: `login USER`, `put TEXT` (answered `ok N` when on disk), `now` (answered `ok N` at once),
//! `flood COUNT SIZE` (that many lines), `big SIZE` then that many bytes, `pause`, `panic`, `bad`, `bye`.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hind_acceptors::broker::{Broker, BrokerHandle};
use hind_acceptors::host::login::{Authenticator, Rejected};
use hind_acceptors::host::turn::Brain;
use hind_acceptors::options::{
    AcceptorOptions, BrokerOptions, Directories, JournalOptions, Machine, Opening, Protocol, Served,
};
use hind_engine::command::{
    Command, ConsumerCommand, ConsumerOpen, Credit, Send, SessionCommand, Settling, Subscription,
};
use hind_engine::event::{Delivery, Event};
use hind_engine::id::{ConnectionId, ConsumerId, DeliveryId, SessionId, Ticket};
use hind_engine::message::{Kind, Message};
use hind_engine::notice::Notice;
use hind_engine::protocol::{Close, Connection, Login, Outbound, PeerViolation};
use hind_engine::security::user::{Credentials, Identity};
use hind_engine::storage::Position;
use hind_engine::storage::request::{Batch, Completion, Request, Segment, Write};
use hind_engine::time::{Instant, Now};
use hind_ha::effect::{Door, Effects};
use hind_ha::input::{Input, Operation};

/// What the toys have seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub connected: AtomicUsize,
    pub disconnected: AtomicUsize,
    pub stored: AtomicUsize,
    pub sends: AtomicUsize,
    pub times: AtomicUsize,
    pub floods: AtomicUsize,
    pub disk_usages: AtomicUsize,
    pub logins: AtomicUsize,
    pub bytes_received: AtomicU64,
    pub backlog_most: AtomicU64,
}

impl Seen {
    /// Waits until `counter` has reached `least`; the test harness's patience is the limit.
    pub fn await_at_least(counter: &AtomicUsize, least: usize) {
        while counter.load(Ordering::SeqCst) < least {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A node that stores what is put and answers when it is stored.
pub struct ToyNode {
    seen: Arc<Seen>,
    connected: BTreeSet<ConnectionId>,
    end: u64,
    offset: u64,
    waiting: VecDeque<(Position, u64, ConnectionId, Ticket)>,
    backlog: u64,
    deadline: Option<Instant>,
    stopping: bool,
}

impl ToyNode {
    pub fn new(seen: &Arc<Seen>) -> Self {
        Self {
            seen: Arc::clone(seen),
            connected: BTreeSet::new(),
            end: 0,
            offset: 0,
            waiting: VecDeque::new(),
            backlog: 0,
            deadline: None,
            stopping: false,
        }
    }

    fn command(&mut self, now: Now, from: ConnectionId, command: Command, effects: &mut Effects) {
        match command {
            Command::Session(..) => {}
            Command::Send(_, send) => self.put(from, &send, effects),
            Command::Consumer(consumer, ConsumerCommand::Open(open)) => {
                self.seen.floods.fetch_add(1, Ordering::SeqCst);
                let size = usize::try_from(open.credit.bytes).expect("a size");
                let message = Arc::new(Message::new(
                    "flood".into(),
                    Kind::Bytes,
                    Bytes::from(vec![b'x'; size]),
                ));
                for n in 1..=open.credit.messages {
                    let delivery = Delivery {
                        consumer,
                        delivery: DeliveryId(n.unsigned_abs()),
                        packet: None,
                        message: Arc::clone(&message),
                        attempts: 0,
                    };
                    effects.events.push((from, Event::Deliver(delivery)));
                }
            }
            Command::Resource(..) => {
                self.deadline = Some(now.monotonic.after(Duration::from_millis(20)));
            }
            other => panic!("the toy node does not know {other:?}"),
        }
    }

    fn end_if_stopped(&self, effects: &mut Effects) {
        if self.stopping && self.connected.is_empty() {
            effects.doors.push(Door::Exit(true));
        }
    }

    fn put(&mut self, from: ConnectionId, send: &Send, effects: &mut Effects) {
        self.seen.sends.fetch_add(1, Ordering::SeqCst);
        let ticket = send.ticket.expect("every toy send has one");
        if !send.message.durable {
            effects.events.push((from, Event::Done(ticket)));
            return;
        }
        let body = send.message.body.inline().expect("in memory").clone();
        let size = body.len() as u64;
        self.end += 1;
        self.backlog += size;
        self.waiting
            .push_back((Position(self.end), size, from, ticket));
        if self.offset + size > 1 << 20 {
            self.offset = 0;
        }
        effects.disk.push(Request::Batch(Batch {
            writes: vec![Write {
                segment: Segment(1),
                offset: self.offset,
                pieces: vec![body],
            }],
            sync: true,
            end: Position(self.end),
        }));
        self.offset += size;
    }

    fn stored(&mut self, position: Position, effects: &mut Effects) {
        self.seen.stored.fetch_add(1, Ordering::SeqCst);
        while let Some((_, size, to, ticket)) =
            self.waiting.pop_front_if(|(at, ..)| *at <= position)
        {
            self.backlog -= size;
            effects.events.push((to, Event::Done(ticket)));
        }
    }
}

impl ToyNode {
    fn step(&mut self, now: Now, input: Input, effects: &mut Effects) {
        match input {
            Input::Start => {
                effects.doors.push(Door::Open);
                effects.notices.push(Notice::Active);
            }
            Input::Connected(id) => {
                self.seen.connected.fetch_add(1, Ordering::SeqCst);
                assert!(self.connected.insert(id), "{id} connects twice");
            }
            Input::Client(from, commands) => {
                assert!(self.connected.contains(&from), "{from} is not connected");
                for command in commands {
                    self.command(now, from, command, effects);
                }
            }
            Input::Disconnected(id) => {
                assert!(self.connected.remove(&id), "{id} leaves twice");
                self.seen.disconnected.fetch_add(1, Ordering::SeqCst);
                self.end_if_stopped(effects);
            }
            Input::Disk(Completion::Stored(position)) => self.stored(position, effects),
            Input::Disk(Completion::Failed(why)) => {
                effects.notices.push(Notice::StorageFailed(why));
                effects.doors.push(Door::Exit(false));
            }
            Input::Disk(other) => panic!("the toy node did not ask for {other:?}"),
            Input::DiskUsage(_) => {
                self.seen.disk_usages.fetch_add(1, Ordering::SeqCst);
            }
            Input::Operator(Operation::Stop) => {
                let stopping = |id: &ConnectionId| (*id, Event::Stopping);
                effects.events.extend(self.connected.iter().map(stopping));
                effects.doors.push(Door::Close);
                self.stopping = true;
                self.end_if_stopped(effects);
            }
            Input::Time => {
                if self.deadline.is_some_and(|at| at <= now.monotonic) {
                    self.deadline = None;
                    self.seen.times.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }
}

impl Brain for ToyNode {
    fn handle(&mut self, now: Now, inputs: &mut dyn Iterator<Item = Input>, effects: &mut Effects) {
        for input in inputs {
            self.step(now, input, effects);
        }
        let most = &self.seen.backlog_most;
        most.fetch_max(self.backlog, Ordering::SeqCst);
    }

    fn deadline(&self, _: Now) -> Option<Instant> {
        self.deadline
    }

    fn backlog(&self) -> u64 {
        self.backlog
    }
}

/// The toy protocol's machine.
#[derive(Debug)]
pub struct ToyMachine {
    seen: Arc<Seen>,
    tickets: u64,
    logging_in: bool,
    /// Bytes of a `big` body that are still to come.
    missing: usize,
    beat: Option<Instant>,
}

impl ToyMachine {
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn line(&mut self, now: Now, line: &str, out: &mut Outbound) -> Result<(), PeerViolation> {
        let mut words = line.split(' ');
        let session = SessionId(1);
        let mut number = || words.next().and_then(|word| word.parse::<i64>().ok());
        match line.split(' ').next().unwrap_or_default() {
            "login" => {
                self.logging_in = true;
                let user = line.split(' ').nth(1).map(str::to_owned);
                out.login = Some(Login {
                    credentials: Credentials {
                        user,
                        password: None,
                    },
                    ticket: self.ticket(),
                });
            }
            "put" | "now" => {
                let ticket = self.ticket();
                let body = Bytes::copy_from_slice(line.as_bytes());
                let mut message = Message::new("toy".into(), Kind::Text, body);
                message.durable = line.starts_with("put");
                let send = Send {
                    message,
                    routing: None,
                    transaction: None,
                    retain: false,
                    packet: None,
                    upload: None,
                    ticket: Some(ticket),
                };
                out.commands.push(Command::Send(session, send));
            }
            "flood" => {
                number();
                let (messages, bytes) = (number().unwrap_or(0), number().unwrap_or(0));
                out.commands.push(Command::Consumer(
                    ConsumerId(1),
                    ConsumerCommand::Open(Box::new(ConsumerOpen {
                        session,
                        address: "flood".into(),
                        routing: None,
                        subscription: Subscription::Temporary,
                        selector: String::new(),
                        no_local: false,
                        priority: 0,
                        credit: Credit { messages, bytes },
                        settling: Settling::ByDelivery,
                        retained: false,
                        kept: None,
                        ticket: Ticket(0),
                    })),
                ));
            }
            "big" => {
                number();
                self.missing = usize::try_from(number().unwrap_or(0)).unwrap_or(0);
            }
            "timer" => {
                let delete =
                    hind_engine::command::ResourceCommand::DeleteQueue { queue: "q".into() };
                out.commands
                    .push(Command::Resource(session, delete, Ticket(0)));
            }
            "beat" => self.beat = Some(now.monotonic.after(Duration::from_millis(10))),
            "panic" => panic!("a toy machine was told to"),
            "bad" => {
                out.bytes.head().extend_from_slice(b"error: bad\n");
                return Err(PeerViolation {
                    clause: "toy 1.1",
                    detail: "bad".to_owned(),
                });
            }
            "bye" => {
                out.bytes.head().extend_from_slice(b"bye\n");
                out.close = Some(Close::Orderly);
            }
            other => panic!("the toy protocol does not know {other:?}"),
        }
        Ok(())
    }
}

impl Connection for ToyMachine {
    fn receive(
        &mut self,
        now: Now,
        input: &mut BytesMut,
        out: &mut Outbound,
    ) -> Result<(), PeerViolation> {
        loop {
            if self.missing > 0 {
                if input.len() < self.missing {
                    return Ok(());
                }
                let body = input.split_to(self.missing);
                let received = &self.seen.bytes_received;
                received.fetch_add(body.len() as u64, Ordering::SeqCst);
                self.missing = 0;
                out.bytes.head().extend_from_slice(b"got it\n");
            }
            if self.logging_in {
                return Ok(());
            }
            let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
                return Ok(());
            };
            let line = input.split_to(end + 1);
            let line = std::str::from_utf8(&line[..end]).expect("text");
            self.line(now, line, out)?;
        }
    }

    fn event(&mut self, _now: Now, event: Event, out: &mut Outbound) {
        match event {
            Event::LoggedIn(_, identity) => {
                self.logging_in = false;
                let welcome = format!("hello {}\n", identity.user);
                out.bytes.head().extend_from_slice(welcome.as_bytes());
                let open = SessionCommand::Open {
                    identity,
                    client_id: None,
                };
                out.commands.push(Command::Session(SessionId(1), open));
            }
            Event::Refused(_, refusal) => {
                let text = format!("refused: {refusal}\n");
                out.bytes.head().extend_from_slice(text.as_bytes());
                out.close = Some(Close::Refused(refusal.to_string()));
            }
            Event::Done(Ticket(number)) => {
                let done = format!("ok {number}\n");
                out.bytes.head().extend_from_slice(done.as_bytes());
            }
            Event::Deliver(delivery) => {
                out.bytes
                    .payload(delivery.message.body.inline().expect("in memory"));
                out.bytes.head().extend_from_slice(b"\n");
            }
            Event::Stopping => {
                out.bytes.head().extend_from_slice(b"stopping\n");
                out.close = Some(Close::Orderly);
            }
            other => panic!("the toy protocol does not know {other:?}"),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.beat
    }

    fn expire(&mut self, now: Now, out: &mut Outbound) {
        out.bytes.head().extend_from_slice(b"beat\n");
        self.beat = Some(now.monotonic.after(Duration::from_millis(10)));
    }

    fn paused(&self) -> bool {
        self.logging_in
    }
}

/// Lets everybody in but `eve`, slowly.
#[derive(Debug)]
pub struct Doorman(pub Arc<Seen>);

impl Authenticator for Doorman {
    fn check(&self, credentials: &Credentials) -> Result<Identity, Rejected> {
        self.0.logins.fetch_add(1, Ordering::SeqCst);
        match credentials.user.as_deref() {
            Some("eve") => Err(Rejected),
            user => Ok(Identity {
                user: user.unwrap_or("nobody").into(),
                ..Identity::default()
            }),
        }
    }
}

/// Makes toy machines.
pub fn machine(seen: &Arc<Seen>) -> Machine {
    let seen = Arc::clone(seen);
    Arc::new(move |_: &Opening| {
        Box::new(ToyMachine {
            seen: Arc::clone(&seen),
            tickets: 0,
            logging_in: false,
            missing: 0,
            beat: None,
        })
    })
}

/// An acceptor on a free port of the loopback that speaks toy and calls it STOMP.
pub fn acceptor(seen: &Arc<Seen>) -> AcceptorOptions {
    let served = Served {
        protocol: Protocol::Stomp,
        machine: Some(machine(seen)),
    };
    AcceptorOptions::new("toy", "127.0.0.1", 0, vec![served])
}

/// Options of a broker that keeps nothing.
pub fn options(seen: &Arc<Seen>) -> BrokerOptions {
    let mut options = BrokerOptions::new("toy", Arc::new(Doorman(Arc::clone(seen))));
    options.acceptors.push(acceptor(seen));
    options
}

/// The same with a journal below `path`.
pub fn durable_options(seen: &Arc<Seen>, path: &std::path::Path) -> BrokerOptions {
    let mut options = options(seen);
    options.directories = Directories {
        journal: path.join("journal"),
        bindings: path.join("bindings"),
        create_journal: true,
        create_bindings: true,
        ..Directories::default()
    };
    options.journal = Some(JournalOptions {
        segment_size: 1 << 20,
        ..JournalOptions::default()
    });
    options
}

/// Starts a toy broker.
pub fn start(seen: &Arc<Seen>, options: BrokerOptions) -> BrokerHandle {
    Broker::start(options, Box::new(ToyNode::new(seen))).expect("starts")
}

/// The first address clients may connect to.
pub fn address(broker: &BrokerHandle) -> SocketAddr {
    broker.addresses().first().expect("the doors are open").1
}

/// A client that speaks toy.
pub struct Client {
    pub socket: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("connects");
        socket.set_nodelay(true).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a socket");
        let reader = BufReader::new(socket.try_clone().expect("a socket"));
        Self { socket, reader }
    }

    pub fn login(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.send("login ann\n");
        assert_eq!(client.line(), "hello ann");
        client
    }

    pub fn send(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).expect("writes");
    }

    /// The next line; empty at the end of the stream.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("reads");
        line.trim_end_matches('\n').to_owned()
    }

    /// Whether the broker has closed the connection, and nothing is left to read.
    pub fn is_closed(&mut self) -> bool {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// This process's resident memory in bytes.
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map_or(0, |pages: usize| pages * rustix::param::page_size())
}
