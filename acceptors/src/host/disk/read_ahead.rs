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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Segments 1 to `count`, each with so many bytes as its number.
    fn segments(directory: &Path, count: u64) -> Vec<(Segment, PathBuf)> {
        let segment = |number| {
            let path = directory.join(format!("{number}"));
            let bytes = vec![b'x'; usize::try_from(number).expect("small")];
            fs::write(&path, bytes).expect("written");
            (Segment(number), path)
        };
        (1..=count).map(segment).collect()
    }

    #[test]
    fn segments_come_in_their_order_whoever_reads_them_and_then_no_more() {
        let directory = tempfile::tempdir().expect("a directory");
        for count in [1, 2, 5] {
            let list = segments(directory.path(), count);
            let mut ahead = ReadAhead::start(&list).expect("threads");
            for (segment, _) in &list {
                let content = ahead.next(*segment).expect("is the next of the list");
                assert!(content.is_ok(), "{segment:?} of {count}");
            }
            assert!(ahead.next(Segment(count + 1)).is_none());
        }
    }

    #[test]
    fn who_asks_for_another_than_the_next_gets_none_and_the_readers_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let list = segments(directory.path(), 9);
        let mut ahead = ReadAhead::start(&list).expect("threads");
        assert!(ahead.next(Segment(1)).is_some());
        assert!(ahead.next(Segment(7)).is_none());
        // Waits for both, which are in the middle of the list.
        drop(ahead);
    }

    #[test]
    fn a_segment_that_cannot_be_read_is_an_error_in_its_place() {
        let directory = tempfile::tempdir().expect("a directory");
        let list = segments(directory.path(), 4);
        fs::remove_file(&list[2].1).expect("deleted");
        let mut ahead = ReadAhead::start(&list).expect("threads");
        let read: Vec<_> = (1..=4)
            .map(|number| ahead.next(Segment(number)).map(|content| content.is_ok()))
            .collect();
        assert_eq!(read, [true, true, false, true].map(Some));
    }

    #[test]
    fn memory_is_used_again_when_nobody_looks_at_what_was_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("segment");
        fs::write(&path, vec![b'x'; 100_000]).expect("written");
        let mut buffers = Buffers::default();
        let read = |buffers: &mut Buffers| buffers.read(&path).expect("read");
        let (first, second) = (read(&mut buffers), read(&mut buffers));
        let place = first.as_ptr();
        drop((first, second));
        let third = read(&mut buffers);
        assert_eq!(third.as_ptr(), place);
        assert_eq!(third.len(), 100_000);
        let fourth = read(&mut buffers);
        let fifth = read(&mut buffers);
        assert_ne!(fifth.as_ptr(), third.as_ptr(), "somebody looks at that");
        assert_eq!((&fourth[..], &fifth[..]), (&third[..], &third[..]));
    }
}
