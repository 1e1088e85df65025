// SPDX-License-Identifier: Apache-2.0
//! What a client makes of what the broker says.

use super::frame::{Frame, Version};
use super::{Client, Expected, Scene, Stage};
use crate::simulator::check::Violation;
use crate::simulator::limits::PRESSED;
use crate::simulator::model::{AckMode, Message, QUEUES, TOPIC, Uid};

impl Client {
    /// Bytes have arrived.
    ///
    /// # Errors
    /// They are not STOMP, or the broker broke a promise.
    pub fn receive(&mut self, bytes: &[u8], scene: &mut Scene<'_>) -> Result<(), Violation> {
        if self.heart_beat.hears(scene.now, bytes) {
            scene.counters.hit("event.beat");
        }
        self.decoder.feed(bytes);
        loop {
            let version = if self.stage == Stage::Connecting {
                Version::V10
            } else {
                self.version
            };
            match self.decoder.next(version) {
                Ok(Some(frame)) => self.frame(&frame, scene)?,
                Ok(None) => return Ok(()),
                Err(what) => return Err(Violation::new("protocol", what)),
            }
        }
    }

    fn frame(&mut self, frame: &Frame, scene: &mut Scene<'_>) -> Result<(), Violation> {
        let number = self.number;
        scene.trace.line(
            scene.now,
            format_args!("c{number}"),
            format_args!("< {}", frame.summary()),
        );
        match frame.command.as_str() {
            "CONNECTED" => self.connected(frame),
            "MESSAGE" => self.message(frame, scene),
            "RECEIPT" => self.receipted(frame, scene),
            "ERROR" => self.error(frame, scene),
            other => Err(broken(format!("a frame {other}"))),
        }
    }

    fn connected(&mut self, frame: &Frame) -> Result<(), Violation> {
        let version = frame.header("version").unwrap_or("1.0");
        if version != self.version.to_string() {
            return Err(broken(format!(
                "{version} was agreed on instead of {}",
                self.version
            )));
        }
        if self.version > Version::V10 {
            self.heart_beat.agreed(frame.header("heart-beat"))?;
        }
        self.stage = Stage::Connected;
        Ok(())
    }

    fn receipted(&mut self, frame: &Frame, scene: &mut Scene<'_>) -> Result<(), Violation> {
        let name = frame.header("receipt-id").unwrap_or_default();
        let Some(expected) = self.expected.remove(name) else {
            return Err(broken(format!("a receipt {name:?} nobody asked for")));
        };
        scene.counters.hit("event.receipt");
        match expected {
            Expected::Sent(uid) => scene.model.sent(uid),
            Expected::Acknowledged(id, uids) => scene.model.acknowledged(id, &uids),
            Expected::Subscribed(id) => scene.model.subscribed(id),
            Expected::Unsubscribed(id) => scene.model.unsubscribed(id),
            Expected::Committed(number) => scene.model.committed(number),
            Expected::Left => {
                scene.model.ended(self.connection(), true);
                self.stage = Stage::Leaving;
            }
            Expected::Nothing => {}
        }
        Ok(())
    }

    fn error(&mut self, frame: &Frame, scene: &mut Scene<'_>) -> Result<(), Violation> {
        let expected = self.stage == Stage::Refused || scene.ending;
        self.stage = Stage::Refused;
        scene.counters.hit("event.error");
        if expected {
            return Ok(());
        }
        let message = frame.header("message").unwrap_or_default();
        if message.contains("AMQ229014") && self.heart_beat.is_missed(scene.now) {
            scene.counters.hit("event.missed");
            return Ok(());
        }
        if message.contains("AMQ229025") {
            // A durable subscription is not deleted while a client that vanished still counts as consuming from it.
            return Ok(());
        }
        if message.contains("AMQ229102") && self.is_refused(frame, message, scene) {
            scene.counters.hit("event.refused_full");
            return Ok(());
        }
        let body = String::from_utf8_lossy(&frame.body);
        Err(broken(format!(
            "refused without a reason: {message} {body}"
        )))
    }

    /// Whether what was refused because its address is full was sent to one that may refuse it. If the answer says which
    /// message it was, that one must never be seen.
    fn is_refused(&mut self, frame: &Frame, message: &str, scene: &mut Scene<'_>) -> bool {
        let refused = frame.header("receipt-id").unwrap_or_default();
        if let Some(Expected::Sent(uid)) = self.expected.get(refused) {
            let uid = *uid;
            self.expected.remove(refused);
            scene.model.refused(uid);
        }
        scene.model.cut_short(self.connection());
        let pressed = message.contains(QUEUES[PRESSED.0]);
        let place = pressed.then_some(PRESSED);
        let limits = scene.model.limits.as_ref();
        limits.is_some_and(|limits| limits.refuses(place)) && (pressed || message.contains(TOPIC))
    }

    fn message(&mut self, frame: &Frame, scene: &mut Scene<'_>) -> Result<(), Violation> {
        scene.counters.hit("event.message");
        let uid = read_uid(frame, scene)?;
        self.check_content(frame, uid, scene)?;
        if scene.model.messages[uid.0].of_mqtt {
            scene.counters.hit("mqtt.to_stomp");
        }
        let name = frame.header("subscription").unwrap_or_default();
        if let Some(end) = self.given_up.get(name) {
            scene.counters.hit("event.given_up");
            let queue = frame.header("_AMQ_ORIG_QUEUE").unwrap_or_default();
            let place = scene.model.place_named(queue);
            return scene.model.given_up(uid, place, *end, scene.now);
        }
        let Some(held) = self.subscriptions.iter_mut().find(|held| held.name == name) else {
            return Err(broken(format!(
                "{uid} for an unknown subscription {name:?}"
            )));
        };
        let redelivered = frame.header("redelivered") == Some("true");
        if redelivered {
            scene.counters.hit("event.redelivered");
        }
        let mine = scene
            .model
            .delivered(held.id, uid, redelivered, scene.now)?;
        if mine && held.mode != AckMode::Auto {
            let token = if self.version == Version::V12 {
                "ack"
            } else {
                "message-id"
            };
            let token = frame
                .header(token)
                .ok_or_else(|| broken(format!("no {token} header")))?;
            held.unanswered.push((uid, token.to_owned()));
        }
        Ok(())
    }

    /// The message is as it was sent, byte by byte.
    fn check_content(&self, frame: &Frame, uid: Uid, scene: &Scene<'_>) -> Result<(), Violation> {
        let sending = &scene.model.messages[uid.0].sending;
        if frame.body != Message::body(uid, sending.size) {
            return Err(broken(format!(
                "{uid} came with a damaged body of {} bytes",
                frame.body.len()
            )));
        }
        if scene.model.messages[uid.0].of_mqtt {
            return Ok(());
        }
        let priority = sending.priority.to_string();
        let persistent = sending.persistent.to_string();
        let shade = sending.shade.to_string();
        for (name, value) in [
            ("priority", priority),
            ("persistent", persistent),
            ("shade", shade),
        ] {
            if frame.header(name) != Some(&value) {
                return Err(broken(format!(
                    "{uid} came with {name} {:?}",
                    frame.header(name)
                )));
            }
        }
        if self.version > Version::V10
            && frame
                .header("note")
                .is_some_and(|note| note != "one:two\\three\nfour")
        {
            return Err(broken(format!(
                "{uid} came with note {:?}",
                frame.header("note")
            )));
        }
        Ok(())
    }
}

fn read_uid(frame: &Frame, scene: &Scene<'_>) -> Result<Uid, Violation> {
    let uid = match frame.header("uid") {
        Some(text) => text.parse().ok().map(Uid),
        None => Message::read_uid(&frame.body),
    };
    match uid {
        Some(uid) if uid.0 < scene.model.messages.len() => Ok(uid),
        _ => Err(broken(format!("a message nobody sent: {frame:?}"))),
    }
}

fn broken(what: String) -> Violation {
    Violation::new("protocol", what)
}
