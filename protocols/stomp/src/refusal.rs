// SPDX-License-Identifier: Apache-2.0
//! The engine's refusals as ERROR texts: one table.

use hind_engine::event::Refusal;

use crate::fault::Fault;

/// What a client reads when the engine has refused.
pub(crate) fn fault(refusal: &Refusal) -> Fault {
    let text = match refusal {
        Refusal::NotAuthenticated { user } => format!(
            "Security Error occurred: User name [{}] or password is invalid",
            user.as_deref().unwrap_or("null")
        ),
        Refusal::AddressMissing(address) => {
            format!("AMQ339001: Destination does not exist: {address}")
        }
        Refusal::SubscriptionInUse(_) | Refusal::MaxConsumers(_) | Refusal::InvalidSelector(_) => {
            format!("AMQ339016: Error creating subscription: {refusal}")
        }
        Refusal::QueueInUse(_) => format!("AMQ339017: Error unsubscribing: {refusal}"),
        Refusal::NotAuthorized { .. }
        | Refusal::QueueMissing(_)
        | Refusal::RoutingTypeMismatch(_)
        | Refusal::DuplicateId(_)
        | Refusal::AddressFull(_)
        | Refusal::InvalidName(_)
        | Refusal::TransactionOpen
        | Refusal::Unknown(_)
        | Refusal::LimitReached(_)
        | Refusal::Stopping
        | Refusal::StorageFailure => refusal.to_string(),
    };
    Fault::refused(text)
}
