// SPDX-License-Identifier: Apache-2.0
//! The log: a ring of segments, appended at one end and cleaned at the other.
//!
//! Reading order: [`Storage`] (appending), `head` and `header` (bytes), [`Liveness`] (what may go), [`Replay`] (reading
//! back).

mod collector;
mod content;
mod damage;
mod head;
mod header;
mod homes;
mod liveness;
mod replay;
mod storage;

pub use content::Content;
pub use damage::Damage;
pub use liveness::{Footprint, Liveness};
pub use replay::{Recovered, Replay, Visitor};
pub use storage::Storage;
