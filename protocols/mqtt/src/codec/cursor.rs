// SPDX-License-Identifier: Apache-2.0
//! Reading along a packet [MQTT 5.0 §1.5].

use super::{Malformed, text};

/// What is left of a packet to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

const TRUNCATED: Malformed = Malformed::packet("MQTT 5.0 §1.5", "a packet ends too early");

impl<'a> Cursor<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(TRUNCATED)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub fn byte(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn two_bytes(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn four_bytes(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A number in one to four bytes, in no more of them than it needs [MQTT-1.5.5-1].
    pub fn variable(&mut self) -> Result<u32, Malformed> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(Malformed::packet(
                        "MQTT-1.5.5-1",
                        "a number has more bytes than it needs",
                    ))
                } else {
                    Ok(value)
                };
            }
        }
        Err(Malformed::packet(
            "MQTT 5.0 §1.5.5",
            "a number has more than four bytes",
        ))
    }

    /// Bytes behind their length.
    pub fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.two_bytes()?;
        self.bytes(usize::from(length))
    }

    /// Text behind its length.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        text::text(self.binary()?)
    }

    /// Text that names something, behind its length.
    pub fn name(&mut self) -> Result<&'a str, Malformed> {
        text::name(self.binary()?)
    }

    /// A packet identifier, which is never 0 [MQTT-2.2.1-3].
    pub fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.two_bytes()? {
            0 => Err(Malformed::protocol(
                "MQTT-2.2.1-3",
                "a packet identifier is 0",
            )),
            id => Ok(id),
        }
    }

    /// Nothing may follow.
    pub fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::packet(
                "MQTT 5.0 §2.1.4",
                "a packet is longer than what is in it",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_1_5_5_1_numbers_take_as_few_bytes_as_they_can() {
        let valid: [(&[u8], u32); 6] = [
            (&[0], 0),
            (&[0x7f], 127),
            (&[0x80, 1], 128),
            (&[0xff, 0x7f], 16_383),
            (&[0x80, 0x80, 0x80, 1], 2_097_152),
            (&[0xff, 0xff, 0xff, 0x7f], 268_435_455),
        ];
        for (bytes, value) in valid {
            assert_eq!(Cursor::new(bytes).variable(), Ok(value));
        }
        let invalid: [&[u8]; 5] = [
            &[],
            &[0x80],
            &[0x80, 0],
            &[0xff, 0xff, 0],
            &[0x80, 0x80, 0x80, 0x80, 1],
        ];
        for bytes in invalid {
            assert!(Cursor::new(bytes).variable().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn mqtt_1_5_4_a_length_beyond_the_packet_is_refused() {
        assert!(Cursor::new(&[0, 3, b'a', b'b']).text().is_err());
        assert!(Cursor::new(&[0]).binary().is_err());
        assert!(Cursor::new(&[0, 0]).packet_id().is_err());
        assert!(Cursor::new(&[1]).end().is_err());
    }
}
