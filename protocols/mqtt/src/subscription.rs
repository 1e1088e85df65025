// SPDX-License-Identifier: Apache-2.0
//! Subscriptions: the consumers of a connection, by the filters the client gave them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hind_engine::address::routing_type::RoutingType;
use hind_engine::client_session::ClientSubscription;
use hind_engine::command::{ConsumerOpen, Credit, Settling, Subscription as SubscriptionQueue};
use hind_engine::id::{ConsumerId, SessionId, Ticket};

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
    /// What the client wants of it.
    pub wish: Wish,
    /// Bytes that were written and not yet given again.
    returned: i64,
}

/// What a client wants of a subscription, apart from its filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wish {
    qos: Qos,
    no_local: bool,
    /// The RETAIN flag is passed on as it was published.
    pub retain_as_published: bool,
    retain_handling: RetainHandling,
    /// The number the client gave it.
    pub identifier: Option<u32>,
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
        });
    }

    /// An UNSUBSCRIBE for one filter: the consumer to be closed, if there is such a subscription.
    pub fn unsubscribe(&mut self, filter: &str) -> Option<ConsumerId> {
        self.filters.remove(filter)
    }

    /// The consumer is gone, or never was.
    pub fn remove(&mut self, consumer: ConsumerId) -> Option<Arc<str>> {
        let at = self.position(consumer)?;
        let subscription = self.list.remove(at);
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
