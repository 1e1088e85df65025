// SPDX-License-Identifier: Apache-2.0
//! The list of clauses names tests: every one it names exists here, and every test titled by a clause is named by it.

use std::collections::BTreeSet;

const LIST: &str = include_str!("../../../../conformance/clauses/stomp.toml");

const SOURCES: [&str; 14] = [
    include_str!("acknowledge.rs"),
    include_str!("connecting.rs"),
    include_str!("frames.rs"),
    include_str!("fuzz.rs"),
    include_str!("heart_beat.rs"),
    include_str!("large.rs"),
    include_str!("leaving.rs"),
    include_str!("limits.rs"),
    include_str!("message.rs"),
    include_str!("receipts.rs"),
    include_str!("send.rs"),
    include_str!("splitting.rs"),
    include_str!("subscribe.rs"),
    include_str!("transactions.rs"),
];

fn tests() -> BTreeSet<&'static str> {
    SOURCES
        .iter()
        .flat_map(|source| source.split("#[test]\nfn ").skip(1))
        .filter_map(|rest| rest.split('(').next())
        .collect()
}

fn named() -> BTreeSet<&'static str> {
    LIST.lines()
        .filter(|line| line.starts_with("tests = "))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_test_the_clauses_name_exists() {
    let absent: Vec<_> = named().difference(&tests()).copied().collect();
    assert!(absent.is_empty(), "{absent:?}");
    assert!(named().len() > 70, "the list is read");
}

#[test]
fn every_test_titled_by_a_clause_is_named_by_one() {
    let titled = |name: &&str| name.starts_with("stomp_1_");
    let all = tests();
    let unnamed: Vec<_> = all
        .iter()
        .copied()
        .filter(titled)
        .filter(|name| !named().contains(name))
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

#[test]
fn every_clause_has_a_test_or_a_reason() {
    let clauses: Vec<_> = LIST.split("[[clause]]").skip(1).collect();
    assert!(clauses.len() > 130, "{}", clauses.len());
    let ids: BTreeSet<_> = clauses
        .iter()
        .filter_map(|clause| clause.lines().nth(1))
        .collect();
    assert_eq!(ids.len(), clauses.len(), "an id stands for one clause");
    for clause in clauses {
        assert!(
            clause.contains("\ntests = [\"") || clause.contains("\nexception = \""),
            "{clause}"
        );
    }
}
