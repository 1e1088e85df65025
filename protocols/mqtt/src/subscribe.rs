// SPDX-License-Identifier: Apache-2.0
//! SUBSCRIBE and UNSUBSCRIBE [MQTT 5.0 §3.8, §3.10].

use hind_engine::command::{ClientSessionCommand, Command, ConsumerCommand};
use hind_engine::id::ConsumerId;
use hind_engine::protocol::Outbound as Out;
use smallvec::SmallVec;

use crate::answers::{About, Grant, Grants, Owed};
use crate::codec::{Qos, Reason, Subscribe, SubscribeEntry, Unsubscribe, filter_parts};
use crate::session::{SESSION, Session, subscriber};
use crate::subscription::{Opening, Wish};
use crate::topic;

impl Session {
    /// SUBSCRIBE: each filter is answered for on its own [MQTT-3.8.4-6].
    pub fn subscribe(&mut self, subscribe: &Subscribe<'_>, out: &mut Out) {
        let mut filters = SmallVec::with_capacity(subscribe.entries.len());
        let mut tickets = 0;
        for entry in &subscribe.entries {
            let grant = self.subscribe_to(entry, subscribe.identifier, out);
            tickets += u16::from(grant.ticket.is_some());
            filters.push(grant);
        }
        let grants = Grants {
            packet_id: subscribe.packet_id,
            filters,
        };
        let owed = Owed::SubAck(Box::new(grants));
        self.answers.owe(owed, Reason::Success, tickets);
    }

    fn subscribe_to(
        &mut self,
        entry: &SubscribeEntry<'_>,
        identifier: Option<u32>,
        out: &mut Out,
    ) -> Grant {
        if topic::is_internal(filter_parts(entry.filter).filter) {
            return Grant {
                reason: Reason::NotAuthorized,
                about: About::Subscription(ConsumerId(0), false),
                ticket: None,
            };
        }
        let ticket = self.answers.ticket();
        let subscriber = subscriber(&self.client_id, self.terms, &self.options);
        let wish = Wish::of(entry, identifier);
        let Opening {
            consumer,
            is_new,
            open,
        } = self
            .subscriptions
            .subscribe(entry.filter, wish, subscriber, ticket);
        let command = match is_new {
            true => ConsumerCommand::Open(open),
            false => ConsumerCommand::Reopen(open),
        };
        out.commands.push(Command::Consumer(consumer, command));
        Grant {
            reason: granted(entry.qos),
            about: About::Subscription(consumer, is_new),
            ticket: Some(ticket),
        }
    }

    /// UNSUBSCRIBE.
    pub fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>, out: &mut Out) {
        let mut filters = SmallVec::with_capacity(unsubscribe.filters.len());
        let mut tickets = 0;
        for filter in &unsubscribe.filters {
            let consumer = self.subscriptions.unsubscribe(filter);
            let ticket = consumer.map(|_| self.answers.ticket());
            if let (Some(consumer), Some(ticket)) = (consumer, ticket) {
                tickets += 1;
                let end = ClientSessionCommand::Unsubscribe(consumer, ticket);
                out.commands.push(Command::ClientSession(SESSION, end));
            }
            filters.push(Grant {
                reason: match consumer {
                    Some(_) => Reason::Success,
                    None => Reason::NoSubscriptionExisted,
                },
                about: About::Unsubscription(consumer.unwrap_or_default()),
                ticket,
            });
        }
        let grants = Grants {
            packet_id: unsubscribe.packet_id,
            filters,
        };
        let owed = Owed::UnsubAck(Box::new(grants));
        self.answers.owe(owed, Reason::Success, tickets);
    }
}

const fn granted(qos: Qos) -> Reason {
    match qos {
        Qos::AtMostOnce => Reason::Success,
        Qos::AtLeastOnce => Reason::GrantedQos1,
        Qos::ExactlyOnce => Reason::GrantedQos2,
    }
}
