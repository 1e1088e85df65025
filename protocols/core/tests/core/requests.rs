// SPDX-License-Identifier: Apache-2.0
//! What recorded requests and answers say, field by field.

use hind_core::codec::packet::connection::{code, reason};
use hind_core::codec::packet::queue::QueueOptions;
use hind_core::codec::packet::transaction::xa;
use hind_core::codec::{Kind, Packet};

use crate::meaning::{first, packets};
use crate::recordings::named;

/// The first packet of a kind, by its fields.
macro_rules! recorded {
    ($recording:literal, $kind:ident, $packet:ident) => {
        match first($recording, Kind::$kind) {
            Packet::$packet(body) => body,
            other => panic!("asked for {:?}, got {other:?}", Kind::$kind),
        }
    };
}

#[test]
fn acknowledgements_name_the_consumer_before_the_message() {
    let all = recorded!("v136_ack_modes", Acknowledge, Acknowledge);
    assert_eq!((all.consumer_id, all.message_id), (0, 395));
    assert!(!all.requires_response);
    let one = recorded!("v136_ack_modes", AcknowledgeOne, AcknowledgeOne);
    assert_eq!((one.consumer_id, one.message_id), (0, 433));
    let expired = recorded!("v136_core_api", Expired, Expired);
    assert_eq!((expired.consumer_id, expired.message_id), (0, 2175));
    let rollback = recorded!("v136_ack_modes", Rollback, Rollback);
    assert!(rollback.consider_last_message_as_delivered);
}

#[test]
fn consumers_are_opened_fed_and_asked_for_the_rest() {
    let consumer = recorded!("v136_ack_modes", CreateConsumer, CreateConsumer);
    assert_eq!((consumer.id, &*consumer.queue), (0, "acks2"));
    assert!(!consumer.browse_only && consumer.requires_response);
    assert_eq!((consumer.filter, consumer.priority.0), (None, Some(0)));
    let credits = recorded!("v136_ack_modes", ConsumerCredits, ConsumerCredits);
    assert_eq!((credits.consumer_id, credits.credits), (0, 1_048_576));
    let sequences: Vec<_> = packets(&named("v136_browse_and_window0"))
        .into_iter()
        .filter_map(|(_, packet)| match packet {
            Packet::ForceDelivery(force) => Some((force.consumer_id, force.sequence)),
            _ => None,
        })
        .take(3)
        .collect();
    assert_eq!(sequences, [(0, 0), (0, 1), (0, 2)]);
    let large = recorded!("v136_large_messages", ReceiveLarge, ReceiveLarge);
    assert_eq!((large.consumer_id, large.delivery_count), (0, 1));
    assert_eq!((large.size, large.head.id), (250_000, 649));
}

#[test]
fn an_address_is_created_and_then_has_a_queue() {
    let address = recorded!("v136_ack_modes", CreateAddress, CreateAddress);
    assert_eq!(
        (&*address.address, &address.routing_types[..]),
        ("acks2", &[1][..])
    );
    assert!(address.requires_response && address.auto_created);
    let mut answers = packets(&named("v136_ack_modes"))
        .into_iter()
        .filter_map(|(_, packet)| match packet {
            Packet::BindingQueryResponse(answer) => Some(answer),
            _ => None,
        });
    let (before, after) = (answers.next(), answers.next());
    let (before, after) = before.zip(after).expect("asked twice");
    assert!(!before.exists && before.queues.is_empty());
    assert!(after.exists && *after.queues[0] == *"acks2");
    assert_eq!(after.auto_create_queues.0, Some(true));
    assert_eq!(after.auto_create_addresses.0, Some(true));
    let routing = after.routing.0.expect("the fifth form");
    assert!(routing.anycast && !routing.multicast);
    let defaults = after.defaults.0.expect("the fourth form");
    assert_eq!(defaults.consumers_max, -1);
    assert_eq!(defaults.consumers_before_dispatch, Some(0));
    assert_eq!(defaults.delay_before_dispatch, Some(-1));
    let full = recorded!("v136_async_send", ProducerFailCredits, ProducerFailCredits);
    assert_eq!((full.credits, &*full.address), (32_768, "full.fail.b"));
}

#[test]
fn branches_end_and_are_committed_as_asked() {
    let end = recorded!("v136_xa", XaEnd, XaEnd);
    assert!(!end.failed && end.xid.branch_qualifier == b"bq1"[..]);
    let commit = recorded!("v136_xa", XaCommit, XaCommit);
    assert!(!commit.one_phase && commit.xid == end.xid);
    let timeout = recorded!("v136_xa", XaSetTimeout, XaSetTimeout);
    assert_eq!(timeout.seconds, 33);
    let failures: Vec<_> = packets(&named("v136_xa"))
        .into_iter()
        .filter_map(|(_, packet)| match packet {
            Packet::XaResponse(answer) if answer.error => Some(answer.code),
            _ => None,
        })
        .collect();
    assert!(!failures.is_empty());
    assert!(
        failures.iter().all(|code| *code == xa::NOT_A_BRANCH),
        "{failures:?}"
    );
}

#[test]
fn members_and_farewells_are_understood() {
    let farewell = recorded!("v136_broker_stop_disconnect_v3", DisconnectV3, DisconnectV3);
    assert_eq!(farewell.reason, reason::SCALE_DOWN);
    assert!(farewell.target_node_id.is_none() && farewell.target_connector.is_none());
    let topology = recorded!(
        "v136_failover_to_backup",
        ClusterTopologyV4,
        ClusterTopology
    );
    assert_eq!(topology.unique_event_id.0, Some(1_795_308_258_886));
    assert_eq!(topology.server_version.0, Some(136));
    let member = topology.member.expect("it is there");
    assert!(member.last && member.backup.is_none());
    let primary = member.primary.expect("a connector");
    assert_eq!((&*primary.name, primary.port()), ("artemis", Some(64_986)));
    let announce = recorded!("v136_ha_primary_c33", NodeAnnounce, NodeAnnounce);
    assert!(announce.backup && announce.backup_connector.is_none());
    assert_eq!(announce.current_event_id, 1_795_308_249_715);
    assert_eq!(announce.connector.and_then(|c| c.port()), Some(64_986));
    let connect = recorded!("v136_ha_primary_c33", ClusterConnect, ClusterConnect);
    assert_eq!((&*connect.user, &*connect.password), ("cu", "cp"));
}

#[test]
fn a_session_is_asked_for_with_its_flags() {
    let Packet::CreateSession(session) =
        first("hornetq_2.4.7_prefix_acceptor", Kind::CreateSession)
    else {
        unreachable!("asked for");
    };
    assert_eq!(session.name, "dc14ea06-e60c-11f1-a452-698747f65fc4");
    assert_eq!((session.channel, session.version), (10, 124));
    assert_eq!(session.username.as_deref(), Some("admin"));
    assert_eq!(session.large_message_size_min, 102_400);
    assert!(!session.xa && !session.auto_commit_sends && !session.auto_commit_acks);
    assert_eq!(session.confirmation_window, -1);
    assert_eq!((session.default_address, session.client_id.0), (None, None));
}

#[test]
fn a_queue_is_created_with_every_option_there_is() {
    let Packet::CreateQueue(queue) = first("v136_core_api", Kind::CreateQueueV2) else {
        unreachable!("asked for");
    };
    assert_eq!((&*queue.address, &*queue.name), ("capk", "capk.q"));
    assert_eq!(queue.filter.as_deref(), Some("a = 1"));
    assert!(queue.durable && !queue.temporary && queue.requires_response);
    let details = queue.details.0.expect("the second form");
    assert_eq!((details.routing_type, details.consumers_max), (1, 3));
    assert!(!details.auto_created && details.purge_on_no_consumers);
    let expected = QueueOptions {
        exclusive: Some(true),
        last_value: Some(false),
        last_value_key: Some("lvk".into()),
        non_destructive: Some(false),
        consumers_before_dispatch: Some(2),
        delay_before_dispatch: Some(100),
        group_rebalance: Some(true),
        group_buckets: Some(4),
        auto_delete: Some(false),
        auto_delete_delay: Some(5),
        auto_delete_message_count: Some(6),
        group_first_key: Some("gfk".into()),
        ring_size: Some(7),
        enabled: Some(true),
        group_rebalance_pause_dispatch: Some(true),
        known: QueueOptions::FIELDS,
    };
    assert_eq!(details.options, expected);
}

#[test]
fn failures_carry_their_code_and_only_sometimes_a_correlation() {
    let all = packets(&named("v136_exceptions"));
    let failures: Vec<_> = all
        .iter()
        .filter_map(|(_, packet)| match packet {
            Packet::Exception(exception) => Some(exception),
            _ => None,
        })
        .collect();
    let codes: Vec<i32> = failures.iter().map(|failure| failure.code).collect();
    for code in [
        code::QUEUE_DOES_NOT_EXIST,
        code::INVALID_FILTER_EXPRESSION,
        code::QUEUE_EXISTS,
        code::MAX_CONSUMER_LIMIT_EXCEEDED,
    ] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
    let uncorrelated = failures
        .iter()
        .all(|failure| failure.correlation.0.is_none());
    assert!(uncorrelated, "none of these requests has one");
    let Packet::Exception(full) = first("v136_address_full_fail", Kind::Exception) else {
        unreachable!("asked for");
    };
    assert_eq!(full.code, code::ADDRESS_FULL);
    assert!(
        full.correlation
            .0
            .is_some_and(|correlation| correlation < 0)
    );
}

#[test]
fn branches_are_named_with_the_qualifier_first() {
    let Packet::XaStart(xid) = first("v136_xa", Kind::XaStart) else {
        unreachable!("asked for");
    };
    let Packet::XaInDoubtResponse(in_doubt) = first("v136_xa", Kind::XaInDoubtResponse) else {
        unreachable!("asked for");
    };
    assert_eq!(xid.format_id, 7);
    assert_eq!(xid.branch_qualifier[..], *b"bq1");
    assert_eq!(xid.global_transaction_id[..], *b"gtrid-one");
    assert_eq!(in_doubt, [xid]);
}
