// SPDX-License-Identifier: Apache-2.0
//! What is wrong in one of an instance's small files, and where.

use std::fmt;

/// A fault at a place of a text. The reader of a whole file returns all of them, not the first.
/// Whoever read the file adds its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// What was found and what was expected, without the place.
    pub message: String,
}

impl FileError {
    pub fn at(line: u32, column: u32, message: impl Into<String>) -> Self {
        Self {
            line,
            column,
            message: message.into(),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for FileError {}
