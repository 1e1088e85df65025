// SPDX-License-Identifier: Apache-2.0
//! A message arrives only where it was sent, and only where the selector lets it.

use super::Violation;
use crate::simulator::model::{Kind, Model, SubscriptionId, TOPIC_NAMES, Uid};

/// A message arrives at a subscription.
///
/// # Errors
/// It was sent somewhere else, or the subscription's selector excludes it.
pub fn on_delivery(model: &Model, subscription: SubscriptionId, uid: Uid) -> Result<(), Violation> {
    let subscription = &model.subscriptions[subscription.0];
    let place = &model.places[subscription.place.0];
    let sending = &model.messages[uid.0].sending;
    let right = match place.kind {
        Kind::Queue => sending.place == Some(subscription.place),
        Kind::Durable | Kind::Temporary => {
            sending.place.is_none() && TOPIC_NAMES.contains(&place.address)
        }
    };
    if !right {
        let what = format!(
            "{uid} was sent to {:?} and came from {} on {}",
            sending.place, place.name, place.address
        );
        return Err(Violation::new("routing", what));
    }
    if subscription
        .selector
        .is_some_and(|shade| shade != sending.shade)
    {
        let what = format!("{uid} came through the selector of {}", place.name);
        return Err(Violation::new("routing", what));
    }
    Ok(())
}
