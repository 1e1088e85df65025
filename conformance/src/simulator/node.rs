// SPDX-License-Identifier: Apache-2.0
//! One simulated process: a `Node`, the protocol machines of its connections, and the deeds they want done.
//!
//! The process does nothing itself: whatever the node and the machines ask for is queued as [`Deed`]s in order, and the
//! world carries them out one by one. So the world can stop between any two of them, which is what a crash is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hind_engine::command::Command;
use hind_engine::event::Event;
use hind_engine::id::ConnectionId;
use hind_engine::notice::Notice;
use hind_engine::protocol::{Close, Connection, Login, Outbound};
use hind_engine::security::user::Identity;
use hind_engine::storage::request::{Completion, Request};
use hind_engine::time::{Instant, Now};
use hind_ha::effect::{Door, Effects};
use hind_ha::input::{DiskUsage, Input, Operation};
use hind_ha::{Node, Seed};

use super::limits::Limits;
use super::network::LinkId;
use super::settings;

/// One thing a process does to the world.
#[derive(Debug)]
pub enum Deed {
    /// Asks the disk.
    Disk(Request),
    /// Sends bytes.
    Bytes(LinkId, Bytes),
    /// Ends a link after what was sent; in order (`true`) or because of a fault.
    Close(LinkId, bool),
    /// Opens its doors to clients.
    Open,
    /// Ends; with success (`true`) or failure.
    Exit(bool),
    /// Says something to the log.
    Notice(Notice),
}

/// What the client at the other end of a link speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    /// STOMP, of any version.
    Stomp,
    /// MQTT, of any version.
    Mqtt,
}

impl Speaks {
    /// Clients of MQTT have numbers of their own.
    pub fn of(mqtt: Option<usize>) -> Self {
        match mqtt {
            None => Self::Stomp,
            Some(_) => Self::Mqtt,
        }
    }
}

/// One connection of the process.
#[derive(Debug)]
struct Socket {
    link: LinkId,
    machine: Box<dyn Connection>,
    input: BytesMut,
    /// When the host gives up on a client that has not said who it is (`handshake-timeout`); `None`: it has.
    patience: Option<Instant>,
}

impl Socket {
    /// When something is due: the machine's own deadline, which it has from CONNECT on, or the end of patience.
    fn deadline(&self) -> Option<Instant> {
        self.machine.deadline().or(self.patience)
    }
}

/// How long a client may take to say who it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// One process for its whole life.
#[derive(Debug)]
pub struct Process {
    node: Node,
    sockets: BTreeMap<ConnectionId, Socket>,
    stomp: Arc<hind_stomp::Options>,
    mqtt: Arc<hind_mqtt::Options>,
    effects: Effects,
    commands: VecDeque<(ConnectionId, Vec<Command>)>,
    /// What it wants done.
    pub deeds: VecDeque<Deed>,
    events_first: bool,
}

impl Process {
    /// A process that has not started. `events_first`: it answers clients before it asks the disk, within a turn.
    pub fn new(seed: u128, events_first: bool, limits: Option<&Limits>) -> Self {
        Self {
            node: Node::new(settings::node(limits), Seed(seed)),
            sockets: BTreeMap::new(),
            stomp: Arc::new(settings::stomp()),
            mqtt: Arc::new(hind_mqtt::Options::default()),
            effects: Effects::default(),
            commands: VecDeque::new(),
            deeds: VecDeque::new(),
            events_first,
        }
    }

    /// The node, to look at.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// How many commands of each connection wait is not known; how many connections there are is.
    pub fn connections(&self) -> usize {
        self.sockets.len()
    }

    /// Starts, or tells the node something that is not about a connection.
    pub fn tell(&mut self, now: Now, input: Input) {
        self.node.handle(now, input, &mut self.effects);
        self.settle(now);
    }

    /// The process has come up.
    pub fn start(&mut self, now: Now) {
        self.tell(now, Input::Start);
    }

    /// The disk has answered.
    pub fn disk(&mut self, now: Now, completion: Completion) {
        self.tell(now, Input::Disk(completion));
    }

    /// An operator wants it to stop in order.
    pub fn stop(&mut self, now: Now) {
        self.tell(now, Input::Operator(Operation::Stop));
    }

    /// How full the disk is.
    pub fn usage(&mut self, now: Now, usage: DiskUsage) {
        self.tell(now, Input::DiskUsage(usage));
    }

    /// A client's link has come up.
    pub fn accept(&mut self, now: Now, id: ConnectionId, link: LinkId, speaks: Speaks) {
        let machine: Box<dyn Connection> = match speaks {
            Speaks::Stomp => Box::new(hind_stomp::Connection::new(self.stomp.clone(), id)),
            Speaks::Mqtt => Box::new(hind_mqtt::Connection::new(self.mqtt.clone(), id, id.0)),
        };
        let input = BytesMut::new();
        let patience = Some(now.monotonic.after(HANDSHAKE_TIMEOUT));
        let socket = Socket {
            link,
            machine,
            input,
            patience,
        };
        self.sockets.insert(id, socket);
        self.tell(now, Input::Connected(id));
    }

    /// Bytes of a client have arrived.
    pub fn bytes(&mut self, now: Now, id: ConnectionId, bytes: &[u8]) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.input.extend_from_slice(bytes);
            self.read(now, id);
            self.settle(now);
        }
    }

    /// A client's link is broken: what has arrived and has not been read, because its machine waits for something, is
    /// taken for not arrived. A client that comes back by another link is not to be overtaken by what it said long before.
    pub fn forget_unread(&mut self, link: LinkId) {
        let mut sockets = self.sockets.values_mut();
        if let Some(socket) = sockets.find(|socket| socket.link == link) {
            socket.input.clear();
        }
    }

    /// A client's link has ended.
    pub fn lost(&mut self, now: Now, id: ConnectionId) {
        if self.sockets.remove(&id).is_some() {
            self.tell(now, Input::Disconnected(id));
        }
    }

    /// When [`Process::expire`] must be called at the latest, in nanoseconds of virtual time.
    pub fn deadline(&self, now: Now) -> Option<u64> {
        let sockets = self.sockets.values().filter_map(Socket::deadline);
        let earliest = sockets.chain(self.node.deadline(now)).min();
        earliest.map(|at| at.as_nanos())
    }

    /// Deadlines may have passed.
    pub fn expire(&mut self, now: Now) {
        let due: Vec<ConnectionId> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.deadline().is_some_and(|at| at <= now.monotonic))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let mut out = Outbound::default();
            let Some(socket) = self.sockets.get_mut(&id) else {
                continue;
            };
            let silent = socket.machine.deadline().is_none();
            if !silent {
                socket.machine.expire(now, &mut out);
            }
            self.carry_out(now, id, out, silent);
        }
        self.tell(now, Input::Time);
    }

    fn read(&mut self, now: Now, id: ConnectionId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if socket.machine.paused() {
            return;
        }
        let mut out = Outbound::default();
        let violation = socket
            .machine
            .receive(now, &mut socket.input, &mut out)
            .is_err();
        if socket.machine.deadline().is_some() {
            socket.patience = None;
        }
        self.carry_out(now, id, out, violation);
    }

    fn event(&mut self, now: Now, id: ConnectionId, event: Event) {
        let mut out = Outbound::default();
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.machine.event(now, event, &mut out);
        if socket.machine.deadline().is_some() {
            socket.patience = None;
        }
        let unread = !socket.input.is_empty();
        self.carry_out(now, id, out, false);
        if unread {
            self.read(now, id);
        }
    }

    /// What a machine wants: bytes out, commands to the node, its login checked, its link closed.
    fn carry_out(&mut self, now: Now, id: ConnectionId, mut out: Outbound, violation: bool) {
        let Some(link) = self.sockets.get(&id).map(|socket| socket.link) else {
            return;
        };
        let mut bytes = BytesMut::new();
        while let Some(segment) = out.bytes.pop() {
            bytes.extend_from_slice(&segment);
        }
        if !bytes.is_empty() {
            self.deeds.push_back(Deed::Bytes(link, bytes.freeze()));
        }
        if !out.commands.is_empty() {
            self.commands.push_back((id, out.commands));
        }
        if let Some(Login { ticket, .. }) = out.login {
            self.event(now, id, Event::LoggedIn(ticket, identity()));
        }
        if out.close.is_some() || violation {
            let orderly = !violation && out.close == Some(Close::Orderly);
            self.sockets.remove(&id);
            self.deeds.push_back(Deed::Close(link, orderly));
            self.commands.push_back((id, Vec::new()));
        }
    }

    /// Hands effects to whom they concern, and what follows from them to the node, until nothing follows.
    fn settle(&mut self, now: Now) {
        loop {
            self.hand_out(now);
            let Some((id, commands)) = self.commands.pop_front() else {
                break;
            };
            let input = if commands.is_empty() {
                Input::Disconnected(id)
            } else {
                Input::Client(id, commands)
            };
            self.node.handle(now, input, &mut self.effects);
        }
    }

    fn hand_out(&mut self, now: Now) {
        let effects = std::mem::take(&mut self.effects);
        let mut disk = Some(effects.disk);
        self.deeds
            .extend(effects.notices.into_iter().map(Deed::Notice));
        if !self.events_first {
            self.deeds
                .extend(disk.take().into_iter().flatten().map(Deed::Disk));
        }
        for (id, event) in effects.events {
            self.event(now, id, event);
        }
        self.deeds
            .extend(disk.into_iter().flatten().map(Deed::Disk));
        for door in effects.doors {
            match door {
                Door::Open => self.deeds.push_back(Deed::Open),
                Door::Exit(success) => self.deeds.push_back(Deed::Exit(success)),
                Door::Close => {}
            }
        }
    }
}

fn identity() -> Identity {
    Identity {
        user: Arc::from("client"),
        roles: Arc::new([settings::ROLE.to_owned()].into()),
    }
}
