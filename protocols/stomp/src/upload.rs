// SPDX-License-Identifier: Apache-2.0
//! A SEND whose body goes to a file while it arrives.

use bytes::Bytes;
use hind_engine::command::{Command, Send, UploadBegin, UploadCommand};
use hind_engine::id::{SessionId, Ticket, UploadId};
use hind_engine::message::Kind;

/// A SEND whose head has been read and whose body is on its way.
///
/// *Invariant*: at most [`UploadCommand::WINDOW`] and one part are with the engine and not yet on the disk.
#[derive(Debug)]
pub(crate) struct Upload {
    id: UploadId,
    /// What is sent when the body is on the disk.
    send: Send,
    /// Whether the body is text so far; `None`: the client gave its length, so it is bytes.
    text: Option<Utf8>,
    /// Bytes that the engine has not said are on the disk.
    unanswered: u64,
    /// For the answer that all of it is.
    ended: Option<Ticket>,
}

impl Upload {
    /// Asks whether the message may be sent at all. `sized`: the client gave the length of the body.
    pub fn begin(id: UploadId, session: SessionId, send: Send, sized: bool) -> (Self, Command) {
        let begin = UploadBegin {
            session,
            address: send.message.address.clone(),
            routing: send.routing,
            ticket: send.ticket,
        };
        let upload = Self {
            id,
            send,
            text: (!sized).then(Utf8::default),
            unanswered: 0,
            ended: None,
        };
        (
            upload,
            upload_command(id, UploadCommand::Begin(Box::new(begin))),
        )
    }

    /// The next part.
    pub fn append(&mut self, part: Bytes) -> Command {
        if let Some(text) = &mut self.text {
            text.push(&part);
        }
        self.unanswered += part.len() as u64;
        upload_command(self.id, UploadCommand::Append(part))
    }

    /// The body has ended; answered with the ticket.
    pub fn end(&mut self, ticket: Ticket) -> Command {
        self.ended = Some(ticket);
        let durable = self.send.message.durable;
        upload_command(self.id, UploadCommand::End { durable, ticket })
    }

    /// So many more bytes are on the disk.
    pub fn written(&mut self, bytes: u64) {
        self.unanswered = self.unanswered.saturating_sub(bytes);
    }

    /// Nothing is to be read until the engine has answered.
    pub fn must_wait(&self) -> bool {
        self.ended.is_some() || self.unanswered >= UploadCommand::WINDOW
    }

    /// Whether this is the ticket of its end.
    pub fn ends_with(&self, ticket: Ticket) -> bool {
        self.ended == Some(ticket)
    }

    /// The body is on the disk: what is sent.
    pub fn finish(self) -> Send {
        let mut send = self.send;
        send.message.kind = match self.text {
            Some(text) if text.is_text() => Kind::Text,
            _ => Kind::Bytes,
        };
        send.upload = Some(self.id);
        send
    }
}

fn upload_command(id: UploadId, command: UploadCommand) -> Command {
    Command::Upload(id, command)
}

/// Whether octets that come in parts are UTF-8.
#[derive(Debug, Default)]
struct Utf8 {
    broken: bool,
    /// The beginning of a character whose end has not come.
    begun: Vec<u8>,
}

impl Utf8 {
    /// No character is longer.
    const CHARACTER: usize = 4;

    fn push(&mut self, mut part: &[u8]) {
        while !self.broken
            && !self.begun.is_empty()
            && let Some((first, rest)) = part.split_first()
        {
            self.begun.push(*first);
            part = rest;
            let begun = std::mem::take(&mut self.begun);
            self.check(&begun);
        }
        if !self.broken && !part.is_empty() {
            self.check(part);
        }
    }

    fn check(&mut self, part: &[u8]) {
        let Err(error) = std::str::from_utf8(part) else {
            return;
        };
        let begun = &part[error.valid_up_to()..];
        if error.error_len().is_some() || begun.len() >= Self::CHARACTER {
            self.broken = true;
        } else {
            self.begun.extend_from_slice(begun);
        }
    }

    fn is_text(&self) -> bool {
        !self.broken && self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_wherever_it_is_cut() {
        let texts: [&[u8]; 9] = [
            b"",
            b"plain",
            "größer €uro 𝄞 clef".as_bytes(),
            b"cut \xe2\x82",
            b"\xff",
            b"a\xc3(b",
            b"surrogate \xed\xa0\x80",
            b"\xf0\x9d\x84",
            b"\xc0\x80",
        ];
        for text in texts {
            let expected = std::str::from_utf8(text).is_ok();
            for size in 1..=text.len().max(1) {
                let mut utf8 = Utf8::default();
                text.chunks(size).for_each(|part| utf8.push(part));
                assert_eq!(utf8.is_text(), expected, "{text:?} by {size}");
                assert!(utf8.begun.len() < Utf8::CHARACTER);
            }
        }
    }
}
