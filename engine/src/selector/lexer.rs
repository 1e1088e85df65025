// SPDX-License-Identifier: Apache-2.0
//! Selector text → tokens, one at a time.

use super::error::{Reason, SelectorError};
use std::borrow::Cow;
use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'s> {
    /// not yet mapped to the broker's names
    Identifier(Cow<'s, str>),
    Text(Cow<'s, str>),
    /// the magnitude of an exact numeric literal; 2⁶³ only makes sense after a minus sign
    Integer(u64),
    Float(f64),
    Word(Word),
    Symbol(Symbol),
    End,
}

/// Reserved words, matched without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Not,
    And,
    Or,
    Between,
    Like,
    Escape,
    In,
    Is,
    True,
    False,
    Null,
    XPath,
    XQuery,
}

const WORDS: [(&str, Word); 13] = [
    ("NOT", Word::Not),
    ("AND", Word::And),
    ("OR", Word::Or),
    ("BETWEEN", Word::Between),
    ("LIKE", Word::Like),
    ("ESCAPE", Word::Escape),
    ("IN", Word::In),
    ("IS", Word::Is),
    ("TRUE", Word::True),
    ("FALSE", Word::False),
    ("NULL", Word::Null),
    ("XPATH", Word::XPath),
    ("XQUERY", Word::XQuery),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Open,
    Close,
    Comma,
}

/// Longer symbols first, so that `<=` is not read as `<`.
const SYMBOLS: [(&str, Symbol); 14] = [
    ("<>", Symbol::NotEqual),
    ("<=", Symbol::LessOrEqual),
    (">=", Symbol::GreaterOrEqual),
    ("=", Symbol::Equal),
    ("<", Symbol::Less),
    (">", Symbol::Greater),
    ("+", Symbol::Plus),
    ("-", Symbol::Minus),
    ("*", Symbol::Star),
    ("/", Symbol::Slash),
    ("%", Symbol::Percent),
    ("(", Symbol::Open),
    (")", Symbol::Close),
    (",", Symbol::Comma),
];

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Identifier(name) => write!(f, "identifier {name}"),
            Token::Text(_) => f.write_str("a text literal"),
            Token::Integer(_) | Token::Float(_) => f.write_str("a number"),
            Token::Word(word) => {
                let spelt = WORDS
                    .iter()
                    .find(|(_, w)| w == word)
                    .map_or("", |(spelt, _)| spelt);
                f.write_str(spelt)
            }
            Token::Symbol(symbol) => {
                let spelt = SYMBOLS
                    .iter()
                    .find(|(_, s)| s == symbol)
                    .map_or("", |(spelt, _)| spelt);
                write!(f, "'{spelt}'")
            }
            Token::End => f.write_str("the end of the selector"),
        }
    }
}

/// Reads tokens from left to right; remembers nothing but its place.
#[derive(Debug)]
pub(super) struct Lexer<'s> {
    text: &'s str,
    position: usize,
    hyphenated: bool,
}

impl<'s> Lexer<'s> {
    /// Starts at byte `position`; with `hyphenated`, identifiers may contain `-` after their first character.
    pub fn new(text: &'s str, position: usize, hyphenated: bool) -> Lexer<'s> {
        Lexer {
            text,
            position,
            hyphenated,
        }
    }

    /// An error at byte offset `at`, which is told to people as a column of characters.
    pub fn error(&self, at: usize, reason: Reason) -> SelectorError {
        SelectorError {
            column: self.text[..at].chars().count() + 1,
            reason,
        }
    }

    /// The next token and the byte offset where it starts.
    pub fn next(&mut self) -> Result<(usize, Token<'s>), SelectorError> {
        self.skip_blanks();
        let start = self.position;
        let Some(first) = self.rest().chars().next() else {
            return Ok((start, Token::End));
        };
        let token = match first {
            '\'' => Token::Text(self.quoted("'", "text literal")?),
            '"' => Token::Identifier(self.quoted("\"", "quoted identifier")?),
            '0'..='9' => self.number()?,
            '.' if self
                .rest()
                .as_bytes()
                .get(1)
                .is_some_and(u8::is_ascii_digit) =>
            {
                self.number()?
            }
            c if starts_identifier(c) => self.identifier_or_word(),
            c => self
                .symbol()
                .ok_or_else(|| self.error(start, Reason::UnexpectedCharacter(c)))?,
        };
        Ok((start, token))
    }

    fn rest(&self) -> &'s str {
        &self.text[self.position..]
    }

    /// Blanks, `/* … */`, and `--` up to the end of its line. A `--` on the last line is two minus signs, so that
    /// `5 --1` in a one-line selector is arithmetic, as it is for Artemis.
    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len()
                - rest
                    .trim_start_matches([' ', '\t', '\n', '\r', '\x0c'])
                    .len();
            let comment = if rest.starts_with("--") {
                rest.find(['\n', '\r']).map(|line_end| line_end + 1)
            } else {
                let inside = rest.strip_prefix("/*");
                inside.and_then(|inside| Some(2 + inside.find("*/")? + 2))
            };
            let skipped = comment.unwrap_or(blank);
            if skipped == 0 {
                return;
            }
            self.position += skipped;
        }
    }

    /// The inside of a literal between two `quote`s, in which a doubled quote stands for one.
    fn quoted(&mut self, quote: &str, what: &'static str) -> Result<Cow<'s, str>, SelectorError> {
        let inside = &self.rest()[1..];
        let mut doubled = false;
        let mut search = 0;
        loop {
            let Some(found) = inside[search..].find(quote) else {
                return Err(self.error(self.position, Reason::Unterminated(what)));
            };
            let end = search + found;
            if !inside[end + 1..].starts_with(quote) {
                self.position += 1 + end + 1;
                let content = &inside[..end];
                return Ok(if doubled {
                    Cow::Owned(content.replace(&quote.repeat(2), quote))
                } else {
                    Cow::Borrowed(content)
                });
            }
            doubled = true;
            search = end + 2;
        }
    }

    fn identifier_or_word(&mut self) -> Token<'s> {
        let rest = self.rest();
        let hyphenated = self.hyphenated;
        let end = rest
            .find(|c| !(continues_identifier(c) || hyphenated && c == '-'))
            .unwrap_or(rest.len());
        self.position += end;
        let name = &rest[..end];
        match WORDS
            .iter()
            .find(|(spelt, _)| spelt.eq_ignore_ascii_case(name))
        {
            Some(&(_, word)) => Token::Word(word),
            None => Token::Identifier(Cow::Borrowed(name)),
        }
    }

    fn symbol(&mut self) -> Option<Token<'s>> {
        let &(spelt, symbol) = SYMBOLS
            .iter()
            .find(|(spelt, _)| self.rest().starts_with(spelt))?;
        self.position += spelt.len();
        Some(Token::Symbol(symbol))
    }

    /// Exact (decimal, `0x…`, octal `0…`, each with an optional `L`) or approximate (`5.`, `.5`, `5.5E-3`, `5E10`).
    fn number(&mut self) -> Result<Token<'s>, SelectorError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        if rest.starts_with("0x") || rest.starts_with("0X") {
            let digits = run(&bytes[2..], u8::is_ascii_hexdigit);
            if digits > 0 {
                return self.exact(2, digits, 16);
            }
        }
        let whole = run(bytes, u8::is_ascii_digit);
        let approximate = approximate_length(bytes, whole);
        if approximate > whole {
            self.position += approximate;
            // every text of this form parses; huge exponents become infinite, as in Java
            return Ok(Token::Float(
                rest[..approximate].parse().unwrap_or(f64::INFINITY),
            ));
        }
        if bytes[0] == b'0' {
            return self.exact(0, run(bytes, |b| matches!(b, b'0'..=b'7')), 8);
        }
        self.exact(0, whole, 10)
    }

    /// An integer of `digits` digits after `skipped` bytes. A decimal beyond 64 bits becomes approximate.
    fn exact(
        &mut self,
        skipped: usize,
        digits: usize,
        radix: u32,
    ) -> Result<Token<'s>, SelectorError> {
        let rest = self.rest();
        let spelt = &rest[skipped..skipped + digits];
        let most = if radix == 10 {
            i64::MAX.unsigned_abs() + 1
        } else {
            i64::MAX.unsigned_abs()
        };
        let token = match u64::from_str_radix(spelt, radix) {
            Ok(value) if value <= most => Token::Integer(value),
            _ if radix == 10 => Token::Float(spelt.parse().unwrap_or(f64::INFINITY)),
            _ => return Err(self.error(self.position, Reason::NumberOutOfRange)),
        };
        self.position += skipped + digits;
        if self.rest().starts_with(['l', 'L']) {
            self.position += 1;
        }
        Ok(token)
    }
}

/// How many leading bytes of `bytes` satisfy `accepts`.
fn run(bytes: &[u8], accepts: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| accepts(byte)).count()
}

/// The length of the number including its fraction and exponent; equal to `whole` when it has neither.
fn approximate_length(bytes: &[u8], whole: usize) -> usize {
    let mut length = whole;
    if bytes.get(length) == Some(&b'.') {
        length += 1 + run(&bytes[length + 1..], u8::is_ascii_digit);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let digits = run(&bytes[length + 1 + sign..], u8::is_ascii_digit);
        if digits > 0 {
            length += 1 + sign + digits;
        }
    }
    length
}

/// A Java letter: Artemis accepts the ASCII ones, JMS 2.0 §3.8.1.1 any.
fn starts_identifier(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn continues_identifier(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}
