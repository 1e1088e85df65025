// SPDX-License-Identifier: Apache-2.0
//! What a client says: one method per kind of thing, each giving the bytes of a packet.

use super::client::{Asked, Client, Outgoing, Stage};
use super::packet::{self, Publish, Step, Subscribe, Version};
use super::subscription::{self, Subscription};
use super::{Book, Strand};
use crate::simulator::client::Scene;
use crate::simulator::model::{Fate, Message};

impl Client {
    /// PUBLISH a message nobody has sent before.
    pub fn publish(
        &mut self,
        topic: &str,
        qos: u8,
        retain: bool,
        size: usize,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        let clears = retain && scene.random.chance(20);
        if retain {
            scene.counters.hit(match clears {
                true => "mqtt.retain_clear",
                false => "mqtt.retain_set",
            });
        }
        scene.counters.hit(
            [
                "mqtt.publish_qos0",
                "mqtt.publish_qos1",
                "mqtt.publish_qos2",
            ][usize::from(qos)],
        );
        let uid = self.message((topic, qos), size, clears, book, scene);
        if retain {
            book.retained.add(self.number, uid, clears);
        }
        let id = if qos > 0 { self.packet_id() } else { 0 };
        let outgoing = Outgoing {
            id,
            uid,
            qos,
            retain,
            released: false,
        };
        let bytes = self.publish_again(&outgoing, false, book, scene);
        if qos > 0 {
            self.outgoing.push_back(outgoing);
        }
        bytes
    }

    fn publish_again(
        &self,
        outgoing: &Outgoing,
        dup: bool,
        book: &Book,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        scene.counters.hit("mqtt_out.publish");
        let origin = book.origin(outgoing.uid);
        let clears = origin.is_some_and(|origin| origin.clears);
        let size = scene.model.messages[outgoing.uid.0].sending.size;
        let (uid, number) = (outgoing.uid, self.number);
        let (qos, id, retain) = (outgoing.qos, outgoing.id, outgoing.retain);
        scene.trace.line(
            scene.now,
            format_args!("mq{number}"),
            format_args!("> PUBLISH {uid} q{qos} id={id} dup={dup} retain={retain} {clears}"),
        );
        Publish {
            dup,
            qos: outgoing.qos,
            retain: outgoing.retain,
            topic: book.topic(outgoing.uid),
            id: outgoing.id,
            payload: match clears {
                true => Vec::new(),
                false => Message::body(outgoing.uid, size),
            },
            ..Publish::default()
        }
        .encode(self.version)
    }

    /// What was not answered for good before says the client again, in the same order [MQTT-4.4.0-1].
    pub(super) fn say_again(&mut self, book: &Book, scene: &mut Scene<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let connection = self.connection.expect("it has just connected");
        for outgoing in self.outgoing.clone() {
            if outgoing.released {
                scene.counters.hit("mqtt.release_again");
                scene.counters.hit("mqtt_out.pubrel");
                bytes.extend(packet::step(Step::PubRel, outgoing.id));
                continue;
            }
            scene.counters.hit("mqtt.publish_again");
            scene.model.sending_again(connection, outgoing.uid);
            scene.model.messages[outgoing.uid.0].doubled |= outgoing.qos == 1;
            bytes.extend(self.publish_again(&outgoing, true, book, scene));
        }
        bytes
    }

    /// The session is gone: so is what was under way.
    pub(super) fn forget(&mut self, book: &mut Book, scene: &mut Scene<'_>) {
        self.end_subscriptions(book);
        self.subscriptions.clear();
        self.incoming.clear();
        for outgoing in self.outgoing.drain(..) {
            let fate = &mut scene.model.messages[outgoing.uid.0].fate;
            if *fate == Fate::Pending {
                *fate = Fate::Doubtful;
            }
        }
    }

    /// SUBSCRIBE to a strand; again, if it is subscribed to.
    pub fn subscribe(&mut self, strand: Strand, book: &mut Book, scene: &mut Scene<'_>) -> Vec<u8> {
        scene.counters.hit("mqtt_out.subscribe");
        let qos = strand.qos(self.number);
        let no_local =
            self.version == Version::V5 && strand == Strand::News && self.number % 4 == 1;
        let retain_handling = match self.version {
            Version::V5 if !self.is_judge() => scene.random.pick(&[0, 0, 1, 2]),
            _ => 0,
        };
        let oldest = book.retained.oldest(&scene.model.messages);
        let existing = self.subscriptions.get(&strand).copied();
        let existing =
            existing.filter(|id| book.subscription(*id).stage != subscription::Stage::Over);
        let id = existing.unwrap_or_else(|| {
            let fresh = Subscription {
                client: self.number,
                strand,
                qos,
                no_local,
                stage: subscription::Stage::Asked,
                since: scene.now,
                required: Default::default(),
                seen: Default::default(),
                last: Default::default(),
                stored: false,
                oldest,
            };
            // The one before may not have ended, and what was under way by it may still come.
            let before = self.subscriptions.get(&strand);
            let before = before.map(|id| book.subscription(*id).clone());
            book.subscribe(match before {
                Some(before) => Subscription {
                    stage: fresh.stage,
                    since: fresh.since,
                    ..before
                },
                None => fresh,
            })
        });
        book.subscription(id).stored |= retain_handling < 2 && !strand.is_shared();
        scene.counters.hit(match (existing, strand.is_shared()) {
            (Some(_), _) => "mqtt.subscribe_again",
            (None, true) => "mqtt.subscribe_shared",
            (None, false) => "mqtt.subscribe",
        });
        self.subscriptions.insert(strand, id);
        let packet_id = self.packet_id();
        self.asked.insert(packet_id, Asked::Subscribe(id));
        Subscribe {
            id: packet_id,
            filter: strand.filter(self.number).to_owned(),
            qos,
            no_local,
            retain_handling,
            identifier: strand.identifier(),
        }
        .encode(self.version)
    }

    /// UNSUBSCRIBE.
    pub fn unsubscribe(
        &mut self,
        strand: Strand,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        scene.counters.hit("mqtt_out.unsubscribe");
        self.end_subscription(strand, book);
        let id = self.packet_id();
        self.asked.insert(id, Asked::Unsubscribe(strand));
        packet::unsubscribe(id, strand.filter(self.number), self.version)
    }

    /// Answers the oldest delivery that is not answered.
    pub fn answer(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        match self.unanswered.pop_front() {
            None => self.ping(scene),
            Some((id, 1)) => {
                scene.counters.hit("mqtt_out.puback");
                self.open.remove(&id);
                packet::step(Step::PubAck, id)
            }
            Some((id, _)) => {
                scene.counters.hit("mqtt_out.pubrec");
                packet::step(Step::PubRec, id)
            }
        }
    }

    /// PINGREQ.
    pub fn ping(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        scene.counters.hit("mqtt_out.pingreq");
        packet::ping()
    }

    /// DISCONNECT. `will`: it is to be sent nevertheless. `ends`: the session is to end, too.
    pub fn leave(&mut self, will: bool, ends: bool, scene: &mut Scene<'_>) -> Vec<u8> {
        scene.counters.hit("mqtt_out.disconnect");
        self.stage = Stage::Leaving;
        let will = will && self.version == Version::V5;
        let ends = ends && self.version == Version::V5;
        self.said_goodbye = !will;
        if will {
            scene.counters.hit("mqtt.disconnect_with_will");
        }
        if ends {
            self.known.expiry.0 = 0;
        }
        let reason = if will { 4 } else { 0 };
        packet::disconnect(self.version, reason, ends.then_some(0))
    }
}
