// SPDX-License-Identifier: Apache-2.0
//! Dead files: Rust sources that no `mod` line leads to are not compiled, so they lie.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, identifier};
use crate::tree::File;

/// Rust files that no crate root reaches.
pub fn unreachable(files: &[File]) -> Vec<String> {
    let rust: BTreeMap<&str, &File> = files
        .iter()
        .filter(|file| file.is_rust())
        .map(|file| (file.path.as_str(), file))
        .collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<String> = rust
        .keys()
        .filter(|path| is_root(path))
        .map(|path| (*path).to_owned())
        .collect();
    open.extend(declared_roots(files));
    while let Some(path) = open.pop() {
        let Some(file) = rust.get(path.as_str()) else {
            continue;
        };
        if reached.insert(path.clone()) {
            open.extend(children(file, is_root(&path)));
        }
    }
    rust.keys()
        .filter(|path| !reached.contains(**path))
        .map(|path| (*path).to_owned())
        .collect()
}

/// Files Cargo compiles by their place: libraries, programs, integration tests, benches, examples, build scripts.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [.., "src", "lib.rs" | "main.rs"] | [.., "build.rs"] | [.., "src", "bin", _] => true,
        [.., "src", "bin", _, "main.rs"] => true,
        [.., "tests" | "benches" | "examples", file] => {
            *file != "mod.rs" && !parts.contains(&"src")
        }
        [.., "tests" | "benches" | "examples", _, "main.rs"] => !parts.contains(&"src"),
        [.., "fuzz_targets", _] => true,
        _ => false,
    }
}

/// `path = "…"` of `[[bin]]`, `[[test]]`, `[[bench]]` and `[lib]` tables.
fn declared_roots(files: &[File]) -> Vec<String> {
    let mut roots = Vec::new();
    for manifest in files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
    {
        let folder = manifest.path.trim_end_matches("Cargo.toml");
        let paths = manifest
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("path = "));
        roots.extend(paths.map(|path| format!("{folder}{}", path.trim().trim_matches('"'))));
    }
    roots
}

/// Every file a `mod name;` of `file` may mean, and what `#[path]` and `include!` name.
fn children(file: &File, root: bool) -> Vec<String> {
    let source = Source::new(&file.text);
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let own_folder = root || name == "mod.rs";
    let base = if own_folder {
        folder.to_owned()
    } else {
        file.path.trim_end_matches(".rs").to_owned()
    };
    let mut found = Vec::new();
    for at in source.words("mod") {
        let Some(module) = identifier(source.code[at + 3..].trim_start()) else {
            continue;
        };
        if let Some(path) = path_attribute(&file.text, at) {
            found.push(format!("{folder}/{path}"));
        } else {
            found.push(format!("{base}/{module}.rs"));
            found.push(format!("{base}/{module}/mod.rs"));
        }
    }
    found
}

/// The value of `#[path = "…"]` on the line above the line of byte `at`.
fn path_attribute(text: &str, at: usize) -> Option<String> {
    let (above, _) = text[..at].rsplit_once('\n')?;
    let attribute = above.lines().next_back()?.trim();
    Some(
        attribute
            .strip_prefix("#[path = \"")?
            .strip_suffix("\"]")?
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_file_without_a_mod_line_is_found() {
        let files = [
            file("engine/src/lib.rs", "pub mod queue;\n// mod ghost;\n"),
            file("engine/src/queue/mod.rs", "mod ready;"),
            file("engine/src/queue/ready.rs", ""),
            file("engine/src/queue/ghost.rs", ""),
            file(
                "engine/tests/tidy.rs",
                "#[path = \"tidy/tree.rs\"]\nmod tree;",
            ),
            file("engine/tests/tidy/tree.rs", ""),
        ];
        assert_eq!(unreachable(&files), ["engine/src/queue/ghost.rs"]);
    }
}
