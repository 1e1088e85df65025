// SPDX-License-Identifier: Apache-2.0
//! Which protocol a client speaks, by its first bytes.

use crate::options::Protocol;

/// What the first bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detected {
    /// This protocol.
    Protocol(Protocol),
    /// An HTTP request: a WebSocket is about to be opened.
    Http,
    /// Not enough to tell.
    More,
    /// Nothing that is spoken here.
    Unknown,
}

/// The most bytes a decision may need.
pub const BYTES_MAX: usize = 128;

/// Looks at the first bytes of a client of an acceptor that speaks `spoken`.
///
/// An acceptor of one protocol leaves everything but HTTP to that protocol's machine, which knows how to complain.
pub fn detect(bytes: &[u8], spoken: &[Protocol]) -> Detected {
    if let [only] = spoken {
        return match opens_with(bytes, b"GET ") {
            Match::Yes => Detected::Http,
            Match::Maybe => Detected::More,
            Match::No => Detected::Protocol(*only),
        };
    }
    let mut undecided = false;
    for protocol in spoken {
        match looks_like(bytes, *protocol) {
            Match::Yes => return Detected::Protocol(*protocol),
            Match::Maybe => undecided = true,
            Match::No => {}
        }
    }
    match opens_with(bytes, b"GET ") {
        Match::Yes => Detected::Http,
        Match::Maybe => Detected::More,
        Match::No if undecided && bytes.len() < BYTES_MAX => Detected::More,
        Match::No => Detected::Unknown,
    }
}

/// The protocol the bytes look like, spoken here or not; for the log.
pub fn guess(bytes: &[u8]) -> Option<Protocol> {
    Protocol::ALL
        .into_iter()
        .find(|protocol| looks_like(bytes, *protocol) == Match::Yes)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Match {
    Yes,
    Maybe,
    No,
}

fn looks_like(bytes: &[u8], protocol: Protocol) -> Match {
    match protocol {
        Protocol::Core => opens_with(bytes, b"ARTEMIS"),
        Protocol::HornetQ => opens_with(bytes, b"HORNETQ"),
        Protocol::Amqp => opens_with(bytes, b"AMQP"),
        Protocol::Mqtt => mqtt(bytes),
        Protocol::Stomp => stomp(bytes),
        Protocol::OpenWire => open_wire(bytes),
    }
}

fn opens_with(bytes: &[u8], opening: &[u8]) -> Match {
    if bytes.starts_with(opening) {
        Match::Yes
    } else if opening.starts_with(bytes) {
        Match::Maybe
    } else {
        Match::No
    }
}

/// `CONNECT` or `STOMP`, after end-of-lines left by a telnet user or a client's heart-beat.
fn stomp(bytes: &[u8]) -> Match {
    let frame = bytes.trim_ascii_start();
    match (opens_with(frame, b"CONNECT"), opens_with(frame, b"STOMP")) {
        (Match::Yes, _) | (_, Match::Yes) => Match::Yes,
        (Match::No, Match::No) => Match::No,
        _ => Match::Maybe,
    }
}

/// A CONNECT packet: its type, its length in one to four bytes, and the protocol's name.
fn mqtt(bytes: &[u8]) -> Match {
    let Some((0x10, rest)) = bytes.split_first().map(|(first, rest)| (*first, rest)) else {
        return if bytes.is_empty() {
            Match::Maybe
        } else {
            Match::No
        };
    };
    let Some(length) = rest.iter().take(4).position(|byte| byte & 0x80 == 0) else {
        return if rest.len() < 4 {
            Match::Maybe
        } else {
            Match::No
        };
    };
    let name = &rest[length + 1..];
    match (
        opens_with(name, b"\0\x04MQTT"),
        opens_with(name, b"\0\x06MQIsdp"),
    ) {
        (Match::Yes, _) | (_, Match::Yes) => Match::Yes,
        (Match::No, Match::No) => Match::No,
        _ => Match::Maybe,
    }
}

/// A WIREFORMAT_INFO command: four bytes of length, its type, `ActiveMQ`.
fn open_wire(bytes: &[u8]) -> Match {
    match bytes {
        [] | [0] | [0, _] | [0, _, _] | [0, _, _, _] => Match::Maybe,
        [0, _, _, _, command @ ..] => opens_with(command, b"\x01ActiveMQ"),
        _ => Match::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Detected::{Http, More, Unknown};
    use Protocol::{Amqp, Core, HornetQ, Mqtt, OpenWire, Stomp};

    const OPENINGS: [(&[u8], Detected); 15] = [
        (b"ARTEMIS", Detected::Protocol(Core)),
        (b"HORNETQ", Detected::Protocol(HornetQ)),
        (b"AMQP\x00\x01\x00\x00", Detected::Protocol(Amqp)),
        (b"AMQP\x03\x01\x00\x00", Detected::Protocol(Amqp)),
        (b"\x10\x10\x00\x04MQTT\x04", Detected::Protocol(Mqtt)),
        (b"\x10\x80\x01\x00\x06MQIsdp", Detected::Protocol(Mqtt)),
        (b"CONNECT\n", Detected::Protocol(Stomp)),
        (b"\r\n\n\nSTOMP\n", Detected::Protocol(Stomp)),
        (
            b"\x00\x00\x01\x02\x01ActiveMQ",
            Detected::Protocol(OpenWire),
        ),
        (b"GET /ws HTTP/1.1", Http),
        (b"\x16\x03\x01\x02\x00\x01", Unknown),
        (b"SEND\n", Unknown),
        (b"\x10\xff\xff\xff\xff\x01", Unknown),
        (b"\x20\x00", Unknown),
        (b"\x00\x00\x00\x05\x02", Unknown),
    ];

    #[test]
    fn each_protocol_is_recognised_on_a_shared_port() {
        for (bytes, expected) in OPENINGS {
            assert_eq!(detect(bytes, &Protocol::ALL), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_unfinished_opening_asks_for_more_and_never_decides_wrongly() {
        for (bytes, expected) in OPENINGS {
            for end in 0..bytes.len() {
                let early = detect(&bytes[..end], &Protocol::ALL);
                assert!(
                    early == More || early == expected,
                    "{:?}: {early:?}",
                    &bytes[..end]
                );
            }
        }
    }

    #[test]
    fn what_is_not_spoken_here_is_unknown_but_named_for_the_log() {
        let spoken = [Stomp, Mqtt];
        assert_eq!(detect(b"AMQP\x00", &spoken), Unknown);
        assert_eq!(guess(b"AMQP\x00"), Some(Amqp));
        assert_eq!(guess(b"\x16\x03\x01"), None);
    }

    #[test]
    fn an_acceptor_of_one_protocol_leaves_everything_but_http_to_it() {
        assert_eq!(detect(b"garbage", &[Stomp]), Detected::Protocol(Stomp));
        assert_eq!(detect(b"GET / ", &[Stomp]), Http);
        assert_eq!(detect(b"G", &[Stomp]), More);
        assert_eq!(detect(b"", &[Stomp]), More);
        assert_eq!(detect(b"\x10", &[Mqtt]), Detected::Protocol(Mqtt));
    }

    #[test]
    fn blank_lines_without_end_are_given_up() {
        assert_eq!(detect(&[b'\n'; BYTES_MAX - 1], &Protocol::ALL), More);
        assert_eq!(detect(&[b'\n'; BYTES_MAX], &Protocol::ALL), Unknown);
    }
}
