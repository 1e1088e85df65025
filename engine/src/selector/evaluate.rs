// SPDX-License-Identifier: Apache-2.0
//! Expression + fields → TRUE, FALSE or UNKNOWN.
//!
//! Where JMS leaves room, or Artemis differs from it, the outcome is Artemis's:
//! - values of unlike types are never equal: `=` is FALSE and `<>` is TRUE; an order between them is FALSE;
//! - an identifier used as a condition is FALSE when its value is not boolean; so is `LIKE` of a value that is not text;
//! - `/` and `%` always yield an approximate number; `+` after a text joins texts;
//! - integers wrap around at 64 bits.
//!
//! Missing and null values are UNKNOWN in every operator but `IS NULL` (JMS 2.0 §3.8.1.2).

use super::expression::{Arithmetic, Comparison, Expression, Literal};
use super::{Fields, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write;

/// The longest text `+` builds, in bytes; beyond it the sum is UNKNOWN, so that a selector cannot multiply a property.
const JOINED_BYTES_MAX: usize = 64 * 1024;

/// SQL's three truth values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    fn negated_if(self, negated: bool) -> Truth {
        if negated { !self } else { self }
    }
}

impl std::ops::Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Truth {
        if value { Truth::True } else { Truth::False }
    }
}

/// The value of an operand.
#[derive(Debug, Clone)]
enum Operand<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl<'a> From<Option<Value<'a>>> for Operand<'a> {
    fn from(value: Option<Value<'a>>) -> Operand<'a> {
        match value {
            None => Operand::Null,
            Some(Value::Boolean(value)) => Operand::Boolean(value),
            Some(Value::Integer(value)) => Operand::Integer(value),
            Some(Value::Float(value)) => Operand::Float(value),
            Some(Value::Text(text)) => Operand::Text(Cow::Borrowed(text)),
        }
    }
}

/// One evaluation of one selector.
pub(super) struct Evaluation<'a> {
    pub fields: &'a dyn Fields,
    /// `convert_string_expressions:` — text meets numbers and booleans as one of them
    pub converts_text: bool,
}

impl<'a> Evaluation<'a> {
    /// Whether `condition` is TRUE; cheaper than [`truth`](Self::truth), because UNKNOWN need not be told from FALSE.
    pub fn selects(&self, condition: &Expression) -> bool {
        match condition {
            Expression::And(conditions) => {
                conditions.iter().all(|condition| self.selects(condition))
            }
            Expression::Or(conditions) => {
                conditions.iter().any(|condition| self.selects(condition))
            }
            other => self.truth(other) == Truth::True,
        }
    }

    pub fn truth(&self, condition: &Expression) -> Truth {
        match condition {
            Expression::Not(condition) => !self.truth(condition),
            Expression::And(conditions) => self.until(conditions, Truth::False),
            Expression::Or(conditions) => self.until(conditions, Truth::True),
            Expression::Compare(comparison, operands) => {
                let [left, right] = &**operands;
                self.compare(*comparison, &self.operand(left), &self.operand(right))
            }
            Expression::Between { operands, negated } => self.between(operands, *negated),
            Expression::Like {
                operand,
                pattern,
                negated,
            } => match self.operand(operand) {
                Operand::Null => Truth::Unknown,
                Operand::Text(text) => Truth::from(pattern.matches(&text)).negated_if(*negated),
                _ => Truth::False.negated_if(*negated),
            },
            Expression::Within {
                field,
                texts,
                negated,
            } => match self.fields.field(field) {
                Some(Value::Text(text)) => {
                    let listed = texts
                        .binary_search_by(|listed| (**listed).cmp(text))
                        .is_ok();
                    Truth::from(listed).negated_if(*negated)
                }
                _ => Truth::Unknown,
            },
            Expression::IsNull { operand, negated } => {
                let null = matches!(self.operand(operand), Operand::Null);
                Truth::from(null != *negated)
            }
            Expression::Literal(_)
            | Expression::Field(_)
            | Expression::Negate(_)
            | Expression::Arithmetic(..) => match self.operand(condition) {
                Operand::Null => Truth::Unknown,
                Operand::Boolean(value) => value.into(),
                _ => Truth::False,
            },
        }
    }

    /// AND and OR: `decisive` as soon as one condition has that value, else UNKNOWN if any has, else the opposite.
    fn until(&self, conditions: &[Expression], decisive: Truth) -> Truth {
        let mut outcome = !decisive;
        for condition in conditions {
            match self.truth(condition) {
                truth if truth == decisive => return decisive,
                Truth::Unknown => outcome = Truth::Unknown,
                _ => {}
            }
        }
        outcome
    }

    /// `a >= low AND a <= high`; negated, `a < low OR a > high`.
    fn between(&self, operands: &[Expression; 3], negated: bool) -> Truth {
        let [operand, low, high] = operands
            .each_ref()
            .map(|expression| self.operand(expression));
        let (below, above, decisive) = if negated {
            (Comparison::Less, Comparison::Greater, Truth::True)
        } else {
            (
                Comparison::GreaterOrEqual,
                Comparison::LessOrEqual,
                Truth::False,
            )
        };
        match (
            self.compare(below, &operand, &low),
            self.compare(above, &operand, &high),
        ) {
            (first, second) if first == decisive || second == decisive => decisive,
            (Truth::Unknown, _) | (_, Truth::Unknown) => Truth::Unknown,
            _ => !decisive,
        }
    }

    fn operand<'e>(&self, expression: &'e Expression) -> Operand<'e>
    where
        'a: 'e,
    {
        match expression {
            Expression::Literal(literal) => match literal {
                Literal::Null => Operand::Null,
                Literal::Boolean(value) => Operand::Boolean(*value),
                Literal::Integer(value) => Operand::Integer(*value),
                Literal::Float(value) => Operand::Float(*value),
                Literal::Text(text) => Operand::Text(Cow::Borrowed(text)),
            },
            Expression::Field(name) => self.fields.field(name).into(),
            Expression::Negate(operand) => match self.number(&self.operand(operand)) {
                Some(Operand::Integer(value)) => Operand::Integer(value.wrapping_neg()),
                Some(Operand::Float(value)) => Operand::Float(-value),
                _ => Operand::Null,
            },
            Expression::Arithmetic(operator, operands) => {
                let [left, right] = &**operands;
                self.arithmetic(*operator, self.operand(left), &self.operand(right))
            }
            condition => match self.truth(condition) {
                Truth::Unknown => Operand::Null,
                known => Operand::Boolean(known == Truth::True),
            },
        }
    }

    fn arithmetic<'e>(
        &self,
        operator: Arithmetic,
        left: Operand<'e>,
        right: &Operand<'_>,
    ) -> Operand<'e> {
        match (self.number(&left), self.number(right)) {
            (Some(left), Some(right)) => calculate(operator, &left, &right),
            _ => match (operator, left) {
                (Arithmetic::Add, Operand::Text(text)) => join(text, right),
                _ => Operand::Null,
            },
        }
    }

    /// The operand as an integer or float, if it is one or, with conversion on, spells one.
    fn number(&self, operand: &Operand<'_>) -> Option<Operand<'static>> {
        match operand {
            Operand::Integer(value) => Some(Operand::Integer(*value)),
            Operand::Float(value) => Some(Operand::Float(*value)),
            Operand::Text(text) if self.converts_text => spelt_number(text),
            _ => None,
        }
    }

    fn compare(&self, comparison: Comparison, left: &Operand<'_>, right: &Operand<'_>) -> Truth {
        let order = match (left, right) {
            (Operand::Null, _) | (_, Operand::Null) => return Truth::Unknown,
            (Operand::Text(left), Operand::Text(right)) => equal_or_unordered(left == right),
            (Operand::Boolean(left), Operand::Boolean(right)) => equal_or_unordered(left == right),
            (Operand::Text(text), Operand::Boolean(value))
            | (Operand::Boolean(value), Operand::Text(text)) => equal_or_unordered(
                self.converts_text && text.eq_ignore_ascii_case("true") == *value,
            ),
            _ => match (self.number(left), self.number(right)) {
                (Some(left), Some(right)) => Some(order(&left, &right)),
                _ => None,
            },
        };
        let holds = match comparison {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            // §3.8.1.1: texts and booleans have no order
            _ if !(is_numeric(left) || is_numeric(right)) => false,
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => {
                matches!(order, Some(Ordering::Greater | Ordering::Equal))
            }
        };
        holds.into()
    }
}

fn is_numeric(operand: &Operand<'_>) -> bool {
    matches!(operand, Operand::Integer(_) | Operand::Float(_))
}

fn equal_or_unordered(equal: bool) -> Option<Ordering> {
    equal.then_some(Ordering::Equal)
}

/// Exact when both are integers; otherwise as floats, where NaN equals itself and is above all, as in Java.
fn order(left: &Operand<'_>, right: &Operand<'_>) -> Ordering {
    if let (Operand::Integer(left), Operand::Integer(right)) = (left, right) {
        return left.cmp(right);
    }
    let (left, right) = (approximate(left), approximate(right));
    left.partial_cmp(&right)
        .unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// The operand as a float; only called with numbers.
fn approximate(operand: &Operand<'_>) -> f64 {
    match operand {
        Operand::Integer(value) => *value as f64,
        Operand::Float(value) => *value,
        _ => f64::NAN,
    }
}

fn calculate(operator: Arithmetic, left: &Operand<'_>, right: &Operand<'_>) -> Operand<'static> {
    if let (Operand::Integer(left), Operand::Integer(right)) = (left, right) {
        match operator {
            Arithmetic::Add => return Operand::Integer(left.wrapping_add(*right)),
            Arithmetic::Subtract => return Operand::Integer(left.wrapping_sub(*right)),
            Arithmetic::Multiply => return Operand::Integer(left.wrapping_mul(*right)),
            Arithmetic::Divide | Arithmetic::Remainder => {}
        }
    }
    let (left, right) = (approximate(left), approximate(right));
    Operand::Float(match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Remainder => left % right,
    })
}

/// A decimal number without blanks; Rust's `inf` and `nan` are not numbers here.
fn spelt_number(text: &str) -> Option<Operand<'static>> {
    if !text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return None;
    }
    let integer = text.parse().map(Operand::Integer).ok();
    integer.or_else(|| text.parse().map(Operand::Float).ok())
}

/// `text + right`, with numbers spelt as Java spells them.
fn join<'e>(text: Cow<'e, str>, right: &Operand<'_>) -> Operand<'e> {
    let appended = if let Operand::Text(right) = right {
        right.len()
    } else {
        0
    };
    if text.len() + appended > JOINED_BYTES_MAX {
        return Operand::Null;
    }
    let mut joined = text.into_owned();
    let written = match right {
        Operand::Null => return Operand::Null,
        Operand::Text(right) => joined.write_str(right),
        Operand::Boolean(value) => write!(joined, "{value}"),
        Operand::Integer(value) => write!(joined, "{value}"),
        Operand::Float(value) => write_float(&mut joined, *value),
    };
    written.expect("writing to a String cannot fail");
    Operand::Text(Cow::Owned(joined))
}

/// Java's form: at least one decimal, and scientific outside 10⁻³ … 10⁷.
fn write_float(out: &mut String, value: f64) -> std::fmt::Result {
    if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        write!(out, "{value:?}")
    } else {
        let scientific = format!("{value:E}");
        match scientific.split_once('E') {
            Some((mantissa, exponent)) if !mantissa.contains('.') => {
                write!(out, "{mantissa}.0E{exponent}")
            }
            _ => out.write_str(&scientific),
        }
    }
}
