// SPDX-License-Identifier: Apache-2.0
//! The real disk under the storage: carries out the engine's requests on files.
//!
//! [`Disk`] is the synchronous core of the journal; [`group_commit`] says which thread carries requests out on it, and
//! when. Pages and large messages go to [`bulk`], beside it. The same table of expectations ([`contract`]) is run against
//! this disk and the simulated one.
//!
//! Names in the journal directory: `hind-data-<segment>.hjn`, `hind-pool-<n>.tmp`, `node.state`.

pub mod bulk;
pub mod contract;
mod doomed;
pub mod file_pool;
pub mod folder;
mod foreign;
pub mod group_commit;
mod idle;
pub mod pace;
pub mod read_ahead;
pub mod volatile;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hind_engine::storage::request::{Batch, Completion, Request, Segment, Write};

use crate::options::{Directories, JournalOptions};
use file_pool::FilePool;
use read_ahead::ReadAhead;

/// The journal directory, and whoever carries out requests on it.
///
/// *Invariants*: requests are carried out in order; after the first failure nothing is carried out any more; a segment's
/// new name is on disk before its first byte is.
#[derive(Debug)]
pub struct Disk {
    options: JournalOptions,
    path: PathBuf,
    directory: File,
    /// Files that have been written since the last sync, and the newest one.
    open: BTreeMap<Segment, Open>,
    pool: Arc<FilePool>,
    /// Segments being read in recovery; nothing is written meanwhile.
    ahead: Option<ReadAhead>,
    failed: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    unsynced: bool,
}

/// What went wrong, with the operation and the file.
#[derive(Debug)]
struct Fault {
    operation: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}",
            self.operation,
            self.path.display(),
            self.error
        )
    }
}

/// Ties an I/O result to what was tried on which file.
trait During<T> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, operation: &'static str, path: &Path) -> Result<T, Fault> {
        self.map_err(|error| Fault {
            operation,
            path: path.to_owned(),
            error: error.into(),
        })
    }
}

impl Disk {
    /// Opens the journal directory, which must exist and be locked by the caller.
    ///
    /// # Errors
    /// It cannot be read, or holds the files of another broker.
    pub fn open(directories: &Directories, options: JournalOptions) -> io::Result<Self> {
        foreign::refuse_journal(&directories.journal, "activemq-data-", ".amq")?;
        foreign::refuse_journal(&directories.bindings, "activemq-bindings-", ".bindings")?;
        let path = directories.journal.clone();
        let pool = FilePool::open(
            &path,
            options.segment_size,
            options.pool_files,
            options.min_files,
        )?;
        Ok(Self {
            directory: File::open(&path)?,
            path,
            options,
            open: BTreeMap::new(),
            pool: Arc::new(pool),
            ahead: None,
            failed: false,
        })
    }

    /// The idle files, to be filled in the background.
    pub fn pool(&self) -> &Arc<FilePool> {
        &self.pool
    }

    /// Carries out one request.
    pub fn execute(&mut self, request: Request) -> Vec<Completion> {
        self.execute_all([request])
    }

    /// Carries out requests in order. Batches that follow one another are written together, share one sync if any of
    /// them demands one, and are answered by one `Stored`.
    pub fn execute_all(&mut self, requests: impl IntoIterator<Item = Request>) -> Vec<Completion> {
        let mut done = Vec::new();
        if self.failed {
            return done;
        }
        if let Err(fault) = self.try_all(requests, &mut done) {
            self.failed = true;
            done.push(Completion::Failed(fault.to_string()));
        }
        done
    }

    fn try_all(
        &mut self,
        requests: impl IntoIterator<Item = Request>,
        done: &mut Vec<Completion>,
    ) -> Result<(), Fault> {
        let mut gathered: Option<Batch> = None;
        for request in requests {
            if let Request::Batch(batch) = request {
                gather(&mut gathered, batch);
                continue;
            }
            self.store(gathered.take(), done)?;
            match request {
                Request::Batch(_) => {}
                Request::Release(segment) => self.release(segment)?,
                Request::WriteState(state) => done.push(self.write_state(&state)?),
                Request::ReadState => done.push(self.read_state()?),
                Request::ListSegments => done.push(self.list()?),
                Request::ReadSegment(segment) => done.push(self.read_segment(segment)?),
                Request::SyncAll => done.push(self.sync_all()?),
                Request::Page(_) | Request::Large(_) => {
                    unreachable!("the queue hands these to the bulk thread")
                }
            }
        }
        self.store(gathered, done)
    }

    fn store(&mut self, gathered: Option<Batch>, done: &mut Vec<Completion>) -> Result<(), Fault> {
        let Some(batch) = gathered else {
            return Ok(());
        };
        let mut writes = &batch.writes[..];
        while let Some(first) = writes.first() {
            let mut end = first.offset;
            let contiguous = writes
                .iter()
                .take_while(|write| {
                    let follows = write.segment == first.segment && write.offset == end;
                    end += write.len();
                    follows
                })
                .count();
            self.write(&writes[..contiguous])?;
            writes = &writes[contiguous..];
        }
        if batch.sync {
            self.sync()?;
        }
        done.push(Completion::Stored(batch.end));
        Ok(())
    }

    /// Writes one contiguous region.
    fn write(&mut self, writes: &[Write]) -> Result<(), Fault> {
        self.ahead = None;
        let segment = writes[0].segment;
        let path = self.segment_path(segment);
        let open = self.opened(segment, writes[0].offset == 0)?;
        open.unsynced = true;
        let pieces: Vec<IoSlice<'_>> = writes
            .iter()
            .flat_map(|write| &write.pieces)
            .filter(|piece| !piece.is_empty())
            .map(|piece| IoSlice::new(piece))
            .collect();
        write_gathered(&open.file, pieces, writes[0].offset).during("write", &path)
    }

    /// The file of a segment, created if this is its first write.
    fn opened(&mut self, segment: Segment, first_write: bool) -> Result<&mut Open, Fault> {
        if !self.open.contains_key(&segment) {
            let path = self.segment_path(segment);
            let file = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound && first_write => {
                    let file = self.pool.take(&path).during("create", &path)?;
                    self.sync_directory()?;
                    file
                }
                Err(error) => return Err(error).during("open", &path),
            };
            self.open.retain(|_, open| open.unsynced);
            self.open.insert(
                segment,
                Open {
                    file,
                    unsynced: false,
                },
            );
        }
        Ok(self
            .open
            .get_mut(&segment)
            .expect("it was there or has just been inserted"))
    }

    fn sync(&mut self) -> Result<(), Fault> {
        let datasync = self.options.datasync;
        for (segment, open) in &mut self.open {
            if open.unsynced {
                let path = self.path.join(segment_name(*segment));
                sync_file(&open.file, datasync).during("sync", &path)?;
                open.unsynced = false;
            }
        }
        let newest = self.open.keys().next_back().copied();
        self.open.retain(|segment, _| Some(*segment) == newest);
        Ok(())
    }

    fn sync_directory(&self) -> Result<(), Fault> {
        self.directory.sync_all().during("sync", &self.path)
    }

    fn release(&mut self, segment: Segment) -> Result<(), Fault> {
        self.ahead = None;
        self.open.remove(&segment);
        let path = self.segment_path(segment);
        if path.exists() {
            self.pool.give(&path).during("recycle", &path)?;
        }
        Ok(())
    }

    fn write_state(&self, state: &Bytes) -> Result<Completion, Fault> {
        let path = self.path.join("node.state");
        let fresh = self.path.join("node.state.new");
        let mut file = File::create(&fresh).during("create", &fresh)?;
        file.write_all(state).during("write", &fresh)?;
        file.sync_all().during("sync", &fresh)?;
        fs::rename(&fresh, &path).during("rename", &fresh)?;
        self.sync_directory()?;
        Ok(Completion::StateWritten)
    }

    fn read_state(&self) -> Result<Completion, Fault> {
        let path = self.path.join("node.state");
        match fs::read(&path) {
            Ok(state) => Ok(Completion::State(Some(state.into()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Completion::State(None)),
            Err(error) => Err(error).during("read", &path),
        }
    }

    fn list(&self) -> Result<Completion, Fault> {
        Ok(Completion::Segments(self.segments()?))
    }

    fn segments(&self) -> Result<Vec<Segment>, Fault> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.path).during("list", &self.path)? {
            let entry = entry.during("list", &self.path)?;
            segments.extend(entry.file_name().to_str().and_then(segment_number));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// Reads a segment, and goes on to read those behind it: whoever asks for one in recovery will ask for them, too.
    fn read_segment(&mut self, segment: Segment) -> Result<Completion, Fault> {
        let path = self.segment_path(segment);
        if self.ahead.is_none() {
            let all = self.segments()?.into_iter();
            let list: Vec<_> = all
                .filter(|it| *it >= segment)
                .map(|it| (it, self.segment_path(it)))
                .collect();
            if list.len() > 1 && self.options.read_ahead {
                // Where no threads are to be had, they are read here, one at a time.
                self.ahead = ReadAhead::start(&list).ok();
            }
        }
        let ahead = self.ahead.as_mut().and_then(|ahead| ahead.next(segment));
        let content = ahead.unwrap_or_else(|| {
            self.ahead = None;
            read_ahead::read(segment, &path)
        });
        Ok(Completion::Segment(segment, content.during("read", &path)?))
    }

    fn sync_all(&mut self) -> Result<Completion, Fault> {
        // Recovery has read what there is to read.
        self.ahead = None;
        for segment in self.segments()? {
            let path = self.segment_path(segment);
            let file = File::open(&path).during("open", &path)?;
            sync_file(&file, self.options.datasync).during("sync", &path)?;
        }
        for open in self.open.values_mut() {
            open.unsynced = false;
        }
        self.sync_directory()?;
        Ok(Completion::Synced)
    }

    fn segment_path(&self, segment: Segment) -> PathBuf {
        self.path.join(segment_name(segment))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.pool.close();
    }
}

/// Adds a batch to those that will share its write and sync.
fn gather(gathered: &mut Option<Batch>, batch: Batch) {
    match gathered {
        None => *gathered = Some(batch),
        Some(all) => {
            all.writes.extend(batch.writes);
            all.sync |= batch.sync;
            all.end = batch.end;
        }
    }
}

/// Writes all of `pieces` from `offset` on, however many calls that takes.
fn write_gathered(file: &File, mut pieces: Vec<IoSlice<'_>>, mut offset: u64) -> io::Result<()> {
    /// `IOV_MAX` of Linux.
    const PIECES_MAX: usize = 1024;
    let mut rest = &mut pieces[..];
    while !rest.is_empty() {
        let now = rest.len().min(PIECES_MAX);
        let written = if now == 1 {
            file.write_at(&rest[0], offset)?
        } else {
            match rustix::io::pwritev(file, &rest[..now], offset) {
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

fn sync_file(file: &File, datasync: bool) -> io::Result<()> {
    if datasync {
        file.sync_data()
    } else {
        file.sync_all()
    }
}

fn segment_name(segment: Segment) -> String {
    format!("hind-data-{}.hjn", segment.0)
}

fn segment_number(name: &str) -> Option<Segment> {
    let number = name.strip_prefix("hind-data-")?.strip_suffix(".hjn")?;
    number.parse().ok().map(Segment)
}
