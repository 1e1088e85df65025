// SPDX-License-Identifier: Apache-2.0
//! Clause lists (`conformance/clauses/*.toml`): each clause of a specification has a test that exists, or a reason why not.
//!
//! The form is one table per clause, headed `[[clause]]` with an `id`, or `["ID"]`; with `test = "name"`,
//! `tests = ["name", …]`, `interop = ["file.py::function", …]` (scenarios with real clients), `sequences = ["…"]` (raw
//! packet sequences, which the program that plays them looks up) or `exception = "reason"`.

use std::collections::BTreeSet;

use crate::source::{Source, identifier};
use crate::tree::File;

#[derive(Default)]
struct Clause {
    line: usize,
    id: String,
    tests: Vec<String>,
    scenarios: Vec<String>,
    sequences: Vec<String>,
    exception: Option<String>,
}

impl Clause {
    /// Whether anything shows that it is kept.
    fn is_shown(&self) -> bool {
        let shown = [&self.tests, &self.scenarios, &self.sequences];
        shown.iter().any(|list| !list.is_empty())
    }
}

/// Clauses without a test or a reason, with a test that is not there, or listed twice.
pub fn findings(files: &[File]) -> Vec<String> {
    let tests = test_names(files);
    let lists = files.iter().filter(|file| {
        file.path.starts_with("conformance/clauses/") && file.path.ends_with(".toml")
    });
    let mut findings = Vec::new();
    for list in lists {
        let mut seen = BTreeSet::new();
        let clauses = read(&list.text);
        if clauses.is_empty() {
            findings.push(format!("{}: lists no clause", list.path));
        }
        for clause in clauses {
            let place = format!("{}:{}: {}", list.path, clause.line, clause.id);
            let absent = clause
                .tests
                .iter()
                .filter(|name| !tests.contains(name.rsplit("::").next().unwrap_or(name)));
            findings.extend(absent.map(|name| format!("{place}: no test is called {name}")));
            let absent = clause
                .scenarios
                .iter()
                .filter(|name| !is_scenario(name, files));
            findings.extend(absent.map(|name| format!("{place}: no scenario is called {name}")));
            match clause.exception.as_deref().map(str::trim) {
                None if !clause.is_shown() => {
                    findings.push(format!("{place}: neither test nor exception"))
                }
                Some("") => findings.push(format!("{place}: an exception gives its reason")),
                _ => {}
            }
            if clause.id.is_empty() || !seen.insert(clause.id.clone()) {
                findings.push(format!("{place}: an id stands for one clause"));
            }
        }
    }
    findings
}

/// The row of the README's table for each list that the README does not have: statements, how many are shown, how many
/// have only a stated exception.
pub fn uncounted(files: &[File], readme: &str) -> Vec<String> {
    let lists = files
        .iter()
        .filter(|file| file.path.starts_with("conformance/clauses/"));
    let rows = lists.map(|list| {
        let clauses = read(&list.text);
        let shown = clauses.iter().filter(|clause| clause.is_shown()).count();
        let (all, rest) = (clauses.len(), clauses.len() - shown);
        format!("| `{}` | {all} | {shown} | {rest} |", list.path)
    });
    rows.filter(|row| !readme.contains(row.as_str()))
        .map(|row| format!("README.md: no row {row}"))
        .collect()
}

/// Whether `file.py::function` is a function of that file of the interop suites.
fn is_scenario(name: &str, files: &[File]) -> bool {
    let Some((file, function)) = name.split_once("::") else {
        return false;
    };
    let path = format!("conformance/interop/{file}");
    files.iter().any(|file| {
        file.path == path
            && file
                .text
                .lines()
                .any(|line| line.starts_with(&format!("def {function}(")))
    })
}

fn read(text: &str) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut open_list: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') && open_list.is_none() {
            let id = line.split('"').nth(1).unwrap_or_default().to_owned();
            clauses.push(Clause {
                line: index + 1,
                id,
                ..Clause::default()
            });
            continue;
        }
        let Some(clause) = clauses.last_mut().filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let continued = open_list.take();
        let (key, value) = match &continued {
            Some(key) => (key.as_str(), line),
            None => line.split_once('=').unwrap_or((line, "")),
        };
        let (key, value) = (key.trim(), value.trim());
        let list = match key {
            "id" => {
                clause.id = value.trim_matches('"').to_owned();
                continue;
            }
            "exception" => {
                clause.exception = Some(value.trim_matches('"').to_owned());
                continue;
            }
            "test" | "tests" => &mut clause.tests,
            "interop" => &mut clause.scenarios,
            "sequences" => &mut clause.sequences,
            _ => continue,
        };
        list.extend(value.split('"').skip(1).step_by(2).map(str::to_owned));
        let opens = continued.is_some() || value.starts_with('[');
        open_list = (opens && !value.ends_with(']')).then(|| key.to_owned());
    }
    clauses
}

/// Names of every `#[test]` function.
fn test_names(files: &[File]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let source = Source::new(&file.text);
        for (at, _) in source.code.match_indices("#[test]") {
            let rest = &source.code[at..];
            let name = rest
                .find("fn ")
                .and_then(|offset| identifier(rest[offset + 3..].trim_start()));
            names.extend(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(list: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        findings(&[
            file("conformance/clauses/stomp.toml", list),
            file("a/tests/b.rs", "#[test]\nfn real() {}\nfn other() {}"),
            file("conformance/interop/c.py", "def shown(broker):\n    pass\n"),
        ])
    }

    #[test]
    fn a_list_is_counted_in_the_readme() {
        let list = File {
            path: "conformance/clauses/x.toml".to_owned(),
            text:
                "[[clause]]\nid = \"A\"\ntest = \"t\"\n[[clause]]\nid = \"B\"\nexception = \"why\""
                    .to_owned(),
        };
        let row = "| `conformance/clauses/x.toml` | 2 | 1 | 1 |";
        assert!(uncounted(std::slice::from_ref(&list), row).is_empty());
        assert_eq!(uncounted(&[list], "").len(), 1);
    }

    #[test]
    fn a_clause_needs_a_test_that_exists_or_a_reason() {
        let sound = "[[clause]]\nid = \"A\"\ntest = \"m::real\"\n[\"B\"]\ntests = [\n  \"real\",\n]\n[[clause]]\nid = \"C\"\nexception = \"why\"\n\
            [[clause]]\nid = \"D\"\ninterop = [\"c.py::shown\"]\n[[clause]]\nid = \"E\"\nsequences = [\"X: [MQTT-1]\"]";
        assert!(judge(sound).is_empty(), "{:?}", judge(sound));
        for broken in [
            "# nothing",
            "[[clause]]\nid = \"A\"",
            "[[clause]]\nid = \"A\"\ntest = \"other\"",
            "[[clause]]\nid = \"A\"\nexception = \"\"",
            "[[clause]]\nid = \"A\"\ninterop = [\"c.py::absent\"]",
            "[[clause]]\nid = \"A\"\ninterop = [\"d.py::shown\"]",
            "[[clause]]\nid = \"A\"\ntest = \"real\"\n[[clause]]\nid = \"A\"\ntest = \"real\"",
        ] {
            assert_eq!(judge(broken).len(), 1, "{broken}");
        }
    }
}
