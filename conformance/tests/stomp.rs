// SPDX-License-Identifier: Apache-2.0
//! STOMP frames against the whole broker: the protocol's machine and the node, with a disk that answers when the test
//! says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hind_engine::address::settings::AddressSettingsOverrides;
use hind_engine::event::Event;
use hind_engine::id::ConnectionId;
use hind_engine::protocol::{Connection as _, Outbound};
use hind_engine::security::user::Identity;
use hind_engine::storage::request::{Batch, Completion, Request};
use hind_engine::time::{Instant, Now};
use hind_ha::effect::Effects;
use hind_ha::input::Input;
use hind_ha::{Node, Seed, Settings};
use hind_stomp::{Connection, Options};

/// A broker, its clients' machines, and what each client has read.
struct Broker {
    node: Node,
    now: Now,
    machines: BTreeMap<ConnectionId, Connection>,
    read: BTreeMap<ConnectionId, Vec<u8>>,
    waiting: Vec<Batch>,
    hold_disk: bool,
}

impl Broker {
    fn start(settings: Settings) -> Self {
        let mut broker = Self {
            node: Node::new(settings, Seed(7)),
            now: Now {
                monotonic: Instant::from_nanos(1),
                wall: 1_000_000,
            },
            machines: BTreeMap::new(),
            read: BTreeMap::new(),
            waiting: Vec::new(),
            hold_disk: false,
        };
        broker.tell(Input::Start);
        broker
    }

    /// Messages of every address die at their second failure.
    fn with_dead_letters() -> Self {
        let mut settings = Settings::default();
        let overrides = AddressSettingsOverrides {
            dead_letter_address: Some(Some("DLQ".to_owned())),
            max_delivery_attempts: Some(Some(2)),
            ..AddressSettingsOverrides::default()
        };
        let _ = settings.engine.address_settings.insert("q", overrides);
        Self::start(settings)
    }

    fn tell(&mut self, input: Input) {
        let mut effects = Effects::default();
        self.node.handle(self.now, input, &mut effects);
        for (client, event) in effects.events {
            self.event(client, event);
        }
        for request in effects.disk {
            match request {
                Request::Batch(batch) => self.waiting.push(batch),
                Request::ReadState => self.tell(Input::Disk(Completion::State(None))),
                Request::WriteState(_) => self.tell(Input::Disk(Completion::StateWritten)),
                Request::ListSegments => {
                    self.tell(Input::Disk(Completion::Segments(Vec::new())));
                }
                Request::SyncAll => self.tell(Input::Disk(Completion::Synced)),
                Request::ReadSegment(_)
                | Request::Release(_)
                | Request::Page(_)
                | Request::Large(_) => {}
            }
        }
        if !self.hold_disk {
            self.complete_disk();
        }
    }

    fn complete_disk(&mut self) {
        for batch in std::mem::take(&mut self.waiting) {
            self.tell(Input::Disk(Completion::Stored(batch.end)));
        }
    }

    fn event(&mut self, client: ConnectionId, event: Event) {
        let mut out = Outbound::default();
        if let Some(machine) = self.machines.get_mut(&client) {
            machine.event(self.now, event, &mut out);
        }
        self.carry_out(client, out);
    }

    fn carry_out(&mut self, client: ConnectionId, mut out: Outbound) {
        while let Some(bytes) = out.bytes.pop() {
            self.read
                .entry(client)
                .or_default()
                .extend_from_slice(&bytes);
        }
        if !out.commands.is_empty() {
            self.tell(Input::Client(client, out.commands));
        }
        if let Some(login) = out.login {
            let identity = Identity {
                user: login.credentials.user.unwrap_or_default().as_str().into(),
                ..Identity::default()
            };
            self.event(client, Event::LoggedIn(login.ticket, identity));
        }
        if out.close.is_some() {
            self.lose(client);
        }
    }

    fn lose(&mut self, client: ConnectionId) {
        if self.machines.remove(&client).is_some() {
            self.tell(Input::Disconnected(client));
        }
    }

    fn connect(&mut self, client: u64, version: &str) {
        let id = ConnectionId(client);
        self.machines
            .insert(id, Connection::new(Arc::new(Options::default()), id));
        self.tell(Input::Connected(id));
        self.say(
            client,
            &format!("CONNECT\naccept-version:{version}\nhost:h\nclient-id:me\nlogin:alice\n\n"),
        );
        let answer = self.hear(client);
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert!(answer[0].starts_with("CONNECTED"), "{answer:?}");
    }

    /// Sends a frame, the NUL apart.
    fn say(&mut self, client: u64, frame: &str) {
        let id = ConnectionId(client);
        let mut input = BytesMut::from(frame.as_bytes());
        input.extend_from_slice(b"\0\n");
        let mut out = Outbound::default();
        let machine = self.machines.get_mut(&id).expect("connected");
        let _ = machine.receive(self.now, &mut input, &mut out);
        self.carry_out(id, out);
    }

    /// The frames read since the last look.
    fn hear(&mut self, client: u64) -> Vec<String> {
        let bytes = self.read.remove(&ConnectionId(client)).unwrap_or_default();
        let text = String::from_utf8(Bytes::from(bytes).to_vec()).expect("text");
        let frames = text.split('\0').map(|frame| frame.trim_start().to_owned());
        frames.filter(|frame| !frame.is_empty()).collect()
    }

    fn send(&mut self, client: u64, queue: &str, body: &str) {
        self.say(
            client,
            &format!(
                "SEND\ndestination:{queue}\ndestination-type:ANYCAST\npersistent:true\nreceipt:s\n\n{body}"
            ),
        );
        assert_eq!(self.hear(client), ["RECEIPT\nreceipt-id:s\n\n"]);
    }

    fn subscribe(&mut self, client: u64, id: &str, queue: &str, ack: &str) {
        self.say(
            client,
            &format!(
                "SUBSCRIBE\nid:{id}\ndestination:{queue}\nsubscription-type:ANYCAST\nack:{ack}\n\n"
            ),
        );
    }

    fn queue_len(&self, queue: &str) -> Option<usize> {
        let queue = self.node.engine().state().queues.named(queue);
        queue.map(|queue| queue.len())
    }
}

fn header<'a>(frame: &'a str, name: &str) -> &'a str {
    let mut lines = frame.lines().take_while(|line| !line.is_empty());
    let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("{name} in {frame}"))
}

fn body(frame: &str) -> &str {
    frame.split_once("\n\n").map_or("", |(_, body)| body)
}

#[test]
fn nack_brings_a_message_again_and_then_to_the_dead_letter_queue() {
    for version in ["1.1", "1.2"] {
        let mut broker = Broker::with_dead_letters();
        broker.connect(1, version);
        broker.subscribe(1, "dead", "DLQ", "auto");
        broker.send(1, "q", "x");
        broker.subscribe(1, "s", "q", "client-individual");
        for redelivered in ["false", "true"] {
            let frames = broker.hear(1);
            assert_eq!(frames.len(), 1, "{frames:?}");
            assert_eq!(header(&frames[0], "redelivered"), redelivered);
            let id = header(&frames[0], "message-id");
            let nack = match version {
                "1.2" => format!("NACK\nid:{id}\n\n"),
                _ => format!("NACK\nsubscription:s\nmessage-id:{id}\n\n"),
            };
            broker.say(1, &nack);
        }
        let frames = broker.hear(1);
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!(header(&frames[0], "subscription"), "dead");
        assert_eq!(header(&frames[0], "_AMQ_ORIG_QUEUE"), "q");
        assert_eq!(header(&frames[0], "_AMQ_ORIG_ROUTING_TYPE"), "1");
        assert_eq!(body(&frames[0]), "x");
        assert_eq!(broker.queue_len("q"), Some(0));
    }
}

#[test]
fn stomp_1_0_acknowledges_by_message_id_and_has_no_nack() {
    let mut broker = Broker::start(Settings::default());
    broker.connect(1, "1.0");
    broker.send(1, "q", "x");
    broker.subscribe(1, "s", "q", "client");
    let frames = broker.hear(1);
    let id = header(&frames[0], "message-id").to_owned();
    broker.say(1, &format!("ACK\nmessage-id:{id}\nreceipt:a\n\n"));
    assert_eq!(broker.hear(1), ["RECEIPT\nreceipt-id:a\n\n"]);
    assert_eq!(broker.queue_len("q"), Some(0));
    broker.say(1, &format!("NACK\nmessage-id:{id}\n\n"));
    assert!(broker.hear(1)[0].starts_with("ERROR"));
}

#[test]
fn acknowledgements_in_a_transaction_count_when_it_commits_and_not_when_it_aborts() {
    let mut broker = Broker::start(Settings::default());
    broker.connect(1, "1.2");
    for text in ["a", "b"] {
        broker.send(1, "q", text);
    }
    broker.subscribe(1, "s", "q", "client");
    for end in ["ABORT", "COMMIT"] {
        let frames = broker.hear(1);
        let bodies: Vec<_> = frames.iter().map(|frame| body(frame)).collect();
        assert_eq!(bodies, ["a", "b"], "in their order, before {end}");
        let ack = header(&frames[1], "ack").to_owned();
        broker.say(1, "BEGIN\ntransaction:t\n\n");
        broker.say(
            1,
            "SEND\ndestination:out\ndestination-type:ANYCAST\npersistent:true\ntransaction:t\n\ny",
        );
        broker.say(1, &format!("ACK\nid:{ack}\ntransaction:t\n\n"));
        assert_eq!(broker.queue_len("q"), Some(2));
        broker.say(1, &format!("{end}\ntransaction:t\n\n"));
    }
    assert_eq!(
        (broker.queue_len("q"), broker.queue_len("out")),
        (Some(0), Some(1))
    );
}

#[test]
fn a_receipt_is_sent_only_when_the_disk_has_it() {
    let mut broker = Broker::start(Settings::default());
    broker.connect(1, "1.2");
    broker.send(1, "q", "first");
    broker.subscribe(1, "s", "q", "client");
    let ack = header(&broker.hear(1)[0], "ack").to_owned();
    broker.hold_disk = true;
    broker.say(1, &format!("ACK\nid:{ack}\nreceipt:ack\n\n"));
    broker.say(
        1,
        "SEND\ndestination:r\ndestination-type:ANYCAST\npersistent:true\nreceipt:send\n\nx",
    );
    assert_eq!(broker.hear(1), [""; 0]);
    while !broker.waiting.is_empty() {
        broker.complete_disk();
    }
    assert_eq!(
        broker.hear(1),
        [
            "RECEIPT\nreceipt-id:ack\n\n",
            "RECEIPT\nreceipt-id:send\n\n"
        ]
    );
}

#[test]
fn unsubscribing_from_a_durable_subscription_by_its_name_deletes_it() {
    let mut broker = Broker::start(Settings::default());
    broker.connect(1, "1.2");
    broker.say(
        1,
        "SUBSCRIBE\nid:s\ndestination:t\nsubscription-type:MULTICAST\ndurable-subscription-name:d\n\n",
    );
    broker.say(1, "DISCONNECT\nreceipt:bye\n\n");
    assert_eq!(broker.hear(1), ["RECEIPT\nreceipt-id:bye\n\n"]);
    assert_eq!(broker.queue_len("me.d"), Some(0));
    broker.connect(2, "1.2");
    broker.say(
        2,
        "SEND\ndestination:t\ndestination-type:MULTICAST\n\nwhile away",
    );
    assert_eq!(broker.queue_len("me.d"), Some(1));
    broker.say(2, "UNSUBSCRIBE\nid:x\ndurable-subscription-name:d\n\n");
    assert!(broker.hear(2)[0].starts_with("ERROR"), "no such id");
    broker.connect(3, "1.2");
    broker.say(3, "UNSUBSCRIBE\ndurable-subscription-name:d\nreceipt:u\n\n");
    assert_eq!(broker.hear(3), ["RECEIPT\nreceipt-id:u\n\n"]);
    assert_eq!(broker.queue_len("me.d"), None);
}

#[test]
fn the_commit_of_a_transaction_that_timed_out_is_an_error() {
    let mut broker = Broker::start(Settings::default());
    broker.connect(1, "1.2");
    broker.say(1, "BEGIN\ntransaction:t\n\n");
    broker.now.wall += 300_000;
    broker.now.monotonic = broker
        .now
        .monotonic
        .after(std::time::Duration::from_secs(300));
    broker.tell(Input::Time);
    broker.say(1, "COMMIT\ntransaction:t\nreceipt:c\n\n");
    let frames = broker.hear(1);
    assert!(frames[0].starts_with("ERROR"), "{frames:?}");
    assert_eq!(header(&frames[0], "receipt-id"), "c");
}

#[test]
fn the_validated_user_is_shown_and_cannot_be_forged() {
    let mut settings = Settings::default();
    settings.engine.populate_validated_user = true;
    let mut broker = Broker::start(settings);
    broker.connect(1, "1.2");
    broker.subscribe(1, "s", "q", "auto");
    broker.say(
        1,
        "SEND\ndestination:q\ndestination-type:ANYCAST\n_AMQ_VALIDATED_USER:root\nJMSXUserID:root\n\nx",
    );
    let frames = broker.hear(1);
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!(header(&frames[0], "JMSXUserID"), "alice");
    assert!(!frames[0].contains("_AMQ_VALIDATED_USER"));
}
