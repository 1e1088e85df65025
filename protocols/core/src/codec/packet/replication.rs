// SPDX-License-Identifier: Apache-2.0
//! Artemis's own replication, on channel 2. From the source of Artemis, never seen on the wire: Hind's pairs have words
//! of their own, and these are here so that a peer that speaks them is understood and refused by name.

use bytes::{BufMut, Bytes};

use crate::codec::field::{Field, Form, Reader, Writer, body};
use crate::codec::{Kind, Malformed, SimpleString, TransportConfiguration};

/// The number of a page had 32 bits before this version.
const LONG_PAGES_SINCE: i32 = 133;

body! {
    /// A backup asks a primary to be its replica.
    BackupRegistration {
        /// The cluster's user.
        user: String,
        /// The cluster's password.
        password: String,
        /// It was the primary, and would be again.
        wants_fail_back: bool,
        /// How it is reached.
        connector: TransportConfiguration,
    }

    /// It will not be.
    BackupRegistrationFailed {
        /// Why.
        code: i32,
    }

    /// A node asks another to be its backup, in the other's directories.
    BackupRequest {
        /// How many backups.
        size: i32,
        /// Where its journal is.
        journal_directory: Option<String>,
        /// Where its bindings are.
        bindings_directory: Option<String>,
        /// Where its large messages are.
        large_messages_directory: Option<String>,
        /// Where its pages are.
        paging_directory: Option<String>,
        /// Its id.
        node_id: Option<SimpleString>,
    }

    /// Whether it will be.
    BackupRequestResponse {
        /// A backup was started.
        started: bool,
    }

    /// A record for a journal.
    ReplicationAppend {
        /// Which journal.
        journal: i8,
        /// What is done; before 131 a boolean: whether it is an update.
        operation: i8,
        /// The record.
        id: i64,
        /// What is in it.
        record_type: i8,
        /// It.
        data: Bytes,
    }

    /// The same, in a transaction.
    ReplicationAppendTransactional {
        /// Which journal.
        journal: i8,
        /// What is done; before 131 a boolean: whether it is an update.
        operation: i8,
        /// The transaction.
        transaction_id: i64,
        /// The record.
        id: i64,
        /// What is in it.
        record_type: i8,
        /// It.
        data: Bytes,
    }

    /// A record is gone.
    ReplicationDelete {
        /// From which journal.
        journal: i8,
        /// The record.
        id: i64,
    }

    /// The same, in a transaction.
    ReplicationDeleteTransactional {
        /// From which journal.
        journal: i8,
        /// The transaction.
        transaction_id: i64,
        /// The record.
        id: i64,
        /// What to know about it.
        data: Bytes,
    }

    /// A transaction is prepared.
    ReplicationPrepare {
        /// In which journal.
        journal: i8,
        /// Which.
        transaction_id: i64,
        /// What to know about it.
        data: Bytes,
    }

    /// A transaction has ended.
    ReplicationCommitRollback {
        /// In which journal.
        journal: i8,
        /// Nothing of it happens.
        rollback: bool,
        /// Which.
        transaction_id: i64,
    }

    /// A page was opened or deleted.
    ReplicationPageEvent {
        /// Of which address.
        store: SimpleString,
        /// Which page.
        page: Page,
        /// Deleted.
        is_delete: bool,
    }

    /// A message was paged.
    ReplicationPageWrite {
        /// To which page.
        page: Page,
        /// The message in the layout of a page file, and from 133 on its address: nothing says where one ends.
        record: Remainder,
    }

    /// A large message begins.
    ReplicationLargeMessageBegin {
        /// Which.
        id: i64,
    }

    /// A large message is whole, or gone.
    ReplicationLargeMessageEnd {
        /// Which.
        id: i64,
        /// The record that says it is being written.
        pending_record_id: i64,
        /// Gone.
        is_delete: bool,
    }

    /// A part of a large message.
    ReplicationLargeMessageWrite {
        /// Which.
        id: i64,
        /// The bytes.
        data: Bytes,
    }

    /// The first copy begins or ends.
    ReplicationStartFinishSync {
        /// It ends.
        finished: bool,
        /// The primary would give way to the one it replaced.
        allows_fail_back: bool,
        /// Whose copy it is.
        node_id: String,
        /// Of what.
        data_type: i8,
        /// The files that follow.
        ids: Vec<i64>,
    }

    /// The primary stops.
    ReplicationScheduledFailover {
        /// Whether the backup is to take over.
        code: i32,
    }

    /// A packet of replication was dealt with.
    ReplicationResponse {
        /// The first copy is complete.
        sync_finished_ack: Form<2, bool>,
    }
}

impl ReplicationResponse {
    /// The packet it is.
    pub(super) const fn kind(&self) -> Kind {
        if self.sync_finished_ack.0.is_some() {
            Kind::ReplicationResponseV2
        } else {
            Kind::ReplicationResponse
        }
    }
}

/// The number of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page(pub i64);

impl Field for Page {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.version.number() >= LONG_PAGES_SINCE {
            from.read().map(Self)
        } else {
            from.read::<i32>().map(i64::from).map(Self)
        }
    }

    /// A peer of an older version cannot be told of a page beyond 2³¹; it is told of the last it can name.
    fn write(&self, to: &mut Writer<'_>) {
        if to.version.number() >= LONG_PAGES_SINCE {
            to.out.put_i64(self.0);
        } else {
            to.out.put_i32(i32::try_from(self.0).unwrap_or(i32::MAX));
        }
    }
}

/// What is left of the frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remainder(pub Bytes);

impl Field for Remainder {
    const LEAST: usize = 0;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = from.cursor.left();
        from.slice(length).map(Self)
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put_body(&self.0);
    }
}

/// The id of a file that says: no more files.
const NO_FILE: i64 = -1;
const JOURNAL: i8 = 0;
const PAGE: i8 = 1;
const LARGE_MESSAGE: i8 = 2;

/// A piece of a file of the first copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplicationSyncFile {
    /// That was all.
    End,
    /// A piece.
    Piece {
        /// Of which file.
        file_id: i64,
        /// What the file is.
        origin: FileOrigin,
        /// The bytes.
        data: Bytes,
    },
}

/// What a file of the first copy is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileOrigin {
    /// Part of a journal; which.
    Journal(i8),
    /// A page; of which address.
    Page(SimpleString),
    /// A large message.
    LargeMessage,
}

impl Field for FileOrigin {
    const LEAST: usize = 1;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match from.read::<i8>()? {
            JOURNAL => Self::Journal(from.read()?),
            PAGE => Self::Page(from.read()?),
            LARGE_MESSAGE => Self::LargeMessage,
            tag => return Err(Malformed::Tag(tag.cast_unsigned())),
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Journal(journal) => {
                JOURNAL.write(to);
                journal.write(to);
            }
            Self::Page(store) => {
                PAGE.write(to);
                store.write(to);
            }
            Self::LargeMessage => LARGE_MESSAGE.write(to),
        }
    }
}

impl Field for ReplicationSyncFile {
    const LEAST: usize = 8;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match from.read()? {
            NO_FILE => Ok(Self::End),
            file_id => Ok(Self::Piece {
                file_id,
                origin: from.read()?,
                data: from.read()?,
            }),
        }
    }

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::End => NO_FILE.write(to),
            Self::Piece {
                file_id,
                origin,
                data,
            } => {
                file_id.write(to);
                origin.write(to);
                data.write(to);
            }
        }
    }
}
