// SPDX-License-Identifier: Apache-2.0
//! What a client makes of what the broker says.

use super::client::{Asked, Client, Stage};
use super::packet::{self, Packet, Publish, Step, Version};
use super::{Book, Strand, broken};
use crate::simulator::check::Violation;
use crate::simulator::client::Scene;
use crate::simulator::model::{Message, Uid};

impl Client {
    /// Bytes have arrived; what the client says to them at once.
    ///
    /// # Errors
    /// They are not MQTT, or the broker broke a promise.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Result<Vec<u8>, Violation> {
        book.observe(scene.model);
        self.heard = scene.now;
        self.decoder.feed(bytes);
        let mut said = Vec::new();
        loop {
            let packet = match self.decoder.next(self.version) {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(said),
                Err(what) => return broken(format!("mq{} was sent {what}", self.number)),
            };
            let number = self.number;
            scene.trace.line(
                scene.now,
                format_args!("mq{number}"),
                format_args!("< {packet}"),
            );
            said.extend(self.packet(packet, book, scene)?);
        }
    }

    fn packet(
        &mut self,
        packet: Packet,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Result<Vec<u8>, Violation> {
        scene.counters.hit(match &packet {
            Packet::ConnAck(..) => "mqtt_in.connack",
            Packet::Publish(_) => "mqtt_in.publish",
            Packet::Step(Step::PubAck, ..) => "mqtt_in.puback",
            Packet::Step(Step::PubRec, ..) => "mqtt_in.pubrec",
            Packet::Step(Step::PubRel, ..) => "mqtt_in.pubrel",
            Packet::Step(Step::PubComp, ..) => "mqtt_in.pubcomp",
            Packet::SubAck(..) => "mqtt_in.suback",
            Packet::UnsubAck(..) => "mqtt_in.unsuback",
            Packet::PingResp => "mqtt_in.pingresp",
            Packet::Disconnect(_) => "mqtt_in.disconnect",
        });
        let is_first = matches!(packet, Packet::ConnAck(..));
        if is_first != (self.stage == Stage::Connecting) {
            return broken(format!("{packet} came while {:?}", self.stage));
        }
        match packet {
            Packet::ConnAck(present, code) => self.connected(present, code, book, scene),
            Packet::Publish(publish) => self.message_came(publish, book, scene),
            Packet::Step(step, id, reason) => self.step(step, id, reason, scene),
            Packet::SubAck(id, codes) => self.subscribed(id, &codes, book, scene),
            Packet::UnsubAck(id, codes) => self.unsubscribed(id, &codes),
            Packet::PingResp => Ok(Vec::new()),
            Packet::Disconnect(reason) => {
                let why = matches!(reason, 0x8b | 0x8d) && scene.ending;
                self.stage = Stage::Leaving;
                match why {
                    true => Ok(Vec::new()),
                    false => broken(format!("it disconnects mq{}: {reason:#x}", self.number)),
                }
            }
        }
    }

    fn connected(
        &mut self,
        present: bool,
        code: u8,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Result<Vec<u8>, Violation> {
        if code != 0 {
            // It is as if it had not been answered.
            return match scene.ending {
                true => Ok(Vec::new()),
                false => broken(format!("mq{} is refused: {code:#x}", self.number)),
            };
        }
        self.stage = Stage::Connected;
        self.starts_over = false;
        let (before, times) = (self.before, (self.began, scene.now));
        let crashes = scene.model.crashes;
        self.known
            .connected(&before, self.clean, present, times, (crashes, book))?;
        let own = self.will;
        let uid = own.map(|will| book.wills[will].uid);
        for will in book.wills_of(self.number) {
            if Some(will.uid) == uid {
                will.accepted = true;
            } else {
                will.resumed(present, self.began, scene.now);
                if will.stage == super::will::Stage::Cancelled {
                    scene.counters.hit("mqtt.will_cancelled");
                }
            }
        }
        self.known.expiry = (self.expiry, self.expiry);
        self.resumed = present;
        scene.counters.hit(match (present, self.before.certain) {
            (true, _) => "mqtt.session_resumed",
            (false, true) if !self.clean && self.before.expiry.0 > 0 => "mqtt.session_expired",
            (false, _) => "mqtt.session_new",
        });
        if present {
            return Ok(self.say_again(book, scene));
        }
        self.forget(book, scene);
        Ok(Vec::new())
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    fn step(
        &mut self,
        step: Step,
        id: u16,
        reason: u8,
        scene: &mut Scene<'_>,
    ) -> Result<Vec<u8>, Violation> {
        if reason >= 0x80 {
            return broken(format!("{step:?} {id} says {reason:#x}"));
        }
        if step == Step::PubRel {
            self.incoming.remove(&id);
            self.open.remove(&id);
            scene.counters.hit("mqtt_out.pubcomp");
            return Ok(packet::step(Step::PubComp, id));
        }
        let qos = if step == Step::PubAck { 1 } else { 2 };
        let released = step == Step::PubComp;
        // [MQTT-4.6.0-2, MQTT-4.6.0-3]: in the order of what is answered.
        let first = self
            .outgoing
            .iter()
            .position(|one| one.qos == qos && one.released == released);
        let found = self.outgoing.iter().position(|one| one.id == id);
        let Some(at) = found.filter(|at| first == Some(*at)) else {
            let what = format!("{step:?} {id} answers nothing: {:?}", self.outgoing);
            return broken(what);
        };
        let uid = self.outgoing[at].uid;
        if step == Step::PubRec {
            self.outgoing[at].released = true;
            scene.model.sent(uid);
            scene.counters.hit("mqtt_out.pubrel");
            return Ok(packet::step(Step::PubRel, id));
        }
        if step == Step::PubAck {
            scene.model.sent(uid);
        }
        self.outgoing.remove(at);
        Ok(Vec::new())
    }

    fn subscribed(
        &mut self,
        id: u16,
        codes: &[u8],
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Result<Vec<u8>, Violation> {
        let Some(Asked::Subscribe(subscription)) = self.asked.remove(&id) else {
            return broken(format!("a SUBACK {id} nobody asked for"));
        };
        let qos = book.subscription(subscription).qos;
        if codes != [qos] {
            return broken(format!("SUBACK {codes:?} for QoS {qos}"));
        }
        book.subscribed(subscription, scene.now);
        Ok(Vec::new())
    }

    fn unsubscribed(&mut self, id: u16, codes: &[u8]) -> Result<Vec<u8>, Violation> {
        let Some(Asked::Unsubscribe(_)) = self.asked.remove(&id) else {
            return broken(format!("an UNSUBACK {id} nobody asked for"));
        };
        let right = match self.version {
            Version::V311 => codes.is_empty(),
            Version::V5 => codes == [0] || codes == [0x11],
        };
        match right {
            true => Ok(Vec::new()),
            false => broken(format!("UNSUBACK {codes:?}")),
        }
    }

    /// PUBLISH.
    fn message_came(
        &mut self,
        mut publish: Publish,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Result<Vec<u8>, Violation> {
        self.resolve(&mut publish)?;
        let subscription = self.subscription_of(&publish)?;
        let uid = read_uid(&publish, book, scene)?;
        if publish.dup {
            scene.counters.hit("mqtt.delivered_again");
        }
        scene.counters.hit(
            [
                "mqtt.deliver_qos0",
                "mqtt.deliver_qos1",
                "mqtt.deliver_qos2",
            ][usize::from(publish.qos)],
        );
        if publish.qos > 0 {
            if !self.open.insert(publish.id) {
                let id = publish.id;
                return broken(format!("identifier {id} came twice over one connection"));
            }
            if self.open.len() > usize::from(self.receive_maximum) {
                return broken(format!("more than {} are open", self.receive_maximum));
            }
            if publish.dup && !self.resumed {
                return broken(format!("{publish:?} is no duplicate in a new session"));
            }
        }
        let known = self.incoming.get(&publish.id).copied();
        match known.filter(|_| publish.qos == 2) {
            Some(before) if before != uid || !publish.dup => {
                let what = format!("{uid:?} has the identifier of {before:?}");
                return broken(what);
            }
            Some(_) => {}
            None => {
                if let Some(uid) = uid {
                    self.new_message(subscription, uid, &publish, book, scene)?;
                }
            }
        }
        if self.is_judge() && (publish.retain || book.retained.has(uid)) {
            self.found.push((publish.topic.clone(), uid));
        }
        if publish.qos == 0 {
            return Ok(Vec::new());
        }
        if publish.qos == 2 {
            self.incoming.insert(publish.id, uid);
        }
        self.unanswered.push_back((publish.id, publish.qos));
        let at_once = self.unanswered.len() == 1 && scene.random.chance(50);
        Ok(match at_once {
            true => self.answer(scene),
            false => Vec::new(),
        })
    }

    fn new_message(
        &mut self,
        subscription: super::subscription::SubscriptionId,
        uid: Uid,
        publish: &Publish,
        book: &mut Book,
        scene: &mut Scene<'_>,
    ) -> Result<(), Violation> {
        let origin = book.origin(uid);
        scene.counters.hit(match origin {
            None => "mqtt.from_stomp",
            Some(origin) if origin.will.is_some() => "mqtt.will_came",
            Some(_) if publish.retain => "mqtt.retained_came",
            Some(_) => "mqtt.from_mqtt",
        });
        book.delivered(subscription, uid, publish, scene.model, scene.now)
    }

    /// The topic that an alias stands for.
    fn resolve(&mut self, publish: &mut Publish) -> Result<(), Violation> {
        let Some(alias) = publish.alias else {
            return Ok(());
        };
        if publish.topic.is_empty() {
            match self.aliases.get(&alias) {
                Some(topic) => publish.topic.clone_from(topic),
                None => return broken(format!("alias {alias} stands for nothing")),
            }
        } else {
            self.aliases.insert(alias, publish.topic.clone());
        }
        Ok(())
    }

    /// The subscription that a message comes for.
    fn subscription_of(
        &self,
        publish: &Publish,
    ) -> Result<super::subscription::SubscriptionId, Violation> {
        let strand = Strand::of(&publish.topic);
        let subscription = strand.and_then(|strand| self.subscriptions.get(&strand));
        let (Some(strand), Some(subscription)) = (strand, subscription) else {
            return broken(format!("mq{} gets {:?}", self.number, publish.topic));
        };
        let right = match self.version {
            Version::V311 => publish.subscriptions.is_empty(),
            Version::V5 => publish.subscriptions == [strand.identifier()],
        };
        if !right {
            let of = &publish.subscriptions;
            return broken(format!("{strand:?} came with identifiers {of:?}"));
        }
        Ok(*subscription)
    }
}

/// Which message it is; `None`: one without payload, which clears what is retained.
fn read_uid(publish: &Publish, book: &Book, scene: &Scene<'_>) -> Result<Option<Uid>, Violation> {
    if publish.payload.is_empty() && publish.topic.starts_with("home/") && !publish.retain {
        return Ok(None);
    }
    let uid = Message::read_uid(&publish.payload);
    let Some(uid) = uid.filter(|uid| uid.0 < scene.model.messages.len()) else {
        return broken(format!("a message nobody sent: {publish:?}"));
    };
    let size = scene.model.messages[uid.0].sending.size;
    if publish.payload != Message::body(uid, size) || publish.topic != book.topic(uid) {
        let (topic, length) = (&publish.topic, publish.payload.len());
        return broken(format!("{uid} came as {length} bytes for {topic}"));
    }
    Ok(Some(uid))
}
