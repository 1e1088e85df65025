// SPDX-License-Identifier: Apache-2.0
//! Tokens → expression, by operator precedence.
//!
//! From loosest to tightest: `OR`, `AND`, `NOT`, equality and `IS [NOT] NULL`, ordering with `LIKE`, `BETWEEN` and
//! `IN`, sums, products, signs. `NOT` stands above the comparisons as SQL-92 has it (`NOT a = 1` is `NOT (a = 1)`).

use super::error::{Reason, SelectorError};
use super::expression::{Arithmetic, Comparison, Expression, Kind, Literal};
use super::lexer::{Lexer, Symbol, Token, Word};
use super::like::LikePattern;
use super::{MAX_DEPTH, core_identifier};

/// How tightly an operator binds; an operand ends at the first operator looser than asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Equality,
    Ordering,
    Sum,
    Product,
    Sign,
}

/// An expression with what later checks need: where it began and how high its tree is.
struct Operand {
    expression: Expression,
    start: usize,
    height: usize,
}

/// One token ahead of the expression being built.
pub(super) struct Parser<'s> {
    lexer: Lexer<'s>,
    token: Token<'s>,
    /// byte offset of `token`
    start: usize,
    /// calls of `operand` under way
    nesting: usize,
}

const OPERAND: &str = "an identifier, a literal, a sign, NOT or '('";

impl<'s> Parser<'s> {
    pub fn new(mut lexer: Lexer<'s>) -> Result<Parser<'s>, SelectorError> {
        let (start, token) = lexer.next()?;
        Ok(Parser {
            lexer,
            token,
            start,
            nesting: 0,
        })
    }

    /// The whole text as one condition.
    pub fn selector(mut self) -> Result<Expression, SelectorError> {
        let operand = self.operand(Binding::Or)?;
        if self.token != Token::End {
            return Err(self.expected("an operator or the end of the selector"));
        }
        Ok(self.condition(operand)?.expression)
    }

    /// The longest expression from here whose operators bind at least as tightly as `binding`.
    fn operand(&mut self, binding: Binding) -> Result<Operand, SelectorError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(self.error(self.start, Reason::TooDeep));
        }
        let mut left = self.prefixed()?;
        while let Some(operator) = self
            .operator_binding()
            .filter(|operator| *operator >= binding)
        {
            left = match operator {
                Binding::Or | Binding::And => self.logic(left, operator)?,
                Binding::Sum | Binding::Product => self.arithmetic(left, operator)?,
                _ => self.predicate(left)?,
            };
        }
        self.nesting -= 1;
        Ok(left)
    }

    /// The binding of the infix operator the current token begins, if it is one.
    fn operator_binding(&self) -> Option<Binding> {
        Some(match self.token {
            Token::Word(Word::Or) => Binding::Or,
            Token::Word(Word::And) => Binding::And,
            Token::Word(Word::Is) | Token::Symbol(Symbol::Equal | Symbol::NotEqual) => {
                Binding::Equality
            }
            Token::Word(Word::Not | Word::Like | Word::Between | Word::In) => Binding::Ordering,
            Token::Symbol(
                Symbol::Less | Symbol::LessOrEqual | Symbol::Greater | Symbol::GreaterOrEqual,
            ) => Binding::Ordering,
            Token::Symbol(Symbol::Plus | Symbol::Minus) => Binding::Sum,
            Token::Symbol(Symbol::Star | Symbol::Slash | Symbol::Percent) => Binding::Product,
            _ => return None,
        })
    }

    /// A literal, an identifier, something in parentheses, or a prefix operator with its operand.
    fn prefixed(&mut self) -> Result<Operand, SelectorError> {
        let start = self.start;
        let expression = match &mut self.token {
            Token::Identifier(name) => Expression::Field(core_identifier(name).into()),
            Token::Text(text) => Expression::Literal(Literal::Text(std::mem::take(text).into())),
            Token::Integer(magnitude) => Expression::Literal(integer(*magnitude)),
            Token::Float(value) => Expression::Literal(Literal::Float(*value)),
            Token::Word(Word::True) => Expression::Literal(Literal::Boolean(true)),
            Token::Word(Word::False) => Expression::Literal(Literal::Boolean(false)),
            Token::Word(Word::Null) => Expression::Literal(Literal::Null),
            Token::Word(Word::Not) => return self.negation(),
            Token::Word(Word::XPath | Word::XQuery) => {
                return Err(self.error(start, Reason::XPathUnsupported));
            }
            Token::Symbol(Symbol::Plus | Symbol::Minus) => return self.signed(),
            Token::Symbol(Symbol::Open) => return self.parenthesised(),
            _ => return Err(self.expected(OPERAND)),
        };
        self.advance()?;
        Ok(Operand {
            expression,
            start,
            height: 1,
        })
    }

    fn negation(&mut self) -> Result<Operand, SelectorError> {
        let start = self.start;
        self.advance()?;
        let operand = self.operand(Binding::Not)?;
        let Operand {
            expression, height, ..
        } = self.condition(operand)?;
        self.node(start, height, Expression::Not(Box::new(expression)))
    }

    fn parenthesised(&mut self) -> Result<Operand, SelectorError> {
        self.advance()?;
        let inside = self.operand(Binding::Or)?;
        self.expect(Symbol::Close, "an operator or ')'")?;
        Ok(inside)
    }

    fn signed(&mut self) -> Result<Operand, SelectorError> {
        let start = self.start;
        let minus = self.token == Token::Symbol(Symbol::Minus);
        self.advance()?;
        if let (true, &Token::Integer(magnitude)) = (minus, &self.token) {
            self.advance()?;
            // the lexer gives at most 2⁶³, whose negative is the least integer
            let literal = Literal::Integer(0_i64.wrapping_sub_unsigned(magnitude));
            return Ok(Operand {
                expression: Expression::Literal(literal),
                start,
                height: 1,
            });
        }
        let operand = self.operand(Binding::Sign)?;
        if operand.expression.kind() == Kind::Text {
            return Err(self.error(operand.start, Reason::NotNumeric));
        }
        let Operand {
            expression, height, ..
        } = self.numeric(operand)?;
        match expression {
            Expression::Literal(Literal::Float(value)) if minus => {
                let expression = Expression::Literal(Literal::Float(-value));
                Ok(Operand {
                    expression,
                    start,
                    height,
                })
            }
            expression if minus => {
                self.node(start, height, Expression::Negate(Box::new(expression)))
            }
            expression => Ok(Operand {
                expression,
                start,
                height,
            }),
        }
    }

    /// `left AND …` or `left OR …`; a run of the same operator becomes one node, however long.
    fn logic(&mut self, left: Operand, operator: Binding) -> Result<Operand, SelectorError> {
        self.advance()?;
        let tighter = if operator == Binding::Or {
            Binding::And
        } else {
            Binding::Not
        };
        let right = self.operand(tighter)?;
        let left = self.condition(left)?;
        let right = self.condition(right)?;
        let (start, operands_height) = (left.start, left.height.max(right.height));
        let (mut conditions, joins) = match (operator, left.expression) {
            (Binding::Or, Expression::Or(conditions))
            | (Binding::And, Expression::And(conditions)) => (conditions, true),
            (_, first) => (vec![first], false),
        };
        conditions.push(right.expression);
        // a joined run keeps the height it had, unless the new condition is its highest
        let height = if joins {
            right.height.max(left.height - 1)
        } else {
            operands_height
        };
        let node = if operator == Binding::Or {
            Expression::Or(conditions)
        } else {
            Expression::And(conditions)
        };
        self.node(start, height, node)
    }

    fn arithmetic(&mut self, left: Operand, operator: Binding) -> Result<Operand, SelectorError> {
        let arithmetic = match self.token {
            Token::Symbol(Symbol::Plus) => Arithmetic::Add,
            Token::Symbol(Symbol::Minus) => Arithmetic::Subtract,
            Token::Symbol(Symbol::Star) => Arithmetic::Multiply,
            Token::Symbol(Symbol::Slash) => Arithmetic::Divide,
            _ => Arithmetic::Remainder,
        };
        self.advance()?;
        let right = self.operand(if operator == Binding::Sum {
            Binding::Product
        } else {
            Binding::Sign
        })?;
        for operand in [&left, &right] {
            if arithmetic != Arithmetic::Add && operand.expression.kind() == Kind::Text {
                return Err(self.error(operand.start, Reason::NotNumeric));
            }
        }
        let left = self.numeric(left)?;
        let right = self.numeric(right)?;
        let operands = Box::new([left.expression, right.expression]);
        self.node(
            left.start,
            left.height.max(right.height),
            Expression::Arithmetic(arithmetic, operands),
        )
    }

    /// What stands right of an operand and makes it a condition: a comparison, `IS`, `LIKE`, `BETWEEN` or `IN`.
    fn predicate(&mut self, left: Operand) -> Result<Operand, SelectorError> {
        let negated = self.token == Token::Word(Word::Not);
        if negated {
            self.advance()?;
        }
        match self.token {
            Token::Word(Word::Like) => self.like(left, negated),
            Token::Word(Word::Between) => self.between(left, negated),
            Token::Word(Word::In) => self.within(left, negated),
            _ if negated => Err(self.expected("LIKE, BETWEEN or IN after NOT")),
            Token::Word(Word::Is) => self.is_null(left),
            _ => self.comparison(left),
        }
    }

    fn is_null(&mut self, left: Operand) -> Result<Operand, SelectorError> {
        self.advance()?;
        let negated = self.token == Token::Word(Word::Not);
        if negated {
            self.advance()?;
        }
        self.expect_word(
            Word::Null,
            if negated { "NULL" } else { "NULL or NOT NULL" },
        )?;
        let operand = Box::new(left.expression);
        self.node(
            left.start,
            left.height,
            Expression::IsNull { operand, negated },
        )
    }

    fn comparison(&mut self, left: Operand) -> Result<Operand, SelectorError> {
        let comparison = match self.token {
            Token::Symbol(Symbol::Equal) => Comparison::Equal,
            Token::Symbol(Symbol::NotEqual) => Comparison::NotEqual,
            Token::Symbol(Symbol::Less) => Comparison::Less,
            Token::Symbol(Symbol::LessOrEqual) => Comparison::LessOrEqual,
            Token::Symbol(Symbol::Greater) => Comparison::Greater,
            Token::Symbol(Symbol::GreaterOrEqual) => Comparison::GreaterOrEqual,
            _ => return Err(self.expected("a comparison")),
        };
        self.advance()?;
        let mut left = left;
        let mut right = self.operand(if comparison.is_ordering() {
            Binding::Sum
        } else {
            Binding::Ordering
        })?;
        for operand in [&left, &right] {
            self.check_comparable(comparison, operand)?;
        }
        let literals = left.expression.is_literal() && right.expression.is_literal();
        let booleans = [&left, &right].map(|operand| operand.expression.kind() == Kind::Boolean);
        if literals && booleans[0] != booleans[1] {
            return Err(self.error(right.start, Reason::NotComparable));
        }
        translate_delivery_mode(&left.expression, &mut right.expression);
        translate_delivery_mode(&right.expression, &mut left.expression);
        let operands = Box::new([left.expression, right.expression]);
        self.node(
            left.start,
            left.height.max(right.height),
            Expression::Compare(comparison, operands),
        )
    }

    fn check_comparable(
        &self,
        comparison: Comparison,
        operand: &Operand,
    ) -> Result<(), SelectorError> {
        match operand.expression.kind() {
            Kind::Null => Err(self.error(operand.start, Reason::NotComparable)),
            Kind::Boolean | Kind::Text if comparison.is_ordering() => {
                Err(self.error(operand.start, Reason::NotOrdered))
            }
            _ => Ok(()),
        }
    }

    fn between(&mut self, left: Operand, negated: bool) -> Result<Operand, SelectorError> {
        self.advance()?;
        let low = self.operand(Binding::Sum)?;
        self.expect_word(Word::And, "AND and the upper bound of BETWEEN")?;
        let high = self.operand(Binding::Sum)?;
        for operand in [&left, &low, &high] {
            self.check_comparable(Comparison::LessOrEqual, operand)?;
        }
        let height = left.height.max(low.height).max(high.height);
        let operands = Box::new([left.expression, low.expression, high.expression]);
        self.node(
            left.start,
            height,
            Expression::Between { operands, negated },
        )
    }

    fn like(&mut self, left: Operand, negated: bool) -> Result<Operand, SelectorError> {
        self.advance()?;
        if matches!(left.expression.kind(), Kind::Boolean | Kind::Number) {
            return Err(self.error(left.start, Reason::LikeWithoutText));
        }
        let pattern = self.text("a pattern in single quotes after LIKE")?;
        let pattern = delivery_mode(field_name(&left.expression), pattern);
        let mut escape = None;
        if self.token == Token::Word(Word::Escape) {
            self.advance()?;
            let start = self.start;
            let text = self.text("one character in single quotes after ESCAPE")?;
            let mut characters = text.chars();
            escape = characters.next();
            if escape.is_none() || characters.next().is_some() {
                return Err(self.error(start, Reason::EscapeNotOneCharacter));
            }
        }
        let pattern = LikePattern::new(&pattern, escape);
        let operand = Box::new(left.expression);
        self.node(
            left.start,
            left.height,
            Expression::Like {
                operand,
                pattern,
                negated,
            },
        )
    }

    fn within(&mut self, left: Operand, negated: bool) -> Result<Operand, SelectorError> {
        self.advance()?;
        let Expression::Field(field) = left.expression else {
            return Err(self.error(left.start, Reason::InWithoutIdentifier));
        };
        self.expect(Symbol::Open, "'(' after IN")?;
        let mut texts: Vec<Box<str>> = Vec::new();
        loop {
            let text = self.text("a text in single quotes")?;
            texts.push(delivery_mode(&field, text));
            if self.token != Token::Symbol(Symbol::Comma) {
                break;
            }
            self.advance()?;
        }
        self.expect(Symbol::Close, "',' or ')'")?;
        texts.sort_unstable();
        self.node(
            left.start,
            left.height,
            Expression::Within {
                field,
                texts: texts.into(),
                negated,
            },
        )
    }

    /// A node above operands of `height`; every node is made here, so no tree is higher than the limit.
    fn node(
        &self,
        start: usize,
        height: usize,
        expression: Expression,
    ) -> Result<Operand, SelectorError> {
        if height >= MAX_DEPTH {
            return Err(self.error(start, Reason::TooDeep));
        }
        Ok(Operand {
            expression,
            start,
            height: height + 1,
        })
    }

    fn condition(&self, operand: Operand) -> Result<Operand, SelectorError> {
        match operand.expression.kind() {
            Kind::Boolean | Kind::Identifier | Kind::Null => Ok(operand),
            Kind::Number | Kind::Text | Kind::Sum => {
                Err(self.error(operand.start, Reason::NotBoolean))
            }
        }
    }

    fn numeric(&self, operand: Operand) -> Result<Operand, SelectorError> {
        match operand.expression.kind() {
            Kind::Boolean => Err(self.error(operand.start, Reason::NotNumeric)),
            _ => Ok(operand),
        }
    }

    fn advance(&mut self) -> Result<(), SelectorError> {
        (self.start, self.token) = self.lexer.next()?;
        Ok(())
    }

    fn text(&mut self, expected: &'static str) -> Result<Box<str>, SelectorError> {
        let Token::Text(text) = &mut self.token else {
            return Err(self.expected(expected));
        };
        let text = std::mem::take(text).into();
        self.advance()?;
        Ok(text)
    }

    fn expect(&mut self, symbol: Symbol, expected: &'static str) -> Result<(), SelectorError> {
        if self.token != Token::Symbol(symbol) {
            return Err(self.expected(expected));
        }
        self.advance()
    }

    fn expect_word(&mut self, word: Word, expected: &'static str) -> Result<(), SelectorError> {
        if self.token != Token::Word(word) {
            return Err(self.expected(expected));
        }
        self.advance()
    }

    fn expected(&self, expected: &'static str) -> SelectorError {
        self.error(
            self.start,
            Reason::Expected {
                expected,
                found: self.token.to_string(),
            },
        )
    }

    fn error(&self, at: usize, reason: Reason) -> SelectorError {
        self.lexer.error(at, reason)
    }
}

fn integer(magnitude: u64) -> Literal {
    match i64::try_from(magnitude) {
        Ok(value) => Literal::Integer(value),
        Err(_) => Literal::Float(magnitude as f64),
    }
}

fn field_name(expression: &Expression) -> &str {
    if let Expression::Field(name) = expression {
        name
    } else {
        ""
    }
}

fn translate_delivery_mode(identifier: &Expression, literal: &mut Expression) {
    if let Expression::Literal(Literal::Text(text)) = literal {
        *text = delivery_mode(field_name(identifier), std::mem::take(text));
    }
}

/// JMS calls the modes `PERSISTENT` and `NON_PERSISTENT` where `AMQDurable` has `DURABLE` and `NON_DURABLE`.
fn delivery_mode(field: &str, text: Box<str>) -> Box<str> {
    match (field, &*text) {
        ("AMQDurable", "PERSISTENT") => "DURABLE".into(),
        ("AMQDurable", "NON_PERSISTENT") => "NON_DURABLE".into(),
        _ => text,
    }
}
