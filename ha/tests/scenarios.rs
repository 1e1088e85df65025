// SPDX-License-Identifier: Apache-2.0
//! A node driven by hand: situation → outcome. The disk is a vector of batches that the test completes when it likes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hind_engine::address::matches::Matches;
use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::routing_type::RoutingType::{self, Anycast, Multicast};
use hind_engine::address::settings::{AddressSettingsOverrides, Factor};
use hind_engine::command::*;
use hind_engine::event::{Event, Refusal};
use hind_engine::id::*;
use hind_engine::message::properties::{self, PropertiesBuilder, Value};
use hind_engine::message::{Kind, Message};
use hind_engine::security::permissions::{Permission, Permissions};
use hind_engine::security::user::Identity;
use hind_engine::storage::request::{Batch, Completion, Request, Segment};
use hind_engine::time::{Instant, Now};
use hind_ha::effect::{Door, Effects};
use hind_ha::input::{Input, Operation};
use hind_ha::{Node, Seed, Settings};

/// A node, what its disk holds, and what its clients have been told.
struct Broker {
    node: Node,
    settings: Settings,
    now: Now,
    files: BTreeMap<Segment, Vec<u8>>,
    state: Option<Bytes>,
    waiting: Vec<Batch>,
    hold_disk: bool,
    events: Vec<(ConnectionId, Event)>,
    doors: Vec<Door>,
    tickets: u64,
}

const SESSION: SessionId = SessionId(1);

impl Broker {
    fn start(settings: Settings) -> Self {
        let mut broker = Self {
            node: Node::new(settings.clone(), Seed(7)),
            settings,
            now: Now {
                monotonic: Instant::from_nanos(1),
                wall: 1_000_000,
            },
            files: BTreeMap::new(),
            state: None,
            waiting: Vec::new(),
            hold_disk: false,
            events: Vec::new(),
            doors: Vec::new(),
            tickets: 0,
        };
        broker.input(Input::Start);
        assert_eq!(broker.doors, [Door::Open]);
        broker
    }

    fn with(address_settings: &[(&str, AddressSettingsOverrides)]) -> Self {
        let mut settings = Settings::default();
        for (pattern, overrides) in address_settings {
            let _ = settings
                .engine
                .address_settings
                .insert(pattern, overrides.clone());
        }
        Self::start(settings)
    }

    /// The process dies: what the disk has been told and not answered is lost.
    fn crash_and_restart(&mut self) {
        self.node = Node::new(self.settings.clone(), Seed(8));
        self.waiting.clear();
        self.events.clear();
        self.doors.clear();
        self.hold_disk = false;
        self.input(Input::Start);
        assert_eq!(self.doors, [Door::Open]);
    }

    fn input(&mut self, input: Input) {
        let mut effects = Effects::default();
        self.node.handle(self.now, input, &mut effects);
        self.events.append(&mut effects.events);
        self.doors.append(&mut effects.doors);
        for request in effects.disk {
            self.execute(request);
        }
        self.node.engine().state().check();
    }

    fn execute(&mut self, request: Request) {
        let completion = match request {
            Request::Batch(batch) => {
                self.waiting.push(batch);
                if !self.hold_disk {
                    self.complete_disk();
                }
                return;
            }
            Request::Release(segment) => {
                self.files.remove(&segment);
                return;
            }
            Request::WriteState(state) => {
                self.state = Some(state);
                Completion::StateWritten
            }
            Request::ReadState => Completion::State(self.state.clone()),
            Request::ListSegments => Completion::Segments(self.files.keys().copied().collect()),
            Request::ReadSegment(segment) => {
                Completion::Segment(segment, Bytes::from(self.files[&segment].clone()))
            }
            Request::SyncAll => Completion::Synced,
        };
        self.input(Input::Disk(completion));
    }

    fn complete_disk(&mut self) {
        for batch in std::mem::take(&mut self.waiting) {
            for write in &batch.writes {
                let file = self
                    .files
                    .entry(write.segment)
                    .or_insert_with(|| vec![0; 10 << 20]);
                let mut at = usize::try_from(write.offset).expect("small");
                for piece in &write.pieces {
                    file[at..at + piece.len()].copy_from_slice(piece);
                    at += piece.len();
                }
            }
            self.input(Input::Disk(Completion::Stored(batch.end)));
        }
    }

    fn connect(&mut self, client: u64, user: &str) {
        let client = ConnectionId(client);
        self.input(Input::Connected(client));
        let roles = Arc::new([user.to_owned()].into());
        let identity = Identity {
            user: user.into(),
            roles,
        };
        self.ask(
            client.0,
            Command::Session(
                SESSION,
                SessionCommand::Open {
                    identity,
                    client_id: None,
                },
            ),
        );
    }

    fn ask(&mut self, client: u64, command: Command) {
        self.input(Input::Client(ConnectionId(client), vec![command]));
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn send(&mut self, client: u64, message: Message, routing: Option<RoutingType>) -> Ticket {
        self.send_in(client, message, routing, None)
    }

    fn send_in(
        &mut self,
        client: u64,
        message: Message,
        routing: Option<RoutingType>,
        transaction: Option<TransactionId>,
    ) -> Ticket {
        let ticket = self.ticket();
        let send = Send {
            message,
            routing,
            transaction,
            ticket: Some(ticket),
        };
        self.ask(client, Command::Send(SESSION, send));
        ticket
    }

    fn consume(
        &mut self,
        client: u64,
        consumer: u64,
        address: &str,
        routing: Option<RoutingType>,
    ) -> Ticket {
        self.consume_with(client, consumer, address, routing, |_| {})
    }

    fn consume_with(
        &mut self,
        client: u64,
        consumer: u64,
        address: &str,
        routing: Option<RoutingType>,
        change: impl FnOnce(&mut ConsumerOpen),
    ) -> Ticket {
        let ticket = self.ticket();
        let mut open = ConsumerOpen {
            session: SESSION,
            address: address.into(),
            routing,
            subscription: Subscription::Temporary,
            selector: String::new(),
            no_local: false,
            priority: 0,
            credit: Credit::messages(Credit::UNLIMITED),
            ticket,
        };
        change(&mut open);
        self.ask(
            client,
            Command::Consumer(ConsumerId(consumer), ConsumerCommand::Open(Box::new(open))),
        );
        ticket
    }

    fn settle(&mut self, client: u64, consumer: u64, delivery: u64, outcome: Outcome) -> Ticket {
        self.settle_in(client, consumer, delivery, outcome, None)
    }

    fn settle_in(
        &mut self,
        client: u64,
        consumer: u64,
        delivery: u64,
        outcome: Outcome,
        transaction: Option<TransactionId>,
    ) -> Ticket {
        let ticket = self.ticket();
        let deliveries = Deliveries::One(DeliveryId(delivery));
        let settle = Settle {
            deliveries,
            outcome,
            transaction,
            ticket: Some(ticket),
        };
        self.ask(
            client,
            Command::Consumer(ConsumerId(consumer), ConsumerCommand::Settle(settle)),
        );
        ticket
    }

    fn transaction(&mut self, client: u64, id: u64, command: TransactionCommand) {
        self.ask(client, Command::Transaction(TransactionId(id), command));
    }

    /// What `client` has been told since the last look, as short words.
    fn told(&mut self, client: u64) -> Vec<String> {
        let (mine, rest) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|(to, _)| to.0 == client);
        self.events = rest;
        mine.into_iter().map(|(_, event)| describe(event)).collect()
    }

    fn pass(&mut self, millis: u64) {
        self.now.wall += millis;
        self.now.monotonic = self
            .now
            .monotonic
            .after(std::time::Duration::from_millis(millis));
        self.input(Input::Time);
    }

    fn queue_len(&self, name: &str) -> Option<usize> {
        self.node
            .engine()
            .state()
            .queues
            .named(name)
            .map(|queue| queue.len())
    }
}

fn describe(event: Event) -> String {
    match event {
        Event::Done(ticket) => format!("done {ticket}"),
        Event::Refused(_, refusal) => format!("refused {refusal}"),
        Event::Deliver(d) => {
            let body = String::from_utf8_lossy(&d.message.body).into_owned();
            let again = if d.attempts > 0 {
                format!(" again {}", d.attempts)
            } else {
                String::new()
            };
            format!("{} {body} #{}{again}", d.consumer, d.delivery)
        }
        other => format!("{other:?}"),
    }
}

fn message(address: &str, body: &str) -> Message {
    Message::new(
        address.into(),
        Kind::Text,
        Bytes::copy_from_slice(body.as_bytes()),
    )
}

fn with_property(mut message: Message, name: &str, value: Value<'_>) -> Message {
    let mut builder = PropertiesBuilder::default();
    builder.push(name, value);
    message.properties = builder.finish();
    message
}

#[test]
fn a_durable_send_is_neither_confirmed_nor_delivered_before_it_is_stored() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.told(1);
    broker.hold_disk = true;
    let ticket = broker.send(1, message("q", "x"), Some(Anycast));
    assert_eq!(broker.told(1), [""; 0]);
    broker.complete_disk();
    assert_eq!(
        broker.told(1),
        [format!("done {ticket}"), "1 x #1".to_owned()]
    );
}

#[test]
fn a_confirmed_message_survives_a_crash_and_an_unconfirmed_acknowledgement_may_not() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.send(1, message("q", "y"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.told(1);
    broker.settle(1, 1, 1, Outcome::Accepted);
    broker.hold_disk = true;
    broker.settle(1, 1, 2, Outcome::Accepted);
    let durable = broker.node.engine().state().durable_digest();
    broker.crash_and_restart();
    assert_ne!(broker.node.engine().state().durable_digest(), durable);
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(broker.told(2), ["done 6", "1 y #1"]);
}

#[test]
fn replaying_the_log_gives_the_state_that_wrote_it() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for n in 0..50 {
        let mut message = message(["q", "r", "t"][n % 3], &format!("{n}"));
        message.durable = n % 5 != 0;
        let routing = if n % 3 == 2 { Multicast } else { Anycast };
        broker.send(
            1,
            with_property(message, properties::DUPLICATE_ID, Value::Long(n as i64)),
            Some(routing),
        );
    }
    broker.consume(1, 1, "q", None);
    for delivery in [1, 3, 5] {
        broker.settle(1, 1, delivery, Outcome::Accepted);
        broker.settle(1, 1, delivery + 1, Outcome::Failed);
    }
    broker.input(Input::Disconnected(ConnectionId(1)));
    let before = broker.node.engine().state().durable_digest();
    broker.crash_and_restart();
    assert_eq!(broker.node.engine().state().durable_digest(), before);
}

#[test]
fn higher_priorities_first_and_selectors_pick_without_disturbing_the_order() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for (body, priority) in [("low", 1), ("high", 8), ("blue", 4), ("low2", 1)] {
        let mut message = message("q", body);
        message.priority = priority;
        broker.send(
            1,
            with_property(message, "colour", Value::Text(body)),
            Some(Anycast),
        );
    }
    broker.told(1);
    broker.consume_with(1, 1, "q", None, |open| {
        open.selector = "colour = 'blue'".to_owned()
    });
    assert_eq!(broker.told(1)[1..], ["1 blue #1"]);
    broker.consume(1, 2, "q", None);
    assert_eq!(broker.told(1)[1..], ["2 high #1", "2 low #2", "2 low2 #3"]);
}

#[test]
fn credit_bounds_what_is_delivered() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for body in ["a", "b", "c"] {
        broker.send(1, message("q", body), Some(Anycast));
    }
    broker.told(1);
    broker.consume_with(1, 1, "q", None, |open| open.credit = Credit::messages(1));
    assert_eq!(broker.told(1)[1..], ["1 a #1"]);
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Credit(Credit::messages(5))),
    );
    assert_eq!(broker.told(1), ["1 b #2", "1 c #3"]);
}

#[test]
fn multicast_reaches_every_subscription_wildcards_and_selectors_included() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "news.sport", Some(Multicast));
    broker.consume(1, 2, "news.#", Some(Multicast));
    broker.consume_with(1, 3, "news.*", Some(Multicast), |open| {
        open.selector = "AMQPriority > 5".to_owned()
    });
    broker.consume(1, 4, "other", Some(Multicast));
    broker.told(1);
    broker.send(1, message("news.sport", "x"), Some(Multicast));
    assert_eq!(broker.told(1)[1..], ["1 x #1", "2 x #1"]);
}

#[test]
fn a_durable_subscription_collects_while_nobody_reads_it_and_after_a_crash() {
    let mut broker = Broker::with(&[]);
    let durable = |open: &mut ConsumerOpen| {
        open.subscription = Subscription::Named {
            queue: "me.sub".into(),
            durable: true,
            shared: false,
        };
    };
    broker.connect(1, "a");
    broker.consume_with(1, 1, "t", Some(Multicast), durable);
    broker.input(Input::Disconnected(ConnectionId(1)));
    broker.connect(2, "a");
    broker.send(2, message("t", "while away"), Some(Multicast));
    broker.crash_and_restart();
    broker.connect(3, "a");
    broker.consume_with(3, 1, "t", Some(Multicast), durable);
    assert_eq!(broker.told(3)[1..], ["1 while away #1"]);
    broker.consume_with(3, 2, "t", Some(Multicast), durable);
    assert!(
        broker.told(3)[0].starts_with("refused"),
        "an unshared subscription is read by one"
    );
}

#[test]
fn a_message_that_fails_is_tried_again_later_and_at_last_dead_lettered_with_its_origin() {
    let settings = AddressSettingsOverrides {
        dead_letter_address: Some(Some("DLQ".to_owned())),
        max_delivery_attempts: Some(Some(2)),
        redelivery_delay: Some(std::time::Duration::from_millis(100)),
        redelivery_delay_multiplier: Some(Factor::ONE),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("#", settings)]);
    broker.connect(1, "a");
    broker.consume(1, 9, "DLQ", Some(Anycast));
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.told(1);
    broker.settle(1, 1, 1, Outcome::Failed);
    assert_eq!(broker.told(1).len(), 1, "not before its delay");
    broker.pass(100);
    assert_eq!(broker.told(1), ["1 x #2 again 1"]);
    broker.settle(1, 1, 2, Outcome::Failed);
    let events = std::mem::take(&mut broker.events);
    let dead = events.iter().find_map(|(_, event)| match event {
        Event::Deliver(delivery) => Some(delivery.message.clone()),
        _ => None,
    });
    let dead = dead.expect("delivered from the dead-letter queue");
    assert_eq!(
        dead.properties.text(properties::ORIGINAL_ADDRESS),
        Some("q")
    );
    assert_eq!(dead.properties.text(properties::ORIGINAL_QUEUE), Some("q"));
    assert_eq!(broker.queue_len("q"), Some(0));
}

#[test]
fn delivery_attempts_survive_a_crash() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.consume(1, 1, "q", None);
    broker.settle(1, 1, 1, Outcome::Failed);
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(broker.told(2)[1..], ["1 x #1 again 1"]);
}

#[test]
fn an_expired_message_goes_to_the_expiry_address_and_never_to_a_consumer() {
    let settings = AddressSettingsOverrides {
        expiry_address: Some(Some("EXPIRED".to_owned())),
        auto_create_expiry_resources: Some(true),
        ..AddressSettingsOverrides::default()
    };
    let mut broker = Broker::with(&[("#", settings)]);
    broker.connect(1, "a");
    let mut late = message("q", "late");
    late.expiration = broker.now.wall + 50;
    broker.send(1, late, Some(Anycast));
    broker.pass(60);
    broker.told(1);
    broker.consume(1, 1, "q", None);
    assert_eq!(broker.told(1).len(), 1);
    assert_eq!(
        (broker.queue_len("q"), broker.queue_len("EXP.q")),
        (Some(0), Some(1))
    );
}

#[test]
fn the_expiry_scan_finds_what_nobody_consumes() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let mut late = message("q", "late");
    late.expiration = broker.now.wall + 50;
    broker.send(1, late, Some(Anycast));
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), Some(0));
}

#[test]
fn a_scheduled_message_waits_for_its_time_also_over_a_crash() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let at = i64::try_from(broker.now.wall + 500).expect("small");
    broker.send(
        1,
        with_property(
            message("q", "x"),
            properties::SCHEDULED_DELIVERY,
            Value::Long(at),
        ),
        Some(Anycast),
    );
    broker.crash_and_restart();
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    broker.pass(499);
    assert_eq!(broker.told(2).len(), 1);
    broker.pass(1);
    assert_eq!(broker.told(2), ["1 x #1"]);
}

#[test]
fn a_duplicate_id_is_confirmed_and_dropped_also_after_a_crash() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    let once = || {
        with_property(
            message("q", "x"),
            properties::DUPLICATE_ID,
            Value::Text("id-1"),
        )
    };
    broker.send(1, once(), Some(Anycast));
    broker.send(1, once(), Some(Anycast));
    broker.crash_and_restart();
    broker.connect(2, "a");
    let ticket = broker.send(2, once(), Some(Anycast));
    assert_eq!(broker.told(2), [format!("done {ticket}")]);
    assert_eq!(broker.queue_len("q"), Some(1));
}

#[test]
fn a_transaction_is_seen_whole_at_commit_and_not_at_all_after_rollback() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(1, message("in", "work"), Some(Anycast));
    broker.consume(1, 1, "in", None);
    broker.consume(1, 2, "out", Some(Anycast));
    broker.told(1);
    let transaction = Some(TransactionId(5));
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    broker.send_in(1, message("out", "result"), Some(Anycast), transaction);
    broker.settle_in(1, 1, 1, Outcome::Accepted, transaction);
    broker.told(1);
    broker.transaction(1, 5, TransactionCommand::Rollback(Some(Ticket(100))));
    assert_eq!(broker.told(1), ["1 work #2 again 1", "done 100"]);
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    broker.send_in(1, message("out", "result"), Some(Anycast), transaction);
    broker.settle_in(1, 1, 2, Outcome::Accepted, transaction);
    broker.told(1);
    broker.hold_disk = true;
    broker.transaction(1, 5, TransactionCommand::Commit(Some(Ticket(101))));
    assert_eq!(broker.told(1), [""; 0]);
    broker.complete_disk();
    broker.hold_disk = false;
    assert_eq!(broker.told(1), ["done 101", "2 result #1"]);
    assert_eq!(broker.queue_len("in"), Some(0));
}

#[test]
fn a_transaction_with_a_refused_send_cannot_commit() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.send(
        1,
        with_property(
            message("q", "x"),
            properties::DUPLICATE_ID,
            Value::Text("d"),
        ),
        Some(Anycast),
    );
    broker.transaction(1, 5, TransactionCommand::Begin(SESSION));
    let again = with_property(
        message("q", "x"),
        properties::DUPLICATE_ID,
        Value::Text("d"),
    );
    broker.send_in(1, again, Some(Anycast), Some(TransactionId(5)));
    broker.send_in(1, message("q", "y"), Some(Anycast), Some(TransactionId(5)));
    broker.told(1);
    broker.transaction(1, 5, TransactionCommand::Commit(Some(Ticket(100))));
    assert!(broker.told(1)[0].starts_with("refused"));
    assert_eq!(broker.queue_len("q"), Some(1));
}

#[test]
fn what_a_lost_connection_held_goes_back_to_its_place() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    for body in ["a", "b", "c"] {
        broker.send(1, message("q", body), Some(Anycast));
    }
    broker.consume_with(1, 1, "q", None, |open| open.credit = Credit::messages(2));
    broker.input(Input::Disconnected(ConnectionId(1)));
    broker.connect(2, "a");
    broker.consume(2, 1, "q", None);
    assert_eq!(
        broker.told(2)[1..],
        ["1 a #1 again 1", "1 b #2 again 1", "1 c #3"]
    );
}

#[test]
fn permissions_are_those_of_the_most_specific_match() {
    let mut settings = Settings::default();
    settings.engine.security_enabled = true;
    settings.engine.security = Matches::new(WildcardSyntax::default(), None);
    let mut all = Permissions::default();
    for permission in Permission::ALL {
        all.grant(*permission, "admin");
    }
    let mut orders = Permissions::default();
    orders.grant(Permission::Send, "shop");
    let _ = settings.engine.security.insert("#", all);
    let _ = settings.engine.security.insert("orders.#", orders);
    let mut broker = Broker::start(settings);
    broker.connect(1, "admin");
    broker.connect(2, "shop");
    broker.send(1, message("misc", "x"), Some(Anycast));
    assert_eq!(broker.told(1), ["done 1"]);
    broker.send(2, message("misc", "x"), Some(Anycast));
    broker.send(2, message("orders.eu", "x"), Some(Multicast));
    broker.send(1, message("orders.eu", "x"), Some(Multicast));
    let refused = |user, permission, address: &str| {
        let refusal = Refusal::NotAuthorized {
            user: Arc::from(user),
            permission,
            address: address.into(),
            queue: None,
        };
        format!("refused {refusal}")
    };
    assert_eq!(
        broker.told(2),
        [
            refused("shop", Permission::Send, "misc"),
            refused("shop", Permission::CreateAddress, "orders.eu")
        ]
    );
    assert_eq!(
        broker.told(1),
        [refused("admin", Permission::Send, "orders.eu")]
    );
}

#[test]
fn a_failed_disk_confirms_nothing_and_ends_the_node() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.hold_disk = true;
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.input(Input::Disk(Completion::Failed(
        "journal: input/output error".to_owned(),
    )));
    assert_eq!(broker.told(1), ["Stopping"]);
    assert_eq!(broker.doors, [Door::Open, Door::Close, Door::Exit(false)]);
}

#[test]
fn stopping_waits_for_clients_to_leave_and_for_the_disk() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.hold_disk = true;
    broker.send(1, message("q", "x"), Some(Anycast));
    broker.input(Input::Operator(Operation::Stop));
    broker.input(Input::Disconnected(ConnectionId(1)));
    assert_eq!(broker.doors, [Door::Open, Door::Close]);
    broker.hold_disk = false;
    broker.complete_disk();
    assert_eq!(broker.doors, [Door::Open, Door::Close, Door::Exit(true)]);
}

#[test]
fn unused_auto_created_queues_and_addresses_are_deleted_after_their_last_consumer() {
    let mut broker = Broker::with(&[]);
    broker.connect(1, "a");
    broker.consume(1, 1, "q", Some(Anycast));
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), Some(0));
    broker.ask(
        1,
        Command::Consumer(ConsumerId(1), ConsumerCommand::Close(None)),
    );
    broker.pass(30_001);
    assert_eq!(broker.queue_len("q"), None);
    broker.pass(30_001);
    assert!(broker.node.engine().state().addresses.named("q").is_none());
}
