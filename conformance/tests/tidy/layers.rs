// SPDX-License-Identifier: Apache-2.0
//! Who may know whom: edges between packages (Cargo.toml) and between modules (paths in the code).

use crate::source::Source;
use crate::tree::{File, table};

/// A row of `layers.txt`.
struct Rule {
    kind: String,
    place: String,
    words: Vec<String>,
}

fn rules(kind: &str) -> Vec<Rule> {
    let rows = table("layers.txt").into_iter().map(|mut row| {
        assert!(
            row.len() >= 2,
            "layers.txt: `{}` lacks a place",
            row.join(" ")
        );
        let words = row.split_off(2);
        let place = row
            .pop()
            .expect("two words")
            .trim_end_matches(':')
            .to_owned();
        Rule {
            kind: row.pop().expect("one word"),
            place,
            words,
        }
    });
    rows.filter(|rule| rule.kind == kind).collect()
}

/// Whether `path` is `pattern` or lies below it; a `*` stands for one part.
fn below(path: &str, pattern: &str) -> bool {
    let mut parts = path.split('/');
    pattern
        .split('/')
        .all(|want| parts.next().is_some_and(|part| want == "*" || want == part))
}

fn rule_for<'a>(rules: &'a [Rule], folder: &str) -> Option<&'a Rule> {
    let exact = rules.iter().find(|rule| rule.place == folder);
    exact.or_else(|| rules.iter().find(|rule| below(folder, &rule.place)))
}

/// The names after `[…dependencies]` headers of a manifest, each with its line number.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header.ends_with("dependencies");
            if let Some((before, name)) = header.rsplit_once('.')
                && before.ends_with("dependencies")
            {
                found.push((index + 1, name.to_owned()));
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name: String = line
                .chars()
                .take_while(|c| !matches!(c, '.' | '=' | ' '))
                .collect();
            found.push((index + 1, name.trim_matches('"').to_owned()));
        }
    }
    found
}

/// Packages of this workspace: folder by package name.
fn packages(files: &[File]) -> Vec<(String, String, &File)> {
    let manifests = files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests
        .filter_map(|file| {
            let name = file
                .text
                .lines()
                .find_map(|line| line.strip_prefix("name = "))?
                .trim_matches('"')
                .to_owned();
            let folder = file.path.trim_end_matches("/Cargo.toml").to_owned();
            Some((name, folder, file))
        })
        .collect()
}

/// Cargo edges that DESIGN §1 does not draw, and packages it does not know.
pub fn package_findings(files: &[File]) -> Vec<String> {
    let allowed = rules("package");
    let refused = rules("package-refuses");
    let packages = packages(files);
    let mut findings = Vec::new();
    for (name, folder, manifest) in &packages {
        let Some(rule) = rule_for(&allowed, folder) else {
            findings.push(format!(
                "{}: package {name} has no row in layers.txt",
                manifest.path
            ));
            continue;
        };
        for (line, dependency) in dependencies(&manifest.text) {
            let inside = packages
                .iter()
                .find(|(other, ..)| *other == dependency)
                .map(|(_, folder, _)| folder);
            if let Some(target) = inside
                && target != folder
                && !rule
                    .words
                    .iter()
                    .any(|word| word == "all" || below(target, word))
            {
                findings.push(format!(
                    "{}:{line}: {folder} may not depend on {target}",
                    manifest.path
                ));
            }
            for rule in refused.iter().filter(|rule| below(folder, &rule.place)) {
                if rule.words.contains(&dependency) {
                    findings.push(format!(
                        "{}:{line}: {folder} is pure and may not use {dependency}",
                        manifest.path
                    ));
                }
            }
        }
    }
    findings
}

/// The module a file is, as the parts after `crate`.
fn module_of(path: &str) -> Vec<&str> {
    let inside = path.split_once("/src/").map_or("", |(_, inside)| inside);
    let mut parts: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    if matches!(parts.last(), Some(&"mod" | &"lib" | &"main")) {
        parts.pop();
    }
    parts
}

/// `self::a` and `super::a` as seen from `file`, written from `crate`.
fn absolute(file: &str, path: &str) -> String {
    let mut module = module_of(file);
    let mut rest = path;
    while let Some(after) = rest
        .strip_prefix("super::")
        .or_else(|| (rest == "super").then_some(""))
    {
        module.pop();
        rest = after;
    }
    if rest.len() == path.len() {
        match path.strip_prefix("self::") {
            Some(after) => rest = after,
            None => return path.to_owned(),
        }
    }
    let parts = ["crate"]
        .into_iter()
        .chain(module)
        .chain(rest.split("::").filter(|part| !part.is_empty()));
    parts.collect::<Vec<_>>().join("::")
}

/// Paths in the code that the `module` rows refuse; `module-live` rows leave test code alone.
pub fn module_findings(files: &[File]) -> Vec<String> {
    let everywhere = rules("module");
    let live = rules("module-live");
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let everywhere: Vec<&Rule> = everywhere
            .iter()
            .filter(|rule| below(&file.path, &rule.place))
            .collect();
        let live: Vec<&Rule> = live
            .iter()
            .filter(|rule| below(&file.path, &rule.place))
            .collect();
        if everywhere.is_empty() && live.is_empty() {
            continue;
        }
        let source = Source::new(&file.text);
        for (at, path) in source.paths() {
            let test = file.is_test() || source.in_test(at);
            // Inside a test module `super` counts from one level deeper, so only plain paths are judged there.
            let path = if test {
                path
            } else {
                absolute(&file.path, &path)
            };
            let live = live.iter().filter(|_| !test);
            for rule in everywhere.iter().chain(live) {
                let refused = rule
                    .words
                    .iter()
                    .find(|word| path == **word || path.starts_with(&format!("{word}::")));
                if let Some(word) = refused {
                    findings.push(format!(
                        "{}:{}: {} may not know {word}",
                        file.path,
                        source.line(at),
                        rule.place
                    ));
                }
            }
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// Rows of `layers.txt` whose place is gone: a table nobody checks rots.
pub fn stale_rules(files: &[File], built: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for kind in ["package", "package-refuses", "module", "module-live"] {
        for rule in rules(kind) {
            let exists = files.iter().any(|file| below(&file.path, &rule.place));
            if !exists && built(&rule.place) {
                findings.push(format!("layers.txt: no file lies below {}", rule.place));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_read_from_its_own_module() {
        assert_eq!(
            absolute("engine/src/storage/record/mod.rs", "super::journal::A"),
            "crate::storage::journal::A"
        );
        assert_eq!(
            absolute("engine/src/storage/gate.rs", "super::super::queue"),
            "crate::queue"
        );
        assert_eq!(
            absolute("engine/src/queue/mod.rs", "self::ready::Ready"),
            "crate::queue::ready::Ready"
        );
        assert_eq!(absolute("engine/src/lib.rs", "std::fs"), "std::fs");
    }

    #[test]
    fn dependency_tables_of_every_shape_are_read() {
        let manifest = "[dependencies]\nhind-engine.workspace = true\nbytes = \"1\"\n[dev-dependencies.x]\nversion = \"1\"\n[lints]\na = 1";
        let names: Vec<String> = dependencies(manifest)
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, ["hind-engine", "bytes", "x"]);
    }

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn an_edge_against_the_arrow_is_found() {
        let files = [
            file(
                "engine/Cargo.toml",
                "name = \"hind-engine\"\n[dependencies]\nhind-ha.workspace = true\ntokio = \"1\"",
            ),
            file(
                "ha/Cargo.toml",
                "name = \"hind-ha\"\n[dependencies]\nhind-engine.workspace = true",
            ),
        ];
        let findings = package_findings(&files);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("engine may not depend on ha"));
        assert!(findings[1].contains("may not use tokio"));
    }

    #[test]
    fn a_codec_that_knows_the_engine_is_found_in_every_spelling() {
        let knows = [
            "use hind_engine::message::Message;",
            "use {bytes::Bytes, hind_engine as e};",
            "fn f() { hind_engine::id() }",
            "use crate::{codec, connection::Connection};",
            "use super::super::connection;",
        ];
        for text in knows {
            assert_eq!(
                module_findings(&[file("protocols/stomp/src/codec/frame.rs", text)]).len(),
                1,
                "{text}"
            );
        }
        let innocent = "// hind_engine::x\nfn f() { crate::codec::g(\"hind_engine::x\") }";
        assert!(
            module_findings(&[file("protocols/stomp/src/codec/frame.rs", innocent)]).is_empty()
        );
    }
}
