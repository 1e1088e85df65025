// SPDX-License-Identifier: Apache-2.0
//! A directory of numbered files, each written once from its start to its end, then sealed, read and deleted: pages, or
//! the bodies of large messages.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::Advice;

use super::{During, Fault, write_gathered};
use crate::host::lock_file::LockFile;

/// What is behind the name of a file that was set aside.
const ASIDE: &str = ".damaged";

/// A directory of files named `<prefix><number><suffix>`.
///
/// *Invariants*: what [`Folder::seal`] has returned for is on disk, name and content; at most [`Folder::OPEN_MAX`] files
/// are open.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    prefix: &'static str,
    suffix: &'static str,
    /// What another process left here is nobody's, and is deleted before the first request.
    temporary: bool,
    /// Held on a temporary directory that has files.
    lock: Option<LockFile>,
    begun: bool,
    open: BTreeMap<u64, Open>,
    /// Counts uses, to know the oldest.
    uses: u64,
    /// A file has been created since the directory was last synced.
    unsynced: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    writable: bool,
    /// Where the next write has to begin.
    end: u64,
    /// Up to where the system has been asked to write back.
    writing_back: u64,
    unsynced: bool,
    used: u64,
}

impl Folder {
    /// How many files are kept open.
    pub const OPEN_MAX: usize = 32;
    /// After so many bytes the system is asked to begin writing them back, so that the sync at the end finds little to
    /// do and the device is never handed a whole page at once while the journal waits for it.
    const WRITE_BACK: u64 = 256 * 1024;

    /// The directory need not exist: it is created for the first file. `temporary`: its files do not outlive the process
    /// that made them.
    pub fn new(path: &Path, prefix: &'static str, suffix: &'static str, temporary: bool) -> Self {
        Self {
            path: path.to_owned(),
            prefix,
            suffix,
            temporary,
            lock: None,
            begun: false,
            open: BTreeMap::new(),
            uses: 0,
            unsynced: false,
        }
    }

    /// The numbers of all files, those set aside included, ascending.
    pub(super) fn list(&mut self) -> Result<Vec<u64>, Fault> {
        self.begin()?;
        self.numbers()
    }

    /// Writes `pieces` at `offset`, which is where the file ends; at 0 the file is created, or emptied. Returns how many
    /// bytes that was.
    pub(super) fn append(
        &mut self,
        number: u64,
        offset: u64,
        pieces: &[Bytes],
    ) -> Result<u64, Fault> {
        self.begin()?;
        let path = self.file_path(number);
        let open = match offset {
            0 => self.create(number)?,
            _ => self.opened(number, true)?,
        };
        if open.end != offset {
            let why = format!("it is {} bytes long, not {offset}", open.end);
            return Err(io::Error::other(why)).during("append to", &path);
        }
        let length = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let pieces = pieces.iter().filter(|piece| !piece.is_empty());
        let pieces = pieces.map(|piece| IoSlice::new(piece)).collect();
        open.unsynced = true;
        write_gathered(&open.file, pieces, offset).during("write", &path)?;
        open.end += length;
        open.write_back(Self::WRITE_BACK).during("write", &path)?;
        Ok(length)
    }

    /// Puts the file and its name on disk.
    pub(super) fn seal(&mut self, number: u64) -> Result<(), Fault> {
        self.begin()?;
        let path = self.file_path(number);
        let open = self.opened(number, false)?;
        open.file.sync_data().during("sync", &path)?;
        open.unsynced = false;
        if self.unsynced {
            let directory = File::open(&self.path).during("open", &self.path)?;
            directory.sync_all().during("sync", &self.path)?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// At most `length` bytes from `offset` on; fewer at the end of the file.
    pub(super) fn read(&mut self, number: u64, offset: u64, length: u32) -> Result<Bytes, Fault> {
        self.begin()?;
        let path = self.file_path(number);
        let open = self.opened(number, false)?;
        let there = open.end.saturating_sub(offset).min(u64::from(length));
        let mut bytes = vec![0; there as usize];
        let mut read = 0;
        while read < bytes.len() {
            match open.file.read_at(&mut bytes[read..], offset + read as u64) {
                // Somebody else has cut the file.
                Ok(0) => break,
                Ok(n) => read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).during("read", &path),
            }
        }
        bytes.truncate(read);
        Ok(bytes.into())
    }

    /// Deletes the file if there is one that was not set aside.
    pub(super) fn delete(&mut self, number: u64) -> Result<(), Fault> {
        self.begin()?;
        let path = self.file_path(number);
        match fs::remove_file(&path) {
            Ok(()) => {
                self.open.remove(&number);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).during("delete", &path),
        }
    }

    /// Gives the file a name under which [`Folder::delete`] does not find it, and returns that name; empty if there is no
    /// file.
    pub(super) fn set_aside(&mut self, number: u64) -> Result<String, Fault> {
        self.begin()?;
        let (path, aside) = (self.file_path(number), self.aside_path(number));
        match fs::rename(&path, &aside) {
            Ok(()) => Ok(aside.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && aside.exists() => {
                Ok(aside.display().to_string())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error).during("rename", &path),
        }
    }

    /// Before the first request: what others left in a temporary directory is deleted.
    fn begin(&mut self) -> Result<(), Fault> {
        if self.begun {
            return Ok(());
        }
        if self.temporary {
            let left = self.numbers()?;
            if !left.is_empty() {
                self.hold()?;
            }
            for number in left {
                for path in [self.file_path(number), self.aside_path(number)] {
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(error).during("delete", &path);
                        }
                        _ => {}
                    }
                }
            }
        }
        self.begun = true;
        Ok(())
    }

    /// Keeps other processes out of a temporary directory; one that lasts is guarded by the journal's lock.
    fn hold(&mut self) -> Result<(), Fault> {
        if self.temporary && self.lock.is_none() {
            let lock = LockFile::lock(&self.path).during("lock", &self.path)?;
            self.lock = Some(lock);
        }
        Ok(())
    }

    fn numbers(&self) -> Result<Vec<u64>, Fault> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).during("list", &self.path),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.during("list", &self.path)?.file_name();
            numbers.extend(name.to_str().and_then(|name| self.number(name)));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// The number in the name of one of the folder's files.
    fn number(&self, name: &str) -> Option<u64> {
        let name = name.strip_suffix(ASIDE).unwrap_or(name);
        let number = name.strip_prefix(self.prefix)?;
        number.strip_suffix(self.suffix)?.parse().ok()
    }

    /// An empty file, old content gone.
    fn create(&mut self, number: u64) -> Result<&mut Open, Fault> {
        fs::create_dir_all(&self.path).during("create", &self.path)?;
        self.hold()?;
        let path = self.file_path(number);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .during("create", &path)?;
        self.unsynced = true;
        self.keep_open(number, file, true, 0)
    }

    /// The file, under whichever of its names.
    fn opened(&mut self, number: u64, to_write: bool) -> Result<&mut Open, Fault> {
        let fits = |open: &Open| open.writable || !to_write;
        if !self.open.get(&number).is_some_and(fits) {
            let path = self.file_path(number);
            let mut options = OpenOptions::new();
            options.read(true).write(to_write);
            let file = match options.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !to_write => {
                    options.open(self.aside_path(number)).map_err(|_| error)
                }
                opened => opened,
            };
            let file = file.during("open", &path)?;
            let end = file.metadata().during("look at", &path)?.len();
            return self.keep_open(number, file, to_write, end);
        }
        self.uses += 1;
        let open = self.open.get_mut(&number).expect("just seen");
        open.used = self.uses;
        Ok(open)
    }

    fn keep_open(
        &mut self,
        number: u64,
        file: File,
        writable: bool,
        end: u64,
    ) -> Result<&mut Open, Fault> {
        if self.open.len() >= Self::OPEN_MAX && !self.open.contains_key(&number) {
            self.close_one()?;
        }
        self.uses += 1;
        let fresh = Open {
            file,
            writable,
            end,
            writing_back: end,
            unsynced: writable,
            used: self.uses,
        };
        self.open.insert(number, fresh);
        Ok(self.open.get_mut(&number).expect("just inserted"))
    }

    /// Closes the file that has gone unused for longest, preferably one that is not being written. One that is gets
    /// synced: who opens it again later would not be told of an error of the writing back.
    fn close_one(&mut self) -> Result<(), Fault> {
        let oldest = self
            .open
            .iter()
            .min_by_key(|(_, open)| (open.unsynced, open.used))
            .map(|(number, _)| *number);
        if let Some(number) = oldest
            && let Some(open) = self.open.remove(&number)
            && open.unsynced
        {
            open.file
                .sync_data()
                .during("sync", &self.file_path(number))?;
        }
        Ok(())
    }

    fn file_path(&self, number: u64) -> PathBuf {
        self.path
            .join(format!("{}{number}{}", self.prefix, self.suffix))
    }

    fn aside_path(&self, number: u64) -> PathBuf {
        self.path
            .join(format!("{}{number}{}{ASIDE}", self.prefix, self.suffix))
    }
}

impl Open {
    /// Asks the system to begin writing back, when `every` bytes have come together.
    fn write_back(&mut self, every: u64) -> io::Result<()> {
        let waiting = self.end - self.writing_back;
        if let Some(length) = NonZeroU64::new(waiting)
            && waiting >= every
        {
            // Linux begins to write back what it is told is not needed; what is being written stays cached.
            rustix::fs::fadvise(
                &self.file,
                self.writing_back,
                Some(length),
                Advice::DontNeed,
            )?;
            self.writing_back = self.end;
        }
        Ok(())
    }
}
