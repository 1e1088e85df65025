// SPDX-License-Identifier: Apache-2.0
//! Plays one sequence against a broker and says where it departs.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::matching::{is_disconnect, is_farewell, is_publish, matches};
use super::script::{Sequence, Step};
use super::wire::{self, Arrival, Wire};

const PINGREQ: &[u8] = &[0xC0, 0];
const PINGRESP: &[u8] = &[0xD0, 0];
const HELPER: &str = "helper";

/// Where the broker is and how long it may take to answer.
#[derive(Clone, Copy, Debug)]
pub struct Broker {
    /// Its MQTT acceptor.
    pub address: SocketAddr,
    /// For each answer, each close.
    pub patience: Duration,
}

/// Something came that was not expected, or the other way round.
#[derive(Debug)]
pub struct Departure {
    expected: String,
    got: String,
    /// All that was sent on the connection until then.
    sent: Vec<Vec<u8>>,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {}; sent", self.expected, self.got)?;
        self.sent
            .iter()
            .try_for_each(|bytes| write!(f, " [{}]", hex(bytes)))
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes
        .iter()
        .take(120)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let cut = if bytes.len() > 120 { " …" } else { "" };
    shown.join(" ") + cut
}

fn describe(arrival: &Arrival) -> String {
    match arrival {
        Arrival::Packet(bytes) => hex(bytes),
        Arrival::Closed(rest) if rest.is_empty() => "a close".to_owned(),
        Arrival::Closed(rest) => format!("a close after the half packet {}", hex(rest)),
        Arrival::Nothing(rest) if rest.is_empty() => "nothing in time".to_owned(),
        Arrival::Nothing(rest) => format!("only the half packet {}", hex(rest)),
    }
}

/// Plays the sequence on a connection of its own.
///
/// # Errors
/// Where the broker departs from it.
pub fn play(broker: Broker, sequence: &Sequence) -> Result<(), Departure> {
    let mut player = Player::open(broker, sequence)?;
    for (index, step) in sequence.steps.iter().enumerate() {
        match step {
            Step::Send(bytes) => player.send(bytes),
            Step::Receive(expected) => {
                if !player.receive(expected, &sequence.steps[index + 1..])? {
                    return Ok(());
                }
            }
            Step::Publish {
                topic,
                qos,
                payload,
                retain,
            } => publish(broker, &wire::publish(topic, *qos, payload, *retain), *qos)?,
        }
    }
    if let Some(packet) = player.early.pop() {
        return player.departure("it once", &Arrival::Packet(packet));
    }
    if sequence.closes {
        player.closed()
    } else {
        player.alive()
    }
}

struct Player<'a> {
    wire: Wire,
    sequence: &'a Sequence,
    sent: Vec<Vec<u8>>,
    /// Packets that came before their turn.
    early: Vec<Vec<u8>>,
}

impl<'a> Player<'a> {
    fn open(broker: Broker, sequence: &'a Sequence) -> Result<Self, Departure> {
        let wire = Wire::open(broker.address, broker.patience).map_err(|error| Departure {
            expected: "a connection".to_owned(),
            got: error.to_string(),
            sent: Vec::new(),
        })?;
        let mut player = Self {
            wire,
            sequence,
            sent: Vec::new(),
            early: Vec::new(),
        };
        if sequence.connect {
            let version = sequence.version;
            player.send(&wire::connect(version, &sequence.name));
            let accepted: &[u8] = if version == 5 {
                &[0x20, 3, 0, 0, 0]
            } else {
                &[0x20, 2, 0, 0]
            };
            player.exactly(accepted)?;
        }
        Ok(player)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes);
        self.sent.push(bytes.to_vec());
    }

    fn departure<T>(&self, expected: &str, got: &Arrival) -> Result<T, Departure> {
        Err(Departure {
            expected: expected.to_owned(),
            got: describe(got),
            sent: self.sent.clone(),
        })
    }

    fn exactly(&mut self, expected: &[u8]) -> Result<(), Departure> {
        match self.wire.receive() {
            Arrival::Packet(came) if self.fits(expected, &came) => Ok(()),
            other => self.departure(&hex(expected), &other),
        }
    }

    fn fits(&self, expected: &[u8], came: &[u8]) -> bool {
        matches(expected, came, self.sequence.version)
    }

    /// Waits for the packet; answers whether there is anything left to play.
    ///
    /// A message and the answers to what its publisher sent may change places: which of them is first is not
    /// said by the specification. Before a close the DISCONNECT is the broker's choice.
    fn receive(&mut self, expected: &[u8], later: &[Step]) -> Result<bool, Departure> {
        if let Some(at) = self.early.iter().position(|came| self.fits(expected, came)) {
            self.early.remove(at);
            return Ok(true);
        }
        loop {
            let came = match self.wire.receive() {
                Arrival::Packet(came) => came,
                Arrival::Closed(rest) if rest.is_empty() && self.may_end(expected, later) => {
                    return Ok(false);
                }
                other => return self.departure(&hex(expected), &other),
            };
            if self.fits(expected, &came) {
                return Ok(true);
            }
            let comes_later = later
                .iter()
                .any(|step| matches!(step, Step::Receive(later) if self.fits(later, &came)));
            if is_publish(&came) == is_publish(expected) || !comes_later {
                return self.departure(&hex(expected), &Arrival::Packet(came));
            }
            self.early.push(came);
        }
    }

    fn may_end(&self, expected: &[u8], later: &[Step]) -> bool {
        self.sequence.closes && is_disconnect(expected) && later.is_empty()
    }

    /// The broker closes, and says at most why.
    fn closed(&mut self) -> Result<(), Departure> {
        let mut arrival = self.wire.receive();
        if matches!(&arrival, Arrival::Packet(last) if is_farewell(last, self.sequence.version)) {
            arrival = self.wire.receive();
        }
        match arrival {
            Arrival::Closed(rest) if rest.is_empty() => Ok(()),
            other => self.departure("a close", &other),
        }
    }

    fn alive(&mut self) -> Result<(), Departure> {
        self.send(PINGREQ);
        self.exactly(PINGRESP)
    }
}

/// A message from a client of its own, through its whole exchange.
fn publish(broker: Broker, packet: &[u8], qos: u8) -> Result<(), Departure> {
    let helper = Sequence {
        file: String::new(),
        name: HELPER.to_owned(),
        version: 4,
        connect: true,
        closes: false,
        steps: Vec::new(),
    };
    let mut player = Player::open(broker, &helper)?;
    player.send(packet);
    match qos {
        1 => player.exactly(&[0x40, 2, 0, 1]),
        2 => {
            player.exactly(&[0x50, 2, 0, 1])?;
            player.send(&[0x62, 2, 0, 1]);
            player.exactly(&[0x70, 2, 0, 1])
        }
        _ => player.alive(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::super::script;
    use super::*;

    /// Plays a sequence of version 5 without CONNECT against a broker that answers `answers`, then closes or stays.
    fn judge(msgs: &str, closes: bool, answers: &'static [u8], stays: bool) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let broker = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut asked = [0; 64];
            let _count = stream.read(&mut asked).expect("what it sends");
            stream.write_all(answers).expect("the answer");
            if stays {
                let _until_it_goes = stream.read(&mut asked);
                stream.write_all(PINGRESP).expect("the answer");
                let _until_it_goes = stream.read(&mut asked);
            }
        });
        let text = format!(
            r#"[{{"group": "G", "ver": 5, "connect": false, "expect_disconnect": {closes}, "tests": [
                {{"name": "a", "msgs": [{{"type": "send", "payload": "C0 r0"}}{msgs}]}}]}}]"#
        );
        let sequence = script::file("F", &text).expect("a sequence").remove(0);
        let patience = Duration::from_millis(300);
        let passed = play(Broker { address, patience }, &sequence).is_ok();
        broker.join().expect("a broker that does as it is told");
        passed
    }

    const PUBLISH_THEN_PUBACK: &str = r#", {"type": "recv", "payload": "30 r3 s1 'p'"},
        {"type": "recv", "payload": "40 r2 m2"}"#;
    const FAREWELL: &str = r#", {"type": "recv", "payload": "E0 r1 82"}"#;

    #[test]
    fn a_message_may_come_before_or_after_its_acknowledgement() {
        let (before, after) = (
            b"\x30\x03\0\x01p\x40\x02\0\x02",
            b"\x40\x02\0\x02\x30\x03\0\x01p",
        );
        assert!(judge(PUBLISH_THEN_PUBACK, false, before, true));
        assert!(judge(PUBLISH_THEN_PUBACK, false, after, true));
    }

    #[test]
    fn what_was_not_asked_for_is_a_departure() {
        let twice = b"\x40\x02\0\x02\x40\x02\0\x02\x30\x03\0\x01p";
        assert!(!judge(PUBLISH_THEN_PUBACK, false, twice, true));
        let more = b"\x30\x03\0\x01p\x40\x02\0\x02\x40\x02\0\x03";
        assert!(!judge(PUBLISH_THEN_PUBACK, false, more, true));
    }

    #[test]
    fn a_disconnect_before_the_close_may_be_missing_the_close_not() {
        assert!(judge(FAREWELL, true, b"\xE0\x01\x82", false));
        assert!(judge(FAREWELL, true, b"\xE0\x02\x81\0", false));
        assert!(judge(FAREWELL, true, b"", false));
        assert!(!judge(FAREWELL, true, b"\xE0\x01\x82", true));
        assert!(!judge(FAREWELL, true, b"\xD0\0", false));
    }
}
