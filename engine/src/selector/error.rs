// SPDX-License-Identifier: Apache-2.0
//! Why a selector was refused.

use super::{MAX_DEPTH, MAX_LENGTH};
use std::fmt;

/// A selector that cannot be used, with the place to look at. Each protocol turns it into its own "invalid selector".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError {
    /// 1-based, in characters of the text without its leading blanks
    pub column: usize,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    TooLong {
        bytes: usize,
    },
    TooDeep,
    /// a quote that is never closed; what it opened
    Unterminated(&'static str),
    UnexpectedCharacter(char),
    /// an integer literal that fits no 64-bit integer (hexadecimal and octal ones only)
    NumberOutOfRange,
    Expected {
        expected: &'static str,
        found: String,
    },
    /// `AND`, `OR`, `NOT` or the whole selector got something that is never true or false
    NotBoolean,
    /// `<`, `<=`, `>`, `>=` and `BETWEEN` compare numbers only
    NotOrdered,
    /// `=` and `<>` between two literals of different types, or with the literal `NULL`
    NotComparable,
    /// an arithmetic operator got a text or boolean operand
    NotNumeric,
    /// `[NOT] IN` needs an identifier on its left
    InWithoutIdentifier,
    /// `LIKE` got a condition on its left
    LikeWithoutText,
    EscapeNotOneCharacter,
    XPathUnsupported,
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Reason::TooLong { bytes } => {
                return write!(
                    f,
                    "the selector has {bytes} bytes, at most {MAX_LENGTH} are allowed"
                );
            }
            Reason::TooDeep => {
                return write!(f, "the expression nests deeper than {MAX_DEPTH} levels");
            }
            Reason::Unterminated(what) => return write!(f, "this {what} is never closed"),
            Reason::Expected { expected, found } => {
                return write!(f, "expected {expected}, found {found}");
            }
            Reason::UnexpectedCharacter('!') => "unexpected '!'; not-equal is written <>",
            Reason::UnexpectedCharacter('.') => {
                "unexpected '.'; an identifier with dots must be written in double quotes"
            }
            Reason::UnexpectedCharacter(c) => return write!(f, "unexpected character {c:?}"),
            Reason::NumberOutOfRange => "this number does not fit 64 bits",
            Reason::NotBoolean => "expected a condition, but this is never true or false",
            Reason::NotOrdered => "only numbers can be compared by <, <=, >, >= and BETWEEN",
            Reason::NotComparable => {
                "these can never be equal; NULL is tested by IS NULL or IS NOT NULL"
            }
            Reason::NotNumeric => "expected a numeric operand",
            Reason::InWithoutIdentifier => "expected an identifier on the left of IN",
            Reason::LikeWithoutText => "expected an identifier on the left of LIKE",
            Reason::EscapeNotOneCharacter => "the ESCAPE text must be exactly one character",
            Reason::XPathUnsupported => "XPATH and XQUERY selectors are not supported",
        };
        f.write_str(sentence)
    }
}

impl std::error::Error for SelectorError {}
