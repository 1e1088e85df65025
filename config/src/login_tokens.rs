// SPDX-License-Identifier: Apache-2.0
//! The words and signs of `login.config`, with their places.

use crate::file_error::FileError;

/// Cuts the text into tokens; comments (`//…` and `/*…*/`) are skipped.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    rest: &'a str,
    line: u32,
    column: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    kind: Kind,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A bare word or the inside of a quoted string.
    Word(String),
    Symbol(char),
    End,
}

impl Token {
    pub(crate) fn word(&self) -> Option<String> {
        match &self.kind {
            Kind::Word(word) => Some(word.clone()),
            Kind::Symbol(_) | Kind::End => None,
        }
    }

    pub(crate) fn is(&self, symbol: char) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    pub(crate) fn is_end(&self) -> bool {
        self.kind == Kind::End
    }

    pub(crate) fn fault(&self, message: String) -> FileError {
        FileError::at(self.line, self.column, message)
    }

    pub(crate) fn unexpected(&self, wanted: &str) -> FileError {
        let found = match &self.kind {
            Kind::Word(word) => format!("'{word}'"),
            Kind::Symbol(symbol) => format!("'{symbol}'"),
            Kind::End => "the end of the file".to_owned(),
        };
        self.fault(format!("{wanted} is expected, found {found}"))
    }
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
            column: 1,
        }
    }

    /// The next token; after the last one `End`, again and again.
    pub(crate) fn next(&mut self) -> Result<Token, FileError> {
        self.skip_blanks_and_comments()?;
        let (line, column) = (self.line, self.column);
        let kind = match self.rest.chars().next() {
            None => Kind::End,
            Some('"') => Kind::Word(self.quoted()?),
            Some(symbol @ ('{' | '}' | ';' | '=')) => {
                self.advance(1);
                Kind::Symbol(symbol)
            }
            Some(_) => Kind::Word(self.bare()),
        };
        Ok(Token { kind, line, column })
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), FileError> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.advance(blank);
            if self.rest.starts_with("//") {
                self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let Some(end) = self.rest.find("*/") else {
                    return Err(FileError::at(
                        self.line,
                        self.column,
                        "a comment without its end",
                    ));
                };
                self.advance(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn quoted(&mut self) -> Result<String, FileError> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '"' => {
                    self.advance(index + 1);
                    return Ok(out);
                }
                '\n' => break,
                '\\' => out.extend(chars.next().map(|(_, escaped)| match escaped {
                    'n' => '\n',
                    't' => '\t',
                    other => other,
                })),
                _ => out.push(c),
            }
        }
        Err(FileError::at(
            self.line,
            self.column,
            "a string without its closing quote",
        ))
    }

    /// Up to white space or a sign; `${…}` belongs to the word.
    fn bare(&mut self) -> String {
        let mut in_variable = false;
        let mut before = ' ';
        let end = self.rest.find(|c: char| {
            if c == '{' && before == '$' {
                in_variable = true;
            } else if in_variable {
                in_variable = c != '}' && !c.is_whitespace();
                before = c;
                return c.is_whitespace();
            }
            let ends = c.is_whitespace()
                || matches!(c, '}' | ';' | '=' | '"')
                || (c == '{' && before != '$');
            before = c;
            ends
        });
        let word = self.rest[..end.unwrap_or(self.rest.len())].to_owned();
        self.advance(word.len());
        word
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        for c in passed.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.rest = rest;
    }
}
