// SPDX-License-Identifier: Apache-2.0
//! Addresses that page: when one begins, where its messages go, and how they come back.

use crate::engine::{Engine, Turn};
use crate::storage::request::PageCompletion;

impl Engine {
    /// The disk has answered about a page.
    pub fn page_answered(&mut self, completion: PageCompletion, turn: &mut Turn<'_>) {
        let _ = (completion, turn);
    }
}
