// SPDX-License-Identifier: Apache-2.0
//! One edit of a valid broker.xml, many times over: each is reported at its line, or is still valid and then either
//! means the same for a reason, or means something else exactly where the edit was made. None passes silently, none
//! panics.

mod edit;

use std::collections::{BTreeMap, BTreeSet};

use edit::{CLASSES, Class, Edit, Random};
use hind_config::{ConfigError, Effective, Loaded, Note, Origin, load};

const BASES: [(&str, &str); 6] = [
    ("wide.xml", include_str!("data/wide.xml")),
    ("default.xml", include_str!("data/created/default.xml")),
    ("queues.xml", include_str!("data/created/queues.xml")),
    ("autotuned.xml", include_str!("data/created/autotuned.xml")),
    ("offset.xml", include_str!("data/created/offset.xml")),
    ("clustered.xml", include_str!("data/created/clustered.xml")),
];

/// Edits of each class in each file.
const ROUNDS: u64 = 16;

/// Values that follow others where nobody wrote them.
const DERIVED: [&str; 2] = ["journal-buffer-timeout", "page-sync-timeout"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// An error that names the line.
    Reported,
    /// It starts, and a note names the line.
    Noted,
    /// It starts and says something else, exactly there.
    Different,
    /// It starts and says the same.
    Same,
}

fn read(name: &str, text: &str) -> Result<Loaded, Vec<ConfigError>> {
    load(name, &mut |_| Ok(text.to_owned()), &|_| None)
}

#[test]
fn every_single_edit_is_reported_or_legal() {
    let mut counts: BTreeMap<(Class, Outcome), u32> = BTreeMap::new();
    let mut failures = Vec::new();
    for (name, text) in BASES {
        let base = read(name, text).expect("the files are valid as they are");
        for class in CLASSES {
            for round in 0..ROUNDS {
                let seed = round * 1000 + class as u64;
                let Some(edit) = edit::edit(text, class, &mut Random::new(seed)) else {
                    continue;
                };
                match judge(name, &base, class, &edit) {
                    Ok(outcome) => *counts.entry((class, outcome)).or_default() += 1,
                    Err(reason) => failures.push(format!(
                        "{name} {class:?} seed {seed}: {} → {reason}",
                        edit.what
                    )),
                }
            }
        }
    }
    for ((class, outcome), count) in &counts {
        eprintln!("{class:?} {outcome:?}: {count}");
    }
    assert!(
        failures.is_empty(),
        "{} of them:\n{}",
        failures.len(),
        failures.join("\n")
    );
    let total: u32 = counts.values().sum();
    eprintln!("{total} edits");
    assert!(total >= 1500, "{total}");
    for class in CLASSES {
        assert!(
            counts.keys().any(|(counted, _)| *counted == class),
            "no edit of class {class:?}"
        );
    }
    for outcome in [
        Outcome::Reported,
        Outcome::Noted,
        Outcome::Different,
        Outcome::Same,
    ] {
        assert!(
            counts.keys().any(|(_, counted)| *counted == outcome),
            "{outcome:?} never happened"
        );
    }
}

fn judge(name: &str, base: &Loaded, class: Class, edit: &Edit) -> Result<Outcome, String> {
    let loaded = match read(name, &edit.text) {
        Err(errors) => return reported(&errors, class, edit),
        Ok(loaded) => loaded,
    };
    let differing = differing(base.settings.effective(), loaded.settings.effective());
    if let Some(elsewhere) = differing.iter().find(|value| !there(value, edit)) {
        return Err(format!(
            "{} differs, which is not where the edit was made",
            elsewhere.name
        ));
    }
    if !differing.is_empty() {
        return Ok(Outcome::Different);
    }
    if loaded.notes.iter().any(|note| noted(note, edit)) {
        return Ok(Outcome::Noted);
    }
    let same = format!("{:?}", base.settings.node()) == format!("{:?}", loaded.settings.node());
    // The default that now rules is what was written.
    let default_rules =
        class == Class::DeleteElement
            && loaded.settings.effective().iter().any(|value| {
                value.origin == Origin::Default && edit.names.contains(last(&value.name))
            });
    if same && (edit.may_mean_the_same || default_rules) {
        Ok(Outcome::Same)
    } else {
        Err("nobody noticed".to_owned())
    }
}

/// True when the note is about a line of the edit, or says of an element around it that it has no effect.
fn noted(note: &Note, edit: &Edit) -> bool {
    let mut places = note.also.iter().chain([&note.position]);
    let covers = |line: u32| {
        edit.around
            .iter()
            .any(|(name, start)| *name == note.element && *start == line)
    };
    places.any(|place| edit.lines.contains(&place.line) || covers(place.line))
}

/// Every error must name a line of the edit; where the XML itself is broken, one does.
fn reported(errors: &[ConfigError], class: Class, edit: &Edit) -> Result<Outcome, String> {
    let named = |error: &ConfigError| {
        let text = error.to_string();
        let said = text.split("line ").skip(1).filter_map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
                .parse::<u32>()
                .ok()
        });
        said.chain([error.position.line])
            .any(|line| edit.lines.contains(&line))
    };
    let wrong = errors.iter().find(|error| !named(error));
    match wrong {
        Some(error) if !class.breaks_the_tree() || !errors.iter().any(named) => Err(format!(
            "reported elsewhere than in lines {:?}: {error}",
            edit.lines
        )),
        _ => Ok(Outcome::Reported),
    }
}

/// Values in force that one of the two has and the other has not.
fn differing(base: &[Effective], edited: &[Effective]) -> Vec<Effective> {
    let mut left: BTreeMap<(&str, &str), Vec<&Effective>> = BTreeMap::new();
    for value in base {
        left.entry((&value.name, &value.value))
            .or_default()
            .push(value);
    }
    let mut only = Vec::new();
    for value in edited {
        if left
            .get_mut(&(value.name.as_str(), value.value.as_str()))
            .and_then(Vec::pop)
            .is_none()
        {
            only.push(value.clone());
        }
    }
    only.extend(left.into_values().flatten().cloned());
    only
}

/// True when the value stands in a line of the edit; a default that took the place of a written value does, too.
fn there(value: &Effective, edit: &Edit) -> bool {
    match &value.origin {
        Origin::Written(position) => edit.reach.contains(&position.line),
        Origin::Default | Origin::Computed(_) => {
            let last = last(&value.name);
            DERIVED.contains(&last) || edit.names.contains(last)
        }
    }
}

/// The element's own name of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[test]
fn elements_may_stand_in_any_order() {
    for (name, text) in BASES {
        let base = read(name, text).expect("valid");
        let mut swaps = 0;
        for seed in 0..60 {
            let Some(swapped) = edit::swap_lines(text, &mut Random::new(seed)) else {
                continue;
            };
            let loaded =
                read(name, &swapped).unwrap_or_else(|errors| panic!("{name} {seed}: {errors:?}"));
            let values = |loaded: &Loaded| -> BTreeSet<(String, String)> {
                loaded
                    .settings
                    .effective()
                    .iter()
                    .map(|value| (value.name.clone(), value.value.clone()))
                    .collect()
            };
            assert_eq!(values(&base), values(&loaded), "{name} {seed}");
            assert_eq!(
                format!("{:?}", base.settings.node()),
                format!("{:?}", loaded.settings.node())
            );
            swaps += 1;
        }
        assert!(swaps > 20, "{name}: {swaps}");
    }
}

/// Anything at all must give settings or errors, never a panic.
#[test]
fn cut_and_shuffled_text_never_panics() {
    let mut random = Random::new(7);
    let (mut started, mut refused) = (0, 0);
    for (name, text) in BASES {
        for _ in 0..150 {
            let mut characters: Vec<char> = text.chars().collect();
            for _ in 0..=random.below(4) {
                let (from, to) = (
                    random.below(characters.len()),
                    random.below(characters.len()),
                );
                match random.below(4) {
                    0 => characters.swap(from, to),
                    1 => characters.truncate(from.max(1)),
                    2 => characters.insert(
                        from,
                        ['<', '>', '"', '&', '$', '{', 'é', '\0', ']'][random.below(9)],
                    ),
                    _ => drop(characters.drain(from.min(to)..from.max(to).min(from.min(to) + 40))),
                }
            }
            match read(name, &characters.into_iter().collect::<String>()) {
                Ok(_) => started += 1,
                Err(errors) => refused += usize::from(!errors.is_empty()),
            }
        }
    }
    eprintln!("{started} still start, {refused} are refused");
    assert_eq!(started + refused, 150 * BASES.len());
    assert!(refused > 300 && started > 0);
}
