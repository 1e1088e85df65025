// SPDX-License-Identifier: Apache-2.0
//! A client's socket that gives back whole packets, and the few packets that a runner writes itself.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::payload::variable;

/// Takes the first whole packet off the front of `bytes`.
pub fn split(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let end = 2 + index + length;
            return (bytes.len() >= end).then(|| bytes.drain(..end).collect());
        }
    }
    None
}

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A whole packet.
    Packet(Vec<u8>),
    /// The broker closed the connection, with these bytes before it that are no packet.
    Closed(Vec<u8>),
    /// Nothing whole came in time; these bytes are what did.
    Nothing(Vec<u8>),
}

/// One connection to the broker; its reads give up after the patience it was opened with.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    arrived: Vec<u8>,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// The socket's.
    pub fn open(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream,
            arrived: Vec::new(),
        })
    }

    /// Writes; a broker that has closed already shows when the next thing is read.
    pub fn send(&mut self, bytes: &[u8]) {
        let _closed_shows_later = self.stream.write_all(bytes);
    }

    /// The next packet, the close, or nothing in time.
    pub fn receive(&mut self) -> Arrival {
        let mut chunk = [0; 4096];
        loop {
            if let Some(packet) = split(&mut self.arrived) {
                return Arrival::Packet(packet);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Arrival::Closed(std::mem::take(&mut self.arrived)),
                Ok(count) => self.arrived.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if timed_out(&error) => {
                    return Arrival::Nothing(std::mem::take(&mut self.arrived));
                }
                Err(_) => return Arrival::Closed(std::mem::take(&mut self.arrived)),
            }
        }
    }
}

fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A CONNECT with this id that asks for a clean start and a keep-alive of 60 seconds.
pub fn connect(version: u8, client: &str) -> Vec<u8> {
    let mut body = Vec::new();
    string(if version == 3 { "MQIsdp" } else { "MQTT" }, &mut body);
    body.extend([version, 0x02, 0, 60]);
    if version == 5 {
        body.push(0);
    }
    string(client, &mut body);
    packet(0x10, &body)
}

/// A PUBLISH of MQTT 3.1.1 with packet id 1 where its QoS asks for one.
pub fn publish(topic: &str, qos: u8, payload: &str, retain: bool) -> Vec<u8> {
    let mut body = Vec::new();
    string(topic, &mut body);
    if qos > 0 {
        body.extend([0, 1]);
    }
    body.extend_from_slice(payload.as_bytes());
    packet(0x30 | qos << 1 | u8::from(retain), &body)
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    variable(body.len() as u64, &mut packet);
    packet.extend_from_slice(body);
    packet
}

fn string(text: &str, out: &mut Vec<u8>) {
    // Names of sequences and topics of the files: far below 65,536 bytes.
    out.extend((text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_taken_off_one_by_one() {
        let mut bytes = vec![0xD0, 0, 0x40, 2, 0, 1, 0x30, 5, 0];
        assert_eq!(split(&mut bytes), Some(vec![0xD0, 0]));
        assert_eq!(split(&mut bytes), Some(vec![0x40, 2, 0, 1]));
        assert_eq!(split(&mut bytes), None);
        assert_eq!(bytes, [0x30, 5, 0]);
    }

    #[test]
    fn a_runner_writes_plain_packets() {
        let wanted = b"\x10\x0E\x00\x04MQTT\x05\x02\x00\x3C\x00\x00\x01c";
        assert_eq!(connect(5, "c"), wanted);
        assert_eq!(publish("t", 1, "x", true), b"\x33\x06\x00\x01t\x00\x01x");
    }
}
