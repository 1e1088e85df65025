// SPDX-License-Identifier: Apache-2.0
//! The words of broker.xml and what Hind does with each: data files, compiled in.
//!
//! `elements.tsv` is taken from the schemas of the Java broker by `extract.py`; `additions.tsv` holds Hind's own
//! words; `statuses.tsv` says for each what becomes of it; `acceptor-parameters.tsv` holds what may follow `?` in the
//! URI of an acceptor or connector.

use std::collections::BTreeMap;

use crate::value::Value;

const ELEMENTS: &str = include_str!("../vocabulary/elements.tsv");
const ADDITIONS: &str = include_str!("../vocabulary/additions.tsv");
const STATUSES: &str = include_str!("../vocabulary/statuses.tsv");
const PARAMETERS: &str = include_str!("../vocabulary/acceptor-parameters.tsv");

/// The type of `<core>`.
pub(crate) const ROOT: &str = "configurationType";

/// What becomes of a known word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It acts.
    Supported,
    /// It will act; until then a WARN.
    Later,
    /// It has no meaning without a JVM: an INFO.
    Jvm,
    /// It has no effect: an INFO.
    Without,
    /// Ignoring it would weaken what the operator meant: no start.
    Refused,
    /// A protocol's own parameter, read by the protocol's crate.
    Protocol,
    /// Nothing is said of it; it shares the fate of what it stands in.
    Inherited,
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "supported" => Self::Supported,
            "later" => Self::Later,
            "jvm" => Self::Jvm,
            "none" => Self::Without,
            "refuse" => Self::Refused,
            "protocol" => Self::Protocol,
            _ => return None,
        })
    }
}

/// Whether a word names an element, an attribute, or stands for the text of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Element,
    Attribute,
    Text,
}

/// One known word.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub place: Place,
    pub name: &'static str,
    pub value: Value,
    /// May stand more than once.
    pub many: bool,
    pub required: bool,
    pub status: Status,
    harmless: &'static str,
    /// Why it is refused or has no effect; `-` for nothing to add.
    pub reason: &'static str,
}

impl Word {
    /// True when `value` is as good as not written.
    pub fn harmless(&self, value: &str) -> bool {
        match self.harmless {
            "-" => false,
            "empty" => value.is_empty(),
            harmless => value == harmless,
        }
    }
}

/// Which URIs a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Acceptor,
    Connector,
}

/// All the words, by the type they stand in.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    types: BTreeMap<&'static str, Vec<Word>>,
    parameters: Vec<(&'static str, Word)>,
}

impl Vocabulary {
    /// Reads the files that were compiled in.
    ///
    /// # Panics
    /// When one of them is not what its head line says; the tests read them.
    pub fn new() -> Self {
        let statuses: BTreeMap<(&str, &str), Vec<&'static str>> =
            rows(STATUSES).map(|row| ((row[0], row[1]), row)).collect();
        let mut types: BTreeMap<&'static str, Vec<Word>> = BTreeMap::new();
        for row in rows(ELEMENTS).chain(rows(ADDITIONS)) {
            let status = statuses.get(&(row[0], row[2])).map(Vec::as_slice);
            types.entry(row[0]).or_default().push(word(&row, status));
        }
        let parameters = rows(PARAMETERS)
            .map(|row| (row[0], parameter(&row)))
            .collect();
        Self { types, parameters }
    }

    /// The words of one type.
    pub fn words(&self, of: &str) -> &[Word] {
        self.types.get(of).map_or(&[], Vec::as_slice)
    }

    /// One word of one type.
    pub fn word(&self, of: &str, place: Place, name: &str) -> Option<&Word> {
        self.words(of)
            .iter()
            .find(|word| word.place == place && word.name == name)
    }

    /// The URI parameters of one side.
    pub fn parameters(&self, side: Side) -> impl Iterator<Item = &Word> {
        let side = match side {
            Side::Acceptor => "acceptor",
            Side::Connector => "connector",
        };
        self.parameters
            .iter()
            .filter(move |(of, _)| *of == side || *of == "both")
            .map(|(_, word)| word)
    }
}

fn rows(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split('\t').collect())
}

/// `type kind name value occurs default since`, and if there is one `type name status value harmless reason`.
fn word(row: &[&'static str], status: Option<&[&'static str]>) -> Word {
    let refined = status.map_or("-", |status| status[3]);
    Word {
        place: match row[1] {
            "element" => Place::Element,
            "attribute" => Place::Attribute,
            _ => Place::Text,
        },
        name: row[2],
        value: Value::parse(if refined == "-" { row[3] } else { refined })
            .expect("a value of the vocabulary files"),
        many: row[4].starts_with("many"),
        required: row[4].ends_with("required"),
        status: status.map_or(Status::Inherited, |row| {
            Status::parse(row[2]).expect("a status of the vocabulary files")
        }),
        harmless: status.map_or("-", |row| row[4]),
        reason: status.map_or("-", |row| row[5]),
    }
}

/// `side name value default status harmless reason`.
fn parameter(row: &[&'static str]) -> Word {
    Word {
        place: Place::Attribute,
        name: row[1],
        value: Value::parse(row[2]).expect("a value of the vocabulary files"),
        many: false,
        required: false,
        status: Status::parse(row[4]).expect("a status of the vocabulary files"),
        harmless: row[5],
        reason: row[6],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Kind;

    #[test]
    fn every_direct_element_of_core_has_a_status() {
        let vocabulary = Vocabulary::new();
        let words = vocabulary.words(ROOT);
        assert_eq!(words.len(), 136);
        let without: Vec<&str> = words
            .iter()
            .filter(|word| word.status == Status::Inherited)
            .map(|word| word.name)
            .collect();
        assert_eq!(without, Vec::<&str>::new());
    }

    #[test]
    fn every_word_under_a_supported_one_has_a_status() {
        let vocabulary = Vocabulary::new();
        let (mut open, mut without, mut seen) = (vec![ROOT], Vec::new(), Vec::new());
        while let Some(of) = open.pop() {
            seen.push(of);
            for word in vocabulary.words(of) {
                match (&word.value.kind, word.status) {
                    (_, Status::Inherited) => without.push((of, word.name)),
                    (Kind::Elements(inner), Status::Supported) if !seen.contains(inner) => {
                        open.push(inner)
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(without, Vec::new());
        assert!(
            seen.contains(&"addressSettingType") && seen.contains(&"transportType"),
            "{seen:?}"
        );
    }

    #[test]
    fn every_status_belongs_to_a_word_and_every_type_exists() {
        let vocabulary = Vocabulary::new();
        for row in rows(STATUSES) {
            assert!(
                vocabulary
                    .words(row[0])
                    .iter()
                    .any(|word| word.name == row[1]),
                "{row:?}"
            );
        }
        for words in vocabulary.types.values() {
            for word in words {
                if let Kind::Elements(inner) = word.value.kind {
                    let empty = ["fileStoreType"].contains(&inner);
                    assert!(
                        empty || !vocabulary.words(inner).is_empty(),
                        "{inner} of {}",
                        word.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_reason_stands_wherever_a_start_is_refused() {
        for row in rows(STATUSES).chain(rows(PARAMETERS).map(|row| row[1..].to_vec())) {
            assert!(!row.contains(&"refuse") || row[5] != "-", "{row:?}");
        }
    }
}
