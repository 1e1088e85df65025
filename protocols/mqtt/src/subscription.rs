// SPDX-License-Identifier: Apache-2.0
//! Subscriptions: the consumers of a connection, by the filters the client gave them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hind_engine::address::name::QUALIFIER;
use hind_engine::address::routing_type::RoutingType;
use hind_engine::client_session::ClientSubscription;
use hind_engine::command::{ConsumerOpen, Credit, Settling, Subscription as SubscriptionQueue};
use hind_engine::id::{ConsumerId, SessionId, Ticket};
use hind_engine::message::Message;
use smallvec::SmallVec;

use crate::codec::{Qos, RetainHandling, SubscribeEntry, filter_parts};
use crate::convert::{engine_qos, wire_qos};
use crate::options::Options;
use crate::topic::{self, Destination};

/// Bytes that may be on their way to a subscription. How many messages, the client says (Receive Maximum); this is for
/// those of QoS 0, which it cannot hold back, and comes again as they are written.
const WINDOW: i64 = 256 * 1024;

/// One subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    consumer: ConsumerId,
    filter: Arc<str>,
    wish: Wish,
    /// Bytes that were written and not yet given again.
    returned: i64,
    /// The address, if what it is sent may be sent together with what others are.
    address: Option<Arc<str>>,
}

/// What a delivery says of the subscriptions that it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Label {
    /// The numbers of the subscriptions, oldest first.
    pub identifiers: SmallVec<[u32; 2]>,
    /// The RETAIN flag is passed on as it was published.
    pub retain_as_published: bool,
}

/// What a client wants of a subscription, apart from its filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    qos: Qos,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: RetainHandling,
    identifier: Option<u32>,
}

impl Wish {
    /// What a SUBSCRIBE asks for.
    pub const fn of(entry: &SubscribeEntry<'_>, identifier: Option<u32>) -> Self {
        Self {
            qos: entry.qos,
            no_local: entry.no_local,
            retain_as_published: entry.retain_as_published,
            retain_handling: entry.retain_handling,
            identifier,
        }
    }

    /// What the engine has kept of one.
    fn kept(kept: &ClientSubscription) -> Self {
        Self {
            qos: wire_qos(kept.qos),
            no_local: kept.no_local,
            retain_as_published: kept.retain_as_published,
            retain_handling: match kept.retain_handling {
                0 => RetainHandling::Always,
                1 => RetainHandling::IfNew,
                _ => RetainHandling::Never,
            },
            identifier: kept.identifier,
        }
    }

    fn keep(&self, filter: &Arc<str>) -> ClientSubscription {
        ClientSubscription {
            filter: Arc::clone(filter),
            qos: engine_qos(self.qos),
            no_local: self.no_local,
            retain_as_published: self.retain_as_published,
            retain_handling: match self.retain_handling {
                RetainHandling::Always => 0,
                RetainHandling::IfNew => 1,
                RetainHandling::Never => 2,
            },
            identifier: self.identifier,
        }
    }
}

impl Subscription {
    /// A message on this address is for it, and it may be joined with others.
    fn matches(&self, address: &str, options: &Options) -> bool {
        let is_hidden = address.starts_with('$') && self.filter.starts_with(['+', '#']);
        let pattern = self.address.as_deref();
        pattern.is_some_and(|pattern| !is_hidden && options.addresses.matches(pattern, address))
    }

    /// A message of `bytes` was written; credit to give again. Bytes are collected up to a quarter of the window: the
    /// other three quarters keep messages coming, and the engine is asked less often.
    pub fn written(&mut self, bytes: u64) -> Option<Credit> {
        self.returned = self
            .returned
            .saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        (self.returned > WINDOW / 4).then(|| Credit {
            messages: 0,
            bytes: std::mem::take(&mut self.returned),
        })
    }
}

/// For whom subscriptions are opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber<'a> {
    /// Its name.
    pub client_id: &'a str,
    /// The session to open them in.
    pub session: SessionId,
    /// They outlive the connection.
    pub is_kept: bool,
    /// How the acceptor serves it.
    pub options: &'a Options,
}

/// The subscriptions of a connection.
///
/// *Invariants*: `list` is in the order of its consumers, which count up; `filters` names one of them for each filter.
/// One that is being unsubscribed is only in `list`: what was on its way is still delivered [MQTT-3.10.4-3].
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    list: Vec<Subscription>,
    filters: BTreeMap<Arc<str>, ConsumerId>,
    next: u64,
    /// How many have an address.
    joinable: usize,
}

/// A consumer to be opened, or reopened.
#[derive(Debug)]
pub(crate) struct Opening {
    /// Which.
    pub consumer: ConsumerId,
    /// It did not exist before.
    pub is_new: bool,
    /// How.
    pub open: Box<ConsumerOpen>,
}

impl Subscriptions {
    /// A SUBSCRIBE for one filter: replaces a subscription with the same one [MQTT-3.8.4-3].
    pub fn subscribe(
        &mut self,
        filter: &str,
        wish: Wish,
        of: Subscriber<'_>,
        ticket: Ticket,
    ) -> Opening {
        let existing = self.filters.get_key_value(filter);
        let (filter, consumer, is_new) = match existing {
            Some((filter, consumer)) => (Arc::clone(filter), *consumer, false),
            None => (Arc::from(filter), ConsumerId(self.next + 1), true),
        };
        if is_new {
            self.add(consumer, &filter, wish);
        } else if let Some(subscription) = self.of(consumer) {
            subscription.wish = wish;
        }
        self.join(consumer, of.options);
        let retained = match wish.retain_handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => is_new,
            RetainHandling::Never => false,
        };
        let open = open(&filter, wish, of, retained, ticket);
        Opening {
            consumer,
            is_new,
            open,
        }
    }

    /// A subscription of the session that the client comes back to.
    pub fn resume(
        &mut self,
        kept: &ClientSubscription,
        of: Subscriber<'_>,
        ticket: Ticket,
    ) -> Opening {
        let consumer = ConsumerId(self.next + 1);
        let wish = Wish::kept(kept);
        self.add(consumer, &kept.filter, wish);
        self.join(consumer, of.options);
        Opening {
            consumer,
            is_new: true,
            open: open(&kept.filter, wish, of, false, ticket),
        }
    }

    fn add(&mut self, consumer: ConsumerId, filter: &Arc<str>, wish: Wish) {
        self.next = consumer.0;
        self.filters.insert(Arc::clone(filter), consumer);
        self.list.push(Subscription {
            consumer,
            filter: Arc::clone(filter),
            wish,
            returned: 0,
            address: None,
        });
    }

    /// Notes whether what the subscription is sent may be sent together with what others are: it has a number to be told
    /// from them, and a queue that is its own.
    fn join(&mut self, consumer: ConsumerId, options: &Options) {
        let Some(subscription) = self.of(consumer) else {
            return;
        };
        let before = usize::from(subscription.address.is_some());
        let parts = filter_parts(&subscription.filter);
        let destination = Destination::of(parts.filter, options);
        let is_own = parts.share.is_none()
            && destination.routing != Some(RoutingType::Anycast)
            && !destination.address.contains(QUALIFIER);
        let may = is_own && subscription.wish.identifier.is_some();
        subscription.address = may.then_some(destination.address);
        let now = usize::from(subscription.address.is_some());
        self.joinable = self.joinable + now - before;
    }

    /// What a delivery says of its subscriptions. `None`: it is not to be sent, because it is sent for an older subscription
    /// that says so of this one, too.
    ///
    /// A message that several subscriptions of a client match comes once for each of them, as Artemis does it; but if they
    /// have numbers to be told apart by, once for all with all numbers [MQTT-3.3.4-4]: for the oldest of them, whose queue
    /// has all that the others' have, provided that it is not sent with a lower QoS than the others [MQTT-3.3.4-2].
    pub fn label(
        &self,
        consumer: ConsumerId,
        message: &Message,
        of: Subscriber<'_>,
    ) -> Option<Label> {
        /// With more subscriptions that may be joined, each one's messages are sent for it alone.
        const JOINED: usize = 64;
        let own = &self.list[self.position(consumer)?];
        let alone = Label {
            identifiers: own.wish.identifier.into_iter().collect(),
            retain_as_published: own.wish.retain_as_published,
        };
        let published = message.published.as_ref();
        let is_stored = published.is_some_and(|published| published.stored);
        if !(2..=JOINED).contains(&self.joinable) || own.address.is_none() || is_stored {
            return Some(alone);
        }
        let is_own = published.is_some_and(|published| *published.client_id == *of.client_id);
        let topic = message.address.as_ref();
        let matching: SmallVec<[&Subscription; 8]> = self
            .list
            .iter()
            .filter(|one| !(one.wish.no_local && is_own) && one.matches(topic, of.options))
            .collect();
        let highest = matching.iter().map(|one| one.wish.qos).max();
        let Some(oldest) = matching.first().filter(|one| Some(one.wish.qos) == highest) else {
            return Some(alone);
        };
        (oldest.consumer == consumer).then(|| Label {
            identifiers: matching
                .iter()
                .filter_map(|one| one.wish.identifier)
                .collect(),
            retain_as_published: matching.iter().any(|one| one.wish.retain_as_published),
        })
    }

    /// An UNSUBSCRIBE for one filter: the consumer to be closed, if there is such a subscription.
    pub fn unsubscribe(&mut self, filter: &str) -> Option<ConsumerId> {
        let consumer = self.filters.remove(filter)?;
        // What comes from now on is not for it: others speak for themselves again.
        if let Some(subscription) = self.of(consumer)
            && subscription.address.take().is_some()
        {
            self.joinable -= 1;
        }
        Some(consumer)
    }

    /// The consumer is gone, or never was.
    pub fn remove(&mut self, consumer: ConsumerId) -> Option<Arc<str>> {
        let at = self.position(consumer)?;
        let subscription = self.list.remove(at);
        self.joinable -= usize::from(subscription.address.is_some());
        if self.filters.get(&subscription.filter) == Some(&consumer) {
            self.filters.remove(&subscription.filter);
        }
        Some(subscription.filter)
    }

    /// The subscription of a consumer.
    pub fn of(&mut self, consumer: ConsumerId) -> Option<&mut Subscription> {
        let at = self.position(consumer)?;
        self.list.get_mut(at)
    }

    fn position(&self, consumer: ConsumerId) -> Option<usize> {
        self.list
            .binary_search_by_key(&consumer, |subscription| subscription.consumer)
            .ok()
    }
}

fn open(
    filter: &Arc<str>,
    wish: Wish,
    of: Subscriber<'_>,
    retained: bool,
    ticket: Ticket,
) -> Box<ConsumerOpen> {
    let parts = filter_parts(filter);
    let destination = Destination::of(parts.filter, of.options);
    let owner = parts.share.unwrap_or(of.client_id);
    Box::new(ConsumerOpen {
        session: of.session,
        subscription: SubscriptionQueue::Named {
            queue: topic::queue_name(owner, &destination.address),
            durable: of.is_kept,
            shared: parts.share.is_some(),
        },
        // An address that is anycast has its queue read, whatever was subscribed to.
        routing: destination.routing,
        address: destination.address,
        selector: selector(parts.filter).to_owned(),
        no_local: wish.no_local,
        priority: 0,
        credit: Credit::bytes(WINDOW),
        settling: match wish.qos {
            Qos::AtMostOnce => Settling::BySending,
            qos => Settling::ByPacket(engine_qos(qos)),
        },
        retained: retained
            && parts.share.is_none()
            && destination.routing != Some(RoutingType::Anycast),
        kept: of.is_kept.then(|| Box::new(wish.keep(filter))),
        ticket,
    })
}

/// A wildcard in the first level does not stand for what begins with `$` [MQTT-4.7.2-1].
fn selector(filter: &str) -> &'static str {
    match filter.as_bytes() {
        [b'+' | b'#', ..] => "AMQAddress NOT LIKE '$%'",
        _ => "",
    }
}
