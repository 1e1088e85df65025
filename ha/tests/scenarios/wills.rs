// SPDX-License-Identifier: Apache-2.0
//! Wills: when they are sent, and when not.

use crate::broker::*;
use crate::client::*;

use hind_engine::address::matches::Matches;
use hind_engine::address::name::WildcardSyntax;
use hind_engine::address::routing_type::RoutingType::Multicast;
use hind_engine::client_session::SessionExpiry;
use hind_engine::command::*;
use hind_engine::security::permissions::{Permission, Permissions};
use hind_ha::Settings;

/// A broker with somebody who listens for wills.
fn broker() -> Broker {
    let mut broker = Broker::with(&[]);
    listen(&mut broker);
    broker
}

fn listen(broker: &mut Broker) {
    broker.connect(9, "a");
    broker.consume(9, 1, "wills", Some(Multicast));
    broker.told(9);
}

fn with_will(client_id: &str, delay_s: u32, expiry_s: u32) -> Attach {
    Attach {
        will: will("wills", delay_s),
        expiry: SessionExpiry(expiry_s),
        ..attach(client_id)
    }
}

const SENT: [&str; 1] = ["1 gone #1"];

#[test]
fn a_lost_connection_sends_the_will_at_once_whatever_the_session() {
    for expiry in [0, 60] {
        let mut broker = broker();
        broker.attach(1, with_will("c", 0, expiry));
        broker.lose(1);
        assert_eq!(broker.told(9), SENT);
        broker.pass(100_000);
        assert_eq!(broker.told(9), [""; 0]);
    }
}

#[test]
fn leaving_drops_it_unless_the_client_wants_it_sent() {
    for wanted in [false, true] {
        let mut broker = broker();
        broker.attach(1, with_will("c", 0, 60));
        let leave = ClientSessionCommand::Leave {
            will: wanted,
            expiry: None,
        };
        broker.session(1, leave);
        assert_eq!(broker.told(9).len(), usize::from(wanted));
        broker.lose(1);
        broker.pass(100_000);
        assert_eq!(broker.told(9), [""; 0]);
    }
}

#[test]
fn it_waits_its_delay_and_no_longer_than_the_session() {
    for (delay, expiry, after) in [(10, 60, 10), (60, 10, 10), (10, 0, 0)] {
        let mut broker = broker();
        broker.attach(1, with_will("c", delay, expiry));
        broker.lose(1);
        if after > 0 {
            broker.pass(after * 1_000 - 1);
            assert_eq!(broker.told(9), [""; 0]);
            broker.pass(1);
        }
        assert_eq!(broker.told(9), SENT, "delay {delay}, expiry {expiry}");
    }
}

#[test]
fn whoever_comes_back_in_time_is_spared_it_unless_the_session_begins_anew() {
    for clean in [false, true] {
        let mut broker = broker();
        broker.attach(1, with_will("c", 10, 60));
        broker.lose(1);
        broker.pass(5_000);
        let again = Attach {
            clean,
            ..attach("c")
        };
        broker.attach(2, again);
        assert_eq!(broker.told(9).len(), usize::from(clean), "clean: {clean}");
        broker.pass(100_000);
        assert_eq!(broker.told(9), [""; 0]);
    }
}

#[test]
fn taking_over_sends_it_unless_it_waits_and_the_session_goes_on() {
    for (delay, clean, sent) in [(0, false, 1), (0, true, 1), (10, false, 0), (10, true, 1)] {
        let mut broker = broker();
        broker.attach(1, with_will("c", delay, 60));
        let again = Attach {
            clean,
            ..attach("c")
        };
        broker.attach(2, again);
        assert_eq!(broker.told(9).len(), sent, "delay {delay}, clean: {clean}");
    }
}

#[test]
fn a_crash_is_a_lost_connection_and_the_will_is_sent_once() {
    let mut broker = broker();
    broker.attach(1, with_will("c", 10, 60));
    broker.crash_and_restart();
    listen(&mut broker);
    broker.pass(9_999);
    assert_eq!(broker.told(9), [""; 0]);
    broker.pass(1);
    assert_eq!(broker.told(9), SENT);
    broker.crash_and_restart();
    listen(&mut broker);
    broker.pass(100_000);
    assert_eq!(broker.told(9), [""; 0]);
}

#[test]
fn it_is_sent_before_the_session_ends_so_the_session_gets_its_own_too() {
    let mut broker = broker();
    broker.attach(1, with_will("c", 60, 10));
    broker.subscribe(1, 1, "c", "wills", hind_engine::message::Qos::AtLeastOnce);
    broker.lose(1);
    broker.pass(10_000);
    assert_eq!(broker.told(9), SENT);
    assert_eq!(broker.queue_len("c.wills"), None);
}

#[test]
fn a_client_without_the_permission_has_no_will() {
    let mut settings = Settings::default();
    settings.engine.security_enabled = true;
    let mut permissions = Permissions::default();
    for permission in [Permission::Consume, Permission::CreateAddress] {
        permissions.grant(permission, "a");
    }
    permissions.grant(Permission::CreateNonDurableQueue, "a");
    let mut security = Matches::new(WildcardSyntax::default(), None);
    let _ = security.insert("#", permissions);
    settings.engine.security = security;
    let mut broker = Broker::start(settings);
    listen(&mut broker);
    broker.attach(1, with_will("c", 0, 0));
    broker.lose(1);
    assert_eq!(broker.told(9), [""; 0]);
}
