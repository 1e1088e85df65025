// SPDX-License-Identifier: Apache-2.0
//! The patterns of `LIKE`: `%` is any sequence of characters, `_` any one character.

/// A compiled pattern. Matching takes no memory and, unless `_` stands between many repeats, time linear in the text:
/// the stretches between `%` have no freedom, so the leftmost place where each fits is as good as any other.
#[derive(Debug, PartialEq)]
pub(super) struct LikePattern {
    /// what the text starts with
    start: Stretch,
    /// in this order, anywhere between start and end
    middle: Box<[Stretch]>,
    /// what the text ends with; `None` when the pattern has no `%`, and `start` is the whole text
    end: Option<Stretch>,
}

/// A part of a pattern without `%`.
type Stretch = Box<[Piece]>;

#[derive(Debug, PartialEq)]
enum Piece {
    Text(Box<str>),
    AnyCharacter,
}

impl LikePattern {
    /// `escape` in front of `%`, `_` or itself takes away that character's meaning; in front of anything else it is an
    /// ordinary character.
    pub fn new(pattern: &str, escape: Option<char>) -> LikePattern {
        let mut stretches = vec![Vec::new()];
        let mut text = String::new();
        let mut characters = pattern.chars().peekable();
        while let Some(c) = characters.next() {
            let escaped = match characters.peek() {
                Some(&next) if Some(c) == escape && (next == '%' || next == '_' || next == c) => {
                    characters.next()
                }
                _ => None,
            };
            match (escaped, c) {
                (Some(literal), _) => text.push(literal),
                (None, '%') => {
                    finish_text(&mut stretches, &mut text);
                    stretches.push(Vec::new());
                }
                (None, '_') => {
                    finish_text(&mut stretches, &mut text);
                    stretches
                        .last_mut()
                        .expect("starts with one")
                        .push(Piece::AnyCharacter);
                }
                (None, c) => text.push(c),
            }
        }
        finish_text(&mut stretches, &mut text);
        let end = (stretches.len() > 1).then(|| stretches.pop().expect("more than one").into());
        let mut stretches = stretches.into_iter();
        let start = stretches.next().expect("starts with one").into();
        // `%%` is `%`: an empty stretch in the middle fits anywhere
        let middle = stretches
            .filter(|stretch| !stretch.is_empty())
            .map(Into::into)
            .collect();
        LikePattern { start, middle, end }
    }

    pub fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = after(&self.start, text) else {
            return false;
        };
        let Some(end) = &self.end else {
            return rest.is_empty();
        };
        for stretch in &self.middle {
            match find(stretch, rest) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        ends_with(end, rest)
    }
}

fn finish_text(stretches: &mut [Vec<Piece>], text: &mut String) {
    if !text.is_empty() {
        let piece = Piece::Text(std::mem::take(text).into());
        stretches.last_mut().expect("starts with one").push(piece);
    }
}

/// What follows `stretch` at the very start of `text`.
fn after<'t>(stretch: &[Piece], text: &'t str) -> Option<&'t str> {
    stretch.iter().try_fold(text, |rest, piece| match piece {
        Piece::Text(literal) => rest.strip_prefix(&**literal),
        Piece::AnyCharacter => {
            let mut characters = rest.chars();
            characters.next().map(|_| characters.as_str())
        }
    })
}

fn ends_with(stretch: &[Piece], text: &str) -> bool {
    let rest = stretch
        .iter()
        .rev()
        .try_fold(text, |rest, piece| match piece {
            Piece::Text(literal) => rest.strip_suffix(&**literal),
            Piece::AnyCharacter => {
                let mut characters = rest.chars();
                characters.next_back().map(|_| characters.as_str())
            }
        });
    rest.is_some()
}

/// What follows the leftmost place in `text` where `stretch` fits.
fn find<'t>(stretch: &[Piece], text: &'t str) -> Option<&'t str> {
    let mut candidate = text;
    loop {
        if let Some(Piece::Text(literal)) = stretch.first() {
            candidate = &candidate[candidate.find(&**literal)?..];
        }
        if let Some(rest) = after(stretch, candidate) {
            return Some(rest);
        }
        let mut characters = candidate.chars();
        characters.next()?;
        candidate = characters.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::LikePattern;

    #[track_caller]
    fn check(pattern: &str, escape: Option<char>, matching: &[&str], other: &[&str]) {
        let compiled = LikePattern::new(pattern, escape);
        for text in matching {
            assert!(compiled.matches(text), "{pattern:?} should match {text:?}");
        }
        for text in other {
            assert!(
                !compiled.matches(text),
                "{pattern:?} should not match {text:?}"
            );
        }
    }

    #[test]
    fn jms_3_8_1_2_like_percent_is_any_sequence_and_underscore_one_character() {
        check(
            "12%3",
            None,
            &["123", "12993", "12\n3"],
            &["1234", "12", "13"],
        );
        check("l_se", None, &["lose", "l\u{1F600}se"], &["loose", "lse"]);
        check("%", None, &["", "anything"], &[]);
        check("", None, &[""], &["x"]);
        check("_%", None, &["x", "xy"], &[""]);
        check("%a%%b%", None, &["ab", "xaxbx"], &["ba", "a", "b"]);
        check("ab%ba", None, &["abba", "ab-ba"], &["aba"]);
        check("%a_c%d_", None, &["abcde", "aac abc de"], &["abcd", "acde"]);
        check("%aab", None, &["aaab", "aabaab"], &["aabb"]);
        check("a.c*", None, &["a.c*"], &["abc*", "a.cc"]);
    }

    #[test]
    fn jms_3_8_1_2_like_escape_takes_away_the_special_meaning() {
        check("\\_%", Some('\\'), &["_foo", "_"], &["bar", ""]);
        check("%_%", Some('%'), &["_", "_foo"], &["foo", ""]);
        check("100!%", Some('!'), &["100%"], &["1000", "100"]);
        check("a!b!!", Some('!'), &["a!b!"], &["ab!"]);
        check("a!", Some('!'), &["a!"], &["a"]);
    }
}
