// SPDX-License-Identifier: Apache-2.0
//! What a client that was let in may do: one method per frame, one per event.

use std::sync::Arc;

use bytes::Bytes;
use hind_engine::command::{
    Command, ConsumerCommand, Credit, Deliveries, Outcome, ResourceCommand, Send, SessionCommand,
    Settle, TransactionCommand,
};
use hind_engine::event::{Delivery, Refusal};
use hind_engine::id::{ConsumerId, DownloadId, SessionId, Ticket, UploadId};
use hind_engine::protocol::Outbound;
use hind_engine::security::user::Identity;
use hind_engine::time::Now;

use crate::codec::{ClientCommand, Frame, Version};
use crate::convert::{self, SendHead};
use crate::delivery;
use crate::destination::LastDestination;
use crate::download::Download;
use crate::fault::Fault;
use crate::held::Held;
use crate::options::Options;
use crate::receipt::Receipts;
use crate::refusal;
use crate::subscription::{Answer, Subscription, Subscriptions};
use crate::transaction::Transactions;
use crate::upload::Upload;

/// The engine session of a connection: STOMP has exactly one.
const SESSION: SessionId = SessionId(1);

/// The conversation with one client, from CONNECTED on.
#[derive(Debug)]
pub(crate) struct Session {
    options: Arc<Options>,
    /// The version agreed on.
    pub version: Version,
    client_id: Option<Arc<str>>,
    receipts: Receipts,
    subscriptions: Subscriptions,
    transactions: Transactions,
    last_destination: LastDestination,
    /// The SEND whose body is arriving.
    upload: Option<Upload>,
    /// While producers wait: its SENDs, and what comes behind them.
    pub held: Held,
    /// How many large bodies have begun to move, in either direction.
    transfers: u64,
    /// The next `amqMessageId`.
    message_id: u128,
}

impl Session {
    /// Opens the engine's session.
    pub fn open(
        options: Arc<Options>,
        version: Version,
        identity: Identity,
        client_id: Option<String>,
        first_message_id: u128,
        out: &mut Outbound,
    ) -> Self {
        let client_id: Option<Arc<str>> = client_id.map(Arc::from);
        let open = SessionCommand::Open {
            identity,
            client_id: client_id.clone(),
        };
        out.commands.push(Command::Session(SESSION, open));
        Self {
            options,
            version,
            client_id,
            receipts: Receipts::default(),
            subscriptions: Subscriptions::default(),
            transactions: Transactions::default(),
            last_destination: LastDestination::default(),
            upload: None,
            held: Held::default(),
            transfers: 0,
            message_id: first_message_id,
        }
    }

    /// Carries out a frame other than CONNECT and DISCONNECT, which are the connection's.
    pub fn frame(&mut self, now: Now, frame: Frame<'_>, out: &mut Outbound) -> Result<(), Fault> {
        match frame.command {
            ClientCommand::Send => self.send(now, frame, out),
            ClientCommand::Ack | ClientCommand::Nack => self.answer(&frame, out),
            ClientCommand::Subscribe => self.subscribe(&frame, out),
            ClientCommand::Unsubscribe => self.unsubscribe(&frame, out),
            ClientCommand::Begin => self.begin(&frame, out),
            ClientCommand::Commit | ClientCommand::Abort => self.end(&frame, out),
            ClientCommand::Connect | ClientCommand::Stomp => Err(Fault::unsupported_command(
                frame.command.name(),
                "This connection is already established.",
            )),
            ClientCommand::Disconnect => {
                self.disconnect(&frame, out);
                Ok(())
            }
        }
    }

    fn send(&mut self, now: Now, frame: Frame<'_>, out: &mut Outbound) -> Result<(), Fault> {
        let head = SendHead::read(&frame, now)?;
        let destination = match head.destination {
            Some(text) if !text.is_empty() => self.last_destination.get(text, &self.options),
            text => {
                return Err(Fault::violation(
                    "STOMP 1.2 §SEND",
                    format!(
                        "AMQ339001: Destination does not exist: {}",
                        text.unwrap_or("null")
                    ),
                    "The header destination is missing or empty.",
                ));
            }
        };
        let transaction = self
            .transactions
            .of(ClientCommand::Send, head.transaction)?;
        let message_id = self.options.message_id_enabled.then(|| {
            self.message_id += 1;
            format!("STOMP{}", self.message_id)
        });
        let (follows, sized) = (frame.body_follows, frame.has_content_length);
        let size = frame.size();
        let message = convert::message(frame, &head, destination, message_id.as_deref(), now);
        let send = Send {
            message,
            routing: head.routing.or(destination.routing),
            transaction,
            retain: false,
            packet: None,
            upload: None,
            ticket: self.receipts.ticket_if_asked(head.receipt),
        };
        if follows {
            self.transfers += 1;
            let id = UploadId(self.transfers);
            let (upload, begin) = Upload::begin(id, SESSION, send, sized);
            self.upload = Some(upload);
            out.commands.push(begin);
        } else {
            let send = Command::Send(SESSION, send);
            self.held.send(send, size, &mut out.commands);
        }
        Ok(())
    }

    /// The next part of the body of the last SEND.
    pub fn body_part(&mut self, part: Bytes, out: &mut Outbound) {
        out.commands
            .extend(self.upload.as_mut().map(|upload| upload.append(part)));
    }

    /// The body of the last SEND has ended: it is sent when it is on the disk, and nothing is read before.
    pub fn body_end(&mut self, out: &mut Outbound) {
        if let Some(upload) = &mut self.upload {
            let ticket = self.receipts.ticket(None);
            out.commands.push(upload.end(ticket));
        }
    }

    /// More of that body is on the disk.
    pub fn uploaded(&mut self, bytes: u64) {
        if let Some(upload) = &mut self.upload {
            upload.written(bytes);
        }
    }

    /// The body of a SEND is arriving.
    pub fn is_uploading(&self) -> bool {
        self.upload.is_some()
    }

    fn answer(&mut self, frame: &Frame<'_>, out: &mut Outbound) -> Result<(), Fault> {
        if frame.command == ClientCommand::Nack && self.version == Version::V1_0 {
            return Err(Fault::unsupported_command("NACK", "STOMP 1.0 has no NACK."));
        }
        let transaction = self
            .transactions
            .of(frame.command, frame.header("transaction"))?;
        let mut answer = self
            .subscriptions
            .answer(frame, self.version, transaction)?;
        answer.settle.ticket = self.receipts.ticket_if_asked(frame.header("receipt"));
        settle(&answer, out);
        Ok(())
    }

    fn subscribe(&mut self, frame: &Frame<'_>, out: &mut Outbound) -> Result<(), Fault> {
        let (consumer, mut open) =
            self.subscriptions
                .open(frame, &self.options, self.client_id.as_deref(), SESSION)?;
        open.ticket = self.receipts.ticket(frame.header("receipt"));
        let open = Command::Consumer(consumer, ConsumerCommand::Open(Box::new(open)));
        self.held
            .behind_sends(open, frame.size(), &mut out.commands);
        Ok(())
    }

    fn unsubscribe(&mut self, frame: &Frame<'_>, out: &mut Outbound) -> Result<(), Fault> {
        let removal = self
            .subscriptions
            .remove(frame, self.version, self.client_id.as_deref())?;
        let mut receipt = frame.header("receipt");
        if let Some(consumer) = removal.consumer {
            // With a queue to delete the receipt stands for both, and the second comes last.
            let ticket = match removal.queue {
                Some(_) => None,
                None => self.receipts.ticket_if_asked(receipt.take()),
            };
            let close = Command::Consumer(consumer, ConsumerCommand::Close(ticket));
            self.ask_behind(self.held.opens(Some(consumer)), close, out);
        }
        if let Some(queue) = removal.queue {
            let ticket = self.receipts.ticket(receipt);
            let delete = ResourceCommand::DeleteQueue { queue };
            // A subscription that waits may be its own.
            let delete = Command::Resource(SESSION, delete, ticket);
            self.ask_behind(self.held.opens(None), delete, out);
        }
        Ok(())
    }

    /// Asks for something at once, or after the SENDs that wait.
    fn ask_behind(&mut self, sends: bool, command: Command, out: &mut Outbound) {
        if sends {
            self.held.behind_sends(command, 0, &mut out.commands);
        } else {
            out.commands.push(command);
        }
    }

    fn begin(&mut self, frame: &Frame<'_>, out: &mut Outbound) -> Result<(), Fault> {
        out.commands.push(self.transactions.begin(frame, SESSION)?);
        self.receipts
            .follow(frame.header("receipt"), self.version, out.bytes.head());
        Ok(())
    }

    fn end(&mut self, frame: &Frame<'_>, out: &mut Outbound) -> Result<(), Fault> {
        let (transaction, sends) = self.transactions.end(frame)?;
        let ticket = self.receipts.ticket_if_asked(frame.header("receipt"));
        let command = match frame.command {
            ClientCommand::Commit => TransactionCommand::Commit(ticket),
            _ => TransactionCommand::Rollback(ticket),
        };
        self.ask_behind(sends, Command::Transaction(transaction, command), out);
        Ok(())
    }

    /// A receipt for DISCONNECT says that everything before it is done [1.2 §DISCONNECT]. Frames without receipt have no
    /// ticket, so an empty transaction stands at the end of the queue: a session's answers come in order, and the
    /// answer to its commit is not given before everything the session caused is durable.
    ///
    /// The session is closed rather than left to end with the socket, because what a client that says good-bye has not
    /// acknowledged goes back without counting as an attempt. Open transactions end with it [1.2 §BEGIN].
    fn disconnect(&mut self, frame: &Frame<'_>, out: &mut Outbound) {
        let receipt = frame.header("receipt");
        if receipt.is_some() {
            let barrier = self.transactions.number();
            let ticket = self.receipts.ticket(receipt);
            let commands = [
                TransactionCommand::Begin(SESSION),
                TransactionCommand::Commit(Some(ticket)),
            ];
            out.commands
                .extend(commands.map(|command| Command::Transaction(barrier, command)));
        }
        out.commands
            .push(Command::Session(SESSION, SessionCommand::Close));
    }

    /// A message for one of the subscriptions; for one that is closed it is dropped, the engine takes it back.
    pub fn deliver(&mut self, delivery: &Delivery, out: &mut Outbound) {
        let Some(subscription) = self.subscriptions.of(delivery.consumer) else {
            return;
        };
        delivery::write(delivery, subscription, self.version, &mut out.bytes);
        went_out(subscription, delivery, out);
    }

    /// Begins to send a message whose body comes from a file; nothing, if its subscription is closed.
    pub fn begin_download(&mut self, delivery: Delivery, out: &mut Outbound) -> Option<Download> {
        self.subscriptions.of(delivery.consumer)?;
        let body = delivery.message.body.large()?;
        self.transfers += 1;
        let id = DownloadId(self.transfers);
        Some(Download::begin(id, delivery, body, &mut out.commands))
    }

    /// Appends the head of such a message. `false`, and nothing: its subscription has been closed.
    pub fn write_head(&mut self, delivery: &Delivery, out: &mut Outbound) -> bool {
        let Some(subscription) = self.subscriptions.of(delivery.consumer) else {
            return false;
        };
        delivery::write_head(delivery, subscription, self.version, &mut out.bytes);
        true
    }

    /// A message turned out to be gone before it was sent.
    pub fn lost(&mut self, delivery: &Delivery, out: &mut Outbound) {
        let subscription = self.subscriptions.of(delivery.consumer);
        let bytes = delivery.message.whole_size();
        if let Some(credit) = subscription.and_then(|subscription| subscription.lost(bytes)) {
            give_credit(delivery.consumer, credit, out);
        }
    }

    /// A message is not sent: the engine is to look at it again.
    pub fn give_back(&mut self, delivery: &Delivery, out: &mut Outbound) {
        if self.subscriptions.of(delivery.consumer).is_some() {
            let settle = Settle {
                deliveries: Deliveries::One(delivery.delivery),
                outcome: Outcome::Released,
                transaction: None,
                ticket: None,
            };
            let settle = ConsumerCommand::Settle(settle);
            out.commands
                .push(Command::Consumer(delivery.consumer, settle));
            self.lost(delivery, out);
        }
    }

    /// All of a message has gone out.
    pub fn delivered(&mut self, delivery: &Delivery, out: &mut Outbound) {
        if let Some(subscription) = self.subscriptions.of(delivery.consumer) {
            went_out(subscription, delivery, out);
        }
    }

    /// The engine has done something that was asked for.
    pub fn done(&mut self, ticket: Ticket, out: &mut Outbound) {
        if let Some(upload) = self.upload.take_if(|upload| upload.ends_with(ticket)) {
            out.commands.push(Command::Send(SESSION, upload.finish()));
        }
        self.receipts.done(ticket, self.version, out.bytes.head());
    }

    /// The engine has refused: the fault, and the receipt that was asked for.
    pub fn refused(
        &mut self,
        ticket: Option<Ticket>,
        refusal: &Refusal,
    ) -> (Fault, Option<String>) {
        let receipt = ticket.and_then(|ticket| self.receipts.text(ticket));
        (refusal::fault(refusal), receipt)
    }

    /// A consumer is gone: the client cannot be told but by an ERROR. Nothing, if it had closed it itself.
    pub fn detached(&mut self, consumer: ConsumerId, refusal: &Refusal) -> Option<Fault> {
        let subscription = self.subscriptions.of(consumer)?;
        Some(Fault {
            detail: format!(
                "The subscription {} is closed by the broker.",
                subscription.id
            ),
            ..refusal::fault(refusal)
        })
    }

    /// It has subscriptions: what it acknowledges may be what producers wait for.
    pub fn consumes(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Nothing is left to be answered.
    pub fn is_answered(&self) -> bool {
        self.receipts.is_empty()
    }

    /// So much is unanswered that no further frame is to be read.
    pub fn is_full(&self) -> bool {
        self.receipts.is_full() || self.upload.as_ref().is_some_and(Upload::must_wait)
    }
}

/// Asks for what an answer comes to. Credit stands behind the last of a run of answers, once for all of them.
fn settle(answer: &Answer, out: &mut Outbound) {
    let consumer = answer.consumer;
    let before = match out.commands.last() {
        Some(Command::Consumer(of, ConsumerCommand::Credit(credit))) if *of == consumer => {
            Some(*credit)
        }
        _ => None,
    };
    if before.is_some() {
        out.commands.pop();
    }
    let settle = ConsumerCommand::Settle(answer.settle);
    out.commands.push(Command::Consumer(consumer, settle));
    let credit = match (before, answer.credit) {
        (Some(before), Some(credit)) => Some(Credit {
            messages: before.messages.saturating_add(credit.messages),
            bytes: before.bytes.saturating_add(credit.bytes),
        }),
        (before, credit) => before.or(credit),
    };
    if let Some(credit) = credit {
        let credit = ConsumerCommand::Credit(credit);
        out.commands.push(Command::Consumer(consumer, credit));
    }
}

/// A message has gone out: the client will answer for it, or it counts as consumed.
fn went_out(subscription: &mut Subscription, delivery: &Delivery, out: &mut Outbound) {
    let bytes = delivery.message.whole_size();
    if !subscription.is_auto() {
        subscription.sent(delivery.delivery, delivery.message.id, bytes);
        return;
    }
    accept_up_to(delivery, out);
    if let Some(credit) = subscription.sent_for_good(bytes) {
        give_credit(delivery.consumer, credit, out);
    }
}

fn give_credit(consumer: ConsumerId, credit: Credit, out: &mut Outbound) {
    let credit = ConsumerCommand::Credit(credit);
    out.commands.push(Command::Consumer(consumer, credit));
}

/// Says that a delivery in ack mode auto is consumed: together with the one before, if that was just said.
fn accept_up_to(delivery: &Delivery, out: &mut Outbound) {
    let deliveries = Deliveries::UpTo(delivery.delivery);
    if let Some(Command::Consumer(consumer, ConsumerCommand::Settle(last))) =
        out.commands.last_mut()
        && *consumer == delivery.consumer
        && last.outcome == Outcome::Accepted
        && last.ticket.is_none()
        && last.transaction.is_none()
    {
        last.deliveries = deliveries;
        return;
    }
    let settle = Settle {
        deliveries,
        outcome: Outcome::Accepted,
        transaction: None,
        ticket: None,
    };
    out.commands.push(Command::Consumer(
        delivery.consumer,
        ConsumerCommand::Settle(settle),
    ));
}
