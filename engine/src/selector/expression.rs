// SPDX-License-Identifier: Apache-2.0
//! The parsed form of a selector.

use super::like::LikePattern;

/// A node of the expression tree.
///
/// *Invariants* (the parser's): operands of `And`, `Or` and `Not` are conditions or identifiers; `Within` is sorted.
#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    Literal(Literal),
    /// a property or header, by its name in the broker
    Field(Box<str>),
    Negate(Box<Expression>),
    Arithmetic(Arithmetic, Box<[Expression; 2]>),
    Compare(Comparison, Box<[Expression; 2]>),
    /// operand, low, high
    Between {
        operands: Box<[Expression; 3]>,
        negated: bool,
    },
    Like {
        operand: Box<Expression>,
        pattern: LikePattern,
        negated: bool,
    },
    Within {
        field: Box<str>,
        texts: Box<[Box<str>]>,
        negated: bool,
    },
    IsNull {
        operand: Box<Expression>,
        negated: bool,
    },
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

#[derive(Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Box<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether the operator needs an order, which only numbers have (JMS 2.0 §3.8.1.1).
    pub fn is_ordering(self) -> bool {
        !matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

/// What is known about an expression's type before any message is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Number,
    Text,
    Null,
    /// an identifier: any type, differing per message
    Identifier,
    /// a sum, which joins texts and adds numbers
    Sum,
}

impl Expression {
    pub fn kind(&self) -> Kind {
        match self {
            Expression::Literal(Literal::Null) => Kind::Null,
            Expression::Literal(Literal::Boolean(_)) => Kind::Boolean,
            Expression::Literal(Literal::Integer(_) | Literal::Float(_)) => Kind::Number,
            Expression::Literal(Literal::Text(_)) => Kind::Text,
            Expression::Field(_) => Kind::Identifier,
            Expression::Arithmetic(Arithmetic::Add, _) => Kind::Sum,
            Expression::Negate(_) | Expression::Arithmetic(..) => Kind::Number,
            _ => Kind::Boolean,
        }
    }

    pub fn is_literal(&self) -> bool {
        matches!(self, Expression::Literal(_))
    }
}
