// SPDX-License-Identifier: Apache-2.0
//! What is said of one packet of a client session.

use super::super::layout::{Reader, Sink};
use super::{Flight, Record, kind};
use crate::id::{ClientSessionId, PacketId};

impl Record {
    pub(super) fn encode_packet(&self, out: &mut impl Sink) {
        match self {
            Self::PacketSent {
                session,
                packet,
                flight,
            } => {
                out.u64(session.0);
                packet.encode(out);
                flight.encode(out);
            }
            Self::PacketAcknowledged {
                session,
                packet,
                flight,
                received,
            } => {
                out.u64(session.0);
                packet.encode(out);
                flight.encode(out);
                out.u8(u8::from(*received));
            }
            Self::PacketCompleted { session, packet }
            | Self::PacketTaken { session, packet }
            | Self::PacketReleased { session, packet } => {
                out.u64(session.0);
                packet.encode(out);
            }
            _ => unreachable!("called for packets only"),
        }
    }

    pub(super) fn decode_packet(kind: u8, mut from: Reader<'_>) -> Option<Self> {
        let session = ClientSessionId(from.u64()?);
        let packet = PacketId::decode(&mut from)?;
        let record = match kind {
            kind::PACKET_SENT => Self::PacketSent {
                session,
                packet,
                flight: Flight::decode(&mut from)?,
            },
            kind::PACKET_ACKNOWLEDGED => Self::PacketAcknowledged {
                session,
                packet,
                flight: Flight::decode(&mut from)?,
                received: from.bits(1)? != 0,
            },
            kind::PACKET_COMPLETED => Self::PacketCompleted { session, packet },
            kind::PACKET_TAKEN => Self::PacketTaken { session, packet },
            kind::PACKET_RELEASED => Self::PacketReleased { session, packet },
            _ => return None,
        };
        from.end()?;
        Some(record)
    }
}
