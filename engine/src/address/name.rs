// SPDX-License-Identifier: Apache-2.0
//! Address names: words, wildcards, and fully qualified queue names (`address::queue`).
//!
//! A name is a sequence of words separated by a delimiter. A character after a backslash is itself, never a delimiter
//! or wildcard (ARTEMIS-4532): the MQTT topic `a.b/c` is the address `a\.b.c`, two words. The backslash stays part of
//! the word, so that a name and a pattern are compared as they are stored.

use std::borrow::Cow;

const ESCAPE: char = '\\';

/// Between address and queue in a fully qualified queue name.
pub const QUALIFIER: &str = "::";

/// The characters with a meaning in address patterns (`wildcard-addresses` in broker.xml; manual, "Wildcard Syntax").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WildcardSyntax {
    pub delimiter: char,
    /// a word of its own: zero or more words
    pub any_words: char,
    /// a word of its own: exactly one word, which may be empty
    pub single_word: char,
    /// whether queues on a wildcard address receive from the addresses it matches; settings and permissions match by
    /// wildcard in any case
    pub routing_enabled: bool,
}

impl Default for WildcardSyntax {
    fn default() -> WildcardSyntax {
        WildcardSyntax {
            delimiter: '.',
            any_words: '#',
            single_word: '*',
            routing_enabled: true,
        }
    }
}

/// A word of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word<'p> {
    Literal(&'p str),
    Single,
    Any,
}

impl WildcardSyntax {
    /// Whether an unescaped wildcard character occurs anywhere in `name`, also inside a word: producers cannot send to
    /// such an address.
    pub fn is_wildcard(&self, name: &str) -> bool {
        let mut previous = None;
        name.chars().any(|c| {
            let escaped = previous.replace(c) == Some(ESCAPE);
            !escaped && (c == self.any_words || c == self.single_word)
        })
    }

    /// Whether the concrete `name` is one of those that `pattern` stands for. Wildcards work as whole words only, so
    /// `a*` is the literal word `a*`. Takes time proportional to words × words at worst, and no memory.
    pub fn matches(&self, pattern: &str, name: &str) -> bool {
        let mut pattern = self.pattern_words(pattern);
        let mut name = self.words(name);
        // where to resume when the words after the last any-words do not fit: one name word later
        let mut resume = None;
        loop {
            let behind = (pattern.clone(), name.clone());
            match (pattern.next(), name.next()) {
                (Some(Word::Any), _) => {
                    resume = Some((pattern.clone(), behind.1.clone()));
                    name = behind.1;
                }
                (Some(Word::Single), Some(_)) => {}
                (Some(Word::Literal(wanted)), Some(word)) if wanted == word => {}
                (None, None) => return true,
                _ => {
                    let Some((after_any, mut skipped_to)) = resume else {
                        return false;
                    };
                    if skipped_to.next().is_none() {
                        return false;
                    }
                    (pattern, name) = (after_any.clone(), skipped_to.clone());
                    resume = Some((after_any, skipped_to));
                }
            }
        }
    }

    /// The words of `name`, at least one; a name without delimiters, also the empty one, is a single word.
    pub fn words<'n>(&self, name: &'n str) -> Words<'n> {
        Words {
            rest: Some(name),
            delimiter: self.delimiter,
        }
    }

    pub(crate) fn pattern_words<'p>(
        &self,
        pattern: &'p str,
    ) -> impl Iterator<Item = Word<'p>> + Clone + use<'p> {
        let syntax = *self;
        self.words(pattern).map(move |word| syntax.word(word))
    }

    pub(crate) fn word<'p>(&self, word: &'p str) -> Word<'p> {
        let mut characters = word.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) if c == self.any_words => Word::Any,
            (Some(c), None) if c == self.single_word => Word::Single,
            _ => Word::Literal(word),
        }
    }

    /// `name`, written in this syntax, rewritten in `target`'s: how an MQTT topic filter becomes an address and back.
    ///
    /// Characters that only `target` gives a meaning are escaped; a name that is escaped already comes back unescaped
    /// instead, so that two conversions restore any name without backslashes of its own.
    pub fn convert<'n>(&self, name: &'n str, target: &WildcardSyntax) -> Cow<'n, str> {
        let ours = [self.delimiter, self.any_words, self.single_word];
        let theirs = [target.delimiter, target.any_words, target.single_word];
        if ours == theirs
            || !name.contains(|c| ours.contains(&c) || theirs.contains(&c) || c == ESCAPE)
        {
            return Cow::Borrowed(name);
        }
        let mut converted = String::with_capacity(name.len() + 4);
        let mut characters = name.chars().peekable();
        let escaped = self.is_escaped(name);
        while let Some(c) = characters.next() {
            match (ours.iter().position(|our| *our == c), characters.peek()) {
                (Some(meaning), _) => converted.push(theirs[meaning]),
                (None, Some(&next))
                    if escaped && c == ESCAPE && (next == ESCAPE || ours.contains(&next)) =>
                {
                    characters.next();
                    converted.push(next);
                }
                (None, _) => {
                    if !escaped && (c == ESCAPE || theirs.contains(&c)) {
                        converted.push(ESCAPE);
                    }
                    converted.push(c);
                }
            }
        }
        Cow::Owned(converted)
    }

    fn is_escaped(&self, name: &str) -> bool {
        let ours = [self.delimiter, self.any_words, self.single_word];
        name.chars()
            .zip(name.chars().skip(1))
            .any(|(c, next)| c == ESCAPE && ours.contains(&next))
    }
}

/// The words of a name, first to last.
#[derive(Debug, Clone)]
pub struct Words<'n> {
    rest: Option<&'n str>,
    delimiter: char,
}

impl<'n> Iterator for Words<'n> {
    type Item = &'n str;

    fn next(&mut self) -> Option<&'n str> {
        let rest = self.rest?;
        let mut delimiters = rest.match_indices(self.delimiter);
        let end = delimiters.find(|(at, _)| !rest[..*at].ends_with(ESCAPE));
        self.rest = end.map(|(at, delimiter)| &rest[at + delimiter.len()..]);
        Some(end.map_or(rest, |(at, _)| &rest[..at]))
    }
}

/// `address::queue` → (`address`, `queue`); a plain name has no queue. Only the first `::` separates.
pub fn split_fqqn(name: &str) -> (&str, Option<&str>) {
    match name.split_once(QUALIFIER) {
        Some((address, queue)) => (address, Some(queue)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MQTT: WildcardSyntax = WildcardSyntax {
        delimiter: '/',
        any_words: '#',
        single_word: '+',
        routing_enabled: true,
    };

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let syntax = WildcardSyntax::default();
        for name in matching {
            assert!(
                syntax.matches(pattern, name),
                "{pattern} should match {name}"
            );
        }
        for name in other {
            assert!(
                !syntax.matches(pattern, name),
                "{pattern} should not match {name}"
            );
        }
    }

    #[test]
    fn any_words_match_zero_or_more_words_at_the_end() {
        let matching = [
            "news.europe",
            "news.europe.sport",
            "news.europe.politics.regional",
            "news.europe.",
        ];
        check(
            "news.europe.#",
            &matching,
            &["news.usa", "news", "entertainment", "news.europeans"],
        );
        check("#", &["", "a", "a.b.c"], &[]);
    }

    #[test]
    fn any_words_match_at_the_start_and_in_the_middle() {
        check("#.b", &["b", "a.b", "b.b", "a.c.b"], &["a", "b.a", "ab"]);
        check(
            "a.#.d",
            &["a.d", "a.b.d", "a.d.d", "a.b.c.d"],
            &["a", "d", "a.d.e"],
        );
        check("a.#.b.#", &["a.b", "a.x.b.y", "a.b.b"], &["a.x.y", "b.b"]);
        // a first place that fits the word after `#` is not the only one
        check("#.b.c", &["b.b.c", "b.x.b.c"], &["b.c.b"]);
        check("#.#", &["", "a", "a.b"], &[]);
    }

    #[test]
    fn single_word_matches_exactly_one_word_even_an_empty_one() {
        check(
            "news.*",
            &["news.europe", "news."],
            &["news", "news.europe.sport"],
        );
        check(
            "news.*.sport",
            &["news.usa.sport", "news..sport"],
            &["news.sport", "news.europe.politics"],
        );
        check("*.#", &["a", "a.b", ""], &[]);
        check("#.*", &["a", "a.b"], &[]);
    }

    #[test]
    fn wildcards_inside_a_word_are_literal_when_routing() {
        check("a.b*", &["a.b*"], &["a.bc"]);
        check("#a.b", &["#a.b"], &["a.b", "x.a.b"]);
    }

    #[test]
    fn an_escaped_delimiter_does_not_separate_words() {
        check(r"a\.b.*", &[r"a\.b.c"], &["a.b.c", r"a\.b"]);
        check("*", &[r"a\.b"], &["a.b"]);
        check(r"a.\*", &[r"a.\*"], &["a.b"]);
        assert_eq!(
            WildcardSyntax::default()
                .words(r"a\.b.c")
                .collect::<Vec<_>>(),
            [r"a\.b", "c"]
        );
        assert_eq!(
            WildcardSyntax::default().words(".a..").collect::<Vec<_>>(),
            ["", "a", "", ""]
        );
    }

    #[test]
    fn a_long_pattern_of_any_words_takes_no_exponential_time() {
        let pattern = "#.a.".repeat(200) + "b";
        let name = "a.".repeat(2000) + "c";
        assert!(!WildcardSyntax::default().matches(&pattern, &name));
    }

    #[test]
    fn is_wildcard_looks_for_unescaped_wildcards() {
        let syntax = WildcardSyntax::default();
        for name in [
            "*", "#", "a.*", "*.b", "a.*.c", "a.#", r"a.*.\#", r"a.\*.#", "a*b",
        ] {
            assert!(syntax.is_wildcard(name), "{name}");
        }
        for name in ["", "a", "a.b", r"a\.\#", r"a\.\*", r"\*", r"\#"] {
            assert!(!syntax.is_wildcard(name), "{name}");
        }
        assert!(MQTT.is_wildcard("a/+"));
        assert!(!MQTT.is_wildcard("a/*"));
    }

    #[test]
    fn mqtt_topics_become_addresses_and_come_back() {
        let core = WildcardSyntax::default();
        let pairs = [
            ("nm/+/c", "nm.*.c"),
            ("nm/a/#", "nm.a.#"),
            ("nm.dot/z", r"nm\.dot.z"),
            ("nm*star", r"nm\*star"),
            ("/nm/lead/", ".nm.lead."),
            ("nm//e", "nm..e"),
            ("$nm/dollar", "$nm.dollar"),
            ("plain", "plain"),
            ("é/ü", "é.ü"),
        ];
        for (topic, address) in pairs {
            assert_eq!(MQTT.convert(topic, &core), address);
            assert_eq!(core.convert(address, &MQTT), topic);
        }
        assert_eq!(core.convert("a.*", &core), "a.*");
    }

    #[test]
    fn split_fqqn_separates_at_the_first_qualifier() {
        assert_eq!(split_fqqn("a.b::q"), ("a.b", Some("q")));
        assert_eq!(split_fqqn("a.b"), ("a.b", None));
        assert_eq!(split_fqqn("a::b::c"), ("a", Some("b::c")));
        assert_eq!(split_fqqn("::q"), ("", Some("q")));
        assert_eq!(split_fqqn("a::"), ("a", Some("")));
    }
}
