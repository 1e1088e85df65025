// SPDX-License-Identifier: Apache-2.0
//! A tree against the vocabulary: everything unknown, misplaced, missing or wrongly valued, all at once.

use std::collections::BTreeMap;

use crate::error::{ConfigError, Findings, Level, Position};
use crate::nearest::nearest;
use crate::value::Kind;
use crate::vocabulary::{Place, ROOT, Status, Vocabulary, Word};
use crate::xml::Element;

const NAMESPACE: &str = "urn:activemq:core";

/// Checks `<core>` and all that stands in it.
pub(crate) fn core(core: &Element, vocabulary: &Vocabulary, findings: &mut Findings) {
    Check {
        vocabulary,
        findings,
    }
    .element(core, ROOT, Fate::Acts, None);
}

/// What becomes of the element that a word stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Acts,
    /// Known, but without effect so far: what stands inside is checked, not noted again.
    Noted,
    /// The start is refused anyway.
    Refused,
}

struct Check<'a> {
    vocabulary: &'a Vocabulary,
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn element(&mut self, element: &Element, of: &str, fate: Fate, parent_namespace: Option<&str>) {
        self.namespace(element, parent_namespace);
        self.attributes(element, of, fate);
        self.missing(element, of);
        let mut seen: BTreeMap<&str, &Position> = BTreeMap::new();
        for child in &element.children {
            let Some(word) = self.vocabulary.word(of, Place::Element, &child.name) else {
                self.unknown_element(element, child, of);
                continue;
            };
            if let Some(first) = seen.get(child.name.as_str()).filter(|_| !word.many) {
                let problem = format!(
                    "a second <{}>; the first stands in line {}",
                    child.name, first.line
                );
                self.findings.error(
                    ConfigError::new(&child.position, &child.name, problem).expected("at most one"),
                );
            }
            seen.entry(&child.name).or_insert(&child.position);
            self.known(child, word, fate, element.namespace.as_deref());
        }
        if !element.text.is_empty() && self.vocabulary.word(of, Place::Text, "-").is_none() {
            let problem = format!("text {} inside <{}>", shown(&element.text), element.name);
            let error = ConfigError::new(&element.text_position, &element.name, problem);
            self.findings.error(error.expected("only elements here"));
        }
    }

    fn known(&mut self, child: &Element, word: &Word, fate: Fate, namespace: Option<&str>) {
        let fate = self.fate(
            word,
            &child.name,
            &format!("<{}>", child.name),
            &child.text,
            &child.position,
            fate,
        );
        if let Kind::Elements(inner) = word.value.kind {
            self.element(child, inner, fate, namespace);
            if let Some(text) = self.vocabulary.word(inner, Place::Text, "-") {
                self.value(&text.value, child);
            }
            return;
        }
        self.namespace(child, namespace);
        for attribute in &child.attributes {
            let problem = format!("unknown attribute {} of <{}>", attribute.name, child.name);
            self.findings.error(
                ConfigError::new(&attribute.position, &attribute.name, problem).expected("none"),
            );
        }
        if let Some(inner) = child.children.first() {
            let problem = format!("<{}> inside <{}>", inner.name, child.name);
            self.findings.error(
                ConfigError::new(&inner.position, &inner.name, problem)
                    .expected(word.value.expected()),
            );
        } else {
            self.value(&word.value, child);
        }
    }

    fn value(&mut self, value: &crate::value::Value, element: &Element) {
        if let Some(expected) = value.refuse(&element.text) {
            let problem = format!("{} is no value of <{}>", shown(&element.text), element.name);
            let near = nearest(&element.text, value.words().iter().copied()).map(str::to_owned);
            let error = ConfigError::new(&element.text_position, &element.name, problem);
            self.findings.error(error.expected(expected).nearest(near));
        }
    }

    fn attributes(&mut self, element: &Element, of: &str, fate: Fate) {
        for attribute in &element.attributes {
            let Some(word) = self.vocabulary.word(of, Place::Attribute, &attribute.name) else {
                let known = self.names(of, Place::Attribute);
                let near = nearest(&attribute.name, known).map(str::to_owned);
                let problem = format!("unknown attribute {} of <{}>", attribute.name, element.name);
                self.findings.error(
                    ConfigError::new(&attribute.position, &attribute.name, problem).nearest(near),
                );
                continue;
            };
            let shown_name = format!("{} of <{}>", attribute.name, element.name);
            self.fate(
                word,
                &attribute.name,
                &shown_name,
                &attribute.value,
                &attribute.position,
                fate,
            );
            if let Some(expected) = word.value.refuse(&attribute.value) {
                let problem = format!("{} is no value of {shown_name}", shown(&attribute.value));
                let near = nearest(&attribute.value, word.value.words().iter().copied())
                    .map(str::to_owned);
                let error = ConfigError::new(&attribute.position, &attribute.name, problem);
                self.findings.error(error.expected(expected).nearest(near));
            }
        }
    }

    fn missing(&mut self, element: &Element, of: &str) {
        for word in self
            .vocabulary
            .words(of)
            .iter()
            .filter(|word| word.required)
        {
            let (there, what) = match word.place {
                Place::Attribute => (
                    element.attribute(word.name).is_some(),
                    format!("attribute {}", word.name),
                ),
                _ => (
                    element.child(word.name).is_some(),
                    format!("<{}>", word.name),
                ),
            };
            if !there && !self.misspelt(element, of, word.name) {
                let problem = format!("<{}> has no {what}", element.name);
                self.findings
                    .error(ConfigError::new(&element.position, word.name, problem));
            }
        }
    }

    /// True when a child is reported as an unknown word that was probably meant as `name`.
    fn misspelt(&self, element: &Element, of: &str, name: &str) -> bool {
        element
            .children
            .iter()
            .any(|child| nearest(&child.name, self.names(of, Place::Element)) == Some(name))
    }

    fn unknown_element(&mut self, parent: &Element, child: &Element, of: &str) {
        let near =
            nearest(&child.name, self.names(of, Place::Element)).map(|name| format!("<{name}>"));
        let problem = match near {
            Some(_) => format!("unknown element <{}>", child.name),
            None => format!("unknown element <{}> in <{}>", child.name, parent.name),
        };
        self.findings
            .error(ConfigError::new(&child.position, &child.name, problem).nearest(near));
    }

    fn names(&self, of: &str, place: Place) -> impl Iterator<Item = &'static str> {
        self.vocabulary
            .words(of)
            .iter()
            .filter(move |word| word.place == place)
            .map(|word| word.name)
    }

    /// Notes or refuses a word by its status, unless what it stands in was noted or refused already.
    fn fate(
        &mut self,
        word: &Word,
        name: &str,
        shown_name: &str,
        value: &str,
        position: &Position,
        outer: Fate,
    ) -> Fate {
        if outer == Fate::Refused || word.harmless(value) {
            return outer;
        }
        if word.status == Status::Refused {
            self.findings
                .error(refusal(position, name, shown_name, word.reason));
            return Fate::Refused;
        }
        if outer == Fate::Noted {
            return outer;
        }
        match note(word, shown_name) {
            Some((level, text)) => {
                self.findings.note(level, position, name, text);
                Fate::Noted
            }
            None => Fate::Acts,
        }
    }

    fn namespace(&mut self, element: &Element, parent: Option<&str>) {
        let namespace = element.namespace.as_deref();
        if namespace != Some(NAMESPACE) && (parent.is_none() || namespace != parent) {
            let found = namespace.map_or("no namespace".to_owned(), |namespace| {
                format!("the namespace {namespace}")
            });
            let problem = format!("<{}> has {found}", element.name);
            self.findings.error(
                ConfigError::new(&element.position, &element.name, problem).expected(NAMESPACE),
            );
        }
    }
}

/// The error for something known that Hind cannot honour yet, and that must not be ignored either.
pub(crate) fn refusal(
    position: &Position,
    name: &str,
    shown_name: &str,
    reason: &str,
) -> ConfigError {
    ConfigError::new(
        position,
        name,
        format!("{shown_name} is not built yet, and without it {reason}"),
    )
}

/// What is to be said about a word that is written, by its status.
pub(crate) fn note(word: &Word, shown_name: &str) -> Option<(Level, String)> {
    let why = if word.reason == "-" {
        String::new()
    } else {
        format!(": {}", word.reason)
    };
    match word.status {
        Status::Later => Some((
            Level::Warn,
            format!("{shown_name} is not built yet and has no effect{why}"),
        )),
        Status::Jvm => Some((
            Level::Info,
            format!("{shown_name} has no meaning without a JVM{why}"),
        )),
        Status::Without => Some((Level::Info, format!("{shown_name} has no effect{why}"))),
        Status::Supported | Status::Refused | Status::Protocol | Status::Inherited => None,
    }
}

/// A value in an error text: quoted, and cut when it is long.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("\"{}{dots}\"", short.replace(['\n', '\r', '\t'], " "))
}
