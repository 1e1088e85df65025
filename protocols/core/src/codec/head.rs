// SPDX-License-Identifier: Apache-2.0
//! The head of a message: everything but its body, kept as it came.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::field::{Field, Reader, Writer};
use super::properties::{Properties, PropertiesBuilder};
use super::text::{Utf16, put_simple};
use super::{Malformed, Uuid};

/// The message id, in bytes.
const ID: usize = 8;
/// Where the flag before the address tells whether there is one.
const PRESENT: u8 = 1;
/// From the type to the priority: type, durable, expiration, timestamp, priority.
const FIXED: usize = 1 + 1 + 8 + 8 + 1;

/// The head of a message, from its id to its last property; behind the id in the bytes its sender wrote.
///
/// Only the id is ever changed; whoever wants more makes a new one with [`HeadBuilder`].
///
/// *Invariant*: every length in the bytes was checked, so the getters cannot fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Given by the broker; 0 from a sender.
    pub id: i64,
    /// What is behind the id, from the flag before the address on.
    encoded: Bytes,
    /// Where the flag before the user id lies.
    user_id_at: u32,
    /// Where the type lies.
    fixed_at: u32,
}

impl Head {
    /// Checks what is behind the id to its end: where the flag before the user id and where the type lies, and its length.
    fn check(bytes: &[u8]) -> Result<(u32, u32, usize), Malformed> {
        let mut cursor = Cursor::new(bytes);
        if cursor.bool()? {
            Utf16::read(&mut cursor)?;
        }
        let user_id_at = bytes.len() - cursor.left();
        if cursor.bool()? {
            cursor.sixteen()?;
        }
        let fixed_at = bytes.len() - cursor.left();
        cursor.take(FIXED)?;
        Properties::read(&mut cursor)?;
        let length = bytes.len() - cursor.left();
        Ok((offset(user_id_at), offset(fixed_at), length))
    }

    /// The address it was sent to; without one it goes to the session's default address.
    pub fn address(&self) -> Option<Utf16<'_>> {
        let mut cursor = self.cursor(0);
        if cursor.bool().ok()? {
            Utf16::read(&mut cursor).ok()
        } else {
            None
        }
    }

    /// The sender's id for it.
    pub fn user_id(&self) -> Option<Uuid> {
        let mut cursor = self.cursor(self.user_id_at as usize);
        if cursor.bool().ok()? {
            cursor.sixteen().ok().map(Uuid)
        } else {
            None
        }
    }

    /// What the body means: see [`Body`](super::Body).
    pub fn kind(&self) -> i8 {
        self.encoded[self.fixed_at as usize].cast_signed()
    }

    /// Survives a restart.
    pub fn is_durable(&self) -> bool {
        self.encoded[self.fixed_at as usize + 1] != 0
    }

    /// When it expires, ms since 1970; 0: never.
    pub fn expiration(&self) -> i64 {
        self.number(2)
    }

    /// When it was sent, ms since 1970.
    pub fn timestamp(&self) -> i64 {
        self.number(10)
    }

    /// 0 to 9, as the sender wrote it: nobody has checked.
    pub fn priority(&self) -> i8 {
        self.encoded[self.fixed_at as usize + 18].cast_signed()
    }

    /// The properties.
    pub fn properties(&self) -> Properties<'_> {
        Properties::checked(&self.encoded[self.fixed_at as usize + FIXED..])
    }

    /// How long it is, in bytes.
    pub fn encoded_len(&self) -> usize {
        ID + self.encoded.len()
    }

    /// A builder that starts with all of this but the properties.
    pub fn to_builder(&self) -> HeadBuilder<'static> {
        HeadBuilder {
            id: self.id,
            address: self
                .address()
                .map(|address| Cow::Owned(address.to_text_lossy())),
            user_id: self.user_id(),
            kind: self.kind(),
            durable: self.is_durable(),
            expiration: self.expiration(),
            timestamp: self.timestamp(),
            priority: self.priority(),
            properties: PropertiesBuilder::default(),
        }
    }

    fn cursor(&self, at: usize) -> Cursor<'_> {
        Cursor::new(&self.encoded[at..])
    }

    fn number(&self, behind_fixed: usize) -> i64 {
        let at = self.fixed_at as usize + behind_fixed;
        let bytes = self.encoded[at..at + 8].first_chunk();
        i64::from_be_bytes(*bytes.expect("eight bytes were just taken"))
    }
}

impl Field for Head {
    const LEAST: usize = ID + 1 + 1 + FIXED + 1;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let id = from.read()?;
        let (user_id_at, fixed_at, length) = Self::check(from.cursor.rest())?;
        Ok(Self {
            id,
            encoded: from.slice(length)?,
            user_id_at,
            fixed_at,
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.out.put_i64(self.id);
        to.out.put_slice(&self.encoded);
    }
}

/// What the head of a new message is to say.
#[derive(Clone, Debug, Default)]
pub struct HeadBuilder<'a> {
    /// Given by the broker; 0 from a sender.
    pub id: i64,
    /// The address it is sent to.
    pub address: Option<Cow<'a, str>>,
    /// The sender's id for it.
    pub user_id: Option<Uuid>,
    /// What the body means.
    pub kind: i8,
    /// Survives a restart.
    pub durable: bool,
    /// When it expires, ms since 1970; 0: never.
    pub expiration: i64,
    /// When it was sent, ms since 1970.
    pub timestamp: i64,
    /// 0 to 9.
    pub priority: i8,
    /// The properties.
    pub properties: PropertiesBuilder,
}

impl HeadBuilder<'_> {
    /// How much room it takes at most where all text is ASCII, in bytes.
    fn room(&self) -> usize {
        let address = self.address.as_ref().map_or(0, |address| address.len());
        1 + 4 + 2 * address + 1 + 16 + FIXED + self.properties.encoded_len()
    }

    /// The head.
    pub fn finish(&self) -> Head {
        let mut out = BytesMut::with_capacity(self.room());
        match &self.address {
            Some(address) => {
                out.put_u8(PRESENT);
                put_simple(address, &mut out);
            }
            None => out.put_u8(0),
        }
        let user_id_at = out.len();
        match self.user_id {
            Some(Uuid(bytes)) => {
                out.put_u8(PRESENT);
                out.put_slice(&bytes);
            }
            None => out.put_u8(0),
        }
        let fixed_at = out.len();
        out.put_i8(self.kind);
        out.put_u8(u8::from(self.durable));
        out.put_i64(self.expiration);
        out.put_i64(self.timestamp);
        out.put_i8(self.priority);
        self.properties.put(&mut out);
        Head {
            id: self.id,
            encoded: out.freeze(),
            user_id_at: offset(user_id_at),
            fixed_at: offset(fixed_at),
        }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a frame is at most 2 GiB long")
}
