// SPDX-License-Identifier: Apache-2.0
//! What one message costs the turn: sent, routed, logged, delivered and acknowledged, with 1, 100 and 10,000 queues.
//! The disk answers at once and keeps nothing, so this is the engine and the journal's encoding alone.
//!
//! `cargo bench -p hind-ha --bench turn`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hind_engine::address::routing_type::RoutingType;
use hind_engine::command::{
    Command, ConsumerCommand, ConsumerOpen, Credit, Deliveries, Outcome, Send, SessionCommand,
    Settle, Settling, Subscription,
};
use hind_engine::event::Event;
use hind_engine::id::{ConnectionId, ConsumerId, SessionId, Ticket};
use hind_engine::message::{Kind, Message};
use hind_engine::security::user::Identity;
use hind_engine::storage::Content;
use hind_engine::storage::request::{Completion, PageCompletion, PageRequest, Request};
use hind_engine::time::Now;
use hind_ha::effect::Effects;
use hind_ha::input::Input;
use hind_ha::{Node, Seed, Settings};

const CLIENT: ConnectionId = ConnectionId(1);
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
        let node = Node::new(settings, Seed(1));
        let mut bench = Self {
            node,
            effects: Effects::default(),
        };
        bench.turn(Input::Start);
        bench.turn(Input::Connected(CLIENT));
        let identity = Identity::default();
        let client_id = None;
        let open = SessionCommand::Open {
            identity,
            client_id,
        };
        bench.ask(vec![Command::Session(SESSION, open)]);
        bench
    }

    /// One turn, and those in which the disk answers it.
    fn turn(&mut self, input: Input) -> Vec<Event> {
        let mut events = Vec::new();
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            self.node
                .handle_all(Now::default(), inputs.drain(..), &mut self.effects);
            events.extend(self.effects.events.drain(..).map(|(_, event)| event));
            inputs.extend(
                self.effects
                    .disk
                    .drain(..)
                    .filter_map(answer)
                    .map(Input::Disk),
            );
        }
        events
    }

    fn ask(&mut self, commands: Vec<Command>) -> Vec<Event> {
        self.turn(Input::Client(CLIENT, commands))
    }

    fn consume(&mut self, consumer: u64, address: &Arc<str>) {
        let open = ConsumerOpen {
            session: SESSION,
            address: Arc::clone(address),
            routing: Some(RoutingType::Anycast),
            subscription: Subscription::Temporary,
            selector: String::new(),
            no_local: false,
            priority: 0,
            credit: Credit::messages(Credit::UNLIMITED),
            settling: Settling::ByDelivery,
            retained: false,
            kept: None,
            ticket: Ticket(0),
        };
        self.ask(vec![Command::Consumer(
            ConsumerId(consumer),
            ConsumerCommand::Open(Box::new(open)),
        )]);
    }

    /// Sends a batch, takes the deliveries, acknowledges them.
    fn round(&mut self, messages: Vec<Message>) -> usize {
        let send = |message| {
            let routing = Some(RoutingType::Anycast);
            Command::Send(
                SESSION,
                Send {
                    message,
                    routing,
                    transaction: None,
                    retain: false,
                    packet: None,
                    upload: None,
                    ticket: Some(Ticket(1)),
                },
            )
        };
        let events = self.ask(messages.into_iter().map(send).collect());
        let settles: Vec<Command> = events
            .into_iter()
            .filter_map(|event| match event {
                Event::Deliver(delivery) => Some(Command::Consumer(
                    delivery.consumer,
                    ConsumerCommand::Settle(Settle {
                        deliveries: Deliveries::One(delivery.delivery),
                        outcome: Outcome::Accepted,
                        transaction: None,
                        ticket: None,
                    }),
                )),
                _ => None,
            })
            .collect();
        let done = settles.len();
        self.ask(settles);
        done
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

fn measure(queues: usize, durable: bool, size: usize) {
    const MESSAGES: usize = 300_000;
    let mut bench = Bench::start();
    let names: Vec<Arc<str>> = (0..queues).map(|n| format!("queue.{n}").into()).collect();
    for (consumer, name) in names.iter().enumerate() {
        bench.consume(consumer as u64, name);
    }
    let body = Bytes::from(vec![b'x'; size]);
    let mut next = 0;
    let mut batch = || -> Vec<Message> {
        (0..BATCH)
            .map(|_| {
                next += 1;
                let name = Arc::clone(&names[next % names.len()]);
                let mut message = Message::new(name, Kind::Bytes, body.clone());
                message.durable = durable;
                message
            })
            .collect()
    };
    bench.round(batch());
    let began = Instant::now();
    let mut done = 0;
    while done < MESSAGES {
        done += bench.round(batch());
    }
    let each = began.elapsed().as_nanos() / done as u128;
    let kind = if durable { "durable" } else { "non-durable" };
    println!(
        "{queues:>6} queues, {size:>4} B {kind:<11}: {each:>5} ns per message sent, delivered and acknowledged"
    );
}

fn main() {
    for queues in [1, 100, 10_000] {
        measure(queues, true, 1024);
        measure(queues, false, 100);
    }
}
