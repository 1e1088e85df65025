// SPDX-License-Identifier: Apache-2.0
//! The client's side of STOMP frames, written from the three specifications and independent of the broker's own codec,
//! so that a mistake made there is not made here as well.

use std::fmt;

/// The versions a client may speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Version {
    /// STOMP 1.0: no escapes, no NACK, acknowledges by message id.
    V10,
    /// STOMP 1.1: escapes without carriage return, acknowledges by subscription and message id.
    V11,
    /// STOMP 1.2: escapes with carriage return, acknowledges by the `ack` header.
    V12,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V10 => "1.0",
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        })
    }
}

/// One frame, either way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The command.
    pub command: String,
    /// The headers in order, unescaped.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Frame {
    /// A frame without headers or body.
    pub fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a header if there is a value for it.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The value of the first header of that name (STOMP 1.2, Repeated Header Entries: the first one counts).
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The frame in one line, for the trace: what tells it from others.
    pub fn summary(&self) -> String {
        let mut line = self.command.clone();
        for name in [
            "uid",
            "subscription",
            "receipt-id",
            "message-id",
            "redelivered",
            "message",
        ] {
            if let Some(value) = self.header(name) {
                line.push(' ');
                line.push_str(name);
                line.push('=');
                line.push_str(value);
            }
        }
        line
    }

    /// The frame as bytes. CONNECT is never escaped (STOMP 1.2, Value Encoding).
    pub fn encode(&self, version: Version) -> Vec<u8> {
        let escaped = version > Version::V10 && self.command != "CONNECT";
        let mut bytes = Vec::with_capacity(200 + self.body.len());
        bytes.extend_from_slice(self.command.as_bytes());
        bytes.push(b'\n');
        for (name, value) in &self.headers {
            put(&mut bytes, name, escaped, version);
            bytes.push(b':');
            put(&mut bytes, value, escaped, version);
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes.push(0);
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, text: &str, escaped: bool, version: Version) {
    for byte in text.bytes() {
        match byte {
            b'\n' if escaped => bytes.extend_from_slice(b"\\n"),
            b':' if escaped => bytes.extend_from_slice(b"\\c"),
            b'\\' if escaped => bytes.extend_from_slice(b"\\\\"),
            b'\r' if escaped && version == Version::V12 => bytes.extend_from_slice(b"\\r"),
            other => bytes.push(other),
        }
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    at: usize,
}

impl Decoder {
    /// Appends what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.at > 0 && self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    /// The broker sent something that is not a frame of this version; what.
    pub fn next(&mut self, version: Version) -> Result<Option<Frame>, String> {
        while let Some(b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        let rest = &self.bytes[self.at..];
        let Some(head_end) = find_head_end(rest) else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&rest[..head_end]).map_err(|_| "a head is not UTF-8")?;
        let mut lines = head
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line));
        let mut frame = Frame::new(lines.next().ok_or("a frame without command")?);
        let escaped = version > Version::V10 && frame.command != "CONNECTED";
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or("a header without colon")?;
            let (name, value) = (unescape(name, escaped)?, unescape(value, escaped)?);
            frame.headers.push((name, value));
        }
        let body = &rest[head_end..];
        let length = match frame.header("content-length") {
            Some(length) => length
                .parse()
                .map_err(|_| "a content-length is not a number")?,
            None => match body.iter().position(|byte| *byte == 0) {
                Some(length) => length,
                None => return Ok(None),
            },
        };
        if body.len() <= length {
            return Ok(None);
        }
        if body[length] != 0 {
            return Err("no NUL where content-length ends".to_owned());
        }
        frame.body = body[..length].to_vec();
        self.at += head_end + length + 1;
        Ok(Some(frame))
    }
}

/// Where the body starts: behind the blank line.
fn find_head_end(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            let line = &bytes[line_start..at];
            if at > 0 && (line.is_empty() || line == b"\r") {
                return Some(at + 1);
            }
            line_start = at + 1;
        }
    }
    None
}

fn unescape(text: &str, escaped: bool) -> Result<String, String> {
    if !escaped || !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            plain.push(char);
            continue;
        }
        plain.push(match chars.next() {
            Some('n') => '\n',
            Some('c') => ':',
            Some('\\') => '\\',
            Some('r') => '\r',
            other => return Err(format!("the undefined escape \\{other:?}")),
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_in_pieces_comes_out_whole() {
        let frame = Frame {
            body: b"a\0b".to_vec(),
            ..Frame::new("MESSAGE")
                .with("note", "a:b\\c\nd")
                .with("content-length", 3)
        };
        for version in [Version::V11, Version::V12] {
            let mut decoder = Decoder::default();
            for _ in 0..2 {
                for byte in frame.encode(version) {
                    assert_eq!(decoder.next(version), Ok(None));
                    decoder.feed(&[byte]);
                }
                assert_eq!(decoder.next(version), Ok(Some(frame.clone())));
                decoder.feed(b"\n\r\n");
            }
        }
    }

    #[test]
    fn without_content_length_the_body_ends_at_the_first_nul() {
        let mut decoder = Decoder::default();
        decoder.feed(b"RECEIPT\nreceipt-id:r\\c1\n\nbody\0\nERROR\n\n\0");
        let mut next = || {
            decoder
                .next(Version::V12)
                .expect("a right frame")
                .expect("a whole one")
        };
        let receipt = next();
        assert_eq!(receipt.header("receipt-id"), Some("r:1"));
        assert_eq!(receipt.body, b"body");
        assert_eq!(next().command, "ERROR");
        assert_eq!(decoder.next(Version::V12), Ok(None));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [
            &b"MESSAGE\nno colon\n\n\0"[..],
            b"M\nk:\\x\n\n\0",
            b"M\ncontent-length:1\n\nabc\0",
        ] {
            let mut decoder = Decoder::default();
            decoder.feed(bytes);
            assert!(decoder.next(Version::V12).is_err());
        }
    }
}
