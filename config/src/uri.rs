// SPDX-License-Identifier: Apache-2.0
//! `tcp://host:port?name=value;name=value`, taken apart with positions.

use crate::check::shown;
use crate::error::{ConfigError, Findings, Position};
use crate::xml::Element;

/// The parts of an acceptor's or connector's URI. Names and values are percent-decoded.
#[derive(Debug)]
pub(crate) struct Uri {
    /// Where it starts.
    pub position: Position,
    pub scheme: String,
    /// The hosts in order; a comma separates them. IPv6 addresses without their brackets.
    pub hosts: Vec<String>,
    pub port: Option<u16>,
    pub parameters: Vec<Parameter>,
}

/// One `name=value` after the question mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As written.
    pub name: String,
    /// As written, percent-decoded.
    pub value: String,
    /// Where the name stands.
    pub position: Position,
}

/// Takes the text of `element` apart. `None` when it is no such URI; the error has then been reported.
pub(crate) fn parse(element: &Element, findings: &mut Findings) -> Option<Uri> {
    let text = element.text.as_str();
    let at = |offset: usize| place(element, offset);
    let (address, query) = text
        .split_once('?')
        .map_or((text, None), |(address, query)| (address, Some(query)));
    let Some((scheme, authority)) = address.split_once("://") else {
        findings.error(unlike(element, text));
        return None;
    };
    let Some((hosts, port)) = hosts_and_port(authority) else {
        findings.error(unlike(element, text));
        return None;
    };
    let port = match port.map(|port| (port, port.parse::<u16>())) {
        None => None,
        Some((_, Ok(number))) => Some(number),
        Some((port, Err(_))) => {
            let problem = format!("{} is no port", shown(port));
            let error = ConfigError::new(&at(address.len() - port.len()), &element.name, problem);
            findings.error(error.expected("a whole number from 0 to 65535"));
            return None;
        }
    };
    let mut parameters = Vec::new();
    let mut offset = address.len() + 1;
    for part in query.unwrap_or_default().split([';', '&']) {
        if let Some(parameter) = parameter(
            part,
            &at(offset + part.len() - part.trim_start().len()),
            findings,
        ) {
            parameters.push(parameter);
        }
        offset += part.len() + 1;
    }
    Some(Uri {
        position: at(0),
        scheme: scheme.to_ascii_lowercase(),
        hosts,
        port,
        parameters,
    })
}

fn unlike(element: &Element, text: &str) -> ConfigError {
    let problem = format!("{} is no URI of <{}>", shown(text), element.name);
    ConfigError::new(&element.text_position, &element.name, problem)
        .expected("tcp://HOST:PORT?NAME=VALUE;…")
}

/// `a,b:1`, `[::1]:1`, `a`; `None` when there is no host or anything else about it.
fn hosts_and_port(authority: &str) -> Option<(Vec<String>, Option<&str>)> {
    let split = match authority.rfind(':') {
        Some(colon) if authority.rfind(']').is_none_or(|bracket| bracket < colon) => Some(colon),
        _ => None,
    };
    let (hosts, port) = split.map_or((authority, None), |colon| {
        (&authority[..colon], Some(&authority[colon + 1..]))
    });
    let hosts: Option<Vec<String>> = hosts.split(',').map(host).collect();
    Some((hosts?, port))
}

fn host(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(address) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return address
            .parse::<::core::net::Ipv6Addr>()
            .ok()
            .map(|_| address.to_owned());
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!text.is_empty() && text.chars().all(plain)).then(|| text.to_owned())
}

fn parameter(part: &str, position: &Position, findings: &mut Findings) -> Option<Parameter> {
    if part.trim().is_empty() {
        return None;
    }
    let Some((name, value)) = part.split_once('=') else {
        let error = ConfigError::new(
            position,
            part.trim(),
            format!("parameter {} has no value", part.trim()),
        );
        findings.error(error.expected(format!("{}=VALUE", part.trim())));
        return None;
    };
    let (Some(name), Some(value)) = (decoded(name.trim()), decoded(value.trim())) else {
        let error = ConfigError::new(
            position,
            name.trim(),
            format!("{} is not percent-encoded", shown(part)),
        );
        findings.error(error.expected("% before two hexadecimal digits"));
        return None;
    };
    Some(Parameter {
        name,
        value,
        position: position.clone(),
    })
}

/// `%41` and `+` decoded as in HTML forms, which is what the Java broker does.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits =
                    [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
                let [Some(high), Some(low)] = digits else {
                    return None;
                };
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The position of a byte of the element's text, as far as the text stands in the file as it was written.
fn place(element: &Element, offset: usize) -> Position {
    let before = element.text.get(..offset).unwrap_or(&element.text);
    let start = &element.text_position;
    let (breaks, tail) = (
        before.matches('\n').count(),
        before.rsplit('\n').next().unwrap_or_default(),
    );
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let column = count(tail.chars().count());
    let column = if breaks == 0 {
        start.column.saturating_add(column)
    } else {
        column.saturating_add(1)
    };
    Position {
        file: start.file.clone(),
        line: start.line.saturating_add(count(breaks)),
        column,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> (Option<Uri>, Vec<String>) {
        let position = Position {
            file: "f.xml".into(),
            line: 3,
            column: 10,
        };
        let element = Element {
            name: "acceptor".to_owned(),
            namespace: None,
            position: position.clone(),
            attributes: Vec::new(),
            children: Vec::new(),
            text: text.to_owned(),
            text_position: position,
        };
        let mut findings = Findings::default();
        let uri = parse(&element, &mut findings);
        (
            uri,
            findings.errors.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn hosts_ports_and_both_separators() {
        let (parsed, errors) = uri("TCP://a,[::1]:5?x=1;y=%3B+&z=;");
        let parsed = parsed.expect("a URI");
        assert_eq!((parsed.scheme.as_str(), parsed.port), ("tcp", Some(5)));
        assert_eq!(parsed.hosts, ["a", "::1"]);
        let parameters: Vec<_> = parsed
            .parameters
            .iter()
            .map(|p| (p.name.as_str(), p.value.as_str(), p.position.column))
            .collect();
        assert_eq!(parameters, [("x", "1", 26), ("y", "; ", 30), ("z", "", 37)]);
        assert!(errors.is_empty());
    }

    #[test]
    fn what_is_no_uri_is_said_so() {
        let table = [
            (
                "0.0.0.0:61616",
                "f.xml:3:10: \"0.0.0.0:61616\" is no URI of <acceptor>; expected tcp://HOST:PORT?NAME=VALUE;…",
            ),
            (
                "tcp://:1",
                "f.xml:3:10: \"tcp://:1\" is no URI of <acceptor>; expected tcp://HOST:PORT?NAME=VALUE;…",
            ),
            (
                "tcp://h:x",
                "f.xml:3:18: \"x\" is no port; expected a whole number from 0 to 65535",
            ),
            (
                "tcp://h:1?a",
                "f.xml:3:20: parameter a has no value; expected a=VALUE",
            ),
            (
                "tcp://h:1?a=%4",
                "f.xml:3:20: \"a=%4\" is not percent-encoded; expected % before two hexadecimal digits",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(uri(text).1, [expected], "{text}");
        }
    }

    #[test]
    fn positions_follow_line_breaks() {
        let (parsed, _) = uri("tcp://h:1?a=1;\n  b=2");
        let b = &parsed.expect("a URI").parameters[1];
        assert_eq!((b.position.line, b.position.column), (4, 3));
    }
}
