// SPDX-License-Identifier: Apache-2.0
//! JMS selectors.
/// placeholder until the selector branch lands
pub trait Fields {
    /// a
    fn field<'a>(&'a self, name: &str) -> Option<Value<'a>>;
}
/// b
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// b
    Boolean(bool),
    /// i
    Integer(i64),
    /// f
    Float(f64),
    /// t
    Text(&'a str),
}
