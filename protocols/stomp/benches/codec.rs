// SPDX-License-Identifier: Apache-2.0
//! What one frame costs: decoding alone, and through the whole machine. Prints nanoseconds per frame, the best of several
//! rounds; compare runs on one machine only: `cargo bench -p hind-stomp`.
// a benchmark measures wall time and prints it; nothing here is part of the machine
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hind_engine::event::{Delivery, Event};
use hind_engine::id::{ConnectionId, ConsumerId, DeliveryId, MessageId, Ticket};
use hind_engine::message::{Kind, Message, PropertiesBuilder, Value};
use hind_engine::protocol::{Connection as _, Outbound};
use hind_engine::security::user::Identity;
use hind_engine::time::Now;
use hind_stomp::codec::{Decoder, Found, Limits, Version};
use hind_stomp::{Connection, Options};

/// Frames that lie in the buffer of one read.
const BATCH: usize = 50;
/// Reads per round.
const READS: usize = 2_000;
const ROUNDS: usize = 7;

fn main() {
    for size in [100, 1024, 4096, 20_000] {
        let send = send_frame(size);
        decode(&format!("decode SEND, 7 headers, {size} B"), &send);
        through(
            &format!("machine SEND, 7 headers, {size} B"),
            &send,
            Expect::Nothing,
        );
    }
    let receipted = [
        &send_frame(1024)[..5],
        b"receipt:message-12345\n",
        &send_frame(1024)[5..],
    ]
    .concat();
    through(
        "machine SEND with receipt and RECEIPT, 1024 B",
        &receipted,
        Expect::Receipts,
    );
    decode("decode ACK", b"ACK\nid:1,12345\n\n\0");
    for size in [100, 1024, 20_000] {
        deliver(
            &format!("machine MESSAGE auto, 5 properties, {size} B"),
            size,
            "auto",
            false,
        );
    }
    deliver(
        "machine MESSAGE and ACK, 5 properties, 1024 B",
        1024,
        "client-individual",
        true,
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
            let frames = round();
            start.elapsed().as_nanos() as f64 / frames as f64
        })
        .fold(f64::INFINITY, f64::min);
    println!("{what:<60} {best:>8.0} ns");
}

fn send_frame(size: usize) -> Vec<u8> {
    let mut frame = format!(
        "SEND\ndestination:/queue/orders.incoming\ndestination-type:ANYCAST\npersistent:true\ncontent-type:text/plain\n\
         priority:4\ncorrelation-id:8f14e45f-ceea\ncontent-length:{size}\n\n"
    )
    .into_bytes();
    frame.extend(std::iter::repeat_n(b'x', size));
    frame.push(0);
    frame
}

/// As many frames as a read of 64 KiB brings, up to a batch.
fn read_of(frame: &[u8]) -> (Vec<u8>, usize) {
    let frames = (65_536 / frame.len()).clamp(1, BATCH);
    (frame.repeat(frames), frames)
}

fn decode(what: &str, frame: &[u8]) {
    let (read, frames) = read_of(frame);
    let mut decoder = Decoder::new();
    decoder.agree(Version::V1_2, Limits::guest(1 << 20));
    let mut input = BytesMut::with_capacity(65_536);
    report(what, || {
        for _ in 0..READS {
            fill(&mut input, &read);
            while decoder.poll(&mut input).expect("a valid frame") == Found::Frame {
                black_box(decoder.take().body);
            }
        }
        READS * frames
    });
}

/// A host's read: into the buffer that was read from before.
fn fill(input: &mut BytesMut, read: &[u8]) {
    input.clear();
    input.reserve(read.len());
    input.extend_from_slice(read);
}

#[derive(PartialEq, Clone, Copy)]
enum Expect {
    Nothing,
    Receipts,
}

fn through(what: &str, frame: &[u8], expect: Expect) {
    let (read, frames) = read_of(frame);
    let (mut machine, mut out) = connected();
    let mut input = BytesMut::with_capacity(65_536);
    let mut ticket = 0;
    report(what, || {
        for _ in 0..READS {
            fill(&mut input, &read);
            machine
                .receive(Now::default(), &mut input, &mut out)
                .expect("valid frames");
            black_box(&out.commands);
            out.commands.clear();
            if expect == Expect::Receipts {
                for _ in 0..frames {
                    machine.event(Now::default(), Event::Done(Ticket(ticket)), &mut out);
                    ticket += 1;
                }
                drain(&mut out);
            }
        }
        READS * frames
    });
}

fn deliver(what: &str, size: usize, ack: &str, acknowledge: bool) {
    let (mut machine, mut out) = connected();
    let subscribe =
        format!("SUBSCRIBE\ndestination:q\nid:1\nack:{ack}\nconsumer-window-size:-1\n\n\0");
    let mut input = BytesMut::from(subscribe.as_bytes());
    machine
        .receive(Now::default(), &mut input, &mut out)
        .expect("a valid frame");
    let mut id = 0;
    report(what, || {
        for _ in 0..READS {
            for _ in 0..BATCH {
                id += 1;
                let delivery = Delivery {
                    consumer: ConsumerId(1),
                    delivery: DeliveryId(id),
                    packet: None,
                    message: message(id, size),
                    attempts: 0,
                };
                machine.event(Now::default(), Event::Deliver(delivery), &mut out);
                if acknowledge {
                    input.extend_from_slice(b"ACK\nid:1,");
                    input.extend_from_slice(id.to_string().as_bytes());
                    input.extend_from_slice(b"\n\n\0");
                }
            }
            drain(&mut out);
            machine
                .receive(Now::default(), &mut input, &mut out)
                .expect("valid frames");
            out.commands.clear();
        }
        READS * BATCH
    });
}

/// A message as a SEND of seven headers makes it; making it is part of what is measured, but not much of it.
fn message(id: u64, size: usize) -> Arc<Message> {
    thread_local! {
        static TEMPLATE: std::cell::OnceCell<Message> = const { std::cell::OnceCell::new() };
    }
    let mut message = TEMPLATE.with(|cell| cell.get_or_init(template).clone());
    message.id = MessageId(id);
    message.body = Bytes::from_static(&BODY[..size]).into();
    Arc::new(message)
}

static BODY: [u8; 20_000] = [b'x'; 20_000];

fn template() -> Message {
    let mut builder = PropertiesBuilder::default();
    builder.push("_AMQ_ROUTING_TYPE", Value::Byte(1));
    builder.push("_AMQ_CONTENT_TYPE", Value::Text("text/plain"));
    builder.push("JMSCorrelationID", Value::Text("8f14e45f-ceea"));
    builder.push("colour", Value::Text("red"));
    builder.push("number", Value::Int(42));
    let mut message = Message::new(
        Arc::from("/queue/orders.incoming"),
        Kind::Bytes,
        Bytes::new(),
    );
    message.timestamp = 1_700_000_000_000;
    message.properties = builder.finish();
    message
}

fn connected() -> (Connection, Outbound) {
    let mut machine = Connection::new(Arc::new(Options::default()), ConnectionId(1));
    let mut out = Outbound::default();
    let mut input = BytesMut::from(&b"CONNECT\naccept-version:1.2\nhost:h\n\n\0"[..]);
    machine
        .receive(Now::default(), &mut input, &mut out)
        .expect("a valid frame");
    machine.event(
        Now::default(),
        Event::LoggedIn(Ticket(0), Identity::default()),
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
