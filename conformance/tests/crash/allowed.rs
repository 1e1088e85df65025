// SPDX-License-Identifier: Apache-2.0
//! What may be on the disk, by what the clients knew when the power went.

use std::collections::BTreeSet;

use hind_conformance::simulator::model::{
    Ack, Copy, DEAD_LETTERS, EXPIRED, Fate, Message, Model, Stage, Uid,
};
use hind_engine::message::Value;
use hind_engine::message::properties::ORIGINAL_QUEUE;
use hind_ha::Node;

/// The messages on each queue, by the producers' numbers for them. What was given up counts by the queue it was on.
pub type Present = BTreeSet<(String, usize)>;

/// What a recovered broker has.
pub fn present(node: &Node) -> Present {
    let mut present = Present::new();
    for queue in node.engine().state().queues.iter() {
        for (_, entry) in queue.sorted() {
            let uid = entry.message.properties.get("uid");
            let uid = uid
                .as_ref()
                .and_then(Value::as_integer)
                .expect("every message has one");
            let uid = usize::try_from(uid).expect("they count from 0");
            let before = entry.message.properties.text(ORIGINAL_QUEUE);
            let name = before.map_or(queue.name().to_string(), |before| {
                given_up(queue.name(), before)
            });
            assert!(
                present.insert((name, uid)),
                "m{uid} is twice on {}",
                queue.name()
            );
        }
    }
    present
}

fn given_up(queue: &str, before: &str) -> String {
    format!("{queue}, from {before}")
}

/// Whether the clients allow it, the broker having crashed in the model.
pub fn check(model: &Model, present: &Present) -> Result<(), String> {
    for (queue, uid) in present {
        let Some(message) = model.messages.get(*uid) else {
            return Err(format!("m{uid} on {queue} was never sent"));
        };
        if matches!(message.fate, Fate::Never | Fate::InTransaction) || !message.sending.persistent
        {
            return Err(format!("m{uid} must not be on {queue}: {message:?}"));
        }
    }
    for (number, message) in model.messages.iter().enumerate() {
        for copy in &message.copies {
            check_copy(model, present, Uid(number), message, copy)?;
        }
    }
    for transaction in model
        .transactions
        .iter()
        .filter(|t| t.stage == Stage::InDoubt)
    {
        check_unity(model, present, &transaction.sends)?;
    }
    Ok(())
}

fn check_copy(
    model: &Model,
    present: &Present,
    uid: Uid,
    message: &Message,
    copy: &Copy,
) -> Result<(), String> {
    let place = &model.places[copy.place.0];
    let here = present.contains(&(place.name.clone(), uid.0));
    if here && copy.ack == Ack::Durable {
        return Err(format!(
            "{uid} is on {} although its acknowledgement was confirmed",
            place.name
        ));
    }
    let lost_by_auto = uid.0 < place.lost_below;
    let promised = copy.required
        && message.fate == Fate::Certain
        && !copy.is_over()
        && !place.deleted
        && !lost_by_auto;
    let gone = [DEAD_LETTERS, EXPIRED]
        .iter()
        .any(|queue| present.contains(&(given_up(queue, &place.name), uid.0)));
    if promised && !here && !gone {
        return Err(format!("{uid} is missing on {}: {message:?}", place.name));
    }
    Ok(())
}

/// All of a transaction in doubt is there, or nothing.
fn check_unity(model: &Model, present: &Present, sends: &[Uid]) -> Result<(), String> {
    let lasting: Vec<&Uid> = sends
        .iter()
        .filter(|uid| model.messages[uid.0].sending.persistent)
        .filter(|uid| {
            model.messages[uid.0]
                .copies
                .iter()
                .any(|copy| copy.required && !copy.is_over())
        })
        .collect();
    let here = |uid: &&&Uid| present.iter().any(|(_, number)| *number == uid.0);
    let there = lasting.iter().filter(here).count();
    if there != 0 && there != lasting.len() {
        return Err(format!("{there} of {lasting:?} are there"));
    }
    Ok(())
}
