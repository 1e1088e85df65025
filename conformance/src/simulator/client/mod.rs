// SPDX-License-Identifier: Apache-2.0
//! A byte-level STOMP client: what it says, what it waits for, and what it makes of what comes.
//!
//! It tells the [`Model`] what it asks for before it asks, and what it sees when it sees it; the model is how a broken
//! promise is noticed.

pub mod frame;
pub mod heart_beat;
mod receive;
mod say;

pub use say::FORBIDDEN;

use std::collections::BTreeMap;

use self::frame::{Decoder, Frame, Version};
use self::heart_beat::HeartBeat;
use super::counters::Counters;
use super::model::{
    AckMode, ConnectionNumber, Model, PlaceId, SubscriptionId, TransactionNumber, Uid,
};
use super::network::LinkId;
use super::random::Random;
use super::trace::Trace;

/// What a client sees of the world while it acts.
#[derive(Debug)]
pub struct Scene<'a> {
    /// Virtual time.
    pub now: u64,
    /// What is known.
    pub model: &'a mut Model,
    /// Chance.
    pub random: &'a mut Random,
    /// What was done.
    pub counters: &'a mut Counters,
    /// The broker is on its way out and may say so.
    pub ending: bool,
    /// The line of events.
    pub trace: &'a mut Trace,
}

/// Where a client is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Not connected; will be again.
    Away,
    /// CONNECT was sent; ends with CONNECTED.
    Connecting,
    /// May say anything.
    Connected,
    /// DISCONNECT was sent; ends with its receipt and the end of the link.
    Leaving,
    /// The broker said ERROR, or is about to; ends with the end of the link.
    Refused,
}

/// What a receipt stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Expected {
    Sent(Uid),
    Acknowledged(SubscriptionId, Vec<Uid>),
    Subscribed(SubscriptionId),
    Unsubscribed(SubscriptionId),
    Committed(TransactionNumber),
    Left,
    Nothing,
}

/// A subscription of the present connection.
#[derive(Debug)]
pub struct Subscribed {
    /// The model's number for it.
    pub id: SubscriptionId,
    /// What it consumes.
    pub place: PlaceId,
    /// How it acknowledges.
    pub mode: AckMode,
    /// The client's name for it.
    pub name: String,
    /// The name of the durable subscription.
    pub durable: Option<String>,
    /// UNSUBSCRIBE was sent.
    pub closed: bool,
    /// What was delivered and not answered, oldest first, with what an answer has to name.
    pub unanswered: Vec<(Uid, String)>,
}

/// One client.
#[derive(Debug)]
pub struct Client {
    /// Which one.
    pub number: usize,
    /// Where it is in its life.
    pub stage: Stage,
    /// Its present link.
    pub link: Option<LinkId>,
    /// The model's number for its present connection.
    pub connection: Option<ConnectionNumber>,
    /// Subscriptions of the present connection.
    pub subscriptions: Vec<Subscribed>,
    /// The open transaction.
    pub transaction: Option<TransactionNumber>,
    /// What the present connection has agreed on.
    pub heart_beat: HeartBeat,
    version: Version,
    decoder: Decoder,
    expected: BTreeMap<String, Expected>,
    names: u64,
    /// Persistent sends with a duplicate id whose receipt never came: said again when connected.
    unconfirmed: Vec<Uid>,
    /// Consumes what the broker gave up: by queue.
    given_up: BTreeMap<String, super::model::End>,
}

impl Client {
    /// A client that has never connected.
    pub fn new(number: usize) -> Self {
        Self {
            number,
            stage: Stage::Away,
            link: None,
            connection: None,
            subscriptions: Vec::new(),
            transaction: None,
            heart_beat: HeartBeat::default(),
            version: [Version::V12, Version::V11, Version::V10][number % 3],
            decoder: Decoder::default(),
            expected: BTreeMap::new(),
            names: 0,
            unconfirmed: Vec::new(),
            given_up: BTreeMap::new(),
        }
    }

    /// Nothing it asked for is unanswered and it holds nothing.
    pub fn is_settled(&self) -> bool {
        self.expected.is_empty()
            && self
                .subscriptions
                .iter()
                .all(|held| held.unanswered.is_empty())
    }

    /// Whether its version has NACK.
    pub fn can_reject(&self) -> bool {
        self.version > Version::V10
    }

    /// A new link is up: what the client says first.
    pub fn connect(
        &mut self,
        link: LinkId,
        connection: ConnectionNumber,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        self.link = Some(link);
        self.connection = Some(connection);
        self.stage = Stage::Connecting;
        self.decoder = Decoder::default();
        scene.counters.hit("command.connect");
        let accept = match self.version {
            Version::V10 => None,
            Version::V11 => Some("1.0,1.1"),
            Version::V12 => Some("1.0,1.1,1.2"),
        };
        self.heart_beat = match self.version {
            Version::V10 => HeartBeat::default(),
            Version::V11 | Version::V12 => HeartBeat::begin(scene.now, scene.random),
        };
        let heart_beat = (self.version > Version::V10).then(|| self.heart_beat.header());
        Frame::new("CONNECT")
            .with_some("accept-version", accept)
            .with("host", "simulated")
            .with("login", "client")
            .with("passcode", "secret")
            .with("client-id", self.client_id())
            .with_some("heart-beat", heart_beat)
            .encode(self.version)
    }

    /// The link has ended, whoever ended it.
    pub fn disconnected(&mut self) {
        for expected in std::mem::take(&mut self.expected).into_values() {
            if let Expected::Sent(uid) = expected {
                self.unconfirmed.push(uid);
            }
        }
        self.stage = Stage::Away;
        self.link = None;
        self.connection = None;
        self.transaction = None;
        self.subscriptions.clear();
        self.given_up.clear();
    }

    fn client_id(&self) -> String {
        format!("client{}", self.number)
    }

    fn connection(&self) -> ConnectionNumber {
        self.connection.expect("acts only while connected")
    }

    /// A name nothing of this client has had before.
    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    /// Asks for a receipt for `expected`.
    fn receipt(&mut self, expected: Expected) -> String {
        let name = self.name("r");
        self.expected.insert(name.clone(), expected);
        name
    }
}
