// SPDX-License-Identifier: Apache-2.0
//! The incremental decoder: eats what is whole, remembers where it stopped looking.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::frame::Span;
use super::header::unescape;
use super::{ClientCommand, Frame, Limits, Malformed, Version};

/// From this length a body is a slice of the read buffer; below, it is copied to its exact size.
///
/// A slice keeps the whole read buffer (64 KiB in our host) alive for as long as the message waits on a queue, and
/// makes the host allocate another one; a copy lets the buffer be used again. Copying 1 KiB costs about 30 ns, 16 KiB
/// about half a microsecond, the same as the allocation it saves; above that a slice pins at most four times its size.
const SHARED_BODY: usize = 16 * 1024;

/// What is given out of a streamed body at once: at least this, except at its end, so that a client that sends little by
/// little does not make the broker do little by little; and at most that.
const PART_MIN: usize = SHARED_BODY;
const PART_MAX: usize = 64 * 1024;

/// What a body may have where none belongs; it is read over, as Artemis does.
const STRAY_BODY: usize = 64 * 1024;

/// No command is longer.
const COMMAND: usize = 11;

/// What the head of a usual frame needs; larger buffers are given back after the frame.
const USUAL_HEAD: usize = 2048;

/// Turns the bytes of one client into frames.
///
/// Consumes from the input whatever it has understood: line ends between frames, header lines, whole bodies. What is
/// left in the input is at most one unfinished line or an unfinished body, and no octet of it is scanned twice.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    version: Version,
    stage: Stage,
    /// How much of the front of the input has been searched in vain.
    scanned: usize,
    command: ClientCommand,
    /// The head so far: `name:value\n…`, escapes undone.
    growing: Vec<u8>,
    /// The same, in the same memory, once it is whole and known to be UTF-8.
    whole: String,
    spans: Vec<Span>,
    /// The line that is being read has one.
    has_backslash: bool,
    /// Carriage returns in the head that were written as escapes.
    escaped_returns: usize,
    /// How long the header lines were on the wire.
    head: usize,
    content_length: Option<usize>,
    body: Bytes,
    /// How much of a streamed body has been given out.
    streamed: usize,
}

/// What the decoder has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing more: the input is used up.
    Nothing,
    /// A whole frame, or the head of one whose body follows: it waits to be taken.
    Frame,
    /// The next part of the body that follows the head.
    Part(Bytes),
    /// The end of that body.
    End,
}

/// What the decoder waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The first octet of a frame; ended by anything but a line end.
    Frame,
    /// The line with the command.
    Command,
    /// Header lines, up to the blank one.
    Headers,
    /// The body and its NUL.
    Body,
    /// That somebody takes the frame.
    Taken,
    /// That somebody takes the head of a frame whose body is to be streamed.
    HeadTaken,
    /// More of a streamed body, and its NUL.
    Streaming,
}

impl Decoder {
    /// A decoder for a client of whom nothing is known yet.
    pub fn new() -> Self {
        Self {
            limits: Limits::STRANGER,
            version: Version::V1_0,
            stage: Stage::Frame,
            scanned: 0,
            command: ClientCommand::Connect,
            growing: Vec::new(),
            whole: String::new(),
            spans: Vec::new(),
            has_backslash: false,
            escaped_returns: 0,
            head: 0,
            content_length: None,
            body: Bytes::new(),
            streamed: 0,
        }
    }

    /// From the next frame on, this version's rules and these limits apply.
    pub fn agree(&mut self, version: Version, limits: Limits) {
        self.version = version;
        self.limits = limits;
    }

    /// Eats from `input` until there is something to be given out or the input is used up.
    ///
    /// # Errors
    /// The bytes are no frame. Nothing more can be decoded after that.
    pub fn poll(&mut self, input: &mut BytesMut) -> Result<Found, Malformed> {
        loop {
            let progress = match self.stage {
                Stage::Frame => self.skip_line_ends(input)?,
                Stage::Command => self.read_command(input)?,
                Stage::Headers => self.read_headers(input)?,
                Stage::Body => self.read_body(input)?,
                Stage::Taken | Stage::HeadTaken => return Ok(Found::Frame),
                Stage::Streaming => return self.stream(input),
            };
            if !progress {
                return Ok(Found::Nothing);
            }
        }
    }

    /// The command of the frame that waits, or is being read.
    pub fn command(&self) -> ClientCommand {
        self.command
    }

    /// Bytes of the frame that waits, but for what its body has when that follows in parts.
    pub fn frame_size(&self) -> usize {
        self.head + self.body.len()
    }

    /// The body of the frame that waits follows in parts.
    pub fn body_follows(&self) -> bool {
        self.stage == Stage::HeadTaken
    }

    /// The frame that [`poll`](Self::poll) found.
    ///
    /// # Panics
    /// If it did not find one.
    pub fn take(&mut self) -> Frame<'_> {
        let body_follows = match self.stage {
            Stage::Taken => false,
            Stage::HeadTaken => true,
            other => panic!("a frame is taken after poll found it, not in {other:?}"),
        };
        self.stage = match body_follows {
            true => Stage::Streaming,
            false => Stage::Frame,
        };
        Frame {
            command: self.command,
            body: mem::take(&mut self.body),
            body_follows,
            has_content_length: self.content_length.is_some(),
            text: &self.whole,
            spans: &self.spans,
        }
    }

    /// The `receipt` of a frame that turned out to be malformed, if that header had arrived whole.
    pub fn receipt(&self) -> Option<&str> {
        let text = match self.growing.as_slice() {
            [] => self.whole.as_bytes(),
            growing => growing,
        };
        let span = self
            .spans
            .iter()
            .find(|span| &text[span.name()] == b"receipt")?;
        std::str::from_utf8(&text[span.value()]).ok()
    }

    /// Line ends between frames: heart-beats, what a NUL may be followed by, and what a person at a terminal types
    /// before the first frame.
    fn skip_line_ends(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let mut at = 0;
        loop {
            match input.get(at) {
                Some(b'\n') => at += 1,
                Some(b'\r') => match input.get(at + 1) {
                    Some(b'\n') => at += 2,
                    Some(_) => {
                        // Not the fault of the frame before.
                        self.start();
                        return Err(Malformed::CarriageReturn);
                    }
                    None => break,
                },
                _ => break,
            }
        }
        input.advance(at);
        if matches!(input.first(), None | Some(b'\r')) {
            return Ok(false);
        }
        self.start();
        Ok(true)
    }

    fn start(&mut self) {
        self.stage = Stage::Command;
        self.scanned = 0;
        self.spans.clear();
        self.spans.shrink_to(USUAL_HEAD / mem::size_of::<Span>());
        self.growing = mem::take(&mut self.whole).into_bytes();
        self.growing.clear();
        self.growing.shrink_to(USUAL_HEAD);
        self.has_backslash = false;
        self.escaped_returns = 0;
        self.head = 0;
        self.content_length = None;
    }

    fn read_command(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let window = &input[..input.len().min(COMMAND + 2)];
        let Some(end) = memchr::memchr2(b'\n', 0, window) else {
            return if window.len() == COMMAND + 2 {
                Err(unknown_command(window))
            } else {
                Ok(false)
            };
        };
        let name = without_carriage_return(&window[..end]);
        match ClientCommand::named(name) {
            Some(command) if window[end] == b'\n' => self.command = command,
            Some(_) => return Err(Malformed::NulInHead),
            None => return Err(unknown_command(name)),
        }
        input.advance(end + 1);
        self.stage = Stage::Headers;
        Ok(true)
    }

    fn read_headers(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let mut start = 0;
        let mut from = self.scanned;
        // One search per line: whatever needs care stops it before the line end.
        while let Some(found) = memchr::memchr3(b'\n', b'\\', 0, &input[from..]) {
            let at = from + found;
            from = at + 1;
            match input[at] {
                b'\n' => {
                    let line = without_carriage_return(&input[start..at]);
                    if line.is_empty() {
                        input.advance(from);
                        self.finish_head()?;
                        return Ok(true);
                    }
                    self.header(line)?;
                    start = from;
                }
                b'\\' => self.has_backslash = true,
                _ => return Err(Malformed::NulInHead),
            }
        }
        input.advance(start);
        self.scanned = input.len();
        // The line end may be `\r\n`, of which only the first octet is here.
        check("header line", self.scanned, self.limits.line + 1)?;
        Ok(false)
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Malformed> {
        self.head += line.len() + 1;
        check("header line", line.len(), self.limits.line)?;
        check("size of all headers", self.head, self.limits.head)?;
        check(
            "number of headers",
            self.spans.len() + 1,
            self.limits.headers,
        )?;
        // A name is short: looking at its octets one by one is quicker than calling a vectorised search.
        let colon = match line.iter().position(|octet| *octet == b':') {
            None | Some(0) => return Err(Malformed::HeaderName),
            Some(colon) => colon,
        };
        let has_backslash = mem::take(&mut self.has_backslash);
        let escaped = has_backslash && self.version >= Version::V1_1 && self.command.is_escaped();
        let span = if escaped {
            self.append_escaped(&line[..colon], &line[colon + 1..])?
        } else {
            self.append(line, colon)
        };
        self.spans.push(span);
        self.note_content_length(span)
    }

    /// Copies a line behind the text as it is. Name, value and the next name stay separated by the octets that separate
    /// them on the wire, so that halves of a character can never join.
    fn append(&mut self, line: &[u8], colon: usize) -> Span {
        let name = self.growing.len();
        let padding = self.padding(&line[colon + 1..]);
        self.growing.extend_from_slice(line);
        self.growing.push(b'\n');
        let colon = name + colon;
        Span::new(name, colon, colon + 1 + padding, name + line.len())
    }

    /// The same for a line with escapes, which are undone.
    fn append_escaped(&mut self, name: &[u8], value: &[u8]) -> Result<Span, Malformed> {
        let text = &mut self.growing;
        let start = text.len();
        self.escaped_returns += unescape(name, self.version, text)?;
        let colon = text.len();
        text.push(b':');
        self.escaped_returns += unescape(value, self.version, text)?;
        let end = text.len();
        text.push(b'\n');
        Ok(Span::new(start, colon, colon + 1, end))
    }

    /// Clients of 1.0 pad values, as its examples do; later versions must not be trimmed [1.1 §Value Encoding].
    fn padding(&self, value: &[u8]) -> usize {
        if self.version == Version::V1_0 && self.command.is_escaped() {
            value.iter().take_while(|octet| **octet == b' ').count()
        } else {
            0
        }
    }

    /// The length is judged as soon as its header is read, not when the body has been buffered.
    fn note_content_length(&mut self, span: Span) -> Result<(), Malformed> {
        let is_length = &self.growing[span.name()] == b"content-length";
        if is_length && self.content_length.is_none() {
            let length = octets(&self.growing[span.value()])?;
            check("body", length, self.body_limit(length))?;
            self.content_length = Some(length);
        }
        Ok(())
    }

    /// How large the body of the frame may be, if it is at least so large.
    fn body_limit(&self, length: usize) -> usize {
        match self.command {
            ClientCommand::Send if self.is_streamed(length) => self.limits.streamed,
            ClientCommand::Send => self.limits.body,
            _ => self.limits.body.min(STRAY_BODY),
        }
    }

    fn is_streamed(&self, length: usize) -> bool {
        self.command == ClientCommand::Send && length > 0 && length >= self.limits.streamed_from
    }

    fn finish_head(&mut self) -> Result<(), Malformed> {
        match String::from_utf8(mem::take(&mut self.growing)) {
            Ok(whole) => self.whole = whole,
            Err(error) => {
                self.growing = error.into_bytes();
                return Err(Malformed::NotUtf8);
            }
        }
        // Before 1.2 a carriage return is an octet like any other, except before a line feed.
        if self.version >= Version::V1_2 && self.command.is_escaped() {
            let returns = self.whole.bytes().filter(|octet| *octet == b'\r').count();
            if returns != self.escaped_returns {
                return Err(Malformed::CarriageReturn);
            }
        }
        self.stage = Stage::Body;
        self.scanned = 0;
        Ok(())
    }

    fn read_body(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let length = match self.content_length {
            Some(length) if self.is_streamed(length) => return Ok(self.announce()),
            Some(length) => match input.get(length) {
                Some(0) => length,
                Some(_) => return Err(Malformed::Unterminated(length)),
                None => return Ok(false),
            },
            None => match memchr::memchr(0, &input[self.scanned..]) {
                Some(found) => self.scanned + found,
                None => {
                    self.scanned = input.len();
                    if self.is_streamed(self.scanned) {
                        return Ok(self.announce());
                    }
                    check("body", self.scanned, self.body_limit(self.scanned))?;
                    return Ok(false);
                }
            },
        };
        if self.is_streamed(length) {
            return Ok(self.announce());
        }
        check("body", length, self.body_limit(length))?;
        self.body = if self.command != ClientCommand::Send || length == 0 {
            input.advance(length);
            Bytes::new()
        } else if length < SHARED_BODY {
            let copy = Bytes::copy_from_slice(&input[..length]);
            input.advance(length);
            copy
        } else {
            input.split_to(length).freeze()
        };
        input.advance(1);
        self.stage = Stage::Taken;
        Ok(true)
    }

    /// The head is to be taken now, and the body then follows in parts.
    fn announce(&mut self) -> bool {
        self.stage = Stage::HeadTaken;
        self.scanned = 0;
        self.streamed = 0;
        true
    }

    /// The next part of a body, or its end.
    fn stream(&mut self, input: &mut BytesMut) -> Result<Found, Malformed> {
        let (available, is_rest) = match self.content_length {
            Some(length) => {
                let left = length - self.streamed;
                (left.min(input.len()), left <= input.len())
            }
            None => {
                let near = &input[..input.len().min(PART_MAX)];
                let found = memchr::memchr(0, &near[self.scanned.min(near.len())..]);
                found.map_or((near.len(), false), |found| (self.scanned + found, true))
            }
        };
        if available == 0 && is_rest {
            return self.end_stream(input);
        }
        if available < PART_MIN && !is_rest {
            self.scanned = available;
            return Ok(Found::Nothing);
        }
        let part = available.min(PART_MAX);
        self.scanned = 0;
        self.streamed += part;
        check("body", self.streamed, self.limits.streamed)?;
        Ok(Found::Part(if part < SHARED_BODY {
            let copy = Bytes::copy_from_slice(&input[..part]);
            input.advance(part);
            copy
        } else {
            input.split_to(part).freeze()
        }))
    }

    fn end_stream(&mut self, input: &mut BytesMut) -> Result<Found, Malformed> {
        match input.first() {
            None => Ok(Found::Nothing),
            Some(0) => {
                input.advance(1);
                self.stage = Stage::Frame;
                Ok(Found::End)
            }
            Some(_) => Err(Malformed::Unterminated(self.streamed)),
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The value of a `content-length`.
fn octets(value: &[u8]) -> Result<usize, Malformed> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        let shown = &value[..value.len().min(32)];
        return Err(Malformed::ContentLength(
            String::from_utf8_lossy(shown).into_owned(),
        ));
    }
    // More digits than fit are more octets than allowed.
    Ok(value.iter().fold(0, |sum: usize, digit| {
        sum.saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    }))
}

fn without_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn unknown_command(name: &[u8]) -> Malformed {
    Malformed::UnknownCommand(name.escape_ascii().to_string())
}

fn check(part: &'static str, size: usize, limit: usize) -> Result<(), Malformed> {
    if size > limit {
        Err(Malformed::TooLarge { part, limit })
    } else {
        Ok(())
    }
}
