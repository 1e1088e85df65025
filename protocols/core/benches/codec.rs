// SPDX-License-Identifier: Apache-2.0
//! What it costs to read a message from a client and to write one to it, in nanoseconds: the best of several rounds.
//!
//! `cargo bench -p hind-core` runs all; a word behind `--` picks those that contain it.
// a benchmark measures wall time and prints it; nothing here is part of the machine
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hind_core::codec::packet::connection::{NullResponse, Ping};
use hind_core::codec::packet::consumer::Receive;
use hind_core::codec::packet::producer::Send;
use hind_core::codec::{
    Body, Frame, HeadBuilder, Message, Packet, Since, Uuid, Value, Version, message_kind, text_body,
};

/// Many, and each of them short: the best is one that nobody interrupted.
const ROUNDS: usize = 400;
const READS: usize = 5;
const LIMIT: usize = 1 << 20;
const NEWEST: Version = Version::NEWEST;

fn main() {
    for size in [100, 1024, 16 * 1024] {
        let send = send(size);
        decode(&format!("SESS_SEND of {size} bytes, read"), &send, |_| ());
        decode(
            &format!("SESS_SEND of {size} bytes, read with address and properties"),
            &send,
            look_into,
        );
        encode(
            &format!("SESS_RECEIVE_MSG of {size} bytes, written"),
            &receive(size),
            usize::MAX,
        );
    }
    encode(
        "SESS_RECEIVE_MSG of 16384 bytes, written around its body",
        &receive(16_384),
        4096,
    );
    texts();
    rebuild();
    decode(
        "PING, read",
        &Packet::Ping(Ping {
            connection_ttl: 60_000,
        }),
        |_| (),
    );
    let answer = Packet::NullResponse(NullResponse::to(Some(-2)));
    encode("NULL_RESPONSE, written", &answer, usize::MAX);
}

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
    println!("{what:<64} {best:>8.0} ns");
}

/// The body of a text message from and to the engine's UTF-8.
fn texts() {
    for (what, text) in [
        ("ASCII", "x".repeat(1024)),
        ("German", "größer ".repeat(128)),
    ] {
        let body = text_body(Some(&text));
        report(&format!("text body of 1 KiB of {what}, written"), || {
            (0..READS).for_each(|_| {
                black_box(text_body(Some(black_box(&text))));
            });
            READS
        });
        report(&format!("text body of 1 KiB of {what}, read"), || {
            for _ in 0..READS {
                let Body::Text(Some(text)) = Body::of(message_kind::TEXT, black_box(&body)) else {
                    unreachable!("a text was just written");
                };
                black_box(text.to_text());
            }
            READS
        });
    }
}

/// A message from an engine that holds its fields apart: the head is made anew.
fn rebuild() {
    report(
        "SESS_RECEIVE_MSG of 1024 bytes, head made anew and written",
        || {
            let body = Bytes::from_static(&[b'x'; 1024]);
            let mut out = BytesMut::new();
            for id in 0..READS {
                out.clear();
                let mut message = message(0);
                message.body = body.clone();
                message.head.id = id as i64;
                let packet = Packet::Receive(Receive {
                    message,
                    consumer_id: 0,
                    delivery_count: 1,
                });
                packet.encode(11, NEWEST, &mut out);
                black_box(&out);
            }
            READS
        },
    );
}

/// As many frames as a read of 64 KiB brings, taken off and decoded one by one.
fn decode(what: &str, packet: &Packet, then: impl Fn(&Packet)) {
    let mut frame = BytesMut::new();
    packet.encode(11, NEWEST, &mut frame);
    let frames = (65_536 / frame.len()).max(1);
    let read = frame.repeat(frames);
    let mut input = BytesMut::with_capacity(65_536);
    report(what, || {
        for _ in 0..READS {
            input.clear();
            input.reserve(read.len());
            input.extend_from_slice(&read);
            while let Some(frame) = Frame::take(&mut input, LIMIT).expect("valid") {
                let packet = Packet::decode(&frame, NEWEST).expect("valid");
                then(&packet);
                black_box(packet);
            }
        }
        READS * frames
    });
}

fn encode(what: &str, packet: &Packet, splice_from: usize) {
    const BATCH: usize = 50;
    let mut out = BytesMut::new();
    report(what, || {
        for _ in 0..READS {
            out.clear();
            for _ in 0..BATCH {
                black_box(packet.encode_around(11, NEWEST, splice_from, &mut out));
            }
        }
        READS * BATCH
    });
}

/// What a broker needs to know to route a message.
fn look_into(packet: &Packet) {
    let Packet::Send(send) = packet else {
        return;
    };
    let head = &send.message.head;
    black_box(head.address().and_then(|address| address.to_text()));
    let mut text = String::new();
    for (name, value) in head.properties().iter() {
        text.clear();
        black_box((name.append_to(&mut text), &text, value));
    }
}

/// A message as a JMS client sends it, with two properties of its user.
fn message(size: usize) -> Message {
    let mut head = HeadBuilder {
        address: Some("orders.incoming".into()),
        user_id: Some(Uuid([7; 16])),
        kind: message_kind::BYTES,
        durable: true,
        timestamp: 1_795_307_555_978,
        priority: 4,
        ..HeadBuilder::default()
    };
    let connection = Value::Text("358af05e-e60c-11f1-a9ae-02fc00000001");
    head.properties.push("__AMQ_CID", &connection);
    head.properties.push("_AMQ_ROUTING_TYPE", &Value::Byte(1));
    head.properties.push("colour", &Value::Text("red"));
    head.properties.push("number", &Value::Int(42));
    Message {
        body: Bytes::from(vec![b'x'; size]),
        head: head.finish(),
    }
}

fn send(size: usize) -> Packet {
    Packet::Send(Send {
        message: message(size),
        requires_response: true,
        correlation: Since(Some(-2)),
        sender: Since(Some(1)),
    })
}

fn receive(size: usize) -> Packet {
    Packet::Receive(Receive {
        message: message(size),
        consumer_id: 0,
        delivery_count: 1,
    })
}
