// SPDX-License-Identifier: Apache-2.0
//! Clients of MQTT in the world: the same links, the same broker, the same mishaps.

use super::{CLIENTS, Happening, Phase, World};
use crate::simulator::check::Violation;
use crate::simulator::client::Scene;
use crate::simulator::mqtt::client::{Client, Said, Stage};
use crate::simulator::mqtt::{self, Book, SECOND, workload};
use crate::simulator::network::{Direction, Link, LinkId};

/// How they are numbered: behind those of STOMP.
const FIRST: usize = CLIENTS + 1;

/// They and what they know.
#[derive(Debug, Default)]
pub(super) struct Mqtt {
    clients: Vec<Client>,
    pub book: Book,
    /// They are to end their sessions when they leave.
    farewell: bool,
}

impl Mqtt {
    /// Those of a seed.
    pub fn of(seed: u64) -> Self {
        let clients = match seed < mqtt::FIRST_SEED {
            true => 0,
            false => mqtt::CLIENTS + 1,
        };
        Self {
            clients: (0..clients).map(Client::new).collect(),
            ..Self::default()
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// The number of one of them, if that is one.
    pub fn number(client: usize) -> Option<usize> {
        client.checked_sub(FIRST)
    }

    /// Their links.
    pub fn links(&self) -> impl Iterator<Item = LinkId> {
        self.clients.iter().filter_map(|client| client.link)
    }

    /// Whether nobody is connected, and whoever has to end a session has done so.
    pub fn have_left(&self) -> bool {
        let left =
            |client: &Client| client.stage == Stage::Away && (!self.farewell || client.has_ended());
        self.clients.iter().all(left)
    }

    /// Whether everybody has come back who has something to come back to, and has nothing to do.
    pub fn is_settled(&self) -> bool {
        let settled = |client: &Client| match client.stage {
            Stage::Away => !client.known.possible && !client.is_judge(),
            Stage::Connected => client.is_settled(),
            _ => false,
        };
        self.clients.iter().all(settled)
    }
}

impl World {
    /// Lets everything of theirs happen with them taken out of the world.
    fn with_mqtt<R>(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Client, &mut Book, &mut Scene<'_>) -> R,
    ) -> R {
        let mut client = std::mem::replace(&mut self.mqtt.clients[number], Client::new(number));
        let mut book = std::mem::take(&mut self.mqtt.book);
        let result = act(&mut client, &mut book, &mut self.scene());
        self.mqtt.book = book;
        self.mqtt.clients[number] = client;
        result
    }

    /// A client's turn.
    pub(super) fn mqtt_act(&mut self, number: usize) -> Result<(), Violation> {
        let slow = match self.phase {
            Phase::Work => 2,
            Phase::Listen => 100,
            Phase::Leave | Phase::Drain => 1,
        };
        let pause = self.random.between(20_000, 400_000) * slow;
        self.later(pause, Happening::Act(FIRST + number));
        let phase = self.phase;
        let stage = self.mqtt.clients[number].stage;
        match stage {
            Stage::Away if self.open && self.mqtt_wants_in(number) => self.mqtt_connect(number),
            Stage::Connected => {
                let farewell = self.mqtt.farewell;
                let said = self.with_mqtt(number, |client, book, scene| {
                    book.observe(scene.model);
                    say(phase, farewell, client, book, scene)
                });
                self.mqtt_says(number, said);
            }
            _ => {}
        }
        Ok(())
    }

    fn mqtt_says(&mut self, number: usize, said: Said) {
        let Some(link) = self.mqtt.clients[number].link else {
            return;
        };
        if !said.bytes.is_empty() {
            self.mqtt.clients[number].spoke = self.now;
            let (kind, length) = (said.bytes[0] >> 4, said.bytes.len());
            let id = said.bytes.get(2..4).unwrap_or_default();
            self.trace.line(
                self.now,
                format_args!("mq{number}"),
                format_args!("> type {kind}, {length} bytes, {id:?}"),
            );
            self.carry(link, Direction::Up, said.bytes.into());
        }
        if said.breaks {
            self.trace.line(
                self.now,
                format_args!("mq{number}"),
                format_args!("breaks its link"),
            );
            self.cut(link);
            if let Some(process) = &mut self.process {
                process.forget_unread(link);
            }
            let after = self.random.between(10_000, 1_000_000);
            self.later(after, Happening::Closed(link, Direction::Up));
            let after = self.random.between(10_000, 1_000_000);
            self.later(after, Happening::Closed(link, Direction::Down));
        }
    }

    fn mqtt_wants_in(&mut self, number: usize) -> bool {
        let client = &self.mqtt.clients[number];
        let (possible, ended) = (client.known.possible, client.has_ended());
        let judges = client.is_judge();
        match self.phase {
            Phase::Work => !judges && self.random.chance(30),
            Phase::Listen => !judges && self.random.chance(2),
            Phase::Leave => self.mqtt.farewell && !ended,
            Phase::Drain => possible || judges,
        }
    }

    fn mqtt_connect(&mut self, number: usize) {
        self.last_link += 1;
        let id = LinkId(self.last_link);
        let connection = self.model.connected();
        let mut link = Link::new(FIRST + number, connection, self.now, &mut self.random);
        let arrival = link.arrival(Direction::Up, self.now, &mut self.random);
        self.links.insert(id, link);
        self.at(arrival, Happening::Accept(id));
        let phase = self.phase;
        let bytes = self.with_mqtt(number, |client, book, scene| {
            let session = match phase {
                Phase::Leave => (true, 0),
                Phase::Drain => (client.is_judge(), if client.is_judge() { 0 } else { 100 }),
                Phase::Work | Phase::Listen => workload::session(client, scene),
            };
            let works = matches!(phase, Phase::Work | Phase::Listen);
            let with_will = works && scene.random.chance(50);
            client.connect((id, connection), session, with_will, book, scene)
        });
        let known = self.mqtt.clients[number].known;
        let asks = self.mqtt.clients[number].asks();
        self.trace.line(
            self.now,
            format_args!("mq{number}"),
            format_args!("> CONNECT {asks:?} {known:?}"),
        );
        self.carry(id, Direction::Up, bytes.into());
    }

    /// Bytes of the broker arrive at a client.
    pub(super) fn mqtt_arrive(&mut self, number: usize, bytes: &[u8]) -> Result<(), Violation> {
        let bytes = self.with_mqtt(number, |client, book, scene| {
            client.receive(bytes, book, scene)
        })?;
        self.mqtt_says(
            number,
            Said {
                bytes,
                breaks: false,
            },
        );
        Ok(())
    }

    /// A client learns that its link has ended.
    pub(super) fn mqtt_closed(
        &mut self,
        number: usize,
        id: LinkId,
        cut: bool,
    ) -> Result<(), Violation> {
        let client = &self.mqtt.clients[number];
        if client.link != Some(id) {
            return Ok(());
        }
        let unasked = matches!(client.stage, Stage::Connected | Stage::Connecting);
        if unasked && !cut && self.open && !self.ending {
            let what = format!("mq{number} was cut off without a word");
            return Err(Violation::new("mqtt", what));
        }
        self.trace.line(
            self.now,
            format_args!("mq{number}"),
            format_args!("link ended"),
        );
        self.with_mqtt(number, |client, book, scene| {
            client.disconnected(cut, book, scene);
        });
        Ok(())
    }

    /// Everything has been taken: what had to come has come, and what is retained is what was acknowledged last.
    pub(super) fn mqtt_judge(&mut self) -> Result<(), Violation> {
        if self.mqtt.len() == 0 {
            return Ok(());
        }
        let book = &mut self.mqtt.book;
        book.observe(&self.model);
        book.at_rest(&self.model, self.now, &mut self.counters)?;
        for topic in 0..mqtt::CLIENTS {
            let possible = book.retained.possible(topic, &self.model.messages);
            let name = format!("home/{topic}");
            let judge = &self.mqtt.clients[mqtt::CLIENTS];
            let found = judge.found.iter().rfind(|(on, _)| *on == name);
            let found = found.and_then(|(_, uid)| *uid);
            self.counters.hit(match found {
                None => "check.mqtt_nothing_retained",
                Some(_) => "check.mqtt_retained",
            });
            if !possible.contains(&found) {
                let what = format!("{found:?} is retained of {name}, not one of {possible:?}");
                return Err(Violation::new("mqtt", what));
            }
        }
        self.mqtt.clients[mqtt::CLIENTS].found.clear();
        self.mqtt.farewell = true;
        Ok(())
    }
}

fn say(
    phase: Phase,
    farewell: bool,
    client: &mut Client,
    book: &mut Book,
    scene: &mut Scene<'_>,
) -> Said {
    let bytes = match phase {
        Phase::Work => return workload::step(client, book, scene),
        Phase::Listen if scene.random.chance(60) => return workload::step(client, book, scene),
        Phase::Listen if scene.now < client.spoke + SECOND / 4 => Vec::new(),
        Phase::Listen => client.ping(scene),
        Phase::Drain => workload::drain(client, book, scene),
        Phase::Leave => client.leave(false, farewell, scene),
    };
    Said {
        bytes,
        breaks: false,
    }
}
