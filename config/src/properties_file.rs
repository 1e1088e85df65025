// SPDX-License-Identifier: Apache-2.0
//! Java's `.properties` text, kept line by line so that an edit leaves comments, order and spelling alone.

use crate::file_error::FileError;
use std::fmt::{self, Write as _};

/// A `.properties` text that can be read, edited and written back.
///
/// Read by the rules of `java.util.Properties.load`: `#` and `!` comments, a key ended by `=`, `:` or white space, a line
/// continued by an odd number of backslashes, `\t \n \r \f \uXXXX`, any other escaped character standing for itself.
///
/// Invariants: an untouched file prints byte for byte as it was read; where a key is written twice the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertiesFile {
    pieces: Vec<Piece>,
}

/// One entry as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub key: &'a str,
    pub value: &'a str,
    /// First line of the entry, counted from 1; 0 for one added since.
    pub line: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Blank line or comment, with its line end.
    Text(String),
    Entry {
        raw: String,
        key: String,
        value: String,
        line: u32,
    },
}

impl PropertiesFile {
    /// Reads `text`; the only things Java refuses are broken `\u` escapes, and so does this.
    pub fn parse(text: &str) -> Result<Self, Vec<FileError>> {
        let mut file = Self::default();
        let mut errors = Vec::new();
        let mut natural = NaturalLines::new(text).peekable();
        while let Some((line, raw)) = natural.next() {
            if is_text(raw) {
                file.pieces.push(Piece::Text(raw.to_owned()));
                continue;
            }
            let mut whole = raw.to_owned();
            let mut logical = without_end(raw).trim_start_matches(is_blank).to_owned();
            while is_continued(&logical) {
                logical.pop();
                let Some((_, more)) = natural.next() else {
                    break;
                };
                whole.push_str(more);
                logical.push_str(without_end(more).trim_start_matches(is_blank));
            }
            let (key, value) = split_entry(&logical);
            match (unescape(key), unescape(value)) {
                (Ok(key), Ok(value)) => file.pieces.push(Piece::Entry {
                    raw: whole,
                    key,
                    value,
                    line,
                }),
                (Err(reason), _) | (_, Err(reason)) => errors.push(FileError::at(line, 1, reason)),
            }
        }
        if errors.is_empty() {
            Ok(file)
        } else {
            Err(errors)
        }
    }

    /// Text of a file's bytes: UTF-8 where it is that, else ISO-8859-1, which is what Java reads.
    pub fn decode(bytes: &[u8]) -> String {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        }
    }

    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Entry {
                key, value, line, ..
            } => Some(Entry {
                key,
                value,
                line: *line,
            }),
            Piece::Text(_) => None,
        })
    }

    pub fn entry(&self, key: &str) -> Option<Entry<'_>> {
        self.entries().filter(|entry| entry.key == key).last()
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value)
    }

    /// Gives `key` this value: in the place of its last entry, else as a new last line.
    pub fn set(&mut self, key: &str, value: &str) {
        let place = self.pieces.iter().rposition(|piece| piece.has_key(key));
        let raw = format!("{} = {}\n", escape(key, true), escape(value, false));
        let entry = |line| Piece::Entry {
            raw,
            key: key.to_owned(),
            value: value.to_owned(),
            line,
        };
        match place {
            Some(place) => {
                let line = match &self.pieces[place] {
                    Piece::Entry { line, .. } => *line,
                    Piece::Text(_) => 0,
                };
                self.pieces[place] = entry(line);
                let mut index = 0;
                self.pieces.retain(|piece| {
                    index += 1;
                    index > place || !piece.has_key(key)
                });
            }
            None => {
                self.end_last_line();
                self.pieces.push(entry(0));
            }
        }
        debug_assert_eq!(self.get(key), Some(value));
    }

    /// Takes every entry of `key` away; whether there was one.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.pieces.len();
        self.pieces.retain(|piece| !piece.has_key(key));
        self.pieces.len() < before
    }

    /// So that what follows begins a line of its own, and is not the continuation of the last one.
    fn end_last_line(&mut self) {
        let Some(last) = self.pieces.last_mut() else {
            return;
        };
        let is_entry = matches!(last, Piece::Entry { .. });
        let (Piece::Text(raw) | Piece::Entry { raw, .. }) = last;
        if is_entry && is_continued(without_end(raw)) {
            raw.truncate(without_end(raw).len() - 1);
        }
        if !raw.ends_with(['\n', '\r']) {
            raw.push('\n');
        }
    }
}

impl fmt::Display for PropertiesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(raw) | Piece::Entry { raw, .. } => f.write_str(raw),
        })
    }
}

impl Piece {
    fn has_key(&self, wanted: &str) -> bool {
        matches!(self, Self::Entry { key, .. } if key == wanted)
    }
}

/// Lines with their ends (`\n`, `\r\n` or `\r`), numbered from 1.
struct NaturalLines<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> NaturalLines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 0,
        }
    }
}

impl<'a> Iterator for NaturalLines<'a> {
    type Item = (u32, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let length = match self.rest.find(['\n', '\r']) {
            Some(end) if self.rest[end..].starts_with("\r\n") => end + 2,
            Some(end) => end + 1,
            None => self.rest.len(),
        };
        let (line, rest) = self.rest.split_at(length);
        self.rest = rest;
        self.line += 1;
        Some((self.line, line))
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

fn without_end(raw: &str) -> &str {
    raw.trim_end_matches(['\n', '\r'])
}

fn is_text(raw: &str) -> bool {
    let content = without_end(raw).trim_start_matches(is_blank);
    content.is_empty() || content.starts_with(['#', '!'])
}

fn is_continued(logical: &str) -> bool {
    logical
        .bytes()
        .rev()
        .take_while(|byte| *byte == b'\\')
        .count()
        % 2
        == 1
}

fn split_entry(logical: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = logical.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || is_blank(c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let Some(end) = end else { return (logical, "") };
    let after = logical[end..].trim_start_matches(is_blank);
    let after = after.strip_prefix(['=', ':']).unwrap_or(after);
    (&logical[..end], after.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut buffer = [0; 2];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            units.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            Some('t') => units.push(0x09),
            Some('n') => units.push(0x0a),
            Some('r') => units.push(0x0d),
            Some('f') => units.push(0x0c),
            Some('u') => units.push(hex_unit(&mut chars)?),
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
            None => {}
        }
    }
    String::from_utf16(&units).map_err(|_| "a \\u escape is half of a surrogate pair".to_owned())
}

fn hex_unit(chars: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: String = chars.take(4).collect();
    let broken =
        || format!("'\\u{digits}' is not a \\u escape: four hexadecimal digits are expected");
    if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(broken());
    }
    u16::from_str_radix(&digits, 16).map_err(|_| broken())
}

/// As Java stores it: separators and leading space escaped, everything outside printable ASCII as `\uXXXX`.
fn escape(text: &str, is_key: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, c) in text.chars().enumerate() {
        match c {
            ' ' if is_key || index == 0 => out.push_str("\\ "),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            '\\' => out.push_str("\\\\"),
            '=' | ':' | '#' | '!' if is_key => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing into a String cannot fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PropertiesFile {
        PropertiesFile::parse(text).expect("readable")
    }

    #[test]
    fn an_untouched_file_prints_as_it_was_read() {
        let text = "# head\r\n\n  ! note\n a = 1\\\n   2\nb:3\r c 4\nlast";
        assert_eq!(read(text).to_string(), text);
    }

    #[test]
    fn keys_and_values_follow_javas_rules() {
        let rows = [
            ("a=b", "a", "b"),
            ("a = b ", "a", "b "),
            ("a:b=c", "a", "b=c"),
            ("a b c", "a", "b c"),
            ("a\t=\tb", "a", "b"),
            ("lonely", "lonely", ""),
            ("a\\=b\\:c = d", "a=b:c", "d"),
            ("k = one, \\\n     two", "k", "one, two"),
            ("k = back\\\\", "k", "back\\"),
            ("k = \\u0041\\u00e9\\t.\\q", "k", "Aé\t.q"),
            ("k = \\uD83D\\uDE00", "k", "😀"),
            ("k = #not a comment", "k", "#not a comment"),
        ];
        for (text, key, value) in rows {
            let file = read(text);
            let entry = file.entries().next().expect("an entry");
            assert_eq!((entry.key, entry.value), (key, value), "{text:?}");
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_counts_and_a_set_leaves_one() {
        let mut file = read("a=1\nb=2\na=3\n");
        assert_eq!(file.get("a"), Some("3"));
        file.set("a", "4");
        assert_eq!(file.to_string(), "b=2\na = 4\n");
    }

    #[test]
    fn set_and_remove_leave_the_other_lines_alone() {
        let mut file = read("# users\njoe = x\n\n# the boss\nann = y");
        file.set("bob", "z");
        file.set("joe", "q");
        assert!(file.remove("ann"));
        assert!(!file.remove("ann"));
        assert_eq!(
            file.to_string(),
            "# users\njoe = q\n\n# the boss\nbob = z\n"
        );
    }

    #[test]
    fn a_last_line_that_expects_another_does_not_swallow_the_new_one() {
        for text in ["a = 1\\", "a = 1\\\n", "a = 1"] {
            let mut file = read(text);
            file.set("b", "2");
            assert_eq!(file.to_string(), "a = 1\nb = 2\n", "{text:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for value in [
            "",
            " leading",
            "tail ",
            "a=b:c#d!e",
            "back\\slash",
            "line\nbreak",
            "é😀",
            "ENC(1024:AB:CD)",
        ] {
            for key in ["k", "a b", "x=y", "#hash", "é"] {
                let mut file = PropertiesFile::default();
                file.set(key, value);
                assert_eq!(
                    read(&file.to_string()).get(key),
                    Some(value),
                    "{key:?} {value:?}"
                );
            }
        }
    }

    #[test]
    fn broken_unicode_escapes_are_all_reported_with_their_lines() {
        let errors = PropertiesFile::parse("ok = 1\nk = \\u00g1\n\nj = \\u12\nh = \\uD83D\n")
            .expect_err("three faults");
        assert_eq!(
            errors.iter().map(|error| error.line).collect::<Vec<_>>(),
            [2, 4, 5]
        );
        assert!(errors[0].message.contains("\\u00g1"), "{}", errors[0]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_latin1() {
        assert_eq!(PropertiesFile::decode(b"k=\xe9"), "k=é");
        assert_eq!(PropertiesFile::decode("k=é".as_bytes()), "k=é");
    }
}
