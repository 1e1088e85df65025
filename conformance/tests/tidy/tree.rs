// SPDX-License-Identifier: Apache-2.0
//! The repository as tidy sees it: every file that would be committed, with its text.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are built, not written.
const NOT_SOURCES: &[&str] = &[
    ".git",
    "target",
    "hind-instance",
    "__pycache__",
    "node_modules",
];

/// One file, named by its path from the workspace root with `/` between the parts.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is test code: integration tests, benches, and modules called `tests`.
    pub fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        let folders = &parts[..parts.len() - 1];
        folders
            .iter()
            .any(|part| matches!(*part, "tests" | "benches" | "fuzz"))
            || parts
                .last()
                .is_some_and(|name| *name == "tests.rs" || name.ends_with("_tests.rs"))
    }
}

/// The workspace root: the parent of the folder this package lives in.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the conformance package lies inside the workspace")
        .to_path_buf()
}

/// Every text file below the root, sorted by path. Files that are not UTF-8 are left out.
pub fn files() -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        found.iter().any(|file| file.path == "Cargo.toml"),
        "no Cargo.toml at {}",
        root.display()
    );
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<File>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry
            .expect("a folder that was just opened can be listed")
            .path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.is_symlink() || NOT_SOURCES.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push(File {
                path: relative(root, &path),
                text,
            });
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).expect("collected below the root");
    inside.to_string_lossy().replace('\\', "/")
}

/// A data file of tidy: its lines without comments and blanks, each split at white space.
pub fn table(name: &str) -> Vec<Vec<String>> {
    let path = root().join("conformance/tests/tidy").join(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// Ends a check: every finding in one message, with what to do about it.
pub fn report(findings: &[String], advice: &str) {
    assert!(
        findings.is_empty(),
        "{} finding(s):\n  {}\n{advice}",
        findings.len(),
        findings.join("\n  ")
    );
}
