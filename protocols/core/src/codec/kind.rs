// SPDX-License-Identifier: Apache-2.0
//! The numbers of the packets, and the names by which Artemis's operators know them.

macro_rules! kinds {
    ($($name:ident = $id:literal, $text:literal $(, form $form:literal)?;)+) => {
        /// What the third field of a frame says it is: a packet, in one of the forms it has had.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(i8)]
        pub enum Kind {
            $(
                #[doc = $text]
                $name = $id,
            )+
        }

        impl Kind {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The packet of that number, if there is one.
            pub const fn from_number(number: i8) -> Option<Self> {
                match number {
                    $($id => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Its number.
            pub const fn number(self) -> i8 {
                self as i8
            }

            /// Artemis's name for it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// Which of its packet's forms it is: 2 for `_V2`, 1 if there is no other.
            pub(super) const fn form(self) -> u8 {
                match self {
                    $($(Self::$name => $form,)?)+
                    _ => 1,
                }
            }
        }
    };
}

kinds! {
    Ping = 10, "PING";
    Disconnect = 11, "DISCONNECT";
    DisconnectConsumer = 12, "DISCONNECT_CONSUMER";
    DisconnectConsumerKill = 13, "DISCONNECT_CONSUMER_KILL";
    Exception = 20, "EXCEPTION";
    NullResponse = 21, "NULL_RESPONSE";
    PacketsConfirmed = 22, "PACKETS_CONFIRMED";
    CreateSession = 30, "CREATESESSION";
    CreateSessionResponse = 31, "CREATESESSION_RESP";
    ReattachSession = 32, "REATTACH_SESSION";
    ReattachSessionResponse = 33, "REATTACH_SESSION_RESP";
    CreateQueue = 34, "CREATE_QUEUE";
    DeleteQueue = 35, "DELETE_QUEUE";
    CreateSharedQueue = 36, "CREATE_SHARED_QUEUE";
    XaFailed = 39, "SESS_XA_FAILED";
    CreateConsumer = 40, "SESS_CREATECONSUMER";
    Acknowledge = 41, "SESS_ACKNOWLEDGE";
    Expired = 42, "SESS_EXPIRED";
    Commit = 43, "SESS_COMMIT";
    Rollback = 44, "SESS_ROLLBACK";
    QueueQuery = 45, "SESS_QUEUEQUERY";
    QueueQueryResponse = 46, "SESS_QUEUEQUERY_RESP";
    BindingQuery = 49, "SESS_BINDINGQUERY";
    BindingQueryResponse = 50, "SESS_BINDINGQUERY_RESP";
    XaStart = 51, "SESS_XA_START";
    XaEnd = 52, "SESS_XA_END";
    XaCommit = 53, "SESS_XA_COMMIT";
    XaPrepare = 54, "SESS_XA_PREPARE";
    XaResponse = 55, "SESS_XA_RESP";
    XaRollback = 56, "SESS_XA_ROLLBACK";
    XaJoin = 57, "SESS_XA_JOIN";
    XaSuspend = 58, "SESS_XA_SUSPEND";
    XaResume = 59, "SESS_XA_RESUME";
    XaForget = 60, "SESS_XA_FORGET";
    XaInDoubt = 61, "SESS_XA_INDOUBT_XIDS";
    XaInDoubtResponse = 62, "SESS_XA_INDOUBT_XIDS_RESP";
    XaSetTimeout = 63, "SESS_XA_SET_TIMEOUT";
    XaSetTimeoutResponse = 64, "SESS_XA_SET_TIMEOUT_RESP";
    XaGetTimeout = 65, "SESS_XA_GET_TIMEOUT";
    XaGetTimeoutResponse = 66, "SESS_XA_GET_TIMEOUT_RESP";
    StartSession = 67, "SESS_START";
    StopSession = 68, "SESS_STOP";
    CloseSession = 69, "SESS_CLOSE";
    ConsumerCredits = 70, "SESS_FLOWTOKEN";
    Send = 71, "SESS_SEND";
    SendLarge = 72, "SESS_SEND_LARGE";
    SendContinuation = 73, "SESS_SEND_CONTINUATION";
    CloseConsumer = 74, "SESS_CONSUMER_CLOSE";
    Receive = 75, "SESS_RECEIVE_MSG";
    ReceiveLarge = 76, "SESS_RECEIVE_LARGE_MSG";
    ReceiveContinuation = 77, "SESS_RECEIVE_CONTINUATION";
    ForceDelivery = 78, "SESS_FORCE_CONSUMER_DELIVERY";
    RequestProducerCredits = 79, "SESS_PRODUCER_REQUEST_CREDITS";
    ProducerCredits = 80, "SESS_PRODUCER_CREDITS";
    AcknowledgeOne = 81, "SESS_INDIVIDUAL_ACKNOWLEDGE";
    ProducerFailCredits = 82, "SESS_PRODUCER_FAIL_CREDITS";
    ReplicationResponse = 90, "REPLICATION_RESPONSE";
    ReplicationAppend = 91, "REPLICATION_APPEND";
    ReplicationAppendTransactional = 92, "REPLICATION_APPEND_TX";
    ReplicationDelete = 93, "REPLICATION_DELETE";
    ReplicationDeleteTransactional = 94, "REPLICATION_DELETE_TX";
    ReplicationPrepare = 95, "REPLICATION_PREPARE";
    ReplicationCommitRollback = 96, "REPLICATION_COMMIT_ROLLBACK";
    ReplicationPageWrite = 97, "REPLICATION_PAGE_WRITE";
    ReplicationPageEvent = 98, "REPLICATION_PAGE_EVENT";
    ReplicationLargeMessageBegin = 99, "REPLICATION_LARGE_MESSAGE_BEGIN";
    ReplicationLargeMessageEnd = 100, "REPLICATION_LARGE_MESSAGE_END";
    ReplicationLargeMessageWrite = 101, "REPLICATION_LARGE_MESSAGE_WRITE";
    ReplicationSyncFile = 103, "REPLICATION_SYNC_FILE";
    AddMetadata = 104, "SESS_ADD_METADATA";
    AddMetadataConfirmed = 105, "SESS_ADD_METADATA2";
    AddUniqueMetadata = 106, "SESS_UNIQUE_ADD_METADATA";
    ClusterTopology = 110, "CLUSTER_TOPOLOGY";
    NodeAnnounce = 111, "NODE_ANNOUNCE";
    SubscribeTopology = 112, "SUBSCRIBE_TOPOLOGY";
    SubscribeTopologyV2 = 113, "SUBSCRIBE_TOPOLOGY_V2", form 2;
    ClusterTopologyV2 = 114, "CLUSTER_TOPOLOGY_V2", form 2;
    BackupRegistration = 115, "BACKUP_REGISTRATION";
    BackupRegistrationFailed = 116, "BACKUP_REGISTRATION_FAILED";
    ReplicationStartFinishSync = 120, "REPLICATION_START_FINISH_SYNC";
    ReplicationScheduledFailover = 121, "REPLICATION_SCHEDULED_FAILOVER";
    ClusterTopologyV3 = 122, "CLUSTER_TOPOLOGY_V3", form 3;
    DisconnectV2 = 124, "DISCONNECT_V2", form 2;
    ClusterConnect = 125, "CLUSTER_CONNECT";
    ClusterConnectReply = 126, "CLUSTER_CONNECT_REPLY";
    BackupRequest = 127, "BACKUP_REQUEST";
    BackupRequestResponse = -1, "BACKUP_REQUEST_RESPONSE";
    QuorumVote = -2, "QUORUM_VOTE";
    QuorumVoteReply = -3, "QUORUM_VOTE_REPLY";
    CheckForFailover = -4, "CHECK_FOR_FAILOVER";
    CheckForFailoverReply = -5, "CHECK_FOR_FAILOVER_REPLY";
    ScaleDownAnnouncement = -6, "SCALEDOWN_ANNOUNCEMENT";
    QueueQueryResponseV2 = -7, "SESS_QUEUEQUERY_RESP_V2", form 2;
    BindingQueryResponseV2 = -8, "SESS_BINDINGQUERY_RESP_V2", form 2;
    ReplicationResponseV2 = -9, "REPLICATION_RESPONSE_V2", form 2;
    BindingQueryResponseV3 = -10, "SESS_BINDINGQUERY_RESP_V3", form 3;
    CreateAddress = -11, "CREATE_ADDRESS";
    CreateQueueV2 = -12, "CREATE_QUEUE_V2", form 2;
    CreateSharedQueueV2 = -13, "CREATE_SHARED_QUEUE_V2", form 2;
    QueueQueryResponseV3 = -14, "SESS_QUEUEQUERY_RESP_V3", form 3;
    BindingQueryResponseV4 = -15, "SESS_BINDINGQUERY_RESP_V4", form 4;
    FederationDownstreamConnect = -16, "FEDERATION_DOWNSTREAM_CONNECT";
    ClusterTopologyV4 = -17, "CLUSTER_TOPOLOGY_V4", form 4;
    CreateSessionV2 = -18, "CREATESESSION_V2", form 2;
    DisconnectV3 = -19, "DISCONNECT_V3", form 3;
    CreateProducer = -20, "CREATE_PRODUCER";
    RemoveProducer = -21, "REMOVE_PRODUCER";
    BindingQueryResponseV5 = -22, "SESS_BINDINGQUERY_RESP_V5", form 5;
}
