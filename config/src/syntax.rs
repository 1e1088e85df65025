// SPDX-License-Identifier: Apache-2.0
//! Where and why a text is no XML, said so that the mistake is found: a parser stumbles later than it was made.

use std::sync::Arc;

use roxmltree::{Error, TextPos};

use crate::error::{ConfigError, Position};

/// The library's message without its place, which is ours to print. What is still open when the parser stumbles is
/// where the mistake was made: a tag that is not closed is reported with the line that opened it, a quote or a tag
/// that is not ended at its own place.
pub(crate) fn error(file: &Arc<str>, text: &str, reason: &Error) -> ConfigError {
    let place = reason.pos();
    let position = Position {
        file: Arc::clone(file),
        line: place.row,
        column: place.col,
    };
    if let Error::UnexpectedCloseTag(open, close, _) = reason {
        let opened = opened_at(text, open, place.row)
            .map_or(String::new(), |line| format!(" opened in line {line}"));
        let problem = format!("</{close}> closes nothing: <{open}>{opened} is still open");
        return ConfigError::new(&position, open, problem).expected(format!("</{open}>"));
    }
    if let Some((start, what)) = unended(text, place) {
        let (line, column) = line_and_column(text, start);
        let position = Position {
            line,
            column,
            ..position
        };
        return ConfigError::new(
            &position,
            "",
            format!(
                "{what} does not end before the next < in line {}",
                place.row
            ),
        );
    }
    let message = reason.to_string();
    let message = message
        .strip_suffix(&format!(" at {place}"))
        .unwrap_or(&message);
    ConfigError::new(&position, "", format!("not well-formed XML: {message}"))
}

/// What is open where the parser met a `<` that it did not expect: a quote or a tag, and where it starts.
fn unended(text: &str, place: TextPos) -> Option<(usize, &'static str)> {
    let end = offset(text, place).filter(|at| text[*at..].starts_with('<'))?;
    let (mut tag, mut quote, mut at) = (None, None, 0);
    while at < end {
        let rest = &text[at..];
        let jump = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
        let jump = jump
            .into_iter()
            .find(|(open, _)| tag.is_none() && rest.starts_with(open));
        if let Some((_, close)) = jump {
            at += rest
                .find(close)
                .map_or(rest.len(), |found| found + close.len());
            continue;
        }
        let next = rest.chars().next()?;
        match (tag, quote, next) {
            (None, _, '<') => tag = Some(at),
            (Some(_), None, '>') => tag = None,
            (Some(_), None, '"' | '\'') => quote = Some((at, next)),
            (Some(_), Some((_, open)), _) if open == next => quote = None,
            _ => {}
        }
        at += next.len_utf8();
    }
    quote
        .map(|(at, _)| (at, "the value that starts here"))
        .or(tag.map(|at| (at, "the tag that starts here")))
}

/// The place as an offset of bytes.
fn offset(text: &str, place: TextPos) -> Option<usize> {
    let (row, column) = (
        usize::try_from(place.row).ok()?,
        usize::try_from(place.col).ok()?,
    );
    let line = text
        .split_inclusive('\n')
        .take(row.checked_sub(1)?)
        .map(str::len)
        .sum::<usize>();
    let inside = text
        .get(line..)?
        .char_indices()
        .nth(column.checked_sub(1)?)?
        .0;
    Some(line + inside)
}

/// Both from 1, columns in characters.
fn line_and_column(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..at];
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    (
        count(before.matches('\n').count()).saturating_add(1),
        count(column).saturating_add(1),
    )
}

/// The line in which the innermost still open `<name` before `line` stands.
fn opened_at(text: &str, name: &str, line: u32) -> Option<u32> {
    let (open, close) = (format!("<{name}"), format!("</{name}"));
    let mut lines = Vec::new();
    for (number, content) in (1..=line).zip(text.lines()) {
        for (at, _) in content.match_indices('<') {
            let tail = &content[at..];
            if tail.starts_with(&close) {
                lines.pop();
            } else if tail.starts_with(&open)
                && !tail.split('>').next().is_some_and(|tag| tag.ends_with('/'))
            {
                lines.push(number);
            }
        }
    }
    lines.pop()
}
