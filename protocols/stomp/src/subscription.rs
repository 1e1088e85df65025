// SPDX-License-Identifier: Apache-2.0
//! Subscriptions: the consumers of a connection, by the ids the client gave them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hind_engine::address::routing_type::RoutingType;
use hind_engine::command::{
    ConsumerOpen, Credit, Deliveries, Outcome, Settle, Settling, Subscription as SubscriptionQueue,
};
use hind_engine::id::{ConsumerId, DeliveryId, MessageId, SessionId, Ticket, TransactionId};

use crate::codec::{ClientCommand, Frame, Version};
use crate::destination::{Destination, routing_type};
use crate::fault::Fault;
use crate::options::Options;
use crate::unsettled::{Settled, Unsettled};

const CLAUSE: &str = "STOMP 1.2 §SUBSCRIBE";

/// What a consumer that answers for nothing may have on its way, unless its SUBSCRIBE says otherwise. Artemis gives such
/// a consumer no limit; here what waits for a slow reader stays bounded, and comes back as it is written.
const AUTO_WINDOW_BYTES: i64 = 256 * 1024;

/// How a client answers for what it is sent [1.2 §SUBSCRIBE ack Header].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AckMode {
    /// Not at all: sent is consumed.
    Auto,
    /// For a message and all before it.
    Client,
    /// For each one alone.
    ClientIndividual,
}

/// How much may be on its way to a consumer, and what of it has come back in ack mode auto and is not yet given again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Window {
    Unlimited,
    OneAtATime,
    Bytes { size: i64, returned: i64 },
}

impl Window {
    fn of_bytes(bytes: i64) -> Self {
        match bytes {
            0 => Self::OneAtATime,
            size if size < 0 => Self::Unlimited,
            size => Self::Bytes { size, returned: 0 },
        }
    }

    fn first_credit(self) -> Credit {
        match self {
            Self::Unlimited => Credit {
                messages: Credit::UNLIMITED,
                bytes: Credit::UNLIMITED,
            },
            Self::OneAtATime => Credit::messages(1),
            Self::Bytes { size, .. } => Credit::bytes(size),
        }
    }

    /// Credit to give again for what was answered for: at once. The message it brings carries TCP's acknowledgement to a
    /// client that would otherwise hold its next small ACK back until that has come (Nagle).
    fn give_back(self, settled: Settled) -> Option<Credit> {
        let credit = match self {
            Self::Unlimited => return None,
            Self::OneAtATime => Credit {
                messages: i64::try_from(settled.messages).unwrap_or(i64::MAX),
                bytes: 0,
            },
            Self::Bytes { .. } => Credit {
                messages: 0,
                bytes: i64::try_from(settled.bytes).unwrap_or(i64::MAX),
            },
        };
        (settled.messages > 0).then_some(credit)
    }

    /// Credit to give again for a message that needs no answer. Bytes are collected up to a quarter of the window: the
    /// other three quarters keep messages coming, and the engine is asked less often.
    fn give_back_in_bulk(&mut self, settled: Settled) -> Option<Credit> {
        let credit = self.give_back(settled)?;
        match self {
            Self::Unlimited | Self::OneAtATime => Some(credit),
            Self::Bytes { size, returned } => {
                *returned = returned.saturating_add(credit.bytes);
                (*returned > *size / 4).then(|| Credit {
                    messages: 0,
                    bytes: std::mem::take(returned),
                })
            }
        }
    }
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The client's id for it.
    pub id: String,
    /// What its SUBSCRIBE asked for, by type or prefix.
    pub routing: Option<RoutingType>,
    destination: String,
    durable_queue: Option<Arc<str>>,
    ack: AckMode,
    window: Window,
    unsettled: Unsettled,
}

impl Subscription {
    /// Whether what is sent is taken for consumed.
    pub fn is_auto(&self) -> bool {
        self.ack == AckMode::Auto
    }

    /// A message is on its way to a client that will answer for it.
    pub fn sent(&mut self, delivery: DeliveryId, message: MessageId, bytes: u64) {
        self.unsettled.sent(delivery, message, bytes);
    }

    /// A message of `bytes` was sent and counts as consumed; credit to give again.
    pub fn sent_for_good(&mut self, bytes: u64) -> Option<Credit> {
        self.window
            .give_back_in_bulk(Settled { messages: 1, bytes })
    }

    /// A message of `bytes` is gone before it was sent; credit to give again.
    pub fn lost(&mut self, bytes: u64) -> Option<Credit> {
        self.window.give_back(Settled { messages: 1, bytes })
    }

    /// An answer for a message: what to tell the engine, and credit to give again.
    fn settle(
        &mut self,
        message: MessageId,
        outcome: Outcome,
        transaction: Option<TransactionId>,
    ) -> Option<(Settle, Option<Credit>)> {
        let delivery = self.unsettled.delivery(message)?;
        let (deliveries, settled) = match self.ack {
            AckMode::Client => (
                Deliveries::UpTo(delivery),
                self.unsettled.settle_up_to(delivery),
            ),
            AckMode::ClientIndividual | AckMode::Auto => {
                (Deliveries::One(delivery), self.unsettled.settle(delivery))
            }
        };
        let settle = Settle {
            deliveries,
            outcome,
            transaction,
            ticket: None,
        };
        Some((settle, self.window.give_back(settled)))
    }
}

/// What an ACK or NACK comes to.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whose deliveries.
    pub consumer: ConsumerId,
    /// Which, and what became of them. The ticket is the caller's to set.
    pub settle: Settle,
    /// To be given again.
    pub credit: Option<Credit>,
}

/// What an UNSUBSCRIBE comes to.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    /// The consumer to close.
    pub consumer: Option<ConsumerId>,
    /// The durable subscription's queue, to be deleted.
    pub queue: Option<Arc<str>>,
}

/// All subscriptions of a connection.
///
/// *Invariants*: `by_id` and `by_consumer` hold the same subscriptions; a consumer's number is never used twice.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_id: BTreeMap<String, ConsumerId>,
    by_consumer: BTreeMap<ConsumerId, Subscription>,
    last: u64,
}

impl Subscriptions {
    /// So many may be open at once.
    const OPEN: usize = 10_000;

    /// SUBSCRIBE [1.2 §SUBSCRIBE]. The ticket of what is returned is the caller's to set.
    pub fn open(
        &mut self,
        frame: &Frame<'_>,
        options: &Options,
        client_id: Option<&str>,
        session: SessionId,
    ) -> Result<(ConsumerId, ConsumerOpen), Fault> {
        let destination = frame
            .header("destination")
            .ok_or_else(missing_destination)?;
        let id = frame
            .header("id")
            .map_or_else(|| default_id(destination), str::to_owned);
        if self.by_id.contains_key(&id) {
            return Err(Fault::violation(
                "STOMP 1.2 §SUBSCRIBE id Header",
                format!("AMQ339016: Error creating subscription {id}"),
                format!("There already is a subscription with the id {id} on this connection."),
            ));
        }
        if self.by_id.len() == Self::OPEN {
            return Err(Fault::limit("subscriptions", Self::OPEN));
        }
        let resolved = Destination::resolve(destination, options);
        let subscription = subscription(frame, id.clone(), &resolved, options, client_id)?;
        self.last += 1;
        let consumer = ConsumerId(self.last);
        let open = consumer_open(frame, &subscription, resolved, session);
        self.by_id.insert(id, consumer);
        self.by_consumer.insert(consumer, subscription);
        Ok((consumer, open))
    }

    /// None is open.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The subscription of a consumer, if it is still open.
    pub fn of(&mut self, consumer: ConsumerId) -> Option<&mut Subscription> {
        self.by_consumer.get_mut(&consumer)
    }

    /// UNSUBSCRIBE [1.2 §UNSUBSCRIBE]: by id, by destination as in 1.0, or by the name of a durable subscription, which
    /// is then deleted.
    pub fn remove(
        &mut self,
        frame: &Frame<'_>,
        version: Version,
        client_id: Option<&str>,
    ) -> Result<Removal, Fault> {
        let queue = durable_queue(frame, client_id)?;
        let consumer = match (frame.header("id"), frame.header("destination"), &queue) {
            (Some(id), _, _) => Some(self.named(id)?),
            (None, _, Some(queue)) => self.find(|open| open.durable_queue.as_ref() == Some(queue)),
            (None, Some(destination), None) => Some(
                self.by_id
                    .get(&default_id(destination))
                    .copied()
                    .or_else(|| self.find(|open| open.destination == destination))
                    .ok_or_else(|| not_subscribed(destination))?,
            ),
            (None, None, None) => return Err(missing_id(version)),
        };
        if let Some(open) = consumer.and_then(|consumer| self.by_consumer.remove(&consumer)) {
            self.by_id.remove(&open.id);
        }
        Ok(Removal { consumer, queue })
    }

    /// ACK or NACK [1.2 §ACK, §NACK].
    pub fn answer(
        &mut self,
        frame: &Frame<'_>,
        version: Version,
        transaction: Option<TransactionId>,
    ) -> Result<Answer, Fault> {
        let id = self.answered_id(frame, version)?;
        let outcome = match frame.command {
            ClientCommand::Nack => Outcome::Failed,
            _ => Outcome::Accepted,
        };
        numbers(id)
            .and_then(|(consumer, message)| {
                let subscription = self.by_consumer.get_mut(&consumer)?;
                let (settle, credit) = subscription.settle(message, outcome, transaction)?;
                Some(Answer { consumer, settle, credit })
            })
            .ok_or_else(|| {
                Fault::violation(
                    "STOMP 1.2 §ACK",
                    format!("AMQ339025: failed to ack because no message with id: {}", shown(id)),
                    "No message with that id waits for an answer: it was never sent, is answered for, belongs to a \
                     subscription that is closed, or its subscription is in ack mode auto.",
                )
            })
    }

    /// The message an ACK or NACK speaks of: in 1.2 by the `ack` header it was sent with, before by `message-id`.
    fn answered_id<'a>(&self, frame: &Frame<'a>, version: Version) -> Result<&'a str, Fault> {
        const MISSING: &str = "AMQ339039: No id header in ACK/NACK frame.";
        if version >= Version::V1_2 {
            return frame
                .header("id")
                .ok_or_else(|| Fault::violation("STOMP 1.2 §ACK", MISSING, MISSING));
        }
        let id = frame.header("message-id").ok_or_else(|| {
            Fault::violation(
                "STOMP 1.1 §ACK",
                MISSING,
                "The header message-id is missing.",
            )
        })?;
        match frame.header("subscription") {
            Some(subscription) => self.check_subscription(id, subscription)?,
            None if version == Version::V1_0 => {}
            None => {
                let text = "AMQ339037: Must specify the subscription's id";
                return Err(Fault::violation("STOMP 1.1 §ACK", text, text));
            }
        }
        Ok(id)
    }

    fn check_subscription(&self, id: &str, named: &str) -> Result<(), Fault> {
        let sent_to = numbers(id).and_then(|(consumer, _)| self.by_consumer.get(&consumer));
        match sent_to {
            Some(subscription) if subscription.id != named => Err(Fault::violation(
                "STOMP 1.1 §ACK",
                format!(
                    "AMQ339026: subscription id {} does not match {}",
                    shown(named),
                    subscription.id
                ),
                "The message was sent to another subscription.",
            )),
            _ => Ok(()),
        }
    }

    fn named(&self, id: &str) -> Result<ConsumerId, Fault> {
        self.by_id
            .get(id)
            .copied()
            .ok_or_else(|| not_subscribed(id))
    }

    fn find(&self, matches: impl Fn(&Subscription) -> bool) -> Option<ConsumerId> {
        self.by_consumer
            .iter()
            .find(|(_, open)| matches(open))
            .map(|(consumer, _)| *consumer)
    }
}

fn subscription(
    frame: &Frame<'_>,
    id: String,
    destination: &Destination,
    options: &Options,
    client_id: Option<&str>,
) -> Result<Subscription, Fault> {
    let ack = ack_mode(frame)?;
    let routing = match frame.header("subscription-type") {
        Some(value) => Some(routing_type("subscription-type", value)?),
        None => destination.routing,
    };
    Ok(Subscription {
        id,
        routing,
        destination: frame.header("destination").unwrap_or_default().to_owned(),
        durable_queue: durable_queue(frame, client_id)?,
        ack,
        window: window(frame, ack, options)?,
        unsettled: Unsettled::default(),
    })
}

fn consumer_open(
    frame: &Frame<'_>,
    subscription: &Subscription,
    destination: Destination,
    session: SessionId,
) -> ConsumerOpen {
    let no_local = frame
        .header("no-local")
        .or_else(|| frame.header("activemq.noLocal"));
    ConsumerOpen {
        session,
        address: destination.address,
        routing: subscription.routing,
        subscription: match &subscription.durable_queue {
            // As in Artemis, a client that comes back before its old connection is missed shares its queue with it.
            Some(queue) => SubscriptionQueue::Named {
                queue: Arc::clone(queue),
                durable: true,
                shared: true,
            },
            None => SubscriptionQueue::Temporary,
        },
        selector: frame.header("selector").unwrap_or_default().to_owned(),
        no_local: no_local.is_some_and(|value| value.eq_ignore_ascii_case("true")),
        priority: 0,
        credit: subscription.window.first_credit(),
        settling: Settling::ByDelivery,
        retained: false,
        kept: None,
        ticket: Ticket(0),
    }
}

fn ack_mode(frame: &Frame<'_>) -> Result<AckMode, Fault> {
    match frame.header("ack") {
        None | Some("auto") => Ok(AckMode::Auto),
        Some("client") => Ok(AckMode::Client),
        Some("client-individual") => Ok(AckMode::ClientIndividual),
        Some(other) => Err(Fault::header_value(
            "STOMP 1.2 §SUBSCRIBE ack Header",
            "ack",
            other,
            "auto, client or client-individual",
        )),
    }
}

fn window(frame: &Frame<'_>, ack: AckMode, options: &Options) -> Result<Window, Fault> {
    for name in ["consumer-window-size", "activemq.prefetchSize"] {
        if let Some(value) = frame.header(name) {
            let bytes = value.trim().parse().map_err(|_| {
                Fault::header_value(CLAUSE, name, value, "a number of bytes, 0 or -1")
            })?;
            return Ok(Window::of_bytes(bytes));
        }
    }
    Ok(match ack {
        AckMode::Auto => Window::of_bytes(AUTO_WINDOW_BYTES),
        AckMode::Client | AckMode::ClientIndividual => {
            Window::of_bytes(options.consumer_window_bytes)
        }
    })
}

/// The queue of a durable subscription: `<client-id>.<name>`, as in Artemis.
fn durable_queue(frame: &Frame<'_>, client_id: Option<&str>) -> Result<Option<Arc<str>>, Fault> {
    let name = [
        "durable-subscription-name",
        "durable-subscriber-name",
        "activemq.subscriptionName",
    ]
    .into_iter()
    .find_map(|header| frame.header(header));
    match (name, client_id) {
        (None, _) => Ok(None),
        (Some(name), Some(client_id)) => Ok(Some(Arc::from(format!("{client_id}.{name}")))),
        (Some(_), None) => {
            let text = "AMQ339027: Cannot create a subscriber on the durable subscription if the client-id of the \
                        connection is not set";
            Err(Fault::violation("Artemis manual §STOMP", text, text))
        }
    }
}

fn default_id(destination: &str) -> String {
    format!("subscription/{destination}")
}

/// `<consumer>,<message>`, as message ids are written.
fn numbers(id: &str) -> Option<(ConsumerId, MessageId)> {
    let (consumer, message) = id.split_once(',')?;
    Some((
        ConsumerId(consumer.parse().ok()?),
        MessageId(message.parse().ok()?),
    ))
}

fn missing_destination() -> Fault {
    let text = "AMQ339015: Client must set destination or id header to a SUBSCRIBE command";
    Fault::violation(CLAUSE, text, "The header destination is missing.")
}

fn missing_id(version: Version) -> Fault {
    let text = match version {
        Version::V1_0 => {
            "AMQ339035: Must specify the subscription's id or the destination you are unsubscribing from"
        }
        _ => "AMQ339037: Must specify the subscription's id",
    };
    Fault::violation("STOMP 1.2 §UNSUBSCRIBE", text, text)
}

fn not_subscribed(what: &str) -> Fault {
    Fault::violation(
        "STOMP 1.2 §UNSUBSCRIBE",
        format!("AMQ339017: Error unsubscribing {}", shown(what)),
        "There is no such subscription on this connection.",
    )
}

fn shown(text: &str) -> String {
    text.chars().take(128).collect()
}
