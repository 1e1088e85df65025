// SPDX-License-Identifier: Apache-2.0
//! Files whose content nobody needs any more, kept to be written over.
//!
//! Giving the blocks of a page back to the file system, and with them to a device that wants to be told, costs the
//! journal's syncs more than writing the page did. An address that pages steadily frees a page for every one it fills.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Idle files of one directory, named `hind-idle-<n>.tmp`.
#[derive(Debug)]
pub(super) struct Idle {
    directory: PathBuf,
    /// Path and length, oldest first.
    files: VecDeque<(PathBuf, u64)>,
    bytes: u64,
    bytes_max: u64,
    next: u64,
}

impl Idle {
    /// No more files than this.
    const FILES_MAX: usize = 64;

    /// None yet, and never more than so many bytes.
    pub fn new(directory: &Path, bytes_max: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            files: VecDeque::new(),
            bytes: 0,
            bytes_max,
            next: 0,
        }
    }

    /// Takes in a file found in the directory if its name says that it is idle; it is deleted if there is no room.
    ///
    /// # Errors
    /// It cannot be looked at or deleted.
    pub fn find(&mut self, entry: &fs::DirEntry) -> io::Result<()> {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(Self::number) else {
            return Ok(());
        };
        self.next = self.next.max(number + 1);
        let length = entry.metadata()?.len();
        if !self.has_room(length) {
            return fs::remove_file(entry.path());
        }
        self.add(entry.path(), length);
        Ok(())
    }

    /// Takes a file of this length, for which there must be [room](Self::has_room), off its name.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn give(&mut self, path: &Path, length: u64) -> io::Result<()> {
        assert!(self.has_room(length), "the caller has asked");
        let idle = self.directory.join(format!("hind-idle-{}.tmp", self.next));
        fs::rename(path, &idle)?;
        self.next += 1;
        self.add(idle, length);
        Ok(())
    }

    /// An idle file under a new name, replacing what has it now, and its length; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be renamed or opened. That somebody else has deleted it is none.
    pub fn take(&mut self, target: &Path) -> io::Result<Option<(File, u64)>> {
        while let Some((path, length)) = self.files.pop_front() {
            self.bytes -= length;
            match fs::rename(&path, target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => {
                    renamed?;
                    let file = OpenOptions::new().read(true).write(true).open(target)?;
                    return Ok(Some((file, length)));
                }
            }
        }
        Ok(None)
    }

    /// The number in the name of an idle file.
    pub fn number(name: &str) -> Option<u64> {
        let number = name.strip_prefix("hind-idle-")?.strip_suffix(".tmp")?;
        number.parse().ok()
    }

    /// Whether a file of this length is worth keeping, and may be.
    pub fn has_room(&self, length: u64) -> bool {
        length > 0 && self.bytes + length <= self.bytes_max && self.files.len() < Self::FILES_MAX
    }

    fn add(&mut self, path: PathBuf, length: u64) {
        self.bytes += length;
        self.files.push_back((path, length));
    }
}
