// SPDX-License-Identifier: Apache-2.0
//! What one producer sends to one queue with one priority arrives in that order, as far as nothing was given back.

use super::Violation;
use crate::simulator::model::{Model, SubscriptionId, Uid};

/// A message arrives at a live subscription.
///
/// # Errors
/// A later one of its producer was there before it.
pub fn on_delivery(
    model: &mut Model,
    subscription: SubscriptionId,
    uid: Uid,
    redelivered: bool,
) -> Result<(), Violation> {
    let place = model.subscriptions[subscription.0].place;
    let message = &model.messages[uid.0];
    let seen = model
        .copy(uid, place)
        .is_some_and(|copy| copy.deliveries > 0);
    let on = &model.places[place.0];
    let disturbed = on.closing > 0 || uid.0 < on.disturbed_below;
    if redelivered || seen || disturbed || message.retried || message.sending.due.is_some() {
        return Ok(());
    }
    let (producer, priority, order) = (message.connection, message.sending.priority, message.order);
    let last = &mut model.subscriptions[subscription.0].last;
    let before = last.insert((producer, priority), order).unwrap_or(0);
    if before > order {
        let name = &model.places[place.0].name;
        let what = format!(
            "{uid} came from {name} after a later one of its producer ({before} > {order})"
        );
        return Err(Violation::new("order", what));
    }
    Ok(())
}
