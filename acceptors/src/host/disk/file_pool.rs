// SPDX-License-Identifier: Apache-2.0
//! Idle journal files, zero-filled once and then used again and again.
//!
//! Overwriting blocks that exist makes a sync two to seven times cheaper than growing a file, because the file system
//! has nothing of its own to commit. Files are filled by a thread of their own, started after the doors are open.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};
use rustix::fs::FallocateFlags;

/// Idle journal files of one directory, all of the same size.
///
/// *Invariants*: every file on the shelf is named `hind-pool-<n>.tmp` and has the full size; a file being filled is
/// named `.new` and is deleted at the next start if the process ends before it is full.
#[derive(Debug)]
pub struct FilePool {
    directory: PathBuf,
    file_size: u64,
    /// How many are kept; `None` for all.
    limit: Option<usize>,
    /// How many the filler keeps ready.
    ahead: usize,
    shelf: Mutex<Shelf>,
    taken: Condvar,
}

#[derive(Debug, Default)]
struct Shelf {
    files: VecDeque<PathBuf>,
    next: u64,
    closed: bool,
}

impl FilePool {
    /// Takes stock of `directory`: whole pool files are kept, half-filled ones and ones of another size are deleted.
    ///
    /// # Errors
    /// The directory cannot be read, or a left-over not deleted.
    pub fn open(
        directory: &Path,
        file_size: u64,
        limit: Option<usize>,
        ahead: usize,
    ) -> io::Result<Self> {
        let mut shelf = Shelf::default();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(number) = name.to_str().and_then(pool_number) else {
                continue;
            };
            shelf.next = shelf.next.max(number + 1);
            let whole = name.to_string_lossy().ends_with(".tmp")
                && entry.metadata()?.len() == file_size
                && limit.is_none_or(|limit| shelf.files.len() < limit);
            if whole {
                shelf.files.push_back(entry.path());
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            file_size,
            limit,
            ahead: limit.map_or(ahead, |limit| ahead.min(limit)),
            shelf: Mutex::new(shelf),
            taken: Condvar::new(),
        })
    }

    /// How many files are ready.
    pub fn ready(&self) -> usize {
        self.shelf.lock().files.len()
    }

    /// Makes `target` out of an idle file, or of nothing if there is none. The caller syncs the directory before it
    /// writes: until then the file's old name, and with it its old content, may come back.
    ///
    /// # Errors
    /// The file cannot be renamed, created or opened.
    pub fn take(&self, target: &Path) -> io::Result<File> {
        let idle = self.shelf.lock().files.pop_front();
        self.taken.notify_one();
        match idle {
            Some(idle) => {
                fs::rename(&idle, target)?;
                OpenOptions::new().read(true).write(true).open(target)
            }
            None => self.create(target),
        }
    }

    /// Takes back a file whose content nobody needs any more: onto the shelf if there is room, else deletes it.
    ///
    /// # Errors
    /// The file cannot be renamed or deleted.
    pub fn give(&self, file: &Path) -> io::Result<()> {
        let mut shelf = self.shelf.lock();
        let room = self.limit.is_none_or(|limit| shelf.files.len() < limit)
            && fs::metadata(file)?.len() == self.file_size;
        if !room {
            return fs::remove_file(file);
        }
        let idle = self.directory.join(format!("hind-pool-{}.tmp", shelf.next));
        shelf.next += 1;
        fs::rename(file, &idle)?;
        shelf.files.push_back(idle);
        Ok(())
    }

    /// Starts the thread that keeps files ready. It ends with [`FilePool::close`], or at the first error: a file that
    /// cannot be prepared is then made on demand, which reports what is wrong to whoever needs it.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start_filling(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let pool = Arc::clone(self);
        thread::Builder::new()
            .name("hind-pool".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || while pool.fill_one().unwrap_or(false) {})
    }

    /// Ends the filler.
    pub fn close(&self) {
        self.shelf.lock().closed = true;
        self.taken.notify_all();
    }

    /// Waits until a file is missing and prepares it. `false` when the pool is closed.
    fn fill_one(&self) -> io::Result<bool> {
        let number = {
            let mut shelf = self.shelf.lock();
            while !shelf.closed && shelf.files.len() >= self.ahead {
                self.taken.wait(&mut shelf);
            }
            if shelf.closed {
                return Ok(false);
            }
            shelf.next += 1;
            shelf.next - 1
        };
        let filling = self.directory.join(format!("hind-pool-{number}.new"));
        let full = filling.with_extension("tmp");
        if !self.zero_fill(&filling)? {
            return Ok(false);
        }
        fs::rename(&filling, &full)?;
        self.shelf.lock().files.push_back(full);
        Ok(true)
    }

    /// Writes zeros in small steps, so that a sync of the journal is never behind a long write. `false` when the pool
    /// was closed meanwhile.
    fn zero_fill(&self, path: &Path) -> io::Result<bool> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        const SYNC_EVERY: u64 = 2 << 20;
        let mut file = File::create(path)?;
        let mut left = self.file_size;
        let mut unsynced = 0;
        while left > 0 {
            let step = left.min(ZEROS.len() as u64);
            file.write_all(&ZEROS[..usize::try_from(step).unwrap_or(ZEROS.len())])?;
            left -= step;
            unsynced += step;
            if unsynced >= SYNC_EVERY {
                file.sync_data()?;
                unsynced = 0;
                if self.shelf.lock().closed {
                    return Ok(false);
                }
            }
        }
        file.sync_all()?;
        Ok(true)
    }

    /// A new file of the full size whose blocks are reserved but not yet written: slower to sync than a recycled one,
    /// but ready at once.
    fn create(&self, target: &Path) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(target)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.file_size) {
            Ok(()) => {}
            // The file system cannot reserve: writes will then say when the disk is full.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                file.set_len(self.file_size)?;
            }
            Err(error) => {
                drop(file);
                fs::remove_file(target)?;
                return Err(error.into());
            }
        }
        Ok(file)
    }
}

/// The number in `hind-pool-<n>.tmp` or `.new`.
fn pool_number(name: &str) -> Option<u64> {
    let rest = name.strip_prefix("hind-pool-")?;
    rest.strip_suffix(".tmp")
        .or_else(|| rest.strip_suffix(".new"))?
        .parse()
        .ok()
}
