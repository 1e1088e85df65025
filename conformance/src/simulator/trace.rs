// SPDX-License-Identifier: Apache-2.0
//! What happened, one line per event in fixed columns: virtual time, actor, what.
//!
//! Every line is hashed, so that two runs can be compared without keeping them; lines are printed only when asked for,
//! and the last ones are kept to be shown with a failure.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

/// The line of events of one run.
#[derive(Debug)]
pub struct Trace {
    hash: Fnv,
    lines: u64,
    print: bool,
    last: Option<VecDeque<String>>,
}

impl Trace {
    /// How many lines are kept to be shown with a failure.
    pub const KEPT: usize = 40;

    /// A trace that prints its lines to standard output, or only hashes them.
    pub fn new(print: bool, keep: bool) -> Self {
        Self {
            hash: Fnv::default(),
            lines: 0,
            print,
            last: keep.then(VecDeque::new),
        }
    }

    /// Notes that `actor` did or met `what` at `now` (nanoseconds of virtual time).
    pub fn line(&mut self, now: u64, actor: fmt::Arguments<'_>, what: fmt::Arguments<'_>) {
        self.lines += 1;
        let _ = writeln!(self.hash, "{now} {actor} {what}");
        if !self.print && self.last.is_none() {
            return;
        }
        let line = format!(
            "{:>6}.{:06} {:<8} {what}",
            now / 1_000_000_000,
            now / 1_000 % 1_000_000,
            actor.to_string()
        );
        if self.print {
            show(&line);
        }
        if let Some(last) = &mut self.last {
            if last.len() == Self::KEPT {
                last.pop_front();
            }
            last.push_back(line);
        }
    }

    /// A number that two runs share only if all their lines are equal.
    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    /// How many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines, oldest first, if they are kept.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().flatten().map(String::as_str)
    }
}

#[allow(clippy::print_stdout)] // the binary's output, wanted by who asked for a printing trace
fn show(line: &str) {
    println!("{line}");
}

/// FNV-1a, 64 bits, byte by byte.
#[derive(Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_difference_in_any_line_changes_the_hash() {
        let hash = |what: &str, now| {
            let mut trace = Trace::new(false, false);
            trace.line(now, format_args!("c0"), format_args!("{what}"));
            trace.hash()
        };
        assert_eq!(hash("send", 5), hash("send", 5));
        assert_ne!(hash("send", 5), hash("send", 6));
        assert_ne!(hash("send", 5), hash("sent", 5));
    }
}
