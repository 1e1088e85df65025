// SPDX-License-Identifier: Apache-2.0
//! Where one packet ends and the next begins [MQTT 5.0 §2.1].

use super::cursor::Cursor;
use super::{Malformed, Reason, Version};

/// How large the packets of a client may be, in bytes with their fixed header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Any packet.
    pub packet: usize,
}

impl Limits {
    /// What a client may send before it is let in: a will of full length with all that belongs to it, but no more than
    /// ten thousand half-finished CONNECTs may take of the memory.
    pub const STRANGER: Self = Self { packet: 256 * 1024 };
}

/// What a packet is, by the first four bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of the specification")]
#[repr(u8)]
pub enum Kind {
    Connect = 1,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    Unsubscribe = 10,
    PingReq = 12,
    Disconnect = 14,
    Auth = 15,
}

/// The fixed header of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// The last four bits of the first byte.
    pub flags: u8,
    /// Bytes of the fixed header: 2 to 5.
    pub header: usize,
    /// Bytes of the whole packet, with the fixed header.
    pub length: usize,
}

impl Frame {
    /// The frame at the front of `input`, as soon as all of the packet is there; `None` while it is not.
    ///
    /// What cannot become a packet is refused at the first byte that says so. `version` is `None` until CONNECT.
    ///
    /// # Errors
    /// A packet that no client may send, or that is larger than `limits` allow.
    pub fn peek(
        input: &[u8],
        version: Option<Version>,
        limits: Limits,
    ) -> Result<Option<Self>, Malformed> {
        let Some((first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let kind = Kind::check(*first, version)?;
        let mut cursor = Cursor::new(rest);
        let remaining = match cursor.variable() {
            Ok(remaining) => remaining as usize,
            Err(_) if rest.len() < 4 && rest.iter().all(|byte| byte & 0x80 != 0) => {
                return Ok(None);
            }
            Err(malformed) => return Err(malformed),
        };
        let header = input.len() - cursor.rest().len();
        let length = header + remaining;
        if length > limits.packet {
            return Err(Malformed::because(
                Reason::PacketTooLarge,
                "MQTT-3.2.2-15",
                "a packet is larger than the server accepts",
            ));
        }
        Ok((input.len() >= length).then_some(Self {
            kind,
            flags: first & 0x0f,
            header,
            length,
        }))
    }
}

impl Kind {
    fn check(first: u8, version: Option<Version>) -> Result<Self, Malformed> {
        let kind = match first >> 4 {
            1 => Self::Connect,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            10 => Self::Unsubscribe,
            12 => Self::PingReq,
            14 => Self::Disconnect,
            15 if version == Some(Version::V5) => Self::Auth,
            0 | 15 => {
                return Err(Malformed::protocol(
                    "MQTT 5.0 §2.1.2",
                    "a packet has a reserved type",
                ));
            }
            _ => {
                return Err(Malformed::protocol(
                    "MQTT 5.0 §2.1.2",
                    "a packet is one that only a server sends",
                ));
            }
        };
        match (version, kind) {
            (None, Self::Connect) => {}
            (None, _) => {
                return Err(
                    Malformed::protocol("MQTT-3.1.0-1", "the first packet is not CONNECT")
                        .silently(),
                );
            }
            (Some(_), Self::Connect) => {
                return Err(Malformed::protocol("MQTT-3.1.0-2", "a second CONNECT"));
            }
            (Some(_), _) => {}
        }
        kind.check_flags(first & 0x0f, version)?;
        Ok(kind)
    }

    /// Reserved flags have one value [MQTT-2.1.3-1]. MQTT 3.1 gave them a meaning of their own in some packets and left
    /// them open in the others; those of CONNECT are looked at when its version is known.
    fn check_flags(self, flags: u8, version: Option<Version>) -> Result<(), Malformed> {
        let is_old = version == Some(Version::V3_1);
        let valid = match self {
            Self::Publish | Self::Connect => true,
            Self::PubRel | Self::Subscribe | Self::Unsubscribe if is_old => {
                flags & 0b0110 == 0b0010
            }
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => flags == 0b0010,
            _ => is_old || flags == 0,
        };
        if valid {
            Ok(())
        } else {
            Err(Malformed::packet(
                "MQTT-2.1.3-1",
                "the flags of a fixed header are not as they are to be",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { packet: 1000 };

    fn peek(input: &[u8], version: Option<Version>) -> Result<Option<Frame>, Malformed> {
        Frame::peek(input, version, LIMITS)
    }

    #[test]
    fn mqtt_2_1_4_a_packet_is_found_when_all_of_it_is_there() {
        let packet = [&[0x30, 0x83, 0x01][..], &[0; 131]].concat();
        for end in 0..packet.len() {
            assert_eq!(peek(&packet[..end], Some(Version::V5)), Ok(None));
        }
        let frame = peek(&packet, Some(Version::V5))
            .expect("valid")
            .expect("whole");
        assert_eq!(
            (frame.kind, frame.header, frame.length),
            (Kind::Publish, 3, 134)
        );
    }

    #[test]
    fn mqtt_3_1_0_1_and_2_connect_comes_first_and_once() {
        for first in 0..=0xff_u8 {
            let outcome = peek(&[first], None);
            assert_eq!(outcome.is_ok(), first >> 4 == 1, "{first:#x}");
            assert!(peek(&[first], Some(Version::V5)).is_err() || first >> 4 != 1);
        }
    }

    #[test]
    fn mqtt_2_1_3_1_reserved_flags_have_one_value() {
        for first in 0..=0xff_u8 {
            let valid = first >> 4 == 3
                || matches!(
                    first,
                    0x40 | 0x50 | 0x62 | 0x70 | 0x82 | 0xa2 | 0xc0 | 0xe0 | 0xf0
                );
            assert_eq!(
                peek(&[first], Some(Version::V5)).is_ok(),
                valid,
                "{first:#x}"
            );
            let valid = valid && first != 0xf0;
            assert_eq!(
                peek(&[first], Some(Version::V3_1_1)).is_ok(),
                valid,
                "{first:#x}"
            );
        }
        for first in [0x6a, 0x82, 0x8a, 0xa3, 0x4f, 0xc8] {
            assert!(peek(&[first], Some(Version::V3_1)).is_ok(), "{first:#x}");
        }
    }

    #[test]
    fn mqtt_1_5_5_1_a_remaining_length_has_at_most_four_bytes_and_no_more_than_it_needs() {
        for input in [&[0xc0, 0x80, 0x00][..], &[0xc0, 0x80, 0x80, 0x80, 0x80]] {
            assert!(peek(input, Some(Version::V5)).is_err());
        }
        assert_eq!(peek(&[0x30, 0x80, 0x80, 0x80], Some(Version::V5)), Ok(None));
    }

    #[test]
    fn mqtt_3_2_2_15_a_packet_too_large_is_refused_at_its_header() {
        let at_most = peek(&[0x30, 0xe5, 0x07], Some(Version::V5));
        assert_eq!(at_most, Ok(None));
        let over = peek(&[0x30, 0xe6, 0x07], Some(Version::V5));
        assert_eq!(
            over.map_err(|malformed| malformed.reason),
            Err(Reason::PacketTooLarge)
        );
    }
}
