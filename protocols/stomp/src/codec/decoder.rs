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
    /// The head so far: `name:value\n…`, escapes undone. UTF-8 from the moment the head is whole.
    text: Text,
    spans: Vec<Span>,
    /// How long the header lines were on the wire.
    head: usize,
    content_length: Option<usize>,
    body: Bytes,
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
}

/// The text of a head: octets while it grows, then known to be UTF-8, in the same buffer.
#[derive(Debug)]
enum Text {
    Growing(Vec<u8>),
    Whole(String),
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
            text: Text::Growing(Vec::new()),
            spans: Vec::new(),
            head: 0,
            content_length: None,
            body: Bytes::new(),
        }
    }

    /// From the next frame on, this version's rules and these limits apply.
    pub fn agree(&mut self, version: Version, limits: Limits) {
        self.version = version;
        self.limits = limits;
    }

    /// Eats from `input` until a whole frame waits to be taken (`true`) or the input is used up (`false`).
    ///
    /// # Errors
    /// The bytes are no frame. Nothing more can be decoded after that.
    pub fn poll(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        loop {
            let progress = match self.stage {
                Stage::Frame => self.skip_line_ends(input)?,
                Stage::Command => self.read_command(input)?,
                Stage::Headers => self.read_headers(input)?,
                Stage::Body => self.read_body(input)?,
                Stage::Taken => return Ok(true),
            };
            if !progress {
                return Ok(false);
            }
        }
    }

    /// The command of the frame that waits, or is being read.
    pub fn command(&self) -> ClientCommand {
        self.command
    }

    /// The frame that [`poll`](Self::poll) found.
    ///
    /// # Panics
    /// If it did not find one.
    pub fn take(&mut self) -> Frame<'_> {
        assert_eq!(
            self.stage,
            Stage::Taken,
            "a frame is taken after poll found it"
        );
        self.stage = Stage::Frame;
        Frame {
            command: self.command,
            body: mem::take(&mut self.body),
            has_content_length: self.content_length.is_some(),
            text: match &self.text {
                Text::Whole(text) => text,
                Text::Growing(_) => "",
            },
            spans: &self.spans,
        }
    }

    /// The `receipt` of a frame that turned out to be malformed, if that header had arrived whole.
    pub fn receipt(&self) -> Option<&str> {
        let text = match &self.text {
            Text::Whole(text) => text.as_bytes(),
            Text::Growing(text) => text,
        };
        let span = self.spans.iter().find(|span| {
            text.get(span.name as usize..span.colon as usize) == Some(b"receipt".as_slice())
        })?;
        std::str::from_utf8(text.get(span.value as usize..span.end as usize)?).ok()
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
                    Some(_) => return Err(Malformed::CarriageReturn),
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
        let mut text = match mem::replace(&mut self.text, Text::Growing(Vec::new())) {
            Text::Growing(text) => text,
            Text::Whole(text) => text.into_bytes(),
        };
        text.clear();
        text.shrink_to(USUAL_HEAD);
        self.text = Text::Growing(text);
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
        while let Some(found) = memchr::memchr2(b'\n', 0, &input[start + self.scanned..]) {
            let end = start + self.scanned + found;
            self.scanned = 0;
            if input[end] == 0 {
                return Err(Malformed::NulInHead);
            }
            let line = without_carriage_return(&input[start..end]);
            if line.is_empty() {
                input.advance(end + 1);
                self.finish_head()?;
                return Ok(true);
            }
            self.header(line)?;
            start = end + 1;
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
        let colon = match memchr::memchr(b':', line) {
            None | Some(0) => return Err(Malformed::HeaderName),
            Some(colon) => colon,
        };
        let span = self.append(line, colon)?;
        self.spans.push(span);
        self.note_content_length(span)
    }

    /// Copies a line behind the text, undoing escapes. Name, value and the next name stay separated by the octets that
    /// separate them on the wire, so that halves of a character can never join.
    fn append(&mut self, line: &[u8], colon: usize) -> Result<Span, Malformed> {
        let padding = self.padding(&line[colon + 1..]);
        let Text::Growing(text) = &mut self.text else {
            unreachable!("the text grows until the head is whole")
        };
        let name = text.len();
        let escaped = self.version >= Version::V1_1 && self.command.is_escaped();
        if self.version >= Version::V1_2 && memchr::memchr(b'\r', line).is_some() {
            return Err(Malformed::CarriageReturn);
        }
        let (colon, value) = if escaped && memchr::memchr(b'\\', line).is_some() {
            unescape(&line[..colon], self.version, text)?;
            let colon_at = text.len();
            text.push(b':');
            unescape(&line[colon + 1..], self.version, text)?;
            (colon_at, colon_at + 1)
        } else {
            text.extend_from_slice(line);
            (name + colon, name + colon + 1 + padding)
        };
        let end = text.len();
        text.push(b'\n');
        let offset =
            |at: usize| u32::try_from(at).expect("a head is limited to far less than 4 GiB");
        Ok(Span {
            name: offset(name),
            colon: offset(colon),
            value: offset(value),
            end: offset(end),
        })
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
        let Text::Growing(text) = &self.text else {
            unreachable!("the text grows until the head is whole")
        };
        if self.content_length.is_some()
            || &text[span.name as usize..span.colon as usize] != b"content-length"
        {
            return Ok(());
        }
        let value = &text[span.value as usize..span.end as usize];
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            let shown = &value[..value.len().min(32)];
            return Err(Malformed::ContentLength(
                String::from_utf8_lossy(shown).into_owned(),
            ));
        }
        // More digits than fit are more octets than allowed.
        let length = value.iter().fold(0_usize, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(usize::from(digit - b'0'))
        });
        check("body", length, self.body_limit())?;
        self.content_length = Some(length);
        Ok(())
    }

    fn body_limit(&self) -> usize {
        match self.command {
            ClientCommand::Send => self.limits.body,
            _ => self.limits.body.min(STRAY_BODY),
        }
    }

    fn finish_head(&mut self) -> Result<(), Malformed> {
        if let Text::Growing(text) = &mut self.text {
            match String::from_utf8(mem::take(text)) {
                Ok(whole) => self.text = Text::Whole(whole),
                Err(error) => {
                    *text = error.into_bytes();
                    return Err(Malformed::NotUtf8);
                }
            }
        }
        self.stage = Stage::Body;
        self.scanned = 0;
        Ok(())
    }

    fn read_body(&mut self, input: &mut BytesMut) -> Result<bool, Malformed> {
        let length = match self.content_length {
            Some(length) => match input.get(length) {
                Some(0) => length,
                Some(_) => return Err(Malformed::Unterminated(length)),
                None => return Ok(false),
            },
            None => match memchr::memchr(0, &input[self.scanned..]) {
                Some(found) => self.scanned + found,
                None => {
                    self.scanned = input.len();
                    check("body", self.scanned, self.body_limit())?;
                    return Ok(false);
                }
            },
        };
        check("body", length, self.body_limit())?;
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
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
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
