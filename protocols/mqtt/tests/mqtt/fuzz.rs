// SPDX-License-Identifier: Apache-2.0
//! Seeded mutation of valid conversations: no panic, bounded memory, and a DISCONNECT is the last word.
//!
//! A failure prints its seed; `HIND_MQTT_SEED=n` runs that case alone.

use std::sync::Arc;

use bytes::BytesMut;
use hind_engine::command::{ClientSessionCommand, Command, ConsumerCommand};
use hind_engine::event::{Attached, Block, Delivery, Event, Packet, Refusal};
use hind_engine::id::{ConnectionId, ConsumerId, DeliveryId, PacketId, Ticket};
use hind_engine::message::Qos;
use hind_engine::protocol::{Close, Connection as _, Outbound};
use hind_engine::security::user::Identity;
use hind_engine::time::Now;
use hind_mqtt::codec::{Connect, Frame, Kind, Limits, Packet as Decoded, Version};
use hind_mqtt::{Connection, Options};

use crate::talk::{packet, published};

/// Xorshift: the same numbers from the same seed, everywhere.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }

    /// One of these.
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const CONNECTS: [&str; 6] = [
    "<MQTT> 05 02 003c 00 <c>",
    "<MQTT> 05 00 003c 0d 11 0000003c 21 0004 27 00000400 <c>",
    "<MQTT> 05 c2 0000 03 22 0002 <> <user> <pass>",
    "<MQTT> 05 36 003c 00 <c> 07 18 00000001 0101 <w/t> <will>",
    "<MQTT> 04 02 003c <c>",
    "<MQIsdp> 03 02 003c <c>",
];

/// First byte and body of packets of MQTT 5.0; those of the older versions differ by a byte or two, which mutation finds.
const PACKETS: [(u8, &str); 18] = [
    (0x30, "<a/b> 00 'hello'"),
    (0x31, "<a> 02 0101 'x'"),
    (0x32, "<a> 0001 10 02 0000003c 03 <t> 26 <k> <v> 'x'"),
    (0x34, "<a> 0002 00 'x'"),
    (0x3c, "<a> 0002 00 'x'"),
    (0x30, "<a> 03 230001 'x'"),
    (0x30, "<> 03 230001 'x'"),
    (0x40, "0001"),
    (0x50, "0002 00 00"),
    (0x62, "0002"),
    (0x70, "0002 92 04 1f <r>"),
    (0x82, "0001 00 <a/+/#> 01 <b> 2e"),
    (0x82, "0002 02 0b05 <$share/g/a> 02"),
    (0xa2, "0003 00 <a/+/#> <c>"),
    (0xc0, ""),
    (0xe0, "04 05 11 00000000"),
    (0xf0, "18 04 15 <m>"),
    (0x10, "<MQTT> 05 02 003c 00 <c>"),
];

/// What a mutation likes to put somewhere.
const SPICES: [&[u8]; 14] = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x01",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"#",
    b"+",
    b"\0\0",
    b"\x26\0\0\0\0",
    b"\x1f\0\x01r",
    b"\x30\0",
    b"$share/",
];

/// A valid conversation after CONNECT.
pub fn conversation(random: &mut Random) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..1 + random.below(8) {
        let (first, body) = random.one(&PACKETS);
        octets.extend(packet(first, body));
    }
    octets
}

fn mutate(octets: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(octets.len() + 1);
    match random.below(6) {
        0 => octets.truncate(at),
        1 => {
            let spice = random.one(&SPICES);
            octets.splice(at..at, spice.iter().copied());
        }
        2 => {
            if let Some(octet) = octets.get_mut(at) {
                *octet = random.next() as u8;
            }
        }
        3 => {
            let end = (at + random.below(6)).min(octets.len());
            octets.drain(at..end);
        }
        4 => {
            let end = (at + random.below(24)).min(octets.len());
            let copy = octets[at..end].to_vec();
            let to = random.below(octets.len() + 1);
            octets.splice(to..to, copy);
        }
        _ => {
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= 1 << random.below(8);
            }
        }
    }
}

/// What the cases came to, so that a fuzzer that only ever says no is noticed.
#[derive(Default, Debug)]
struct Tally {
    refused: u64,
    left: u64,
    open: u64,
    commands: u64,
    bytes: u64,
}

/// One machine, and an engine that answers at random.
struct Case {
    machine: Connection,
    out: Outbound,
    said: Vec<u8>,
    tickets: Vec<Ticket>,
    consumers: Vec<ConsumerId>,
    packet: u16,
    commands: u64,
    close: Option<Close>,
}

impl Case {
    fn new() -> Self {
        Self {
            machine: Connection::new(Arc::new(Options::default()), ConnectionId(1), 1),
            out: Outbound::default(),
            said: Vec::new(),
            tickets: Vec::new(),
            consumers: Vec::new(),
            packet: 0,
            commands: 0,
            close: None,
        }
    }

    fn receive(&mut self, input: &mut BytesMut) {
        let result = self.machine.receive(Now::default(), input, &mut self.out);
        assert!(result.is_ok() || self.out.close.is_some() || self.close.is_some());
        self.collect();
    }

    fn collect(&mut self) {
        assert!(
            self.close.is_none() || (self.out.bytes.is_empty() && self.out.commands.is_empty()),
            "a closed machine is silent"
        );
        while let Some(segment) = self.out.bytes.pop() {
            self.said.extend_from_slice(&segment);
        }
        for command in std::mem::take(&mut self.out.commands) {
            self.commands += 1;
            self.note(command);
        }
        let close = self.out.close.take();
        self.close = self.close.take().or(close);
        if self.out.login.take().is_some() {
            let identity = Identity::default();
            self.tell(Event::LoggedIn(Ticket(0), identity));
        }
    }

    fn note(&mut self, command: Command) {
        match command {
            Command::Send(_, send) => self.tickets.extend(send.ticket),
            Command::Consumer(consumer, ConsumerCommand::Open(open)) => {
                assert!(!self.consumers.contains(&consumer));
                self.consumers.push(consumer);
                self.tickets.push(open.ticket);
            }
            Command::Consumer(consumer, ConsumerCommand::Reopen(open)) => {
                assert!(self.consumers.contains(&consumer));
                self.tickets.push(open.ticket);
            }
            Command::ClientSession(_, command) => match command {
                ClientSessionCommand::Received(_, ticket)
                | ClientSessionCommand::Release(_, ticket)
                | ClientSessionCommand::Unsubscribe(_, ticket) => self.tickets.push(ticket),
                ClientSessionCommand::Attach(attach) => {
                    let attached = Box::new(Attached::default());
                    self.tell(Event::Attached(attach.ticket, attached));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn tell(&mut self, event: Event) {
        if self.close.is_none() {
            self.machine.event(Now::default(), event, &mut self.out);
            self.collect();
        }
    }

    /// The engine says something.
    fn engine(&mut self, random: &mut Random) {
        match random.below(8) {
            0..4 if !self.tickets.is_empty() => {
                let at = random.below(self.tickets.len());
                let ticket = self.tickets.remove(at);
                self.tell(match random.below(4) {
                    0 => Event::Refused(Some(ticket), Refusal::AddressFull("a".into())),
                    _ => Event::Done(ticket),
                });
            }
            4 | 5 if !self.consumers.is_empty() => {
                let consumer = random.one(&self.consumers);
                self.packet += 1;
                let packet = match random.below(3) {
                    0 => None,
                    qos => Some(Packet {
                        id: PacketId(self.packet),
                        qos: Qos::from_number(qos as u8).expect("1 or 2"),
                        again: random.below(2) == 0,
                    }),
                };
                self.tell(Event::Deliver(Delivery {
                    consumer,
                    delivery: DeliveryId(0),
                    packet,
                    message: published(&"x".repeat(random.below(2000))).into(),
                    attempts: 0,
                }));
            }
            6 => self.tell(Event::Blocked(Block::DiskFull)),
            _ => self.tell(Event::Unblocked),
        }
    }
}

/// One case; what it came to.
fn run(seed: u64, tally: &mut Tally) {
    let mut random = Random::new(seed);
    let mut octets = packet(0x10, random.one(&CONNECTS));
    if random.below(8) == 0 {
        mutate(&mut octets, &mut random);
    }
    let mut rest = conversation(&mut random);
    for _ in 0..random.below(4) {
        mutate(&mut rest, &mut random);
    }
    octets.extend(rest);
    let mut case = Case::new();
    let mut input = BytesMut::new();
    let mut rest = &octets[..];
    while !rest.is_empty() && case.close.is_none() {
        let (now, later) = rest.split_at((1 + random.below(60)).min(rest.len()));
        rest = later;
        input.extend_from_slice(now);
        if !case.machine.paused() {
            case.receive(&mut input);
        }
        case.engine(&mut random);
        if !input.is_empty() && case.close.is_none() && !case.machine.paused() {
            case.receive(&mut input);
        }
    }
    check(&case.said);
    match &case.close {
        Some(Close::Refused(_)) => tally.refused += 1,
        Some(Close::Orderly) => tally.left += 1,
        None => tally.open += 1,
    }
    tally.commands += case.commands;
    tally.bytes += case.said.len() as u64;
}

/// What was said is whole packets that a server may send, and nothing follows a DISCONNECT.
fn check(mut said: &[u8]) {
    while let Some((first, rest)) = said.split_first() {
        let (mut length, mut at) = (0, 0);
        loop {
            let byte = usize::from(rest[at]);
            length |= (byte & 0x7f) << (7 * at);
            at += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let kind = first >> 4;
        assert!(
            [2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 15].contains(&kind),
            "{first:#x}"
        );
        said = &rest[at + length..];
        assert!(
            kind != 14 || said.is_empty(),
            "something follows a DISCONNECT"
        );
    }
}

#[test]
fn mutated_conversations_do_no_harm() {
    let mut tally = Tally::default();
    if let Some(seed) = std::env::var("HIND_MQTT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        run(seed, &mut tally);
        return;
    }
    for seed in 0..20_000 {
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, &mut tally)));
        assert!(
            result.is_ok(),
            "seed {seed}: HIND_MQTT_SEED={seed} runs it alone"
        );
    }
    assert!(
        tally.refused > 2000 && tally.left > 500 && tally.open > 1000,
        "{tally:?}"
    );
    assert!(
        tally.commands > 20_000 && tally.bytes > 100_000,
        "{tally:?}"
    );
}

#[test]
fn mutated_packets_are_read_or_refused() {
    let limits = Limits { packet: 1 << 20 };
    let (mut read, mut refused) = (0_u32, 0_u32);
    for seed in 0..50_000 {
        let mut random = Random::new(seed);
        let (first, body) = random.one(&PACKETS);
        let mut octets = packet(first, body);
        for _ in 0..random.below(3) {
            mutate(&mut octets, &mut random);
        }
        let version = random.one(&[Version::V3_1, Version::V3_1_1, Version::V5]);
        let known = (first >> 4 != 1).then_some(version);
        match Frame::peek(&octets, known, limits) {
            Ok(None) => {}
            Ok(Some(frame)) if frame.kind == Kind::Connect => {
                let body = &octets[frame.header..frame.length];
                match Connect::read(frame.flags, body) {
                    Ok(_) => read += 1,
                    Err(_) => refused += 1,
                }
            }
            Ok(Some(frame)) => match Decoded::read(frame, &octets, None, version) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            },
            Err(_) => refused += 1,
        }
    }
    assert!(
        read > 5000 && refused > 5000,
        "{read} read, {refused} refused"
    );
}
