// SPDX-License-Identifier: Apache-2.0
//! A client and an engine for the machine to stand between: both say what the test tells them to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hind_engine::command::{
    Command, ConsumerCommand, ConsumerOpen, Credit, Send, Settle, TransactionCommand,
};
use hind_engine::event::{Delivery, Event, Refusal};
use hind_engine::id::{ConnectionId, ConsumerId, DeliveryId, MessageId, Ticket};
use hind_engine::message::{Kind, Message};
use hind_engine::protocol::{Close, Connection as _, Outbound, PeerViolation};
use hind_engine::security::user::{Credentials, Identity};
use hind_engine::time::{Instant, Now};
use hind_stomp::{Connection, Options};

/// Milliseconds since 1970 at which every conversation begins.
pub const WALL: u64 = 1_700_000_000_000;

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
    deliveries: u64,
}

impl Talk {
    /// A connection just accepted.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        Self {
            machine: Connection::new(Arc::new(options), ConnectionId(0x2a)),
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
            deliveries: 0,
        }
    }

    /// A client of that version that was let in; nothing of how is left to be looked at.
    pub fn connected(version: &str) -> Self {
        Self::new().connect(&format!("accept-version:{version}\nhost:h\n"))
    }

    /// With these CONNECT headers.
    pub fn connect(mut self, headers: &str) -> Self {
        self.types(&format!("CONNECT\n{headers}\n^@"));
        self.let_in();
        assert!(self.said().starts_with("CONNECTED\n"));
        self.asked();
        self
    }

    /// The client sends text in which `^@` stands for NUL, as in the specifications.
    pub fn types(&mut self, text: &str) {
        self.sends(text.replace("^@", "\0").as_bytes());
    }

    /// The client sends octets.
    pub fn sends(&mut self, octets: &[u8]) {
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

    /// The engine says something; then the host offers what was left unread.
    pub fn tell(&mut self, event: Event) {
        let mut out = Outbound::default();
        self.machine.event(self.now, event, &mut out);
        self.collect(out);
        if !self.input.is_empty() {
            self.receive();
        }
    }

    pub fn done(&mut self, ticket: Option<Ticket>) {
        self.tell(Event::Done(ticket.expect("the command had a ticket")));
    }

    pub fn refuse(&mut self, ticket: Option<Ticket>, refusal: Refusal) {
        self.tell(Event::Refused(ticket, refusal));
    }

    /// The engine delivers a message; its delivery id counts up over the whole conversation.
    pub fn deliver(&mut self, consumer: ConsumerId, message: Message) {
        self.deliver_again(consumer, message, 0);
    }

    pub fn deliver_again(&mut self, consumer: ConsumerId, message: Message, attempts: u32) {
        self.deliveries += 1;
        self.tell(Event::Deliver(Delivery {
            consumer,
            delivery: DeliveryId(self.deliveries),
            packet: None,
            message: Arc::new(message),
            attempts,
        }));
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

    /// What was said since the last look, NUL as `^@`.
    pub fn said(&mut self) -> String {
        String::from_utf8(self.said_octets())
            .expect("frames are text")
            .replace('\0', "^@")
    }

    pub fn said_octets(&mut self) -> Vec<u8> {
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

    /// What was settled; credit given along with it is left out.
    pub fn asked_settles(&mut self) -> Vec<(ConsumerId, Settle)> {
        self.asked()
            .into_iter()
            .filter_map(|command| match command {
                Command::Consumer(consumer, ConsumerCommand::Settle(settle)) => {
                    Some((consumer, settle))
                }
                Command::Consumer(_, ConsumerCommand::Credit(_)) => None,
                other => panic!("expected a settle: {other:?}"),
            })
            .collect()
    }

    /// Credit that was given; what was settled is left out.
    pub fn asked_credit(&mut self) -> Vec<Credit> {
        self.asked()
            .into_iter()
            .filter_map(|command| match command {
                Command::Consumer(_, ConsumerCommand::Credit(credit)) => Some(credit),
                _ => None,
            })
            .collect()
    }

    pub fn asked_transaction(&mut self) -> TransactionCommand {
        match self.asked_one() {
            Command::Transaction(_, command) => command,
            other => panic!("expected a transaction: {other:?}"),
        }
    }

    /// Subscribes and lets the engine open the consumer; nothing of how is left to be looked at.
    pub fn subscribed(&mut self, headers: &str) -> ConsumerId {
        self.types(&format!("SUBSCRIBE\n{headers}\n^@"));
        let (consumer, open) = self.asked_open();
        self.done(Some(open.ticket));
        self.said();
        consumer
    }

    /// What was left unread.
    pub fn unread(&self) -> &[u8] {
        &self.input
    }

    pub fn is_open(&self) -> bool {
        self.close.is_none()
    }

    /// The ERROR frame that closed the connection because the client broke a clause.
    pub fn violated(&mut self) -> String {
        assert!(self.violation.is_some(), "no clause was broken");
        self.given_up()
    }

    /// The ERROR frame that closed the connection.
    pub fn given_up(&mut self) -> String {
        assert!(
            matches!(self.close, Some(Close::Refused(_))),
            "{:?}",
            self.close
        );
        let said = self.said();
        let at = said
            .rfind("ERROR\n")
            .unwrap_or_else(|| panic!("no ERROR in {said:?}"));
        assert!(said.ends_with("^@\n"));
        said[at..].to_owned()
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

/// A text message with an id, on address `q`.
pub fn text(id: u64, body: &str) -> Message {
    let mut message = Message::new(
        Arc::from("q"),
        Kind::Text,
        Bytes::copy_from_slice(body.as_bytes()),
    );
    message.id = MessageId(id);
    message.durable = false;
    message
}

/// The value of a header in what was said; of the first frame that has it.
pub fn header<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    said.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

/// The `message` header of an ERROR frame.
pub fn summary(error: &str) -> &str {
    header(error, "message").expect("an ERROR has a message")
}
