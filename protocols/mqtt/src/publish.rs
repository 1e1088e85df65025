// SPDX-License-Identifier: Apache-2.0
//! Messages of the client, and its answers for messages it was sent [MQTT 5.0 §4.3].

use hind_engine::command::{ClientSessionCommand, Command, Send};
use hind_engine::id::PacketId;
use hind_engine::protocol::Outbound as Out;
use hind_engine::time::Now;

use crate::answers::Owed;
use crate::codec::{Acknowledge, Publish, Qos, Reason, Version};
use crate::convert::{self, Header};
use crate::exchange::Awaiting;
use crate::fault::Fault;
use crate::session::{SESSION, Session};
use crate::topic;

impl Session {
    /// PUBLISH.
    pub fn publish(&mut self, now: Now, publish: &Publish<'_>, out: &mut Out) -> Result<(), Fault> {
        let topic = match publish.alias {
            None => publish.topic,
            Some(alias) => self.client_aliases.get_or_insert_default().resolve(
                alias,
                publish.topic,
                self.options.topic_alias_maximum,
            )?,
        };
        if publish.qos > Qos::AtMostOnce {
            let window = match self.version {
                Version::V5 => self.options.receive_window(),
                _ => usize::MAX,
            };
            self.inbound.begin(publish, topic, window)?;
        }
        if topic::is_reserved(topic) {
            self.refuse(publish);
            return Ok(());
        }
        let destination = self.last_topic.get(topic, &self.options);
        let header = Header {
            address: &destination.address,
            client_id: &self.client_id,
            qos: publish.qos,
            retain: publish.retain,
        };
        let payload = publish.payload.to_bytes();
        let message = convert::message(header, publish.properties, payload, now);
        let is_exactly_once = publish.qos == Qos::ExactlyOnce;
        let send = Send {
            message,
            retain: publish.retain,
            packet: is_exactly_once.then_some(PacketId(publish.packet_id)),
            routing: destination.routing,
            transaction: None,
            upload: None,
            ticket: (publish.qos > Qos::AtMostOnce).then(|| self.answers.ticket()),
        };
        if let Some(owed) = answer(publish) {
            self.answers.owe(owed, Reason::Success, 1);
        }
        out.commands.push(Command::Send(SESSION, send));
        Ok(())
    }

    /// A message for a topic that belongs to the server: nothing is done, and those who can be told are told so.
    fn refuse(&mut self, publish: &Publish<'_>) {
        let reason = match self.version {
            Version::V5 => Reason::NotAuthorized,
            _ => Reason::Success,
        };
        if let Some(owed) = answer(publish) {
            self.answers.owe(owed, reason, 0);
        }
    }

    /// PUBACK: the client has a message of QoS 1. Of one that is not under way it may speak.
    pub fn acknowledged(&mut self, answer: &Acknowledge<'_>, out: &mut Out) -> Result<(), Fault> {
        match self.outbound.awaiting(answer.packet_id) {
            None => Ok(()),
            Some(Awaiting::Acknowledge) => {
                self.finish(answer.packet_id, out);
                Ok(())
            }
            Some(Awaiting::Received | Awaiting::Complete) => {
                Err(out_of_place("a PUBACK for a message of QoS 2"))
            }
        }
    }

    /// PUBREC: the client has a message of QoS 2, or refuses it.
    pub fn received(&mut self, answer: &Acknowledge<'_>, out: &mut Out) -> Result<(), Fault> {
        let id = answer.packet_id;
        match self.outbound.awaiting(id) {
            Some(Awaiting::Acknowledge) => {
                return Err(out_of_place("a PUBREC for a message of QoS 1"));
            }
            _ if answer.reason.is_error() => self.finish(id, out),
            None | Some(Awaiting::Complete) => {
                self.answers.owe(Owed::PubRel(id), Reason::Success, 0);
            }
            Some(Awaiting::Received) => {
                self.outbound.sent(id, Awaiting::Complete);
                let ticket = self.answers.ticket();
                self.answers.owe(Owed::PubRel(id), Reason::Success, 1);
                let received = ClientSessionCommand::Received(PacketId(id), ticket);
                out.commands.push(Command::ClientSession(SESSION, received));
            }
        }
        Ok(())
    }

    /// The message is done with: by its PUBACK, or because the client refuses it.
    fn finish(&mut self, packet_id: u16, out: &mut Out) {
        if self.outbound.awaiting(packet_id).is_some() {
            self.outbound.finished(packet_id);
            let acknowledge = ClientSessionCommand::Acknowledge(PacketId(packet_id), None);
            out.commands
                .push(Command::ClientSession(SESSION, acknowledge));
        }
    }

    /// PUBCOMP: the identifier of a message of QoS 2 is free.
    pub fn completed(&mut self, answer: &Acknowledge<'_>, out: &mut Out) -> Result<(), Fault> {
        let id = answer.packet_id;
        match self.outbound.awaiting(id) {
            None => Ok(()),
            Some(Awaiting::Complete) => {
                self.outbound.finished(id);
                let complete = ClientSessionCommand::Complete(PacketId(id));
                out.commands.push(Command::ClientSession(SESSION, complete));
                Ok(())
            }
            Some(Awaiting::Acknowledge | Awaiting::Received) => {
                Err(out_of_place("a PUBCOMP where another answer is awaited"))
            }
        }
    }

    /// PUBREL: the client will not send a message of QoS 2 again.
    pub fn released(&mut self, answer: &Acknowledge<'_>, out: &mut Out) {
        let ticket = self.answers.ticket();
        let owed = Owed::PubComp(answer.packet_id);
        self.answers.owe(owed, Reason::Success, 1);
        let release = ClientSessionCommand::Release(PacketId(answer.packet_id), ticket);
        out.commands.push(Command::ClientSession(SESSION, release));
    }
}

/// What a client is owed for a message.
fn answer(publish: &Publish<'_>) -> Option<Owed> {
    match publish.qos {
        Qos::AtMostOnce => None,
        Qos::AtLeastOnce => Some(Owed::PubAck(publish.packet_id)),
        Qos::ExactlyOnce => Some(Owed::PubRec(publish.packet_id)),
    }
}

fn out_of_place(what: &str) -> Fault {
    Fault::violation(Reason::ProtocolError, "MQTT 5.0 §4.3", what)
}
