// SPDX-License-Identifier: Apache-2.0
//! A scheduled message never comes early, an expired one never comes late.

use super::Violation;
use crate::simulator::clock;
use crate::simulator::model::{End, Model, Uid};

/// A message arrives at a subscription at `now`, nanoseconds of virtual time, having been under way for at most so long.
///
/// # Errors
/// It is early or late.
pub fn on_delivery(model: &Model, uid: Uid, now: u64, delay: u64) -> Result<(), Violation> {
    let sending = &model.messages[uid.0].sending;
    let wall = clock::wall(now);
    if sending.due.is_some_and(|due| wall < due) {
        let what = format!("{uid} is due at {:?} and came at {wall}", sending.due);
        return Err(Violation::new("time", what));
    }
    let sent = clock::wall(now.saturating_sub(delay));
    if sending.expires.is_some_and(|expires| sent > expires) {
        let what = format!(
            "{uid} expired at {:?} and was delivered at {sent}",
            sending.expires
        );
        return Err(Violation::new("time", what));
    }
    Ok(())
}

/// A message was found among those the broker has given up.
///
/// # Errors
/// It had not expired.
pub fn on_end(model: &Model, uid: Uid, end: End, now: u64) -> Result<(), Violation> {
    let expires = model.messages[uid.0].sending.expires;
    let expired = expires.is_some_and(|expires| expires <= clock::wall(now));
    if end == End::Expired && !expired {
        let what = format!("{uid} counts as expired although it expires at {expires:?}");
        return Err(Violation::new("time", what));
    }
    Ok(())
}
