// SPDX-License-Identifier: Apache-2.0
//! What clients of MQTT do next.

use super::client::{Client, Said};
use super::packet::Version;
use super::subscription::Stage;
use super::{Book, NEVER, SECOND, Strand};
use crate::simulator::client::Scene;

/// Messages that a client has under way at most.
const OUTGOING_MAX: usize = 12;

/// One thing a client may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Act {
    Publish,
    Answer,
    Subscribe,
    SubscribeAgain,
    Unsubscribe,
    Ping,
    Leave,
    LeaveWithWill,
    Break,
}

/// What a client asks for of its session when it connects.
pub fn session(client: &Client, scene: &mut Scene<'_>) -> (bool, u32) {
    let clean = scene.random.chance(12);
    let expiry = scene
        .random
        .weighted(&[(1, 0), (2, 1), (2, 2), (3, 100), (4, NEVER)]);
    // Without a clean start nothing is known of when an older session would have ended.
    match client.version {
        Version::V311 => (clean, 0),
        Version::V5 => (clean, expiry),
    }
}

/// A connected client does one thing.
pub fn step(client: &mut Client, book: &mut Book, scene: &mut Scene<'_>) -> Said {
    let bytes = match choose(client, book, scene) {
        Act::Publish => publish(client, book, scene),
        Act::Answer => client.answer(scene),
        Act::Subscribe => subscribe(client, false, book, scene),
        Act::SubscribeAgain => subscribe(client, true, book, scene),
        Act::Unsubscribe => unsubscribe(client, book, scene),
        Act::Ping => client.ping(scene),
        Act::Leave => client.leave(false, false, scene),
        Act::LeaveWithWill => client.leave(true, false, scene),
        Act::Break => {
            scene.counters.hit("mqtt.break");
            return Said {
                breaks: true,
                ..Said::default()
            };
        }
    };
    Said {
        bytes,
        breaks: false,
    }
}

fn choose(client: &Client, book: &Book, scene: &mut Scene<'_>) -> Act {
    let when = |condition: bool, weight: u64| if condition { weight } else { 0 };
    let live = live(client, book);
    let room = client.outgoing.len() < OUTGOING_MAX;
    let missing = live.len() < Strand::ALL.len();
    scene.random.weighted(&[
        (when(room, 90), Act::Publish),
        (when(!client.unanswered.is_empty(), 150), Act::Answer),
        (when(missing, 30), Act::Subscribe),
        (when(!live.is_empty(), 4), Act::SubscribeAgain),
        (when(!live.is_empty(), 2), Act::Unsubscribe),
        (3, Act::Ping),
        (2, Act::Leave),
        (1, Act::LeaveWithWill),
        (2, Act::Break),
    ])
}

/// Strands that are subscribed to, as far as the client knows.
fn live(client: &Client, book: &Book) -> Vec<Strand> {
    let live = client.subscriptions.iter();
    live.filter(|(_, id)| book.subscriptions[id.0].stage != Stage::Over)
        .map(|(strand, _)| *strand)
        .collect()
}

fn publish(client: &mut Client, book: &mut Book, scene: &mut Scene<'_>) -> Vec<u8> {
    let random = &mut *scene.random;
    let qos = random.weighted(&[(2, 0), (4, 1), (4, 2)]);
    let size = match random.below(100) {
        0 => random.between(6_000, 20_000),
        1..10 => random.between(1_000, 6_000),
        _ => random.between(0, 300),
    } as usize;
    let number = client.number;
    let (topic, qos, retain) = match random.below(10) {
        0..4 => ("news/all".to_owned(), qos, false),
        // One QoS for each topic: of two, what is sent again with QoS 1 would be retained in place of a later one of QoS 2,
        // which is not taken again.
        4..6 => (
            format!("home/{number}"),
            1 + (number % 2) as u8,
            random.chance(60),
        ),
        6..8 => (format!("jobs/{number}"), qos, false),
        _ => (format!("odds/{number}"), qos, false),
    };
    client.publish(&topic, qos, retain, size, book, scene)
}

/// To a strand that is not subscribed to, or `again` to one that is. Those that share have sessions that last: others
/// would take messages along.
fn subscribe(client: &mut Client, again: bool, book: &mut Book, scene: &mut Scene<'_>) -> Vec<u8> {
    let live = live(client, book);
    let lasts = client.expiry > 0;
    let fitting = Strand::ALL.iter().copied();
    let fitting: Vec<Strand> = fitting
        .filter(|strand| live.contains(strand) == again && (lasts || !strand.is_shared()))
        .collect();
    match fitting.is_empty() {
        true => client.ping(scene),
        false => {
            let strand = scene.random.pick(&fitting);
            client.subscribe(strand, book, scene)
        }
    }
}

fn unsubscribe(client: &mut Client, book: &mut Book, scene: &mut Scene<'_>) -> Vec<u8> {
    let strand = scene.random.pick(&live(client, book));
    client.unsubscribe(strand, book, scene)
}

/// The client only takes what comes, and finishes what it has begun.
pub fn drain(client: &mut Client, book: &mut Book, scene: &mut Scene<'_>) -> Vec<u8> {
    if client.is_judge() && client.subscriptions.is_empty() {
        return client.subscribe(Strand::Home, book, scene);
    }
    let mut bytes = Vec::new();
    while !client.unanswered.is_empty() {
        bytes.extend(client.answer(scene));
    }
    if bytes.is_empty() && scene.now > client.spoke + SECOND / 4 {
        bytes = client.ping(scene);
    }
    bytes
}
