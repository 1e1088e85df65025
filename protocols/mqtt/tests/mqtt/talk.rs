// SPDX-License-Identifier: Apache-2.0
//! A client and an engine for the machine to stand between: both say what the test tells them to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hind_engine::command::{
    Attach, ClientSessionCommand, Command, ConsumerCommand, ConsumerOpen, Send, SessionCommand,
};
use hind_engine::event::{Attached, Delivery, Event, Packet, Refusal};
use hind_engine::id::{ConnectionId, ConsumerId, DeliveryId, PacketId, Ticket};
use hind_engine::message::{Kind, Message, Published, Qos};
use hind_engine::protocol::{Close, Connection as _, Outbound, PeerViolation};
use hind_engine::security::user::{Credentials, Identity};
use hind_engine::time::{Instant, Now};
use hind_mqtt::{Connection, Options};

/// Milliseconds since 1970 at which every conversation begins.
pub const WALL: u64 = 1_700_000_000_000;

/// A packet: its first byte, and a body in which `<text>` stands for text behind its length, `'text'` for text alone, and
/// everything else is hexadecimal.
pub fn packet(first: u8, body: &str) -> Vec<u8> {
    let body = octets(body);
    let mut packet = vec![first];
    let mut length = body.len();
    while length > 0x7f {
        packet.push(length as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

/// Octets in the notation of [`packet`].
pub fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '<' => rest.find('>'),
            '\'' => rest[1..].find('\'').map(|end| end + 1),
            _ => None,
        };
        if let Some(end) = end {
            let inner = &rest.as_bytes()[1..end];
            if first == '<' {
                octets.extend((inner.len() as u16).to_be_bytes());
            }
            octets.extend(inner);
            rest = rest[end + 1..].trim_start();
        } else {
            let digits = rest.get(..2).expect("two digits");
            octets.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
            rest = rest[2..].trim_start();
        }
    }
    octets
}

/// One conversation. What the machine says and asks is collected until the test looks at it.
#[derive(Debug)]
pub struct Talk {
    pub machine: Connection,
    pub now: Now,
    pub violation: Option<PeerViolation>,
    pub close: Option<Close>,
    input: BytesMut,
    bytes: Vec<u8>,
    commands: Vec<Command>,
    login: Option<Credentials>,
}

impl Talk {
    /// A connection just accepted.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        Self {
            machine: Connection::new(Arc::new(options), ConnectionId(0x2a), 0x1234_5678_9abc_def0),
            now: Now {
                monotonic: Instant::from_nanos(0),
                wall: WALL,
            },
            violation: None,
            close: None,
            input: BytesMut::new(),
            bytes: Vec::new(),
            commands: Vec::new(),
            login: None,
        }
    }

    /// A client of MQTT 5.0 called `c` that was let in; nothing of how is left to be looked at.
    pub fn v5() -> Self {
        Self::new().connect("<MQTT> 05 02 003c 00 <c>")
    }

    /// The same of MQTT 3.1.1.
    pub fn v3_1_1() -> Self {
        Self::new().connect("<MQTT> 04 02 003c <c>")
    }

    /// The same of MQTT 3.1.
    pub fn v3_1() -> Self {
        Self::new().connect("<MQIsdp> 03 02 003c <c>")
    }

    /// With the body of a CONNECT.
    pub fn connect(mut self, body: &str) -> Self {
        self.sends(0x10, body);
        self.let_in();
        self.attach(Attached::default());
        let said = self.said();
        assert_eq!((said[0], said[3]), (0x20, 0), "{said:x?}");
        self.asked();
        self
    }

    /// The client sends a packet.
    pub fn sends(&mut self, first: u8, body: &str) {
        self.sends_octets(&packet(first, body));
    }

    /// The client sends octets.
    pub fn sends_octets(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        self.receive();
    }

    pub fn login(&mut self) -> Credentials {
        self.login.take().expect("the machine asked for a login")
    }

    pub fn let_in(&mut self) {
        let user = self.login().user.unwrap_or_default();
        self.tell(Event::LoggedIn(
            Ticket(0),
            Identity {
                user: Arc::from(user),
                roles: Arc::new(BTreeSet::new()),
            },
        ));
    }

    /// The engine takes up the client's session; what was asked for it.
    pub fn attach(&mut self, attached: Attached) -> Attach {
        let commands = self.asked();
        let [
            Command::Session(_, SessionCommand::Open { .. }),
            Command::ClientSession(_, ClientSessionCommand::Attach(attach)),
        ] = &commands[..]
        else {
            panic!("expected a session to be opened and taken up: {commands:?}");
        };
        self.tell(Event::Attached(attach.ticket, Box::new(attached)));
        (**attach).clone()
    }

    /// The engine says something; then the host offers what was left unread.
    pub fn tell(&mut self, event: Event) {
        let mut out = Outbound::default();
        self.machine.event(self.now, event, &mut out);
        self.collect(out);
        if !self.input.is_empty() && !self.machine.paused() {
            self.receive();
        }
    }

    pub fn done(&mut self, ticket: Option<Ticket>) {
        self.tell(Event::Done(ticket.expect("the command had a ticket")));
    }

    pub fn refuse(&mut self, ticket: Option<Ticket>, refusal: Refusal) {
        self.tell(Event::Refused(ticket, refusal));
    }

    /// The engine delivers a message with QoS 0.
    pub fn deliver(&mut self, consumer: ConsumerId, message: Message) {
        self.tell(delivery(consumer, None, message));
    }

    /// The engine delivers a message with a packet identifier.
    pub fn deliver_with(&mut self, consumer: ConsumerId, id: u16, qos: Qos, message: Message) {
        let packet = Packet {
            id: PacketId(id),
            qos,
            again: false,
        };
        self.tell(delivery(consumer, Some(packet), message));
    }

    /// Time passes; the host does what it has to when a deadline passes.
    pub fn passes(&mut self, time: Duration) {
        self.now.monotonic = self.now.monotonic.after(time);
        self.now.wall += time.as_millis() as u64;
        if self
            .machine
            .deadline()
            .is_some_and(|deadline| deadline <= self.now.monotonic)
        {
            let mut out = Outbound::default();
            self.machine.expire(self.now, &mut out);
            self.collect(out);
        }
    }

    /// What was said since the last look.
    pub fn said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// What was asked since the last look.
    pub fn asked(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// The only thing that was asked.
    pub fn asked_one(&mut self) -> Command {
        let mut commands = self.asked();
        assert_eq!(commands.len(), 1, "{commands:?}");
        commands.remove(0)
    }

    pub fn asked_send(&mut self) -> Send {
        match self.asked_one() {
            Command::Send(_, send) => send,
            other => panic!("expected a send: {other:?}"),
        }
    }

    pub fn asked_open(&mut self) -> (ConsumerId, ConsumerOpen) {
        match self.asked_one() {
            Command::Consumer(consumer, ConsumerCommand::Open(open)) => (consumer, *open),
            other => panic!("expected a consumer: {other:?}"),
        }
    }

    pub fn asked_of_session(&mut self) -> ClientSessionCommand {
        match self.asked_one() {
            Command::ClientSession(_, command) => command,
            other => panic!("expected something of the client session: {other:?}"),
        }
    }

    /// Subscribes and lets the engine open the consumer; nothing of how is left to be looked at. `body` is what follows the
    /// packet identifier.
    pub fn subscribed(&mut self, body: &str) -> ConsumerId {
        self.sends(0x82, &format!("0001 {body}"));
        let (consumer, open) = self.asked_open();
        self.done(Some(open.ticket));
        assert_eq!(self.said()[0], 0x90);
        consumer
    }

    /// What was left unread.
    pub fn unread(&self) -> &[u8] {
        &self.input
    }

    pub fn is_open(&self) -> bool {
        self.close.is_none()
    }

    /// The last packet of a connection that was closed because the client broke a clause.
    pub fn violated(&mut self) -> Vec<u8> {
        assert!(self.violation.is_some(), "no clause was broken");
        self.given_up()
    }

    /// The last packet of a connection that was closed.
    pub fn given_up(&mut self) -> Vec<u8> {
        assert!(
            matches!(self.close, Some(Close::Refused(_))),
            "{:?}",
            self.close
        );
        self.said()
    }

    fn receive(&mut self) {
        let mut out = Outbound::default();
        if let Err(violation) = self.machine.receive(self.now, &mut self.input, &mut out) {
            self.violation = Some(violation);
        }
        self.collect(out);
    }

    fn collect(&mut self, mut out: Outbound) {
        assert!(
            self.close.is_none() || (out.bytes.is_empty() && out.commands.is_empty()),
            "a closed machine is silent: {out:?}"
        );
        while let Some(segment) = out.bytes.pop() {
            self.bytes.extend_from_slice(&segment);
        }
        self.commands.append(&mut out.commands);
        self.login = out
            .login
            .map(|login| login.credentials)
            .or(self.login.take());
        self.close = out.close.or(self.close.take());
    }
}

fn delivery(consumer: ConsumerId, packet: Option<Packet>, message: Message) -> Event {
    Event::Deliver(Delivery {
        consumer,
        delivery: DeliveryId(0),
        packet,
        message: Arc::new(message),
        attempts: 0,
    })
}

/// A message published by `p` on the address `a.b`.
pub fn published(body: &str) -> Message {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut message = Message::new(Arc::from("a.b"), Kind::Bytes, body);
    message.published = Some(Published {
        client_id: Arc::from("p"),
        qos: Qos::ExactlyOnce,
        retain: false,
        stored: false,
    });
    message
}
