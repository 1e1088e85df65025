// SPDX-License-Identifier: Apache-2.0
//! What reading a configuration has to say: errors that refuse the start, and notes that are logged.

use std::fmt;
use std::sync::Arc;

/// A place in one of the files; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The file as the caller or an include named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One reason not to start. `Display` is one line that an operator can act on:
/// `broker.xml:12:9: unknown element <journal-typ>: did you mean <journal-type>?`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where.
    pub position: Position,
    /// The element, attribute or parameter concerned, by its bare name; empty when the file is not XML at all.
    pub element: String,
    /// What is wrong.
    pub problem: String,
    /// What would have been right.
    pub expected: Option<String>,
    /// The known word nearest to an unknown one, in the form in which it is written.
    pub nearest: Option<String>,
}

impl ConfigError {
    pub(crate) fn new(position: &Position, element: &str, problem: impl Into<String>) -> Self {
        let (position, element) = (position.clone(), element.to_owned());
        Self {
            position,
            element,
            problem: problem.into(),
            expected: None,
            nearest: None,
        }
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(crate) fn nearest(mut self, nearest: Option<String>) -> Self {
        self.nearest = nearest;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.position, self.problem)?;
        if let Some(expected) = &self.expected {
            write!(formatter, "; expected {expected}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(formatter, ": did you mean {nearest}?")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// How loud a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Without consequence for what the operator meant.
    Info,
    /// Something written does not act.
    Warn,
}

/// One thing that is accepted but worth a line in the log. Several places that say the same share one note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How loud.
    pub level: Level,
    /// The first place.
    pub position: Position,
    /// The element, attribute or parameter concerned.
    pub element: String,
    /// What is to be said about it.
    pub text: String,
    /// The further places.
    pub also: Vec<Position>,
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}: {}",
            self.position.file, self.position.line, self.text
        )?;
        if self.also.is_empty() {
            return Ok(());
        }
        let mut places: Vec<String> = self.also.iter().map(|place| self.short(place)).collect();
        places.dedup();
        write!(formatter, " (also {})", places.join(", "))
    }
}

impl Note {
    fn short(&self, place: &Position) -> String {
        if place.file == self.position.file {
            format!("line {}", place.line)
        } else {
            format!("{}:{}", place.file, place.line)
        }
    }
}

/// Where a value in force comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// Written here.
    Written(Position),
    /// Nobody wrote it; it follows from something outside the configuration, which this names.
    Computed(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Written(position) => write!(formatter, "{}:{}", position.file, position.line),
            Self::Computed(from) => formatter.write_str(from),
        }
    }
}

/// One value in force, for `check config --print-effective`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The path of XML names, matches and names in brackets: `address-settings[#]/page-size-bytes`.
    pub name: String,
    /// As it would be written; a password only as `****`.
    pub value: String,
    /// Where from.
    pub origin: Origin,
}

/// Everything that was found while reading, in the order of the files.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub errors: Vec<ConfigError>,
    pub notes: Vec<Note>,
    pub effective: Vec<Effective>,
}

impl Findings {
    pub fn error(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// Notes `text` about `element`, or adds the place to the note that already says so.
    pub fn note(&mut self, level: Level, position: &Position, element: &str, text: String) {
        if let Some(note) = self
            .notes
            .iter_mut()
            .find(|note| note.text == text && note.level == level)
        {
            note.also.push(position.clone());
            return;
        }
        let (position, element) = (position.clone(), element.to_owned());
        self.notes.push(Note {
            level,
            position,
            element,
            text,
            also: Vec::new(),
        });
    }
}
