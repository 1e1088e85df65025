// SPDX-License-Identifier: Apache-2.0
//! Whether a packet is the expected one, where the specification leaves a broker a choice that the files do not.

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const DISCONNECT: u8 = 14;

const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
const ERRORS: u8 = 0x80;

/// The packet's type, 1 to 15.
pub fn kind(packet: &[u8]) -> u8 {
    packet.first().map_or(0, |first| first >> 4)
}

/// Whether it is a PUBLISH: what may come before or after the answer to a publication of one's own.
pub fn is_publish(packet: &[u8]) -> bool {
    kind(packet) == PUBLISH
}

/// Whether it is a DISCONNECT: what may be left out before a close.
pub fn is_disconnect(packet: &[u8]) -> bool {
    kind(packet) == DISCONNECT
}

/// Whether it says why the connection is about to be closed: a CONNACK or, since version 5, a DISCONNECT, with an error.
pub fn is_farewell(packet: &[u8], version: u8) -> bool {
    match kind(packet) {
        CONNACK => packet.get(3).is_some_and(|code| *code != 0),
        DISCONNECT => version == 5 && packet.get(2).is_some_and(|code| *code >= ERRORS),
        _ => false,
    }
}

/// Whether `came` is what was `expected` on a connection of this version.
///
/// A version 5 CONNACK counts by its flags and reason, its properties are the broker's; a DISCONNECT may carry another
/// error; an acknowledgement may say that there are no subscribers, and leave out what is zero.
pub fn matches(expected: &[u8], came: &[u8], version: u8) -> bool {
    if expected == came {
        return true;
    }
    if version != 5 || expected.first() != came.first() {
        return false;
    }
    let error = |packet: &[u8]| packet.get(2).is_some_and(|code| *code >= ERRORS);
    match kind(expected) {
        CONNACK => expected.len() >= 4 && expected.get(2..4) == came.get(2..4),
        DISCONNECT => error(expected) && error(came),
        PUBACK | PUBREC => acknowledgement(expected) == acknowledgement(came),
        _ => false,
    }
}

/// Packet id, reason and properties, with what may be left out filled in.
fn acknowledgement(packet: &[u8]) -> (Option<&[u8]>, u8, &[u8]) {
    let reason = match packet.get(4) {
        None | Some(&NO_MATCHING_SUBSCRIBERS) => 0,
        Some(&other) => other,
    };
    let properties = packet.get(5..).filter(|rest| !rest.is_empty());
    (packet.get(2..4), reason, properties.unwrap_or(&[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_brokers_choice_matches() {
        let pairs: &[(&[u8], &[u8])] = &[
            (&[0x20, 3, 0, 0, 0], &[0x20, 6, 0, 0, 3, 0x21, 0, 20]),
            (&[0xE0, 1, 0x82], &[0xE0, 2, 0x81, 0]),
            (&[0x40, 2, 0, 1], &[0x40, 3, 0, 1, 0x10]),
            (&[0x50, 3, 0, 1, 0x10], &[0x50, 4, 0, 1, 0, 0]),
        ];
        for (expected, came) in pairs {
            assert!(matches(expected, came, 5), "{expected:?} {came:?}");
            assert!(!matches(expected, came, 4), "{expected:?} {came:?}");
        }
    }

    #[test]
    fn what_differs_does_not() {
        let pairs: &[(&[u8], &[u8])] = &[
            (&[0x20, 3, 0, 0, 0], &[0x20, 3, 1, 0, 0]),
            (&[0x20, 3, 0, 0x85, 0], &[0x20, 3, 0, 0x80, 0]),
            (&[0xE0, 1, 0x82], &[0xE0, 0]),
            (&[0x40, 2, 0, 1], &[0x40, 3, 0, 1, 0x87]),
            (&[0x40, 2, 0, 1], &[0x40, 2, 0, 2]),
            (&[0x90, 4, 0, 1, 0, 0], &[0x90, 4, 0, 1, 0, 1]),
        ];
        for (expected, came) in pairs {
            assert!(!matches(expected, came, 5), "{expected:?} {came:?}");
        }
    }

    #[test]
    fn a_farewell_carries_an_error() {
        assert!(is_farewell(&[0xE0, 1, 0x82], 5));
        assert!(!is_farewell(&[0xE0, 1, 0x82], 4));
        assert!(!is_farewell(&[0xE0, 0], 5));
        assert!(is_farewell(&[0x20, 2, 0, 1], 4));
        assert!(!is_farewell(&[0x20, 2, 0, 0], 4));
    }
}
