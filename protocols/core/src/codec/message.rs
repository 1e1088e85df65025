// SPDX-License-Identifier: Apache-2.0
//! A whole message inside a packet, in both of its layouts.

use bytes::{BufMut, Bytes};

use super::field::{Field, Reader, Writer};
use super::head::Head;
use super::{Body, Layout, Malformed};

/// What the offsets in a message count besides its body: length, type and channel of the frame, which is to say the bytes
/// before the message ...
const FRAME_HEAD: i32 = 13;
/// ... and in the older layout the first offset, too.
const OFFSET: i32 = 4;

/// A message: the bytes its sender wrote, in two slices. In which layout they are sent on is decided by who receives them:
/// the two differ only in the offsets around the body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The body; what it means depends on the kind.
    pub body: Bytes,
    /// Everything else.
    pub head: Head,
}

impl Message {
    /// A view of the body as its kind has it; what does not look like its kind is opaque.
    pub fn view(&self) -> Body<'_> {
        Body::of(self.head.kind(), &self.body)
    }
}

impl Field for Message {
    const LEAST: usize = 4 + Head::LEAST;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let layout = from.version.layout();
        let around = match layout {
            Layout::OneEnd => FRAME_HEAD,
            Layout::TwoEnds => FRAME_HEAD + OFFSET,
        };
        let end_of_body = from.read::<i32>()?;
        let length = end_of_body
            .checked_sub(around)
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= from.cursor.left())
            .ok_or(Malformed::MessageEnd(end_of_body))?;
        let body = from.slice(length)?;
        if layout == Layout::OneEnd {
            let head = from.read()?;
            return Ok(Self { body, head });
        }
        let end = from.read::<i32>()?;
        let head: Head = from.read()?;
        if end_of_message(length, &head) != i64::from(end) {
            return Err(Malformed::MessageEnd(end));
        }
        Ok(Self { body, head })
    }

    fn write(&self, to: &mut Writer<'_>) {
        let length = i32::try_from(self.body.len()).expect("a body is far below 2 GiB");
        match to.version.layout() {
            Layout::OneEnd => {
                to.out.put_i32(length + FRAME_HEAD);
                to.put_body(&self.body);
            }
            Layout::TwoEnds => {
                to.out.put_i32(length + FRAME_HEAD + OFFSET);
                to.put_body(&self.body);
                let end = i32::try_from(end_of_message(self.body.len(), &self.head));
                to.out.put_i32(end.expect("a message is far below 2 GiB"));
            }
        }
        self.head.write(to);
    }
}

/// Where the older layout says a message ends: counted from the first byte of its frame.
fn end_of_message(body: usize, head: &Head) -> i64 {
    i64::from(FRAME_HEAD + OFFSET + OFFSET) + body as i64 + head.encoded_len() as i64
}
