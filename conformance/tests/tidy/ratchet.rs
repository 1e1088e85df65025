// SPDX-License-Identifier: Apache-2.0
//! Limits with a list of today's exceptions. The list may only shrink.

use std::collections::BTreeMap;

use crate::tree::table;

/// Holds each measured value to `limit`, or to what the data file `name` records for it.
///
/// A row of the file is `KEY VALUE`. It fails when something grew past its row, when a row is no
/// longer needed, and when the value fell more than a tenth below its row: then the row is to be lowered.
pub fn findings(name: &str, limit: usize, measured: &BTreeMap<String, usize>) -> Vec<String> {
    compare(name, limit, measured, &recorded(name))
}

fn recorded(name: &str) -> BTreeMap<String, usize> {
    let rows = table(name).into_iter().map(|row| {
        let [key, value] = row.as_slice() else {
            panic!("{name}: a row is KEY VALUE, not `{}`", row.join(" "))
        };
        (
            key.clone(),
            value
                .parse()
                .unwrap_or_else(|_| panic!("{name}: {value} is not a number")),
        )
    });
    rows.collect()
}

fn compare(
    name: &str,
    limit: usize,
    measured: &BTreeMap<String, usize>,
    recorded: &BTreeMap<String, usize>,
) -> Vec<String> {
    let mut findings = Vec::new();
    for (key, value) in measured {
        match recorded.get(key) {
            None if *value > limit => {
                findings.push(format!("{key}: {value}, the limit is {limit}"))
            }
            Some(row) if value > row => findings.push(format!(
                "{key}: grew from {row} to {value}, the limit is {limit}"
            )),
            Some(_) if *value <= limit => findings.push(format!(
                "{key}: {value} is within the limit, remove it from {name}"
            )),
            Some(row) if value * 10 < row * 9 => findings.push(format!(
                "{key}: lower the ratchet from {row} to {value} in {name}"
            )),
            _ => {}
        }
    }
    for key in recorded.keys().filter(|key| !measured.contains_key(*key)) {
        findings.push(format!("{key}: is gone, remove it from {name}"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: &[(&str, usize)]) -> BTreeMap<String, usize> {
        rows.iter()
            .map(|(key, value)| ((*key).to_owned(), *value))
            .collect()
    }

    #[test]
    fn only_shrinking_passes() {
        let judge = |value, row: &[(&str, usize)]| {
            compare("list", 100, &map(&[("a", value)]), &map(row)).len()
        };
        assert_eq!(judge(100, &[]), 0, "at the limit");
        assert_eq!(judge(101, &[]), 1, "over the limit");
        assert_eq!(judge(150, &[("a", 150)]), 0, "as recorded");
        assert_eq!(judge(151, &[("a", 150)]), 1, "grew");
        assert_eq!(judge(140, &[("a", 150)]), 0, "shrank a little");
        assert_eq!(judge(120, &[("a", 150)]), 1, "shrank: lower the row");
        assert_eq!(judge(90, &[("a", 150)]), 1, "fits: remove the row");
        assert_eq!(judge(90, &[("b", 150)]), 1, "gone: remove the row");
    }
}
