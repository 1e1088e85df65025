// SPDX-License-Identifier: Apache-2.0
//! XML text into a tree that keeps positions: `${…}` replaced, local XIncludes put in their places.
//!
//! The syntax is a library's work (roxmltree); it knows no external entities, so a configuration cannot make the
//! broker read or fetch anything but what an `xi:include` names, and that only through the caller's `read`.

use std::sync::Arc;

use roxmltree::{Document, Node, ParsingOptions};

use crate::error::{ConfigError, Findings, Level, Position};
use crate::syntax;

const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// How deep includes may include, and how often a variable's value may name further variables.
const DEPTH_MAX: usize = 16;

/// How deep elements may stand in each other; the vocabulary needs ten.
const NESTING_MAX: usize = 64;

/// One element. Text and attribute values are trimmed and have their variables replaced.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub name: String,
    pub namespace: Option<String>,
    pub position: Position,
    pub attributes: Vec<Attribute>,
    pub children: Vec<Element>,
    /// All the text directly inside, comments and elements cut out.
    pub text: String,
    /// Where the text starts; the element's own position when there is none.
    pub text_position: Position,
}

/// One attribute; those of `xml:` and `xsi:` are left out.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub name: String,
    pub value: String,
    pub position: Position,
}

impl Element {
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }
}

/// How files are read and variables looked up: by the caller, this crate does neither.
pub(crate) struct Source<'a> {
    pub read: &'a mut dyn FnMut(&str) -> Result<String, String>,
    pub variables: &'a dyn Fn(&str) -> Option<String>,
}

/// The root element of `file`, includes and all. `None` when the file cannot be read or is not XML; the error has
/// then been reported. An include that fails is reported and left out.
pub(crate) fn read(
    file: &str,
    source: &mut Source<'_>,
    findings: &mut Findings,
) -> Option<Element> {
    let start = Position {
        file: file.into(),
        line: 1,
        column: 1,
    };
    Tree {
        source,
        findings,
        open: Vec::new(),
    }
    .file(file, &start)
}

struct Tree<'a, 's> {
    source: &'a mut Source<'s>,
    findings: &'a mut Findings,
    /// The files that are being read, outermost first.
    open: Vec<Arc<str>>,
}

impl Tree<'_, '_> {
    fn file(&mut self, file: &str, asked_at: &Position) -> Option<Element> {
        if self.open.len() >= DEPTH_MAX || self.open.iter().any(|open| **open == *file) {
            let problem = format!("{file} includes itself or is included too deep");
            self.findings
                .error(ConfigError::new(asked_at, "include", problem));
            return None;
        }
        let text = match (self.source.read)(file) {
            Ok(text) => text,
            Err(reason) => {
                self.findings.error(ConfigError::new(
                    asked_at,
                    "",
                    format!("cannot read {file}: {reason}"),
                ));
                return None;
            }
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let file: Arc<str> = file.into();
        let options = ParsingOptions {
            allow_dtd: false,
            nodes_limit: 1 << 20,
            ..ParsingOptions::default()
        };
        let document = match Document::parse_with_options(text, options) {
            Ok(document) => document,
            Err(error) => {
                self.findings.error(syntax::error(&file, text, &error));
                return None;
            }
        };
        self.open.push(Arc::clone(&file));
        let root = self.element(&Scan::new(&document, file), document.root_element(), 0);
        self.open.pop();
        Some(root)
    }

    fn element(&mut self, scan: &Scan<'_>, node: Node<'_, '_>, nesting: usize) -> Element {
        let position = scan.at(node.range().start);
        let mut element = Element {
            name: node.tag_name().name().to_owned(),
            namespace: node.tag_name().namespace().map(str::to_owned),
            text_position: position.clone(),
            position,
            attributes: Vec::new(),
            children: Vec::new(),
            text: String::new(),
        };
        for attribute in node.attributes() {
            if matches!(attribute.namespace(), Some(XML | SCHEMA_INSTANCE)) {
                continue;
            }
            let position = scan.at(attribute.range().start);
            let value = self
                .replaced(attribute.value(), &position)
                .trim()
                .to_owned();
            element.attributes.push(Attribute {
                name: attribute.name().to_owned(),
                value,
                position,
            });
        }
        if nesting > NESTING_MAX {
            let problem = format!(
                "<{}> stands in more than {NESTING_MAX} elements",
                element.name
            );
            self.findings
                .error(ConfigError::new(&element.position, &element.name, problem));
            return element;
        }
        for child in node.children() {
            if child.is_text() {
                self.text(scan, child, &mut element);
            } else if child.is_element() && child.tag_name().namespace() == Some(XINCLUDE) {
                self.include(scan, child, &mut element);
            } else if child.is_element() {
                let child = self.element(scan, child, nesting + 1);
                element.children.push(child);
            }
        }
        element.text.truncate(element.text.trim_end().len());
        element
    }

    fn text(&mut self, scan: &Scan<'_>, node: Node<'_, '_>, element: &mut Element) {
        let text = node.text().unwrap_or_default();
        if text.trim().is_empty() {
            return;
        }
        let raw = &scan.text[node.range()];
        let position = scan.at(node.range().end - raw.trim_start().len());
        let text = self.replaced(text, &position);
        if element.text.is_empty() {
            element.text_position = position;
            element.text.push_str(text.trim_start());
        } else {
            element.text.push_str(&text);
        }
    }

    fn include(&mut self, scan: &Scan<'_>, node: Node<'_, '_>, parent: &mut Element) {
        let position = scan.at(node.range().start);
        if node.tag_name().name() != "include" {
            let problem = format!("unknown element <{}> of XInclude", node.tag_name().name());
            let error = ConfigError::new(&position, node.tag_name().name(), problem);
            self.findings
                .error(error.nearest(Some("<xi:include>".to_owned())));
            return;
        }
        for attribute in node.attributes() {
            let plain = attribute.name() == "href"
                || (attribute.name() == "parse" && attribute.value() == "xml");
            if !plain && attribute.namespace() != Some(XML) {
                let problem = format!(
                    "{}=\"{}\" of <xi:include> is not supported",
                    attribute.name(),
                    attribute.value()
                );
                self.findings.error(
                    ConfigError::new(&position, "include", problem).expected("href=\"FILE\""),
                );
            }
        }
        let Some(href) = node.attribute("href") else {
            let error = ConfigError::new(&position, "include", "<xi:include> has no href");
            self.findings.error(error.expected("href=\"FILE\""));
            return;
        };
        let href = self.replaced(href, &position);
        match resolve(&scan.file, href.trim()) {
            Some(path) => parent.children.extend(self.file(&path, &position)),
            None => {
                let problem = format!("<xi:include> of {href}");
                self.findings.error(
                    ConfigError::new(&position, "include", problem).expected("a local file"),
                );
            }
        }
    }

    /// `text` with every `${name}` and `${name:default}` replaced. A variable without value and default becomes
    /// nothing, as in the Java broker, but not silently.
    fn replaced(&mut self, text: &str, position: &Position) -> String {
        let mut text = text.to_owned();
        for _ in 0..DEPTH_MAX {
            let Some((next, missing)) = replace_once(&text, self.source.variables) else {
                return text;
            };
            for name in missing {
                let text =
                    format!("${{{name}}} has neither a value nor a default and is taken as empty");
                self.findings.note(Level::Warn, position, &name, text);
            }
            text = next;
        }
        self.findings.error(ConfigError::new(
            position,
            "",
            "the variables in this text name each other in a circle",
        ));
        text
    }
}

/// All the variables of `text` replaced once, and the names of those without a value; `None` when it has none.
fn replace_once(
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Option<(String, Vec<String>)> {
    let (mut rest, mut replaced, mut missing, mut found) = (text, String::new(), Vec::new(), false);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else {
            break;
        };
        found = true;
        let (name, default) = inside
            .split_once(':')
            .map_or((inside, None), |(name, default)| {
                (name, Some(default.trim()))
            });
        let value = variables(name.trim()).or(default.map(str::to_owned));
        if value.is_none() {
            missing.push(name.trim().to_owned());
        }
        replaced.push_str(before);
        replaced.push_str(&value.unwrap_or_default());
        rest = after;
    }
    replaced.push_str(rest);
    found.then_some((replaced, missing))
}

struct Scan<'d> {
    text: &'d str,
    file: Arc<str>,
    /// Where lines start.
    starts: Vec<usize>,
}

impl<'d> Scan<'d> {
    fn new(document: &Document<'d>, file: Arc<str>) -> Self {
        let text = document.input_text();
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            file,
            starts: std::iter::once(0).chain(breaks).collect(),
        }
    }

    fn at(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= offset);
        let before = self
            .text
            .get(self.starts[line - 1]..offset)
            .unwrap_or_default();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Position {
            file: Arc::clone(&self.file),
            line: count(line),
            column: count(before.chars().count() + 1),
        }
    }
}

/// `href` seen from the folder of `file`; `None` when it names another host or protocol.
fn resolve(file: &str, href: &str) -> Option<String> {
    let path = href.strip_prefix("file:").unwrap_or(href);
    let path = path
        .strip_prefix("//")
        .map_or(Some(path), |path| path.starts_with('/').then_some(path))?;
    if path.is_empty() || path.contains("://") {
        return None;
    }
    match file.rfind('/') {
        Some(end) if !path.starts_with('/') => Some(format!("{}/{path}", &file[..end])),
        _ => Some(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)], variables: &[(&str, &str)]) -> (Option<Element>, Findings) {
        let mut findings = Findings::default();
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let mut read_file = |file: &str| {
            files
                .iter()
                .find(|(name, _)| *name == file)
                .map(|(_, text)| (*text).to_owned())
                .ok_or("no such file".to_owned())
        };
        let mut source = Source {
            read: &mut read_file,
            variables: &lookup,
        };
        let root = read(files[0].0, &mut source, &mut findings);
        (root, findings)
    }

    #[test]
    fn positions_are_those_of_the_text() {
        let text = "<a>\n  <b x='1'\n     y=' ${v:2} '>\n    some\n  </b>\n</a>";
        let (root, findings) = load(&[("f.xml", text)], &[]);
        let root = root.expect("well-formed");
        let b = &root.children[0];
        assert_eq!((b.position.line, b.position.column), (2, 3));
        assert_eq!(
            (
                b.attributes[1].position.line,
                b.attributes[1].position.column
            ),
            (3, 6)
        );
        assert_eq!(b.attributes[1].value, "2");
        assert_eq!(
            (
                b.text.as_str(),
                b.text_position.line,
                b.text_position.column
            ),
            ("some", 4, 5)
        );
        assert!(findings.errors.is_empty() && findings.notes.is_empty());
    }

    #[test]
    fn variables_have_values_defaults_or_a_warning() {
        let text = "<a>${one}-${ two : d:2 }-${three}-${four:}</a>";
        let (root, findings) = load(&[("f.xml", text)], &[("one", "${five}"), ("five", "1")]);
        assert_eq!(root.expect("well-formed").text, "1-d:2--");
        let notes: Vec<String> = findings.notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            ["f.xml:1: ${three} has neither a value nor a default and is taken as empty"]
        );
        let (_, findings) = load(&[("f.xml", "<a>${one}</a>")], &[("one", "x${one}")]);
        assert_eq!(findings.errors.len(), 1);
    }

    #[test]
    fn includes_are_read_beside_the_including_file() {
        let outer = "<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='${part:b.xml}'/><c/></a>";
        let (root, findings) = load(&[("etc/f.xml", outer), ("etc/b.xml", "\n<b>text</b>")], &[]);
        let root = root.expect("well-formed");
        assert_eq!(
            root.children
                .iter()
                .map(|child| child.name.as_str())
                .collect::<Vec<_>>(),
            ["b", "c"]
        );
        assert_eq!(root.children[0].position.to_string(), "etc/b.xml:2:1");
        assert!(findings.errors.is_empty());
    }

    #[test]
    fn includes_that_cannot_be_are_errors() {
        let include = |href: &str| {
            format!("<a xmlns:xi='http://www.w3.org/2001/XInclude'>\n<xi:include {href}/></a>")
        };
        let table = [
            (
                "href='f.xml'",
                "f.xml:2:1: f.xml includes itself or is included too deep",
            ),
            ("href='g.xml'", "f.xml:2:1: cannot read g.xml: no such file"),
            (
                "href='http://h/g.xml'",
                "f.xml:2:1: <xi:include> of http://h/g.xml; expected a local file",
            ),
            (
                "",
                "f.xml:2:1: <xi:include> has no href; expected href=\"FILE\"",
            ),
        ];
        for (href, expected) in table {
            let (_, findings) = load(&[("f.xml", &include(href))], &[]);
            assert_eq!(
                findings
                    .errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
                [expected]
            );
        }
    }

    #[test]
    fn a_tag_left_open_is_reported_with_the_line_that_opened_it() {
        let (root, findings) = load(&[("f.xml", "<a>\n<b>\n<b/>\n</a>")], &[]);
        assert!(root.is_none());
        let error = findings.errors[0].to_string();
        assert_eq!(
            error,
            "f.xml:4:1: </a> closes nothing: <b> opened in line 2 is still open; expected </b>"
        );
    }

    #[test]
    fn elements_in_elements_without_end_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let (_, findings) = load(&[("f.xml", &deep)], &[]);
        assert_eq!(findings.errors.len(), 1, "{:?}", findings.errors);
    }

    #[test]
    fn a_document_type_is_refused() {
        let (root, findings) = load(
            &[(
                "f.xml",
                "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
            )],
            &[],
        );
        assert!(root.is_none());
        assert_eq!(findings.errors.len(), 1);
    }
}
