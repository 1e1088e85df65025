// SPDX-License-Identifier: Apache-2.0
//! Hierarchical matching: which of the configured patterns rule a name, most specific first (manual, chapters "Address
//! Settings" and "Authentication & Authorization").

use super::name::{QUALIFIER, WildcardSyntax};
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::fmt;

/// Patterns with a value each, as `address-settings` and `security-settings` use them; the caller merges the values of
/// [`all`](Self::all) and caches what comes out.
///
/// A pattern is *exact* when it has no wildcard or contains `::`; *literal* when it stands between the two literal match
/// markers, which are not part of it: it then rules only the name it spells, wildcards included; and otherwise a
/// *wildcard* pattern. Wildcard patterns match somewhat differently from wildcard queues: a `*` may also stand inside a
/// word, where it is one or more characters, `#` must be the last character, and a backslash keeps the character after
/// it from being a wildcard but not from being a delimiter.
///
/// From most to least specific: the exact pattern, the literal one, then wildcard patterns
/// 1. without `#` before those with it;
/// 2. with `#`: longer before shorter;
/// 3. without `#`: by the first word that is `*` in only one of the two, whose pattern is the less specific, then
///    shorter before longer (`a*` before `ab*`, as in Artemis).
///
/// Equals are ordered by their text. Exact and literal patterns are found without looking at others; wildcard patterns
/// are tried one after another.
#[derive(Debug, Clone)]
pub struct Matches<T> {
    syntax: WildcardSyntax,
    literal_markers: Option<(char, char)>,
    exact: BTreeMap<Box<str>, T>,
    literal: BTreeMap<Box<str>, T>,
    wildcard: BTreeMap<Specificity, T>,
}

/// A pattern that cannot be used: characters follow the any-words wildcard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MisplacedAnyWords {
    pub pattern: String,
}

impl fmt::Display for MisplacedAnyWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in the match {:?} the any-words wildcard is not the last character",
            self.pattern
        )
    }
}

impl std::error::Error for MisplacedAnyWords {}

impl<T> Matches<T> {
    /// `literal_markers` is broker.xml's `literal-match-markers`, e.g. `('(', ')')`.
    pub fn new(syntax: WildcardSyntax, literal_markers: Option<(char, char)>) -> Matches<T> {
        let (exact, literal, wildcard) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Matches {
            syntax,
            literal_markers,
            exact,
            literal,
            wildcard,
        }
    }

    /// Sets the value of `pattern` and returns the one it replaces.
    pub fn insert(&mut self, pattern: &str, value: T) -> Result<Option<T>, MisplacedAnyWords> {
        if let Some(name) = self.within_markers(pattern) {
            return Ok(self.literal.insert(name.into(), value));
        }
        let end = pattern.len() - pattern.chars().next_back().map_or(0, char::len_utf8);
        if any_words_at(pattern, &self.syntax).is_some_and(|at| at < end) {
            return Err(MisplacedAnyWords {
                pattern: pattern.into(),
            });
        }
        Ok(if self.is_exact(pattern) {
            self.exact.insert(pattern.into(), value)
        } else {
            self.wildcard
                .insert(Specificity::of(pattern, &self.syntax), value)
        })
    }

    /// Takes `pattern` away, written as it was inserted, and returns its value.
    pub fn remove(&mut self, pattern: &str) -> Option<T> {
        if let Some(name) = self.within_markers(pattern) {
            self.literal.remove(name)
        } else if self.is_exact(pattern) {
            self.exact.remove(pattern)
        } else {
            self.wildcard
                .remove(&Specificity::of(pattern, &self.syntax))
        }
    }

    /// The values of all patterns that match `name`, from the most specific to the least.
    pub fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m T> {
        let exact = self.exact.get(name).into_iter();
        let literal = self.literal.get(name).into_iter();
        let wildcard = self
            .wildcard
            .iter()
            .filter(move |(pattern, _)| pattern.matches(name, &self.syntax));
        exact.chain(literal).chain(wildcard.map(|(_, value)| value))
    }

    /// The value of the pattern that is this very name and has no wildcards, as all with `::` in them.
    pub fn exact(&self, name: &str) -> Option<&T> {
        self.exact.get(name)
    }

    /// The value that rules `name` where settings do not merge.
    pub fn most_specific(&self, name: &str) -> Option<&T> {
        self.exact
            .get(name)
            .or_else(|| self.literal.get(name))
            .or_else(|| {
                let matching = self
                    .wildcard
                    .iter()
                    .find(|(pattern, _)| pattern.matches(name, &self.syntax));
                matching.map(|(_, value)| value)
            })
    }

    /// The value inserted for this very pattern.
    pub fn get(&self, pattern: &str) -> Option<&T> {
        if let Some(name) = self.within_markers(pattern) {
            self.literal.get(name)
        } else if self.is_exact(pattern) {
            self.exact.get(pattern)
        } else {
            self.wildcard.get(&Specificity::of(pattern, &self.syntax))
        }
    }

    pub fn len(&self) -> usize {
        self.exact.len() + self.literal.len() + self.wildcard.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every value: exact patterns, literal ones, wildcard ones; each kind in its own order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact
            .values()
            .chain(self.literal.values())
            .chain(self.wildcard.values())
    }

    fn within_markers<'p>(&self, pattern: &'p str) -> Option<&'p str> {
        let (start, end) = self.literal_markers?;
        pattern.strip_prefix(start)?.strip_suffix(end)
    }

    fn is_exact(&self, pattern: &str) -> bool {
        !self.syntax.is_wildcard(pattern) || pattern.contains(QUALIFIER)
    }
}

/// A wildcard pattern, ordered from most to least specific.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Specificity {
    pattern: Box<str>,
    has_any_words: bool,
    /// for each word, whether it is the single-word wildcard
    single_words: Box<[bool]>,
    /// in characters
    length: usize,
}

impl Specificity {
    fn of(pattern: &str, syntax: &WildcardSyntax) -> Specificity {
        let mut single_word = [0; 4];
        let single_word = &*syntax.single_word.encode_utf8(&mut single_word);
        Specificity {
            pattern: pattern.into(),
            has_any_words: any_words_at(pattern, syntax).is_some(),
            single_words: pattern
                .split(syntax.delimiter)
                .map(|word| word == single_word)
                .collect(),
            length: pattern.chars().count(),
        }
    }

    fn matches(&self, name: &str, syntax: &WildcardSyntax) -> bool {
        let Some(any_words) = any_words_at(&self.pattern, syntax) else {
            return matches_words(&self.pattern, name, syntax);
        };
        let parent = &self.pattern[..any_words];
        if parent.is_empty() {
            return true;
        }
        let parent = parent.strip_suffix(syntax.delimiter).unwrap_or(parent);
        // wildcards cannot cross a delimiter, so the words for `#` begin after as many as the parent has
        let own = parent.matches(syntax.delimiter).count();
        match name.match_indices(syntax.delimiter).nth(own) {
            None => matches_words(parent, name, syntax),
            Some((at, delimiter)) => {
                at + delimiter.len() < name.len() && matches_words(parent, &name[..at], syntax)
            }
        }
    }
}

impl Ord for Specificity {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_any_words = self.has_any_words.cmp(&other.has_any_words);
        let by_shape = || match self.has_any_words {
            true => Reverse(self.length).cmp(&Reverse(other.length)),
            false => by_single_words(&self.single_words, &other.single_words)
                .then(self.length.cmp(&other.length)),
        };
        by_any_words
            .then_with(by_shape)
            .then_with(|| self.pattern.cmp(&other.pattern))
    }
}

impl PartialOrd for Specificity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where the first unescaped any-words wildcard is, in bytes.
fn any_words_at(pattern: &str, syntax: &WildcardSyntax) -> Option<usize> {
    let mut found = pattern.match_indices(syntax.any_words).map(|(at, _)| at);
    found.find(|at| !pattern[..*at].ends_with('\\'))
}

/// Word by word; more words before fewer when all those of the shorter are alike.
fn by_single_words(left: &[bool], right: &[bool]) -> Ordering {
    let shared = left.len().min(right.len());
    left[..shared]
        .cmp(&right[..shared])
        .then(right.len().cmp(&left.len()))
}

/// Whether `pattern`, without `#`, fits all of `name`, word for word.
fn matches_words(pattern: &str, name: &str, syntax: &WildcardSyntax) -> bool {
    let mut words = name.split(syntax.delimiter);
    let fits = pattern.split(syntax.delimiter).all(|word| {
        words
            .next()
            .is_some_and(|name| matches_word(word, name, syntax))
    });
    fits && words.next().is_none()
}

/// Whether one word of a pattern fits one word of a name; each `*` takes at least one character.
fn matches_word(pattern: &str, name: &str, syntax: &WildcardSyntax) -> bool {
    if !pattern.contains(syntax.single_word) {
        return pattern == name;
    }
    let mut pattern = pattern.chars();
    let mut name = name.chars();
    let mut previous = None;
    // where to resume when what follows the last `*` does not fit: with the `*` one character longer
    let mut resume = None;
    loop {
        let wanted = pattern.next();
        let is_wildcard = wanted == Some(syntax.single_word) && previous != Some('\\');
        previous = wanted;
        match (wanted, name.next()) {
            (None, None) => return true,
            (Some(_), Some(_)) if is_wildcard => resume = Some((pattern.clone(), name.clone())),
            (Some(wanted), Some(c)) if wanted == c => {}
            (_, None) => return false,
            _ => {
                let Some((after_wildcard, mut longer)) = resume else {
                    return false;
                };
                if longer.next().is_none() {
                    return false;
                }
                previous = None;
                (pattern, name) = (after_wildcard.clone(), longer.clone());
                resume = Some((after_wildcard, longer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[&'static str]) -> Matches<&'static str> {
        let mut matches = Matches::new(WildcardSyntax::default(), Some(('(', ')')));
        for pattern in patterns {
            assert_eq!(matches.insert(pattern, *pattern), Ok(None), "{pattern}");
        }
        matches
    }

    #[track_caller]
    fn check(patterns: &[&'static str], name: &str, expected: &[&str]) {
        for patterns in [patterns.to_vec(), patterns.iter().copied().rev().collect()] {
            let matches = matches(&patterns);
            assert_eq!(
                matches.all(name).copied().collect::<Vec<_>>(),
                expected,
                "{name}"
            );
            assert_eq!(matches.most_specific(name), expected.first(), "{name}");
        }
    }

    #[test]
    fn any_words_stand_for_zero_or_more_words() {
        let patterns = &["a.b.#", "a.b.d.#", "#"];
        check(patterns, "a.b", &["a.b.#", "#"]);
        check(patterns, "a.b.c", &["a.b.#", "#"]);
        check(patterns, "a.b.d", &["a.b.d.#", "a.b.#", "#"]);
        check(patterns, "a.b.d.l", &["a.b.d.#", "a.b.#", "#"]);
        check(patterns, "a.b.dabc", &["a.b.#", "#"]);
        check(patterns, "a.babc", &["#"]);
        check(patterns, "", &["#"]);
    }

    #[test]
    fn more_specific_patterns_come_first() {
        let patterns = &[
            "#", "a.#", "b.#", "a.b.#", "b.c.#", "a.b.c.#", "a.b.*.d", "a.b.c.*", "a.b.c.d",
        ];
        check(
            patterns,
            "a.b.c.d",
            &[
                "a.b.c.d", "a.b.c.*", "a.b.*.d", "a.b.c.#", "a.b.#", "a.#", "#",
            ],
        );
        check(patterns, "a.b.c", &["a.b.c.#", "a.b.#", "a.#", "#"]);
        check(patterns, "z", &["#"]);
    }

    #[test]
    fn a_pattern_with_a_later_single_word_is_more_specific() {
        let patterns = &[
            "a.b.c.d.e.*",
            "a.*.*.*.*.*",
            "*.b.c.d.*.f",
            "*.b.*.d.*.f",
            "a.b.c.d.e.#",
        ];
        check(
            patterns,
            "a.b.c.d.e.x",
            &["a.b.c.d.e.*", "a.*.*.*.*.*", "a.b.c.d.e.#"],
        );
        check(patterns, "a.b.x.d.x.f", &["a.*.*.*.*.*", "*.b.*.d.*.f"]);
        check(patterns, "x.b.c.d.e.f", &["*.b.c.d.*.f", "*.b.*.d.*.f"]);
        check(patterns, "x.b.x.d.e.f", &["*.b.*.d.*.f"]);
        check(patterns, "a.b.c.d.e.f.g", &["a.b.c.d.e.#"]);
    }

    #[test]
    fn single_words_come_before_any_words_whatever_their_length() {
        let patterns = &["a.*.*.d", "a.*.d.#", "a.b.c.#", "a.b.#", "*.*.*.*"];
        check(patterns, "a.b.x.d", &["a.*.*.d", "*.*.*.*", "a.b.#"]);
        check(patterns, "a.d.d.g", &["*.*.*.*", "a.*.d.#"]);
    }

    #[test]
    fn a_literal_pattern_rules_only_the_name_it_spells() {
        let patterns = &["#", "(a.#)", "a.#", "a.b", "a.*"];
        check(patterns, "a.b", &["a.b", "a.*", "a.#", "#"]);
        check(patterns, "a.#", &["(a.#)", "a.*", "a.#", "#"]);
        check(&["(a.#.b)"], "a.#.b", &["(a.#.b)"]);
    }

    #[test]
    fn without_markers_parentheses_are_ordinary_characters() {
        let mut matches = Matches::new(WildcardSyntax::default(), None);
        matches.insert("(a)", 1).expect("no any-words");
        assert_eq!(matches.most_specific("a"), None);
        assert_eq!(matches.most_specific("(a)"), Some(&1));
    }

    #[test]
    fn a_single_word_inside_a_word_takes_one_or_more_characters() {
        let patterns = &["a*", "a*c.x", "*.*e*"];
        check(patterns, "a", &[]);
        check(patterns, "ab", &["a*"]);
        check(patterns, "ab.x", &[]);
        check(patterns, "abcc.x", &["a*c.x"]);
        check(patterns, "q.bee", &["*.*e*"]);
        check(patterns, "q.ee", &[]);
        check(&["a*", "ab*"], "abc", &["a*", "ab*"]);
    }

    #[test]
    fn a_single_word_does_not_match_the_empty_word() {
        check(&["a.*", "a.#"], "a.", &[]);
        check(&["*.#"], "", &[]);
    }

    #[test]
    fn escaped_wildcards_and_qualified_names_are_exact() {
        check(&[r"a.\*"], "a.b", &[]);
        check(&[r"a.\*"], r"a.\*", &[r"a.\*"]);
        check(&[r"a.\*.#"], r"a.\*.b", &[r"a.\*.#"]);
        check(&[r"*.\#", r"\#.a"], r"x.\#", &[r"*.\#"]);
        check(&[r"*.\#"], r"x.y", &[]);
        check(&["a.*::q"], "a.*::q", &["a.*::q"]);
        check(&["a.*::q"], "a.b::q", &[]);
    }

    #[test]
    fn characters_of_regular_expressions_mean_themselves() {
        check(&["a+b.#"], "a+b.c", &["a+b.#"]);
        check(&["a+b.#"], "aab.c", &[]);
        check(&["$sys.*"], "$sys.x", &["$sys.*"]);
    }

    #[test]
    fn any_words_before_the_end_are_refused() {
        let mut matches = Matches::new(WildcardSyntax::default(), None);
        for pattern in ["a.#.b", "#.a", "##"] {
            let error = MisplacedAnyWords {
                pattern: pattern.into(),
            };
            assert_eq!(matches.insert(pattern, ()), Err(error));
        }
        assert!(matches.is_empty());
    }

    #[test]
    fn other_syntaxes_work_alike() {
        let syntax = WildcardSyntax {
            delimiter: '/',
            single_word: '+',
            ..WildcardSyntax::default()
        };
        let mut matches = Matches::new(syntax, None);
        for pattern in ["a/b/#", "a/+", "#"] {
            matches
                .insert(pattern, pattern)
                .expect("any-words are last");
        }
        assert_eq!(
            matches.all("a/b").copied().collect::<Vec<_>>(),
            ["a/+", "a/b/#", "#"]
        );
        assert_eq!(matches.all("a.b").copied().collect::<Vec<_>>(), ["#"]);
    }

    #[test]
    fn insert_replaces_and_remove_takes_away() {
        let mut matches = matches(&["a.*", "a.b", "(a.*)"]);
        assert_eq!(matches.insert("a.*", "new"), Ok(Some("a.*")));
        assert_eq!(matches.get("a.*"), Some(&"new"));
        assert_eq!(matches.remove("(a.*)"), Some("(a.*)"));
        assert_eq!(matches.remove("(a.*)"), None);
        assert_eq!(matches.remove("a.*"), Some("new"));
        assert_eq!(matches.remove("a.b"), Some("a.b"));
        assert!(matches.is_empty());
    }
}
