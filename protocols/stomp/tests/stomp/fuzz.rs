// SPDX-License-Identifier: Apache-2.0
//! Seeded mutation of valid conversations: no panic, bounded memory, and an ERROR is the last word.
//!
//! A failure prints its seed; `HIND_STOMP_SEED=n` runs that case alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::BytesMut;
use hind_engine::command::{Command, ConsumerCommand, TransactionCommand};
use hind_engine::event::{Block, Delivery, Event, Refusal};
use hind_engine::id::{ConnectionId, ConsumerId, DeliveryId, Ticket};
use hind_engine::protocol::{Close, Connection as _, Outbound};
use hind_engine::security::user::Identity;
use hind_engine::time::Now;
use hind_stomp::codec::{Decoder, Found, Limits, Version};
use hind_stomp::{Connection, Options};

use crate::talk::text;

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
    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const FRAMES: [&str; 16] = [
    "SEND\ndestination:q\nreceipt:1\n\nhello\0",
    "SEND\ndestination:q\ncontent-length:5\nfoo:a\\cb\n\nhe\0lo\0",
    "SEND\ndestination:q\npersistent:true\npriority:9\nexpires:5\ntransaction:t\nAMQ_SCHEDULED_DELAY:9\n\nx\0",
    "SUBSCRIBE\nid:1\ndestination:q\nack:client\nselector:a = 1\n\n\0",
    "SUBSCRIBE\nid:2\ndestination:q\nack:client-individual\nreceipt:s\nconsumer-window-size:0\n\n\0",
    "SUBSCRIBE\nid:3\ndestination:t\ndurable-subscription-name:n\nno-local:true\n\n\0",
    "UNSUBSCRIBE\nid:1\n\n\0",
    "UNSUBSCRIBE\nid:3\ndurable-subscription-name:n\nreceipt:u\n\n\0",
    "BEGIN\ntransaction:t\nreceipt:b\n\n\0",
    "COMMIT\ntransaction:t\nreceipt:c\n\n\0",
    "ABORT\ntransaction:t\n\n\0",
    "ACK\nid:1,2\nmessage-id:1,2\nsubscription:1\n\n\0",
    "NACK\nid:1,3\nmessage-id:1,3\nsubscription:1\ntransaction:t\n\n\0",
    "\r\n\n\r\n",
    "CONNECT\naccept-version:1.2\nhost:h\n\n\0",
    "DISCONNECT\nreceipt:d\n\n\0",
];

/// What a mutation likes to put somewhere.
const SPICES: [&[u8]; 16] = [
    b"\0",
    b"\n",
    b"\r",
    b"\r\n",
    b":",
    b"\\",
    b"\\q",
    b"\xff",
    b"\xc3",
    b"content-length:99999999999\n",
    b"content-length:-1\n",
    b"content-length:3\n",
    b"\n\n",
    b"receipt:r\n",
    b"SEND\n",
    b",",
];

/// A valid conversation after CONNECT, spoilt in a few places.
fn conversation(random: &mut Random) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..1 + random.below(6) {
        octets.extend_from_slice(random.one(&FRAMES).as_bytes());
    }
    for _ in 0..random.below(4) {
        mutate(&mut octets, random);
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
            let end = (at + random.below(12)).min(octets.len());
            octets.drain(at..end);
        }
        4 => {
            let end = (at + random.below(40)).min(octets.len());
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
    receipts: u64,
    messages: u64,
}

/// One machine, and an engine that answers at random.
struct Case {
    machine: Connection,
    out: Outbound,
    said: Vec<u8>,
    tickets: Vec<Ticket>,
    seen: BTreeSet<Ticket>,
    consumers: Vec<ConsumerId>,
    delivered: u64,
    commands: u64,
}

impl Case {
    fn new(options: &Arc<Options>) -> Self {
        Self {
            machine: Connection::new(Arc::clone(options), ConnectionId(1)),
            out: Outbound::default(),
            said: Vec::new(),
            tickets: Vec::new(),
            seen: BTreeSet::new(),
            consumers: Vec::new(),
            delivered: 0,
            commands: 0,
        }
    }

    fn receive(&mut self, input: &mut BytesMut) {
        let before = self.out.close.is_some();
        let result = self.machine.receive(Now::default(), input, &mut self.out);
        assert!(
            result.is_ok() || (!before && self.out.close.is_some()),
            "a violation closes"
        );
        self.collect();
    }

    fn event(&mut self, event: Event) {
        self.machine.event(Now::default(), event, &mut self.out);
        self.collect();
    }

    fn collect(&mut self) {
        if self.out.login.take().is_some() {
            self.event(Event::LoggedIn(Ticket(0), Identity::default()));
        }
        while let Some(segment) = self.out.bytes.pop() {
            self.said.extend_from_slice(&segment);
        }
        for command in std::mem::take(&mut self.out.commands) {
            self.commands += 1;
            let ticket = match &command {
                Command::Send(_, send) => send.ticket,
                Command::Consumer(consumer, ConsumerCommand::Open(open)) => {
                    self.consumers.push(*consumer);
                    Some(open.ticket)
                }
                Command::Consumer(_, ConsumerCommand::Settle(settle)) => settle.ticket,
                Command::Consumer(_, ConsumerCommand::Close(ticket)) => *ticket,
                Command::Transaction(
                    _,
                    TransactionCommand::Commit(ticket) | TransactionCommand::Rollback(ticket),
                ) => *ticket,
                Command::Resource(_, _, ticket) => Some(*ticket),
                _ => None,
            };
            if let Some(ticket) = ticket {
                assert!(self.seen.insert(ticket), "a ticket is used once");
                self.tickets.push(ticket);
            }
        }
    }

    /// Something the broker may say at any time.
    fn anything(&mut self, random: &mut Random) {
        match random.below(16) {
            0..=6 if !self.tickets.is_empty() => {
                let at = if random.below(4) == 0 {
                    random.below(self.tickets.len())
                } else {
                    0
                };
                let ticket = self.tickets.remove(at);
                self.event(Event::Done(ticket));
            }
            7..=12 if !self.consumers.is_empty() => {
                self.delivered += 1;
                let consumer = self.consumers[random.below(self.consumers.len())];
                self.event(Event::Deliver(Delivery {
                    consumer,
                    delivery: DeliveryId(self.delivered),
                    packet: None,
                    message: Arc::new(text(self.delivered, "x")),
                    attempts: 0,
                }));
            }
            13 => self.event(Event::Blocked(Block::DiskFull)),
            14 => self.event(Event::Unblocked),
            15 if random.below(8) == 0 => {
                let ticket = self.tickets.pop();
                self.event(Event::Refused(ticket, Refusal::AddressFull("q".into())));
            }
            _ => {}
        }
    }

    fn check(&self, tally: &mut Tally) {
        let said = &self.said;
        assert!(
            said.is_empty() || said.ends_with(b"\0\n"),
            "only whole frames are said"
        );
        let count = |what: &[u8]| memchr::memmem::find_iter(said, what).count() as u64;
        let errors = count(b"\0\nERROR\n") + u64::from(said.starts_with(b"ERROR\n"));
        assert!(errors <= 1);
        match &self.out.close {
            Some(Close::Refused(_)) => {
                assert_eq!(errors, 1, "who is refused is told");
                tally.refused += 1;
            }
            Some(Close::Orderly) => tally.left += 1,
            None => tally.open += 1,
        }
        assert!(errors == 0 || self.out.close.is_some(), "an ERROR closes");
        tally.commands += self.commands;
        tally.receipts += count(b"\0\nRECEIPT\n");
        tally.messages += count(b"\0\nMESSAGE\n");
    }
}

fn case(seed: u64, options: &Arc<Options>, tally: &mut Tally) {
    let mut random = Random::new(seed);
    let mut octets = match random.below(20) {
        0 => Vec::new(),
        1 => b"CONNECT\n\n\0".to_vec(),
        2..=4 => b"CONNECT\naccept-version:1.1\nclient-id:c\nheart-beat:9,9\n\n\0".to_vec(),
        _ => b"CONNECT\naccept-version:1.2\nclient-id:c\n\n\0".to_vec(),
    };
    octets.extend(conversation(&mut random));
    if random.below(10) == 0 {
        mutate(&mut octets, &mut random);
    }
    let mut case = Case::new(options);
    let mut input = BytesMut::new();
    let mut rest = &octets[..];
    while !rest.is_empty() {
        let (now, later) = rest.split_at((1 + random.below(80)).min(rest.len()));
        input.extend_from_slice(now);
        case.receive(&mut input);
        case.anything(&mut random);
        rest = later;
    }
    assert!(input.len() <= octets.len());
    for _ in 0..4 {
        case.anything(&mut random);
        case.receive(&mut input);
    }
    case.check(tally);
}

/// The seeds to run: all of them, or the one the environment names.
fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("HIND_STOMP_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("HIND_STOMP_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..count,
    }
}

/// Runs a case; a failure says which.
fn replayable(seed: u64, case: impl FnOnce() + std::panic::UnwindSafe) {
    if let Err(panic) = std::panic::catch_unwind(case) {
        eprintln!("seed {seed}: replay with HIND_STOMP_SEED={seed}");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn mutated_conversations_end_in_an_error_or_in_silence() {
    let options = Arc::new(Options::default());
    let mut tally = Tally::default();
    let seeds = seeds(150_000);
    let whole = seeds.end - seeds.start > 1;
    for seed in seeds {
        replayable(
            seed,
            std::panic::AssertUnwindSafe(|| case(seed, &options, &mut tally)),
        );
    }
    if whole {
        let Tally {
            refused,
            left,
            open,
            commands,
            receipts,
            messages,
        } = tally;
        for (what, count) in [
            ("refused", refused),
            ("left", left),
            ("open", open),
            ("receipts", receipts),
            ("messages", messages),
        ] {
            assert!(count > 1000, "{what}: {count}");
        }
        assert!(commands > 100_000, "{commands}");
    }
}

#[test]
fn random_octets_are_no_frames_and_no_panic() {
    for seed in seeds(50_000) {
        replayable(seed, || {
            let mut random = Random::new(seed ^ 0xdead_beef);
            let octets: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
            let mut case = Case::new(&Arc::new(Options::default()));
            let mut input = BytesMut::from(&octets[..]);
            case.receive(&mut input);
            case.check(&mut Tally::default());
        });
    }
}

#[test]
fn the_decoder_alone_takes_anything_in_any_version() {
    let mut frames = 0_u64;
    let mut malformed = 0_u64;
    let (mut parts, mut ends) = (0, 0);
    for seed in seeds(100_000) {
        replayable(
            seed,
            std::panic::AssertUnwindSafe(|| {
                let mut random = Random::new(seed ^ 0x5eed);
                let octets = conversation(&mut random);
                let mut decoder = Decoder::new();
                let version = [Version::V1_0, Version::V1_1, Version::V1_2][random.below(3)];
                decoder.agree(
                    version,
                    Limits::guest(1000).streaming(random.below(30), 1000),
                );
                let mut input = BytesMut::new();
                for piece in octets.chunks(1 + random.below(100)) {
                    input.extend_from_slice(piece);
                    loop {
                        match decoder.poll(&mut input) {
                            Ok(Found::Frame) => {
                                let frame = decoder.take();
                                assert!(frame.headers().all(|(name, _)| !name.is_empty()));
                                assert!(frame.body.len() <= 1000);
                                frames += 1;
                            }
                            Ok(Found::Nothing) => break,
                            Ok(Found::Part(part)) => parts += part.len(),
                            Ok(Found::End) => ends += 1,
                            Err(error) => {
                                assert!(
                                    !error.to_string().is_empty()
                                        && error.clause().starts_with("STOMP")
                                );
                                malformed += 1;
                                return;
                            }
                        }
                    }
                }
            }),
        );
    }
    assert!(
        std::env::var("HIND_STOMP_SEED").is_ok()
            || (frames > 50_000 && malformed > 10_000 && parts > 10_000 && ends > 1_000),
        "{frames} {malformed} {parts} {ends}"
    );
}
