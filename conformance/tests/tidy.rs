// SPDX-License-Identifier: Apache-2.0
//! The repository polices itself: layering, lengths, names, documents, clause lists.
//!
//! Each test here is one rule and says what to do about a finding. The data files in `tidy/` are the tables
//! (who may know whom) and the ratchets (today's exceptions, a list that may only shrink).

use std::collections::BTreeMap;

#[path = "tidy/clauses.rs"]
mod clauses;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/ratchet.rs"]
mod ratchet;
#[path = "tidy/reach.rs"]
mod reach;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use source::Source;
use tree::{File, files, report, root};

const SPDX: &str = "SPDX-License-Identifier: Apache-2.0";
const FILE_LINES_MAX: usize = 700;
const MOD_FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 100;

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| file.is_rust())
}

/// Lines of Rust files where `word` stands as code.
fn uses(files: &[File], word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in rust(files) {
        let source = Source::new(&file.text);
        found.extend(
            source
                .words(word)
                .map(|at| format!("{}:{}: {word}", file.path, source.line(at))),
        );
    }
    found
}

#[test]
fn every_source_opens_with_its_licence_line_and_its_promise() {
    let mut findings = Vec::new();
    for file in files() {
        if file.is_rust() {
            if file.text.lines().next() != Some(&format!("// {SPDX}")) {
                findings.push(format!(
                    "{}:1: the first line is not `// {SPDX}`",
                    file.path
                ));
            }
            // Three lines are a place kept for a crate that is still to be built.
            let mut opening = file.text.lines().take(6);
            if file.text.lines().count() > 3 && !opening.any(|line| line.starts_with("//!")) {
                findings.push(format!(
                    "{}:2: no `//!` line says what the module is",
                    file.path
                ));
            }
        } else if file.text.starts_with("#!")
            && !file.path.contains("/templates/")
            && !file
                .text
                .lines()
                .take(3)
                .any(|line| line == format!("# {SPDX}"))
        {
            findings.push(format!(
                "{}:2: the line after `#!` is not `# {SPDX}`",
                file.path
            ));
        }
    }
    report(&findings, "Write the line.");
}

#[test]
fn packages_depend_only_as_the_design_draws() {
    report(
        &layers::package_findings(&files()),
        "Ask the layer below through its values instead; the table is tidy/layers.txt.",
    );
}

#[test]
fn modules_know_only_what_their_layer_may() {
    report(
        &layers::module_findings(&files()),
        "Turn the dependency round; the table is tidy/layers.txt.",
    );
}

#[test]
fn layer_table_names_only_places_that_exist() {
    // Rows for protocols that are still to come stand in the table before their folder does.
    let built = |place: &str| !place.starts_with("protocols/");
    report(
        &layers::stale_rules(&files(), built),
        "Remove or correct the row.",
    );
}

#[test]
fn files_stay_short() {
    let files = files();
    let lines = |file: &File| (file.path.clone(), file.text.lines().count());
    let (mods, others): (Vec<&File>, Vec<&File>) =
        rust(&files).partition(|file| file.path.ends_with("/mod.rs") && !file.is_test());
    let mods: BTreeMap<String, usize> = mods.into_iter().map(lines).collect();
    let others: BTreeMap<String, usize> = others.into_iter().map(lines).collect();
    let mut findings = ratchet::findings("file_lengths.txt", FILE_LINES_MAX, &others);
    findings.extend(ratchet::findings(
        "mod_lengths.txt",
        MOD_FILE_LINES_MAX,
        &mods,
    ));
    report(
        &findings,
        "A second noun is hiding in the file: name it, move it.",
    );
}

#[test]
fn functions_stay_short() {
    let mut measured = BTreeMap::new();
    for file in rust(&files()) {
        for function in Source::new(&file.text).functions() {
            let longest = measured
                .entry(format!("{}::{}", file.path, function.name))
                .or_insert(0);
            *longest = function.lines().max(*longest);
        }
    }
    report(
        &ratchet::findings("function_lengths.txt", FUNCTION_LINES_MAX, &measured),
        "Push the straight-line work down into the noun that owns it.",
    );
}

#[test]
fn no_unwrap_outside_tests() {
    let mut measured = BTreeMap::new();
    for file in rust(&files()).filter(|file| !file.is_test()) {
        let source = Source::new(&file.text);
        let count = source
            .code
            .match_indices(".unwrap()")
            .filter(|(at, _)| !source.in_test(*at))
            .count();
        measured.insert(file.path.clone(), count);
    }
    report(
        &ratchet::findings("unwraps.txt", 0, &measured),
        "Return the error, or `expect` with the reason why it cannot happen.",
    );
}

#[test]
fn lint_exemptions_are_few_and_give_a_reason() {
    let mut measured = BTreeMap::new();
    let mut findings = Vec::new();
    for file in rust(&files()) {
        let source = Source::new(&file.text);
        let found = ["#[allow(", "#![allow(", "#[expect(", "#![expect("]
            .iter()
            .flat_map(|opening| source.code.match_indices(opening));
        let mut count = 0;
        let program = file.path.contains("/src/bin/") || file.path.ends_with("/main.rs");
        for (at, _) in found {
            // A program prints: that is what it is for.
            if program && source.code[at..].starts_with("#[allow(clippy::print_stdout)]") {
                continue;
            }
            count += 1;
            let line = source.line(at);
            let end = source.code[at..]
                .find(")]")
                .map_or(file.text.len(), |end| at + end);
            let above = file
                .text
                .lines()
                .nth(line.saturating_sub(2))
                .unwrap_or_default()
                .trim_start();
            let commented = line > 1 && above.starts_with("//") && !above.starts_with("///");
            let rest = file.text[end..].lines().next().unwrap_or_default();
            let stated = source.code[at..end].contains("reason") || rest.contains("// ");
            if !stated && !commented {
                findings.push(format!(
                    "{}:{line}: a lint is silenced without a reason",
                    file.path
                ));
            }
        }
        measured.insert(file.path.clone(), count);
    }
    findings.extend(ratchet::findings("lint_exemptions.txt", 0, &measured));
    report(
        &findings,
        "Do what the lint asks; where it is wrong, say why and record it in tidy/lint_exemptions.txt.",
    );
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    let files = files();
    let mut findings: Vec<String> = ["todo!", "unimplemented!", "dbg!"]
        .iter()
        .flat_map(|word| uses(&files, word))
        .collect();
    let mut measured = BTreeMap::new();
    for file in rust(&files) {
        let source = Source::new(&file.text);
        let ignored: Vec<usize> = source
            .code
            .match_indices("#[ignore")
            .map(|(at, _)| at)
            .collect();
        let silent = ignored
            .iter()
            .filter(|at| !file.text[**at..].starts_with("#[ignore = \""));
        findings.extend(silent.map(|at| {
            format!(
                "{}:{}: ignored without a reason",
                file.path,
                source.line(*at)
            )
        }));
        measured.insert(file.path.clone(), ignored.len());
    }
    findings.extend(ratchet::findings("ignored_tests.txt", 0, &measured));
    report(&findings, "Build it, or take it out.");
}

#[test]
fn unsafe_is_nowhere() {
    let files = files();
    // The one exception that the design allows (memory that is to go back to the system).
    const EXCEPTION: &str = "acceptors/src/host/allocator.rs";
    let mut findings = uses(&files, "unsafe");
    findings.retain(|finding| !finding.starts_with(EXCEPTION));
    for file in rust(&files)
        .filter(|file| file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs"))
    {
        let says_so = ["forbid", "deny"]
            .iter()
            .any(|level| file.text.contains(&format!("#![{level}(unsafe_code)]")));
        if !says_so {
            findings.push(format!(
                "{}:1: the crate does not forbid unsafe_code",
                file.path
            ));
        }
    }
    report(&findings, "Write `#![forbid(unsafe_code)]` and do without.");
}

#[test]
fn names_say_what_a_thing_is() {
    report(
        &names::findings(&files()),
        "Call it by the field's word for it.",
    );
}

#[test]
fn every_source_is_compiled() {
    report(
        &reach::unreachable(&files()),
        "No `mod` line leads to these files: add it, or delete them.",
    );
}

#[test]
fn every_path_in_a_document_exists() {
    report(
        &documents::missing_paths(&root(), &files()),
        "Correct the document; places outside the repository stand in tidy/not_paths.txt.",
    );
}

#[test]
fn readme_and_change_log_say_something() {
    for (name, lines_min) in [("README.md", 2), ("CHANGELOG.md", 3), ("LICENSE", 100)] {
        let files = files();
        let file = files
            .iter()
            .find(|file| file.path == name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        let lines = file
            .text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .count();
        assert!(
            lines >= lines_min,
            "{name} has {lines} lines that say something"
        );
    }
}

#[test]
fn every_clause_has_a_test_or_a_reason() {
    report(
        &clauses::findings(&files()),
        "Name the test that shows the clause, or say why there is none.",
    );
}

#[test]
fn the_readme_counts_the_clauses() {
    let files = files();
    let readme = files.iter().find(|file| file.path == "README.md");
    let text = readme.map_or("", |readme| readme.text.as_str());
    report(
        &clauses::uncounted(&files, text),
        "Write the row into the README's table of statements.",
    );
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // Spelt in two halves, so that this file is not a finding itself.
    let needles = [
        concat!("/wo", "rk/"),
        concat!("/tmp", "/wt"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/tmp", "/artemis"),
        concat!("/tmp", "/bash_jobs"),
        concat!(".lib", "rary/"),
        concat!(".mir", "ror/"),
        concat!("crates", ".io"),
        concat!("pypi", ".org"),
        concat!("npmjs", ".org"),
        concat!("repo1.maven", ".org"),
        concat!("repo.maven", ".apache.org"),
        concat!("proxy.golang", ".org"),
    ];
    let mut findings = Vec::new();
    // Cargo writes the registry into its lock file; that line is checked by the next test.
    for file in files().iter().filter(|file| file.path != "Cargo.lock") {
        for (index, line) in file.text.lines().enumerate() {
            let named = needles.iter().filter(|needle| {
                let starts_word = |at: usize| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c))
                };
                line.match_indices(**needle)
                    .any(|(at, _)| !needle.starts_with('/') || starts_word(at))
            });
            findings
                .extend(named.map(|needle| format!("{}:{}: names {needle}", file.path, index + 1)));
        }
    }
    report(
        &findings,
        "Nothing committed depends on one machine's paths or on a registry's address.",
    );
}

#[test]
fn locked_packages_come_from_the_public_registry() {
    let files = files();
    let lock = files
        .iter()
        .find(|file| file.path == "Cargo.lock")
        .expect("Cargo.lock is committed");
    let public = concat!(
        "source = \"registry+https://github.com/rust-lang/crates",
        ".io-index\""
    );
    let foreign = lock
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("source = ") && *line != public);
    let findings: Vec<String> = foreign
        .map(|(index, line)| format!("Cargo.lock:{}: {line}", index + 1))
        .collect();
    report(&findings, "Use a published version.");
}
