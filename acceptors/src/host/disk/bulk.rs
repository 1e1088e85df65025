// SPDX-License-Identifier: Apache-2.0
//! Pages and the bodies of large messages: what is large, and what no client waits for. A thread of its own carries it
//! out, so that syncing a page of 10 MiB or deleting a body of 2 GiB never stands before a sync of the journal.
//!
//! Names: `hind-page-<n>.hpg` in the paging directory, `hind-large-<n>.hlm` in the one of large messages; a file that was
//! set aside has `.damaged` behind its name; one that waits to be used for another page is `hind-idle-<n>.tmp`, and one
//! that is deleted bit by bit `hind-doomed-<n>.tmp`.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hind_engine::id::{LargeId, PageId};
use hind_engine::storage::request::{
    Completion, LargeCompletion, LargeRequest, PageCompletion, PageRequest, Request,
};
use parking_lot::{Condvar, Mutex};

use super::folder::Folder;
use super::{Fault, foreign};
use crate::options::Directories;

/// The paging directory and the one of large messages, and whoever carries out requests on them.
///
/// *Invariants*: requests are carried out in order; after the first failure of anything but a read, nothing is carried
/// out any more.
#[derive(Debug)]
pub struct Bulk {
    pages: Folder,
    bodies: Folder,
    failed: bool,
}

impl Bulk {
    /// Opens the directories of a broker that keeps what it is given. They need not exist yet.
    ///
    /// # Errors
    /// One cannot be read, or holds files of another broker.
    pub fn open(directories: &Directories) -> io::Result<Self> {
        foreign::refuse_pages(&directories.paging)?;
        foreign::refuse_bodies(&directories.large_messages)?;
        Ok(Self::new(directories, false))
    }

    /// The directories of a broker that keeps nothing (`persistence-enabled` is false): as in Artemis, its messages go
    /// to disk all the same when there are too many for the memory. What an earlier process left is deleted.
    ///
    /// # Errors
    /// As [`Bulk::open`].
    pub fn temporary(directories: &Directories) -> io::Result<Self> {
        foreign::refuse_pages(&directories.paging)?;
        foreign::refuse_bodies(&directories.large_messages)?;
        Ok(Self::new(directories, true))
    }

    fn new(directories: &Directories, temporary: bool) -> Self {
        /// So many bytes of pages are kept when they are deleted, to be written over.
        const IDLE: u64 = 128 << 20;
        let (pages, bodies) = (&directories.paging, &directories.large_messages);
        Self {
            pages: Folder::new(pages, ("hind-page-", ".hpg"), temporary, IDLE),
            bodies: Folder::new(bodies, ("hind-large-", ".hlm"), temporary, 0),
            failed: false,
        }
    }

    /// Carries out one request: about pages or large messages, nothing else is ever asked here.
    pub fn execute(&mut self, request: Request) -> Option<Completion> {
        if self.failed {
            return None;
        }
        let answer = match request {
            Request::Page(request) => self
                .page(request)
                .map(|answer| answer.map(Completion::Page)),
            Request::Large(request) => self
                .large(request)
                .map(|answer| answer.map(Completion::Large)),
            other => unreachable!("the journal's disk was to be asked: {other:?}"),
        };
        answer.unwrap_or_else(|fault| {
            self.failed = true;
            Some(Completion::Failed(fault.to_string()))
        })
    }

    /// Bytes of deleted files that are still to be given back to the file system; `None` if there are no such files.
    pub fn doomed(&self) -> Option<u64> {
        match (self.pages.doomed(), self.bodies.doomed()) {
            (None, None) => None,
            (pages, bodies) => Some(pages.unwrap_or(0) + bodies.unwrap_or(0)),
        }
    }

    /// Gives a portion of them back, which is answered only if it fails.
    pub fn free_some(&mut self) -> Option<Completion> {
        if self.failed {
            return None;
        }
        let pages = self.pages.doomed().is_some();
        let folder = if pages {
            &mut self.pages
        } else {
            &mut self.bodies
        };
        let fault = folder.free_some().err()?;
        self.failed = true;
        Some(Completion::Failed(fault.to_string()))
    }

    fn page(&mut self, request: PageRequest) -> Result<Option<PageCompletion>, Fault> {
        let pages = &mut self.pages;
        Ok(Some(match request {
            PageRequest::List => {
                PageCompletion::Pages(pages.list()?.into_iter().map(PageId).collect())
            }
            PageRequest::Append {
                page,
                offset,
                pieces,
            } => PageCompletion::Appended(page, pages.append(page.0, offset, &pieces)?),
            PageRequest::Seal(page) => {
                pages.seal(page.0)?;
                PageCompletion::Sealed(page)
            }
            PageRequest::Read {
                page,
                offset,
                length,
            } => match pages.read(page.0, offset, length) {
                Ok(bytes) => PageCompletion::Read {
                    page,
                    offset,
                    bytes,
                },
                Err(fault) => PageCompletion::Unreadable {
                    page,
                    offset,
                    why: fault.to_string(),
                },
            },
            PageRequest::Delete(page) => {
                pages.delete(page.0)?;
                return Ok(None);
            }
            PageRequest::SetAside(page) => PageCompletion::SetAside(page, pages.set_aside(page.0)?),
        }))
    }

    fn large(&mut self, request: LargeRequest) -> Result<Option<LargeCompletion>, Fault> {
        let bodies = &mut self.bodies;
        Ok(Some(match request {
            LargeRequest::List => {
                LargeCompletion::Files(bodies.list()?.into_iter().map(LargeId).collect())
            }
            LargeRequest::Append {
                body,
                offset,
                bytes,
            } => LargeCompletion::Appended(body, bodies.append(body.0, offset, &[bytes])?),
            LargeRequest::Seal(body) => {
                bodies.seal(body.0)?;
                LargeCompletion::Sealed(body)
            }
            LargeRequest::Read {
                body,
                offset,
                length,
            } => match patiently(&PATIENCE, || bodies.read(body.0, offset, length)) {
                Ok(bytes) => LargeCompletion::Read {
                    body,
                    offset,
                    bytes,
                },
                Err(fault) => LargeCompletion::Unreadable {
                    body,
                    offset,
                    why: fault.to_string(),
                },
            },
            LargeRequest::Delete(body) => {
                bodies.delete(body.0)?;
                return Ok(None);
            }
            LargeRequest::SetAside(body) => {
                LargeCompletion::SetAside(body, bodies.set_aside(body.0)?)
            }
        }))
    }
}

/// After each failure of a read but the last, so long is waited. A body that cannot be read is given up, with every
/// message that has it; reads of pages are tried again by the engine, which need not wait meanwhile.
const PATIENCE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

/// Tries again what fails, unless there is no such file.
fn patiently<T>(
    pauses: &[Duration],
    mut act: impl FnMut() -> Result<T, Fault>,
) -> Result<T, Fault> {
    for pause in pauses {
        match act() {
            Err(fault) if fault.error.kind() != io::ErrorKind::NotFound => thread::sleep(*pause),
            result => return result,
        }
    }
    act()
}

/// The way from the turn to the bulk thread.
#[derive(Debug, Default)]
pub struct BulkQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: Vec<Request>,
    closed: bool,
}

/// Whether the bulk thread carries the request out, and not the journal's.
pub fn is_bulk(request: &Request) -> bool {
    matches!(request, Request::Page(_) | Request::Large(_))
}

impl BulkQueue {
    /// Moves what is for the bulk thread from `requests` to it, in order.
    pub fn take_from(&self, requests: &mut Vec<Request>) {
        if requests.iter().any(is_bulk) {
            let mut waiting = self.waiting.lock();
            waiting
                .requests
                .extend(requests.extract_if(.., |request| is_bulk(request)));
            drop(waiting);
            self.arrived.notify_one();
        }
    }

    /// Queues one request.
    pub fn push(&self, request: Request) {
        self.waiting.lock().requests.push(request);
        self.arrived.notify_one();
    }

    /// Ends the bulk thread once everything queued is done.
    pub fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Waits until something is queued, as long as `patience` allows, and takes everything there is. `false` when closed.
    fn take(&self, taken: &mut Vec<Request>, patience: Option<Duration>) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return false;
            }
            match patience {
                None => self.arrived.wait(&mut waiting),
                Some(patience) => {
                    if self.arrived.wait_for(&mut waiting, patience).timed_out() {
                        break;
                    }
                }
            }
        }
        std::mem::swap(&mut waiting.requests, taken);
        true
    }
}

/// Between two portions of deleted files that are given back while nothing else is to be done.
/// (Each may cost one sync of the journal some milliseconds, if the device is told of the blocks that are free.)
const PAUSE: Duration = Duration::from_millis(250);
/// When so many bytes of them wait, a portion is given back whether something is to be done or not.
const DOOMED_MAX: u64 = 1 << 30;

/// Starts the bulk thread. `answer` is given completions as they come: those of appends that follow one another together,
/// any other at once.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    mut bulk: Bulk,
    queue: Arc<BulkQueue>,
    mut answer: impl FnMut(Vec<Completion>) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name("hind-bulk".to_owned())
        .stack_size(512 * 1024)
        .spawn(move || {
            let mut taken = Vec::new();
            while queue.take(&mut taken, bulk.doomed().map(|_| PAUSE)) {
                let idle = taken.is_empty();
                let mut done = Vec::new();
                for request in taken.drain(..) {
                    let appends = is_append(&request);
                    done.extend(bulk.execute(request));
                    if !appends && !done.is_empty() {
                        answer(std::mem::take(&mut done));
                    }
                }
                if idle || bulk.doomed() > Some(DOOMED_MAX) {
                    done.extend(bulk.free_some());
                }
                if !done.is_empty() {
                    answer(done);
                }
            }
        })
}

fn is_append(request: &Request) -> bool {
    matches!(
        request,
        Request::Page(PageRequest::Append { .. }) | Request::Large(LargeRequest::Append { .. })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_again_a_few_times_and_what_is_not_there_is_not() {
        let fault = |kind: io::ErrorKind| Fault {
            operation: "read",
            path: "f".into(),
            error: kind.into(),
        };
        let tried = |failures: u32, kind| {
            let mut times = 0;
            let result = patiently(&[Duration::ZERO; 2], || {
                times += 1;
                match times > failures {
                    true => Ok(()),
                    false => Err(fault(kind)),
                }
            });
            (times, result.is_ok())
        };
        let [device, gone] = [io::ErrorKind::Other, io::ErrorKind::NotFound];
        assert_eq!(tried(0, device), (1, true));
        assert_eq!(tried(1, device), (2, true));
        assert_eq!(tried(2, io::ErrorKind::OutOfMemory), (3, true));
        assert_eq!(tried(3, device), (3, false));
        assert_eq!(tried(1, gone), (1, false));
    }
}
