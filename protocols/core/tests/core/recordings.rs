// SPDX-License-Identifier: Apache-2.0
//! Conversations between real clients and Artemis 2.44, frame by frame.
//!
//! A file is one connection. Its first line gives the client's version; `>` is what the client said, `<` what the broker
//! answered, in hexadecimal. A `~` marks a frame of which only the beginning was kept, behind its whole length.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use hind_core::codec::{Dialect, Frame, Malformed, Packet, Version};

/// One recorded connection.
#[derive(Debug)]
pub struct Recording {
    pub name: String,
    pub version: Version,
    /// Whole frames with their lengths, in order; not the handshake.
    pub frames: Vec<Recorded>,
    /// Frames of which only the first bytes were kept.
    pub cut: Vec<Cut>,
}

/// The beginning of a frame that was too long to be kept.
#[derive(Debug)]
pub struct Cut {
    /// Of the whole frame with its length, in bytes.
    pub length: usize,
    /// The first bytes.
    pub beginning: Vec<u8>,
}

/// One recorded frame.
#[derive(Debug)]
pub struct Recorded {
    pub from_client: bool,
    pub bytes: Bytes,
}

impl Recording {
    fn parse(name: String, text: &str) -> Self {
        let (title, lines) = text.split_once('\n').expect("a title");
        let (_, version) = title.split_once("client version ").expect("a version");
        let (version, _) = version.split_once(',').expect("and then the broker");
        let version = Version::spoken_with(version.parse().expect("a number"));
        let mut recording = Self {
            name,
            version,
            frames: Vec::new(),
            cut: Vec::new(),
        };
        for line in lines.lines() {
            match line.split_once(' ').expect("a direction and bytes") {
                (">~" | "<~", cut) => recording.cut.push(Cut::parse(cut)),
                (direction, digits) => recording.take(direction == ">", hexadecimal(digits)),
            }
        }
        recording
    }

    fn take(&mut self, from_client: bool, bytes: Vec<u8>) {
        let mut input = BytesMut::from(&bytes[..]);
        if Dialect::take(&mut input).is_none() {
            let bytes = bytes.into();
            self.frames.push(Recorded { from_client, bytes });
        }
    }
}

impl Cut {
    fn parse(text: &str) -> Self {
        let (length, digits) = text.split_once(' ').expect("a length and bytes");
        Self {
            length: length.parse().expect("a number"),
            beginning: hexadecimal(digits),
        }
    }
}

/// All recordings, in the order of their names.
pub fn all() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recorded");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("the recordings lie beside the tests")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    found.sort();
    let read = |path: &Path| std::fs::read_to_string(path).expect("a readable recording");
    found
        .iter()
        .map(|path| {
            let name = path.file_stem().expect("a file has a name");
            Recording::parse(name.to_string_lossy().into_owned(), &read(path))
        })
        .collect()
}

/// The recording of that name.
pub fn named(name: &str) -> Recording {
    let mut recordings = all().into_iter();
    recordings
        .find(|recording| recording.name == name)
        .unwrap_or_else(|| panic!("no recording {name}"))
}

fn hexadecimal(digits: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("hexadecimal") as u8;
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}

/// The frame in bytes that are one whole frame.
pub fn frame(bytes: &[u8]) -> Result<Frame, Malformed> {
    let mut input = BytesMut::from(bytes);
    let frame = Frame::take(&mut input, usize::MAX)?.ok_or(Malformed::Truncated)?;
    assert!(input.is_empty(), "one frame and nothing behind it");
    Ok(frame)
}

/// The packet in bytes that are one whole frame.
pub fn decode(bytes: &[u8], version: Version) -> Result<Packet, Malformed> {
    Packet::decode(&frame(bytes)?, version)
}

/// A packet as a whole frame.
pub fn encode(packet: &Packet, channel: i64, version: Version) -> Bytes {
    let mut out = BytesMut::new();
    packet.encode(channel, version, &mut out);
    out.freeze()
}
