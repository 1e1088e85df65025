// SPDX-License-Identifier: Apache-2.0
//! Texts with places to be filled: `@{name}`.

/// Replaces every `@{name}` by its value. A line that holds nothing but places filled with empty text disappears.
///
/// # Panics
/// When a place has no value or a value has no place: both are mistakes in this program.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut used = vec![false; values.len()];
    for line in template.split_inclusive('\n') {
        let filled = fill_line(line, values, &mut used);
        let vanished = line.contains("@{") && filled.trim().is_empty();
        if !vanished {
            out.push_str(&filled);
        }
    }
    for ((name, _), used) in values.iter().zip(used) {
        assert!(used, "the template has no place @{{{name}}}");
    }
    out
}

fn fill_line(line: &str, values: &[(&str, &str)], used: &mut [bool]) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("@{") {
        let (name, after) = after.split_once('}').expect("a place ends on its line");
        let index = values.iter().position(|(known, _)| *known == name);
        let index = index.unwrap_or_else(|| panic!("the place @{{{name}}} has no value"));
        used[index] = true;
        out.push_str(before);
        out.push_str(values[index].1);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// For text and attributes of XML.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// As one word of the shell.
pub fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Inside the double quotes of login.config.
pub fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_empty_lines_of_places_vanish() {
        let filled = fill(
            "a @{x}@{y}\n  @{none}\n\nb\n",
            &[("x", "1"), ("y", "2"), ("none", "")],
        );
        assert_eq!(filled, "a 12\n\nb\n");
    }

    #[test]
    fn values_are_never_filled_again() {
        assert_eq!(fill("@{x}", &[("x", "@{y}")]), "@{y}");
    }

    #[test]
    fn what_is_special_is_escaped() {
        assert_eq!(xml("a<\"&>"), "a&lt;&quot;&amp;&gt;");
        assert_eq!(shell("it's"), "'it'\\''s'");
        assert_eq!(quoted("a\"\\"), "a\\\"\\\\");
    }
}
