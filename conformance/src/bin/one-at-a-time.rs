// SPDX-License-Identifier: Apache-2.0
//! How long a lone STOMP producer waits for each receipt: persistent messages of 1 KiB, one after the other.
//!
//! `one-at-a-time PORT [COUNT]` logs in as `a` with password `a` on this machine and prints one line of JSON.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Until the clocks of both processors, the caches and the broker's segments are as they stay.
const WARM_UP: usize = 1_000;

#[allow(clippy::print_stdout)] // what this program is for
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("which port?")?.parse()?;
    let count = arguments.next().map_or(Ok(3_000), |it| it.parse())?;
    let mut producer = Producer::connect(port)?;
    for _ in 0..WARM_UP {
        producer.send()?;
    }
    let mut micros = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        producer.send()?;
        micros.push(began.elapsed().as_nanos() as f64 / 1e3);
    }
    micros.sort_by(f64::total_cmp);
    let at = |part: f64| micros[((count - 1) as f64 * part) as usize];
    println!(
        r#"{{"count":{count},"p50_us":{:.1},"p90_us":{:.1},"p99_us":{:.1}}}"#,
        at(0.5),
        at(0.9),
        at(0.99)
    );
    Ok(())
}

struct Producer {
    stream: BufReader<TcpStream>,
    frame: Vec<u8>,
    answer: Vec<u8>,
}

impl Producer {
    fn connect(port: u16) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let mut frame =
            b"SEND\ndestination:one-at-a-time\ndestination-type:ANYCAST\npersistent:true\n\
            content-length:1024\nreceipt:r\n\n"
                .to_vec();
        frame.extend_from_slice(&[b'x'; 1024]);
        frame.push(0);
        let mut producer = Self {
            stream: BufReader::new(stream),
            frame,
            answer: Vec::new(),
        };
        let connect = b"CONNECT\naccept-version:1.2\nhost:localhost\nlogin:a\npasscode:a\n\n\0";
        producer.exchange(connect, "CONNECTED")?;
        Ok(producer)
    }

    fn send(&mut self) -> Result<(), Box<dyn Error>> {
        let frame = std::mem::take(&mut self.frame);
        let sent = self.exchange(&frame, "RECEIPT");
        self.frame = frame;
        sent
    }

    /// Sends a frame and awaits the answer to it.
    fn exchange(&mut self, frame: &[u8], command: &str) -> Result<(), Box<dyn Error>> {
        self.stream.get_mut().write_all(frame)?;
        self.answer.clear();
        self.stream.read_until(0, &mut self.answer)?;
        let answer = String::from_utf8_lossy(&self.answer);
        if answer.trim_start().starts_with(command) {
            Ok(())
        } else {
            Err(format!("{command} was expected, this came: {answer}").into())
        }
    }
}
