// SPDX-License-Identifier: Apache-2.0
//! A whole broker in a process: node, disk, doors, and the thread that looks after them.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hind_ha::effect::Door;
use hind_ha::input::{DiskUsage, Input, Operation};
use parking_lot::Mutex;
use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::acceptor::Acceptors;
use crate::host::House;
use crate::host::backlog::Backlog;
use crate::host::chores::{Chore, Chores};
use crate::host::clock::Clock;
use crate::host::disk::Disk;
use crate::host::disk::file_pool::FilePool;
use crate::host::disk::group_commit::{self, DiskQueue};
use crate::host::disk::volatile::VolatileDisk;
use crate::host::lines::{self, Announcer, Line};
use crate::host::lock_file::LockFile;
use crate::host::login::LoginDesk;
use crate::host::markers::{self, Marker};
use crate::host::quota::Quota;
use crate::host::turn::{Brain, DiskPort, Turn};
use crate::host::watchdog::{self, Watchdog};
use crate::options::{BrokerOptions, Directories};

/// How a broker ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// In order.
    Stopped,
    /// Because something failed; the log says what.
    Failed,
    /// At once, because `KILL_ME` appeared.
    Killed,
}

/// Why a broker does not start.
#[derive(Debug)]
pub struct StartError {
    what: &'static str,
    error: io::Error,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

fn failing(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError { what, error }
}

/// Starts brokers.
#[derive(Debug)]
pub struct Broker;

/// A running broker. Dropping it stops it.
#[derive(Debug)]
pub struct BrokerHandle {
    runtime: Option<Runtime>,
    turn: Arc<Turn>,
    addresses: watch::Receiver<Vec<(String, SocketAddr)>>,
    ended: watch::Receiver<Option<Ending>>,
    disk: Option<(Arc<DiskQueue>, JoinHandle<()>)>,
    stop: mpsc::UnboundedSender<()>,
    lock: Option<LockFile>,
}

impl Broker {
    /// Locks the data directory, opens the disk, starts the threads, and tells the node that the process is up. The
    /// doors open when the node says so.
    ///
    /// # Errors
    /// The data directory cannot be used, or the system refuses threads or signals.
    pub fn start(options: BrokerOptions, node: Box<dyn Brain>) -> Result<BrokerHandle, StartError> {
        let began = Instant::now();
        say_start(&options);
        let (lock, disk) = open_disk(&options)?;
        let pool = disk.as_ref().map(|disk| Arc::clone(disk.pool()));
        let queue = Arc::new(DiskQueue::default());
        let port = match &disk {
            Some(_) => DiskPort::Thread(Arc::clone(&queue)),
            None => DiskPort::Volatile(Mutex::new(VolatileDisk::default())),
        };
        let chores = Arc::new(Chores::default());
        let backlog = Arc::new(Backlog::new(options.backlog_limit));
        let clock = Clock::start();
        let turn = Arc::new(Turn::new(
            node,
            clock,
            port,
            Arc::clone(&chores),
            Arc::clone(&backlog),
        ));
        let disk = disk
            .map(|disk| start_disk(disk, &queue, &options, &turn).map(|thread| (queue, thread)))
            .transpose()?;
        let house = Arc::new(House {
            clock,
            turn: Arc::clone(&turn),
            backlog,
            login: Arc::new(LoginDesk::new(options.login.clone())),
            quota: Quota::default(),
            next_connection: AtomicU64::new(1),
        });
        let runtime = runtime(&options)?;
        let (address_sender, addresses) = watch::channel(Vec::new());
        let (end_sender, ended) = watch::channel(None);
        let (stop, stopping) = mpsc::unbounded_channel();
        {
            let _inside = runtime.enter();
            let signals = options.signals.then(Signals::new).transpose();
            let signals = signals.map_err(failing("cannot take signals"))?;
            let caretaker = Caretaker::new(options, house, pool, address_sender, began);
            let timer = Arc::clone(&turn);
            tokio::spawn(async move { timer.keep_time().await });
            tokio::spawn(async move {
                let ending = caretaker.run(&chores, signals, stopping).await;
                end_sender.send_replace(Some(ending));
            });
        }
        turn.submit(Input::Start);
        Ok(BrokerHandle {
            runtime: Some(runtime),
            turn,
            addresses,
            ended,
            disk,
            stop,
            lock,
        })
    }
}

fn say_start(options: &BrokerOptions) {
    lines::starting(&options.directories).say();
    lines::journal(options.journal.is_some()).say();
    for (module, key) in &options.modules {
        lines::protocol(module, key).say();
    }
}

fn open_disk(options: &BrokerOptions) -> Result<(Option<LockFile>, Option<Disk>), StartError> {
    let Some(journal) = &options.journal else {
        return Ok((None, None));
    };
    let directories = &options.directories;
    prepare(&directories.journal, directories.create_journal)?;
    prepare(&directories.bindings, directories.create_bindings)?;
    let lock = LockFile::lock(&directories.journal)
        .map_err(failing("the data directory cannot be locked"))?;
    let disk = Disk::open(directories, journal.clone())
        .map_err(failing("the journal cannot be opened"))?;
    Ok((Some(lock), Some(disk)))
}

fn prepare(directory: &Path, create: bool) -> Result<(), StartError> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    let prepared = if create {
        fs::create_dir_all(directory)
    } else {
        Err(io::ErrorKind::NotFound.into())
    };
    prepared.map_err(|error| StartError {
        what: "a data directory is missing",
        error: io::Error::other(format!("{}: {error}", directory.display())),
    })
}

fn start_disk(
    disk: Disk,
    queue: &Arc<DiskQueue>,
    options: &BrokerOptions,
    turn: &Arc<Turn>,
) -> Result<JoinHandle<()>, StartError> {
    let longest = options
        .journal
        .as_ref()
        .map_or(Duration::ZERO, |journal| journal.buffer_timeout);
    let turn = Arc::clone(turn);
    group_commit::start(disk, Arc::clone(queue), longest, move |completions| {
        turn.submit_all(completions.into_iter().map(Input::Disk));
    })
    .map_err(failing("the disk thread cannot be started"))
}

fn runtime(options: &BrokerOptions) -> Result<Runtime, StartError> {
    runtime::Builder::new_multi_thread()
        .worker_threads(options.workers.max(1))
        .max_blocking_threads(options.login.concurrency.max(1) + 4)
        .thread_keep_alive(Duration::from_secs(2))
        .thread_name("hind-worker")
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()
        .map_err(failing("the worker threads cannot be started"))
}

impl BrokerHandle {
    /// Where clients are accepted: acceptor name and address. Waits until the doors are open; empty when the broker
    /// ended before.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let mut addresses = self.addresses.clone();
        self.block_on(async move {
            let open = addresses.wait_for(|open| !open.is_empty()).await;
            open.map(|open| open.clone()).unwrap_or_default()
        })
        .unwrap_or_default()
    }

    /// Asks the broker to stop in order; [`BrokerHandle::wait`] for it.
    pub fn stop(&self) {
        // Nobody listens any more once it has ended, which is what was asked for.
        let _ = self.stop.send(());
    }

    /// Waits until the broker has ended, and cleans up after it.
    pub fn wait(mut self) -> Ending {
        self.finish()
    }

    fn finish(&mut self) -> Ending {
        let mut ended = self.ended.clone();
        let ending = self
            .block_on(async move {
                let ending = ended.wait_for(Option::is_some).await;
                ending.ok().and_then(|ending| *ending)
            })
            .flatten()
            .unwrap_or(Ending::Failed);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        if let Some((queue, thread)) = self.disk.take() {
            queue.close();
            // A killed broker does not wait for its disk.
            if ending != Ending::Killed && thread.join().is_err() {
                return Ending::Failed;
            }
        }
        self.lock = None;
        ending
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.runtime
            .as_ref()
            .map(|runtime| runtime.block_on(future))
    }

    /// The way to the node, for whoever embeds the broker.
    pub fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        if self.runtime.is_some() {
            self.stop();
            self.finish();
        }
    }
}

/// The signals that stop a broker.
struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(this: &mut Option<Self>) {
        match this {
            Some(signals) => tokio::select! {
                _ = signals.term.recv() => {}
                _ = signals.int.recv() => {}
            },
            None => std::future::pending().await,
        }
    }
}

/// Does what turns leave to be done, and looks after the process.
struct Caretaker {
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
    fn new(
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
    async fn run(
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
            Chore::Notice(notice) => self.announcer.lines(notice).iter().for_each(Line::say),
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
        match measure(&self.options.directories) {
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

/// How full the disk under the journal is.
fn measure(directories: &Directories) -> io::Result<DiskUsage> {
    let stat = rustix::fs::statvfs(&directories.journal)?;
    Ok(DiskUsage {
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
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
