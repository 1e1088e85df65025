// SPDX-License-Identifier: Apache-2.0
//! The values that elements, attributes and URI parameters may take, as the vocabulary files write them.

use hind_engine::address::settings::Factor;

/// What a value must be: a kind, and for numbers a range.
///
/// Written as `int`, `long >0,-1`, `bytes 1..2147483647`, `double 0..1`, `enum:A|B`, `chars 2`, `text`, `type:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub kind: Kind,
    range: Range,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Any,
    /// Any text but none.
    Text,
    /// Any text, never shown.
    Secret,
    /// So many characters, or none.
    Characters(usize),
    /// `true` or `false`; in URIs in any letter case.
    Bool { any_case: bool },
    /// A whole number; the bounds are those of the type, 32 or 64 bits.
    Number(i64, i64),
    /// A whole number with an optional unit such as `10M`.
    Bytes,
    /// A decimal number.
    Decimal,
    /// One of these words.
    Words(Vec<&'static str>),
    /// Elements of this type.
    Elements(&'static str),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Range {
    low: Option<i64>,
    high: Option<i64>,
    also: Option<i64>,
    power_of_two: bool,
}

impl Value {
    /// Reads the notation of the vocabulary files; `None` when it is not that notation.
    pub fn parse(text: &'static str) -> Option<Self> {
        if let Some(words) = text.strip_prefix("enum:") {
            return Some(Self::of(Kind::Words(words.split('|').collect())));
        }
        if let Some(name) = text.strip_prefix("type:") {
            return Some(Self::of(Kind::Elements(name)));
        }
        let (kind, range) = text.split_once(' ').unwrap_or((text, ""));
        let kind = match kind {
            "string" => Kind::Any,
            "text" => Kind::Text,
            "secret" => Kind::Secret,
            "bool" => Kind::Bool { any_case: false },
            "Bool" => Kind::Bool { any_case: true },
            "int" => Kind::Number(i64::from(i32::MIN), i64::from(i32::MAX)),
            "long" => Kind::Number(i64::MIN, i64::MAX),
            "bytes" => Kind::Bytes,
            "double" => Kind::Decimal,
            "chars" => return Some(Self::of(Kind::Characters(range.parse().ok()?))),
            _ => return None,
        };
        Some(Self {
            kind,
            range: Range::parse(range)?,
        })
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            range: Range::default(),
        }
    }

    /// `None` when `text` is a right value, else what would be.
    pub fn refuse(&self, text: &str) -> Option<String> {
        let right = match &self.kind {
            Kind::Any | Kind::Secret => true,
            Kind::Text => !text.is_empty(),
            Kind::Characters(count) => text.is_empty() || text.chars().count() == *count,
            Kind::Bool { any_case } => boolean(text, *any_case).is_some(),
            Kind::Number(low, high) => integer(text).is_some_and(|number| {
                (*low..=*high).contains(&number) && self.range.contains(number)
            }),
            Kind::Bytes => bytes(text).is_some_and(|number| self.range.contains(number)),
            Kind::Decimal => {
                decimal(text).is_some_and(|factor| self.range.contains_millionths(factor))
            }
            Kind::Words(words) => words.contains(&text),
            Kind::Elements(_) => text.is_empty(),
        };
        (!right).then(|| self.expected())
    }

    /// The words an unknown word may have been meant as.
    pub fn words(&self) -> &[&'static str] {
        match &self.kind {
            Kind::Words(words) => words,
            Kind::Bool { .. } => &["true", "false"],
            _ => &[],
        }
    }

    /// What a right value looks like, for error texts.
    pub fn expected(&self) -> String {
        match &self.kind {
            Kind::Any | Kind::Secret => "a text".to_owned(),
            Kind::Text => "a text that is not empty".to_owned(),
            Kind::Characters(1) => "one character".to_owned(),
            Kind::Characters(count) => format!("{count} characters"),
            Kind::Bool { .. } => "true or false".to_owned(),
            Kind::Number(_, high) => {
                let bits = if *high == i64::MAX { "" } else { " of 32 bits" };
                format!("a whole number{bits}{}", self.range.expected())
            }
            Kind::Bytes => format!("a number of bytes such as 10M{}", self.range.expected()),
            Kind::Decimal => format!("a number{}", self.range.expected()),
            Kind::Words(words) => format!("one of {}", words.join(", ")),
            Kind::Elements(_) => "elements, not text".to_owned(),
        }
    }
}

impl Range {
    /// `>0`, `>=0`, `1..100`, `pow2`, each with `,-1` for one more value.
    fn parse(text: &str) -> Option<Self> {
        let (main, also) = text.split_once(',').unwrap_or((text, ""));
        let mut range = Self::default();
        if !also.is_empty() {
            range.also = Some(also.parse().ok()?);
        }
        if main == "pow2" {
            (range.low, range.power_of_two) = (Some(1), true);
        } else if let Some(low) = main.strip_prefix(">=") {
            range.low = Some(low.parse().ok()?);
        } else if let Some(low) = main.strip_prefix('>') {
            range.low = Some(low.parse::<i64>().ok()? + 1);
        } else if let Some((low, high)) = main.split_once("..") {
            (range.low, range.high) = (Some(low.parse().ok()?), Some(high.parse().ok()?));
        } else if !main.is_empty() {
            return None;
        }
        Some(range)
    }

    fn contains(&self, number: i64) -> bool {
        let inside =
            self.low.is_none_or(|low| number >= low) && self.high.is_none_or(|high| number <= high);
        let shaped = !self.power_of_two || number.unsigned_abs().is_power_of_two();
        self.also == Some(number) || (inside && shaped)
    }

    fn contains_millionths(&self, factor: Factor) -> bool {
        let millionths = i128::from(factor.millionths());
        self.low
            .is_none_or(|low| millionths >= i128::from(low) * 1_000_000)
            && self
                .high
                .is_none_or(|high| millionths <= i128::from(high) * 1_000_000)
    }

    fn expected(&self) -> String {
        let main = match (self.low, self.high) {
            (Some(_), _) if self.power_of_two => " that is a power of two".to_owned(),
            (Some(low), Some(high)) => format!(" from {low} to {high}"),
            (Some(low), None) => format!(" not below {low}"),
            (None, Some(high)) => format!(" not above {high}"),
            (None, None) => String::new(),
        };
        self.also
            .map_or(main.clone(), |also| format!("{main}, or {also}"))
    }
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str, any_case: bool) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ if any_case && text.eq_ignore_ascii_case("true") => Some(true),
        _ if any_case && text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A whole number in decimal digits with an optional sign.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A number of bytes: digits and, in any letter case, nothing, `B`, `K`, `KB`, `Ki`, `KiB`, the same with `M` and
/// `G`; all are powers of 1024. A sign only without a unit (`-1`).
pub(crate) fn bytes(text: &str) -> Option<i64> {
    if let Some(number) = integer(text) {
        return Some(number);
    }
    let digits = text.trim_start().find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.trim_start().split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let shift = match unit {
        "" => 0,
        "k" | "ki" => 10,
        "m" | "mi" => 20,
        "g" | "gi" => 30,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(1 << shift)
}

/// A non-negative decimal number, to a millionth.
pub(crate) fn decimal(text: &str) -> Option<Factor> {
    let number: f64 = text.parse().ok()?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'e' | b'E' | b'-'));
    if !plain || !(0.0..=1e12).contains(&number) {
        return None;
    }
    // In range by the check above, and a whole number after rounding.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let millionths = (number * 1e6).round() as u64;
    Some(Factor::from_millionths(millionths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_sizes_as_the_manual_writes_them() {
        let table = [
            ("10M", Some(10 << 20)),
            ("100K", Some(100 << 10)),
            ("1G", Some(1 << 30)),
            ("20MiB", Some(20 << 20)),
            ("10mb", Some(10 << 20)),
            ("5 Ki", Some(5 << 10)),
            ("7b", Some(7)),
            ("-1", Some(-1)),
            ("0", Some(0)),
            ("10MM", None),
            ("M", None),
            ("", None),
            ("1.5M", None),
            ("-1M", None),
            ("10T", None),
            ("9999999999G", None),
            ("1e3", None),
        ];
        for (text, expected) in table {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    #[test]
    fn ranges_say_what_they_expect() {
        let table = [
            (
                "int >0,-1",
                "0",
                Some("a whole number of 32 bits not below 1, or -1"),
            ),
            ("int >0,-1", "-1", None),
            (
                "int >0,-1",
                "x",
                Some("a whole number of 32 bits not below 1, or -1"),
            ),
            ("int", "3000000000", Some("a whole number of 32 bits")),
            ("long", "3000000000", None),
            (
                "int 0..100",
                "101",
                Some("a whole number of 32 bits from 0 to 100"),
            ),
            ("int pow2", "8192", None),
            (
                "int pow2",
                "8191",
                Some("a whole number of 32 bits that is a power of two"),
            ),
            ("double 0..1", "0.15", None),
            ("double 0..1", "1.5", Some("a number from 0 to 1")),
            ("double", "NaN", Some("a number")),
            ("double", "inf", Some("a number")),
            ("bool", "True", Some("true or false")),
            ("Bool", "True", None),
            ("enum:A|B", "C", Some("one of A, B")),
            ("chars 2", "()", None),
            ("chars 2", "(", Some("2 characters")),
            ("text", "", Some("a text that is not empty")),
        ];
        for (value, text, expected) in table {
            let value = Value::parse(value).expect("a notation of the vocabulary");
            assert_eq!(value.refuse(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(Value::parse("number"), None);
    }

    #[test]
    fn decimals_are_exact_to_a_millionth() {
        assert_eq!(decimal("1.5").map(Factor::millionths), Some(1_500_000));
        assert_eq!(decimal("0.000001").map(Factor::millionths), Some(1));
        assert_eq!(decimal("-1"), None);
        assert_eq!(decimal("1,5"), None);
    }
}
