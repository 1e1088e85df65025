// SPDX-License-Identifier: Apache-2.0
//! Documents that name paths nobody checks: every path in a Markdown file must exist.
//!
//! A path is a word in backticks, or the first word of a line in a ```` ```text ```` block (a map), that holds a `/` or
//! ends in an ending of a source file. In a map, indentation nests: a line counts below the last less indented folder.

use std::path::Path;

use crate::tree::{File, table};

const ENDINGS: &[&str] = &[
    ".rs",
    ".md",
    ".toml",
    ".xml",
    ".py",
    ".sh",
    ".txt",
    ".xsd",
    ".properties",
];

/// Paths that are named but not there, for every Markdown file except the change log.
pub fn missing_paths(root: &Path, files: &[File]) -> Vec<String> {
    let outside: Vec<String> = table("not_paths.txt").into_iter().flatten().collect();
    let documents = files
        .iter()
        .filter(|file| file.path.ends_with(".md") && file.path != "CHANGELOG.md");
    let mut findings = Vec::new();
    for document in documents {
        // A document speaks from its own folder or from any above it; a bare name may stand for a file anywhere.
        let folders: Vec<&Path> = Path::new(&document.path).ancestors().skip(1).collect();
        let named_so = |path: &str| {
            files
                .iter()
                .any(|file| file.path.ends_with(&format!("/{path}")))
        };
        let there = |path: &str| {
            let below = |folder: &&Path| root.join(folder).join(path).exists();
            folders.iter().any(below) || (!path.contains('/') && named_so(path))
        };
        for (line, candidates) in named(&document.text) {
            let ours = !outside.iter().any(|word| {
                candidates[0] == *word || candidates[0].starts_with(&format!("{word}/"))
            });
            if ours && !candidates.iter().any(|path| there(path)) {
                findings.push(format!(
                    "{}:{line}: {} does not exist",
                    document.path, candidates[0]
                ));
            }
        }
    }
    findings
}

/// Each path a document names: its line, and the spellings of which one must exist.
fn named(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    let mut nest: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() {
                None
            } else {
                Some(info.trim())
            };
            nest.clear();
        } else if fence == Some("text") {
            found.extend(map_line(line, &mut nest).map(|candidates| (index + 1, candidates)));
        } else if fence.is_none() {
            let quoted = line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|word| is_path(word));
            found.extend(quoted.map(|word| (index + 1, vec![strip(word)])));
        }
    }
    found
}

fn map_line(line: &str, nest: &mut Vec<(usize, String)>) -> Option<Vec<String>> {
    let word = line.split_whitespace().next()?;
    let indent = line.len() - line.trim_start().len();
    nest.retain(|(outer, _)| *outer < indent);
    if !is_path(word) {
        return None;
    }
    let prefix: String = nest
        .last()
        .map_or(String::new(), |(_, folder)| folder.clone());
    if word.ends_with('/') {
        nest.push((indent, format!("{prefix}{word}")));
    }
    Some(vec![strip(&format!("{prefix}{word}")), strip(word)])
}

/// Without a line number or trailing slash.
fn strip(word: &str) -> String {
    word.split(':')
        .next()
        .unwrap_or(word)
        .trim_end_matches('/')
        .to_owned()
}

fn is_path(word: &str) -> bool {
    let plain = word
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-./:".contains(c));
    let relative =
        !word.starts_with(['/', '-', ':']) && !word.starts_with("..") && !word.contains("//");
    let first = word.split('/').next().unwrap_or_default();
    let placeholder = first.len() > 1 && first.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let number = first
        .chars()
        .all(|c| c.is_ascii_digit() || c == '.' || c == ':');
    let shaped = word.contains('/') || ENDINGS.iter().any(|ending| strip(word).ends_with(ending));
    plain && relative && shaped && !placeholder && (!number || first == ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_other_words() {
        for path in [
            "engine/src/gate.rs",
            "protocols/stomp",
            "README.md",
            "engine/",
            "ha/src/lib.rs:12",
            ".ci/run",
        ] {
            assert!(is_path(path), "{path}");
        }
        for other in [
            "DIR/bin/artemis",
            "/queue/a",
            "tcp://h:1",
            "a b",
            "--flag/x",
            "../shared/x",
            "1/2",
            "ANYCAST",
            "*/src",
        ] {
            assert!(!is_path(other), "{other}");
        }
    }

    #[test]
    fn a_map_nests_by_indentation() {
        let text = "```text\nengine/  the engine\n  src/\n    gate.rs  held\n  tests/\nha/src/node.rs\n```\nsee `cli/src/main.rs`";
        let paths: Vec<String> = named(text)
            .into_iter()
            .map(|(_, mut candidates)| candidates.remove(0))
            .collect();
        let expected = [
            "engine",
            "engine/src",
            "engine/src/gate.rs",
            "engine/tests",
            "ha/src/node.rs",
            "cli/src/main.rs",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let text = "the `engine/src/lib.rs` and the `engine/src/absent.rs`, in `etc/broker.xml`";
        let readme = [File {
            path: "README.md".to_owned(),
            text: text.to_owned(),
        }];
        let findings = missing_paths(&crate::tree::root(), &readme);
        assert_eq!(
            findings,
            ["README.md:1: engine/src/absent.rs does not exist"]
        );
    }
}
