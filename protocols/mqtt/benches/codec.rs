// SPDX-License-Identifier: Apache-2.0
//! What one packet costs: decoding alone, and through the whole machine. Prints nanoseconds per packet, the best of several
//! rounds; compare runs on one machine only: `cargo bench -p hind-mqtt`.
// a benchmark measures wall time and prints it; nothing here is part of the machine
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use hind_engine::command::{Command, ConsumerCommand};
use hind_engine::event::{Attached, Delivery, Event, Packet as Sent};
use hind_engine::id::{ConnectionId, ConsumerId, DeliveryId, PacketId, Ticket};
use hind_engine::message::{Kind, Message, Published, Qos};
use hind_engine::protocol::{Connection as _, Outbound};
use hind_engine::security::user::Identity;
use hind_engine::time::Now;
use hind_mqtt::codec::{Frame, Limits, Packet, Version};
use hind_mqtt::{Connection, Options};

/// Packets that lie in the buffer of one read.
const BATCH: usize = 50;
/// Reads per round.
const READS: usize = 2_000;
const ROUNDS: usize = 7;

fn main() {
    for size in [100, 1024, 20_000] {
        let plain = publish(0, b"\0", size);
        decode(&format!("decode PUBLISH, no properties, {size} B"), &plain);
        through(&format!("machine PUBLISH QoS 0, {size} B"), &plain, false);
    }
    let properties =
        b"\x2a\x01\x01\x02\0\0\0\x3c\x03\0\x0atext/plain\x09\0\x04abcd\x26\0\x03key\0\x05value";
    let rich = publish(0, properties, 1024);
    decode("decode PUBLISH, 5 properties, 1024 B", &rich);
    through("machine PUBLISH QoS 0, 5 properties, 1024 B", &rich, false);
    through(
        "machine PUBLISH QoS 1 and PUBACK, 100 B",
        &publish(1, b"\0", 100),
        true,
    );
    decode("decode PUBACK", &[0x40, 2, 0, 1]);
    for size in [100, 1024, 20_000] {
        deliver(&format!("machine delivery QoS 0, {size} B"), size, None);
    }
    deliver(
        "machine delivery QoS 1 and PUBACK, 100 B",
        100,
        Some(Qos::AtLeastOnce),
    );
}

/// Runs rounds and prints the best, if the command line does not name other ones.
fn report(what: &str, mut round: impl FnMut() -> usize) {
    let mut wanted = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    if wanted.next().is_some_and(|part| !what.contains(&part)) {
        return;
    }
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let packets = round();
            start.elapsed().as_nanos() as f64 / packets as f64
        })
        .fold(f64::INFINITY, f64::min);
    println!("{what:<60} {best:>8.0} ns");
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    while length > 0x7f {
        packet.push(length as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend_from_slice(body);
    packet
}

fn publish(qos: u8, properties: &[u8], size: usize) -> Vec<u8> {
    let mut body = b"\0\x15sensors/room-1/values".to_vec();
    if qos > 0 {
        body.extend_from_slice(&[0, 1]);
    }
    body.extend_from_slice(properties);
    body.extend(std::iter::repeat_n(b'x', size));
    packet(0x30 | qos << 1, &body)
}

/// As many packets as a read of 64 KiB brings, up to a batch.
fn read_of(packet: &[u8]) -> (Vec<u8>, usize) {
    let packets = (65_536 / packet.len()).clamp(1, BATCH);
    (packet.repeat(packets), packets)
}

fn decode(what: &str, packet: &[u8]) {
    let (read, packets) = read_of(packet);
    let limits = Limits { packet: 1 << 20 };
    let mut input = BytesMut::with_capacity(65_536);
    report(what, || {
        for _ in 0..READS {
            fill(&mut input, &read);
            while let Some(frame) =
                Frame::peek(&input, Some(Version::V5), limits).expect("a valid packet")
            {
                let packet = Packet::read(frame, &input, None, Version::V5);
                if let Packet::Publish(publish) = packet.expect("a valid packet") {
                    black_box(publish.payload.to_bytes());
                }
                input.advance(frame.length);
            }
        }
        READS * packets
    });
}

/// A host's read: into the buffer that was read from before.
fn fill(input: &mut BytesMut, read: &[u8]) {
    input.clear();
    input.reserve(read.len());
    input.extend_from_slice(read);
}

fn through(what: &str, packet: &[u8], acknowledged: bool) {
    let (read, packets) = read_of(packet);
    let (mut machine, mut out) = connected();
    let mut input = BytesMut::with_capacity(65_536);
    let mut ticket = 0;
    report(what, || {
        for _ in 0..READS {
            fill(&mut input, &read);
            machine
                .receive(Now::default(), &mut input, &mut out)
                .expect("valid packets");
            black_box(&out.commands);
            out.commands.clear();
            if acknowledged {
                for _ in 0..packets {
                    machine.event(Now::default(), Event::Done(Ticket(ticket)), &mut out);
                    ticket += 1;
                }
                drain(&mut out);
            }
        }
        READS * packets
    });
}

fn deliver(what: &str, size: usize, qos: Option<Qos>) {
    let (mut machine, mut out) = connected();
    let mut input = BytesMut::from(&packet(0x82, b"\0\x01\0\0\x01#\x02")[..]);
    machine
        .receive(Now::default(), &mut input, &mut out)
        .expect("a valid packet");
    let Some(Command::Consumer(ConsumerId(1), ConsumerCommand::Open(open))) = out.commands.pop()
    else {
        panic!("a consumer is opened");
    };
    machine.event(Now::default(), Event::Done(open.ticket), &mut out);
    drain(&mut out);
    let message = message(size);
    let mut id = 0_u16;
    report(what, || {
        for _ in 0..READS {
            for _ in 0..BATCH {
                id = id % 60_000 + 1;
                let packet = qos.map(|qos| Sent {
                    id: PacketId(id),
                    qos,
                    again: false,
                });
                let delivery = Delivery {
                    consumer: ConsumerId(1),
                    delivery: DeliveryId(0),
                    packet,
                    message: Arc::clone(&message),
                    attempts: 0,
                };
                machine.event(Now::default(), Event::Deliver(delivery), &mut out);
                if qos.is_some() {
                    input.extend_from_slice(&[0x40, 2]);
                    input.extend_from_slice(&id.to_be_bytes());
                }
            }
            drain(&mut out);
            machine
                .receive(Now::default(), &mut input, &mut out)
                .expect("valid packets");
            out.commands.clear();
        }
        READS * BATCH
    });
}

fn message(size: usize) -> Arc<Message> {
    let mut message = Message::new(
        Arc::from("sensors.room-1.values"),
        Kind::Bytes,
        Bytes::from(vec![b'x'; size]),
    );
    message.published = Some(Published {
        client_id: Arc::from("publisher"),
        qos: Qos::AtLeastOnce,
        retain: false,
        stored: false,
    });
    Arc::new(message)
}

fn connected() -> (Connection, Outbound) {
    let mut machine = Connection::new(Arc::new(Options::default()), ConnectionId(1), 1);
    let mut out = Outbound::default();
    let mut input = BytesMut::from(&packet(0x10, b"\0\x04MQTT\x05\x02\0\x3c\0\0\x01c")[..]);
    machine
        .receive(Now::default(), &mut input, &mut out)
        .expect("a valid packet");
    let identity = Identity::default();
    machine.event(
        Now::default(),
        Event::LoggedIn(Ticket(0), identity),
        &mut out,
    );
    let attached = Box::new(Attached::default());
    machine.event(
        Now::default(),
        Event::Attached(Ticket(0), attached),
        &mut out,
    );
    drain(&mut out);
    out.commands.clear();
    (machine, out)
}

fn drain(out: &mut Outbound) {
    while let Some(segment) = out.bytes.pop() {
        black_box(segment);
    }
}
