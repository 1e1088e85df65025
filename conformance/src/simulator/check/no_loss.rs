// SPDX-License-Identifier: Apache-2.0
//! What was confirmed is there: after every queue has been drained, each message that had to be somewhere was seen there
//! and acknowledged, or is a dead letter, or expired.

use super::Violation;
use crate::simulator::model::{Copy, Fate, Message, Model, Uid};

/// Everything has been drained.
///
/// # Errors
/// A message is missing.
pub fn at_rest(model: &Model) -> Result<(), Violation> {
    for (number, message) in model.messages.iter().enumerate() {
        if !matches!(message.fate, Fate::Certain | Fate::Pending) {
            continue;
        }
        if let Some(copy) = message
            .copies
            .iter()
            .find(|copy| is_missing(model, Uid(number), copy))
        {
            let name = &model.places[copy.place.0].name;
            let what = format!("{} of {name} is lost: {message:?}", Uid(number));
            return Err(Violation::new("no_loss", what));
        }
    }
    Ok(())
}

/// Whether a message that must have been on a place was never accounted for.
pub fn is_missing(model: &Model, uid: Uid, copy: &Copy) -> bool {
    copy.required && !copy.is_over() && !is_excused(model, uid, copy)
}

/// Whether nothing is promised any more of what was on the place.
pub fn is_excused(model: &Model, uid: Uid, copy: &Copy) -> bool {
    let place = &model.places[copy.place.0];
    place.deleted || uid.0 < place.lost_below || copy.damaged
}

/// How many copies this check has something to say about.
pub fn promises(messages: &[Message]) -> u64 {
    let certain = messages
        .iter()
        .filter(|message| message.fate == Fate::Certain);
    certain
        .map(|message| message.copies.iter().filter(|copy| copy.required).count() as u64)
        .sum()
}
