// SPDX-License-Identifier: Apache-2.0
//! `login.config` as it is written: names, flags and options with their places, by the grammar of
//! `javax.security.auth.login.Configuration`.

use crate::file_error::FileError;
use crate::login_config::ControlFlag;
use crate::login_tokens::{Token, Tokens};
use crate::nearest::nearest;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenRealm {
    pub(crate) name: String,
    pub(crate) modules: Vec<WrittenModule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenModule {
    pub(crate) class: String,
    pub(crate) flag: ControlFlag,
    pub(crate) options: Vec<WrittenOption>,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenOption {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Reads the text. A fault in the grammar ends the reading, for what follows it cannot be told apart.
pub(crate) fn read(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<WrittenRealm>, Vec<FileError>> {
    let mut reader = Reader {
        tokens: Tokens::new(text),
        variable,
        errors: Vec::new(),
    };
    let mut written: Vec<WrittenRealm> = Vec::new();
    loop {
        match reader.realm() {
            Ok(None) => break,
            Ok(Some((realm, line, column))) => {
                if written.iter().any(|known| known.name == realm.name) {
                    let message = format!("security domain '{}' is written twice", realm.name);
                    reader.errors.push(FileError::at(line, column, message));
                }
                written.push(realm);
            }
            Err(fault) => {
                reader.errors.push(fault);
                break;
            }
        }
    }
    if reader.errors.is_empty() {
        Ok(written)
    } else {
        Err(reader.errors)
    }
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    variable: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<FileError>,
}

impl Reader<'_> {
    /// `name { module… };` or the end of the text.
    fn realm(&mut self) -> Result<Option<(WrittenRealm, u32, u32)>, FileError> {
        let first = self.tokens.next()?;
        let (line, column) = (first.line, first.column);
        let Some(name) = first.word() else {
            return if first.is_end() {
                Ok(None)
            } else {
                Err(first.unexpected("the name of a security domain"))
            };
        };
        self.symbol('{')?;
        let mut modules = Vec::new();
        loop {
            let token = self.tokens.next()?;
            if token.is('}') && !modules.is_empty() {
                break;
            }
            modules.push(self.module(&token)?);
        }
        self.symbol(';')?;
        Ok(Some((WrittenRealm { name, modules }, line, column)))
    }

    /// `class flag name=value…;`
    fn module(&mut self, class: &Token) -> Result<WrittenModule, FileError> {
        let (line, column) = (class.line, class.column);
        let class = class
            .word()
            .ok_or_else(|| class.unexpected("the class of a login module"))?;
        let flag = self.flag()?;
        let mut options = Vec::new();
        loop {
            let token = self.tokens.next()?;
            if token.is(';') {
                return Ok(WrittenModule {
                    class,
                    flag,
                    options,
                    line,
                    column,
                });
            }
            options.push(self.option(&token)?);
        }
    }

    fn flag(&mut self) -> Result<ControlFlag, FileError> {
        const KNOWN: [&str; 4] = ["required", "requisite", "sufficient", "optional"];
        let token = self.tokens.next()?;
        let written = token
            .word()
            .ok_or_else(|| token.unexpected("a control flag"))?;
        match written.to_lowercase().as_str() {
            "required" => Ok(ControlFlag::Required),
            "requisite" => Ok(ControlFlag::Requisite),
            "sufficient" => Ok(ControlFlag::Sufficient),
            "optional" => Ok(ControlFlag::Optional),
            _ => Err(token.fault(format!(
                "'{written}' is not a control flag: required, requisite, sufficient or optional is expected{}",
                hint(&written, KNOWN)
            ))),
        }
    }

    fn option(&mut self, name: &Token) -> Result<WrittenOption, FileError> {
        let (line, column) = (name.line, name.column);
        let name = name
            .word()
            .ok_or_else(|| name.unexpected("an option or ';'"))?;
        self.symbol('=')?;
        let token = self.tokens.next()?;
        let value = token
            .word()
            .ok_or_else(|| token.unexpected("the option's value"))?;
        let value = match self.expand(&value) {
            Ok(value) => value,
            Err(message) => {
                self.errors.push(token.fault(message));
                value
            }
        };
        Ok(WrittenOption {
            name,
            value,
            line,
            column,
        })
    }

    fn symbol(&mut self, wanted: char) -> Result<(), FileError> {
        let token = self.tokens.next()?;
        if token.is(wanted) {
            Ok(())
        } else {
            Err(token.unexpected(&format!("'{wanted}'")))
        }
    }

    fn expand(&self, value: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = value;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                break;
            };
            let name = &rest[start + 2..start + length];
            match (name, (self.variable)(name)) {
                ("/", _) => out.push('/'),
                (_, Some(found)) => out.push_str(&found),
                (_, None) => return Err(format!("'${{{name}}}' is not defined")),
            }
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

impl WrittenModule {
    pub(crate) fn option(&self, name: &str) -> Option<&WrittenOption> {
        self.options.iter().rfind(|option| option.name == name)
    }

    /// Java reads anything but `true` as false; a word that is neither is refused by `unknown_options`.
    pub(crate) fn flag_option(&self, name: &str) -> bool {
        self.option(name)
            .is_some_and(|option| option.value.eq_ignore_ascii_case("true"))
    }
}

/// A question that names the known word probably meant.
pub(crate) fn hint<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, known)
        .map(|word| format!("; did you mean {word}?"))
        .unwrap_or_default()
}
