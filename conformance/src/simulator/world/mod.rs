// SPDX-License-Identifier: Apache-2.0
//! The world: seed → event heap → the next thing that happens.
//!
//! Virtual time jumps from event to event. Everything is derived from the seed and nothing is shared, so a run is its
//! seed. Reading order: here what can happen and the loop, in `process.rs` what the broker's process does to the world
//! and how it ends, in `mishap.rs` what goes wrong, in `story.rs` a run from its beginning to its end.

mod mishap;
mod mqtt;
mod pages;
mod process;
mod story;

pub use story::{Failure, Options, Report, replay_command, run};

use std::collections::{BTreeMap, VecDeque};

use self::mqtt::Mqtt;
use bytes::Bytes;
use hind_engine::id::ConnectionId;
use hind_engine::storage::request::Segment;

use super::check::Violation;
use super::client::{Client, Scene, Stage};
use super::clock;
use super::counters::Counters;
use super::disk::{Crash, Disk};
use super::limits::Limits;
use super::model::Model;
use super::network::{Direction, Link, LinkId};
use super::node::Process;
use super::plan::Plan;
use super::random::Random;
use super::trace::Trace;
use super::workload;

/// How many clients work.
const CLIENTS: usize = 6;
/// A run longer than this in virtual time is stuck.
const TIME_MAX: u64 = 3_600_000_000_000;

/// One thing that will happen.
#[derive(Debug)]
enum Happening {
    /// A client does its next thing.
    Act(usize),
    /// A client's link reaches the broker.
    Accept(LinkId),
    /// Bytes reach an end of a link.
    Arrive(LinkId, Direction, Bytes),
    /// An end of a link learns that it ended: the broker's (`Up`) or the client's (`Down`).
    Closed(LinkId, Direction),
    /// The disk has finished what it did for this incarnation of the process.
    Disk(u64),
    /// The same for pages and large messages.
    Bulk(u64),
    /// A deadline of this incarnation is due.
    Wake(u64),
    /// This incarnation ends without warning.
    Crash(u64, Crash),
    /// The operator starts the broker.
    Restart,
    /// A suspended process goes on.
    Resume(u64),
    /// The disk of this incarnation has room again.
    Room(u64),
}

/// What clients are to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Whatever comes to mind.
    Work,
    /// Say no more than was promised, and listen.
    Listen,
    /// End what is open, and leave.
    Leave,
    /// Nothing, except the last client: empty every queue.
    Drain,
}

/// Everything there is.
#[derive(Debug)]
struct World {
    now: u64,
    sequence: u64,
    events: BTreeMap<(u64, u64), Happening>,
    random: Random,
    plan: Plan,
    phase: Phase,
    limits: Option<Limits>,
    /// Client operations so far.
    operations: u64,
    clients: Vec<Client>,
    mqtt: Mqtt,
    links: BTreeMap<LinkId, Link>,
    last_link: u64,
    process: Option<Process>,
    incarnation: u64,
    /// The broker accepts clients.
    open: bool,
    /// The broker has been told to stop, or its disk has failed.
    ending: bool,
    /// When the process asked to be woken.
    wake: Option<u64>,
    /// What waits for a suspended process to go on; `None`: it is not suspended.
    suspended: Option<VecDeque<Happening>>,
    /// The process is killed after so many more deeds.
    deeds_left: Option<(u64, Crash)>,
    /// The power goes when the disk next writes.
    crash_while_writing: bool,
    /// A bit to be flipped while the broker is down.
    flip_next: bool,
    /// The bit that is flipped.
    flipped: Option<(Segment, usize, u8)>,
    /// How often there was a chance to look at what the broker has in memory.
    looks: u64,
    /// Compare what is live with the log at the next chance.
    fold_due: bool,
    disk: Disk,
    model: Model,
    counters: Counters,
    trace: Trace,
}

impl World {
    fn new(options: &Options) -> Self {
        let mut random = Random::new(options.seed);
        let mut disk = Disk::new(super::settings::SEGMENT, random.fork());
        disk.planted = options.planted;
        let limits = Limits::of(options.seed).filter(|_| !options.unlimited);
        let plan = Plan::new(&mut random, limits.is_some());
        Self {
            now: 0,
            sequence: 0,
            events: BTreeMap::new(),
            plan,
            phase: Phase::Work,
            limits: limits.clone(),
            operations: 0,
            clients: (0..=CLIENTS).map(Client::new).collect(),
            mqtt: Mqtt::of(options.seed),
            links: BTreeMap::new(),
            last_link: 0,
            process: None,
            incarnation: 0,
            open: false,
            ending: false,
            wake: None,
            suspended: None,
            deeds_left: None,
            crash_while_writing: false,
            flip_next: false,
            flipped: None,
            looks: 0,
            fold_due: false,
            disk,
            model: Model::new(limits),
            counters: Counters::default(),
            trace: Trace::new(options.print, options.keep),
            random,
        }
    }

    /// Lets something happen `after` nanoseconds from now.
    fn later(&mut self, after: u64, happening: Happening) {
        self.at(self.now + after, happening);
    }

    fn at(&mut self, time: u64, happening: Happening) {
        self.sequence += 1;
        self.events.insert((time, self.sequence), happening);
    }

    /// The next thing happens.
    fn step(&mut self) -> Result<(), Violation> {
        let Some(((time, _), happening)) = self.events.pop_first() else {
            return Err(Violation::new(
                "liveness",
                "nothing happens any more".to_owned(),
            ));
        };
        assert!(time >= self.now, "time does not go back");
        if time > TIME_MAX {
            return Err(Violation::new(
                "liveness",
                format!("no end in sight: {:?}", self.phase),
            ));
        }
        self.now = time;
        if let Some(waiting) = &mut self.suspended
            && concerns_process(&happening)
        {
            waiting.push_back(happening);
            return Ok(());
        }
        self.happen(happening)
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Violation> {
        match happening {
            Happening::Act(client) => self.act(client),
            Happening::Accept(link) => self.accept(link),
            Happening::Arrive(link, Direction::Up, bytes) => self.arrive_up(link, &bytes),
            Happening::Arrive(link, Direction::Down, bytes) => self.arrive_down(link, &bytes),
            Happening::Closed(link, Direction::Up) => self.closed_up(link),
            Happening::Closed(link, Direction::Down) => self.closed_down(link),
            Happening::Disk(incarnation) => self.disk_finished(incarnation, Disk::finish),
            Happening::Bulk(incarnation) => self.disk_finished(incarnation, Disk::finish_bulk),
            Happening::Wake(incarnation) => self.woken(incarnation),
            Happening::Crash(incarnation, crash) => {
                if incarnation == self.incarnation && self.process.is_some() {
                    self.crash(crash);
                }
                Ok(())
            }
            Happening::Restart => self.start(),
            Happening::Resume(incarnation) => self.resume(incarnation),
            Happening::Room(incarnation) => self.room_again(incarnation),
        }
    }

    /// A client's turn.
    fn act(&mut self, number: usize) -> Result<(), Violation> {
        if let Some(number) = Mqtt::number(number) {
            return self.mqtt_act(number);
        }
        let idle = self.phase != Phase::Work && self.clients[number].stage == Stage::Away;
        let idle = idle || self.phase == Phase::Listen;
        let pause = self.random.between(20_000, 400_000) * if idle { 100 } else { 1 };
        self.later(pause, Happening::Act(number));
        if self.phase == Phase::Listen && self.clients[number].stage == Stage::Connected {
            let may_wait = self.limits.as_ref().is_some_and(Limits::blocks);
            self.clients[number].heart_beat.check(self.now, may_wait)?;
        }
        match self.clients[number].stage {
            Stage::Away if self.open && self.wants_in(number) => self.connect(number),
            Stage::Connected => self.say(number)?,
            _ => {}
        }
        Ok(())
    }

    fn wants_in(&self, number: usize) -> bool {
        match self.phase {
            Phase::Work | Phase::Listen => number < CLIENTS,
            Phase::Leave => false,
            Phase::Drain => number == CLIENTS,
        }
    }

    /// A connected client says its next thing.
    fn say(&mut self, number: usize) -> Result<(), Violation> {
        if self.phase == Phase::Work && number < CLIENTS {
            self.operations += 1;
            while let Some(mishap) = self.plan.next(self.operations) {
                self.mishap(mishap)?;
            }
            if self.clients[number].stage != Stage::Connected {
                return Ok(());
            }
        }
        let phase = self.phase;
        let mut client = std::mem::replace(&mut self.clients[number], Client::new(number));
        let mut scene = self.scene();
        let bytes = match phase {
            Phase::Work => workload::step(&mut client, &mut scene),
            Phase::Listen => client.beat_if_due(&mut scene),
            Phase::Leave => workload::end(&mut client, &mut scene),
            Phase::Drain => workload::drain(&mut client, &mut scene),
        };
        if !bytes.is_empty() {
            client.heart_beat.spoke(self.now);
        }
        let link = client.link;
        self.clients[number] = client;
        if let Some(link) = link.filter(|_| !bytes.is_empty()) {
            self.trace.line(
                self.now,
                format_args!("c{number}"),
                format_args!("> {}", head(&bytes)),
            );
            self.carry(link, Direction::Up, bytes.into());
        }
        Ok(())
    }

    fn connect(&mut self, number: usize) {
        self.last_link += 1;
        let id = LinkId(self.last_link);
        let connection = self.model.connected();
        let mut link = Link::new(number, connection, self.now, &mut self.random);
        let arrival = link.arrival(Direction::Up, self.now, &mut self.random);
        self.links.insert(id, link);
        self.at(arrival, Happening::Accept(id));
        let mut client = std::mem::replace(&mut self.clients[number], Client::new(number));
        let bytes = client.connect(id, connection, &mut self.scene());
        self.clients[number] = client;
        self.trace.line(
            self.now,
            format_args!("c{number}"),
            format_args!("> {}", head(&bytes)),
        );
        self.carry(id, Direction::Up, bytes.into());
    }

    fn scene(&mut self) -> Scene<'_> {
        Scene {
            now: self.now,
            model: &mut self.model,
            random: &mut self.random,
            counters: &mut self.counters,
            ending: self.ending,
            trace: &mut self.trace,
        }
    }

    /// Sends bytes into a link; into a cut one they go nowhere.
    fn carry(&mut self, id: LinkId, way: Direction, bytes: Bytes) {
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.is_cut()) else {
            return;
        };
        for (at, chunk) in link.carry(way, bytes, self.now, &mut self.random) {
            self.at(at, Happening::Arrive(id, way, chunk));
        }
    }

    fn arrive_down(&mut self, id: LinkId, bytes: &[u8]) -> Result<(), Violation> {
        let Some(link) = self.links.get(&id).filter(|link| !link.is_cut()) else {
            return Ok(());
        };
        let number = link.client;
        if let Some(number) = Mqtt::number(number) {
            return self.mqtt_arrive(number, bytes);
        }
        let mut client = std::mem::replace(&mut self.clients[number], Client::new(number));
        let received = client.receive(bytes, &mut self.scene());
        self.clients[number] = client;
        received
    }

    /// A client learns that its link has ended.
    fn closed_down(&mut self, id: LinkId) -> Result<(), Violation> {
        let Some(link) = self.links.get(&id) else {
            return Ok(());
        };
        let (number, cut) = (link.client, link.is_cut());
        if let Some(number) = Mqtt::number(number) {
            return self.mqtt_closed(number, id, cut);
        }
        let client = &mut self.clients[number];
        if client.link != Some(id) {
            return Ok(());
        }
        if client.stage == Stage::Connected && !cut && self.open && !self.ending {
            return Err(Violation::new(
                "protocol",
                format!("c{number} was cut off without a word"),
            ));
        }
        self.trace.line(
            self.now,
            format_args!("c{number}"),
            format_args!("link ended"),
        );
        client.disconnected();
        Ok(())
    }

    /// Breaks a link: what is under way is gone.
    fn cut(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.cut();
            self.model.ended(link.connection, false);
        }
    }
}

/// Whether this is something a suspended process would have to deal with.
fn concerns_process(happening: &Happening) -> bool {
    matches!(
        happening,
        Happening::Accept(_)
            | Happening::Arrive(_, Direction::Up, _)
            | Happening::Closed(_, Direction::Up)
            | Happening::Disk(_)
            | Happening::Bulk(_)
            | Happening::Wake(_)
            | Happening::Room(_)
    )
}

/// A frame in one line, without its body.
fn head(bytes: &[u8]) -> String {
    let head = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let end = head
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .unwrap_or(head.len());
    String::from_utf8_lossy(&head[..end]).replace('\n', " ")
}

/// A link's number is also the broker's number for the connection.
fn connection_id(link: LinkId) -> ConnectionId {
    ConnectionId(link.0)
}

/// Both clocks now.
fn clocks(world: &World) -> hind_engine::time::Now {
    clock::at(world.now)
}
