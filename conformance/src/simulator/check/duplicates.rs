// SPDX-License-Identifier: Apache-2.0
//! No message comes twice without a reason its consumer can know: it failed, or whoever had it went away without
//! having been told that its acknowledgement is durable.

use super::Violation;
use crate::simulator::model::{ATTEMPTS_MAX, Ack, Copy, End, Model, PlaceId, SubscriptionId, Uid};

/// A message arrives at a live subscription.
///
/// # Errors
/// It was acknowledged for good, is held by somebody else, or should have been given up; or it says wrongly whether
/// it was delivered before.
pub fn on_delivery(
    model: &Model,
    subscription: SubscriptionId,
    uid: Uid,
    redelivered: bool,
) -> Result<(), Violation> {
    let place = model.subscriptions[subscription.0].place;
    let Some(copy) = model.copy(uid, place) else {
        return Ok(());
    };
    if model.messages[uid.0].doubled {
        return Ok(());
    }
    let name = &model.places[place.0].name;
    if copy.ack == Ack::Durable {
        return broken(format!(
            "{uid} came from {name} although its acknowledgement was confirmed"
        ));
    }
    if let Some(end) = copy.end {
        return broken(format!("{uid} came from {name} although it is {end:?}"));
    }
    if is_held(model, copy) {
        return broken(format!(
            "{uid} came from {name} while another delivery of it was open: {copy:?}"
        ));
    }
    if copy.failures_in_epoch >= ATTEMPTS_MAX && copy.failed_epoch == Some(model.crashes) {
        return broken(format!(
            "{uid} came from {name} after {} failures",
            copy.failures
        ));
    }
    if !redelivered && copy.failed_epoch == Some(model.crashes) {
        return broken(format!(
            "{uid} came again from {name} without redelivered:true"
        ));
    }
    let untouched = copy.failures == 0 && model.crashes == 0 && model.places[place.0].breaks == 0;
    if redelivered && untouched && !model.may_be_undone(copy) {
        return broken(format!(
            "{uid} came from {name} with redelivered:true the first time"
        ));
    }
    Ok(())
}

/// A message was found among the dead letters or the expired ones.
///
/// # Errors
/// It is somewhere else too, or was acknowledged for good, or was given up too early.
pub fn on_end(model: &Model, uid: Uid, place: PlaceId, end: End) -> Result<(), Violation> {
    let Some(copy) = model.copy(uid, place) else {
        return Ok(());
    };
    if model.messages[uid.0].doubled {
        return Ok(());
    }
    let name = &model.places[place.0].name;
    if copy.ack == Ack::Durable {
        return broken(format!(
            "{uid} of {name} is {end:?} although its acknowledgement was confirmed"
        ));
    }
    if let Some(before) = copy.end {
        return broken(format!(
            "{uid} of {name} is {end:?} although it was found {before:?}"
        ));
    }
    // A durable subscription whose end was asked for and not confirmed may live on under its name.
    let same = |place: PlaceId| model.places[place.0].name == *name;
    let copies = model.messages[uid.0].copies.iter();
    let failures: u32 = copies
        .filter(|copy| same(copy.place))
        .map(|copy| copy.failures)
        .sum();
    let never_lost_sight = model
        .places
        .iter()
        .filter(|place| place.name == *name)
        .all(|place| place.breaks == 0);
    if end == End::DeadLettered && never_lost_sight && failures < ATTEMPTS_MAX {
        return broken(format!(
            "{uid} of {name} is a dead letter after {failures} failures"
        ));
    }
    Ok(())
}

/// Whether the last delivery still counts: its subscription lives, or its connection does and was told what became
/// of the message.
fn is_held(model: &Model, copy: &Copy) -> bool {
    copy.holder.is_some_and(|holder| {
        let holder = &model.subscriptions[holder.0];
        let held = holder.live || copy.ack != Ack::None;
        model.is_live(holder.connection) && held && !model.may_be_undone(copy)
    })
}

fn broken(what: String) -> Result<(), Violation> {
    Err(Violation::new("duplicates", what))
}
