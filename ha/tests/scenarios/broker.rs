// SPDX-License-Identifier: Apache-2.0
//! A node driven by hand, and the verbs of the scenarios. The disk is a vector of batches that the test completes when
//! it likes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use hind_engine::address::routing_type::RoutingType::{self};
use hind_engine::address::settings::AddressSettingsOverrides;
use hind_engine::command::*;
use hind_engine::event::Event;
use hind_engine::id::*;
use hind_engine::message::properties::{PropertiesBuilder, Value};
use hind_engine::message::{Body, Kind, Message};
use hind_engine::notice::Notice;
use hind_engine::queue::Counters;
use hind_engine::security::user::Identity;
use hind_engine::storage::Content;
use hind_engine::storage::request::{
    Batch, Completion, PageCompletion, PageRequest, Request, Segment,
};
use hind_engine::time::{Instant, Now};
use hind_ha::effect::{Door, Effects};
use hind_ha::input::Input;
use hind_ha::{Node, Seed, Settings};

use crate::large_files::LargeFiles;

/// A node, what its disk holds, and what its clients have been told.
pub(crate) struct Broker {
    pub(crate) node: Node,
    pub(crate) settings: Settings,
    pub(crate) now: Now,
    pub(crate) files: BTreeMap<Segment, Vec<u8>>,
    pub(crate) state: Option<Bytes>,
    /// Page files.
    pub(crate) pages: BTreeMap<PageId, Vec<u8>>,
    /// Pages of which something was read, in order.
    pub(crate) reads: Vec<PageId>,
    /// How many reads of pages fail from now on.
    pub(crate) failing_reads: u32,
    /// Pages whose files were set aside.
    pub(crate) aside: Vec<PageId>,
    /// Asked of the disk and not begun.
    requests: VecDeque<Request>,
    /// The disk is at work on them.
    is_busy: bool,
    pub(crate) waiting: Vec<Batch>,
    pub(crate) hold_disk: bool,
    /// Whether the invariants are checked after every step, which takes time in proportion to what there is.
    pub(crate) is_checked: bool,
    pub(crate) large: LargeFiles,
    pub(crate) events: Vec<(ConnectionId, Event)>,
    pub(crate) doors: Vec<Door>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) tickets: u64,
}

pub(crate) const SESSION: SessionId = SessionId(1);

impl Broker {
    pub(crate) fn start(settings: Settings) -> Self {
        let mut broker = Self {
            node: Node::new(settings.clone(), Seed(7)),
            settings,
            now: Now {
                monotonic: Instant::from_nanos(1),
                wall: 1_000_000,
            },
            files: BTreeMap::new(),
            state: None,
            pages: BTreeMap::new(),
            aside: Vec::new(),
            reads: Vec::new(),
            failing_reads: 0,
            requests: VecDeque::new(),
            is_busy: false,
            waiting: Vec::new(),
            hold_disk: false,
            is_checked: true,
            large: LargeFiles::default(),
            events: Vec::new(),
            doors: Vec::new(),
            notices: Vec::new(),
            tickets: 0,
        };
        broker.input(Input::Start);
        assert_eq!(broker.doors, [Door::Open]);
        broker
    }

    pub(crate) fn with(address_settings: &[(&str, AddressSettingsOverrides)]) -> Self {
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
    pub(crate) fn crash_and_restart(&mut self) {
        self.node = Node::new(self.settings.clone(), Seed(8));
        self.waiting.clear();
        self.events.clear();
        self.doors.clear();
        self.large.forget_waiting();
        self.notices.clear();
        self.hold_disk = false;
        self.input(Input::Start);
        assert_eq!(self.doors, [Door::Open]);
    }

    pub(crate) fn input(&mut self, input: Input) {
        let mut effects = Effects::default();
        self.node.handle(self.now, input, &mut effects);
        self.events.append(&mut effects.events);
        self.doors.append(&mut effects.doors);
        self.notices.append(&mut effects.notices);
        if self.is_checked {
            self.node.engine().state().check();
        }
        self.requests.extend(effects.disk);
        if std::mem::replace(&mut self.is_busy, true) {
            return;
        }
        while let Some(request) = self.requests.pop_front() {
            self.execute(request);
        }
        self.is_busy = false;
    }

    pub(crate) fn execute(&mut self, request: Request) {
        let completion = match request {
            Request::Batch(batch) => {
                self.waiting.push(batch);
                if !self.hold_disk {
                    self.complete_disk();
                }
                return;
            }
            Request::Large(request) => {
                self.large.ask(request);
                self.complete_large();
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
                let bytes = Bytes::from(self.files[&segment].clone());
                Completion::Segment(segment, Content::of(segment, bytes))
            }
            Request::SyncAll => Completion::Synced,
            Request::Page(request) => match self.page(request) {
                Some(completion) => Completion::Page(completion),
                None => return,
            },
        };
        self.input(Input::Disk(completion));
    }

    /// Carries out what is asked about the bodies of large messages, unless that is held.
    pub(crate) fn complete_large(&mut self) {
        while let Some(answer) = self.large.carry_out() {
            if let Some(completion) = answer {
                self.input(Input::Disk(Completion::Large(completion)));
            }
        }
    }

    fn page(&mut self, request: PageRequest) -> Option<PageCompletion> {
        Some(match request {
            PageRequest::List => PageCompletion::Pages(self.pages.keys().copied().collect()),
            PageRequest::Append {
                page,
                offset,
                pieces,
            } => {
                let bytes = pieces.concat();
                let file = self.pages.entry(page).or_default();
                if offset == 0 {
                    file.clear();
                }
                assert_eq!(file.len() as u64, offset, "appends follow one another");
                file.extend(&bytes);
                PageCompletion::Appended(page, bytes.len() as u64)
            }
            PageRequest::Seal(page) => PageCompletion::Sealed(page),
            PageRequest::Read { page, offset, .. } if self.failing_reads > 0 => {
                self.failing_reads -= 1;
                PageCompletion::Unreadable {
                    page,
                    offset,
                    why: "an error of the device".into(),
                }
            }
            PageRequest::Read {
                page,
                offset,
                length,
            } => match self.pages.get(&page) {
                Some(file) => {
                    self.reads.push(page);
                    let from = usize::try_from(offset).expect("small").min(file.len());
                    let to = (from + length as usize).min(file.len());
                    let bytes = Bytes::copy_from_slice(&file[from..to]);
                    PageCompletion::Read {
                        page,
                        offset,
                        bytes,
                    }
                }
                None => PageCompletion::Unreadable {
                    page,
                    offset,
                    why: "no such file".into(),
                },
            },
            PageRequest::Delete(page) => {
                self.pages.remove(&page);
                return None;
            }
            PageRequest::SetAside(page) => {
                self.aside.push(page);
                PageCompletion::SetAside(page, format!("{page}.damaged"))
            }
        })
    }

    pub(crate) fn complete_disk(&mut self) {
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

    pub(crate) fn connect(&mut self, client: u64, user: &str) {
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

    pub(crate) fn ask(&mut self, client: u64, command: Command) {
        self.input(Input::Client(ConnectionId(client), vec![command]));
    }

    pub(crate) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(crate) fn send(
        &mut self,
        client: u64,
        message: Message,
        routing: Option<RoutingType>,
    ) -> Ticket {
        self.send_in(client, message, routing, None)
    }

    pub(crate) fn send_in(
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
            retain: false,
            packet: None,
            upload: None,
            ticket: Some(ticket),
        };
        self.ask(client, Command::Send(SESSION, send));
        ticket
    }

    pub(crate) fn consume(
        &mut self,
        client: u64,
        consumer: u64,
        address: &str,
        routing: Option<RoutingType>,
    ) -> Ticket {
        self.consume_with(client, consumer, address, routing, |_| {})
    }

    pub(crate) fn consume_with(
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
            settling: Settling::ByDelivery,
            retained: false,
            kept: None,
            ticket,
        };
        change(&mut open);
        self.ask(
            client,
            Command::Consumer(ConsumerId(consumer), ConsumerCommand::Open(Box::new(open))),
        );
        ticket
    }

    pub(crate) fn settle(
        &mut self,
        client: u64,
        consumer: u64,
        delivery: u64,
        outcome: Outcome,
    ) -> Ticket {
        self.settle_in(client, consumer, delivery, outcome, None)
    }

    pub(crate) fn settle_in(
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

    pub(crate) fn transaction(&mut self, client: u64, id: u64, command: TransactionCommand) {
        self.ask(client, Command::Transaction(TransactionId(id), command));
    }

    /// What `client` has been told since the last look, as short words.
    pub(crate) fn told(&mut self, client: u64) -> Vec<String> {
        let (mine, rest) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|(to, _)| to.0 == client);
        self.events = rest;
        mine.into_iter().map(|(_, event)| describe(event)).collect()
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now.wall += millis;
        self.now.monotonic = self
            .now
            .monotonic
            .after(std::time::Duration::from_millis(millis));
        self.input(Input::Time);
    }

    /// What the log has been told since the last look.
    pub(crate) fn noticed(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub(crate) fn counters(&self, queue: &str) -> Counters {
        let queues = &self.node.engine().state().queues;
        queues.named(queue).expect("there").counters
    }

    pub(crate) fn queue_len(&self, name: &str) -> Option<usize> {
        self.node
            .engine()
            .state()
            .queues
            .named(name)
            .map(|queue| queue.len())
    }
}

pub(crate) fn describe(event: Event) -> String {
    match event {
        Event::Done(ticket) => format!("done {ticket}"),
        Event::Refused(_, refusal) => format!("refused {refusal}"),
        Event::Deliver(d) => {
            let body = match &d.message.body {
                Body::Inline(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Body::Large(large) => format!("large {}", large.size),
            };
            let again = if d.attempts > 0 {
                format!(" again {}", d.attempts)
            } else {
                String::new()
            };
            let packet = d.packet.map_or_else(String::new, |packet| {
                let dup = if packet.again { " dup" } else { "" };
                format!(" packet {} qos {}{dup}", packet.id, packet.qos as u8)
            });
            let published = d.message.published.as_ref();
            let retained = match published.map(|published| (published.retain, published.stored)) {
                Some((_, true)) => " stored",
                Some((true, false)) => " retain",
                _ => "",
            };
            let (consumer, delivery) = (d.consumer, d.delivery);
            format!("{consumer} {body} #{delivery}{packet}{retained}{again}")
        }
        Event::Attached(ticket, attached) => {
            let present = if attached.present { "present" } else { "new" };
            let filters = attached.subscriptions.iter().map(|one| &*one.filter);
            let filters: Vec<&str> = filters.collect();
            let received: Vec<String> = attached.received.iter().map(PacketId::to_string).collect();
            format!(
                "attached {ticket} {present} [{}] [{}]",
                filters.join(", "),
                received.join(", ")
            )
        }
        Event::Uploaded(upload, bytes) => format!("uploaded {upload} {bytes}"),
        Event::Window(download, bytes) => format!("window {download} {}", bytes.len()),
        Event::DownloadFailed(download) => format!("download {download} failed"),
        other => format!("{other:?}"),
    }
}

pub(crate) fn message(address: &str, body: &str) -> Message {
    Message::new(
        address.into(),
        Kind::Text,
        Bytes::copy_from_slice(body.as_bytes()),
    )
}

pub(crate) fn with_property(mut message: Message, name: &str, value: Value<'_>) -> Message {
    let mut builder = PropertiesBuilder::default();
    builder.push(name, value);
    message.properties = builder.finish();
    message
}
