// SPDX-License-Identifier: Apache-2.0
//! MQTT and the broker as a whole: by bytes, on the port that all protocols share.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::run::{Running, place};

/// One client.
struct Client(TcpStream);

impl Client {
    /// MQTT 5.0, with this client id, keeping its session for a minute if it is to be kept.
    fn connect(broker: &Running, id: &str, kept: bool) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", broker.port)).expect("the door is open");
        let patience = Some(Duration::from_secs(20));
        socket.set_read_timeout(patience).expect("a time-out");
        let mut client = Self(socket);
        let flags = if kept { b"\x05\x00" } else { b"\x05\x02" };
        let mut body = b"\0\x04MQTT".to_vec();
        body.extend_from_slice(flags);
        body.extend_from_slice(&[0, 60, 5, 0x11, 0, 0, 0, if kept { 60 } else { 0 }]);
        body.extend_from_slice(&[0, id.len() as u8]);
        body.extend_from_slice(id.as_bytes());
        client.send(0x10, &body);
        let connack = client.receive();
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{connack:x?}");
        client
    }

    fn send(&mut self, first: u8, body: &[u8]) {
        let packet = [&[first, body.len() as u8], body].concat();
        self.0.write_all(&packet).expect("sent");
    }

    /// The next packet; none of them is longer than 127 bytes.
    fn receive(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        self.0.read_exact(&mut packet).expect("a packet");
        packet.resize(2 + usize::from(packet[1]), 0);
        self.0.read_exact(&mut packet[2..]).expect("the rest of it");
        packet
    }

    fn says(&mut self, first: u8, body: &[u8], answer: &[u8]) {
        self.send(first, body);
        assert_eq!(self.receive(), answer);
    }
}

#[test]
fn a_kept_session_has_what_was_published_before_the_broker_was_killed() {
    let place = place(&["--allow-anonymous"]);
    let mut broker = Running::start(&place, &[]);
    let log = place.read("i/log/artemis.log");
    assert!(log.contains(
        "AMQ221043: Protocol module found: [hind-mqtt]. Adding protocol support for: MQTT"
    ));
    let mut reader = Client::connect(&broker, "reader", true);
    reader.says(0x82, b"\0\x01\0\0\x03a/+\x01", b"\x90\x04\0\x01\0\x01");
    let mut writer = Client::connect(&broker, "writer", false);
    writer.says(0x32, b"\0\x03a/b\0\x07\0first", b"\x40\x02\0\x07");
    let delivered = b"\x32\x0d\0\x03a/b\0\x01\0first";
    assert_eq!(reader.receive(), delivered);
    // Not acknowledged: after the restart it comes again, with its identifier and marked.
    broker.kill();
    drop(broker);
    let broker = Running::start(&place, &[]);
    let mut reader = Client::connect(&broker, "reader", true);
    let again = reader.receive();
    assert_eq!(again[0], 0x3a);
    assert_eq!(again[1..], delivered[1..]);
    reader.send(0x40, b"\0\x01");
    reader.says(0xc0, b"", b"\xd0\0");
}
