// SPDX-License-Identifier: Apache-2.0
//! The `-Dname=value` words by which an instance's profile defines variables for its configuration files.

use std::fs;
use std::path::Path;

/// The shell variables that hold such words; of two definitions the later variable's counts.
const SOURCES: [&str; 4] = [
    "JAVA_ARGS",
    "ARTEMIS_CLUSTER_PROPS",
    "DEBUG_ARGS",
    "JAVA_ARGS_APPEND",
];

/// Definitions in force, the last of a name counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Definitions(Vec<(String, String)>);

impl Definitions {
    /// What the launcher has put in the environment after it ran the profile as the shell script it is.
    pub fn from_environment() -> Self {
        let mut definitions = Self::default();
        for source in SOURCES {
            definitions.take(&std::env::var(source).unwrap_or_default());
        }
        definitions
    }

    /// For a program that was started without the launcher: plain assignments of `etc/artemis.profile`, for nothing
    /// is executed, and then what the environment says.
    pub fn from_profile(etc: &Path) -> Self {
        let text = fs::read_to_string(etc.join("artemis.profile")).unwrap_or_default();
        let mut definitions = Self::default();
        for source in SOURCES {
            let environment = std::env::var(source).ok().filter(|words| !words.is_empty());
            let assigned = || assignments(&text, source).collect::<Vec<_>>().join(" ");
            definitions.take(&environment.unwrap_or_else(assigned));
        }
        definitions
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rfind(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn take(&mut self, words: &str) {
        for word in words.split_whitespace() {
            if let Some((name, value)) = word
                .strip_prefix("-D")
                .and_then(|word| word.split_once('='))
            {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

/// The words of every line `NAME='…'` or `NAME="…"`; words that need a shell are left out.
fn assignments<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().flat_map(move |line| {
        let value = line
            .trim()
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='));
        let value = value.unwrap_or_default();
        let inside = ['"', '\'']
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(value);
        inside
            .split_whitespace()
            .filter(|word| !word.contains(['$', '`', '\'', '"', '\\']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_definition_of_a_name_counts() {
        let mut definitions = Definitions::default();
        definitions.take("-Xmx2G -Da=1 -Dab=2 -Da=3=4 -D");
        assert_eq!(
            (definitions.get("a"), definitions.get("ab")),
            (Some("3=4"), Some("2"))
        );
        assert_eq!(definitions.get("b"), None);
    }

    #[test]
    fn only_plain_assignments_of_a_profile_are_read() {
        let text = "#JAVA_ARGS='-Da=0'\n  JAVA_ARGS=\"-Da=1 -Db=$HOME -Dc=3\"\nOTHER_JAVA_ARGS='-Dd=4'\nJAVA_ARGS=-De=5\n";
        let words: Vec<&str> = assignments(text, "JAVA_ARGS").collect();
        assert_eq!(words, ["-Da=1", "-Dc=3", "-De=5"]);
    }
}
