// SPDX-License-Identifier: Apache-2.0
//! What a client is owed: answers wait for the engine, and go out in the order of what they answer.

use std::collections::VecDeque;

use bytes::BytesMut;
use hind_engine::id::{ConsumerId, Ticket};
use smallvec::SmallVec;

use crate::codec::{self, Kind, Reason, Version};

/// A packet that is owed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Owed {
    /// PUBACK for a message of the client.
    PubAck(u16),
    /// PUBREC for a message of the client.
    PubRec(u16),
    /// PUBREL for a message to the client.
    PubRel(u16),
    /// PUBCOMP for a message of the client.
    PubComp(u16),
    /// SUBACK.
    SubAck(Box<Grants>),
    /// UNSUBACK.
    UnsubAck(Box<Grants>),
    /// Nothing: it was the broker's own doing, for a consumer.
    Nothing(ConsumerId),
}

/// What becomes of each filter of a SUBSCRIBE or UNSUBSCRIBE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Grants {
    /// Of the packet.
    pub packet_id: u16,
    /// In the order of the filters.
    pub filters: SmallVec<[Grant; 2]>,
}

/// What becomes of one filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Grant {
    /// What will be said, if nothing goes wrong.
    pub reason: Reason,
    /// What the engine is asked for.
    pub about: About,
    /// What the engine answers with, if it is asked.
    pub ticket: Option<Ticket>,
}

/// The packets that are owed, oldest first.
///
/// *Invariants*: the tickets of an entry are those from its `first` up to that of the next one; they count up without
/// gaps over all entries. An entry goes out when none of its own tickets is unanswered, and none of any entry before it
/// [MQTT-4.6.0-2, MQTT-4.6.0-3, MQTT-4.6.0-4].
#[derive(Debug, Default)]
pub(crate) struct Answers {
    entries: VecDeque<Entry>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    owed: Owed,
    reason: Reason,
    unanswered: u16,
    first: u64,
}

/// What an answer is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// A message of the client.
    Publish,
    /// A later step of a message of QoS 2, in either direction.
    Exchange,
    /// A subscription: its consumer, and whether it is new.
    Subscription(ConsumerId, bool),
    /// The end of a subscription.
    Unsubscription(ConsumerId),
}

impl Answers {
    /// So many packets may be owed; then nothing further is read until some have gone out.
    const OWED: usize = 4096;

    /// The next ticket to be given away; whoever takes it owes a packet next.
    pub fn ticket(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next - 1)
    }

    /// A packet is owed from now on, for the last so many tickets; without any, when those before it have gone.
    pub fn owe(&mut self, owed: Owed, reason: Reason, tickets: u16) {
        self.entries.push_back(Entry {
            owed,
            reason,
            unanswered: tickets,
            first: self.next - u64::from(tickets),
        });
    }

    /// The engine has answered. `refused` says what is to be said instead, if it did not do what was asked; it is told what
    /// that was.
    pub fn answered(
        &mut self,
        ticket: Ticket,
        refused: impl FnOnce(About) -> Option<Reason>,
    ) -> Option<About> {
        let after = self
            .entries
            .partition_point(|entry| entry.first <= ticket.0);
        // An entry without tickets begins where the next one does.
        let waiting = |entry: &&mut Entry| entry.unanswered > 0;
        let entry = self.entries.range_mut(..after).rev().find(waiting)?;
        entry.unanswered -= 1;
        let (about, said) = match &mut entry.owed {
            Owed::SubAck(grants) | Owed::UnsubAck(grants) => {
                let asked = |grant: &&mut Grant| grant.ticket == Some(ticket);
                let grant = grants.filters.iter_mut().find(asked)?;
                (grant.about, &mut grant.reason)
            }
            Owed::Nothing(consumer) => (About::Subscription(*consumer, true), &mut entry.reason),
            Owed::PubAck(_) | Owed::PubRec(_) => (About::Publish, &mut entry.reason),
            Owed::PubRel(_) | Owed::PubComp(_) => (About::Exchange, &mut entry.reason),
        };
        if let Some(reason) = refused(about) {
            *said = reason;
        }
        Some(about)
    }

    /// Writes what is ready. `sent` is told of each packet.
    pub fn write(
        &mut self,
        version: Version,
        out: &mut BytesMut,
        mut sent: impl FnMut(&Owed, Reason),
    ) {
        while let Some(entry) = self.entries.front()
            && entry.unanswered == 0
        {
            entry.put(version, out);
            sent(&entry.owed, entry.reason);
            self.entries.pop_front();
        }
        if self.entries.is_empty() && self.entries.capacity() > 64 {
            self.entries.shrink_to(64);
        }
    }

    /// So much is owed that nothing further is to be read.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= Self::OWED
    }
}

impl Entry {
    fn put(&self, version: Version, out: &mut BytesMut) {
        let mut acknowledge =
            |kind, packet_id| codec::acknowledge(kind, packet_id, self.reason, version, out);
        match &self.owed {
            Owed::PubAck(id) => acknowledge(Kind::PubAck, *id),
            Owed::PubRec(id) => acknowledge(Kind::PubRec, *id),
            Owed::PubRel(id) => acknowledge(Kind::PubRel, *id),
            Owed::PubComp(id) => acknowledge(Kind::PubComp, *id),
            Owed::SubAck(grants) => {
                codec::sub_ack(grants.packet_id, &grants.reasons(), version, out)
            }
            Owed::UnsubAck(grants) => {
                codec::unsub_ack(grants.packet_id, &grants.reasons(), version, out);
            }
            Owed::Nothing(_) => {}
        }
    }
}

impl Grants {
    fn reasons(&self) -> SmallVec<[Reason; 16]> {
        self.filters.iter().map(|grant| grant.reason).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answers: &mut Answers) -> Vec<u8> {
        let mut out = BytesMut::new();
        answers.write(Version::V5, &mut out, |_, _| {});
        out.to_vec()
    }

    #[test]
    fn mqtt_4_6_0_2_answers_go_out_in_the_order_of_what_they_answer() {
        let mut answers = Answers::default();
        let first = answers.ticket();
        answers.owe(Owed::PubAck(1), Reason::Success, 1);
        answers.owe(Owed::PubRec(2), Reason::NotAuthorized, 0);
        let third = answers.ticket();
        answers.owe(Owed::PubComp(3), Reason::Success, 1);
        assert!(answers.answered(third, |_| None).is_some());
        assert_eq!(written(&mut answers), []);
        let refused = answers.answered(first, |_| Some(Reason::QuotaExceeded));
        assert_eq!(refused, Some(About::Publish));
        let all = [0x40, 3, 0, 1, 0x97, 0x50, 3, 0, 2, 0x87, 0x70, 2, 0, 3];
        assert_eq!(written(&mut answers), all);
    }

    #[test]
    fn mqtt_3_8_4_6_a_suback_waits_for_all_of_its_filters() {
        let mut answers = Answers::default();
        let grant = |reason, consumer, ticket| Grant {
            reason,
            about: About::Subscription(ConsumerId(consumer), true),
            ticket,
        };
        let tickets = [answers.ticket(), answers.ticket()];
        let filters = SmallVec::from_slice(&[
            grant(Reason::GrantedQos1, 1, Some(tickets[0])),
            grant(Reason::TopicFilterInvalid, 2, None),
            grant(Reason::GrantedQos2, 3, Some(tickets[1])),
        ]);
        let grants = Grants {
            packet_id: 7,
            filters,
        };
        answers.owe(Owed::SubAck(Box::new(grants)), Reason::Success, 2);
        let about = answers.answered(tickets[1], |_| Some(Reason::NotAuthorized));
        assert_eq!(about, Some(About::Subscription(ConsumerId(3), true)));
        assert_eq!(written(&mut answers), []);
        assert!(answers.answered(tickets[0], |_| None).is_some());
        assert_eq!(written(&mut answers), [0x90, 6, 0, 7, 0, 1, 0x8f, 0x87]);
        assert!(answers.answered(tickets[0], |_| None).is_none());
    }
}
