// SPDX-License-Identifier: Apache-2.0
//! A client that was let in: what it has under way, and what becomes of what the engine says.

use std::sync::Arc;

use hind_engine::client_session::SessionExpiry;
use hind_engine::command::{
    ClientSessionCommand, Command, ConsumerCommand, Deliveries, Outcome, SessionCommand, Settle,
};
use hind_engine::event::{Attached, Delivery, Refusal};
use hind_engine::id::{ConsumerId, DownloadId, PacketId, SessionId, Ticket};
use hind_engine::protocol::Outbound as Out;
use hind_engine::time::Now;

use crate::alias::{ClientAliases, ServerAliases};
use crate::answers::{About, Answers, Owed};
use crate::authentication::Authentication;
use crate::codec::{Disconnect, Qos, Reason, Version};
use crate::convert::wire_qos;
use crate::delivery::{self, Reader};
use crate::exchange::{Awaiting, Inbound, Outbound};
use crate::fault::Fault;
use crate::handshake::{Hello, Terms};
use crate::options::Options;
use crate::refusal;
use crate::subscription::{Opening, Subscriber, Subscriptions};
use crate::topic::LastTopic;

/// The only session of a connection.
pub(crate) const SESSION: SessionId = SessionId(1);

/// A connected client.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) options: Arc<Options>,
    pub(crate) version: Version,
    pub(crate) client_id: Arc<str>,
    pub(crate) terms: Terms,
    /// The exchange that let it in, to be gone through again when it likes.
    pub(crate) authentication: Option<Box<Authentication>>,
    pub(crate) answers: Answers,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    pub(crate) last_topic: LastTopic,
    pub(crate) client_aliases: Option<Box<ClientAliases>>,
    server_aliases: Option<Box<ServerAliases>>,
    downloads: u64,
}

impl Session {
    /// A client whose session has been taken up: what is left of it from earlier goes on.
    pub fn begin(hello: Hello, options: Arc<Options>, attached: &Attached, out: &mut Out) -> Self {
        let aliases = hello.terms.topic_alias_maximum;
        let mut session = Self {
            options,
            version: hello.version,
            client_id: hello.client_id,
            terms: hello.terms,
            authentication: hello.authentication.map(Box::new),
            answers: Answers::default(),
            subscriptions: Subscriptions::default(),
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            last_topic: LastTopic::default(),
            client_aliases: None,
            server_aliases: (aliases > 0).then(|| Box::new(ServerAliases::new(aliases))),
            downloads: 0,
        };
        session.resume(attached, out);
        session
    }

    fn resume(&mut self, attached: &Attached, out: &mut Out) {
        for PacketId(id) in &attached.received {
            self.outbound.sent(*id, Awaiting::Complete);
            self.answers.owe(Owed::PubRel(*id), Reason::Success, 0);
        }
        for kept in &attached.subscriptions {
            let ticket = self.answers.ticket();
            let subscriber = subscriber(&self.client_id, self.terms, &self.options);
            let Opening { consumer, open, .. } =
                self.subscriptions.resume(kept, subscriber, ticket);
            self.answers
                .owe(Owed::Nothing(consumer), Reason::Success, 1);
            let open = ConsumerCommand::Open(open);
            out.commands.push(Command::Consumer(consumer, open));
        }
        self.flush(out);
    }

    /// Writes the answers that are ready.
    pub fn flush(&mut self, out: &mut Out) {
        let inbound = &mut self.inbound;
        self.answers
            .write(self.version, out.bytes.head(), |owed, reason| match owed {
                Owed::PubAck(_) => inbound.acknowledged(),
                Owed::PubRec(id) if reason.is_error() => inbound.completed(*id),
                Owed::PubComp(id) => inbound.completed(*id),
                _ => {}
            });
    }

    /// So much is owed that nothing further is to be read.
    pub fn is_full(&self) -> bool {
        self.answers.is_full()
    }

    /// The client leaves [MQTT 5.0 §3.14.4]. The session is closed rather than left to end with the socket, because what a
    /// client that says good-bye has not acknowledged goes back without counting as an attempt.
    pub fn leave(&self, disconnect: &Disconnect, out: &mut Out) -> Result<(), Fault> {
        if self.terms.session_expiry == 0 && disconnect.session_expiry.unwrap_or(0) > 0 {
            return Err(Fault::violation(
                Reason::ProtocolError,
                "MQTT 5.0 §3.14.2.2.2",
                "a session that was to end with the connection is to be kept after all",
            ));
        }
        let leave = ClientSessionCommand::Leave {
            will: disconnect.reason != Reason::Success,
            expiry: disconnect.session_expiry.map(SessionExpiry),
        };
        out.commands.push(Command::ClientSession(SESSION, leave));
        out.commands
            .push(Command::Session(SESSION, SessionCommand::Close));
        Ok(())
    }

    /// The engine has done what was asked for.
    pub fn done(&mut self, ticket: Ticket, out: &mut Out) {
        if let Some(About::Unsubscription(consumer)) = self.answers.answered(ticket, |_| None) {
            self.subscriptions.remove(consumer);
        }
        self.flush(out);
    }

    /// The engine has not done it. A fault, if that ends the connection.
    pub fn refused(
        &mut self,
        ticket: Option<Ticket>,
        refusal: &Refusal,
        out: &mut Out,
    ) -> Option<Fault> {
        if matches!(refusal, Refusal::Stopping | Refusal::StorageFailure) {
            let text = refusal.to_string();
            return Some(Fault::refused(Reason::ServerShuttingDown, text));
        }
        let Some(ticket) = ticket else {
            return self.refused_unasked(refusal);
        };
        let (version, options) = (self.version, &self.options);
        let mut fault = None;
        let about = self.answers.answered(ticket, |about| match about {
            About::Publish => {
                let verdict = Verdict::of(version, options, refusal);
                fault = verdict.fault(refusal);
                verdict.reason()
            }
            // The identifier is free already, which is what the client wants to hear.
            About::Exchange => None,
            About::Subscription(..) => Some(refusal::of_subscribe(refusal)),
            About::Unsubscription(_) => Some(match refusal {
                Refusal::Unknown(_) => Reason::NoSubscriptionExisted,
                refusal => refusal::of_subscribe(refusal),
            }),
        });
        if let Some(About::Subscription(consumer, true) | About::Unsubscription(consumer)) = about {
            self.subscriptions.remove(consumer);
        }
        if fault.is_none() {
            self.flush(out);
        }
        fault
    }

    /// A message of QoS 0 was refused: it may be lost, and nothing is said of it, except that a client of MQTT 3.1.1 that
    /// must not publish there may lose its connection.
    fn refused_unasked(&self, refusal: &Refusal) -> Option<Fault> {
        match (refusal, self.version) {
            (Refusal::NotAuthorized { .. }, Version::V3_1_1) => {
                Verdict::of(self.version, &self.options, refusal).fault(refusal)
            }
            _ => None,
        }
    }

    /// A message for one of the subscriptions.
    pub fn deliver(&mut self, now: Now, delivery: &Delivery, out: &mut Out) {
        let written = self.write_head(now, delivery, out);
        if written && let Some(body) = delivery.message.body.inline() {
            out.bytes.payload(body);
        }
        self.delivered(delivery, written, out);
    }

    /// Appends the PUBLISH of a delivery up to its payload. `false`, and nothing: its subscription is gone, it is sent for
    /// another one, or the packet is larger than the client takes.
    pub fn write_head(&mut self, now: Now, delivery: &Delivery, out: &mut Out) -> bool {
        let subscriber = subscriber(&self.client_id, self.terms, &self.options);
        let label = self
            .subscriptions
            .label(delivery.consumer, &delivery.message, subscriber);
        let Some(label) = label else {
            return false;
        };
        let reader = Reader {
            version: self.version,
            packet_max: self.terms.packet_max,
            aliases: self.server_aliases.as_deref_mut(),
            options: &self.options,
        };
        delivery::write_head(delivery, &label, reader, now, &mut out.bytes)
    }

    /// All of a message has gone out; or it was not written, which counts as if it had been sent and acknowledged
    /// [MQTT-3.1.2-25].
    pub fn delivered(&mut self, delivery: &Delivery, written: bool, out: &mut Out) {
        let consumer = delivery.consumer;
        if let Some(subscription) = self.subscriptions.of(consumer)
            && let Some(credit) = subscription.written(delivery.message.whole_size())
        {
            let credit = ConsumerCommand::Credit(credit);
            out.commands.push(Command::Consumer(consumer, credit));
        }
        let Some(packet) = delivery.packet else {
            if delivery.message.body.large().is_some() {
                // Of no use to anybody any more; smaller ones left their queue when they were given to this client.
                let settle = ConsumerCommand::Settle(Settle {
                    deliveries: Deliveries::One(delivery.delivery),
                    outcome: Outcome::Accepted,
                    transaction: None,
                    ticket: None,
                });
                out.commands.push(Command::Consumer(consumer, settle));
            }
            return;
        };
        if written {
            let awaiting = match wire_qos(packet.qos) {
                Qos::ExactlyOnce => Awaiting::Received,
                _ => Awaiting::Acknowledge,
            };
            self.outbound.sent(packet.id.0, awaiting);
        } else {
            let acknowledge = ClientSessionCommand::Acknowledge(packet.id, None);
            out.commands
                .push(Command::ClientSession(SESSION, acknowledge));
        }
    }

    /// A number for a download.
    pub fn download_id(&mut self) -> DownloadId {
        self.downloads += 1;
        DownloadId(self.downloads)
    }

    /// A consumer is gone: its queue was deleted. The client has to subscribe again, which it cannot be told otherwise.
    pub fn detached(&mut self, consumer: ConsumerId, refusal: &Refusal) -> Option<Fault> {
        let filter = self.subscriptions.remove(consumer)?;
        Some(Fault::refused(
            Reason::AdministrativeAction,
            format!("the subscription {filter} is closed by the broker: {refusal}"),
        ))
    }
}

/// For whom subscriptions are opened.
pub(crate) fn subscriber<'a>(
    client_id: &'a str,
    terms: Terms,
    options: &'a Options,
) -> Subscriber<'a> {
    Subscriber {
        client_id,
        session: SESSION,
        is_kept: terms.session_expiry > 0,
        options,
    }
}

/// What a client is told whose message was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// That it was taken: the older versions have no other answer.
    Taken,
    /// Why it was not.
    Because(Reason),
    /// Nothing: it loses its connection.
    Lost,
}

impl Verdict {
    /// As the version can say, and the acceptor's options want.
    pub fn of(version: Version, options: &Options, refusal: &Refusal) -> Self {
        let forbidden = matches!(refusal, Refusal::NotAuthorized { .. });
        match version {
            Version::V5 => Self::Because(refusal::of_publish(refusal)),
            Version::V3_1 if forbidden => Self::Taken,
            Version::V3_1_1 if forbidden && !options.close_on_publish_authorization_failure => {
                Self::Taken
            }
            _ => Self::Lost,
        }
    }

    /// What the answer says instead of success.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Because(reason) => Some(reason),
            Self::Taken | Self::Lost => None,
        }
    }

    fn fault(self, refusal: &Refusal) -> Option<Fault> {
        (self == Self::Lost)
            .then(|| Fault::refused(refusal::of_publish(refusal), refusal.to_string()))
    }
}
