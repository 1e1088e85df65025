// SPDX-License-Identifier: Apache-2.0
//! What clients of MQTT may count on, beyond what the model has for every client: by subscription what has to come, what
//! is retained, which wills are to be sent.

use std::collections::{BTreeMap, BTreeSet};

use super::packet::Publish;
use super::retained::History;
use super::subscription::{Stage, Subscription, SubscriptionId};
use super::will::Will;
use super::{SLACK, broken};
use crate::simulator::check::{self, Violation};
use crate::simulator::counters::Counters;
use crate::simulator::model::{Fate, Message, Model, TOPIC, Uid};

/// A family of topics; a client subscribes to each by one filter at most, so that nothing comes twice by right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strand {
    /// The topic of the model, where clients of STOMP send and listen as well.
    News,
    /// Topics with retained messages, and wills.
    Home,
    /// A shared subscription of QoS 2.
    Jobs,
    /// A shared subscription of QoS 1.
    Odds,
}

impl Strand {
    /// All of them; their places are their Subscription Identifiers less one.
    pub const ALL: [Self; 4] = [Self::News, Self::Home, Self::Jobs, Self::Odds];

    /// Of which the topic is.
    pub fn of(topic: &str) -> Option<Self> {
        Some(match topic.split('/').next()? {
            "news" => Self::News,
            "home" => Self::Home,
            "jobs" => Self::Jobs,
            "odds" => Self::Odds,
            _ => return None,
        })
    }

    /// Whether its subscriptions share what comes.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Jobs | Self::Odds)
    }

    /// The filter by which that client subscribes.
    pub fn filter(self, client: usize) -> &'static str {
        match self {
            Self::News => ["news/all", "news/+", "news/#", "+/all"][client % 4],
            Self::Home => ["home/+", "home/#"][client % 2],
            Self::Jobs => "$share/team/jobs/#",
            Self::Odds => "$share/crew/odds/+",
        }
    }

    /// The greatest QoS of that client's subscription.
    pub fn qos(self, client: usize) -> u8 {
        match self {
            Self::News => [2, 1, 2, 1, 0][client % 5],
            Self::Home => [1, 2, 1, 2, 2][client % 5],
            Self::Jobs => 2,
            Self::Odds => 1,
        }
    }

    /// The Subscription Identifier.
    pub fn identifier(self) -> u32 {
        self as u32 + 1
    }
}

/// What an MQTT client has sent.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Which one.
    pub client: usize,
    /// With which QoS.
    pub qos: u8,
    /// Where to.
    pub topic: String,
    /// It has no payload, and clears what is retained.
    pub clears: bool,
    /// It is a will; its place among them.
    pub will: Option<usize>,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Book {
    /// By their numbers.
    pub subscriptions: Vec<Subscription>,
    /// What is to be retained.
    pub retained: History,
    /// In the order in which they were registered.
    pub wills: Vec<Will>,
    /// When the broker last opened its doors.
    pub opened: u64,
    origins: BTreeMap<Uid, Origin>,
    /// Messages looked at so far.
    observed: usize,
    /// What has to come to those who share a subscription, and what has come to any of them.
    shared: BTreeMap<Strand, (BTreeSet<Uid>, BTreeSet<Uid>)>,
}

impl Book {
    /// A message is sent.
    pub fn add(&mut self, uid: Uid, origin: Origin) {
        self.origins.insert(uid, origin);
    }

    /// Who sent a message; `None`: a client of STOMP.
    pub fn origin(&self, uid: Uid) -> Option<&Origin> {
        self.origins.get(&uid)
    }

    /// The topic of a message.
    pub fn topic(&self, uid: Uid) -> String {
        let topic = self.origins.get(&uid).map(|origin| origin.topic.clone());
        topic.unwrap_or_else(|| TOPIC.replace('.', "/"))
    }

    /// Looks at what has been sent since the last time: it has to reach every subscription that certainly exists. To be
    /// called before any of them changes.
    pub fn observe(&mut self, model: &Model) {
        let from = std::mem::replace(&mut self.observed, model.messages.len());
        for number in from..model.messages.len() {
            self.observe_one(Uid(number), &model.messages[number]);
        }
    }

    fn observe_one(&mut self, uid: Uid, message: &Message) {
        let origin = self.origins.get(&uid);
        let apart = origin.is_some_and(|origin| origin.clears || origin.will.is_some());
        let sending = &message.sending;
        let elsewhere = origin.is_none() && sending.place.is_some();
        if apart || elsewhere || !sending.persistent || sending.expires.is_some() {
            return;
        }
        let strand = origin.map_or(Some(Strand::News), |origin| Strand::of(&origin.topic));
        let sender = origin.map(|origin| origin.client);
        let takes = |one: &&mut Subscription| {
            let own = one.no_local && sender == Some(one.client);
            one.is_sure() && Some(one.strand) == strand && one.qos > 0 && !own
        };
        for one in self.subscriptions.iter_mut().filter(takes) {
            if one.strand.is_shared() {
                self.shared.entry(one.strand).or_default().0.insert(uid);
            } else {
                one.required.insert(uid);
            }
        }
    }

    /// A subscription is over, or may be: nothing more is promised of it, nor of what it shares, which may have been under
    /// way to it.
    pub fn end(&mut self, id: SubscriptionId) {
        let one = &mut self.subscriptions[id.0];
        one.end();
        if one.strand.is_shared() {
            self.shared.entry(one.strand).or_default().0.clear();
        }
    }

    /// A message comes for a subscription, and not again under a packet identifier that its client knows.
    ///
    /// # Errors
    /// The broker broke a promise by it.
    pub fn delivered(
        &mut self,
        id: SubscriptionId,
        uid: Uid,
        publish: &Publish,
        model: &Model,
        now: u64,
    ) -> Result<(), Violation> {
        let one = &self.subscriptions[id.0];
        let message = &model.messages[uid.0];
        let origin = self.origins.get(&uid);
        if let Some(will) = origin.and_then(|origin| origin.will) {
            let will = &self.wills[will];
            let gone = !model.is_live(will.connection);
            if !will.may_be_seen(gone, now, model.crashes) {
                return broken(format!("the will {uid} comes at {now}: {will:?}"));
            }
        } else {
            check::transactions::on_delivery(model, uid)?;
        }
        if !publish.dup {
            // A slow disk may hold it for a while: it leaves when its packet identifier is durable.
            check::time::on_delivery(model, uid, now, SLACK)?;
        }
        let sent = origin.map_or(2, |origin| origin.qos);
        if publish.qos != sent.min(one.qos) {
            return broken(format!("{uid} of QoS {sent} came with {}", publish.qos));
        }
        if one.no_local && origin.is_some_and(|origin| origin.client == one.client) {
            return broken(format!("{uid} came back to its own client"));
        }
        if publish.retain {
            return self.stored(id, uid);
        }
        if message.doubled || (one.strand.is_shared() && publish.qos == 1) {
            self.see(id, uid, publish, model.crashes);
            return Ok(());
        }
        self.once(id, uid, publish, model.crashes)?;
        let one = &mut self.subscriptions[id.0];
        let is_first = !one.seen.contains_key(&uid);
        let ordered = is_first && !message.retried && message.sending.due.is_none();
        if ordered && !one.strand.is_shared() {
            let producer = (message.connection, message.sending.priority);
            let before = one.last.insert(producer, message.order).unwrap_or(0);
            if before > message.order {
                let (qos, order) = (publish.qos, message.order);
                let what = format!("{uid} (QoS {qos}) came late: {before} > {order}");
                return Err(Violation::new("order", what));
            }
        }
        self.see(id, uid, publish, model.crashes);
        Ok(())
    }

    /// What comes again says so, and comes under the identifier it had. One of QoS 0 may come again after a crash: its
    /// broker does not wait for the disk to have forgotten it.
    fn once(
        &self,
        id: SubscriptionId,
        uid: Uid,
        publish: &Publish,
        crashes: u32,
    ) -> Result<(), Violation> {
        let one = &self.subscriptions[id.0];
        let shared = self.shared.get(&one.strand);
        let elsewhere = one.strand.is_shared()
            && shared.is_some_and(|(_, seen)| seen.contains(&uid))
            && !one.seen.contains_key(&uid);
        if elsewhere {
            return broken(format!("{uid} came to two who share {:?}", one.strand));
        }
        let Some((before, at)) = one.seen.get(&uid) else {
            return Ok(());
        };
        let again = match publish.qos {
            0 => *at < crashes,
            1 => publish.dup && *before == publish.id,
            _ => false,
        };
        if !again {
            return broken(format!(
                "{uid} came again, with DUP {} and identifier {} after {before}",
                publish.dup, publish.id
            ));
        }
        Ok(())
    }

    fn see(&mut self, id: SubscriptionId, uid: Uid, publish: &Publish, crashes: u32) {
        let one = &mut self.subscriptions[id.0];
        one.seen.insert(uid, (publish.id, crashes));
        if one.strand.is_shared() {
            self.shared.entry(one.strand).or_default().1.insert(uid);
        }
    }

    /// The copy of a retained message, for a subscription that was made while it was retained.
    fn stored(&self, id: SubscriptionId, uid: Uid) -> Result<(), Violation> {
        let one = &self.subscriptions[id.0];
        let origin = self.origins.get(&uid);
        let right = origin.is_some_and(|origin| {
            let since = self.retained.is_since(origin.client, uid, &one.oldest);
            one.strand == Strand::Home && one.stored && since
        });
        match right {
            true => Ok(()),
            false => broken(format!("{uid} came as retained: {:?}", one.oldest)),
        }
    }

    /// Every client has come back to its session and has taken what there is.
    ///
    /// # Errors
    /// A message is missing, or a will.
    pub fn at_rest(
        &self,
        model: &Model,
        now: u64,
        counters: &mut Counters,
    ) -> Result<(), Violation> {
        for one in &self.subscriptions {
            for uid in &one.required {
                counters.hit("check.mqtt_promises");
                let to = (one.client, one.strand, one.since);
                self.has_come(*uid, one.seen.contains_key(uid), model, &to)?;
            }
        }
        for (strand, (required, seen)) in &self.shared {
            for uid in required {
                counters.hit("check.mqtt_shared_promises");
                self.has_come(*uid, seen.contains(uid), model, strand)?;
            }
        }
        let homes = self.subscriptions.iter();
        let homes = homes.filter(|one| one.strand == Strand::Home && one.is_sure());
        for one in homes {
            let sent = self.wills.iter();
            let sent = sent.filter(|will| will.must_be_sent(now, model.crashes));
            for will in sent.filter(|will| one.since < will.heard) {
                counters.hit("check.mqtt_wills");
                if !one.seen.contains_key(&will.uid) {
                    return broken(format!("a will is missing at {now}: {will:?}"));
                }
            }
        }
        Ok(())
    }

    fn has_come(
        &self,
        uid: Uid,
        seen: bool,
        model: &Model,
        to: &impl std::fmt::Debug,
    ) -> Result<(), Violation> {
        let message = &model.messages[uid.0];
        if seen || !matches!(message.fate, Fate::Certain | Fate::Pending) {
            return Ok(());
        }
        let origin = self.origins.get(&uid);
        let what = format!("{uid} is lost: {message:?} of {origin:?} for {to:?}");
        Err(Violation::new("no_loss", what))
    }

    /// A subscription that is about to be asked for.
    pub fn subscribe(&mut self, one: Subscription) -> SubscriptionId {
        self.subscriptions.push(one);
        SubscriptionId(self.subscriptions.len() - 1)
    }

    /// SUBACK has come for a subscription.
    pub fn subscribed(&mut self, id: SubscriptionId, now: u64) {
        let one = &mut self.subscriptions[id.0];
        if one.stage == Stage::Asked {
            one.stage = Stage::Established;
            one.since = now;
        }
    }

    /// The subscription of that number.
    pub fn subscription(&mut self, id: SubscriptionId) -> &mut Subscription {
        &mut self.subscriptions[id.0]
    }

    /// The wills of a client.
    pub fn wills_of(&mut self, client: usize) -> impl Iterator<Item = &mut Will> {
        let origins = &self.origins;
        let of =
            move |will: &&mut Will| origins.get(&will.uid).is_some_and(|it| it.client == client);
        self.wills.iter_mut().filter(of)
    }
}
