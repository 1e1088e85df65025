// SPDX-License-Identifier: Apache-2.0
//! Where the elements of a well-formed text stand, byte by byte.

use std::collections::BTreeSet;
use std::ops::Range;

/// An element of the text by its places.
#[derive(Clone, Debug)]
pub struct Element {
    pub name: String,
    pub open: Range<usize>,
    /// The same as `open` when it closes itself.
    pub close: Range<usize>,
    pub attributes: Vec<Attribute>,
    /// The text inside when there are no elements inside.
    pub text: Option<Range<usize>>,
    pub parent: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Attribute {
    pub name: Range<usize>,
    pub value: Range<usize>,
}

impl Element {
    pub fn self_closing(&self) -> bool {
        self.open == self.close
    }
}

/// Takes well-formed text apart, comments and instructions skipped.
pub fn scan(text: &str) -> Vec<Element> {
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find('<').map(|found| at + found) {
        let rest = &text[start..];
        let skip = |end: &str| start + rest.find(end).expect("well-formed") + end.len();
        if rest.starts_with("<!--") {
            at = skip("-->");
        } else if rest.starts_with("<?") {
            at = skip("?>");
        } else if rest.starts_with("</") {
            at = skip(">");
            let index = open.pop().expect("well-formed");
            elements[index].close = start..at;
            let inside = elements[index].open.end..start;
            let leaf = elements
                .iter()
                .skip(index + 1)
                .all(|other| other.open.start > at);
            if leaf
                && !text[inside.clone()].trim().is_empty()
                && !text[inside.clone()].contains('<')
            {
                elements[index].text = Some(inside);
            }
        } else {
            at = tag_end(text, start);
            let tag = start..at;
            let name_end = start
                + 1
                + rest[1..]
                    .find(|c: char| c.is_whitespace() || c == '>' || c == '/')
                    .expect("well-formed");
            elements.push(Element {
                name: text[start + 1..name_end].to_owned(),
                open: tag.clone(),
                close: tag.clone(),
                attributes: attributes(text, name_end..at),
                text: None,
                parent: open.last().copied(),
            });
            if !text[tag].ends_with("/>") {
                open.push(elements.len() - 1);
            }
        }
    }
    elements
}

pub fn tag_end(text: &str, start: usize) -> usize {
    let mut quote = None;
    for (offset, c) in text[start..].char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '>' => return start + offset + 1,
            _ => {}
        }
    }
    panic!("well-formed");
}

pub fn attributes(text: &str, range: Range<usize>) -> Vec<Attribute> {
    let mut found = Vec::new();
    let mut at = range.start;
    while let Some(equals) = text[at..range.end].find('=').map(|offset| at + offset) {
        let name = at
            + text[at..equals]
                .rfind(char::is_whitespace)
                .expect("a space before a name")
            + 1;
        let quote = &text[equals + 1..=equals + 1];
        let end = equals + 2 + text[equals + 2..].find(quote).expect("well-formed");
        found.push(Attribute {
            name: name..equals,
            value: equals + 2..end,
        });
        at = end + 1;
    }
    found
}

pub fn line(text: &str, at: usize) -> u32 {
    u32::try_from(text[..at].matches('\n').count()).expect("short") + 1
}

pub fn lines(text: &str, range: &Range<usize>) -> BTreeSet<u32> {
    (line(text, range.start)..=line(text, range.end)).collect()
}
