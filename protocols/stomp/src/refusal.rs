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
        Refusal::AddressFull(_) => format!("AMQ339011: Error sending message: {refusal}"),
        // Only a commit is refused for that: a duplicate outside a transaction is dropped and confirmed.
        Refusal::DuplicateId(_) => format!("AMQ339013: Error committing: {refusal}"),
        Refusal::QueueInUse(_) => format!("AMQ339017: Error unsubscribing: {refusal}"),
        Refusal::NotAuthorized { .. }
        | Refusal::QueueMissing(_)
        | Refusal::RoutingTypeMismatch(_)
        | Refusal::InvalidName(_)
        | Refusal::ClientIdInUse(_)
        | Refusal::TransactionOpen
        | Refusal::Unknown(_)
        | Refusal::LimitReached(_)
        | Refusal::Stopping
        | Refusal::StorageFailure => refusal.to_string(),
    };
    Fault::refused(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Situation → the number an operator searches for, which is that of Artemis and of nothing else.
    #[test]
    fn refusals_carry_the_numbers_artemis_gives_them() {
        let table = [
            (
                Refusal::AddressMissing("a".into()),
                "AMQ339001: Destination does not exist: a",
            ),
            (
                Refusal::AddressFull("a".into()),
                "AMQ339011: Error sending message: AMQ229102: Address \"a\" is full.",
            ),
            (
                Refusal::DuplicateId("a".into()),
                "AMQ339013: Error committing: Duplicate message detected - message will not be routed. Message \
                 information: address a; the transaction is rolled back",
            ),
            (
                Refusal::MaxConsumers("q".into()),
                "AMQ339016: Error creating subscription: AMQ229200: Maximum Consumer Limit Reached on Queue: q",
            ),
            (
                Refusal::SubscriptionInUse("q".into()),
                "AMQ339016: Error creating subscription: AMQ229082: Queue q already exists on another subscription: \
                 with another address, selector or consumer",
            ),
            (
                Refusal::QueueInUse("q".into()),
                "AMQ339017: Error unsubscribing: AMQ229025: Cannot delete queue q on binding q - it has consumers",
            ),
            (
                Refusal::QueueMissing("q".into()),
                "AMQ229017: Queue q does not exist",
            ),
            (
                Refusal::RoutingTypeMismatch("a".into()),
                "AMQ229207: Can not create queue with this routing type: address a does not support it",
            ),
            (
                Refusal::InvalidName("it is empty".into()),
                "AMQ229216: Invalid queue name: it is empty",
            ),
        ];
        for (refusal, text) in table {
            assert_eq!(fault(&refusal).message, text);
        }
    }
}
