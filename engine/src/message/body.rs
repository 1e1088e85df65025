// SPDX-License-Identifier: Apache-2.0
//! The payload of a message: in memory, or in a file of its own.

use bytes::Bytes;

use crate::id::LargeId;

/// A payload. The engine never looks into it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// All of it is here.
    Inline(Bytes),
    /// It lies in a file, whole and never changed; who wants it reads it in windows.
    Large(LargeBody),
}

/// A payload that lies in a file of its own. Copies of a message share the file; it is deleted after the last of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LargeBody {
    /// Which file.
    pub id: LargeId,
    /// How long it is, in bytes.
    pub size: u64,
}

impl Body {
    /// How long it is, in bytes, wherever it lies.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Large(large) => large.size,
        }
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in memory.
    pub fn inline(&self) -> Option<&Bytes> {
        match self {
            Self::Inline(bytes) => Some(bytes),
            Self::Large(_) => None,
        }
    }

    /// The file, if it lies in one.
    pub fn large(&self) -> Option<LargeBody> {
        match self {
            Self::Inline(_) => None,
            Self::Large(large) => Some(*large),
        }
    }

    /// What it takes of the memory, in bytes.
    pub fn in_memory(&self) -> u64 {
        self.inline().map_or(0, |bytes| bytes.len() as u64)
    }
}

impl Default for Body {
    /// An empty one.
    fn default() -> Self {
        Self::Inline(Bytes::new())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Inline(bytes)
    }
}

impl From<LargeBody> for Body {
    fn from(large: LargeBody) -> Self {
        Self::Large(large)
    }
}

/// A body in memory is equal to the bytes it holds; one in a file to nothing that is not read from there.
impl<T: AsRef<[u8]>> PartialEq<T> for Body {
    fn eq(&self, other: &T) -> bool {
        self.inline()
            .is_some_and(|bytes| **bytes == *other.as_ref())
    }
}
