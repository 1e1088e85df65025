// SPDX-License-Identifier: Apache-2.0
//! Message selectors: the conditional expressions of JMS 2.0 §3.8 with the identifiers of Artemis's manual, chapter
//! "Filter Expressions". Consumers, queues, diverts, bridges and management calls all use this one language.
//!
//! ```
//! use hind_engine::selector::{Fields, Selector, Value};
//!
//! struct Order;
//! impl Fields for Order {
//!     fn field<'a>(&'a self, name: &str) -> Option<Value<'a>> {
//!         match name {
//!             "colour" => Some(Value::Text("red")),
//!             "AMQPriority" => Some(Value::Integer(7)),
//!             _ => None,
//!         }
//!     }
//! }
//! let urgent = Selector::parse("JMSPriority > 5 AND colour IN ('red', 'blue')")?.expect("not blank");
//! assert!(urgent.matches(&Order));
//! # Ok::<(), hind_engine::selector::SelectorError>(())
//! ```

mod error;
mod evaluate;
mod expression;
mod lexer;
mod like;
mod parser;

pub use error::{Reason, SelectorError};
pub use evaluate::Truth;

use evaluate::Evaluation;
use expression::Expression;
use lexer::Lexer;
use parser::Parser;
use std::sync::Arc;

/// The longest selector text accepted, in bytes. Generated `IN` lists of several thousand ids fit; a peer cannot make
/// the broker keep and walk an expression of megabytes for every message.
pub const MAX_LENGTH: usize = 256 * 1024;

/// How deeply an expression may nest. Parsing, evaluating and dropping recurse once per level, so this bounds the
/// stack a peer can make the broker use; hand-written selectors stay under ten, generated chains of `AND` and `OR`
/// count as one level whatever their length.
pub const MAX_DEPTH: usize = 200;

/// One value a selector can see. A missing or null property is `None` in [`Fields::field`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Boolean(bool),
    /// byte, short, int and long properties, widened
    Integer(i64),
    /// float and double properties, widened
    Float(f64),
    Text(&'a str),
}

/// What a selector is evaluated against: a message, or any named values (a management filter sees a map).
pub trait Fields {
    /// The value of `name`, or `None` when it is missing, null, or of a type selectors cannot see (bytes).
    ///
    /// `name` is a message property or one of `AMQUserID`, `AMQAddress`, `AMQGroupID`, `AMQGroupSequence`,
    /// `AMQPriority`, `AMQExpiration`, `AMQDurable` (`DURABLE` or `NON_DURABLE`), `AMQTimestamp` and `AMQSize`:
    /// [`core_identifier`] has already replaced the JMS header names.
    fn field<'a>(&'a self, name: &str) -> Option<Value<'a>>;
}

/// A parsed selector, ready to be evaluated any number of times; cloning shares it.
///
/// *Invariants*: nests at most [`MAX_DEPTH`] levels; evaluation never fails and never allocates, with one exception:
/// `+` with a text operand joins texts, into at most 64 KiB.
///
/// Two selectors are equal when their texts are.
#[derive(Debug, Clone)]
pub struct Selector {
    parsed: Arc<Parsed>,
}

#[derive(Debug)]
struct Parsed {
    text: Box<str>,
    condition: Expression,
    converts_text: bool,
}

impl Selector {
    /// Parses `text`; blank text selects everything and is `None`.
    ///
    /// The prefixes `convert_string_expressions:` (text is compared with numbers as a number) and
    /// `hyphenated_props:` (identifiers may contain `-`) are honoured, also repeated, combined, or revoked by their
    /// `no_` forms. `XPATH` and `XQUERY` are refused.
    pub fn parse(text: &str) -> Result<Option<Selector>, SelectorError> {
        let text = text.trim_matches(|c: char| c <= ' ');
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > MAX_LENGTH {
            return Err(SelectorError {
                column: 1,
                reason: Reason::TooLong { bytes: text.len() },
            });
        }
        let prefixes = Prefixes::of(text);
        let lexer = Lexer::new(text, prefixes.length, prefixes.hyphenated);
        let condition = Parser::new(lexer)?.selector()?;
        let parsed = Parsed {
            text: text.into(),
            condition,
            converts_text: prefixes.converts_text,
        };
        Ok(Some(Selector {
            parsed: Arc::new(parsed),
        }))
    }

    /// What was parsed, without surrounding blanks, prefixes included: the text that management shows.
    pub fn text(&self) -> &str {
        &self.parsed.text
    }

    /// Whether the selector is TRUE for these fields; FALSE and UNKNOWN both do not select.
    pub fn matches(&self, fields: &dyn Fields) -> bool {
        self.evaluation(fields).selects(&self.parsed.condition)
    }

    /// The three-valued outcome that [`matches`](Self::matches) reduces to a boolean.
    pub fn evaluate(&self, fields: &dyn Fields) -> Truth {
        self.evaluation(fields).truth(&self.parsed.condition)
    }

    fn evaluation<'a>(&self, fields: &'a dyn Fields) -> Evaluation<'a> {
        Evaluation {
            fields,
            converts_text: self.parsed.converts_text,
        }
    }
}

impl PartialEq for Selector {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Selector {}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// The broker's name for a JMS header identifier (`JMSPriority` → `AMQPriority`); every other name is itself.
///
/// `JMSType`, `JMSCorrelationID` and `JMSReplyTo` are kept under their own names in messages and stay as they are.
pub fn core_identifier(name: &str) -> &str {
    match name {
        "JMSMessageID" => "AMQUserID",
        "JMSPriority" => "AMQPriority",
        "JMSTimestamp" => "AMQTimestamp",
        "JMSDeliveryMode" => "AMQDurable",
        "JMSExpiration" => "AMQExpiration",
        "JMSXGroupID" => "AMQGroupID",
        "JMSXGroupSeq" => "AMQGroupSequence",
        other => other,
    }
}

/// The switches in front of the expression.
#[derive(Default)]
struct Prefixes {
    length: usize,
    converts_text: bool,
    hyphenated: bool,
}

impl Prefixes {
    fn of(text: &str) -> Prefixes {
        let mut prefixes = Prefixes::default();
        loop {
            let rest = &text[prefixes.length..];
            let (word, switch, on) = if rest.starts_with("convert_string_expressions:") {
                (
                    "convert_string_expressions:",
                    &mut prefixes.converts_text,
                    true,
                )
            } else if rest.starts_with("hyphenated_props:") {
                ("hyphenated_props:", &mut prefixes.hyphenated, true)
            } else if rest.starts_with("no_convert_string_expressions:") {
                (
                    "no_convert_string_expressions:",
                    &mut prefixes.converts_text,
                    false,
                )
            } else if rest.starts_with("no_hyphenated_props:") {
                ("no_hyphenated_props:", &mut prefixes.hyphenated, false)
            } else {
                return prefixes;
            };
            *switch = on;
            prefixes.length += word.len();
        }
    }
}
