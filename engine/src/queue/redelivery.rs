// SPDX-License-Identifier: Apache-2.0
//! Delivery attempts: another try after a while, and the dead-letter address after the last (manual, chapter Message
//! Redelivery and Undelivered Messages). Expired messages take the same way to the expiry address.

use std::sync::Arc;
use std::time::Duration;

use crate::address::lifecycle::NewQueue;
use crate::address::name::split_fqqn;
use crate::address::routing_type::RoutingType;
use crate::address::settings::AddressSettings;
use crate::engine::{Engine, Turn, Unit};
use crate::id::{AddressId, ConnectionId, MessageId, QueueId};
use crate::message::Message;
use crate::message::properties::{self, Value};
use crate::notice::Notice;
use crate::queue::QueueOptions;
use crate::queue::settle::Departure;
use crate::routing::{Routed, Target};
use crate::storage::record::{Mark, Record};

/// Why a message is copied to another address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    Dead,
    Expired,
}

/// What became of such a message.
#[derive(Debug)]
enum Fate {
    /// It is at that address now.
    Copied(Arc<str>),
    /// It is gone: no address is configured, or nothing takes messages at the one that is.
    Dropped(Option<Arc<str>>),
}

/// Names and switches for the queues that are made as messages die or expire.
struct Undelivered<'a> {
    address: Option<&'a str>,
    auto_create: bool,
    prefix: &'a str,
    suffix: &'a str,
}

impl Cause {
    fn departure(self) -> Departure {
        match self {
            Self::Dead => Departure::Killed,
            Self::Expired => Departure::Expired,
        }
    }

    fn of(self, settings: &AddressSettings) -> Undelivered<'_> {
        match self {
            Self::Dead => Undelivered {
                address: settings.dead_letter_address.as_deref(),
                auto_create: settings.auto_create_dead_letter_resources,
                prefix: &settings.dead_letter_queue_prefix,
                suffix: &settings.dead_letter_queue_suffix,
            },
            Self::Expired => Undelivered {
                address: settings.expiry_address.as_deref(),
                auto_create: settings.auto_create_expiry_resources,
                prefix: &settings.expiry_queue_prefix,
                suffix: &settings.expiry_queue_suffix,
            },
        }
    }
}

impl Engine {
    /// A delivery has failed: the message waits its redelivery delay, or is dead.
    pub(crate) fn try_again(
        &mut self,
        from: Option<ConnectionId>,
        queue_id: QueueId,
        message: MessageId,
        turn: &mut Turn<'_>,
    ) {
        let Some(settings) = self.settings_of_queue(queue_id) else {
            return;
        };
        let Some(queue) = self.state.queues.get_mut(queue_id) else {
            return;
        };
        let Some(entry) = queue.entry(message) else {
            return;
        };
        let attempts = entry.attempts + 1;
        let logs = queue.logs(&entry.message);
        let paged = entry.paged;
        let was_scheduled = entry.scheduled != 0;
        if settings
            .max_delivery_attempts
            .is_some_and(|max| max > 0 && attempts >= max)
        {
            self.dead_letter(from, queue_id, message, turn);
            return;
        }
        queue.hold(message);
        let delay = redelivery_delay(&settings, attempts, self.random.number());
        let at = if delay.is_zero() {
            0
        } else {
            turn.now.wall.saturating_add(millis(delay))
        };
        let mut unit = Unit::new();
        let counts = self
            .settings
            .max_redelivery_records
            .is_none_or(|max| attempts <= max);
        let waits = at != 0 || was_scheduled;
        match paged {
            Some(place) if counts || waits => unit.push(Record::PageMark {
                queue: queue_id,
                place,
                message,
                mark: Mark {
                    count: attempts,
                    scheduled: at,
                },
            }),
            Some(_) => {}
            None => {
                unit.extend(counts.then_some(Record::DeliveryCount {
                    queue: queue_id,
                    message,
                    count: attempts,
                }));
                unit.extend(waits.then_some(Record::Scheduled {
                    queue: queue_id,
                    message,
                    at,
                }));
            }
        }
        if logs {
            self.commit(from, &unit, false, turn);
        }
        if let Some(entry) = self
            .state
            .queues
            .get_mut(queue_id)
            .and_then(|queue| queue.entry_mut(message))
        {
            entry.attempts = attempts;
            entry.scheduled = at;
        }
        self.make_ready(queue_id, message, turn.now);
    }

    /// The message has used up its attempts, or its consumer wants it never to come back.
    pub(crate) fn dead_letter(
        &mut self,
        from: Option<ConnectionId>,
        queue_id: QueueId,
        message: MessageId,
        turn: &mut Turn<'_>,
    ) {
        let Some(queue) = self.state.queues.get(queue_id) else {
            return;
        };
        let Some(entry) = queue.entry(message) else {
            return;
        };
        let attempts = entry.attempts + 1;
        let queue = queue.name().clone();
        let notice = match self.copy_away(from, queue_id, message, Cause::Dead, turn) {
            Some(Fate::Copied(address)) => Some(Notice::DeadLettered {
                queue,
                address,
                message,
                attempts,
            }),
            Some(Fate::Dropped(dead_letter_address)) => self
                .first_dropped(queue_id, Cause::Dead)
                .map(|queue| Notice::DroppedAfterAttempts {
                    queue,
                    message,
                    attempts,
                    dead_letter_address,
                }),
            None => None,
        };
        turn.notices.extend(notice);
    }

    /// The message has expired.
    pub(crate) fn expire_message(
        &mut self,
        queue_id: QueueId,
        message: MessageId,
        turn: &mut Turn<'_>,
    ) {
        let fate = self.copy_away(None, queue_id, message, Cause::Expired, turn);
        if let Some(Fate::Dropped(expiry_address)) = fate
            && let Some(queue) = self.first_dropped(queue_id, Cause::Expired)
        {
            turn.notices.push(Notice::DroppedExpired {
                queue,
                expiry_address,
            });
        }
    }

    /// A message has been dropped. The queue's name, if it was the first of its address: it is said once, not for each
    /// of a million.
    fn first_dropped(&mut self, queue: QueueId, cause: Cause) -> Option<Arc<str>> {
        let queue = self.state.queues.get(queue)?;
        let address = self.state.addresses.get_mut(queue.address_id())?;
        let dropped = match cause {
            Cause::Dead => &mut address.dropped_dead,
            Cause::Expired => &mut address.dropped_expired,
        };
        *dropped += 1;
        (*dropped == 1).then(|| queue.name().clone())
    }

    /// Moves a message to the dead-letter or expiry address, in one unit; where there is none, or nothing takes it
    /// there, it is dropped. Nothing if the message is not there.
    fn copy_away(
        &mut self,
        from: Option<ConnectionId>,
        queue_id: QueueId,
        message: MessageId,
        cause: Cause,
        turn: &mut Turn<'_>,
    ) -> Option<Fate> {
        let settings = self.settings_of_queue(queue_id)?;
        let queue = self.state.queues.get(queue_id)?;
        let entry = queue.entry(message)?;
        let (original, from_address) = (entry.message.clone(), queue.address.clone());
        let copy = copy_of(&original, Some(queue.name()), cause, turn.now.wall);
        let routed = self
            .undelivered_target(&settings, &original, &from_address, cause, turn)
            .map(|(address, name)| (self.route_copy(copy, address, name.clone(), turn), name));
        let mut unit = Unit::new();
        if let Some((routed, _)) = &routed {
            routed.records(&mut unit);
        }
        self.acknowledgement(queue_id, message, cause.departure(), &mut unit, turn);
        self.commit(from, &unit, true, turn);
        let Some((routed, name)) = routed else {
            let named = cause.of(&settings).address.filter(|name| !name.is_empty());
            return Some(Fate::Dropped(named.map(Arc::from)));
        };
        let reached = routed.reaches_a_queue();
        self.arrive(from, routed, turn);
        Some(if reached {
            Fate::Copied(name)
        } else {
            Fate::Dropped(Some(name))
        })
    }

    /// For a message that reached no queue and whose address sends such messages to its dead-letter address.
    pub(crate) fn dead_letter_of(
        &mut self,
        message: &Message,
        address: AddressId,
        turn: &mut Turn<'_>,
    ) -> Option<Routed> {
        let of = self.state.addresses.get(address)?;
        let (settings, name) = (of.settings.clone(), of.record.name.clone());
        if settings.dead_letter_address.as_deref() == Some(&*name) {
            return None;
        }
        let (target, target_name) =
            self.undelivered_target(&settings, message, &name, Cause::Dead, turn)?;
        let copy = copy_of(message, None, Cause::Dead, turn.now.wall);
        Some(self.route_copy(copy, target, target_name, turn))
    }

    /// Decides where a copy goes. One that goes nowhere is not sent to yet another dead-letter address: two that name
    /// each other would never end.
    fn route_copy(
        &mut self,
        copy: Message,
        address: AddressId,
        name: Arc<str>,
        turn: &mut Turn<'_>,
    ) -> Routed {
        let copy = Message {
            address: name,
            ..copy
        };
        let target = Target {
            address,
            queue: None,
        };
        self.route_to(copy, target, None, None, turn)
    }

    /// The dead-letter or expiry address, with its queue made if the settings say so: one for each address that the
    /// messages were sent to (by Artemis for the address of their queue, whose filter then takes nothing that came
    /// through a wildcard or an FQQN).
    fn undelivered_target(
        &mut self,
        settings: &AddressSettings,
        message: &Message,
        from_address: &str,
        cause: Cause,
        turn: &mut Turn<'_>,
    ) -> Option<(AddressId, Arc<str>)> {
        let undelivered = cause.of(settings);
        let name: Arc<str> = undelivered.address.filter(|name| !name.is_empty())?.into();
        if undelivered.auto_create && *name != *from_address {
            let sent_to = split_fqqn(&message.address).0;
            let address = self.give_routing(None, &name, &[RoutingType::Multicast], true, turn);
            let queue: Arc<str> =
                format!("{}{sent_to}{}", undelivered.prefix, undelivered.suffix).into();
            if self.state.queues.named(&queue).is_none() {
                let quoted = sent_to.replace('\'', "''");
                let new = NewQueue {
                    name: queue,
                    address,
                    routing: RoutingType::Multicast,
                    filter: format!("{} = '{quoted}'", properties::ORIGINAL_ADDRESS).into(),
                    user: "".into(),
                    options: QueueOptions::default(),
                    durable: true,
                    auto_created: true,
                };
                self.create_queue(None, new, turn);
            }
            return Some((address, name));
        }
        Some((self.state.addresses.id(&name)?, name))
    }

    fn settings_of_queue(&self, queue: QueueId) -> Option<Arc<AddressSettings>> {
        let queue = self.state.queues.get(queue)?;
        Some(
            self.state
                .addresses
                .get(queue.address_id())?
                .settings
                .clone(),
        )
    }
}

/// A message as it stands in a dead-letter or expiry address: the same, with where it came from (manual, chapter
/// Copied Message Properties), and without an expiry or a routing type of its own. What is said of the routing type and
/// the expiry of an earlier copy stays unless there is something newer to say; a duplicate id does not, because the same
/// message may die on several queues.
fn copy_of(message: &Message, queue: Option<&str>, cause: Cause, wall: u64) -> Message {
    let asked = message.properties.get(properties::ROUTING_TYPE);
    let expired = cause == Cause::Expired;
    let mut replaced = vec![
        properties::ORIGINAL_ADDRESS,
        properties::ORIGINAL_QUEUE,
        properties::ORIGINAL_MESSAGE_ID,
        properties::ROUTING_TYPE,
        properties::SCHEDULED_DELIVERY,
        properties::DUPLICATE_ID,
    ];
    replaced.extend(asked.map(|_| properties::ORIGINAL_ROUTING_TYPE));
    replaced.extend(expired.then_some(properties::ACTUAL_EXPIRY));
    let mut properties = message.properties.without(&replaced);
    let (address, _) = split_fqqn(&message.address);
    let id = i64::try_from(message.id.0).unwrap_or(i64::MAX);
    properties.push(properties::ORIGINAL_ADDRESS, Value::Text(address));
    if let Some(queue) = queue {
        properties.push(properties::ORIGINAL_QUEUE, Value::Text(queue));
    }
    properties.push(properties::ORIGINAL_MESSAGE_ID, Value::Long(id));
    if let Some(asked) = asked {
        properties.push(properties::ORIGINAL_ROUTING_TYPE, asked);
    }
    if expired {
        let wall = i64::try_from(wall).unwrap_or(i64::MAX);
        properties.push(properties::ACTUAL_EXPIRY, Value::Long(wall));
    }
    Message {
        expiration: 0,
        properties: properties.finish(),
        ..message.clone()
    }
}

/// The wait before attempt `attempts + 1`: `redelivery-delay` × multiplier for each attempt after the first, within
/// `max-redelivery-delay`, spread by the collision-avoidance factor.
fn redelivery_delay(settings: &AddressSettings, attempts: u32, random: u64) -> Duration {
    let mut delay = settings.redelivery_delay;
    let max = settings.max_redelivery_delay;
    for _ in 1..attempts.min(64) {
        delay = settings.redelivery_delay_multiplier.times(delay);
        if delay >= max {
            break;
        }
    }
    let spread = settings.redelivery_collision_avoidance_factor.times(delay);
    if !spread.is_zero() {
        let part = Duration::from_millis(random % (2 * millis(spread)).max(1));
        delay = (delay + part).saturating_sub(spread);
    }
    if max.is_zero() { delay } else { delay.min(max) }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
