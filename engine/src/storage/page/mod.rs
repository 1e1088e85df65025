// SPDX-License-Identifier: Apache-2.0
//! The content of a page's file: a header that tells an operator whose it is, and entries, one per message. FORMAT.md,
//! "Pages".
//!
//! Pure: [`Appender`] makes the bytes, [`Entries`] reads them back, chunk by chunk.

mod appender;
mod entries;
mod head;
mod header;
#[cfg(test)]
mod tests;

pub use appender::{Appender, entry_size};
pub use entries::{Entries, Entry, Resume};
pub use header::PageHeader;
