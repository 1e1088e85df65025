// SPDX-License-Identifier: Apache-2.0
//! What a client says: one method per kind of thing, each giving the bytes of a frame.

use super::{Client, Expected, Scene, Stage, Subscribed};
use crate::simulator::client::frame::{Frame, Version};
use crate::simulator::clock;
use crate::simulator::model::{
    AckMode, DEAD_LETTERS, EXPIRED, End, Kind, Message, OTHER_TOPIC, Place, PlaceId, QUEUES,
    Sending, Shade, TOPIC, TOPIC_NAMES, Uid,
};

/// Where nobody may send to.
pub const FORBIDDEN: &str = "forbidden.vault";

impl Client {
    /// SEND a message nobody has sent before.
    pub fn send(&mut self, sending: Sending, receipt: bool, scene: &mut Scene<'_>) -> Vec<u8> {
        let duplicate_id = sending.duplicate_id;
        let in_transaction = sending.transaction.is_some();
        let uid = scene.model.sending(self.connection(), sending);
        let expected = if in_transaction {
            Expected::Nothing
        } else {
            Expected::Sent(uid)
        };
        let receipt = (receipt || duplicate_id).then(|| self.receipt(expected));
        self.send_frame(uid, receipt, scene)
    }

    /// SEND again, with the same duplicate id, what may or may not have arrived the last time. `None`: there is nothing.
    pub fn send_again(&mut self, scene: &mut Scene<'_>) -> Option<Vec<u8>> {
        let uid = loop {
            let uid = self.unconfirmed.pop()?;
            if scene.model.may_send_again(uid) {
                break uid;
            }
        };
        scene.counters.hit("command.send_again");
        scene.model.sending_again(self.connection(), uid);
        let receipt = self.receipt(Expected::Sent(uid));
        Some(self.send_frame(uid, Some(receipt), scene))
    }

    fn send_frame(&mut self, uid: Uid, receipt: Option<String>, scene: &mut Scene<'_>) -> Vec<u8> {
        scene.counters.hit("command.send");
        let sending = &scene.model.messages[uid.0].sending;
        let (destination, kind) = match sending.place {
            Some(queue) => (QUEUES[queue.0], "ANYCAST"),
            None => (TOPIC, "MULTICAST"),
        };
        let body = Message::body(uid, sending.size);
        let length = scene.random.chance(50).then_some(body.len());
        let transaction = sending.transaction.map(|number| format!("t{}", number.0));
        let mut frame = Frame::new("SEND")
            .with("destination", destination)
            .with("destination-type", kind)
            .with("uid", uid.0)
            .with("shade", sending.shade)
            .with("priority", sending.priority)
            .with("persistent", sending.persistent)
            .with_some("expires", sending.expires)
            .with_some("AMQ_SCHEDULED_TIME", sending.due)
            .with_some(
                "_AMQ_DUPL_ID",
                sending.duplicate_id.then(|| format!("d{}", uid.0)),
            )
            .with_some("transaction", transaction)
            .with_some("receipt", receipt)
            .with_some("content-length", length);
        if self.version > Version::V10 {
            frame = frame.with("note", "one:two\\three\nfour");
        }
        frame.body = body;
        frame.encode(self.version)
    }

    /// SUBSCRIBE to a queue, or to the topic (by its name or a wildcard) for as long as the connection lasts.
    pub fn subscribe(
        &mut self,
        queue: Option<PlaceId>,
        mode: AckMode,
        selector: Option<Shade>,
        window: Option<u64>,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        let (destination, kind) = match queue {
            Some(queue) => (QUEUES[queue.0], "ANYCAST"),
            None if scene.random.chance(10) => (OTHER_TOPIC, "MULTICAST"),
            None => (scene.random.pick(&TOPIC_NAMES), "MULTICAST"),
        };
        let place = queue.unwrap_or_else(|| {
            let name = "temporary".to_owned();
            scene.model.new_place(name, destination, Kind::Temporary)
        });
        count_wildcard(destination, scene);
        let id = scene
            .model
            .subscribing(self.connection(), place, mode, selector);
        scene.counters.hit("command.subscribe");
        let frame = Frame::new("SUBSCRIBE")
            .with("destination", destination)
            .with("subscription-type", kind)
            .with_some(
                "selector",
                selector.map(|shade| format!("shade = '{shade}'")),
            )
            .with_some("consumer-window-size", window);
        self.subscription_frame(frame, id, place, mode, None, scene)
    }

    /// SUBSCRIBE to the topic, called `topic`, by a name that outlives the connection.
    pub fn subscribe_durable(
        &mut self,
        name: &str,
        topic: &'static str,
        mode: AckMode,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        let queue = format!("{}.{name}", self.client_id());
        let existing = scene.model.place_named(&queue);
        let place = existing
            .filter(|place| !scene.model.places[place.0].deleted)
            .unwrap_or_else(|| scene.model.new_place(queue, topic, Kind::Durable));
        count_wildcard(topic, scene);
        let id = scene
            .model
            .subscribing(self.connection(), place, mode, None);
        scene.counters.hit("command.subscribe_durable");
        let frame = Frame::new("SUBSCRIBE")
            .with("destination", topic)
            .with("subscription-type", "MULTICAST")
            .with("durable-subscription-name", name);
        self.subscription_frame(frame, id, place, mode, Some(name.to_owned()), scene)
    }

    /// SUBSCRIBE to a queue by its full name, to empty it.
    pub fn drain(&mut self, place: PlaceId, scene: &mut Scene<'_>) -> Vec<u8> {
        let mode = AckMode::Individual;
        let id = scene
            .model
            .subscribing(self.connection(), place, mode, None);
        let Place {
            name,
            address,
            kind,
            ..
        } = &scene.model.places[place.0];
        let destination = match kind {
            Kind::Queue => name.clone(),
            Kind::Durable | Kind::Temporary => format!("{address}::{name}"),
        };
        let kind = match kind {
            Kind::Queue => "ANYCAST",
            Kind::Durable | Kind::Temporary => "MULTICAST",
        };
        let frame = Frame::new("SUBSCRIBE")
            .with("destination", destination)
            .with("subscription-type", kind);
        self.subscription_frame(frame, id, place, mode, None, scene)
    }

    /// SUBSCRIBE to what the broker has given up.
    pub fn drain_given_up(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (queue, end) in [(DEAD_LETTERS, End::DeadLettered), (EXPIRED, End::Expired)] {
            let name = self.name("s");
            self.given_up.insert(name.clone(), end);
            let frame = Frame::new("SUBSCRIBE")
                .with("destination", queue)
                .with("subscription-type", "ANYCAST")
                .with("id", name)
                .with("ack", "auto");
            bytes.extend(frame.encode(self.version));
        }
        bytes
    }

    fn subscription_frame(
        &mut self,
        frame: Frame,
        id: crate::simulator::model::SubscriptionId,
        place: PlaceId,
        mode: AckMode,
        durable: Option<String>,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        let name = self.name("s");
        let receipt = self.receipt(Expected::Subscribed(id));
        let mode_word = match mode {
            AckMode::Auto => "auto",
            AckMode::Client => "client",
            AckMode::Individual => "client-individual",
        };
        scene.counters.hit(match mode {
            AckMode::Auto => "mode.auto",
            AckMode::Client => "mode.client",
            AckMode::Individual => "mode.client_individual",
        });
        let bytes = frame
            .with("id", &name)
            .with("ack", mode_word)
            .with("receipt", receipt)
            .encode(self.version);
        self.subscriptions.push(Subscribed {
            id,
            place,
            mode,
            name,
            durable,
            closed: false,
            unanswered: Vec::new(),
        });
        bytes
    }

    /// UNSUBSCRIBE; `delete` ends a durable subscription for good.
    pub fn unsubscribe(&mut self, at: usize, delete: bool, scene: &mut Scene<'_>) -> Vec<u8> {
        let held = &mut self.subscriptions[at];
        held.closed = true;
        held.unanswered.clear();
        let (id, name) = (held.id, held.name.clone());
        let durable = held.durable.clone().filter(|_| delete);
        scene.model.unsubscribing(id, durable.is_some());
        scene.counters.hit(match durable {
            Some(_) => "command.unsubscribe_durable",
            None => "command.unsubscribe",
        });
        let receipt = self.receipt(Expected::Unsubscribed(id));
        Frame::new("UNSUBSCRIBE")
            .with("id", name)
            .with_some("durable-subscription-name", durable)
            .with("receipt", receipt)
            .encode(self.version)
    }

    /// ACK what is at `index` of what subscription `at` holds, and in mode `client` everything before it.
    pub fn acknowledge(
        &mut self,
        at: usize,
        index: usize,
        in_transaction: bool,
        receipt: bool,
        scene: &mut Scene<'_>,
    ) -> Vec<u8> {
        let transaction = self.transaction.filter(|_| in_transaction);
        let (uids, frame) = self.answer("ACK", at, index);
        let id = self.subscriptions[at].id;
        scene.model.acknowledging(id, &uids, transaction);
        scene.counters.hit(match transaction {
            Some(_) => "command.ack_in_transaction",
            None => "command.ack",
        });
        let expected = match transaction {
            Some(_) => Expected::Nothing,
            None => Expected::Acknowledged(id, uids),
        };
        let receipt = receipt.then(|| self.receipt(expected));
        frame
            .with_some(
                "transaction",
                transaction.map(|number| format!("t{}", number.0)),
            )
            .with_some("receipt", receipt)
            .encode(self.version)
    }

    /// NACK what is at `index` of what subscription `at` holds, and in mode `client` everything before it.
    pub fn reject(&mut self, at: usize, index: usize, scene: &mut Scene<'_>) -> Vec<u8> {
        let (uids, frame) = self.answer("NACK", at, index);
        scene.model.rejecting(self.subscriptions[at].id, &uids);
        scene.counters.hit("command.nack");
        frame.encode(self.version)
    }

    /// The frame that answers for a delivery, and every message it answers for.
    fn answer(&mut self, command: &str, at: usize, index: usize) -> (Vec<Uid>, Frame) {
        let held = &mut self.subscriptions[at];
        let first = if held.mode == AckMode::Client {
            0
        } else {
            index
        };
        let answered: Vec<(Uid, String)> = held.unanswered.drain(first..=index).collect();
        let token = &answered.last().expect("the range is not empty").1;
        let frame = match self.version {
            Version::V12 => Frame::new(command).with("id", token),
            Version::V10 | Version::V11 => Frame::new(command)
                .with("subscription", &held.name)
                .with("message-id", token),
        };
        (answered.into_iter().map(|(uid, _)| uid).collect(), frame)
    }

    /// BEGIN.
    pub fn begin(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        let number = scene.model.beginning(self.connection());
        self.transaction = Some(number);
        scene.counters.hit("command.begin");
        self.transaction_frame("BEGIN", number.0, None)
    }

    /// COMMIT the open transaction.
    pub fn commit(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        let number = self.transaction.take().expect("one is open");
        scene.model.committing(number);
        scene.counters.hit("command.commit");
        let receipt = self.receipt(Expected::Committed(number));
        self.transaction_frame("COMMIT", number.0, Some(receipt))
    }

    /// ABORT the open transaction.
    pub fn abort(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        let number = self.transaction.take().expect("one is open");
        scene.model.aborting(number);
        scene.counters.hit("command.abort");
        let receipt = self.receipt(Expected::Nothing);
        self.transaction_frame("ABORT", number.0, Some(receipt))
    }

    fn transaction_frame(&self, command: &str, number: usize, receipt: Option<String>) -> Vec<u8> {
        Frame::new(command)
            .with("transaction", format!("t{number}"))
            .with_some("receipt", receipt)
            .encode(self.version)
    }

    /// DISCONNECT, in order.
    pub fn leave(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        scene.counters.hit("command.disconnect");
        self.stage = Stage::Leaving;
        scene.model.leaving(self.connection());
        let receipt = self.receipt(Expected::Left);
        Frame::new("DISCONNECT")
            .with("receipt", receipt)
            .encode(self.version)
    }

    /// A heart-beat (STOMP 1.2, Heart-beating): an end of line between frames.
    pub fn beat(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        scene.counters.hit("command.beat");
        b"\n".to_vec()
    }

    /// The beat that was promised, if it is time for it.
    pub fn beat_if_due(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        if !self.heart_beat.is_due(scene.now) {
            return Vec::new();
        }
        scene.counters.hit("command.promised_beat");
        b"\n".to_vec()
    }

    /// Something the broker has to refuse with ERROR.
    pub fn offend(&mut self, scene: &mut Scene<'_>) -> Vec<u8> {
        self.stage = Stage::Refused;
        scene.counters.hit("command.offence");
        let frame = match scene.random.below(6) {
            0 => self.send_forbidden(scene),
            1 => Frame::new("SUBSCRIBE")
                .with("destination", QUEUES[0])
                .with("id", "bad")
                .with("selector", "shade = = 'light'"),
            2 => Frame::new("COMMIT").with("transaction", "never begun"),
            3 => Frame::new("UNSUBSCRIBE").with("id", "never made"),
            4 => Frame::new("SEND").with("persistent", "true"),
            _ => Frame::new("GARBAGE").with("a", "b"),
        };
        frame.encode(self.version)
    }

    fn send_forbidden(&mut self, scene: &mut Scene<'_>) -> Frame {
        let uid = scene.model.sending(
            self.connection(),
            Sending {
                place: Some(PlaceId(0)),
                persistent: true,
                priority: 4,
                shade: Shade::Dark,
                expires: None,
                due: None,
                duplicate_id: false,
                transaction: None,
                size: 0,
            },
        );
        scene.model.refused(uid);
        Frame {
            body: Message::body(uid, 0),
            ..Frame::new("SEND")
                .with("destination", FORBIDDEN)
                .with("uid", uid.0)
                .with("expires", clock::wall(scene.now) + 1_000_000)
        }
    }
}

fn count_wildcard(destination: &str, scene: &mut Scene<'_>) {
    if destination.contains(['*', '#']) {
        scene.counters.hit("command.subscribe_wildcard");
    }
}
