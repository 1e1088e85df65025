// SPDX-License-Identifier: Apache-2.0
//! What happened that an operator may want to read. Machines do not log; the host turns notices into log lines.

use std::sync::Arc;
use std::time::Duration;

use crate::address::routing_type::RoutingType;
use crate::id::{ConnectionId, LargeId, MessageId, PageId, TransactionId};
use crate::time::Instant;

/// One thing worth a log line.
#[derive(Clone, PartialEq, Debug)]
pub enum Notice {
    /// An address of the configuration exists (AMQ221080).
    AddressDeployed {
        /// Its name.
        address: Arc<str>,
        /// Its routing types.
        routing: Vec<RoutingType>,
    },
    /// A queue of the configuration exists (AMQ221003).
    QueueDeployed {
        /// Its routing type.
        routing: RoutingType,
        /// Its name.
        queue: Arc<str>,
        /// Its address.
        address: Arc<str>,
    },
    /// A message was acknowledged to its sender and reached no queue; said once per address.
    Unrouted {
        /// The address.
        address: Arc<str>,
    },
    /// A message used up its attempts and is dropped; said once per address.
    DroppedAfterAttempts {
        /// The queue it was on.
        queue: Arc<str>,
        /// The message.
        message: MessageId,
        /// How often it was tried.
        attempts: u32,
        /// The dead-letter address, at which nothing takes messages (AMQ222148); `None`: there is none (AMQ222150).
        dead_letter_address: Option<Arc<str>>,
    },
    /// A message expired and is dropped; said once per address.
    DroppedExpired {
        /// The queue it was on.
        queue: Arc<str>,
        /// The expiry address, at which nothing takes messages (AMQ222146); `None`: there is none (AMQ222147).
        expiry_address: Option<Arc<str>>,
    },
    /// A transaction was open for too long and is rolled back (AMQ222103).
    TransactionTimedOut {
        /// Whose.
        client: ConnectionId,
        /// Which of its transactions.
        transaction: TransactionId,
    },
    /// A message used up its attempts and went to the dead-letter address (AMQ222149).
    DeadLettered {
        /// The queue it was on.
        queue: Arc<str>,
        /// Where it went.
        address: Arc<str>,
        /// The message.
        message: MessageId,
        /// How often it was tried.
        attempts: u32,
    },
    /// The body of a large message cannot be read: the message was taken off the queue.
    BodyLost {
        /// The queue it was on.
        queue: Arc<str>,
        /// The message.
        message: MessageId,
        /// The number of the file.
        body: LargeId,
        /// What is wrong with it.
        why: String,
    },
    /// What there is of such a body is kept for the operator.
    BodySetAside {
        /// The name it is kept under.
        file: String,
    },
    /// The disk has reached a limit: addresses follow their `disk-full-policy` (AMQ222210, AMQ224128).
    DiskFull(DiskLimit),
    /// It no longer has (AMQ222211, AMQ224129).
    DiskFree(DiskLimit),
    /// All addresses together have as much in memory as they may: each follows its `address-full-policy`.
    GlobalFull(Fill),
    /// They no longer have.
    GlobalNotFull(Fill),
    /// What is sent to the address goes to pages from now on (AMQ222038).
    PagingStarted {
        /// The address.
        address: Arc<str>,
        /// How full it is.
        fill: Fill,
    },
    /// All that was in pages has been read and settled (AMQ224108).
    PagingStopped {
        /// The address.
        address: Arc<str>,
        /// How full it is.
        fill: Fill,
    },
    /// Whoever sends to the address waits (AMQ222183).
    AddressBlocked {
        /// The address.
        address: Arc<str>,
        /// How full it is.
        fill: Fill,
    },
    /// The disk is full, and whoever sends to the address waits (AMQ222212).
    AddressBlockedByDisk {
        /// The address.
        address: Arc<str>,
    },
    /// They go on (AMQ221046).
    AddressUnblocked {
        /// The address.
        address: Arc<str>,
        /// How full it is.
        fill: Fill,
    },
    /// What is sent to the address is dropped (AMQ222039); said once per address.
    AddressDropping {
        /// The address.
        address: Arc<str>,
        /// How full it is; `None`: it is the disk that is full.
        fill: Option<Fill>,
    },
    /// The address may page no more: `page-full-policy` acts (AMQ224120, AMQ224123).
    PageLimitReached {
        /// The address.
        address: Arc<str>,
        /// Which limit.
        limit: PageLimit,
    },
    /// It may again (AMQ224122).
    PageLimitReleased {
        /// The address.
        address: Arc<str>,
    },
    /// A read of a page has failed and will be tried again.
    PageReadFailed {
        /// The address.
        address: Arc<str>,
        /// Which page.
        page: PageId,
        /// What the disk says.
        why: String,
    },
    /// Part of a page cannot be read (AMQ222033).
    PageDamaged {
        /// The address.
        address: Arc<str>,
        /// Which page.
        page: PageId,
        /// What is wrong with it.
        what: String,
        /// How many messages a queue has lost by it.
        lost: u64,
    },
    /// A damaged page is kept for the operator (AMQ222030).
    PageSetAside {
        /// The name it is kept under.
        file: String,
    },
    /// A queue reads no more from pages until its consumers settle something (AMQ224127).
    PageReadsHeld {
        /// The address.
        address: Arc<str>,
        /// The queue.
        queue: Arc<str>,
        /// Messages delivered and not settled.
        messages: u64,
        /// Their bytes.
        bytes: u64,
        /// `max-read-page-messages`.
        messages_max: Option<u64>,
        /// `max-read-page-bytes`.
        bytes_max: Option<u64>,
    },
    /// A filter of the configuration or the journal cannot be parsed; the queue takes nothing.
    BadFilter {
        /// The queue.
        queue: Arc<str>,
        /// What is wrong.
        why: String,
    },
    /// Part of the journal has been read back.
    Recovering {
        /// Segments read so far.
        read: u64,
        /// Segments there are.
        total: u64,
    },
    /// The journal has been read back.
    Recovered {
        /// Messages on durable queues.
        messages: u64,
        /// Records read.
        records: u64,
        /// Bytes of a torn tail that were cut.
        torn: u64,
    },
    /// The journal is damaged, or was written by something else: the broker does not start.
    Damaged(String),
    /// The disk failed: the broker stops.
    StorageFailed(String),
    /// The broker serves (AMQ221007).
    Active,
    /// The node's identity, once known (part of AMQ221001).
    Identified {
        /// As Artemis writes a UUID.
        node_id: String,
    },
}

/// Something that comes and goes, perhaps many times a second, and is said to the log when it comes and when it has
/// gone, but not more often than the log can bear.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spell {
    lasts: bool,
    said: bool,
    next: Option<Instant>,
}

impl Spell {
    /// It is there. Whether that is to be said: when it has just come, and the last time it was said is `pause` ago.
    pub fn begins(&mut self, now: Instant, pause: Duration) -> bool {
        if std::mem::replace(&mut self.lasts, true) {
            return false;
        }
        self.said = self.next.is_none_or(|next| next <= now);
        if self.said {
            self.next = Some(now.after(pause));
        }
        self.said
    }

    /// It has gone. Whether that is to be said: if its coming was.
    pub fn ends(&mut self) -> bool {
        self.lasts = false;
        std::mem::take(&mut self.said)
    }
}

/// Which limit of the disk is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskLimit {
    /// `max-disk-usage`.
    MaxDiskUsage,
    /// `min-disk-free`.
    MinDiskFree,
}

/// Which limit of an address's pages is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PageLimit {
    /// `page-limit-bytes`.
    Bytes {
        /// Pages there are.
        pages: u64,
        /// Pages that fit into the limit.
        pages_max: u64,
        /// The limit.
        limit: u64,
        /// `page-size-bytes`.
        page_size: u64,
    },
    /// `page-limit-messages`.
    Messages {
        /// The queue with so many.
        queue: Arc<str>,
        /// How many it has in pages.
        messages: u64,
        /// The limit.
        limit: u64,
    },
}

/// How much of the memory an address takes, and all addresses together take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fill {
    /// Bytes of the messages in memory.
    pub bytes: u64,
    /// How many messages.
    pub messages: u64,
    /// `max-size-bytes`.
    pub bytes_max: Option<u64>,
    /// `max-size-messages`.
    pub messages_max: Option<u64>,
    /// Bytes of the messages of all addresses.
    pub global_bytes: u64,
    /// How many messages on all addresses.
    pub global_messages: u64,
    /// `global-max-size`.
    pub global_bytes_max: Option<u64>,
    /// `global-max-messages`.
    pub global_messages_max: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_said_once_in_a_while_and_its_end_only_if_its_beginning_was() {
        let (mut spell, pause) = (Spell::default(), Duration::from_nanos(10));
        let at = Instant::from_nanos;
        assert!(!spell.ends(), "it never came");
        assert!(spell.begins(at(1), pause));
        assert!(!spell.begins(at(2), pause), "it lasts");
        assert!(!spell.begins(at(20), pause), "it still lasts");
        assert!(spell.ends());
        assert!(!spell.ends());
        assert!(spell.begins(at(21), pause));
        assert!(spell.ends());
        assert!(!spell.begins(at(30), pause), "it was said a moment ago");
        assert!(!spell.ends());
        assert!(spell.begins(at(31), pause));
    }
}
