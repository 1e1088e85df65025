// SPDX-License-Identifier: Apache-2.0
//! Two processes cannot open one data directory.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// A lock on a data directory, held as long as this value lives and let go by the kernel with the process.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

impl LockFile {
    /// As [`LockFile::lock`], but as long as `patience` allows: a process that was killed with gigabytes in its hands
    /// takes the kernel a second or two to bury. `waiting` is told once whom it waits for.
    ///
    /// # Errors
    /// As [`LockFile::lock`].
    pub fn lock_within(
        directory: &Path,
        patience: Duration,
        mut waiting: impl FnMut(&io::Error),
    ) -> io::Result<Self> {
        const PAUSE: Duration = Duration::from_millis(20);
        let began = Instant::now();
        let mut first = true;
        loop {
            match Self::lock(directory) {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && began.elapsed() < patience =>
                {
                    if std::mem::take(&mut first) {
                        waiting(&error);
                    }
                    std::thread::sleep(PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    /// Locks `server.lock` in `directory`, creating it if it is missing; its content is not touched.
    ///
    /// # Errors
    /// Another process holds it (the text says which, where the system tells), or the file cannot be opened.
    pub fn lock(directory: &Path) -> io::Result<Self> {
        let path = directory.join("server.lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| {
                io::Error::other(format!("cannot open {}: {error}", path.display()))
            })?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                match holder(&file) {
                    Some(pid) => format!("{} is locked by process {pid}", path.display()),
                    None => format!("{} is locked by another process", path.display()),
                },
            )),
            Err(error) => Err(io::Error::other(format!(
                "cannot lock {}: {error}",
                path.display()
            ))),
        }
    }
}

/// The process that holds the lock, from the kernel's list of locks.
fn holder(file: &File) -> Option<u32> {
    let meta = file.metadata().ok()?;
    let (major, minor) = (rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
    let inode = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let pid = fields.nth(4)?.parse().ok()?;
        (fields.next()? == inode).then_some(pid)
    })
}
