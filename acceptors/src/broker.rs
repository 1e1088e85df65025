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

use hind_ha::input::Input;
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, watch};

use crate::caretaker::Caretaker;
use crate::host::House;
use crate::host::allocator;
use crate::host::backlog::Backlog;
use crate::host::chores::Chores;
use crate::host::clock::Clock;
use crate::host::disk::Disk;
use crate::host::disk::bulk::{self, Bulk, BulkQueue};
use crate::host::disk::group_commit::{self, DiskQueue};
use crate::host::disk::pace::Pace;
use crate::host::disk::volatile::VolatileDisk;
use crate::host::lines::{self, Line};
use crate::host::lock_file::LockFile;
use crate::host::login::LoginDesk;
use crate::host::quota::Quota;
use crate::host::signals::Signals;
use crate::host::turn::{Brain, DiskPort, Turn};
use crate::options::BrokerOptions;

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
    bulk: Option<(Arc<BulkQueue>, JoinHandle<()>)>,
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
        if options.frugal {
            allocator::be_frugal();
        }
        say_start(&options);
        if options.signals {
            raise_descriptor_limit();
        }
        let (lock, disk, bulk) = open_disks(&options)?;
        let runtime = runtime(&options)?;
        let inside = runtime.enter();
        let signals = options.signals.then(Signals::new).transpose();
        let signals = signals.map_err(failing("cannot take signals"))?;
        let pool = disk.as_ref().map(|disk| Arc::clone(disk.pool()));
        let bulk_queue = Arc::new(BulkQueue::default());
        let queue = Arc::new(disk_queue(&options).beside(Arc::clone(&bulk_queue)));
        let port = match &disk {
            Some(_) => DiskPort::Shared(Arc::clone(&queue)),
            None => DiskPort::Volatile(Mutex::new(VolatileDisk::new(Arc::clone(&bulk_queue)))),
        };
        let chores = Arc::new(Chores::default());
        let house = Arc::new(house(&options, node, port, &chores));
        let turn = Arc::clone(&house.turn);
        let disk = disk
            .map(|disk| start_disk(disk, &queue, &turn, &runtime).map(|thread| (queue, thread)))
            .transpose()?;
        let bulk = start_bulk(bulk, &bulk_queue, &turn)?;

        let (address_sender, addresses) = watch::channel(Vec::new());
        let (end_sender, ended) = watch::channel(None);
        let (stop, stopping) = mpsc::unbounded_channel();
        let caretaker = Caretaker::new(options, house, pool, address_sender, began);
        let timer = Arc::clone(&turn);
        tokio::spawn(async move { timer.keep_time().await });
        tokio::spawn(async move {
            let ending = caretaker.run(&chores, signals, stopping).await;
            end_sender.send_replace(Some(ending));
        });
        turn.submit(Input::Start);
        drop(inside);
        Ok(BrokerHandle {
            runtime: Some(runtime),
            turn,
            addresses,
            ended,
            disk,
            bulk: Some((bulk_queue, bulk)),
            stop,
            lock,
        })
    }
}

/// Allows this process as many file descriptors as it may allow itself, as the JVM does: the usual soft limit of 1,024
/// is for programs that use `select`.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        Line::server_warn(format!(
            "the limit of file descriptors stays as it is: {error}"
        ))
        .say();
    }
}

fn house(
    options: &BrokerOptions,
    node: Box<dyn Brain>,
    disk: DiskPort,
    chores: &Arc<Chores>,
) -> House {
    let clock = Clock::start();
    let backlog = Arc::new(Backlog::new(options.backlog_limit));
    let turn = Turn::new(node, clock, disk, Arc::clone(chores), Arc::clone(&backlog));
    House {
        clock,
        turn: Arc::new(turn),
        backlog,
        login: Arc::new(LoginDesk::new(options.login.clone())),
        quota: Quota::default(),
        next_connection: AtomicU64::new(1),
    }
}

fn say_start(options: &BrokerOptions) {
    lines::starting(&options.directories).say();
    lines::journal(options.journal.is_some()).say();
    options.start_lines.iter().for_each(Line::say);
    for (module, key) in &options.modules {
        lines::protocol(module, key).say();
    }
}

fn open_disks(
    options: &BrokerOptions,
) -> Result<(Option<LockFile>, Option<Disk>, Bulk), StartError> {
    let directories = &options.directories;
    let unusable = failing("the directories for paging and large messages cannot be used");
    let Some(journal) = &options.journal else {
        let bulk = Bulk::temporary(directories).map_err(unusable)?;
        return Ok((None, None, bulk));
    };
    prepare(&directories.journal, directories.create_journal)?;
    prepare(&directories.bindings, directories.create_bindings)?;
    let lock = LockFile::lock_within(&directories.journal, options.lock_patience, |error| {
        Line::server_info(format!("AMQ221034: Waiting to obtain the lock: {error}")).say();
    })
    .map_err(failing("the data directory cannot be locked"))?;
    let disk = Disk::open(directories, journal.clone())
        .map_err(failing("the journal cannot be opened"))?;
    prepare(&directories.paging, true)?;
    prepare(&directories.large_messages, directories.create_journal)?;
    let bulk = Bulk::open(directories).map_err(unusable)?;
    Ok((Some(lock), Some(disk), bulk))
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

fn disk_queue(options: &BrokerOptions) -> DiskQueue {
    let journal = options.journal.as_ref();
    let longest = journal.map_or(Duration::ZERO, |journal| journal.buffer_timeout);
    let fast = if options.workers > 1 {
        Pace::FAST
    } else {
        Duration::ZERO
    };
    DiskQueue::new(longest, fast)
}

fn start_disk(
    mut disk: Disk,
    queue: &Arc<DiskQueue>,
    turn: &Arc<Turn>,
    runtime: &Runtime,
) -> Result<JoinHandle<()>, StartError> {
    let turn = Arc::clone(turn);
    let workers = runtime.handle().clone();
    group_commit::start(
        Box::new(move |requests| disk.execute_all(requests.drain(..))),
        Arc::clone(queue),
        move |completions| turn.submit_all(completions.into_iter().map(Input::Disk)),
        // A task from outside wakes a sleeping worker, which then looks at the sockets.
        move || drop(workers.spawn(std::future::ready(()))),
    )
    .map_err(failing("the disk thread cannot be started"))
}

fn start_bulk(
    bulk: Bulk,
    queue: &Arc<BulkQueue>,
    turn: &Arc<Turn>,
) -> Result<JoinHandle<()>, StartError> {
    let turn = Arc::clone(turn);
    bulk::start(bulk, Arc::clone(queue), move |completions| {
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
        if !self.finish_disks(ending) {
            return Ending::Failed;
        }
        self.lock = None;
        ending
    }

    /// Ends the disk threads once they have done what is queued; whether they could. A killed broker does not wait for
    /// them.
    fn finish_disks(&mut self, ending: Ending) -> bool {
        let mut threads = Vec::new();
        if let Some((queue, thread)) = self.disk.take() {
            queue.close();
            threads.push(thread);
        }
        if let Some((queue, thread)) = self.bulk.take() {
            queue.close();
            threads.push(thread);
        }
        if ending == Ending::Killed {
            return true;
        }
        let outcomes: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
        outcomes.iter().all(Result::is_ok)
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
