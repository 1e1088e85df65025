// SPDX-License-Identifier: Apache-2.0
//! broker.xml, read once: text in, typed [`Settings`] or all the errors out.
//!
//! [`load`] does no I/O; files come through a function of the caller, and so do variables, so that
//! `check config` can read any instance anywhere. The steps: [`xml`](self) text becomes a tree with positions, the
//! tree is checked against the vocabulary (every word of the Java broker's schema and what Hind does with it), and
//! one file for each concept takes typed values out. Every step reports all it finds and goes on.
#![forbid(unsafe_code)]

pub mod acceptors;
mod address_settings;
pub mod addresses;
pub mod authentication;
pub mod bootstrap;
mod check;
pub mod core;
pub mod error;
pub mod file_error;
pub mod journal;
pub mod log4j2;
pub mod login_config;
mod login_grammar;
mod login_tokens;
pub mod masked;
mod nearest;
mod node;
pub mod paging;
mod plugins;
pub mod properties_file;
mod reader;
mod secrets;
pub mod security_settings;
mod settings;
mod syntax;
mod uri;
pub mod users;
mod value;
mod vocabulary;
mod xml;

pub use error::{ConfigError, Effective, Level, Note, Origin, Position};
pub use settings::Settings;
pub use uri::Parameter;

use error::Findings;
use vocabulary::Vocabulary;
use xml::{Element, Source};

/// A configuration that may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What of it does not act, for the log.
    pub notes: Vec<Note>,
}

/// Reads `file` and what it includes.
///
/// `read` is given file names: `file` itself, and for an `xi:include` its `href` seen from the folder of the
/// including file. `variables` looks up the names in `${…}`: first Java system properties, then the environment.
///
/// # Errors
/// Everything that is wrong, in the order of the file; never only the first. Nothing may be started then.
pub fn load(
    file: &str,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<ConfigError>> {
    let mut findings = Findings::default();
    let root = xml::read(file, &mut Source { read, variables }, &mut findings);
    let settings = root
        .as_ref()
        .and_then(|root| core_of(root, &mut findings))
        .map(|core| {
            let vocabulary = Vocabulary::new();
            check::core(core, &vocabulary, &mut findings);
            settings::read(core, &vocabulary, variables, &mut findings)
        });
    let Findings {
        mut errors,
        notes,
        effective,
    } = findings;
    match settings {
        Some(settings) if errors.is_empty() => Ok(Loaded {
            settings: settings.with_effective(effective),
            notes,
        }),
        _ => {
            errors.sort_by(|left, right| left.position.cmp(&right.position));
            errors.dedup();
            Err(errors)
        }
    }
}

/// `<core>` of `<configuration>`. Other sections beside it are errors, but for `<jms>` of old files.
fn core_of<'a>(root: &'a Element, findings: &mut Findings) -> Option<&'a Element> {
    if root.name == "core" {
        return Some(root);
    }
    if root.name != "configuration" {
        let problem = format!("the file starts with <{}>", root.name);
        findings.error(
            ConfigError::new(&root.position, &root.name, problem).expected("<configuration>"),
        );
        return None;
    }
    for attribute in &root.attributes {
        let problem = format!("unknown attribute {} of <configuration>", attribute.name);
        findings.error(ConfigError::new(
            &attribute.position,
            &attribute.name,
            problem,
        ));
    }
    let mut core = None;
    for child in &root.children {
        match child.name.as_str() {
            "core" if core.is_none() => core = Some(child),
            "jms" => {
                let text = "<jms> is not built yet and has no effect".to_owned();
                findings.note(Level::Warn, &child.position, "jms", text);
            }
            "core" => {
                findings.error(
                    ConfigError::new(&child.position, "core", "a second <core>")
                        .expected("at most one"),
                );
            }
            name => {
                let near = nearest::nearest(name, ["core", "jms"]).map(|name| format!("<{name}>"));
                let problem = format!("unknown element <{name}> in <configuration>");
                findings.error(ConfigError::new(&child.position, name, problem).nearest(near));
            }
        }
    }
    if !root.text.is_empty() {
        let problem = format!("text {} inside <configuration>", check::shown(&root.text));
        findings.error(
            ConfigError::new(&root.text_position, "configuration", problem)
                .expected("only elements here"),
        );
    }
    let misspelt = root
        .children
        .iter()
        .any(|child| nearest::nearest(&child.name, ["core"]).is_some());
    if core.is_none() && !misspelt {
        let problem = "<configuration> has no <core>";
        findings
            .error(ConfigError::new(&root.position, "configuration", problem).expected("<core>"));
    }
    core
}
