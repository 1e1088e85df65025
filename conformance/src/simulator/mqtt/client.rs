// SPDX-License-Identifier: Apache-2.0
//! A byte-level MQTT client: what belongs to its connection, and what it keeps of its session from one to the next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::book::Origin;
use super::known::Known;
use super::packet::{self, Connect, Decoder, Version};
use super::subscription::SubscriptionId;
use super::will::{self, Will};
use super::{Book, CLIENTS, KEEP_ALIVE, NEVER, Strand};
use crate::simulator::client::Scene;
use crate::simulator::model::{ConnectionNumber, Fate, Message, PlaceId, Sending, Shade, Uid};
use crate::simulator::network::LinkId;

/// Stands for every topic that clients of STOMP know nothing of.
pub const ELSEWHERE: PlaceId = PlaceId(usize::MAX);

/// Where a client is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Not connected.
    Away,
    /// CONNECT was sent; ends with CONNACK.
    Connecting,
    /// May say anything.
    Connected,
    /// DISCONNECT was sent, or came; ends with the end of the link.
    Leaving,
}

/// A message of this client that is not answered for good.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub id: u16,
    pub uid: Uid,
    pub qos: u8,
    pub retain: bool,
    /// PUBREC came: PUBREL is what is left to say.
    pub released: bool,
}

/// What an answer of the broker is awaited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Subscribe(SubscriptionId),
    Unsubscribe(Strand),
}

/// What the client does next, apart from saying something.
#[derive(Debug, Default)]
pub struct Said {
    /// What it says.
    pub bytes: Vec<u8>,
    /// Then it breaks its link.
    pub breaks: bool,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Which one; the last one looks at what is retained.
    pub number: usize,
    /// Where it is in its life.
    pub stage: Stage,
    /// Its present link.
    pub link: Option<LinkId>,
    /// What it may count on of its session.
    pub known: Known,
    /// What came as retained, or replaced that, for the client that looks at that; `None` clears.
    pub found: Vec<(String, Option<Uid>)>,
    pub(super) version: Version,
    pub(super) connection: Option<ConnectionNumber>,
    pub(super) decoder: Decoder,
    /// Its subscriptions, by strand.
    pub(super) subscriptions: BTreeMap<Strand, SubscriptionId>,
    pub(super) outgoing: VecDeque<Outgoing>,
    /// Messages of QoS 2 that were received and are not released.
    pub(super) incoming: BTreeMap<u16, Option<Uid>>,
    pub(super) last_id: u16,
    /// Deliveries that are not answered: identifier and QoS.
    pub(super) unanswered: VecDeque<(u16, u8)>,
    /// Identifiers of deliveries that came over this connection and are not done with.
    pub(super) open: BTreeSet<u16>,
    pub(super) asked: BTreeMap<u16, Asked>,
    pub(super) aliases: BTreeMap<u16, String>,
    pub(super) receive_maximum: u16,
    /// Session Expiry Interval of this connection, in seconds.
    pub(super) expiry: u32,
    pub(super) clean: bool,
    /// A clean start was asked for and has not been confirmed: until it is, nothing else is asked for.
    pub(super) starts_over: bool,
    /// The session was there before this connection.
    pub(super) resumed: bool,
    pub(super) before: Known,
    /// When CONNECT was sent.
    pub(super) began: u64,
    /// When the broker was last heard.
    pub(super) heard: u64,
    /// When the broker was last told something.
    pub spoke: u64,
    /// DISCONNECT without a will was sent.
    pub(super) said_goodbye: bool,
    /// The will of this connection.
    pub(super) will: Option<usize>,
    /// It left in order, and its session with it.
    ended: bool,
}

impl Client {
    /// A client that has never connected.
    pub fn new(number: usize) -> Self {
        Self {
            number,
            stage: Stage::Away,
            link: None,
            known: Known::default(),
            found: Vec::new(),
            version: match number % 2 {
                0 => Version::V311,
                _ => Version::V5,
            },
            connection: None,
            decoder: Decoder::default(),
            subscriptions: BTreeMap::new(),
            outgoing: VecDeque::new(),
            incoming: BTreeMap::new(),
            last_id: 0,
            unanswered: VecDeque::new(),
            open: BTreeSet::new(),
            asked: BTreeMap::new(),
            aliases: BTreeMap::new(),
            receive_maximum: u16::MAX,
            expiry: 0,
            clean: false,
            starts_over: false,
            resumed: false,
            before: Known::default(),
            began: 0,
            heard: 0,
            spoke: 0,
            said_goodbye: false,
            will: None,
            ended: false,
        }
    }

    /// What it asked for of its session: a clean start, and how long it is kept.
    pub fn asks(&self) -> (bool, u32) {
        (self.clean, self.expiry)
    }

    /// Whether it has no session.
    pub fn has_ended(&self) -> bool {
        self.ended || !self.known.possible
    }

    /// Whether it only looks at what is retained.
    pub fn is_judge(&self) -> bool {
        self.number == CLIENTS
    }

    /// Nothing it has said is unanswered, and it has answered everything.
    pub fn is_settled(&self) -> bool {
        self.outgoing.is_empty() && self.unanswered.is_empty() && self.asked.is_empty()
    }

    /// A new link is up: CONNECT. `clean` and `expiry` are what it asks for of its session.
    pub fn connect(
        &mut self,
        (link, connection): (LinkId, ConnectionNumber),
        (clean, expiry): (bool, u32),
        with_will: bool,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        book.observe(scene.model);
        self.link = Some(link);
        self.connection = Some(connection);
        self.stage = Stage::Connecting;
        self.decoder = Decoder::default();
        let crashes = scene.model.crashes;
        let is_over = self.known.is_over(scene.now, crashes, book);
        if is_over {
            self.forget(book, scene);
        }
        let in_doubt = !is_over && self.known.may_be_over(scene.now);
        let clean = clean || self.starts_over || in_doubt;
        let expiry = match (self.version, clean) {
            (Version::V5, _) => expiry,
            (Version::V311, true) => 0,
            (Version::V311, false) => NEVER,
        };
        (self.clean, self.expiry) = (clean, expiry);
        self.starts_over = clean;
        self.before = self.known;
        self.known.connecting(clean, expiry);
        if clean {
            self.end_subscriptions(book);
        }
        (self.began, self.heard, self.spoke) = (scene.now, scene.now, scene.now);
        self.said_goodbye = false;
        self.ended = false;
        for will in book.wills_of(self.number) {
            will.contested(scene.now, clean);
        }
        scene.counters.hit("mqtt_out.connect");
        scene.counters.hit(match self.version {
            Version::V311 => "mqtt.connect_v311",
            Version::V5 => "mqtt.connect_v5",
        });
        self.receive_maximum = match self.version {
            Version::V311 => u16::MAX,
            Version::V5 => scene.random.pick(&[2, 5, 20, u16::MAX]),
        };
        let will = with_will.then(|| self.will(connection, book, scene));
        let aliases = scene.random.pick(&[0, 0, 1, 8]);
        Connect {
            client: format!("mq{}", self.number),
            clean,
            keep_alive: KEEP_ALIVE,
            will,
            expiry,
            receive_maximum: self.receive_maximum,
            aliases,
        }
        .encode(self.version)
    }

    /// A will, which goes with the connection.
    fn will(
        &mut self,
        connection: ConnectionNumber,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> packet::Will {
        scene.counters.hit("mqtt.will");
        let qos = scene.random.pick(&[1, 2]);
        let delay = match self.version {
            Version::V311 => 0,
            Version::V5 => scene.random.pick(&[0, 0, 1, 2]),
        };
        let topic = format!("home/will{}", self.number);
        let uid = self.message((&topic, qos), 20, false, book, scene);
        let message = &mut scene.model.messages[uid.0];
        message.fate = Fate::Doubtful;
        message.retried = true;
        let place = book.wills.len();
        book.wills.push(Will {
            uid,
            connection,
            delay: delay.min(self.expiry),
            accepted: false,
            fragile: (self.expiry == 0).then_some(scene.model.crashes),
            stage: will::Stage::Registered,
            heard: scene.now,
        });
        let origin = Origin {
            client: self.number,
            qos,
            topic: topic.clone(),
            clears: false,
            will: Some(place),
        };
        book.add(uid, origin);
        self.will = Some(place);
        packet::Will {
            topic,
            payload: Message::body(uid, 20),
            qos,
            delay,
        }
    }

    /// A message of this client, for the model.
    pub(super) fn message(
        &mut self,
        (topic, qos): (&str, u8),
        size: usize,
        clears: bool,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Uid {
        let is_news = Strand::of(topic) == Some(Strand::News);
        let connection = self.connection.expect("it acts while it has a link");
        let sending = Sending {
            place: (!is_news).then_some(ELSEWHERE),
            persistent: qos > 0,
            priority: 0,
            shade: Shade::Light,
            expires: None,
            due: None,
            duplicate_id: false,
            transaction: None,
            size,
        };
        let uid = scene.model.sending(connection, sending);
        let message = &mut scene.model.messages[uid.0];
        message.of_mqtt = true;
        if !is_news {
            message.copies.clear();
        }
        let origin = Origin {
            client: self.number,
            qos,
            topic: topic.to_owned(),
            clears,
            will: None,
        };
        book.add(uid, origin);
        uid
    }

    /// The link has ended, whoever ended it. `cut`: not in order.
    pub fn disconnected(&mut self, cut: bool, book: &mut Book, scene: &mut Scene<'_>) {
        book.observe(scene.model);
        let (now, crashes) = (scene.now, scene.model.crashes);
        let was_connected = self.stage != Stage::Connecting;
        self.known.left(was_connected, self.heard, now, crashes);
        if self.known.may_end() {
            self.end_subscriptions(book);
            self.ended = self.stage == Stage::Leaving && !cut;
        }
        if !was_connected {
            book.wills_of(self.number).for_each(Will::unanswered);
        }
        if let Some(will) = self.will.take() {
            let orderly = self.said_goodbye && !cut;
            let noticed = now + super::MISSED;
            book.wills[will].lost(orderly, self.said_goodbye, self.heard, noticed, crashes);
        }
        for asked in std::mem::take(&mut self.asked).into_values() {
            if let Asked::Unsubscribe(strand) = asked {
                self.end_subscription(strand, book);
            }
        }
        self.stage = Stage::Away;
        self.link = None;
        self.connection = None;
        self.unanswered.clear();
        self.open.clear();
        self.aliases.clear();
    }

    /// Nothing is promised of the session's subscriptions any more.
    pub(super) fn end_subscriptions(&mut self, book: &mut Book) {
        for strand in Strand::ALL {
            self.end_subscription(strand, book);
        }
    }

    pub(super) fn end_subscription(&self, strand: Strand, book: &mut Book) {
        if let Some(id) = self.subscriptions.get(&strand) {
            book.end(*id);
        }
    }

    /// A packet identifier that nothing of this client has.
    pub(super) fn packet_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id % 500 + 1;
            let id = self.last_id;
            let taken = self.outgoing.iter().any(|one| one.id == id);
            if !taken && !self.asked.contains_key(&id) {
                return id;
            }
        }
    }
}
