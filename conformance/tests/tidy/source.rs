// SPDX-License-Identifier: Apache-2.0
//! Rust source read just closely enough to police it: comments and literals blanked, functions and test regions found.

use std::ops::Range;

/// The text of a Rust file with every comment, string and character literal replaced by spaces.
/// Byte offsets and line breaks stay where they were, so that findings can name lines.
pub struct Source {
    pub code: String,
    tests: Vec<Range<usize>>,
}

/// A function with a body: its name, the byte where `fn` stands, and its first and last line (from 1).
pub struct Function {
    pub name: String,
    pub first_line: usize,
    pub last_line: usize,
}

impl Function {
    pub fn lines(&self) -> usize {
        self.last_line - self.first_line + 1
    }
}

impl Source {
    pub fn new(text: &str) -> Source {
        let code = blank(text);
        let tests = test_regions(&code);
        Source { code, tests }
    }

    /// The number of the line that holds byte `at`, from 1.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at]
            .bytes()
            .filter(|byte| *byte == b'\n')
            .count()
            + 1
    }

    /// Whether byte `at` lies in an item marked `#[cfg(test)]` or `#[test]`.
    pub fn in_test(&self, at: usize) -> bool {
        self.tests.iter().any(|region| region.contains(&at))
    }

    /// Byte offsets of `word` where it stands alone: no identifier character touches it.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code
            .match_indices(word)
            .map(|(at, _)| at)
            .filter(move |at| {
                let before = self.code[..*at].chars().next_back();
                let after = self.code[at + word.len()..].chars().next();
                !before.is_some_and(is_name) && !after.is_some_and(is_name)
            })
    }

    /// Every function that has a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        self.words("fn")
            .filter_map(|at| self.function(at))
            .collect()
    }

    fn function(&self, at: usize) -> Option<Function> {
        let name = identifier(self.code[at + 2..].trim_start())?;
        let body = body(&self.code, at)?;
        Some(Function {
            name,
            first_line: self.line(at),
            last_line: self.line(body.end - 1),
        })
    }

    /// Every path this file names: `use` trees written out, and paths in the code, as `a::b::c`.
    /// The offset is where the path (or its `use`) begins.
    pub fn paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in self.words("use") {
            // `use<'a>` in a return type is no import.
            let Some(end) = self.code[at..]
                .find(';')
                .filter(|_| !self.code[at + 3..].starts_with('<'))
            else {
                continue;
            };
            let tree: String = self.code[at + 3..at + end]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            expand(&tree, "", &mut |path| found.push((at, path)));
        }
        for (at, _) in self.code.match_indices("::") {
            let start = self.code[..at]
                .rfind(|c| !is_name(c))
                .map_or(0, |before| before + 1);
            if start == at || self.code[..start].ends_with("::") {
                continue;
            }
            let rest = &self.code[start..];
            let end = rest
                .find(|c: char| !is_name(c) && c != ':')
                .unwrap_or(rest.len());
            found.push((start, rest[..end].trim_end_matches(':').to_owned()));
        }
        found
    }
}

/// The leading identifier of `text`.
pub fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let starts_well = text
        .chars()
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_');
    (end > 0 && starts_well).then(|| text[..end].to_owned())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Writes out a `use` tree: `a::{b, c::{self, d}}` becomes `a::b`, `a::c`, `a::c::d`.
fn expand(tree: &str, prefix: &str, found: &mut impl FnMut(String)) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        let path = format!("{prefix}{path}");
        found(
            path.trim_end_matches("::self")
                .trim_end_matches("::*")
                .trim_start_matches("::")
                .to_owned(),
        );
        return;
    };
    let prefix = format!("{prefix}{}", tree[..open].trim());
    let inside = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(&inside[start..at], &prefix, found);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inside[start..].trim().is_empty() {
        expand(&inside[start..], &prefix, found);
    }
}

/// The bytes from `{` to its `}` of the item that begins at `at`; none when a `;` comes first.
fn body(code: &str, at: usize) -> Option<Range<usize>> {
    let mut nesting = 0;
    let mut open = None;
    for (offset, byte) in code[at..].bytes().enumerate() {
        match byte {
            b'(' | b'[' if open.is_none() => nesting += 1,
            b')' | b']' if open.is_none() => nesting -= 1,
            b';' if open.is_none() && nesting == 0 => return None,
            b'{' if open.is_none() && nesting == 0 => (open, nesting) = (Some(at + offset), 1),
            b'{' if open.is_some() => nesting += 1,
            b'}' if open.is_some() => {
                nesting -= 1;
                if nesting == 0 {
                    return open.map(|start| start..at + offset + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn test_regions(code: &str) -> Vec<Range<usize>> {
    let mut regions = Vec::new();
    for attribute in ["#[cfg(test)]", "#[test]"] {
        for (at, _) in code.match_indices(attribute) {
            if let Some(body) = body(code, at + attribute.len()) {
                regions.push(at..body.end);
            }
        }
    }
    regions
}

/// Where a blanked stretch that starts here ends: comment, string, raw string or character.
fn literal_end(rest: &str, after_name: bool) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_end(rest));
    }
    if rest.starts_with('"') {
        return Some(quoted_end(rest, '"'));
    }
    if !after_name && let Some(end) = raw_string_end(rest) {
        return Some(end);
    }
    // A quote is a character when a second one closes it; otherwise it is a lifetime.
    let mut inside = rest.strip_prefix('\'')?.chars();
    match inside.next()? {
        '\\' => Some(quoted_end(rest, '\'')),
        c if inside.next() == Some('\'') => Some(2 + c.len_utf8()),
        _ => None,
    }
}

fn block_comment_end(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted_end(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw_string_end(rest: &str) -> Option<usize> {
    let hashes_at = rest
        .strip_prefix("br")
        .or_else(|| rest.strip_prefix("cr"))
        .or_else(|| rest.strip_prefix('r'))?;
    let hashes = hashes_at.len() - hashes_at.trim_start_matches('#').len();
    let inside = hashes_at[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inside
        .find(&close)
        .map_or(inside.len(), |at| at + close.len());
    Some(rest.len() - inside.len() + end)
}

fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_name = code.chars().next_back().is_some_and(is_name);
        if let Some(end) = literal_end(rest, after_name) {
            code.extend(
                rest[..end]
                    .bytes()
                    .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
            );
            rest = &rest[end..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    assert_eq!(code.len(), text.len(), "blanking keeps offsets");
    code
}
