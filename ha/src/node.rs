// SPDX-License-Identifier: Apache-2.0
//! The whole broker as one value: storage, activation and engine, driven by whichever host owns it.

use bytes::Bytes;
use hind_engine::engine::{Engine, Turn};
use hind_engine::notice::Notice;
use hind_engine::random::Random;
use hind_engine::settings::Settings as EngineSettings;
use hind_engine::storage::request::{Completion, Request, Segment};
use hind_engine::storage::{Content, JournalSettings, Position, Replay, Storage};
use hind_engine::time::{Instant, Now};

use crate::activation::primary_only::PrimaryOnly;
use crate::effect::{Door, Effects};
use crate::identity::{BrokerId, NodeId, NodeState, StopMark};
use crate::input::{Input, Operation};
use crate::policy::HaPolicy;

/// Everything a node is told at start.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What the engine is told.
    pub engine: EngineSettings,
    /// What the journal is told.
    pub journal: JournalSettings,
    /// How it stands to other nodes.
    pub policy: HaPolicy,
}

/// Randomness for names and ids, from the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seed(pub u128);

/// One broker.
///
/// The host calls [`Node::handle`] with whatever arrives and carries out the [`Effects`]; it calls it with
/// [`Input::Time`] no later than [`Node::deadline`].
///
/// *Invariants*: nothing is answered or delivered unless the activation serves; the gate never opens past what is
/// stored.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    seed: Seed,
    storage: Storage,
    engine: Engine,
    identity: Option<NodeState>,
    activation: PrimaryOnly,
}

impl Node {
    /// A node that has not started.
    pub fn new(settings: Settings, seed: Seed) -> Self {
        let low = u64::try_from(seed.0 & u128::from(u64::MAX)).expect("masked to 64 bits");
        Self {
            storage: Storage::new(settings.journal.clone()),
            engine: Engine::new(settings.engine.clone(), low),
            identity: None,
            activation: PrimaryOnly::Idle,
            settings,
            seed,
        }
    }

    /// Something has happened: a turn of one input.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Effects) {
        self.handle_all(now, [input], effects);
    }

    /// Several things have happened, in this order: one turn, with one batch for the disk and one round of deliveries.
    pub fn handle_all(
        &mut self,
        now: Now,
        inputs: impl IntoIterator<Item = Input>,
        effects: &mut Effects,
    ) {
        for input in inputs {
            self.step(now, input, effects);
        }
        self.finish(now, effects);
    }

    fn step(&mut self, now: Now, input: Input, effects: &mut Effects) {
        match input {
            Input::Start => self.start(now, effects),
            Input::Disk(completion) => self.disk(now, completion, effects),
            Input::Operator(Operation::Stop) => self.stop(now, effects),
            Input::Connected(_)
            | Input::Client(..)
            | Input::Disconnected(_)
            | Input::DiskUsage(_)
            | Input::Time => {
                if self.activation.serves() {
                    self.serve(now, input, effects);
                }
            }
        }
    }

    /// When [`Input::Time`] is due at the latest, as things stand at `now`.
    pub fn deadline(&self, now: Now) -> Option<Instant> {
        if self.activation.serves() {
            self.engine.deadline(now)
        } else {
            None
        }
    }

    /// Bytes not yet stored: a host stops reading from clients while they are too many.
    pub fn backlog(&self) -> u64 {
        self.storage.backlog() + self.engine.large_backlog()
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The storage, to look at.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Who it is, once known.
    pub fn identity(&self) -> Option<&NodeState> {
        self.identity.as_ref()
    }

    /// What it waits for.
    pub fn activation(&self) -> &PrimaryOnly {
        &self.activation
    }

    fn start(&mut self, now: Now, effects: &mut Effects) {
        if self.settings.journal.persistence {
            self.activation = PrimaryOnly::ReadingState;
            effects.disk.push(Request::ReadState);
        } else {
            self.identity = Some(self.first_identity(effects));
            self.claim(now, effects);
        }
    }

    fn serve(&mut self, now: Now, input: Input, effects: &mut Effects) {
        let engine = &mut self.engine;
        let turn = &mut turn(now, &mut self.storage, effects);
        match input {
            Input::Connected(client) => engine.connected(client),
            Input::Client(client, commands) => {
                commands
                    .into_iter()
                    .for_each(|command| engine.command(client, command, turn));
            }
            Input::Disconnected(client) => engine.disconnected(client, turn),
            Input::DiskUsage(usage) => engine.disk_usage(usage.total, usage.free, turn),
            Input::Time => engine.expire(turn),
            Input::Start | Input::Disk(_) | Input::Operator(_) => {}
        }
    }

    /// The end of every step: deliveries, the batch for the disk, and what an immediate store makes visible.
    fn finish(&mut self, now: Now, effects: &mut Effects) {
        if !self.activation.serves() {
            return;
        }
        loop {
            self.engine
                .finish(&mut turn(now, &mut self.storage, effects));
            let stored = self.storage.stored();
            if stored <= self.engine.gate().durable() {
                break;
            }
            self.engine
                .durable(stored, &mut turn(now, &mut self.storage, effects));
        }
        effects
            .disk
            .extend(self.storage.take_batch().map(Request::Batch));
        effects.disk.extend(self.storage.asked());
        self.end_if_stopped(effects);
    }

    fn disk(&mut self, now: Now, completion: Completion, effects: &mut Effects) {
        match completion {
            Completion::Stored(position) => {
                effects.disk.extend(self.storage.on_stored(position));
            }
            Completion::State(state) => self.state_read(state, effects),
            Completion::Segments(segments) => self.listed(segments, effects),
            Completion::Segment(segment, content) => self.replay(segment, content, effects),
            Completion::Synced => self.recovered_is_synced(now, effects),
            Completion::StateWritten => match self.activation {
                PrimaryOnly::Marking => self.end(true, effects),
                _ => self.claimed(now, effects),
            },
            Completion::Page(completion) => {
                let turn = &mut turn(now, &mut self.storage, effects);
                self.engine.page_answered(completion, turn);
            }
            Completion::Large(completion) => {
                let turn = &mut turn(now, &mut self.storage, effects);
                self.engine.large_answered(completion, turn);
            }
            Completion::Failed(why) => {
                effects.notices.push(Notice::StorageFailed(why));
                self.engine
                    .storage_failed(&mut turn(now, &mut self.storage, effects));
                self.end(false, effects);
            }
        }
    }

    fn state_read(&mut self, state: Option<Bytes>, effects: &mut Effects) {
        if !matches!(self.activation, PrimaryOnly::ReadingState) {
            return;
        }
        match state.map(|bytes| NodeState::decode(&bytes)) {
            None => self.identity = Some(self.first_identity(effects)),
            Some(Ok(state)) => {
                self.identity = Some(state);
                self.identified(effects);
            }
            Some(Err(error)) => {
                effects.notices.push(Notice::Damaged(error.to_string()));
                self.end(false, effects);
                return;
            }
        }
        self.activation = PrimaryOnly::Listing;
        effects.disk.push(Request::ListSegments);
    }

    fn first_identity(&self, effects: &mut Effects) -> NodeState {
        let high = u64::try_from(self.seed.0 >> 64).expect("shifted to 64 bits");
        let mut random = Random::new(high);
        let mut id =
            || (u128::from(random.number()) << 64 | u128::from(random.number())).to_be_bytes();
        let state = NodeState::first(BrokerId(id()), NodeId(id()));
        effects.notices.push(Notice::Identified {
            node_id: state.node_id.to_string(),
        });
        state
    }

    fn identified(&self, effects: &mut Effects) {
        if let Some(identity) = &self.identity {
            effects.notices.push(Notice::Identified {
                node_id: identity.node_id.to_string(),
            });
        }
    }

    fn listed(&mut self, segments: Vec<Segment>, effects: &mut Effects) {
        if !matches!(self.activation, PrimaryOnly::Listing) {
            return;
        }
        let total = segments.len() as u64;
        let replay = Box::new(Replay::new(segments));
        let first = replay.next_segment();
        self.activation = PrimaryOnly::Replaying {
            replay,
            total,
            read: 0,
        };
        match first {
            Some(first) => effects.disk.push(Request::ReadSegment(first)),
            None => self.replayed(effects),
        }
    }

    fn replay(&mut self, segment: Segment, content: Content, effects: &mut Effects) {
        let PrimaryOnly::Replaying {
            replay,
            total,
            read,
        } = &mut self.activation
        else {
            return;
        };
        let engine = &mut self.engine;
        let outcome = replay.segment(segment, content, &mut |live, _, record| {
            engine.replay(&record, live)
        });
        if let Err(damage) = outcome {
            effects.notices.push(Notice::Damaged(damage.to_string()));
            self.end(false, effects);
            return;
        }
        *read += 1;
        effects.notices.push(Notice::Recovering {
            read: *read,
            total: *total,
        });
        match replay.next_segment() {
            Some(next) => effects.disk.push(Request::ReadSegment(next)),
            None => self.replayed(effects),
        }
    }

    fn replayed(&mut self, effects: &mut Effects) {
        let PrimaryOnly::Replaying { replay, .. } = std::mem::take(&mut self.activation) else {
            return;
        };
        match replay.finish(&mut self.storage) {
            Ok(recovered) => {
                effects.notices.push(Notice::Recovered {
                    messages: self.engine.state().logged_messages() as u64,
                    records: recovered.records,
                    torn: recovered.torn_bytes,
                });
                self.activation = PrimaryOnly::Syncing;
                effects.disk.push(Request::SyncAll);
            }
            Err(damage) => {
                effects.notices.push(Notice::Damaged(damage.to_string()));
                self.end(false, effects);
            }
        }
    }

    fn recovered_is_synced(&mut self, now: Now, effects: &mut Effects) {
        if matches!(self.activation, PrimaryOnly::Syncing) {
            self.claim(now, effects);
        }
    }

    /// Takes the next epoch; durable before anything is written in it.
    fn claim(&mut self, now: Now, effects: &mut Effects) {
        let recovered = self.storage.branch().map_or(0, |branch| branch.epoch);
        let first = self.storage.appended().next();
        let Some(identity) = &mut self.identity else {
            return;
        };
        let branch = identity.enter_alone(first, recovered);
        self.activation = PrimaryOnly::Claiming { branch };
        if self.settings.journal.persistence {
            effects.disk.push(Request::WriteState(identity.encode()));
        } else {
            self.claimed(now, effects);
        }
    }

    fn claimed(&mut self, now: Now, effects: &mut Effects) {
        let (PrimaryOnly::Claiming { branch }, Some(identity)) = (&self.activation, &self.identity)
        else {
            return;
        };
        let durable: Position = self.storage.appended();
        self.storage.begin(*branch, vec![identity.broker_id.0]);
        self.activation = PrimaryOnly::Serving;
        self.engine
            .start(durable, &mut turn(now, &mut self.storage, effects));
        effects.notices.push(Notice::Active);
        effects.doors.push(Door::Open);
    }

    fn stop(&mut self, now: Now, effects: &mut Effects) {
        match self.activation {
            PrimaryOnly::Stopping | PrimaryOnly::Marking | PrimaryOnly::Ended => {}
            PrimaryOnly::Serving => {
                self.activation = PrimaryOnly::Stopping;
                effects.doors.push(Door::Close);
                self.engine.stop(&mut turn(now, &mut self.storage, effects));
            }
            _ => self.end(true, effects),
        }
    }

    /// Stopping ends when no client is left and everything is stored and marked as synced.
    fn end_if_stopped(&mut self, effects: &mut Effects) {
        if !matches!(self.activation, PrimaryOnly::Stopping) || self.engine.client_count() > 0 {
            return;
        }
        if self.storage.stored() < self.storage.appended() {
            return;
        }
        match self.storage.seal() {
            Some(batch) => effects.disk.push(Request::Batch(batch)),
            None if self.storage.backlog() == 0 => self.mark_clean(effects),
            None => {}
        }
    }

    /// Notes that this run ended in order.
    fn mark_clean(&mut self, effects: &mut Effects) {
        match &mut self.identity {
            Some(identity) if self.settings.journal.persistence => {
                identity.stop = StopMark::Clean;
                self.activation = PrimaryOnly::Marking;
                effects.disk.push(Request::WriteState(identity.encode()));
            }
            _ => self.end(true, effects),
        }
    }

    fn end(&mut self, success: bool, effects: &mut Effects) {
        if !matches!(self.activation, PrimaryOnly::Ended) {
            if matches!(self.activation, PrimaryOnly::Serving) {
                effects.doors.push(Door::Close);
            }
            self.activation = PrimaryOnly::Ended;
            effects.doors.push(Door::Exit(success));
        }
    }
}

fn turn<'a>(now: Now, storage: &'a mut Storage, effects: &'a mut Effects) -> Turn<'a> {
    Turn {
        now,
        storage,
        events: &mut effects.events,
        notices: &mut effects.notices,
    }
}
