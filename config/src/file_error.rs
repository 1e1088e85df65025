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

/// The known word that `found` was probably meant to be: the nearest within a third of its letters.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (found.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (edits(found, word), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Levenshtein distance, letters compared without case.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let known = ["required", "requisite", "sufficient", "optional"];
        assert_eq!(nearest("suficient", known), Some("sufficient"));
        assert_eq!(nearest("Reqired", known), Some("required"));
        assert_eq!(nearest("banana", known), None);
    }
}
