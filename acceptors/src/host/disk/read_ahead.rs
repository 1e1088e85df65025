// SPDX-License-Identifier: Apache-2.0
//! Reading segments ahead of recovery: threads read, verify and decode the next ones while the node applies the last.
//! They end with their list, or when nobody wants the rest.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use hind_engine::storage::Content;
use hind_engine::storage::request::Segment;

/// Threads that read: applying a segment takes a third of the time that reading and decoding one does.
const READERS: usize = 2;

type Read = (Segment, io::Result<Content>);

/// A list of segments, being read by turns. Every reader is one segment ahead.
#[derive(Debug)]
pub struct ReadAhead {
    readers: VecDeque<Reader>,
}

#[derive(Debug)]
struct Reader {
    /// `None` only in the end.
    contents: Option<Receiver<Read>>,
    thread: Option<JoinHandle<()>>,
}

impl ReadAhead {
    /// Starts to read these files. What is written to them from now on may or may not be seen.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(files: &[(Segment, PathBuf)]) -> io::Result<Self> {
        let share = |nth| files.iter().skip(nth).step_by(READERS).cloned().collect();
        let readers = (0..READERS.min(files.len())).map(|nth| Reader::start(share(nth)));
        Ok(Self {
            readers: readers.collect::<io::Result<_>>()?,
        })
    }

    /// The content of `segment`; `None` if that is not the next of the list.
    pub fn next(&mut self, segment: Segment) -> Option<io::Result<Content>> {
        let (next, content) = self.readers.front()?.contents.as_ref()?.recv().ok()?;
        self.readers.rotate_left(1);
        (next == segment).then_some(content)
    }
}

impl Reader {
    fn start(files: Vec<(Segment, PathBuf)>) -> io::Result<Self> {
        let (sender, contents) = mpsc::sync_channel(0);
        let thread = thread::Builder::new()
            .name("hind-read".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || read_all(files, &sender))?;
        Ok(Self {
            contents: Some(contents),
            thread: Some(thread),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.contents = None;
        if let Some(thread) = self.thread.take() {
            // It cannot panic but by a fault in the decoder, and whoever asked for the next segment has noticed.
            let _ = thread.join();
        }
    }
}

fn read_all(files: Vec<(Segment, PathBuf)>, out: &SyncSender<Read>) {
    let mut buffers = Buffers::default();
    for (segment, path) in files {
        let content = buffers.read(&path).map(|bytes| Content::of(segment, bytes));
        if out.send((segment, content)).is_err() {
            return;
        }
    }
}

/// Reads a whole segment.
///
/// # Errors
/// The file cannot be opened or read.
pub fn read(segment: Segment, path: &Path) -> io::Result<Content> {
    let bytes = Buffers::default().read(path)?;
    Ok(Content::of(segment, bytes))
}

/// Memory for segments, used again and again.
#[derive(Debug, Default)]
struct Buffers(VecDeque<Bytes>);

impl Buffers {
    fn read(&mut self, path: &Path) -> io::Result<Bytes> {
        let mut buffer = self.vacant();
        File::open(path)?.read_to_end(&mut buffer)?;
        let bytes = Bytes::from(buffer);
        self.0.push_back(bytes.clone());
        Ok(bytes)
    }

    /// The memory of a segment read before which nobody looks at any more, else fresh.
    fn vacant(&mut self) -> Vec<u8> {
        /// The one being applied, and one before it.
        const KEPT: usize = 2;
        if self.0.len() < KEPT {
            return Vec::new();
        }
        let oldest = self.0.pop_front().unwrap_or_default();
        oldest.try_into_mut().map_or_else(
            |_| Vec::new(),
            |buffer| {
                let mut buffer = Vec::from(buffer);
                buffer.clear();
                buffer
            },
        )
    }
}
