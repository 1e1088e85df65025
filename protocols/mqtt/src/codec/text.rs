// SPDX-License-Identifier: Apache-2.0
//! Text, topics and filters: what may stand in them.

use super::Malformed;

/// UTF-8 without U+0000 [MQTT-1.5.4-1, MQTT-1.5.4-2]; surrogates are no UTF-8.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Malformed::packet("MQTT-1.5.4-1", "text is not UTF-8"))?;
    if bytes.contains(&0) {
        return Err(Malformed::packet("MQTT-1.5.4-2", "text contains U+0000"));
    }
    Ok(text)
}

/// Text without control characters and non-characters either. The specification lets a server refuse them [§1.5.4], and
/// names that carry them spoil logs and management.
pub(super) fn name(bytes: &[u8]) -> Result<&str, Malformed> {
    if bytes.iter().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return text(bytes);
    }
    let text = text(bytes)?;
    if text.chars().any(is_disallowed) {
        return Err(Malformed::packet(
            "MQTT 5.0 §1.5.4",
            "a name contains a control character or a non-character",
        ));
    }
    Ok(text)
}

fn is_disallowed(c: char) -> bool {
    let point = u32::from(c);
    c.is_control() || (0xfdd0..=0xfdef).contains(&point) || point & 0xfffe == 0xfffe
}

/// A topic to publish to: at least one character [MQTT-4.7.3-1], no wildcard [MQTT-3.3.2-2].
pub(super) fn topic(topic: &str) -> Result<&str, Malformed> {
    if topic.is_empty() {
        return Err(Malformed::packet("MQTT-4.7.3-1", "a topic is empty"));
    }
    if topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(Malformed::packet(
            "MQTT-3.3.2-2",
            "a topic contains a wildcard",
        ));
    }
    Ok(topic)
}

/// A topic filter, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterParts<'a> {
    /// The name of the share, if it is a shared subscription.
    pub share: Option<&'a str>,
    /// The filter that topics are matched with.
    pub filter: &'a str,
}

/// Takes a valid filter apart: `$share/{name}/{filter}` is a shared subscription [MQTT 5.0 §4.8.2].
pub fn filter_parts(text: &str) -> FilterParts<'_> {
    let shared = text
        .strip_prefix("$share/")
        .and_then(|it| it.split_once('/'));
    match shared {
        Some((share, filter)) => FilterParts {
            share: Some(share),
            filter,
        },
        None => FilterParts {
            share: None,
            filter: text,
        },
    }
}

/// A filter to subscribe to: at least one character [MQTT-4.7.3-1], `#` alone at the end [MQTT-4.7.1-1] and `+` alone in
/// its level [MQTT-4.7.1-2]; a share has a name without wildcards [MQTT-4.8.2-1, MQTT-4.8.2-2].
pub(super) fn filter(text: &str) -> Result<&str, Malformed> {
    if text == "$share" || text.starts_with("$share/") {
        let parts = filter_parts(text);
        let Some(share) = parts.share else {
            return Err(Malformed::packet(
                "MQTT-4.8.2-2",
                "a shared subscription has no filter",
            ));
        };
        if share.is_empty() || share.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
            return Err(Malformed::packet(
                "MQTT-4.8.2-1",
                "a share has no name, or one with wildcards",
            ));
        }
        plain_filter(parts.filter)?;
        return Ok(text);
    }
    plain_filter(text)
}

fn plain_filter(text: &str) -> Result<&str, Malformed> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(Malformed::packet("MQTT-4.7.3-1", "a topic filter is empty"));
    }
    for (at, byte) in bytes.iter().enumerate() {
        if !matches!(byte, b'+' | b'#') {
            continue;
        }
        let begins = at == 0 || bytes[at - 1] == b'/';
        let ends = at + 1 == bytes.len();
        match byte {
            b'#' if !(begins && ends) => {
                return Err(Malformed::packet(
                    "MQTT-4.7.1-1",
                    "# is not a level of its own at the end of a topic filter",
                ));
            }
            b'+' if !begins || !(ends || bytes[at + 1] == b'/') => {
                return Err(Malformed::packet(
                    "MQTT-4.7.1-2",
                    "+ is not a level of its own in a topic filter",
                ));
            }
            _ => {}
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_1_5_4_1_and_2_text_is_utf8_without_nul() {
        for bytes in [&b"a"[..], b"", "é\n\u{2A6D4}".as_bytes()] {
            assert!(text(bytes).is_ok(), "{bytes:?}");
        }
        for bytes in [&b"\xff"[..], b"a\0", b"\xed\xa0\x80", b"\xc0\x80"] {
            assert!(text(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn mqtt_5_0_1_5_4_names_have_no_control_or_non_characters() {
        for bytes in ["a b~".as_bytes(), "é\u{2A6D4}".as_bytes()] {
            assert!(name(bytes).is_ok(), "{bytes:?}");
        }
        for text in [
            "a\n",
            "\u{1}",
            "\u{7f}",
            "\u{9f}",
            "\u{ffff}",
            "\u{fdd0}",
            "\u{1fffe}",
            "\0",
        ] {
            assert!(name(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn mqtt_4_7_1_and_4_8_2_filters_are_valid_or_refused() {
        let valid = [
            "#",
            "+",
            "/",
            "a/#",
            "+/+/#",
            "a//b",
            "a/+/b",
            "$share/g/a/#",
            "$share/g//",
            "$SYS/#",
            "$shared",
            " ",
        ];
        for text in valid {
            assert!(filter(text).is_ok(), "{text}");
        }
        let invalid = [
            "",
            "a#",
            "#/a",
            "a/#/b",
            "a+",
            "+a",
            "ab/+e",
            "$share",
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/+/a",
            "$share/#",
            "$share/g/a#",
        ];
        for text in invalid {
            assert!(filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mqtt_3_3_2_2_topics_have_no_wildcards() {
        for text in ["a", "/", "a/b", "$x"] {
            assert!(topic(text).is_ok(), "{text}");
        }
        for text in ["", "a/+", "#", "a+"] {
            assert!(topic(text).is_err(), "{text}");
        }
    }
}
