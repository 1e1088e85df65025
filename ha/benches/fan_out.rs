// SPDX-License-Identifier: Apache-2.0
//! What one delivery of a message to many subscribers costs the turn: each subscriber with a client session and a
//! non-durable queue of its own, as MQTT's clean sessions have them. With QoS 1 each delivery is acknowledged by its packet
//! id. The disk answers at once and keeps nothing.
//!
//! `cargo bench -p hind-ha --bench fan_out`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hind_engine::address::routing_type::RoutingType;
use hind_engine::client_session::SessionExpiry;
use hind_engine::command::{
    Attach, ClientSessionCommand, Command, ConsumerCommand, ConsumerOpen, Credit, Send,
    SessionCommand, Settling, Subscription,
};
use hind_engine::event::Event;
use hind_engine::id::{ConnectionId, ConsumerId, SessionId, Ticket};
use hind_engine::message::{Kind, Message, Published, Qos};
use hind_engine::security::user::Identity;
use hind_engine::storage::Content;
use hind_engine::storage::request::{Completion, PageCompletion, PageRequest, Request};
use hind_engine::time::Now;
use hind_ha::effect::Effects;
use hind_ha::input::Input;
use hind_ha::{Node, Seed, Settings};

const PUBLISHER: ConnectionId = ConnectionId(1_000_000);
const SESSION: SessionId = SessionId(1);
/// Messages of one turn: what a busy socket brings at once.
const BATCH: usize = 50;

struct Bench {
    node: Node,
    effects: Effects,
}

impl Bench {
    fn start() -> Self {
        let mut settings = Settings::default();
        settings.engine.expiry_scan_period = None;
        settings.engine.address_queue_scan_period = None;
        let mut bench = Self {
            node: Node::new(settings, Seed(1)),
            effects: Effects::default(),
        };
        bench.turn([Input::Start]);
        bench.connect(PUBLISHER);
        bench
    }

    /// One turn, and those in which the disk answers it; the packets delivered in them.
    fn turn(&mut self, inputs: impl IntoIterator<Item = Input>) -> Vec<(ConnectionId, Event)> {
        let mut events = Vec::new();
        let mut inputs: Vec<Input> = inputs.into_iter().collect();
        while !inputs.is_empty() {
            self.node
                .handle_all(Now::default(), inputs.drain(..), &mut self.effects);
            events.append(&mut self.effects.events);
            let answers = self.effects.disk.drain(..).filter_map(answer);
            inputs.extend(answers.map(Input::Disk));
        }
        events
    }

    fn connect(&mut self, client: ConnectionId) {
        let open = SessionCommand::Open {
            identity: Identity::default(),
            client_id: None,
        };
        let attach = Attach {
            client_id: format!("client{client}").into(),
            clean: true,
            expiry: SessionExpiry::AT_ONCE,
            window: u16::MAX,
            will: None,
            take_over: true,
            ticket: Ticket(0),
        };
        let attach = ClientSessionCommand::Attach(Box::new(attach));
        let commands = vec![
            Command::Session(SESSION, open),
            Command::ClientSession(SESSION, attach),
        ];
        self.turn([Input::Connected(client), Input::Client(client, commands)]);
    }

    fn subscribe(&mut self, client: ConnectionId, address: &Arc<str>, settling: Settling) {
        self.connect(client);
        let open = ConsumerOpen {
            session: SESSION,
            address: Arc::clone(address),
            routing: Some(RoutingType::Multicast),
            subscription: Subscription::Named {
                queue: format!("client{client}.{address}").into(),
                durable: false,
                shared: false,
            },
            selector: String::new(),
            no_local: false,
            priority: 0,
            credit: Credit::messages(Credit::UNLIMITED),
            settling,
            retained: false,
            kept: None,
            ticket: Ticket(0),
        };
        let open = ConsumerCommand::Open(Box::new(open));
        let commands = vec![Command::Consumer(ConsumerId(1), open)];
        self.turn([Input::Client(client, commands)]);
    }

    /// Publishes a batch and acknowledges what it brings; how many deliveries that was.
    fn round(&mut self, address: &Arc<str>, body: &Bytes, qos: Qos) -> usize {
        let client_id: Arc<str> = "publisher".into();
        let send = |_| {
            let mut message = Message::new(Arc::clone(address), Kind::Bytes, body.clone());
            message.durable = qos != Qos::AtMostOnce;
            message.published = Some(Published {
                client_id: Arc::clone(&client_id),
                qos,
                retain: false,
                stored: false,
            });
            let send = Send {
                message,
                retain: false,
                packet: None,
                routing: Some(RoutingType::Multicast),
                transaction: None,
                upload: None,
                ticket: (qos != Qos::AtMostOnce).then_some(Ticket(1)),
            };
            Command::Send(SESSION, send)
        };
        let commands = (0..BATCH).map(send).collect();
        let events = self.turn([Input::Client(PUBLISHER, commands)]);
        let mut deliveries = 0;
        let mut acknowledgements: Vec<(ConnectionId, Vec<Command>)> = Vec::new();
        for (to, event) in events {
            let Event::Deliver(delivery) = event else {
                continue;
            };
            deliveries += 1;
            let Some(packet) = delivery.packet else {
                continue;
            };
            let command = ClientSessionCommand::Acknowledge(packet.id, None);
            let command = Command::ClientSession(SESSION, command);
            match acknowledgements.last_mut() {
                Some((last, commands)) if *last == to => commands.push(command),
                _ => acknowledgements.push((to, vec![command])),
            }
        }
        let inputs = acknowledgements.into_iter();
        self.turn(inputs.map(|(client, commands)| Input::Client(client, commands)));
        deliveries
    }
}

fn answer(request: Request) -> Option<Completion> {
    Some(match request {
        Request::Batch(batch) => Completion::Stored(batch.end),
        Request::Release(_) => return None,
        Request::WriteState(_) => Completion::StateWritten,
        Request::ReadState => Completion::State(None),
        Request::ListSegments => Completion::Segments(Vec::new()),
        Request::ReadSegment(segment) => {
            Completion::Segment(segment, Content::of(segment, Bytes::new()))
        }
        Request::SyncAll => Completion::Synced,
        Request::Page(PageRequest::List) => Completion::Page(PageCompletion::Pages(Vec::new())),
        Request::Large(_) => return None,
        Request::Page(_) => unreachable!("nothing pages: {request:?}"),
    })
}

fn measure(subscribers: usize, qos: Qos) {
    const DELIVERIES: usize = 1_000_000;
    let mut bench = Bench::start();
    let address: Arc<str> = "topic".into();
    for client in 1..=subscribers as u64 {
        bench.subscribe(ConnectionId(client), &address, Settling::ByPacket(qos));
    }
    let body = Bytes::from(vec![b'x'; 100]);
    assert_eq!(bench.round(&address, &body, qos), subscribers * BATCH);
    let began = Instant::now();
    let mut done = 0;
    while done < DELIVERIES {
        done += bench.round(&address, &body, qos);
    }
    let each = began.elapsed().as_nanos() / done as u128;
    let qos = qos as u8;
    println!("{subscribers:>6} subscribers, QoS {qos}: {each:>5} ns per delivery");
}

fn main() {
    for subscribers in [1, 50, 1_000] {
        measure(subscribers, Qos::AtMostOnce);
        measure(subscribers, Qos::AtLeastOnce);
    }
}
