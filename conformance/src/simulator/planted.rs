// SPDX-License-Identifier: Apache-2.0
//! Bugs put in on purpose, to prove that the checks would find them. Each is planted where the host meets the node, so
//! that the broker under test is the very one that ships.

use hind_engine::storage::request::Segment;

use super::disk::journal;

/// A planted bug.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// Acknowledges before the sync: the disk says `Stored` when a batch is written; the sync comes with the next
    /// operation. The same as a node that opens its gate at the append.
    AcknowledgesBeforeSync,
    /// A record that is applied live but not by replay: in what recovery reads, every acknowledgement names a queue that
    /// does not exist, with a right checksum; applying it changes nothing. The same as a replay that forgets to apply
    /// acknowledgements.
    ForgetsAcknowledgements,
    /// A torn tail taken for whole: in what recovery reads, the record behind the last whole one gets a right checksum if
    /// its head can be read, whatever is left of it. The same as a replay that does not check its last record.
    TakesTornForWhole,
    /// The same as [`Self::ForgetsAcknowledgements`] for messages in pages: a cursor's acknowledgement is lost.
    ForgetsPageAcknowledgements,
    /// A page's file goes as soon as nothing is left of it in memory, although the acknowledgements that say so are not
    /// durable yet.
    DeletesPagesEarly,
    /// What the disk has written of a page is counted too low, so that the ledger of what is under way drifts.
    LedgerDrifts,
    /// What messages take in memory is counted as half of what it is: the broker is told twice the `global-max-size` that
    /// it is held to. The same as a ledger of memory that drifts down with every second message.
    CountsHalf,
    /// The same as [`Self::ForgetsAcknowledgements`] for the packet identifiers under which messages went out: after a
    /// crash they go out again as if for the first time. The same as a broker that does not wait for the record.
    ForgetsPacketsSent,
    /// The same for those that clients have given to messages of QoS 2: what is sent again counts as new.
    ForgetsPacketsTaken,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AcknowledgesBeforeSync,
        Self::ForgetsAcknowledgements,
        Self::TakesTornForWhole,
        Self::ForgetsPageAcknowledgements,
        Self::DeletesPagesEarly,
        Self::LedgerDrifts,
        Self::CountsHalf,
        Self::ForgetsPacketsSent,
        Self::ForgetsPacketsTaken,
    ];

    /// Whether it shows only where messages go to pages.
    pub fn is_in_pages(self) -> bool {
        matches!(
            self,
            Self::ForgetsPageAcknowledgements
                | Self::DeletesPagesEarly
                | Self::LedgerDrifts
                | Self::CountsHalf
        )
    }

    /// Whether it shows only where there are clients of MQTT.
    pub fn is_of_mqtt(self) -> bool {
        matches!(self, Self::ForgetsPacketsSent | Self::ForgetsPacketsTaken)
    }

    /// Changes what recovery reads of a segment.
    pub fn spoil(self, segment: Segment, content: &mut [u8]) {
        match self {
            Self::AcknowledgesBeforeSync
            | Self::DeletesPagesEarly
            | Self::LedgerDrifts
            | Self::CountsHalf => {}
            Self::ForgetsAcknowledgements
            | Self::ForgetsPageAcknowledgements
            | Self::ForgetsPacketsSent
            | Self::ForgetsPacketsTaken => {
                let forgotten = match self {
                    Self::ForgetsAcknowledgements => journal::ACKNOWLEDGE,
                    Self::ForgetsPacketsSent => journal::PACKET_SENT,
                    Self::ForgetsPacketsTaken => journal::PACKET_TAKEN,
                    _ => journal::PAGE_ACKNOWLEDGE,
                };
                for record in journal::records(segment, content) {
                    if record.kind == forgotten {
                        content[record.payload()][..8].fill(0xff);
                        journal::make_whole(content, &record);
                    }
                }
            }
            Self::TakesTornForWhole => {
                if let Some(record) = journal::torn(segment, content) {
                    journal::make_whole(content, &record);
                }
            }
        }
    }
}
