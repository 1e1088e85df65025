// SPDX-License-Identifier: Apache-2.0
//! Why a command did not do what it was asked.

use crate::configuration::Remark;
use hind_config::file_error::FileError;
use std::fmt;
use std::path::Path;

/// What a command returns; a failure makes the exit status 1.
pub type Outcome = Result<(), Failure>;

/// A text for the operator, printed on standard error.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Everything has been said already.
    pub fn silent() -> Self {
        Self(String::new())
    }

    pub fn is_silent(&self) -> bool {
        self.0.is_empty()
    }

    /// `doing` names the attempt: "cannot write etc/broker.xml".
    pub fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self(format!("cannot {doing} {}: {error}", path.display()))
    }

    /// All faults of a file, one a line, as `file:line:column: message`.
    pub fn file(path: &Path, errors: &[FileError]) -> Self {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("{}:{error}", path.display()))
            .collect();
        Self(lines.join("\n"))
    }

    /// All problems of a configuration, one a line.
    pub fn remarks(problems: &[Remark]) -> Self {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Self(lines.join("\n"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
