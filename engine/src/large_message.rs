// SPDX-License-Identifier: Apache-2.0
//! Large messages: bodies that stream to a file of their own and out again.

use crate::engine::{Engine, Turn};
use crate::storage::request::LargeCompletion;

impl Engine {
    /// The disk has answered about the body of a large message.
    pub fn large_answered(&mut self, completion: LargeCompletion, turn: &mut Turn<'_>) {
        let _ = (completion, turn);
    }
}
