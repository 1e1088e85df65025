// SPDX-License-Identifier: Apache-2.0
//! The engine's refusals as reason codes: one table.

use hind_engine::event::Refusal;

use crate::codec::Reason;

/// Why nobody is let in.
pub(crate) fn of_connect(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::NotAuthenticated { .. } => Reason::BadUserNameOrPassword,
        Refusal::NotAuthorized { .. } => Reason::NotAuthorized,
        Refusal::InvalidName(_) => Reason::ClientIdentifierNotValid,
        Refusal::LimitReached(_) => Reason::QuotaExceeded,
        Refusal::Stopping | Refusal::StorageFailure => Reason::ServerUnavailable,
        // What Artemis says of an id in use, and of anything else.
        _ => Reason::UnspecifiedError,
    }
}

/// Why a message is not taken; one of those that PUBACK and PUBREC may say.
pub(crate) fn of_publish(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::NotAuthorized { .. } | Refusal::NotAuthenticated { .. } => Reason::NotAuthorized,
        Refusal::AddressMissing(_)
        | Refusal::QueueMissing(_)
        | Refusal::InvalidName(_)
        | Refusal::RoutingTypeMismatch(_) => Reason::TopicNameInvalid,
        Refusal::AddressFull(_) | Refusal::LimitReached(_) => Reason::QuotaExceeded,
        _ => Reason::ImplementationSpecificError,
    }
}

/// Why a subscription is not made; one of those that SUBACK may say.
pub(crate) fn of_subscribe(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::NotAuthorized { .. } | Refusal::NotAuthenticated { .. } => Reason::NotAuthorized,
        Refusal::AddressMissing(_)
        | Refusal::QueueMissing(_)
        | Refusal::InvalidName(_)
        | Refusal::RoutingTypeMismatch(_) => Reason::TopicFilterInvalid,
        Refusal::MaxConsumers(_) | Refusal::LimitReached(_) => Reason::QuotaExceeded,
        Refusal::SubscriptionInUse(_) => Reason::ImplementationSpecificError,
        _ => Reason::UnspecifiedError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Refusal> {
        let name = || "x".into();
        vec![
            Refusal::NotAuthenticated { user: None },
            Refusal::AddressMissing(name()),
            Refusal::QueueMissing(name()),
            Refusal::RoutingTypeMismatch(name()),
            Refusal::QueueInUse(name()),
            Refusal::MaxConsumers(name()),
            Refusal::SubscriptionInUse(name()),
            Refusal::InvalidSelector(String::new()),
            Refusal::DuplicateId(name()),
            Refusal::AddressFull(name()),
            Refusal::InvalidName(String::new()),
            Refusal::ClientIdInUse(name()),
            Refusal::TransactionOpen,
            Refusal::Unknown("x"),
            Refusal::LimitReached("x"),
            Refusal::Stopping,
            Refusal::StorageFailure,
        ]
    }

    #[test]
    fn mqtt_3_4_2_1_a_refused_publish_gets_a_reason_that_its_answer_may_say() {
        for refusal in all() {
            let reason = of_publish(&refusal);
            assert!(
                reason.is_error() && reason.is_of_publish(),
                "{refusal:?}: {reason:?}"
            );
        }
    }

    #[test]
    fn mqtt_3_9_3_a_refused_subscription_gets_a_reason_that_suback_may_say() {
        for refusal in all() {
            let code = of_subscribe(&refusal).code();
            assert!(
                [0x80, 0x83, 0x87, 0x8f, 0x97].contains(&code),
                "{refusal:?}: {code:#x}"
            );
        }
    }

    #[test]
    fn mqtt_3_2_2_a_refused_connection_gets_a_reason_that_connack_may_say() {
        for refusal in all() {
            let code = of_connect(&refusal).code();
            assert!(
                [0x80, 0x85, 0x86, 0x87, 0x88, 0x97].contains(&code),
                "{refusal:?}: {code:#x}"
            );
        }
        let in_use = of_connect(&Refusal::ClientIdInUse("c".into()));
        assert_eq!(in_use, Reason::UnspecifiedError);
    }
}
