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

use super::doomed::Doomed;
use super::idle::Idle;
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
    idle: Idle,
    doomed: Doomed,
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
    /// How long the file is: longer than `end` if it was idle before, until it is sealed or closed.
    length: u64,
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
    /// that made them. `idle_max`: how many bytes of files that were deleted are kept to be written over.
    pub fn new(
        path: &Path,
        (prefix, suffix): (&'static str, &'static str),
        temporary: bool,
        idle_max: u64,
    ) -> Self {
        Self {
            path: path.to_owned(),
            prefix,
            suffix,
            temporary,
            lock: None,
            begun: false,
            idle: Idle::new(path, idle_max),
            doomed: Doomed::new(path),
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
        open.append(pieces, length).during("write", &path)?;
        open.write_back(Self::WRITE_BACK).during("write", &path)?;
        Ok(length)
    }

    /// Puts the file and its name on disk.
    pub(super) fn seal(&mut self, number: u64) -> Result<(), Fault> {
        self.begin()?;
        let path = self.file_path(number);
        let open = self.opened(number, false)?;
        open.sync().during("sync", &path)?;
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
        let gone = fs::metadata(&path).and_then(|meta| match meta.len() {
            length if self.idle.has_room(length) => self.idle.give(&path, length),
            length => self.doomed.give(&path, length),
        });
        match gone {
            Ok(()) => {
                self.open.remove(&number);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).during("delete", &path),
        }
    }

    /// Bytes of deleted files that are still to be given back to the file system; `None` if there are no such files.
    pub(super) fn doomed(&self) -> Option<u64> {
        (!self.doomed.is_empty()).then(|| self.doomed.bytes())
    }

    /// Gives a portion of them back.
    pub(super) fn free_some(&mut self) -> Result<(), Fault> {
        let freed = self.doomed.free_some();
        freed.during("free deleted files in", &self.path)
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

    /// Before the first request: looks for idle files; what others left in a temporary directory is deleted.
    fn begin(&mut self) -> Result<(), Fault> {
        if self.begun {
            return Ok(());
        }
        for entry in self.entries()? {
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let page = self.number(name).is_some();
            if page || Idle::number(name).or(Doomed::number(name)).is_some() {
                self.hold()?;
            }
            let path = entry.path();
            if page && self.temporary {
                fs::remove_file(&path).during("delete", &path)?;
            }
            self.idle.find(&entry).during("look at", &path)?;
            self.doomed.find(&entry).during("look at", &path)?;
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
        let entries = self.entries()?;
        let mut numbers: Vec<u64> = entries
            .iter()
            .filter_map(|entry| self.number(entry.file_name().to_str()?))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// What is in the directory; nothing if it does not exist.
    fn entries(&self) -> Result<Vec<fs::DirEntry>, Fault> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries.collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        entries.during("list", &self.path)
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
        let (file, length) = match self.idle.take(&path).during("create", &path)? {
            Some(idle) => idle,
            None => (create(&path).during("create", &path)?, 0),
        };
        self.unsynced = true;
        let open = self.keep_open(number, file, true, 0)?;
        open.length = length;
        Ok(open)
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
            length: end,
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
            && let Some(mut open) = self.open.remove(&number)
            && open.unsynced
        {
            open.sync().during("sync", &self.file_path(number))?;
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
    /// Writes at the end.
    fn append(&mut self, mut pieces: Vec<IoSlice<'_>>, length: u64) -> io::Result<()> {
        /// What the system keeps in memory as one; all zeros.
        const BLOCK: [u8; 4096] = [0; 4096];
        let end = self.end + length;
        // Over what an idle file holds, whole blocks are written: the rest of the last one would have to be read.
        let aligned = end.next_multiple_of(BLOCK.len() as u64);
        if end < aligned && aligned <= self.length {
            pieces.push(IoSlice::new(&BLOCK[..(aligned - end) as usize]));
        }
        self.unsynced = true;
        write_gathered(&self.file, pieces, self.end)?;
        self.end = end;
        self.length = self.length.max(end);
        Ok(())
    }

    /// Puts on disk what has been written, and nothing behind it.
    fn sync(&mut self) -> io::Result<()> {
        if self.length > self.end {
            self.file.set_len(self.end)?;
            self.length = self.end;
        }
        self.file.sync_data()?;
        self.unsynced = false;
        Ok(())
    }

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

/// An empty file, old content gone.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
}
