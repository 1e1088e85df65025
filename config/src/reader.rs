// SPDX-License-Identifier: Apache-2.0
//! Typed values out of an element that has been checked.
//!
//! Every value that is asked for is also listed as in force, with its origin. A wrong value has been reported by the
//! check already, so that here the default may stand in for it: with an error there are no settings.

use std::time::Duration;

use crate::error::{Effective, Findings, Origin, Position};
use crate::value;
use crate::xml::Element;

/// Reads the children and attributes of one element, or of one that nobody wrote.
pub(crate) struct Reader<'a> {
    element: Option<&'a Element>,
    /// What the names of values in force start with.
    prefix: String,
    pub findings: &'a mut Findings,
}

impl<'a> Reader<'a> {
    pub fn new(
        element: Option<&'a Element>,
        prefix: impl Into<String>,
        findings: &'a mut Findings,
    ) -> Self {
        Self {
            element,
            prefix: prefix.into(),
            findings,
        }
    }

    /// What is written under `name`, as a child or else as an attribute.
    pub fn written(&self, name: &str) -> Option<(&'a str, &'a Position)> {
        let element = self.element?;
        let child = element
            .child(name)
            .map(|child| (child.text.as_str(), &child.text_position));
        child.or_else(|| {
            element
                .attribute(name)
                .map(|attribute| (attribute.value.as_str(), &attribute.position))
        })
    }

    /// What `read` makes of `name`, if anything is written there.
    pub fn given<T>(&mut self, name: &str, read: impl FnOnce(&mut Self, &str) -> T) -> Option<T> {
        self.written(name).is_some().then(|| read(self, name))
    }

    /// The value under `name`, read by `parse` and shown by `show`, or the default.
    pub fn value<T>(
        &mut self,
        name: &str,
        default: T,
        parse: impl Fn(&str) -> Option<T>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let written = self
            .written(name)
            .and_then(|(text, position)| Some((parse(text)?, position)));
        let (value, origin) = match written {
            Some((value, position)) => (value, Origin::Written(position.clone())),
            None => (default, Origin::Default),
        };
        let entry = Effective {
            name: format!("{}{name}", self.prefix),
            value: show(&value),
            origin,
        };
        self.findings.effective.push(entry);
        value
    }

    pub fn bool(&mut self, name: &str, default: bool) -> bool {
        self.value(
            name,
            default,
            |text| value::boolean(text, false),
            bool::to_string,
        )
    }

    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.value(
            name,
            default.to_owned(),
            |text| Some(text.to_owned()),
            String::clone,
        )
    }

    /// A text whose absence means something.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        let parse = |text: &str| Some((!text.is_empty()).then(|| text.to_owned()));
        self.value(name, None, parse, |text| text.clone().unwrap_or_default())
    }

    pub fn word<T: Copy>(
        &mut self,
        name: &str,
        default: T,
        parse: impl Fn(&str) -> Option<T>,
        show: impl Fn(T) -> &'static str,
    ) -> T {
        self.value(name, default, parse, |word| show(*word).to_owned())
    }

    /// A number that is never negative.
    pub fn number<N>(&mut self, name: &str, default: N) -> N
    where
        N: TryFrom<i64> + ToString,
    {
        self.value(
            name,
            default,
            |text| N::try_from(value::integer(text)?).ok(),
            N::to_string,
        )
    }

    /// A number of which −1 means no limit.
    pub fn limit<N>(&mut self, name: &str, default: Option<N>) -> Option<N>
    where
        N: TryFrom<i64> + ToString + Copy,
    {
        self.value(
            name,
            default,
            |text| value::integer(text).and_then(limited),
            show_limit,
        )
    }

    /// A number of bytes.
    pub fn bytes(&mut self, name: &str, default: u64) -> u64 {
        self.value(
            name,
            default,
            |text| u64::try_from(value::bytes(text)?).ok(),
            u64::to_string,
        )
    }

    /// A number of bytes of which −1 means no limit.
    pub fn byte_limit(&mut self, name: &str, default: Option<u64>) -> Option<u64> {
        self.value(
            name,
            default,
            |text| value::bytes(text).and_then(limited),
            show_limit,
        )
    }

    /// A time in milliseconds.
    pub fn millis(&mut self, name: &str, default: Duration) -> Duration {
        self.value(
            name,
            default,
            |text| milliseconds(text).flatten(),
            show_millis,
        )
    }

    /// A time in milliseconds of which −1 means never, or without end.
    pub fn optional_millis(&mut self, name: &str, default: Option<Duration>) -> Option<Duration> {
        self.value(name, default, milliseconds, |time| {
            time.as_ref().map_or("-1".to_owned(), show_millis)
        })
    }
}

/// A value of which −1 means none: `Some(None)`; `None` when the number does not fit.
pub(crate) fn limited<N: TryFrom<i64>>(number: i64) -> Option<Option<N>> {
    if number == -1 {
        Some(None)
    } else {
        N::try_from(number).ok().map(Some)
    }
}

/// Milliseconds of which −1 means none.
pub(crate) fn milliseconds(text: &str) -> Option<Option<Duration>> {
    limited::<u64>(value::integer(text)?).map(|millis| millis.map(Duration::from_millis))
}

fn show_limit<N: ToString>(limit: &Option<N>) -> String {
    limit.as_ref().map_or("-1".to_owned(), N::to_string)
}

fn show_millis(time: &Duration) -> String {
    time.as_millis().to_string()
}
