// SPDX-License-Identifier: Apache-2.0
//! What clients do next: random operations, weighted so that queues neither run dry nor grow.

use super::client::{Client, Scene};
use super::clock;
use super::limits::{Limits, PRESSED};
use super::model::{AckMode, Kind, Place, PlaceId, QUEUES, RETRIED, Sending, Shade, TOPIC_NAMES};
use super::settings::LARGE_FROM;

/// One thing a client may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Send,
    SendAgain,
    Acknowledge,
    Reject,
    Subscribe,
    Unsubscribe,
    Begin,
    Commit,
    Abort,
    Leave,
    Beat,
    Offend,
}

/// Messages nobody has dealt with above which producers hold back.
const BACKLOG_MAX: usize = 300;
/// The place that clients consume from without answering.
const AUTO: PlaceId = PlaceId(QUEUES.len() - 1);
/// The place where nothing is given back on purpose, so that its order can be checked.
const CALM: PlaceId = PlaceId(0);

/// A connected client does one thing: the bytes of a frame.
pub fn step(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    match choose(client, scene) {
        Act::Send => send(client, scene),
        Act::SendAgain => client
            .send_again(scene)
            .unwrap_or_else(|| client.beat(scene)),
        Act::Acknowledge => acknowledge(client, scene),
        Act::Reject => reject(client, scene),
        Act::Subscribe => subscribe(client, scene),
        Act::Unsubscribe => unsubscribe(client, scene),
        Act::Begin => client.begin(scene),
        Act::Commit => client.commit(scene),
        Act::Abort => client.abort(scene),
        Act::Leave => client.leave(scene),
        Act::Beat => client.beat(scene),
        Act::Offend => client.offend(scene),
    }
}

fn choose(client: &Client, scene: &mut Scene<'_>) -> Act {
    let open = client
        .subscriptions
        .iter()
        .filter(|held| !held.closed)
        .count();
    let holds: usize = client
        .subscriptions
        .iter()
        .map(|held| held.unanswered.len())
        .sum();
    let busy = holds > 0;
    let transaction = client.transaction.is_some();
    let full = scene.model.backlog() > BACKLOG_MAX;
    let offends = scene.random.chance(30);
    let when = |condition: bool, weight: u64| if condition { weight } else { 0 };
    scene.random.weighted(&[
        (if full { 4 } else { 44 }, Act::Send),
        (2, Act::SendAgain),
        (
            when(busy, if holds > 20 { 90 } else { 40 }),
            Act::Acknowledge,
        ),
        (when(busy && client.can_reject(), 5), Act::Reject),
        (
            when(open < 4, if open == 0 { 60 } else { 4 }),
            Act::Subscribe,
        ),
        (when(open > 0, 2), Act::Unsubscribe),
        (when(!transaction, 3), Act::Begin),
        (when(transaction, 7), Act::Commit),
        (when(transaction, 3), Act::Abort),
        (1, Act::Leave),
        (1, Act::Beat),
        (when(offends, 1), Act::Offend),
    ])
}

fn send(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    let random = &mut *scene.random;
    let wall = clock::wall(scene.now);
    let transaction = client.transaction.filter(|_| random.chance(60));
    let persistent = random.chance(80);
    let mut place = (!random.chance(15)).then(|| PlaceId(random.index(QUEUES.len())));
    if place == Some(PRESSED) && waits(scene.model.limits.as_ref()) && !is_producer(client) {
        place = Some(CALM);
    }
    let may_retry = place == Some(RETRIED) && persistent && transaction.is_none();
    let sending = Sending {
        place,
        persistent,
        priority: if random.chance(30) {
            random.pick(&[0, 1, 5, 9])
        } else {
            4
        },
        shade: random.pick(&[Shade::Light, Shade::Dark]),
        expires: random.chance(4).then(|| wall + random.between(5, 200)),
        due: random.chance(5).then(|| wall + random.between(1, 60)),
        duplicate_id: may_retry && random.chance(40),
        transaction,
        size: match random.below(100) {
            0 => random.between(10_000, 80_000),
            1..20 => random.between(1_000, 6_000),
            _ => random.between(0, 300),
        } as usize,
    };
    count_kinds(&sending, scene);
    let receipt = scene.random.chance(60);
    client.send(sending, receipt, scene)
}

/// Whether whoever sends to the pressed queue may have to wait until somebody else consumes from it.
fn waits(limits: Option<&Limits>) -> bool {
    limits.is_some_and(Limits::blocks)
}

/// One of those who send to that queue; the others consume from it.
fn is_producer(client: &Client) -> bool {
    client.number.is_multiple_of(2)
}

fn count_kinds(sending: &Sending, scene: &mut Scene<'_>) {
    for (asked, counter) in [
        (sending.persistent, "send.persistent"),
        (!sending.persistent, "send.non_persistent"),
        (sending.expires.is_some(), "send.expiring"),
        (sending.due.is_some(), "send.scheduled"),
        (sending.duplicate_id, "send.duplicate_id"),
        (sending.transaction.is_some(), "send.in_transaction"),
        (sending.place.is_none(), "send.to_topic"),
        (sending.size as u64 >= LARGE_FROM, "send.large"),
    ] {
        if asked {
            scene.counters.hit(counter);
        }
    }
}

/// A subscription that holds something, and a place in what it holds.
fn held(client: &Client, scene: &mut Scene<'_>, but: Option<PlaceId>) -> Option<(usize, usize)> {
    let holding: Vec<usize> = (0..client.subscriptions.len())
        .filter(|at| !client.subscriptions[*at].unanswered.is_empty())
        .filter(|at| Some(client.subscriptions[*at].place) != but)
        .collect();
    if holding.is_empty() {
        return None;
    }
    let at = scene.random.pick(&holding);
    let index = scene
        .random
        .index(client.subscriptions[at].unanswered.len());
    Some((at, index))
}

fn acknowledge(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    let Some((at, index)) = held(client, scene, None) else {
        return client.beat(scene);
    };
    let (in_transaction, receipt) = (scene.random.chance(40), scene.random.chance(50));
    client.acknowledge(at, index, in_transaction, receipt, scene)
}

fn reject(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    match held(client, scene, Some(CALM)) {
        Some((at, index)) => client.reject(at, index, scene),
        None => client.beat(scene),
    }
}

fn subscribe(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    let mode = scene
        .random
        .pick(&[AckMode::Client, AckMode::Individual, AckMode::Individual]);
    match scene.random.below(10) {
        0..6 => {
            let mut queue = PlaceId(scene.random.index(QUEUES.len()));
            if queue == PRESSED && waits(scene.model.limits.as_ref()) && is_producer(client) {
                queue = CALM;
            }
            let mode = if queue == AUTO { AckMode::Auto } else { mode };
            let selector = scene
                .random
                .chance(20)
                .then(|| scene.random.pick(&[Shade::Light, Shade::Dark]))
                .filter(|_| queue != CALM || scene.model.limits.is_none());
            let window = scene
                .random
                .chance(30)
                .then(|| scene.random.pick(&[0, 500, 5_000]));
            client.subscribe(Some(queue), mode, selector, window, scene)
        }
        6..8 => {
            let mode = if scene.random.chance(50) {
                AckMode::Auto
            } else {
                mode
            };
            client.subscribe(None, mode, None, None, scene)
        }
        _ => {
            // A durable subscription has one address for its whole life.
            let (name, topic) = scene
                .random
                .pick(&[("first", TOPIC_NAMES[0]), ("second", TOPIC_NAMES[2])]);
            let taken = client
                .subscriptions
                .iter()
                .any(|held| held.durable.as_deref() == Some(name));
            match taken {
                true => client.beat(scene),
                false => client.subscribe_durable(name, topic, mode, scene),
            }
        }
    }
}

fn unsubscribe(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    let open: Vec<usize> = (0..client.subscriptions.len())
        .filter(|at| !client.subscriptions[*at].closed)
        .collect();
    let at = scene.random.pick(&open);
    let delete = scene.random.chance(50);
    client.unsubscribe(at, delete, scene)
}

/// A client ends what is open, and leaves.
pub fn end(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    if client.transaction.is_some() {
        return client.commit(scene);
    }
    client.leave(scene)
}

/// The last client empties every place that is known to exist, one message at a time.
pub fn drain(client: &mut Client, scene: &mut Scene<'_>) -> Vec<u8> {
    if client.subscriptions.is_empty() {
        let mut bytes = client.drain_given_up();
        for place in places_to_drain(scene) {
            bytes.extend(client.drain(place, scene));
        }
        return bytes;
    }
    let mut bytes = Vec::new();
    while let Some((at, _)) = held(client, scene, None) {
        bytes.extend(client.acknowledge(at, 0, false, true, scene));
    }
    bytes
}

fn places_to_drain(scene: &Scene<'_>) -> Vec<PlaceId> {
    let exists = |place: &Place| match place.kind {
        Kind::Queue => true,
        Kind::Durable => place.is_subscribed(),
        Kind::Temporary => false,
    };
    let places = scene.model.places.iter().enumerate();
    places
        .filter(|(_, place)| exists(place))
        .map(|(number, _)| PlaceId(number))
        .collect()
}
