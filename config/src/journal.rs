// SPDX-License-Identifier: Apache-2.0
//! The journal and where data lives: `journal-*`, the four directories, `store`, and what is remembered by id.

use std::time::Duration;

use crate::error::Findings;
use crate::reader::Reader;
use crate::xml::Element;

const KIBIBYTE: u64 = 1024;

/// The folders of the data, as written: relative ones are seen from the instance's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Addresses, queues, settings that management made.
    pub bindings: String,
    /// Messages.
    pub journal: String,
    /// One file for each large message.
    pub large_messages: String,
    /// Page files.
    pub paging: String,
    /// False: a missing bindings folder is an error.
    pub create_bindings: bool,
    /// False: a missing journal folder is an error.
    pub create_journal: bool,
}

/// How the operator asked for the journal to be written. Hind writes all three the same way and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalType {
    /// Linux asynchronous I/O.
    Asyncio,
    /// Plain files.
    Nio,
    /// Memory-mapped files.
    Mapped,
}

impl JournalType {
    /// The word of broker.xml.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Asyncio => "ASYNCIO",
            Self::Nio => "NIO",
            Self::Mapped => "MAPPED",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Asyncio, Self::Nio, Self::Mapped]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// Sizes, limits and promises of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// What was asked for.
    pub kind: JournalType,
    /// Bytes of one file.
    pub file_size: u64,
    /// Files made at start and kept at least.
    pub min_files: u32,
    /// Empty files kept for reuse; `None`: all of them.
    pub pool_files: Option<u32>,
    /// False: writes are not forced to the disk at all (`journal-datasync`).
    pub datasync: bool,
    /// False: commits are answered before they are on the disk.
    pub sync_transactional: bool,
    /// False: sends outside transactions are answered before they are on the disk.
    pub sync_non_transactional: bool,
    /// False: large messages are answered before they are on the disk.
    pub large_message_sync: bool,
    /// Bytes gathered before they are written.
    pub buffer_size: u64,
    /// The longest wait for more to write; written in nanoseconds.
    pub buffer_timeout: Duration,
    /// Writes under way at most.
    pub max_io: u32,
    /// Below this share of live data, in percent, the journal is compacted…
    pub compact_percentage: u8,
    /// …if it has at least so many files; 0: never.
    pub compact_min_files: u32,
}

/// What is kept about ids and deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedIds {
    /// Duplicate ids remembered for each address unless its settings say otherwise.
    pub id_cache_size: u32,
    /// They survive a restart.
    pub persist_id_cache: bool,
    /// A delivery is recorded before it is made.
    pub persist_delivery_count_before_delivery: bool,
    /// Records of redeliveries kept for one message; `None`: all.
    pub max_redelivery_records: Option<u32>,
}

pub(crate) fn paths(core: &Element, findings: &mut Findings) -> Paths {
    let mut reader = Reader::new(Some(core), "", findings);
    Paths {
        bindings: reader.text("bindings-directory", "data/bindings"),
        journal: reader.text("journal-directory", "data/journal"),
        large_messages: reader.text("large-messages-directory", "data/largemessages"),
        paging: reader.text("paging-directory", "data/paging"),
        create_bindings: reader.bool("create-bindings-dir", true),
        create_journal: reader.bool("create-journal-dir", true),
    }
}

pub(crate) fn read(core: &Element, findings: &mut Findings) -> JournalSettings {
    let mut reader = Reader::new(Some(core), "", findings);
    let kind = reader.word(
        "journal-type",
        JournalType::Asyncio,
        JournalType::from_word,
        JournalType::word,
    );
    let (buffer_timeout, max_io) = match kind {
        JournalType::Asyncio => (500_000, 4096),
        JournalType::Nio | JournalType::Mapped => (3_333_333, 1),
    };
    JournalSettings {
        kind,
        file_size: reader.bytes("journal-file-size", 10 * KIBIBYTE * KIBIBYTE),
        min_files: reader.number("journal-min-files", 2),
        pool_files: reader.limit("journal-pool-files", None),
        datasync: reader.bool("journal-datasync", true),
        sync_transactional: reader.bool("journal-sync-transactional", true),
        sync_non_transactional: reader.bool("journal-sync-non-transactional", true),
        large_message_sync: reader.bool("large-message-sync", true),
        buffer_size: reader.bytes("journal-buffer-size", 490 * KIBIBYTE),
        buffer_timeout: Duration::from_nanos(
            reader.number("journal-buffer-timeout", buffer_timeout),
        ),
        max_io: reader.number("journal-max-io", max_io),
        compact_percentage: reader.number("journal-compact-percentage", 30),
        compact_min_files: reader.number("journal-compact-min-files", 10),
    }
}

pub(crate) fn ids(core: &Element, findings: &mut Findings) -> RememberedIds {
    let mut reader = Reader::new(Some(core), "", findings);
    RememberedIds {
        id_cache_size: reader.number("id-cache-size", 20_000),
        persist_id_cache: reader.bool("persist-id-cache", true),
        persist_delivery_count_before_delivery: reader
            .bool("persist-delivery-count-before-delivery", false),
        max_redelivery_records: reader.limit("max-redelivery-records", Some(10)),
    }
}
