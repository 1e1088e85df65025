// SPDX-License-Identifier: Apache-2.0
//! Permissions where the engine does what they are about.

use hind_engine::address::matches::Matches;
use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::routing_type::RoutingType::{Anycast, Multicast};
use hind_engine::command::*;
use hind_engine::security::permissions::{Permission, Permissions};
use hind_ha::Settings;

use crate::broker::*;

/// `admin` may do everything everywhere; the others what is listed, at that match.
fn secured(grants: &[(&str, &str, &[Permission])]) -> Broker {
    let mut settings = Settings::default();
    settings.engine.security_enabled = true;
    settings.engine.security = Matches::new(WildcardSyntax::default(), None);
    let mut all = Permissions::default();
    for permission in Permission::ALL {
        all.grant(*permission, "admin");
    }
    let _ = settings.engine.security.insert("#", all.clone());
    for (pattern, role, permissions) in grants {
        let mut granted = all.clone();
        for permission in *permissions {
            granted.grant(*permission, *role);
        }
        let _ = settings.engine.security.insert(pattern, granted);
    }
    let mut broker = Broker::start(settings);
    broker.connect(1, "admin");
    broker.connect(2, "bob");
    broker
}

fn durable(open: &mut ConsumerOpen) {
    open.subscription = Subscription::Named {
        queue: "bob.sub".into(),
        durable: true,
        shared: true,
    };
}

#[test]
fn consuming_by_the_name_of_a_queue_needs_the_permission_of_its_address() {
    let mut broker = secured(&[("q", "bob", Permission::ALL)]);
    broker.consume(1, 1, "secret::q", Some(Anycast));
    broker.consume(2, 1, "q", None);
    assert_eq!(
        broker.told(2),
        [
            "refused AMQ229213: User: bob does not have permission='CONSUME' for queue q on address secret"
        ]
    );
}

#[test]
fn a_queue_may_have_permissions_of_its_own() {
    let mut broker = secured(&[("a::mine", "bob", &[Permission::Consume, Permission::Send])]);
    broker.consume(1, 1, "a::mine", Some(Anycast));
    broker.consume(1, 2, "a::other", Some(Anycast));
    broker.told(1);
    broker.consume(2, 1, "mine", None);
    broker.consume(2, 2, "a::mine", None);
    broker.send(2, message("a::mine", "x"), None);
    let told = broker.told(2);
    assert!(told[..3].iter().all(|t| t.starts_with("done")), "{told:?}");
    broker.consume(2, 3, "a::other", None);
    broker.send(2, message("a::other", "x"), None);
    broker.send(2, message("a", "x"), None);
    let told: Vec<_> = broker
        .told(2)
        .into_iter()
        .filter(|t| t.starts_with("refused"))
        .collect();
    let refused = |permission: &str, rest: &str| {
        format!("refused AMQ2{rest}").replace(
            "{}",
            &format!("User: bob does not have permission='{permission}'"),
        )
    };
    assert_eq!(
        told,
        [
            refused("CONSUME", "29213: {} for queue other on address a"),
            refused("SEND", "29213: {} for queue other on address a"),
            refused("SEND", "29032: {} on address a"),
        ]
    );
}

#[test]
fn every_creation_and_deletion_asks_for_its_permission() {
    use Permission::*;
    for (missing, expected) in [
        (
            CreateAddress,
            "AMQ229032: User: bob does not have permission='CREATE_ADDRESS' on address t",
        ),
        (
            CreateDurableQueue,
            "AMQ229213: User: bob does not have permission='CREATE_DURABLE_QUEUE' for queue bob.sub on address t",
        ),
        (
            Consume,
            "AMQ229213: User: bob does not have permission='CONSUME' for queue bob.sub on address t",
        ),
        (
            DeleteDurableQueue,
            "AMQ229213: User: bob does not have permission='DELETE_DURABLE_QUEUE' for queue bob.sub on address t",
        ),
    ] {
        let granted: Vec<_> = Permission::ALL
            .iter()
            .copied()
            .filter(|permission| *permission != missing)
            .collect();
        let mut broker = secured(&[("t", "bob", &granted)]);
        broker.consume_with(2, 1, "t", Some(Multicast), durable);
        let mut told = broker.told(2);
        if missing == DeleteDurableQueue {
            broker.ask(
                2,
                Command::Consumer(hind_engine::id::ConsumerId(1), ConsumerCommand::Close(None)),
            );
            let ticket = broker.ticket();
            let delete = ResourceCommand::DeleteQueue {
                queue: "bob.sub".into(),
            };
            broker.ask(2, Command::Resource(SESSION, delete, ticket));
            told = broker.told(2);
        }
        assert_eq!(told, [format!("refused {expected}")]);
        let made = missing == DeleteDurableQueue;
        assert_eq!(
            broker.queue_len("bob.sub").is_some(),
            made,
            "{missing}: what is refused leaves nothing behind"
        );
    }
}

#[test]
fn a_temporary_queue_needs_its_own_permission() {
    use Permission::*;
    let mut broker = secured(&[("t", "bob", &[CreateAddress, Consume, CreateDurableQueue])]);
    broker.consume(2, 1, "t", Some(Multicast));
    let told = broker.told(2);
    assert!(
        told[0].starts_with("refused AMQ229213: User: bob does not have permission='CREATE_NON_DURABLE_QUEUE' for queue"),
        "{told:?}"
    );
}

#[test]
fn the_settings_of_an_address_rule_its_fqqns_before_those_of_everything() {
    let mut settings = Settings::default();
    settings.engine.security_enabled = true;
    settings.engine.security = Matches::new(WildcardSyntax::default(), None);
    let (mut open, mut closed) = (Permissions::default(), Permissions::default());
    for permission in Permission::ALL {
        open.grant(*permission, "bob");
        closed.grant(*permission, "admin");
    }
    let _ = settings.engine.security.insert("#", open);
    let _ = settings.engine.security.insert("secret", closed);
    let mut broker = Broker::start(settings);
    broker.connect(2, "bob");
    broker.send(2, message("secret::q", "x"), Some(Anycast));
    broker.consume(2, 1, "secret::q", Some(Anycast));
    let told = broker.told(2);
    assert!(
        told.iter()
            .all(|told| told.starts_with("refused AMQ229213")),
        "{told:?}"
    );
}
