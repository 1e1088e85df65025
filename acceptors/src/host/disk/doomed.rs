// SPDX-License-Identifier: Apache-2.0
//! Large files that have been deleted and are still to be given back to the file system, a portion at a time.
//!
//! To free gigabytes at once keeps the bulk thread for seconds, and whoever waits for a page with it.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Doomed files of one directory, named `hind-doomed-<n>.tmp`.
#[derive(Debug)]
pub(super) struct Doomed {
    directory: PathBuf,
    /// Path and length that is left, oldest first.
    files: VecDeque<(PathBuf, u64)>,
    bytes: u64,
    next: u64,
}

impl Doomed {
    /// A file no longer than this is deleted at once.
    pub const SMALL: u64 = 1 << 20;
    /// Bytes that are given back at once.
    const PORTION: u64 = 32 << 20;

    /// None yet.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            files: VecDeque::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// Takes in a file found in the directory if its name says that it is doomed.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn find(&mut self, entry: &fs::DirEntry) -> io::Result<()> {
        if let Some(number) = entry.file_name().to_str().and_then(Self::number) {
            self.next = self.next.max(number + 1);
            self.add(entry.path(), entry.metadata()?.len());
        }
        Ok(())
    }

    /// Takes a file of this length off its name; a small one is deleted.
    ///
    /// # Errors
    /// It cannot be renamed or deleted.
    pub fn give(&mut self, path: &Path, length: u64) -> io::Result<()> {
        if length <= Self::SMALL {
            return fs::remove_file(path);
        }
        let doomed = format!("hind-doomed-{}.tmp", self.next);
        let doomed = self.directory.join(doomed);
        fs::rename(path, &doomed)?;
        self.next += 1;
        self.add(doomed, length);
        Ok(())
    }

    /// Bytes that are still to be given back.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is nothing left to do.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Gives a portion back: the end of the oldest file, or what is left of it.
    ///
    /// # Errors
    /// It cannot be cut or deleted; it is not tried again. That somebody else has deleted it is none.
    pub fn free_some(&mut self) -> io::Result<()> {
        let Some((path, length)) = self.files.pop_front() else {
            return Ok(());
        };
        self.bytes -= length;
        let left = length.saturating_sub(Self::PORTION);
        let freed = match left {
            0 => fs::remove_file(&path),
            _ => OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(left)),
        };
        match freed {
            Ok(()) if left > 0 => {
                self.bytes += left;
                self.files.push_front((path, left));
                Ok(())
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The number in the name of a doomed file.
    pub fn number(name: &str) -> Option<u64> {
        let number = name.strip_prefix("hind-doomed-")?.strip_suffix(".tmp")?;
        number.parse().ok()
    }

    fn add(&mut self, path: PathBuf, length: u64) {
        self.bytes += length;
        self.files.push_back((path, length));
    }
}
