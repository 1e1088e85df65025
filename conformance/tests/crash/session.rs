// SPDX-License-Identifier: Apache-2.0
//! A session of three clients, recorded: every request it made of the disk, with what the clients knew at that moment.

use std::collections::VecDeque;

use hind_conformance::simulator::client::{Client, Scene, Stage};
use hind_conformance::simulator::clock;
use hind_conformance::simulator::counters::Counters;
use hind_conformance::simulator::disk::Disk;
use hind_conformance::simulator::model::Model;
use hind_conformance::simulator::network::LinkId;
use hind_conformance::simulator::node::{Deed, Process, Speaks};
use hind_conformance::simulator::random::Random;
use hind_conformance::simulator::settings;
use hind_conformance::simulator::trace::Trace;
use hind_conformance::simulator::workload;
use hind_engine::id::ConnectionId;
use hind_engine::notice::Notice;
use hind_engine::storage::request::Request;

const CLIENTS: usize = 3;

/// One request to the disk, before it is carried out.
#[derive(Debug)]
pub struct Moment {
    /// Which one.
    pub number: usize,
    /// What was asked.
    pub request: Request,
    /// The disk before.
    pub disk: Disk,
    /// What the clients knew.
    pub model: Model,
}

/// A recorded session.
#[derive(Debug)]
pub struct Recording {
    /// Every request, in order.
    pub moments: Vec<Moment>,
    /// The disk after the last.
    pub disk: Disk,
    /// What was durable then, in one number.
    pub digest: u64,
    /// What the clients did.
    pub counters: Counters,
}

struct Session {
    now: u64,
    random: Random,
    process: Process,
    clients: Vec<Client>,
    model: Model,
    counters: Counters,
    trace: Trace,
    disk: Disk,
    waiting: VecDeque<Request>,
    moments: Vec<Moment>,
    links: u64,
}

impl Recording {
    /// The session of a seed.
    pub fn new(seed: u64, operations: usize) -> Self {
        let mut random = Random::new(seed);
        let disk = Disk::new(settings::SEGMENT, random.fork());
        let mut session = Session {
            now: 0,
            process: Process::new(u128::from(seed), false, None),
            clients: (0..CLIENTS).map(Client::new).collect(),
            model: Model::new(None),
            counters: Counters::default(),
            trace: Trace::new(false, false),
            disk,
            waiting: VecDeque::new(),
            moments: Vec::new(),
            links: 0,
            random,
        };
        session.process.start(clock::at(0));
        session.settle();
        for _ in 0..operations {
            session.step();
        }
        session.settle();
        Self {
            moments: session.moments,
            disk: session.disk,
            digest: session.process.node().engine().state().durable_digest(),
            counters: session.counters,
        }
    }
}

impl Session {
    /// A client does something; the disk answers now, or lets a few more things pile up.
    fn step(&mut self) {
        self.now += self.random.between(20_000, 2_000_000);
        self.process.expire(clock::at(self.now));
        let number = self.random.index(CLIENTS);
        match self.clients[number].stage {
            Stage::Away => self.connect(number),
            Stage::Connected => self.say(number),
            Stage::Connecting | Stage::Leaving | Stage::Refused => {}
        }
        self.hear();
        if self.random.chance(40) {
            self.settle();
        }
    }

    fn connect(&mut self, number: usize) {
        self.links += 1;
        let link = LinkId(self.links);
        let connection = self.model.connected();
        let id = ConnectionId(link.0);
        self.process
            .accept(clock::at(self.now), id, link, Speaks::Stomp);
        let bytes = self.with(number, |client, scene| {
            client.connect(link, connection, scene)
        });
        self.process
            .bytes(clock::at(self.now), ConnectionId(link.0), &bytes);
    }

    fn say(&mut self, number: usize) {
        let bytes = self.with(number, workload::step);
        let link = self.clients[number].link.expect("it is connected");
        self.process
            .bytes(clock::at(self.now), ConnectionId(link.0), &bytes);
    }

    fn with<T>(&mut self, number: usize, act: impl FnOnce(&mut Client, &mut Scene<'_>) -> T) -> T {
        let mut scene = Scene {
            now: self.now,
            model: &mut self.model,
            random: &mut self.random,
            counters: &mut self.counters,
            ending: false,
            trace: &mut self.trace,
        };
        act(&mut self.clients[number], &mut scene)
    }

    /// Carries out what the process wants, except that its requests wait for [`Session::settle`].
    fn hear(&mut self) {
        while let Some(deed) = self.process.deeds.pop_front() {
            match deed {
                Deed::Disk(request) => self.waiting.push_back(request),
                Deed::Bytes(link, bytes) => {
                    let number = self.owner(link);
                    let received = self.with(number, |client, scene| client.receive(&bytes, scene));
                    received.unwrap_or_else(|violation| panic!("{violation}"));
                }
                Deed::Close(link, orderly) => self.close(link, orderly),
                Deed::Exit(_) => panic!("nothing makes it end"),
                Deed::Open | Deed::Notice(_) => {}
            }
        }
    }

    fn owner(&self, link: LinkId) -> usize {
        let owner = self
            .clients
            .iter()
            .position(|client| client.link == Some(link));
        owner.expect("a link belongs to a client until it is closed")
    }

    fn close(&mut self, link: LinkId, orderly: bool) {
        let number = self.owner(link);
        let connection = self.clients[number].connection.expect("it has a link");
        self.model.ended(connection, orderly);
        self.model.noticed(connection);
        self.clients[number].disconnected();
    }

    /// The disk carries out everything that waits, one request after the other, each of them a moment to crash in.
    fn settle(&mut self) {
        self.hear();
        while let Some(request) = self.waiting.pop_front() {
            self.moments.push(Moment {
                number: self.moments.len(),
                request: request.clone(),
                disk: self.disk.clone(),
                model: self.model.clone(),
            });
            for completion in self.disk.serve(request) {
                self.process.disk(clock::at(self.now), completion);
                self.hear();
            }
        }
    }
}

/// A broker that has recovered from this disk.
pub fn recover(disk: &mut Disk) -> Result<Process, String> {
    let now = clock::at(0);
    let mut process = Process::new(7, false, None);
    process.start(now);
    while let Some(deed) = process.deeds.pop_front() {
        match deed {
            Deed::Disk(request) => {
                for completion in disk.serve(request) {
                    process.disk(now, completion);
                }
            }
            Deed::Open => return Ok(process),
            Deed::Notice(Notice::Damaged(why)) => return Err(why),
            Deed::Exit(_) => return Err("it ended".to_owned()),
            Deed::Notice(_) | Deed::Bytes(..) | Deed::Close(..) => {}
        }
    }
    Err("it did not come to serve".to_owned())
}
