// SPDX-License-Identifier: Apache-2.0
//! Frames: what a client may send, read in place, and a writer for what the broker sends.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{Part, Version, escape};

/// What a client may say [1.2 §Augmented BNF, client-command].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientCommand {
    /// Opens the conversation.
    #[default]
    Connect,
    /// The same, since 1.1.
    Stomp,
    /// A message for a destination.
    Send,
    /// Starts listening.
    Subscribe,
    /// Stops listening.
    Unsubscribe,
    /// A message has been consumed.
    Ack,
    /// A message has not been consumed; since 1.1.
    Nack,
    /// Starts a transaction.
    Begin,
    /// Ends one, and all of it happens.
    Commit,
    /// Ends one, and nothing of it happens.
    Abort,
    /// Closes the conversation.
    Disconnect,
}

impl ClientCommand {
    /// The command of that name; names are case sensitive [1.2 §STOMP Frames].
    pub fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"SEND" => Self::Send,
            b"ACK" => Self::Ack,
            b"NACK" => Self::Nack,
            b"BEGIN" => Self::Begin,
            b"COMMIT" => Self::Commit,
            b"ABORT" => Self::Abort,
            b"SUBSCRIBE" => Self::Subscribe,
            b"UNSUBSCRIBE" => Self::Unsubscribe,
            b"CONNECT" => Self::Connect,
            b"STOMP" => Self::Stomp,
            b"DISCONNECT" => Self::Disconnect,
            _ => return None,
        })
    }

    /// As it stands on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Stomp => "STOMP",
            Self::Send => "SEND",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Ack => "ACK",
            Self::Nack => "NACK",
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Abort => "ABORT",
            Self::Disconnect => "DISCONNECT",
        }
    }

    /// Whether its headers may be escaped [1.2 §Value Encoding].
    pub(super) const fn is_escaped(self) -> bool {
        !matches!(self, Self::Connect | Self::Stomp)
    }
}

/// Where one header lies in the text of its frame's head.
///
/// *Invariant*: name, colon, value and end in this order, all within the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    name: u32,
    colon: u32,
    value: u32,
    end: u32,
}

impl Span {
    pub(super) fn new(name: usize, colon: usize, value: usize, end: usize) -> Self {
        debug_assert!(name < colon && colon < value && value <= end);
        let offset =
            |at: usize| u32::try_from(at).expect("a head is limited to far less than 4 GiB");
        Self {
            name: offset(name),
            colon: offset(colon),
            value: offset(value),
            end: offset(end),
        }
    }

    /// Where the name lies.
    pub(super) fn name(self) -> Range<usize> {
        self.name as usize..self.colon as usize
    }

    /// Where the value lies.
    pub(super) fn value(self) -> Range<usize> {
        self.value as usize..self.end as usize
    }
}

/// One whole frame of a client. Its head is borrowed from the decoder, its body owned.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The command.
    pub command: ClientCommand,
    /// The body; empty for commands that carry none, and if it follows.
    pub body: Bytes,
    /// The body is not here: it is given out in parts from now on.
    pub body_follows: bool,
    /// Whether the client gave the length of the body.
    pub has_content_length: bool,
    pub(super) text: &'a str,
    pub(super) spans: &'a [Span],
}

impl<'a> Frame<'a> {
    /// Bytes of its head and of what there is of its body.
    pub fn size(&self) -> usize {
        self.text.len() + self.body.len()
    }

    /// The value of the first header of that name: later ones are history [1.2 §Repeated Header Entries].
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// All headers in order, escapes undone.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let text = self.text;
        self.spans
            .iter()
            .map(move |span| (&text[span.name()], &text[span.value()]))
    }
}

/// What the broker may say [1.2 §Augmented BNF, server-command].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerCommand {
    /// The client is let in.
    Connected,
    /// A message for a subscription.
    Message,
    /// A frame has been dealt with.
    Receipt,
    /// Something is wrong; the connection closes.
    Error,
}

impl ServerCommand {
    /// As it stands on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "CONNECTED",
            Self::Message => "MESSAGE",
            Self::Receipt => "RECEIPT",
            Self::Error => "ERROR",
        }
    }
}

/// What ends every frame: the NUL, and the line feed that Artemis's clients are used to see behind it.
pub(crate) const FRAME_END: &[u8] = b"\0\n";

/// Writes the head of a frame of the broker; the body is the caller's, and then [`FRAME_END`].
#[derive(Debug)]
pub struct HeadWriter<'a> {
    out: &'a mut BytesMut,
    /// Whose escapes apply: those of 1.0, which are none, for CONNECTED.
    version: Version,
}

impl<'a> HeadWriter<'a> {
    /// Starts a frame.
    pub fn new(out: &'a mut BytesMut, command: ServerCommand, version: Version) -> Self {
        out.put_slice(command.name().as_bytes());
        out.put_u8(b'\n');
        let version = match command {
            ServerCommand::Connected => Version::V1_0,
            _ => version,
        };
        Self { out, version }
    }

    /// A header whose name needs no escapes.
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        escape(value, Part::Value, self.version, self.out);
        self.out.put_u8(b'\n');
    }

    /// A header whose name somebody else chose.
    pub fn foreign(&mut self, name: &str, value: &str) {
        escape(name, Part::Name, self.version, self.out);
        self.out.put_u8(b':');
        escape(value, Part::Value, self.version, self.out);
        self.out.put_u8(b'\n');
    }

    /// A header of two texts joined, as a destination is with its prefix.
    pub fn joined(&mut self, name: &'static str, first: &str, second: &str) {
        self.name(name);
        escape(first, Part::Value, self.version, self.out);
        escape(second, Part::Value, self.version, self.out);
        self.out.put_u8(b'\n');
    }

    /// A number.
    pub fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        decimal(value, self.out);
        self.out.put_u8(b'\n');
    }

    /// Two numbers with a comma between, as ids and heart-beats are.
    pub fn pair(&mut self, name: &'static str, first: u64, second: u64) {
        self.name(name);
        decimal(first, self.out);
        self.out.put_u8(b',');
        decimal(second, self.out);
        self.out.put_u8(b'\n');
    }

    /// The blank line between head and body.
    pub fn finish(self) {
        self.out.put_u8(b'\n');
    }

    fn name(&mut self, name: &'static str) {
        self.out.put_slice(name.as_bytes());
        self.out.put_u8(b':');
    }
}

/// Appends a number in decimal without going through a `String`; two digits at a time, because a MESSAGE has half a dozen
/// numbers.
fn decimal(mut value: u64, out: &mut BytesMut) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    while value >= 10 {
        at -= 2;
        let pair = 2 * (value % 100) as usize;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
        value /= 100;
    }
    // One digit is left, or the number is zero.
    if value > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + value as u8;
    }
    out.put_slice(&digits[at..]);
}

/// `00` to `99`.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut n = 0;
    while n < 100 {
        pairs[2 * n] = b'0' + (n / 10) as u8;
        pairs[2 * n + 1] = b'0' + (n % 10) as u8;
        n += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        let mut numbers = vec![0, u64::MAX, 1_700_000_000_000];
        for exponent in 0..20 {
            let power = 10_u64.pow(exponent);
            numbers.extend([power - 1, power, power + 1, 5 * (power / 3)]);
        }
        for number in numbers {
            let mut out = BytesMut::new();
            decimal(number, &mut out);
            assert_eq!(out, number.to_string());
        }
    }
}
