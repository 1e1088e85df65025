// SPDX-License-Identifier: Apache-2.0
//! Names to refuse: words that say nothing about what a thing is.

use crate::source::{Source, identifier};
use crate::tree::{File, table};

const EMPTY_MODULES: &[&str] = &[
    "helpers", "helper", "utils", "util", "common", "misc", "types", "impls", "stuff",
];
const EMPTY_ENDINGS: &[&str] = &["Impl", "Manager", "Helper", "Utils"];
const PRODUCT: &str = "Hind";
const TYPE_WORDS: &[&str] = &["struct", "enum", "trait", "type", "union"];

/// Modules, types and test files with a name STYLE refuses.
pub fn findings(files: &[File]) -> Vec<String> {
    let allowed: Vec<String> = table("names_allowed.txt").into_iter().flatten().collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        findings.extend(module_name(&file.path));
        if numbered_test(&file.path) {
            findings.push(format!(
                "{}: a test file is named by its situation, not by a number",
                file.path
            ));
        }
        let source = Source::new(&file.text);
        for word in TYPE_WORDS {
            for at in source.words(word) {
                let name = identifier(source.code[at + word.len()..].trim_start());
                let name = name.filter(|name| !allowed.contains(name));
                if let Some(reason) = name.as_deref().and_then(type_name) {
                    findings.push(format!("{}:{}: {reason}", file.path, source.line(at)));
                }
            }
        }
    }
    findings.extend(second_editions(files));
    findings
}

fn module_name(path: &str) -> Option<String> {
    let parts = path.trim_end_matches(".rs").split('/');
    let empty = parts
        .into_iter()
        .find(|part| EMPTY_MODULES.contains(part))?;
    Some(format!("{path}: `{empty}` says nothing; name the noun"))
}

fn type_name(name: &str) -> Option<String> {
    let ending = EMPTY_ENDINGS
        .iter()
        .find(|ending| name.ends_with(**ending) && name != **ending);
    match ending {
        Some(ending) => Some(format!("{name}: no type is called `*{ending}`")),
        None if name.starts_with(PRODUCT) => Some(format!(
            "{name}: the product's name is not part of a type's"
        )),
        None => None,
    }
}

/// `test_12.rs`, `issue_3.rs`, `case4.rs`, `t07.rs` and the like.
fn numbered_test(path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else {
        return false;
    };
    let stem = name.trim_end_matches(".rs");
    let word = stem
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches('_');
    let numbered = word.len() < stem.len()
        && [
            "test", "tests", "issue", "case", "bug", "t", "part", "step", "",
        ]
        .contains(&word);
    format!("{folder}/").contains("tests/") && (numbered || stem.starts_with("issue"))
}

/// `foo2.rs` beside `foo.rs`.
fn second_editions(files: &[File]) -> Vec<String> {
    let paths: Vec<&str> = files
        .iter()
        .filter(|file| file.is_rust())
        .map(|file| file.path.as_str())
        .collect();
    let second = |path: &&&str| {
        let stem = path.trim_end_matches(".rs");
        let first = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        first.len() < stem.len()
            && paths.contains(&format!("{}.rs", first.trim_end_matches('_')).as_str())
    };
    paths
        .iter()
        .filter(second)
        .map(|path| format!("{path}: a second edition beside the first; name the difference"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_and_nouns_pass() {
        let file = |path: &str, text: &str| File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let empty = [
            file("engine/src/utils.rs", ""),
            file("engine/src/misc/mod.rs", ""),
            file("engine/src/a.rs", "pub struct JournalManager;"),
            file("engine/src/b.rs", "enum QueueImpl<T> {}"),
            file("engine/src/c.rs", "struct HindBroker;"),
            file("engine/tests/issue_3.rs", ""),
            file("engine/tests/stomp/case12.rs", ""),
            file("engine/src/b2.rs", ""),
        ];
        assert_eq!(
            findings(&empty).len(),
            empty.len(),
            "{:#?}",
            findings(&empty)
        );
        let nouns = [
            file(
                "engine/src/divert.rs",
                "struct Divert; // struct FooManager\nenum Behind {}",
            ),
            file("engine/tests/stomp/version_1_2.rs", ""),
            file("protocols/mqtt/src/codec/v5.rs", ""),
        ];
        assert!(findings(&nouns).is_empty(), "{:#?}", findings(&nouns));
    }
}
