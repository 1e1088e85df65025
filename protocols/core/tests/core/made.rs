// SPDX-License-Identifier: Apache-2.0
//! Packets that no recording holds, written and read back; and every packet of either kind, of every version.

use bytes::Bytes;
use hind_core::codec::packet::cluster::{ConnectedTo, QuorumVote, ScaleDownAnnouncement};
use hind_core::codec::packet::connection::{
    Disconnect, DisconnectConsumerKill, DisconnectV2, Farewell, reason,
};
use hind_core::codec::packet::consumer::ReceiveContinuation;
use hind_core::codec::packet::federation::{
    AddressMatcher, AddressPolicy, Credentials, FederationConnection, FederationDownstreamConnect,
    FederationStream, FederationTransformer, Policy, QueueMatcher, QueuePolicy,
    TransformerProperty,
};
use hind_core::codec::packet::producer::SendContinuation;
use hind_core::codec::packet::queue::CreateSharedQueue;
use hind_core::codec::packet::replication::*;
use hind_core::codec::packet::session::AddMetadata;
use hind_core::codec::packet::topology::{ClusterTopology, Member, SubscribeTopology};
use hind_core::codec::{
    Form, Kind, Packet, Parameter, Since, TransportConfiguration, Version, Xid,
};

use crate::recordings::{all, decode, encode};

const NEWEST: Version = Version::NEWEST;

fn data() -> Bytes {
    Bytes::from_static(b"\x01\x02\x03")
}

fn connector() -> TransportConfiguration {
    let mut connector = TransportConfiguration::tcp("artemis", "127.0.0.1", 61616);
    for (key, value) in [
        ("sslEnabled", Parameter::Boolean(true)),
        ("nioRemotingThreads", Parameter::Int(-1)),
        ("batchDelay", Parameter::Long(1 << 40)),
    ] {
        let mut named = connector.parameters[0].clone();
        named.key = key.to_owned();
        named.value = value;
        connector.parameters.push(named);
    }
    connector
}

/// One or more of each, with the version they are written for.
pub fn packets() -> Vec<(Packet, Version)> {
    let mut packets = of_sessions();
    packets.extend(of_topology());
    packets.extend(of_members());
    packets.extend(of_replication());
    packets.extend(of_large_messages());
    packets
        .into_iter()
        .map(|packet| (packet, NEWEST))
        .chain(old_pages())
        .collect()
}

fn of_sessions() -> Vec<Packet> {
    vec![
        Packet::Disconnect(Disconnect {
            node_id: Some("n".into()),
        }),
        Packet::DisconnectV2(DisconnectV2 {
            node_id: None,
            scale_down_node_id: Some("m".into()),
        }),
        Packet::DisconnectConsumerKill(DisconnectConsumerKill { node_id: None }),
        Packet::AddMetadata(AddMetadata {
            key: "jms-session".into(),
            data: String::new(),
        }),
        Packet::XaFailed(Xid {
            format_id: -7,
            branch_qualifier: data(),
            global_transaction_id: Bytes::new(),
        }),
        Packet::CreateSharedQueue(Box::new(CreateSharedQueue {
            address: "a".into(),
            name: "q".into(),
            filter: Some("x = 1".into()),
            durable: true,
            routing_type: Form(None),
            requires_response: true,
            details: Form(None),
        })),
        recorded_binding_answer(2),
    ]
}

/// The answer that a recorded broker gave in the newest form, in another.
fn recorded_binding_answer(form: u8) -> Packet {
    let answers = all().into_iter().flat_map(|recording| {
        let version = recording.version;
        let frames = recording.frames.into_iter();
        frames.filter_map(move |recorded| match decode(&recorded.bytes, version) {
            Ok(Packet::BindingQueryResponse(answer)) => Some(answer),
            _ => None,
        })
    });
    let newest = answers
        .filter(|answer| answer.routing.0.is_some())
        .find(|answer| !answer.queues.is_empty())
        .expect("recorded often");
    Packet::BindingQueryResponse(Box::new(newest.in_form(form)))
}

fn of_topology() -> Vec<Packet> {
    let member = ClusterTopology {
        node_id: "92eb467c-e60a-11f1-8855-02fc00000001".into(),
        unique_event_id: Form(Some(1_795_307_208_337)),
        member: Some(Member {
            primary: Some(connector()),
            backup: None,
            last: true,
        }),
        backup_group_name: Form(Some(Some("group".into()))),
        scale_down_group_name: Form(Some(None)),
        server_version: Form(Some(136)),
    };
    let mut gone = member.clone();
    gone.member = None;
    let mut packets = vec![Packet::SubscribeTopology(SubscribeTopology {
        cluster_connection: true,
        client_version: Form(None),
    })];
    for form in 1..=4 {
        packets.push(Packet::ClusterTopology(Box::new(
            member.clone().in_form(form),
        )));
        packets.push(Packet::ClusterTopology(Box::new(
            gone.clone().in_form(form),
        )));
    }
    packets
}

fn of_members() -> Vec<Packet> {
    let about = Since(Some(ConnectedTo {
        node_id: "n".into(),
        transport_configuration: None,
    }));
    vec![
        Packet::ScaleDownAnnouncement(ScaleDownAnnouncement {
            target_node_id: "t".into(),
            scaled_down_node_id: "s".into(),
        }),
        Packet::QuorumVote(QuorumVote {
            handler: "h".into(),
            vote: true,
            connected_to: Since(None),
        }),
        Packet::QuorumVoteReply(QuorumVote {
            handler: "h".into(),
            vote: false,
            connected_to: about,
        }),
        Packet::BackupRegistration(Box::new(BackupRegistration {
            user: "u".into(),
            password: "a longer password".into(),
            wants_fail_back: true,
            connector: connector(),
        })),
        Packet::BackupRegistrationFailed(BackupRegistrationFailed { code: 2 }),
        Packet::BackupRequest(Box::new(BackupRequest {
            size: 1,
            journal_directory: Some("journal".into()),
            bindings_directory: None,
            large_messages_directory: Some("large".into()),
            paging_directory: None,
            node_id: Some("n".into()),
        })),
        Packet::BackupRequestResponse(BackupRequestResponse { started: true }),
        Packet::FederationDownstreamConnect(Box::new(federation())),
    ]
}

fn federation() -> FederationDownstreamConnect {
    FederationDownstreamConnect {
        name: "federation".into(),
        credentials: Some(Credentials {
            user: "u".into(),
            password: "p".into(),
        }),
        policies: vec![
            Policy::Address(AddressPolicy {
                name: "addresses".into(),
                auto_delete: Some(true),
                auto_delete_delay: None,
                auto_delete_message_count: Some(-1),
                hops_max: 1,
                transformer: Some("t".into()),
                includes: vec![AddressMatcher {
                    address: "orders.#".into(),
                }],
                excludes: vec![],
                enable_divert_bindings: true,
            }),
            Policy::Queue(QueuePolicy {
                name: "queues".into(),
                include_federated: false,
                priority_adjustment: Some(-1),
                transformer: None,
                includes: vec![QueueMatcher {
                    address: None,
                    queue: Some("#".into()),
                }],
                excludes: vec![],
            }),
        ],
        transformers: vec![FederationTransformer {
            name: "t".into(),
            class: "org.example.Transformer".into(),
            properties: vec![TransformerProperty {
                key: "k".into(),
                value: "v".into(),
            }],
        }],
        stream: FederationStream {
            name: "downstream".into(),
            connection: federation_connection(),
            policy_references: vec!["addresses".into(), "queues".into()],
            upstream: connector(),
        },
    }
}

fn federation_connection() -> FederationConnection {
    FederationConnection {
        user: None,
        password: None,
        share_connection: true,
        priority_adjustment: -1,
        client_failure_check_period: 30_000,
        connection_ttl: 60_000,
        retry_interval: 500,
        retry_interval_multiplier: 1.5,
        retry_interval_max: 500,
        initial_connect_attempts: -1,
        reconnect_attempts: -1,
        call_timeout: 30_000,
        call_failover_timeout: -1,
    }
}

fn of_replication() -> Vec<Packet> {
    let (journal, id, transaction_id) = (1, 42, 7);
    vec![
        Packet::ReplicationResponse(ReplicationResponse {
            sync_finished_ack: Form(None),
        }),
        Packet::ReplicationResponse(ReplicationResponse {
            sync_finished_ack: Form(Some(true)),
        }),
        Packet::ReplicationAppend(ReplicationAppend {
            journal,
            operation: 1,
            id,
            record_type: 45,
            data: data(),
        }),
        Packet::ReplicationAppendTransactional(ReplicationAppendTransactional {
            journal,
            operation: 0,
            transaction_id,
            id,
            record_type: 45,
            data: Bytes::new(),
        }),
        Packet::ReplicationDelete(ReplicationDelete { journal, id }),
        Packet::ReplicationDeleteTransactional(ReplicationDeleteTransactional {
            journal,
            transaction_id,
            id,
            data: data(),
        }),
        Packet::ReplicationPrepare(ReplicationPrepare {
            journal,
            transaction_id,
            data: data(),
        }),
        Packet::ReplicationCommitRollback(ReplicationCommitRollback {
            journal,
            rollback: true,
            transaction_id,
        }),
        Packet::ReplicationLargeMessageBegin(ReplicationLargeMessageBegin { id }),
        Packet::ReplicationLargeMessageEnd(ReplicationLargeMessageEnd {
            id,
            pending_record_id: 43,
            is_delete: false,
        }),
        Packet::ReplicationLargeMessageWrite(ReplicationLargeMessageWrite { id, data: data() }),
        Packet::ReplicationStartFinishSync(ReplicationStartFinishSync {
            finished: false,
            allows_fail_back: true,
            node_id: "n".into(),
            data_type: 1,
            ids: vec![1, i64::MAX],
        }),
        Packet::ReplicationScheduledFailover(ReplicationScheduledFailover { code: 1 }),
        page_write(),
        page_event(),
    ]
}

fn page_write() -> Packet {
    Packet::ReplicationPageWrite(ReplicationPageWrite {
        page: Page(3),
        record: Remainder(data()),
    })
}

fn page_event() -> Packet {
    Packet::ReplicationPageEvent(ReplicationPageEvent {
        store: "a".into(),
        page: Page(3),
        is_delete: true,
    })
}

fn old_pages() -> Vec<(Packet, Version)> {
    let old = Version::spoken_with(132);
    vec![(page_write(), old), (page_event(), old)]
}

fn of_large_messages() -> Vec<Packet> {
    let file = |origin| {
        Packet::ReplicationSyncFile(ReplicationSyncFile::Piece {
            file_id: 9,
            origin,
            data: data(),
        })
    };
    let part = |total| {
        Packet::SendContinuation(SendContinuation {
            body: data(),
            total,
            requires_response: total.is_some(),
            correlation: Since(Some(-2)),
            sender: Since(Some(1)),
        })
    };
    vec![
        file(FileOrigin::Journal(1)),
        file(FileOrigin::Page("a".into())),
        file(FileOrigin::LargeMessage),
        Packet::ReplicationSyncFile(ReplicationSyncFile::End),
        part(None),
        part(Some(-1)),
        Packet::ReceiveContinuation(ReceiveContinuation {
            body: data(),
            continues: true,
            consumer_id: 5,
        }),
    ]
}

#[test]
fn what_was_made_is_read_as_it_was_written() {
    for (packet, version) in packets() {
        let bytes = encode(&packet, 11, version);
        assert_eq!(decode(&bytes, version).as_ref(), Ok(&packet));
        let number = packet.kind().number();
        assert_eq!(bytes[4].cast_signed(), number);
        assert_eq!(Kind::from_number(number), Some(packet.kind()));
    }
}

/// Spelt out from the table, not from the code: the two that one could write the wrong way round.
#[test]
fn bytes_stand_where_the_table_has_them() {
    let (failed, version) = packets()
        .into_iter()
        .find(|(packet, _)| packet.kind() == Kind::XaFailed)
        .expect("made above");
    let expected: &[u8] = &[
        0, 0, 0, 24, 39, 0, 0, 0, 0, 0, 0, 0, 11, 0xff, 0xff, 0xff, 0xf9, 0, 0, 0, 3, 1, 2, 3, 0,
        0, 0, 0,
    ];
    assert_eq!(encode(&failed, 11, version)[..], *expected);

    let old_page: &[u8] = &[
        0, 0, 0, 20, 98, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, b'a', 0, 0, 0, 0, 3, 0xff,
    ];
    assert_eq!(
        encode(&page_event(), 2, Version::spoken_with(132))[..],
        *old_page
    );
}

#[test]
fn a_farewell_has_the_form_its_client_understands() {
    let farewell = Farewell {
        node_id: "n".into(),
        reason: reason::SHUT_DOWN,
        target: Some(("t".into(), connector())),
    };
    for (version, kind) in [
        (121, Kind::Disconnect),
        (124, Kind::Disconnect),
        (125, Kind::DisconnectV2),
        (130, Kind::DisconnectV2),
        (131, Kind::DisconnectV3),
        (136, Kind::DisconnectV3),
    ] {
        let packet = farewell.clone().packet(Version::spoken_with(version));
        assert_eq!(packet.kind(), kind, "{version}");
    }
}

/// A newer peer may say more, and an older one less, than is known here.
#[test]
fn bytes_behind_a_packet_are_left_alone() {
    for (packet, version) in packets() {
        if matches!(packet.kind(), Kind::ReplicationPageWrite | Kind::QuorumVote) {
            continue; // What ends with the frame cannot have anything behind it.
        }
        let mut bytes = encode(&packet, 11, version).to_vec();
        bytes.extend_from_slice(&[0xde, 0xad]);
        bytes[3] += 2;
        if bytes[3] < 2 {
            bytes[2] += 1;
        }
        assert_eq!(decode(&bytes, version).as_ref(), Ok(&packet));
    }
}
