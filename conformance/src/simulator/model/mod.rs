// SPDX-License-Identifier: Apache-2.0
//! The tiny reference broker: not a second broker, but what every client knows it may count on.
//!
//! It keeps *facts* (what was asked, what was confirmed, what was seen, what broke) for every message on every place
//! it may be. The checks under [`super::check`] turn facts into promises kept or broken. What cannot be known (a
//! send whose receipt never came) is kept as doubt: both outcomes are allowed then, but only consistent ones.

mod copy;
mod message;
mod place;
mod subscription;
mod transaction;

pub use copy::{Ack, Copy, End};
pub use message::{Fate, Message, Sending, Shade, Uid};
pub use place::{Kind, Place, PlaceId};
pub use subscription::{AckMode, ConnectionNumber, Subscription, SubscriptionId};
pub use transaction::{Stage, Transaction, TransactionNumber};

use std::collections::BTreeSet;

use super::check::{self, Violation};
use super::limits::Limits;
use super::network::DELAY_MAX;
use subscription::Connection;

/// Queues every run uses. Of the last one clients consume with `ack:auto`, so a cut may lose what was under way to them.
pub const QUEUES: [&str; 4] = ["work.calm", "work.busy", "work.mixed", "work.auto"];
/// The queue that producers send to again, with the same duplicate id, when they do not know whether a message arrived.
pub const RETRIED: PlaceId = PlaceId(2);
/// How many duplicate ids the broker remembers for it.
pub const ID_CACHE_SIZE: usize = 50;
/// The topic every run uses.
pub const TOPIC: &str = "news.all";
/// Names by which the topic is subscribed to: its own, and wildcards that match it (manual, chapter Wildcard Syntax).
pub const TOPIC_NAMES: [&str; 4] = [TOPIC, "news.*", "news.#", "*.all"];
/// A name close to the topic's that does not match it: nothing ever comes by it.
pub const OTHER_TOPIC: &str = "news.*.all";
/// Where dead letters go.
pub const DEAD_LETTERS: &str = "DLQ";
/// Where expired messages go.
pub const EXPIRED: &str = "ExpiryQueue";
/// How often a message is tried before it is a dead letter.
pub const ATTEMPTS_MAX: u32 = 3;

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// By [`Uid`].
    pub messages: Vec<Message>,
    /// By [`PlaceId`]; the queues come first.
    pub places: Vec<Place>,
    /// By [`SubscriptionId`].
    pub subscriptions: Vec<Subscription>,
    /// By [`TransactionNumber`].
    pub transactions: Vec<Transaction>,
    /// What the broker may forget or refuse.
    pub limits: Option<Limits>,
    connections: Vec<Connection>,
    /// How often the broker has crashed or stopped.
    pub crashes: u32,
    pending: BTreeSet<Uid>,
    volatile: Vec<Uid>,
    next_order: u64,
    /// Sends with a duplicate id so far.
    duplicate_ids: usize,
    backlog: usize,
    backlog_asked: u32,
}

impl Model {
    /// A model of a broker that has only the queues.
    pub fn new(limits: Option<Limits>) -> Self {
        Self {
            places: QUEUES
                .iter()
                .map(|name| Place::new((*name).to_owned(), name, Kind::Queue))
                .collect(),
            limits,
            ..Self::default()
        }
    }

    /// A connection whose frames count from now on.
    pub fn connected(&mut self) -> ConnectionNumber {
        self.connections.push(Connection::default());
        ConnectionNumber(self.connections.len() - 1)
    }

    /// Whether nothing has ended the connection yet. Its client may not know: what it asks for then arrives nowhere, and
    /// changes nothing here.
    pub fn is_live(&self, connection: ConnectionNumber) -> bool {
        self.connections[connection.0].live
    }

    /// A message is about to be sent.
    pub fn sending(&mut self, connection: ConnectionNumber, sending: Sending) -> Uid {
        let uid = Uid(self.messages.len());
        let arrives = self.is_live(connection);
        let mut message = Message::new(connection, sending);
        self.duplicate_ids += usize::from(message.sending.duplicate_id);
        message.duplicate_number = self.duplicate_ids;
        message.copies = self.destinations(message.sending.place);
        if let Some(transaction) = message.sending.transaction {
            message.fate = Fate::InTransaction;
            self.transactions[transaction.0].sends.push(uid);
        } else {
            message.order = self.take_order();
            self.pending.insert(uid);
        }
        if !arrives {
            message.fate = Fate::Never;
            self.pending.remove(&uid);
        }
        if !message.sending.persistent {
            self.volatile.push(uid);
        }
        self.messages.push(message);
        uid
    }

    /// The same message is sent again with its duplicate id, by a producer that does not know whether it arrived.
    pub fn sending_again(&mut self, connection: ConnectionNumber, uid: Uid) {
        if !self.is_live(connection) {
            return;
        }
        self.duplicate_ids += 1;
        let message = &mut self.messages[uid.0];
        message.connection = connection;
        message.retried = true;
        if matches!(message.fate, Fate::Doubtful | Fate::Never) {
            message.fate = Fate::Pending;
        }
        if message.fate == Fate::Pending {
            self.pending.insert(uid);
        }
    }

    /// Whether a producer may still count on the broker to know the message's duplicate id: others push it out.
    pub fn may_send_again(&self, uid: Uid) -> bool {
        let message = &self.messages[uid.0];
        let since = self.duplicate_ids - message.duplicate_number;
        message.sending.duplicate_id && since < ID_CACHE_SIZE / 2
    }

    /// The receipt of a send has come.
    pub fn sent(&mut self, uid: Uid) {
        self.messages[uid.0].fate = Fate::Certain;
        self.pending.remove(&uid);
    }

    /// The send was refused: the message must never appear.
    pub fn refused(&mut self, uid: Uid) {
        self.messages[uid.0].fate = Fate::Never;
        self.pending.remove(&uid);
    }

    /// A subscription is about to be made. `durable`: the queue's name.
    pub fn subscribing(
        &mut self,
        connection: ConnectionNumber,
        place: PlaceId,
        mode: AckMode,
        selector: Option<Shade>,
    ) -> SubscriptionId {
        let id = SubscriptionId(self.subscriptions.len());
        self.subscriptions
            .push(Subscription::new(place, connection, mode, selector));
        self.connections[connection.0].subscriptions.push(id);
        self.places[place.0].consumed = true;
        id
    }

    /// The place of a temporary subscription, or of a durable one that does not exist yet.
    pub fn new_place(&mut self, name: String, address: &'static str, kind: Kind) -> PlaceId {
        self.places.push(Place::new(name, address, kind));
        PlaceId(self.places.len() - 1)
    }

    /// The place that has this name now.
    pub fn place_named(&self, name: &str) -> Option<PlaceId> {
        self.places
            .iter()
            .rposition(|place| place.name == name)
            .map(PlaceId)
    }

    /// The receipt of a subscription has come: what is sent from now on reaches it.
    pub fn subscribed(&mut self, subscription: SubscriptionId) {
        let place = self.subscriptions[subscription.0].place;
        self.places[place.0].established = true;
    }

    /// A subscription is about to end. `delete`: its durable queue with it.
    pub fn unsubscribing(&mut self, subscription: SubscriptionId, delete: bool) {
        if !self.is_live(self.subscriptions[subscription.0].connection) {
            return;
        }
        if self.subscriptions[subscription.0].live {
            let place = self.subscriptions[subscription.0].place;
            self.subscriptions[subscription.0].closing = true;
            self.places[place.0].closing += 1;
        }
        self.let_go(subscription);
        let place = self.subscriptions[subscription.0].place;
        if delete || self.places[place.0].kind == Kind::Temporary {
            self.places[place.0].deleted = true;
        }
    }

    /// The broker has certainly let go of what the subscription held.
    pub fn unsubscribed(&mut self, subscription: SubscriptionId) {
        let place = self.subscriptions[subscription.0].place;
        if std::mem::take(&mut self.subscriptions[subscription.0].closing) {
            self.places[place.0].closing -= 1;
        }
        self.disturb(place);
    }

    /// A message has arrived at a subscription of a live connection. Says whether the client is to deal with it; what
    /// comes for a subscription already given up is not its business.
    ///
    /// # Errors
    /// The broker broke a promise by it.
    pub fn delivered(
        &mut self,
        subscription: SubscriptionId,
        uid: Uid,
        redelivered: bool,
        now: u64,
    ) -> Result<bool, Violation> {
        check::transactions::on_delivery(self, uid)?;
        check::routing::on_delivery(self, subscription, uid)?;
        check::time::on_delivery(self, uid, now, DELAY_MAX)?;
        let place = self.subscriptions[subscription.0].place;
        let auto = self.subscriptions[subscription.0].mode == AckMode::Auto;
        if !self.subscriptions[subscription.0].live {
            let copy = self.copy_mut(uid, place);
            if auto && copy.ack == Ack::None {
                copy.ack = Ack::Issued;
                copy.deliveries += 1;
            }
            return Ok(false);
        }
        check::duplicates::on_delivery(self, subscription, uid, redelivered)?;
        check::order::on_delivery(self, subscription, uid, redelivered)?;
        self.count_if_undone(uid, place);
        let copy = self.copy_mut(uid, place);
        copy.deliveries += 1;
        copy.holder = Some(subscription);
        let before = std::mem::replace(&mut copy.ack, if auto { Ack::Issued } else { Ack::None });
        self.came_again(uid, before);
        Ok(true)
    }

    /// A message was found where its broker puts those it has given up, `place` being where it was before. Says
    /// nothing about places only the broker knows.
    ///
    /// # Errors
    /// The broker broke a promise by it.
    pub fn given_up(
        &mut self,
        uid: Uid,
        place: Option<PlaceId>,
        end: End,
        now: u64,
    ) -> Result<(), Violation> {
        check::transactions::on_delivery(self, uid)?;
        check::time::on_end(self, uid, end, now)?;
        let Some(place) = place else { return Ok(()) };
        check::duplicates::on_end(self, uid, place, end)?;
        let copy = self.copy_mut(uid, place);
        copy.end = Some(end);
        let before = std::mem::replace(&mut copy.ack, Ack::None);
        self.came_again(uid, before);
        Ok(())
    }

    /// An acknowledgement is about to be sent.
    pub fn acknowledging(
        &mut self,
        subscription: SubscriptionId,
        uids: &[Uid],
        transaction: Option<TransactionNumber>,
    ) {
        if !self.is_live(self.subscriptions[subscription.0].connection) {
            return;
        }
        let place = self.subscriptions[subscription.0].place;
        for uid in uids {
            let copy = self.copy_mut(*uid, place);
            copy.ack = transaction.map_or(Ack::Issued, Ack::InTransaction);
            if let Some(transaction) = transaction {
                self.transactions[transaction.0]
                    .acknowledges
                    .push((*uid, place));
            }
        }
    }

    /// The receipt of an acknowledgement has come.
    pub fn acknowledged(&mut self, subscription: SubscriptionId, uids: &[Uid]) {
        let place = self.subscriptions[subscription.0].place;
        for uid in uids {
            self.copy_mut(*uid, place).ack = Ack::Durable;
        }
    }

    /// A NACK is about to be sent.
    pub fn rejecting(&mut self, subscription: SubscriptionId, uids: &[Uid]) {
        if !self.is_live(self.subscriptions[subscription.0].connection) {
            return;
        }
        let place = self.subscriptions[subscription.0].place;
        for uid in uids {
            self.fail(*uid, place);
        }
    }

    /// DISCONNECT is about to be sent: what is not acknowledged goes back, what is not committed never happened.
    pub fn leaving(&mut self, connection: ConnectionNumber) {
        if !self.is_live(connection) {
            return;
        }
        for number in self.connections[connection.0].transactions.clone() {
            self.aborting(number);
        }
        for subscription in self.connections[connection.0].subscriptions.clone() {
            if self.subscriptions[subscription.0].live {
                self.unsubscribing(subscription, false);
            }
        }
    }

    /// A connection has ended (cut, closed by the broker, or given up by the client after an orderly goodbye).
    pub fn ended(&mut self, connection: ConnectionNumber, orderly: bool) {
        if !std::mem::replace(&mut self.connections[connection.0].live, false) {
            return;
        }
        for number in self.connections[connection.0].transactions.clone() {
            match self.transactions[number.0].stage {
                Stage::Open => self.aborting(number),
                Stage::Committing => self.transactions[number.0].stage = Stage::InDoubt,
                _ => {}
            }
        }
        for subscription in self.connections[connection.0].subscriptions.clone() {
            self.end_with_connection(subscription, orderly);
        }
        if !orderly {
            self.doubt(|message| message.connection == connection);
        }
    }

    /// The broker has answered something with ERROR that was right to ask for: what was said behind it came to nothing.
    pub fn cut_short(&mut self, connection: ConnectionNumber) {
        self.doubt(|message| message.connection == connection);
    }

    /// The broker has noticed that a connection ended: until now it may have sent into the dead link.
    pub fn noticed(&mut self, connection: ConnectionNumber) {
        if std::mem::replace(&mut self.connections[connection.0].noticed, true) {
            return;
        }
        let next = self.messages.len();
        for subscription in self.connections[connection.0].subscriptions.clone() {
            let subscribed = &self.subscriptions[subscription.0];
            if subscribed.mode == AckMode::Auto {
                self.places[subscribed.place.0].lost_below = next;
            }
            self.unsubscribed(subscription);
        }
    }

    /// The broker has ended, in order or not: whatever was not durable is in doubt.
    pub fn crashed(&mut self) {
        for number in 0..self.connections.len() {
            let connection = ConnectionNumber(number);
            self.ended(connection, false);
            self.noticed(connection);
        }
        self.doubt(|_| true);
        for uid in std::mem::take(&mut self.volatile) {
            let fate = &mut self.messages[uid.0].fate;
            if *fate != Fate::Never {
                *fate = Fate::Doubtful;
            }
        }
        self.crashes += 1;
    }

    /// What the model knows of a message on a place.
    pub fn copy(&self, uid: Uid, place: PlaceId) -> Option<&Copy> {
        self.messages[uid.0]
            .copies
            .iter()
            .find(|copy| copy.place == place)
    }

    /// The same, to add to it; a message may be where the model did not expect it (a subscription in the making).
    pub fn copy_mut(&mut self, uid: Uid, place: PlaceId) -> &mut Copy {
        let copies = &mut self.messages[uid.0].copies;
        let at = copies
            .iter()
            .position(|copy| copy.place == place)
            .unwrap_or_else(|| {
                copies.push(Copy::new(place, false));
                copies.len() - 1
            });
        &mut copies[at]
    }

    /// A page of this address was damaged that held this message: it may be lost there. What waits among dead letters or
    /// expired messages came from anywhere.
    pub fn damaged(&mut self, uid: Uid, address: &str) {
        let given_up = [DEAD_LETTERS, EXPIRED].contains(&address);
        for copy in &mut self.messages[uid.0].copies {
            copy.damaged |= given_up || self.places[copy.place.0].address == address;
        }
    }

    /// How many messages nobody has acknowledged yet, about: counted anew with every 32nd question.
    pub fn backlog(&mut self) -> usize {
        self.backlog_asked += 1;
        if self.backlog_asked >= 32 {
            let recent = &self.messages[self.messages.len().saturating_sub(2_000)..];
            let open = |message: &&Message| {
                message
                    .copies
                    .iter()
                    .any(|copy| copy.required && !copy.is_over())
            };
            self.backlog = recent.iter().filter(open).count();
            self.backlog_asked = 0;
        }
        self.backlog
    }

    fn destinations(&self, place: Option<PlaceId>) -> Vec<Copy> {
        let limits = self.limits.as_ref();
        let required = !limits.is_some_and(|limits| limits.forgets(place));
        match place {
            Some(queue) => vec![Copy::new(queue, required)],
            None => (0..self.places.len())
                .filter(|place| self.places[*place].is_subscribed())
                .map(|place| Copy::new(PlaceId(place), required))
                .collect(),
        }
    }

    fn take_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    fn fail(&mut self, uid: Uid, place: PlaceId) {
        let epoch = self.crashes;
        let copy = self.copy_mut(uid, place);
        copy.ack = Ack::None;
        copy.holder = None;
        copy.failures += 1;
        if copy.failed_epoch.replace(epoch) != Some(epoch) {
            copy.failures_in_epoch = 0;
        }
        copy.failures_in_epoch += 1;
    }

    fn came_again(&mut self, uid: Uid, ack: Ack) {
        // Of one that was sent twice this may be the other.
        let doubled = self.messages[uid.0].doubled;
        if let Ack::InTransaction(transaction) = ack
            && !doubled
        {
            self.transactions[transaction.0].came_again = true;
        }
    }

    fn let_go(&mut self, subscription: SubscriptionId) {
        self.subscriptions[subscription.0].live = false;
        self.disturb(self.subscriptions[subscription.0].place);
    }

    /// An UNSUBSCRIBE that was on its way may not have arrived, so one already given up ends only now as well.
    fn end_with_connection(&mut self, subscription: SubscriptionId, orderly: bool) {
        let live = self.subscriptions[subscription.0].live;
        if live {
            self.let_go(subscription);
        }
        let next = self.messages.len();
        let place = self.subscriptions[subscription.0].place;
        let place = &mut self.places[place.0];
        place.breaks += u32::from(live || !orderly);
        place.deleted |= place.kind == Kind::Temporary;
        if !orderly && self.subscriptions[subscription.0].mode == AckMode::Auto {
            place.lost_below = next;
        }
    }

    fn disturb(&mut self, place: PlaceId) {
        self.places[place.0].disturbed_below = self.messages.len();
    }

    fn doubt(&mut self, of: impl Fn(&Message) -> bool) {
        let messages = &mut self.messages;
        self.pending.retain(|uid| {
            let doubtful = of(&messages[uid.0]);
            if doubtful && messages[uid.0].fate == Fate::Pending {
                messages[uid.0].fate = Fate::Doubtful;
            }
            !doubtful
        });
    }
}
