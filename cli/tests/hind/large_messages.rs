// SPDX-License-Identifier: Apache-2.0
//! A body of 64 MiB through a real broker: in and out with a window of memory, and nothing left of an unfinished one.

use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::program::Place;
use crate::run::{Running, place};

const SIZE: u64 = 64 << 20;
const BLOCK: usize = 1 << 20;
/// What the broker may have resident, in KiB: far below the size of the body.
const RESIDENT_MAX: u64 = 48 << 10;

/// A block of the body; no two are alike.
fn block(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.take(BLOCK / 8).flat_map(u64::to_le_bytes).collect()
}

fn digest() -> u64 {
    let mut hasher = DefaultHasher::new();
    (0..SIZE / BLOCK as u64)
        .for_each(|number| block(number).iter().for_each(|it| hasher.write_u8(*it)));
    hasher.finish()
}

/// One STOMP connection.
struct Link {
    socket: BufReader<TcpStream>,
}

impl Link {
    fn open(broker: &Running) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", broker.port)).expect("the door is open");
        let patience = Some(Duration::from_secs(60));
        socket.set_read_timeout(patience).expect("a time-out");
        let mut link = Self {
            socket: BufReader::new(socket),
        };
        link.say("CONNECT\naccept-version:1.2\nhost:x\nlogin:admin\npasscode:secret\n\n\0");
        link.expect("CONNECTED");
        link
    }

    fn say(&mut self, text: &str) {
        self.socket
            .get_mut()
            .write_all(text.as_bytes())
            .expect("sent");
    }

    /// The head of the next frame.
    fn head(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        loop {
            let mut line = String::new();
            assert!(
                self.socket.read_line(&mut line).expect("a line") > 0,
                "{lines:?}"
            );
            match line.trim_end() {
                "" if lines.is_empty() => {}
                "" => return lines,
                text => lines.push(text.to_owned()),
            }
        }
    }

    fn nul(&mut self) {
        let mut end = [0xff];
        self.socket.read_exact(&mut end).expect("a NUL");
        assert_eq!(end, [0]);
    }

    fn expect(&mut self, command: &str) -> Vec<String> {
        let head = self.head();
        assert_eq!(head[0], command, "{head:?}");
        self.nul();
        head
    }

    /// Sends so many blocks of a body of `SIZE`, and its end if they are all.
    fn send(&mut self, blocks: u64) {
        self.say(&format!(
            "SEND\ndestination:q\ndestination-type:ANYCAST\npersistent:true\nreceipt:sent\ncontent-length:{SIZE}\n\n"
        ));
        for number in 0..blocks {
            self.socket
                .get_mut()
                .write_all(&block(number))
                .expect("sent");
        }
        if blocks == SIZE / BLOCK as u64 {
            self.say("\0");
        }
    }

    /// Reads a body and acknowledges it; its digest.
    fn receive(&mut self) -> u64 {
        self.say("SUBSCRIBE\nid:1\ndestination:q\nsubscription-type:ANYCAST\nack:client\n\n\0");
        let head = self.head();
        assert_eq!(head[0], "MESSAGE");
        assert!(head.contains(&format!("content-length:{SIZE}")), "{head:?}");
        let mut hasher = DefaultHasher::new();
        let mut buffer = vec![0; BLOCK];
        for _ in 0..SIZE / BLOCK as u64 {
            self.socket.read_exact(&mut buffer).expect("the body");
            buffer.iter().for_each(|it| hasher.write_u8(*it));
        }
        self.nul();
        let ack = head.iter().find_map(|line| line.strip_prefix("ack:"));
        self.say(&format!(
            "ACK\nid:{}\nreceipt:acked\n\n\0",
            ack.expect("an ack header")
        ));
        self.expect("RECEIPT");
        hasher.finish()
    }
}

/// The files in the folder of large messages.
fn files(place: &Place) -> usize {
    std::fs::read_dir(place.path("i/data/large-messages")).map_or(0, Iterator::count)
}

fn wait_for_files(place: &Place, count: usize) {
    let begun = std::time::Instant::now();
    while files(place) != count {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{} files instead of {count}",
            files(place)
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_large_body_goes_in_and_out_with_little_memory_and_its_file_goes_with_it() {
    let place = place(&[]);
    let broker = Running::start(&place, &[]);
    let mut link = Link::open(&broker);
    link.send(SIZE / BLOCK as u64);
    link.expect("RECEIPT");
    assert_eq!(files(&place), 1);
    assert_eq!(link.receive(), digest());
    wait_for_files(&place, 0);
    let peak = broker.resident_peak();
    assert!(peak < RESIDENT_MAX, "{peak} KiB resident");
}

#[test]
fn a_broker_killed_in_the_middle_of_a_large_body_leaves_nothing_of_it_and_the_one_before() {
    let place = place(&[]);
    let mut broker = Running::start(&place, &[]);
    let mut first = Link::open(&broker);
    first.send(SIZE / BLOCK as u64);
    first.expect("RECEIPT");
    let mut second = Link::open(&broker);
    second.send(SIZE / BLOCK as u64 / 2);
    wait_for_files(&place, 2);
    broker.kill();
    assert_eq!(files(&place), 2, "it had no time to tidy up");
    let broker = Running::start(&place, &[]);
    wait_for_files(&place, 1);
    assert_eq!(Link::open(&broker).receive(), digest());
    wait_for_files(&place, 0);
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_large_body_leaves_nothing() {
    let place = place(&[]);
    let broker = Running::start(&place, &[]);
    let mut link = Link::open(&broker);
    link.send(2);
    wait_for_files(&place, 1);
    drop(link);
    wait_for_files(&place, 0);
}
