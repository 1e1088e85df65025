// SPDX-License-Identifier: Apache-2.0
//! The verbs of scenarios about client sessions: what an MQTT machine asks of the engine.

use std::sync::Arc;

use hind_engine::address::routing_type::RoutingType::Multicast;
use hind_engine::client_session::{ClientSubscription, SessionExpiry, Will};
use hind_engine::command::*;
use hind_engine::id::*;
use hind_engine::message::{Message, Published, Qos};

use crate::broker::*;

/// A message as client `"p"` publishes it.
pub(crate) fn published(address: &str, body: &str, qos: Qos) -> Message {
    published_by("p", address, body, qos)
}

pub(crate) fn published_by(client_id: &str, address: &str, body: &str, qos: Qos) -> Message {
    let mut message = message(address, body);
    message.durable = qos != Qos::AtMostOnce;
    message.published = Some(Published {
        client_id: client_id.into(),
        qos,
        retain: false,
        stored: false,
    });
    message
}

pub(crate) fn attach(client_id: &str) -> Attach {
    Attach {
        client_id: client_id.into(),
        clean: false,
        expiry: SessionExpiry::NEVER,
        window: 10,
        will: None,
        take_over: true,
        ticket: Ticket(0),
    }
}

pub(crate) fn will(address: &str, delay_s: u32) -> Option<Box<Will>> {
    Some(Box::new(Will {
        message: published(address, "gone", Qos::AtLeastOnce),
        routing: Some(Multicast),
        retain: false,
        delay_s,
    }))
}

impl Broker {
    /// Connects and takes up a client session; what the answer says.
    pub(crate) fn attach(&mut self, client: u64, attach: Attach) -> Vec<String> {
        self.connect(client, "a");
        self.session(client, ClientSessionCommand::Attach(Box::new(attach)));
        self.told(client)
    }

    pub(crate) fn session(&mut self, client: u64, command: ClientSessionCommand) {
        self.ask(client, Command::ClientSession(SESSION, command));
    }

    pub(crate) fn lose(&mut self, client: u64) {
        self.input(hind_ha::input::Input::Disconnected(ConnectionId(client)));
        self.told(client);
    }

    /// Subscribes as the client of that id, on a queue of its own; what it is told.
    pub(crate) fn subscribe(
        &mut self,
        client: u64,
        consumer: u64,
        client_id: &str,
        filter: &str,
        qos: Qos,
    ) -> Vec<String> {
        self.subscribe_with(client, consumer, client_id, filter, qos, |_| {})
    }

    pub(crate) fn subscribe_with(
        &mut self,
        client: u64,
        consumer: u64,
        client_id: &str,
        filter: &str,
        qos: Qos,
        change: impl FnOnce(&mut ConsumerOpen),
    ) -> Vec<String> {
        self.consume_with(client, consumer, filter, Some(Multicast), |open| {
            *open = subscription(open.clone(), client_id, filter, qos);
            change(open);
        });
        self.told(client)
    }

    pub(crate) fn publish(&mut self, client: u64, message: Message) -> Ticket {
        self.send(client, message, Some(Multicast))
    }

    pub(crate) fn retain(&mut self, client: u64, mut message: Message) -> Ticket {
        if let Some(published) = &mut message.published {
            published.retain = true;
        }
        let ticket = self.ticket();
        let send = Send {
            message,
            retain: true,
            packet: None,
            routing: Some(Multicast),
            transaction: None,
            upload: None,
            ticket: Some(ticket),
        };
        self.ask(client, Command::Send(SESSION, send));
        ticket
    }

    /// A QoS 2 message under that packet id.
    pub(crate) fn publish_once(&mut self, client: u64, packet: u16, message: Message) -> Ticket {
        let ticket = self.ticket();
        let send = Send {
            message,
            retain: false,
            packet: Some(PacketId(packet)),
            routing: Some(Multicast),
            transaction: None,
            upload: None,
            ticket: Some(ticket),
        };
        self.ask(client, Command::Send(SESSION, send));
        ticket
    }

    pub(crate) fn puback(&mut self, client: u64, packet: u16) -> Vec<String> {
        let command = ClientSessionCommand::Acknowledge(PacketId(packet), None);
        self.session(client, command);
        self.told(client)
    }

    pub(crate) fn pubrec(&mut self, client: u64, packet: u16) -> Vec<String> {
        let command = ClientSessionCommand::Received(PacketId(packet), Ticket(900));
        self.session(client, command);
        self.told(client)
    }

    pub(crate) fn pubcomp(&mut self, client: u64, packet: u16) -> Vec<String> {
        self.session(client, ClientSessionCommand::Complete(PacketId(packet)));
        self.told(client)
    }

    pub(crate) fn pubrel(&mut self, client: u64, packet: u16) -> Vec<String> {
        let command = ClientSessionCommand::Release(PacketId(packet), Ticket(901));
        self.session(client, command);
        self.told(client)
    }
}

/// The particulars of a subscription with a durable queue of its own.
pub(crate) fn subscription(
    open: ConsumerOpen,
    client_id: &str,
    filter: &str,
    qos: Qos,
) -> ConsumerOpen {
    ConsumerOpen {
        subscription: Subscription::Named {
            queue: Arc::from(format!("{client_id}.{filter}")),
            durable: true,
            shared: false,
        },
        settling: Settling::ByPacket(qos),
        kept: Some(Box::new(ClientSubscription {
            filter: filter.into(),
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: 0,
            identifier: None,
        })),
        ticket: Ticket(800),
        ..open
    }
}
