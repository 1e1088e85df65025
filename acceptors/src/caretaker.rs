// SPDX-License-Identifier: Apache-2.0
//! Whoever looks after a running broker: doors, log lines, signals, marker files, the disk's fill, slow turns.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hind_engine::notice::Notice;
use hind_ha::effect::Door;
use hind_ha::input::{Input, Operation};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::acceptor::Acceptors;
use crate::broker::Ending;
use crate::host::House;
use crate::host::allocator;
use crate::host::chores::{Chore, Chores};
use crate::host::disk::file_pool::FilePool;
use crate::host::lines::{self, Announcer, Line};
use crate::host::markers::{self, Marker};
use crate::host::signals::Signals;
use crate::host::watchdog::{self, Watchdog};
use crate::options::BrokerOptions;

/// Does what turns leave to be done, and looks after the process.
#[derive(Debug)]
pub struct Caretaker {
    options: BrokerOptions,
    house: Arc<House>,
    acceptors: Acceptors,
    connections: TaskTracker,
    announcer: Announcer,
    watchdog: Watchdog,
    pool: Option<Arc<FilePool>>,
    addresses: watch::Sender<Vec<(String, SocketAddr)>>,
    began: Instant,
    failed: bool,
}

impl Caretaker {
    /// Nothing is done before [`Caretaker::run`]. The doors' addresses are told to `addresses` when they open.
    pub fn new(
        mut options: BrokerOptions,
        house: Arc<House>,
        pool: Option<Arc<FilePool>>,
        addresses: watch::Sender<Vec<(String, SocketAddr)>>,
        began: Instant,
    ) -> Self {
        let connections = TaskTracker::new();
        let acceptors = std::mem::take(&mut options.acceptors);
        if let Some(directory) = &options.marker_directory {
            // Left over from the last run: it was meant for that one.
            markers::look(directory, true);
        }
        if options.journal.is_none() {
            options.disk_scan_period = None;
        }
        Self {
            acceptors: Acceptors::new(acceptors, &house, &connections),
            announcer: Announcer {
                name: options.name.clone(),
                version: options.version.clone(),
                node_id: String::new(),
                disk: None,
            },
            connections,
            watchdog: Watchdog::default(),
            options,
            house,
            pool,
            addresses,
            began,
            failed: false,
        }
    }

    /// Runs until the broker ends.
    pub async fn run(
        mut self,
        chores: &Chores,
        mut signals: Option<Signals>,
        mut stopping: mpsc::UnboundedReceiver<()>,
    ) -> Ending {
        let mut markers = every(
            self.options
                .marker_directory
                .as_ref()
                .map(|_| markers::PERIOD),
        );
        let mut scan = every(self.options.disk_scan_period);
        let mut watch = every(Some(watchdog::PERIOD));
        let mut last_moment = None;
        let ending = loop {
            tokio::select! {
                chore = chores.next() => {
                    if let Some(ending) = self.carry_out(chore) {
                        break ending;
                    }
                }
                _ = tick(&mut watch) => self.watch(),
                _ = tick(&mut scan) => self.scan(),
                _ = tick(&mut markers) => match self.look_for_markers() {
                    Some(Marker::Kill) => return Ending::Killed,
                    Some(Marker::Stop) => self.ask_to_stop(&mut last_moment),
                    None => {}
                },
                () = Signals::next(&mut signals) => self.ask_to_stop(&mut last_moment),
                Some(()) = stopping.recv() => self.ask_to_stop(&mut last_moment),
                () = until(last_moment) => {
                    Line::server_error("the broker did not stop in time: it ends now".to_owned()).say();
                    break Ending::Failed;
                }
            }
        };
        self.leave().await;
        if self.failed { Ending::Failed } else { ending }
    }

    /// One chore. `Some` when it is the last one.
    fn carry_out(&mut self, chore: Chore) -> Option<Ending> {
        match chore {
            Chore::Notice(notice) => {
                let active = matches!(notice, Notice::Active);
                self.announcer.lines(notice).iter().for_each(Line::say);
                if active {
                    allocator::give_back();
                }
            }
            Chore::Lost(lines) => {
                Line::server_warn(format!("{lines} lines came too fast to be logged")).say();
            }
            Chore::Door(Door::Open) => self.open_doors(),
            Chore::Door(Door::Close) => {
                self.acceptors.close();
                self.acceptors.hurry_after(self.options.stop_grace);
            }
            Chore::Door(Door::Exit(true)) => return Some(Ending::Stopped),
            Chore::Door(Door::Exit(false)) => return Some(Ending::Failed),
            Chore::NodeBroke => {
                Line::server_error(
                    "a fault in the broker: it ends now, what was acknowledged is on disk"
                        .to_owned(),
                )
                .say();
                return Some(Ending::Failed);
            }
        }
        None
    }

    fn open_doors(&mut self) {
        match self.acceptors.open() {
            Ok(lines) => {
                lines.iter().for_each(Line::say);
                self.addresses.send_replace(self.acceptors.addresses());
            }
            Err(line) => {
                line.say();
                self.failed = true;
                self.house.turn.submit(Input::Operator(Operation::Stop));
            }
        }
        // The node has not listened to what was measured before it served.
        self.scan();
        if let Some(pool) = self.pool.take()
            && let Err(error) = pool.start_filling()
        {
            Line::server_warn(format!("journal files cannot be prepared ahead: {error}")).say();
        }
    }

    fn ask_to_stop(&self, last_moment: &mut Option<tokio::time::Instant>) {
        if last_moment.is_none() {
            *last_moment = Some(tokio::time::Instant::now() + self.options.stop_timeout);
            self.house.turn.submit(Input::Operator(Operation::Stop));
        }
    }

    fn look_for_markers(&self) -> Option<Marker> {
        markers::look(
            self.options.marker_directory.as_deref()?,
            self.options.kill_allowed,
        )
    }

    fn watch(&mut self) {
        if let Some(line) = self.watchdog.look(&self.house.turn) {
            line.say();
        }
    }

    fn scan(&mut self) {
        if self.options.disk_scan_period.is_none() {
            return;
        }
        let fullest = self.options.fullest_disk;
        match fullest.measure(&self.options.directories) {
            Ok(usage) => {
                self.announcer.disk = Some(usage);
                self.house.turn.submit(Input::DiskUsage(usage));
            }
            Err(error) => {
                if self.house.quota.admits("", "disk-scan", 1).is_some() {
                    Line::server_warn(format!("the disk cannot be measured: {error}")).say();
                }
            }
        }
    }

    /// Closes the doors, lets connections say their last words, and says the last line.
    async fn leave(&mut self) {
        /// Clients that have been told to go may take so long to take it in.
        const GRACE: Duration = Duration::from_secs(2);
        self.acceptors.close();
        self.connections.close();
        // Whoever has not gone by then is cut off with the process.
        let _ = tokio::time::timeout(GRACE, self.connections.wait()).await;
        lines::stopped(
            &self.options.version,
            &self.announcer.node_id,
            self.began.elapsed(),
        )
        .say();
    }
}

fn every(period: Option<Duration>) -> Option<tokio::time::Interval> {
    let mut interval = tokio::time::interval(period?);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(interval)
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
