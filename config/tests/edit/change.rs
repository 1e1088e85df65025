// SPDX-License-Identifier: Apache-2.0
//! An edit in the making.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Edit;
use super::scan::{line, lines, scan};

/// An edit in the making: replacements in one place each.
pub struct Change<'a> {
    pub text: &'a str,
    parts: Vec<(Range<usize>, String)>,
    lines: BTreeSet<u32>,
    reach: BTreeSet<u32>,
    around: Vec<(String, u32)>,
    names: BTreeSet<String>,
    may_mean_the_same: bool,
}

impl<'a> Change<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            parts: Vec::new(),
            lines: BTreeSet::new(),
            reach: BTreeSet::new(),
            around: Vec::new(),
            names: BTreeSet::new(),
            may_mean_the_same: false,
        }
    }

    pub fn replace(mut self, range: Range<usize>, with: impl Into<String>) -> Self {
        self.lines.extend(lines(self.text, &range));
        self.parts.push((range, with.into()));
        self
    }

    pub fn also(mut self, lines: impl IntoIterator<Item = u32>) -> Self {
        self.lines.extend(lines);
        self
    }

    pub fn reaching(mut self, range: &Range<usize>) -> Self {
        self.reach.extend(lines(self.text, range));
        self
    }

    pub fn named(mut self, name: &str) -> Self {
        self.names.insert(name.to_owned());
        self
    }

    pub fn same_if(mut self, reason: bool) -> Self {
        self.may_mean_the_same |= reason;
        self
    }

    pub fn done(mut self) -> Option<Edit> {
        self.parts.sort_by_key(|(range, _)| range.start);
        let at = self.parts.first()?.0.start;
        let around = scan(self.text)
            .into_iter()
            .filter(|element| element.open.start < at && at < element.close.end);
        self.around = around
            .map(|element| (element.name.clone(), line(self.text, element.open.start)))
            .collect();
        let what = self.parts.iter().map(|(range, with)| {
            let start = range.start.saturating_sub(12);
            let start = (start..=range.start)
                .find(|at| self.text.is_char_boundary(*at))
                .unwrap_or(range.start);
            format!(
                "{:?} {:?} by {with:?}",
                &self.text[start..range.start],
                &self.text[range.clone()]
            )
        });
        let what = format!(
            "line {:?}: {}",
            self.lines.first(),
            what.collect::<Vec<_>>().join(", ")
        );
        let mut text = self.text.to_owned();
        for (range, with) in self.parts.iter().rev() {
            text.replace_range(range.clone(), with);
        }
        if text == self.text {
            return None;
        }
        Some(Edit {
            text,
            what,
            reach: self.reach.union(&self.lines).copied().collect(),
            lines: self.lines,
            around: self.around,
            names: self.names,
            may_mean_the_same: self.may_mean_the_same,
        })
    }
}
