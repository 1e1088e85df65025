// SPDX-License-Identifier: Apache-2.0
//! Receipts: which tickets are out, and the RECEIPT each is owed.

use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};
use hind_engine::id::Ticket;

use crate::codec::{FRAME_END, HeadWriter, ServerCommand, Version};

/// The tickets that the engine has yet to answer, oldest first.
///
/// A RECEIPT is written the moment its ticket is answered. One that waits for nothing but itself (of BEGIN) is written
/// when everything before it is answered, so that a client that takes a receipt for all before it is right.
///
/// *Invariants*: `first` is the ticket of `entries[0]`, the others count up from there; the texts of the entries lie in
/// `texts` in the same order without gaps.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    entries: VecDeque<Entry>,
    first: u64,
    /// The `receipt` headers, one behind the other: a ring, so that a SEND with receipt allocates nothing.
    texts: VecDeque<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// How long its text is; `None`: nobody asked for a receipt.
    text: Option<u32>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The engine has not answered.
    Waiting,
    /// Needs no answer of its own, only those before it.
    Following,
    /// Answered; stays until everything before it is.
    Answered,
}

impl Receipts {
    /// So many tickets may be out; then no further frame is read until some are answered.
    const OUTSTANDING: usize = 65_536;

    /// So many bytes of `receipt` headers may be kept.
    const TEXT: usize = 4 * 1024 * 1024;

    /// A ticket for a command, and the receipt owed for it.
    pub fn ticket(&mut self, receipt: Option<&str>) -> Ticket {
        self.push(receipt, State::Waiting);
        Ticket(self.first + self.entries.len() as u64 - 1)
    }

    /// A ticket only if a receipt is owed: other commands need no answer.
    pub fn ticket_if_asked(&mut self, receipt: Option<&str>) -> Option<Ticket> {
        receipt.map(|_| self.ticket(receipt))
    }

    /// A receipt for something that is done already.
    pub fn follow(&mut self, receipt: Option<&str>, version: Version, out: &mut BytesMut) {
        if receipt.is_some() {
            self.push(receipt, State::Following);
            self.settle(version, out);
        }
    }

    /// The engine has done what the ticket stands for. Tickets that are not out are ignored.
    pub fn done(&mut self, ticket: Ticket, version: Version, out: &mut BytesMut) {
        let Some(at) = self.position(ticket) else {
            return;
        };
        if at == 0 {
            self.pop_front(version, out);
            self.settle(version, out);
        } else if self.entries[at].state == State::Waiting {
            self.write(at, version, out);
            self.entries[at].state = State::Answered;
        }
    }

    /// The receipt that would have been owed for a ticket the engine has refused.
    pub fn text(&self, ticket: Ticket) -> Option<String> {
        let at = self.position(ticket)?;
        let length = self.entries[at].text? as usize;
        let start = self.start(at);
        let octets = self.texts.range(start..start + length).copied().collect();
        String::from_utf8(octets).ok()
    }

    /// No ticket is out.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// As many are out as may be.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= Self::OUTSTANDING || self.texts.len() >= Self::TEXT
    }

    fn push(&mut self, receipt: Option<&str>, state: State) {
        let text = receipt.map(|text| {
            self.texts.extend(text.as_bytes());
            u32::try_from(text.len()).expect("a header line is limited to 64 KiB")
        });
        self.entries.push_back(Entry { text, state });
    }

    fn position(&self, ticket: Ticket) -> Option<usize> {
        let at = usize::try_from(ticket.0.checked_sub(self.first)?).ok()?;
        (at < self.entries.len()).then_some(at)
    }

    fn start(&self, at: usize) -> usize {
        self.entries
            .range(..at)
            .map(|entry| entry.text.unwrap_or(0) as usize)
            .sum()
    }

    /// Forgets what is answered, writes what only waited for that.
    fn settle(&mut self, version: Version, out: &mut BytesMut) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.state != State::Waiting)
        {
            self.pop_front(version, out);
        }
        if self.entries.is_empty() && self.texts.capacity() > 4096 {
            self.texts = VecDeque::new();
            self.entries = VecDeque::new();
        }
    }

    fn pop_front(&mut self, version: Version, out: &mut BytesMut) {
        if self
            .entries
            .front()
            .is_some_and(|entry| entry.state != State::Answered)
        {
            self.write(0, version, out);
        }
        if let Some(entry) = self.entries.pop_front() {
            self.first += 1;
            self.texts.drain(..entry.text.unwrap_or(0) as usize);
        }
    }

    fn write(&mut self, at: usize, version: Version, out: &mut BytesMut) {
        let Some(length) = self.entries[at].text else {
            return;
        };
        let start = self.start(at);
        let texts = self.texts.make_contiguous();
        let text = std::str::from_utf8(&texts[start..start + length as usize])
            .expect("it was a str when it was put in");
        let mut head = HeadWriter::new(out, ServerCommand::Receipt, version);
        head.text("receipt-id", text);
        head.finish();
        out.put_slice(FRAME_END);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(receipts: &mut Receipts, ticket: Ticket) -> String {
        let mut out = BytesMut::new();
        receipts.done(ticket, Version::V1_2, &mut out);
        String::from_utf8(out.to_vec()).expect("frames are text")
    }

    #[test]
    fn answers_in_any_order_give_each_receipt_once() {
        let mut receipts = Receipts::default();
        let first = receipts.ticket(Some("a"));
        let silent = receipts.ticket(None);
        let last = receipts.ticket(Some("b"));
        assert_eq!(
            answered(&mut receipts, last),
            "RECEIPT\nreceipt-id:b\n\n\0\n"
        );
        assert_eq!(answered(&mut receipts, last), "");
        assert_eq!(answered(&mut receipts, silent), "");
        assert_eq!(
            answered(&mut receipts, first),
            "RECEIPT\nreceipt-id:a\n\n\0\n"
        );
        assert!(receipts.is_empty());
        assert_eq!(answered(&mut receipts, first), "");
    }

    #[test]
    fn a_following_receipt_waits_for_those_before_it() {
        let mut receipts = Receipts::default();
        let mut out = BytesMut::new();
        receipts.follow(Some("now"), Version::V1_2, &mut out);
        assert_eq!(&out[..], b"RECEIPT\nreceipt-id:now\n\n\0\n");
        out.clear();
        let send = receipts.ticket(Some("send"));
        receipts.follow(Some("begin"), Version::V1_2, &mut out);
        assert!(out.is_empty());
        assert_eq!(
            answered(&mut receipts, send),
            "RECEIPT\nreceipt-id:send\n\n\0\nRECEIPT\nreceipt-id:begin\n\n\0\n"
        );
        assert!(receipts.is_empty());
    }

    #[test]
    fn the_text_of_a_refused_ticket_is_found_among_others() {
        let mut receipts = Receipts::default();
        receipts.ticket(Some("one"));
        let two = receipts.ticket(Some("two"));
        receipts.ticket(None);
        assert_eq!(receipts.text(two).as_deref(), Some("two"));
        assert_eq!(receipts.text(Ticket(99)), None);
    }
}
