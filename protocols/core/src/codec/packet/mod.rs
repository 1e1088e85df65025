// SPDX-License-Identifier: Apache-2.0
//! All packets: one file per noun, and the table that leads from a number to its packet.

pub mod address;
pub mod cluster;
pub mod connection;
pub mod consumer;
pub mod federation;
pub mod producer;
pub mod queue;
pub mod replication;
pub mod session;
pub mod topology;
pub mod transaction;

use address::{BindingQuery, BindingQueryResponse, CreateAddress};
use bytes::{BufMut, BytesMut};
use cluster::ScaleDownAnnouncement;
use cluster::{ClusterConnect, ClusterConnectReply, NodeAnnounce, QuorumVote};
use connection::{
    Disconnect, DisconnectConsumer, DisconnectConsumerKill, DisconnectV2, DisconnectV3,
};
use connection::{Exception, NullResponse, PacketsConfirmed, Ping};
use consumer::{
    Acknowledge, CloseConsumer, ConsumerCredits, CreateConsumer, Expired, ForceDelivery,
};
use consumer::{Receive, ReceiveContinuation, ReceiveLarge};
use federation::FederationDownstreamConnect;
use producer::{
    CreateProducer, ProducerCredits, RemoveProducer, Send, SendContinuation, SendLarge,
};
use queue::{CreateQueue, CreateSharedQueue, DeleteQueue, QueueQuery, QueueQueryResponse};
use replication::ReplicationSyncFile;
use replication::{
    BackupRegistration, BackupRegistrationFailed, BackupRequest, BackupRequestResponse,
};
use replication::{ReplicationAppend, ReplicationAppendTransactional, ReplicationDelete};
use replication::{ReplicationCommitRollback, ReplicationDeleteTransactional, ReplicationPrepare};
use replication::{ReplicationLargeMessageBegin, ReplicationLargeMessageEnd};
use replication::{ReplicationLargeMessageWrite, ReplicationPageEvent, ReplicationPageWrite};
use replication::{ReplicationResponse, ReplicationScheduledFailover, ReplicationStartFinishSync};
use session::{AddMetadata, AddMetadataConfirmed, CreateSession, CreateSessionResponse};
use session::{ReattachSession, ReattachSessionResponse};
use topology::{CheckForFailover, CheckForFailoverReply, ClusterTopology, SubscribeTopology};
use transaction::{Commit, Rollback, XaCommit, XaEnd, XaResponse, XaSetTimeoutResponse, XaTimeout};

use super::field::{Field, Reader, Splice, Writer};
use super::{Frame, Kind, Malformed, Version, Xid};

macro_rules! packets {
    (
        one { $($name:ident($body:ty) = $kind:ident;)+ }
        forms { $($many:ident($many_body:ty) = $($many_kind:ident)|+;)+ }
    ) => {
        /// A packet of either direction. What its fields mean stands with its body.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Packet {
            $(
                #[doc = concat!("See [`", stringify!($body), "`].")]
                $name($body),
            )+
            $(
                #[doc = concat!("See [`", stringify!($many_body), "`].")]
                $many($many_body),
            )+
        }

        impl Packet {
            /// Which packet it is, in which of its forms.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$name(_) => Kind::$kind,)+
                    $(Self::$many(body) => body.kind(),)+
                }
            }

            fn read(kind: Kind, from: &mut Reader<'_>) -> Result<Self, Malformed> {
                match kind {
                    $(Kind::$kind => from.read().map(Self::$name),)+
                    $($(Kind::$many_kind)|+ => from.read().map(Self::$many),)+
                }
            }

            fn write(&self, to: &mut Writer<'_>) {
                match self {
                    $(Self::$name(body) => body.write(to),)+
                    $(Self::$many(body) => body.write(to),)+
                }
            }
        }
    };
}

packets! {
    one {
        Ping(Ping) = Ping;
        Disconnect(Disconnect) = Disconnect;
        DisconnectV2(DisconnectV2) = DisconnectV2;
        DisconnectV3(Box<DisconnectV3>) = DisconnectV3;
        DisconnectConsumer(DisconnectConsumer) = DisconnectConsumer;
        DisconnectConsumerKill(DisconnectConsumerKill) = DisconnectConsumerKill;
        Exception(Exception) = Exception;
        NullResponse(NullResponse) = NullResponse;
        PacketsConfirmed(PacketsConfirmed) = PacketsConfirmed;
        CreateSessionResponse(CreateSessionResponse) = CreateSessionResponse;
        ReattachSession(ReattachSession) = ReattachSession;
        ReattachSessionResponse(ReattachSessionResponse) = ReattachSessionResponse;
        AddMetadata(AddMetadata) = AddMetadata;
        AddMetadataConfirmed(AddMetadataConfirmed) = AddMetadataConfirmed;
        AddUniqueMetadata(AddMetadataConfirmed) = AddUniqueMetadata;
        StartSession(()) = StartSession;
        StopSession(()) = StopSession;
        CloseSession(()) = CloseSession;
        CreateAddress(CreateAddress) = CreateAddress;
        BindingQuery(BindingQuery) = BindingQuery;
        DeleteQueue(DeleteQueue) = DeleteQueue;
        QueueQuery(QueueQuery) = QueueQuery;
        CreateProducer(CreateProducer) = CreateProducer;
        RemoveProducer(RemoveProducer) = RemoveProducer;
        RequestProducerCredits(ProducerCredits) = RequestProducerCredits;
        ProducerCredits(ProducerCredits) = ProducerCredits;
        ProducerFailCredits(ProducerCredits) = ProducerFailCredits;
        Send(Send) = Send;
        SendLarge(SendLarge) = SendLarge;
        SendContinuation(SendContinuation) = SendContinuation;
        CreateConsumer(CreateConsumer) = CreateConsumer;
        CloseConsumer(CloseConsumer) = CloseConsumer;
        ConsumerCredits(ConsumerCredits) = ConsumerCredits;
        ForceDelivery(ForceDelivery) = ForceDelivery;
        Acknowledge(Acknowledge) = Acknowledge;
        AcknowledgeOne(Acknowledge) = AcknowledgeOne;
        Expired(Expired) = Expired;
        Receive(Receive) = Receive;
        ReceiveLarge(ReceiveLarge) = ReceiveLarge;
        ReceiveContinuation(ReceiveContinuation) = ReceiveContinuation;
        Commit(Commit) = Commit;
        Rollback(Rollback) = Rollback;
        XaStart(Xid) = XaStart;
        XaJoin(Xid) = XaJoin;
        XaSuspend(()) = XaSuspend;
        XaResume(Xid) = XaResume;
        XaEnd(XaEnd) = XaEnd;
        XaPrepare(Xid) = XaPrepare;
        XaCommit(XaCommit) = XaCommit;
        XaRollback(Xid) = XaRollback;
        XaForget(Xid) = XaForget;
        XaFailed(Xid) = XaFailed;
        XaResponse(XaResponse) = XaResponse;
        XaInDoubt(()) = XaInDoubt;
        XaInDoubtResponse(Vec<Xid>) = XaInDoubtResponse;
        XaSetTimeout(XaTimeout) = XaSetTimeout;
        XaSetTimeoutResponse(XaSetTimeoutResponse) = XaSetTimeoutResponse;
        XaGetTimeout(()) = XaGetTimeout;
        XaGetTimeoutResponse(XaTimeout) = XaGetTimeoutResponse;
        CheckForFailover(CheckForFailover) = CheckForFailover;
        CheckForFailoverReply(CheckForFailoverReply) = CheckForFailoverReply;
        ClusterConnect(ClusterConnect) = ClusterConnect;
        ClusterConnectReply(ClusterConnectReply) = ClusterConnectReply;
        NodeAnnounce(Box<NodeAnnounce>) = NodeAnnounce;
        ScaleDownAnnouncement(ScaleDownAnnouncement) = ScaleDownAnnouncement;
        QuorumVote(QuorumVote) = QuorumVote;
        QuorumVoteReply(QuorumVote) = QuorumVoteReply;
        BackupRegistration(Box<BackupRegistration>) = BackupRegistration;
        BackupRegistrationFailed(BackupRegistrationFailed) = BackupRegistrationFailed;
        BackupRequest(Box<BackupRequest>) = BackupRequest;
        BackupRequestResponse(BackupRequestResponse) = BackupRequestResponse;
        ReplicationAppend(ReplicationAppend) = ReplicationAppend;
        ReplicationAppendTransactional(ReplicationAppendTransactional) = ReplicationAppendTransactional;
        ReplicationDelete(ReplicationDelete) = ReplicationDelete;
        ReplicationDeleteTransactional(ReplicationDeleteTransactional) = ReplicationDeleteTransactional;
        ReplicationPrepare(ReplicationPrepare) = ReplicationPrepare;
        ReplicationCommitRollback(ReplicationCommitRollback) = ReplicationCommitRollback;
        ReplicationPageWrite(ReplicationPageWrite) = ReplicationPageWrite;
        ReplicationPageEvent(ReplicationPageEvent) = ReplicationPageEvent;
        ReplicationLargeMessageBegin(ReplicationLargeMessageBegin) = ReplicationLargeMessageBegin;
        ReplicationLargeMessageEnd(ReplicationLargeMessageEnd) = ReplicationLargeMessageEnd;
        ReplicationLargeMessageWrite(ReplicationLargeMessageWrite) = ReplicationLargeMessageWrite;
        ReplicationSyncFile(ReplicationSyncFile) = ReplicationSyncFile;
        ReplicationStartFinishSync(ReplicationStartFinishSync) = ReplicationStartFinishSync;
        ReplicationScheduledFailover(ReplicationScheduledFailover) = ReplicationScheduledFailover;
        FederationDownstreamConnect(Box<FederationDownstreamConnect>) = FederationDownstreamConnect;
    }
    forms {
        CreateSession(Box<CreateSession>) = CreateSession | CreateSessionV2;
        CreateQueue(Box<CreateQueue>) = CreateQueue | CreateQueueV2;
        CreateSharedQueue(Box<CreateSharedQueue>) = CreateSharedQueue | CreateSharedQueueV2;
        QueueQueryResponse(Box<QueueQueryResponse>) =
            QueueQueryResponse | QueueQueryResponseV2 | QueueQueryResponseV3;
        BindingQueryResponse(Box<BindingQueryResponse>) = BindingQueryResponse
            | BindingQueryResponseV2
            | BindingQueryResponseV3
            | BindingQueryResponseV4
            | BindingQueryResponseV5;
        SubscribeTopology(SubscribeTopology) = SubscribeTopology | SubscribeTopologyV2;
        ClusterTopology(Box<ClusterTopology>) =
            ClusterTopology | ClusterTopologyV2 | ClusterTopologyV3 | ClusterTopologyV4;
        ReplicationResponse(ReplicationResponse) = ReplicationResponse | ReplicationResponseV2;
    }
}

impl Packet {
    /// Reads the packet of a frame from a peer that speaks that version. Bytes behind it are those of a newer peer, and
    /// left alone.
    ///
    /// # Errors
    /// What is wrong with the frame. No more memory has been taken by then than its elements would if they were there: at
    /// most 24 bytes for each of the frame (for patterns of federation; names and branches take 6).
    pub fn decode(frame: &Frame, version: Version) -> Result<Self, Malformed> {
        let kind = frame.kind()?;
        Self::read(kind, &mut Reader::new(&frame.body, version, kind.form()))
    }

    /// Appends the packet as a whole frame for a peer that speaks that version.
    pub fn encode(&self, channel: i64, version: Version, out: &mut BytesMut) {
        let spliced = self.encode_around(channel, version, usize::MAX, out);
        debug_assert_eq!(spliced, None);
    }

    /// The same, but if it carries a body of at least `splice_from` bytes, that is left out, and returned with its place:
    /// the caller sends what is before, then the body, then what is behind it, and nothing large is copied.
    pub fn encode_around(
        &self,
        channel: i64,
        version: Version,
        splice_from: usize,
        out: &mut BytesMut,
    ) -> Option<Splice> {
        let start = out.len();
        out.put_i32(0);
        out.put_i8(self.kind().number());
        out.put_i64(channel);
        let mut writer = Writer {
            out,
            version,
            splice_from,
            splice: None,
        };
        self.write(&mut writer);
        let splice = writer.splice;
        let left_out = splice.as_ref().map_or(0, |splice| splice.body.len());
        let length = i32::try_from(out.len() - start - 4 + left_out)
            .expect("what goes into a frame is far below 2 GiB");
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        splice
    }
}
