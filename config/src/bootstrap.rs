// SPDX-License-Identifier: Apache-2.0
//! `bootstrap.xml`: which security domain judges logins, and where broker.xml is.

use crate::file_error::FileError;
use crate::nearest::nearest;
use roxmltree::{Document, Node};

const NAMESPACES: [&str; 2] = [
    "http://activemq.apache.org/schema",
    "http://activemq.org/schema",
];

/// What `bootstrap.xml` says that this broker acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The domain of `login.config` that judges logins.
    pub domain: String,
    /// Path of broker.xml: `server/@configuration` without its `file:`, percent escapes resolved.
    pub configuration: String,
    /// Known elements that have no effect here, for the log.
    pub notes: Vec<FileError>,
}

impl Bootstrap {
    /// Reads the text. `${name}` is looked up with `variable`.
    ///
    /// # Errors
    /// Every fault: malformed XML, unknown elements and attributes, a missing `server` or `jaas-security`, and a
    /// `security-manager`, which is not built yet and must not be ignored.
    pub fn parse(
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<FileError>> {
        let document = Document::parse(text).map_err(|error| {
            let place = error.pos();
            vec![FileError::at(place.row, place.col, error.to_string())]
        })?;
        let mut reader = Reader {
            document: &document,
            variable,
            errors: Vec::new(),
            notes: Vec::new(),
        };
        let root = document.root_element();
        let (mut domain, mut configuration) = (None, None);
        if root.tag_name().name() != "broker" || !reader.namespace_is_ours(root) {
            reader.fault(
                root,
                format!("<broker xmlns=\"{}\"> is expected", NAMESPACES[0]),
            );
        } else {
            for element in root.children().filter(Node::is_element) {
                match element.tag_name().name() {
                    "jaas-security" => domain = reader.jaas_security(element),
                    "security-manager" => reader.security_manager(element),
                    "server" => configuration = reader.server(element),
                    "web" => reader.note(
                        element,
                        "the web server is not built yet; <web> has no effect",
                    ),
                    other => reader.unknown(
                        "element",
                        element,
                        other,
                        &["jaas-security", "security-manager", "server", "web"],
                    ),
                }
            }
            reader.wanted(root, "jaas-security");
            reader.wanted(root, "server");
        }
        match (domain, configuration) {
            (Some(domain), Some(configuration)) if reader.errors.is_empty() => Ok(Self {
                domain,
                configuration,
                notes: reader.notes,
            }),
            _ => Err(reader.errors),
        }
    }
}

struct Reader<'a> {
    document: &'a Document<'a>,
    variable: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<FileError>,
    notes: Vec<FileError>,
}

impl Reader<'_> {
    fn jaas_security(&mut self, element: Node<'_, '_>) -> Option<String> {
        self.only_attributes(element, &["domain", "certificate-domain", "http-domain"]);
        for later in ["certificate-domain", "http-domain"] {
            if element.has_attribute(later) {
                self.note(
                    element,
                    &format!("{later} is not built yet; it has no effect"),
                );
            }
        }
        self.attribute(element, "domain")
    }

    fn security_manager(&mut self, element: Node<'_, '_>) {
        let class = element.attribute("class-name").unwrap_or_default();
        self.fault(
            element,
            format!(
                "security-manager {class} is not built yet; refusing to start because logins would not be checked as written"
            ),
        );
    }

    fn server(&mut self, element: Node<'_, '_>) -> Option<String> {
        self.only_attributes(element, &["configuration"]);
        let written = self.attribute(element, "configuration")?;
        let Some(path) = written.strip_prefix("file:") else {
            self.fault(
                element,
                format!(
                    "configuration=\"{written}\": an address that begins with file: is expected"
                ),
            );
            return None;
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        match decode_percent(path) {
            Some(path) if !path.is_empty() => Some(path),
            _ => {
                self.fault(
                    element,
                    format!("configuration=\"{written}\" is not a file's address"),
                );
                None
            }
        }
    }

    fn attribute(&mut self, element: Node<'_, '_>, name: &str) -> Option<String> {
        let Some(written) = element.attribute(name) else {
            self.fault(
                element,
                format!("<{}> needs the attribute {name}", element.tag_name().name()),
            );
            return None;
        };
        let mut out = String::new();
        let mut rest = written;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                self.fault(element, format!("{written}: '${{' without its '}}'"));
                return None;
            };
            let (name, default) = name
                .split_once(':')
                .map_or((name, None), |(name, default)| {
                    (name, Some(default.to_owned()))
                });
            let Some(value) = (self.variable)(name).or(default) else {
                self.fault(element, format!("{written}: '${{{name}}}' is not defined"));
                return None;
            };
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    /// One `name` below `root`; a second one and none are faults. For security also a security-manager counts.
    fn wanted(&mut self, root: Node<'_, '_>, name: &str) {
        let mut found = root
            .children()
            .filter(|child| child.has_tag_name(name) || child.tag_name().name() == name);
        let (first, second) = (found.next(), found.next());
        if let Some(second) = second {
            self.fault(second, format!("<{name}> is written twice"));
        }
        let replaced = name == "jaas-security"
            && root
                .children()
                .any(|child| child.tag_name().name() == "security-manager");
        if first.is_none() && !replaced {
            self.fault(root, format!("<{name}> is missing"));
        }
    }

    fn only_attributes(&mut self, element: Node<'_, '_>, known: &[&str]) {
        for attribute in element.attributes() {
            if !known.contains(&attribute.name()) {
                self.unknown("attribute", element, attribute.name(), known);
            }
        }
    }

    fn unknown(&mut self, what: &str, element: Node<'_, '_>, name: &str, known: &[&str]) {
        let meant = nearest(name, known.iter().copied())
            .map(|word| format!("; did you mean {word}?"))
            .unwrap_or_default();
        self.fault(element, format!("unknown {what} {name}{meant}"));
    }

    fn namespace_is_ours(&self, root: Node<'_, '_>) -> bool {
        root.tag_name()
            .namespace()
            .is_some_and(|namespace| NAMESPACES.contains(&namespace))
    }

    fn fault(&mut self, element: Node<'_, '_>, message: String) {
        let error = self.at(element, message);
        self.errors.push(error);
    }

    fn note(&mut self, element: Node<'_, '_>, message: &str) {
        let note = self.at(element, message.to_owned());
        self.notes.push(note);
    }

    fn at(&self, element: Node<'_, '_>, message: String) -> FileError {
        let place = self.document.text_pos_at(element.range().start);
        FileError::at(place.row, place.col, message)
    }
}

fn decode_percent(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits)
            .ok()
            .filter(|text| text.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<broker xmlns=\"http://activemq.apache.org/schema\">\n{inside}\n</broker>\n"
        )
    }

    fn read(inside: &str) -> Result<Bootstrap, Vec<String>> {
        let instance =
            |name: &str| (name == "artemis.URI.instance").then(|| "file:/i%20j".to_owned());
        Bootstrap::parse(&written(inside), &instance)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    const SECURITY: &str = "<jaas-security domain=\"activemq\"/>\n";

    #[test]
    fn what_create_writes_is_understood_and_web_is_noted() {
        let inside = format!(
            "{SECURITY}<server configuration=\"file:/a%20b/etc//broker.xml\"/>\n\
             <web path=\"web\"><binding name=\"artemis\" uri=\"http://localhost:8161\"><app name=\"console\"/></binding></web>"
        );
        let bootstrap = read(&inside).expect("valid");
        assert_eq!(
            (bootstrap.domain.as_str(), bootstrap.configuration.as_str()),
            ("activemq", "/a b/etc//broker.xml")
        );
        assert_eq!(
            bootstrap
                .notes
                .iter()
                .map(|note| note.line)
                .collect::<Vec<_>>(),
            [5]
        );
    }

    #[test]
    fn the_instance_variable_is_replaced() {
        let bootstrap = read(&format!(
            "{SECURITY}<server configuration=\"${{artemis.URI.instance}}/etc/broker.xml\"/>"
        ));
        assert_eq!(
            bootstrap.expect("valid").configuration,
            "/i j/etc/broker.xml"
        );
    }

    #[test]
    fn every_fault_is_reported_with_its_place() {
        let server = "<server configuration=\"file:/b.xml\"/>";
        let rows: [(String, &[&str]); 8] = [
            (
                format!("{SECURITY}<server configuration=\"http://b.xml\"/>"),
                &["4:1: configuration=\"http://b.xml\": an address"],
            ),
            (
                format!("{SECURITY}<server configuration=\"file:${{nope}}\"/>"),
                &["4:1: file:${nope}: '${nope}' is not defined"],
            ),
            (
                format!("{SECURITY}<server configuration=\"file:/%zz\"/>"),
                &["4:1: configuration=\"file:/%zz\" is not"],
            ),
            (server.into(), &["2:1: <jaas-security> is missing"]),
            (
                format!("{SECURITY}{SECURITY}{server}"),
                &["4:1: <jaas-security> is written twice"],
            ),
            (
                format!("<jaas-securty domain=\"a\"/>{server}"),
                &[
                    "3:1: unknown element jaas-securty; did you mean jaas-security?",
                    "2:1: <jaas-security> is missing",
                ],
            ),
            (
                format!("<jaas-security domian=\"a\"/>{server}"),
                &[
                    "3:1: unknown attribute domian; did you mean domain?",
                    "3:1: <jaas-security> needs",
                ],
            ),
            (
                format!("<security-manager class-name=\"x.Y\"/>\n{server}"),
                &["3:1: security-manager x.Y is not built yet; refusing to start"],
            ),
        ];
        for (inside, expected) in rows {
            let found = read(&inside).expect_err(&inside);
            assert_eq!(found.len(), expected.len(), "{inside}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{inside}: {found}");
            }
        }
    }

    #[test]
    fn malformed_xml_and_a_foreign_root_are_placed() {
        let errors =
            Bootstrap::parse("<broker>\n<server\n</broker>", &|_| None).expect_err("malformed");
        assert_eq!(errors[0].line, 3);
        let errors = Bootstrap::parse("<configuration/>", &|_| None).expect_err("foreign");
        assert!(errors[0].message.starts_with("<broker xmlns="));
    }
}
