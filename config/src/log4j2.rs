// SPDX-License-Identifier: Apache-2.0
//! `log4j2.properties`: levels of loggers, and the appenders they write to, as far as they mean something without Log4j.

use crate::file_error::FileError;
use crate::nearest::nearest;
use crate::properties_file::{Entry, PropertiesFile};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// Log levels, quietest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Off,
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    All,
}

impl Level {
    const NAMES: [(&'static str, Self); 8] = [
        ("OFF", Self::Off),
        ("FATAL", Self::Fatal),
        ("ERROR", Self::Error),
        ("WARN", Self::Warn),
        ("INFO", Self::Info),
        ("DEBUG", Self::Debug),
        ("TRACE", Self::Trace),
        ("ALL", Self::All),
    ];
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
        found.map(|(_, level)| *level).ok_or_else(|| {
            let known = Self::NAMES.map(|(name, _)| name);
            let meant = nearest(text, known)
                .map(|word| format!("; did you mean {word}?"))
                .unwrap_or_default();
            format!(
                "'{text}' is not a log level: one of {} is expected{meant}",
                known.join(", ")
            )
        })
    }
}

/// A whole `log4j2.properties`, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The logger whose name is empty.
    pub root: Logger,
    /// Ordered by name; the longest name that is a dotted prefix of a logger's own decides.
    pub loggers: Vec<Logger>,
    /// Appenders of known kinds, by the name that loggers refer to.
    pub appenders: Vec<Appender>,
    /// How often the file is looked at for changes; `None` is never.
    pub monitor_interval: Option<Duration>,
    /// Keys without effect here, for the log.
    pub notes: Vec<FileError>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logger {
    pub name: String,
    /// `None` takes the level of the next shorter name.
    pub level: Option<Level>,
    /// Names of appenders.
    pub appenders: Vec<String>,
    /// Whether its lines go to the appenders of shorter names too.
    pub additive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appender {
    pub name: String,
    pub target: Target,
    /// Pattern layout, in Log4j's conversion words.
    pub pattern: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stdout,
    Stderr,
    File {
        path: String,
        /// Name of a finished file, with `%d{…}` in it; `None` is a file that grows.
        rolled: Option<String>,
    },
}

/// The layout of an appender that writes none, as Log4j's own.
const DEFAULT_PATTERN: &str = "%m%n";

impl LogSettings {
    /// The effective level of a logger.
    pub fn level_of(&self, logger: &str) -> Level {
        let is_prefix = |name: &str| {
            logger
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.loggers
            .iter()
            .filter(|known| known.level.is_some() && is_prefix(&known.name))
            .max_by_key(|known| known.name.len())
            .and_then(|known| known.level)
            .or(self.root.level)
            .unwrap_or(Level::Error)
    }

    /// Reads the text. `${sys:name}`, `${env:name}` and `${name}` are looked up by `variable`, which is given the text
    /// between the braces, after the file's own `property.name` keys; `:-` introduces a default.
    ///
    /// # Errors
    /// A level that is none, a broken reference, an appender that cannot be written to.
    pub fn parse(
        text: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<FileError>> {
        let file = PropertiesFile::parse(text)?;
        let mut reader = Reader {
            file: &file,
            variable,
            errors: Vec::new(),
            notes: Vec::new(),
        };
        let mut groups = Groups::default();
        let mut monitor_interval = None;
        for entry in file.entries() {
            let value = reader.expand(entry);
            match entry.key.split_once('.').unwrap_or((entry.key, "")) {
                ("rootLogger", rest) => groups.root.push(Setting {
                    path: rest,
                    value,
                    line: entry.line,
                }),
                ("logger", rest) => push(&mut groups.loggers, rest, value, entry.line),
                ("appender", rest) => push(&mut groups.appenders, rest, value, entry.line),
                ("property", _) | ("status" | "name", "") => {}
                ("monitorInterval", "") => match value.trim().parse::<u64>() {
                    Ok(seconds) => {
                        monitor_interval = (seconds > 0).then(|| Duration::from_secs(seconds))
                    }
                    Err(_) => reader.fault(
                        entry.line,
                        format!("monitorInterval: '{value}' is not a number of seconds"),
                    ),
                },
                _ => reader.no_effect(entry.key, entry.line),
            }
        }
        let root = reader
            .logger("rootLogger", &groups.root)
            .unwrap_or_else(|| reader.no_logger());
        let loggers = groups
            .loggers
            .iter()
            .filter_map(|(id, group)| reader.logger(&format!("logger.{id}"), group));
        let mut loggers: Vec<Logger> = loggers.collect();
        loggers.sort_by(|a, b| a.name.cmp(&b.name));
        let appenders: Vec<Appender> = groups
            .appenders
            .iter()
            .filter_map(|(id, group)| reader.appender(id, group))
            .collect();
        reader.check_references(&groups, &root, &loggers);
        reader.notes.sort_by_key(|note| note.line);
        if reader.errors.is_empty() {
            Ok(Self {
                root,
                loggers,
                appenders,
                monitor_interval,
                notes: reader.notes,
            })
        } else {
            reader.errors.sort_by_key(|error| error.line);
            Err(reader.errors)
        }
    }
}

/// The keys of a file by what they configure.
#[derive(Default)]
struct Groups<'a> {
    root: Vec<Setting<'a>>,
    loggers: BTreeMap<&'a str, Vec<Setting<'a>>>,
    appenders: BTreeMap<&'a str, Vec<Setting<'a>>>,
}

/// `logger.ID.path = value`
struct Setting<'a> {
    path: &'a str,
    value: String,
    line: u32,
}

fn push<'a>(
    groups: &mut BTreeMap<&'a str, Vec<Setting<'a>>>,
    rest: &'a str,
    value: String,
    line: u32,
) {
    let (id, path) = rest.split_once('.').unwrap_or((rest, ""));
    groups
        .entry(id)
        .or_default()
        .push(Setting { path, value, line });
}

struct Reader<'a> {
    file: &'a PropertiesFile,
    variable: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<FileError>,
    notes: Vec<FileError>,
}

impl Reader<'_> {
    fn logger(&mut self, id: &str, group: &[Setting<'_>]) -> Option<Logger> {
        if group.is_empty() {
            return None;
        }
        let mut logger = self.no_logger();
        for Setting { path, value, line } in group {
            match *path {
                // `logger.ID = LEVEL, appender…`
                "" => {
                    let mut parts = value.split(',').map(str::trim);
                    let level = parts.next().unwrap_or_default();
                    if !level.is_empty() {
                        logger.level = self.level(id, level, *line);
                    }
                    logger.appenders.extend(parts.map(str::to_owned));
                }
                "name" => logger.name.clone_from(value),
                "level" => logger.level = self.level(&format!("{id}.level"), value, *line),
                "additivity" => logger.additive = !value.trim().eq_ignore_ascii_case("false"),
                "type" => {}
                path if path.starts_with("appenderRef.") && path.ends_with(".ref") => {
                    logger.appenders.push(value.trim().to_owned());
                }
                path => self.no_effect(&format!("{id}.{path}"), *line),
            }
        }
        if id != "rootLogger" && logger.name.is_empty() {
            self.fault(
                group[0].line,
                format!("{id} has no name: {id}.name is expected"),
            );
            return None;
        }
        Some(logger)
    }

    fn no_logger(&self) -> Logger {
        Logger {
            name: String::new(),
            level: None,
            appenders: Vec::new(),
            additive: true,
        }
    }

    fn level(&mut self, key: &str, value: &str, line: u32) -> Option<Level> {
        value
            .parse()
            .map_err(|message| self.fault(line, format!("{key}: {message}")))
            .ok()
    }

    fn appender(&mut self, id: &str, group: &[Setting<'_>]) -> Option<Appender> {
        let get = |path: &str| {
            group
                .iter()
                .rfind(|setting| setting.path == path)
                .map(|setting| setting.value.trim())
        };
        let line = group.first().map_or(0, |setting| setting.line);
        let target = match get("type").map(str::to_lowercase).as_deref() {
            Some("console")
                if get("target")
                    .is_some_and(|target| target.eq_ignore_ascii_case("SYSTEM_ERR")) =>
            {
                Target::Stderr
            }
            Some("console") => Target::Stdout,
            Some(
                kind @ ("file" | "rollingfile" | "rollingrandomaccessfile" | "randomaccessfile"),
            ) => {
                let Some(path) = get("fileName").filter(|path| !path.is_empty()) else {
                    self.fault(line, format!("appender.{id} needs fileName"));
                    return None;
                };
                let rolled = get("filePattern")
                    .filter(|_| kind.starts_with("rolling"))
                    .map(str::to_owned);
                Target::File {
                    path: path.to_owned(),
                    rolled,
                }
            }
            kind => {
                let kind = kind.unwrap_or("without a type").to_owned();
                self.notes.push(FileError::at(
                    line,
                    1,
                    format!("appender.{id}: an appender {kind} has no effect here"),
                ));
                return None;
            }
        };
        if let Some(layout) =
            get("layout.type").filter(|layout| !layout.eq_ignore_ascii_case("PatternLayout"))
        {
            let message = format!(
                "appender.{id}.layout.type: {layout} has no effect here; lines are written by a pattern"
            );
            self.notes.push(FileError::at(line, 1, message));
        }
        for setting in group
            .iter()
            .filter(|setting| !is_appender_key(setting.path))
        {
            self.no_effect(&format!("appender.{id}.{}", setting.path), setting.line);
        }
        let pattern = get("layout.pattern").unwrap_or(DEFAULT_PATTERN).to_owned();
        Some(Appender {
            name: get("name").unwrap_or(id).to_owned(),
            target,
            pattern,
        })
    }

    /// A logger that writes to an appender nobody defines loses its lines.
    fn check_references(&mut self, groups: &Groups<'_>, root: &Logger, loggers: &[Logger]) {
        let named = |id: &str, group: &[Setting<'_>]| {
            group
                .iter()
                .rfind(|setting| setting.path == "name")
                .map_or(id.to_owned(), |setting| setting.value.trim().to_owned())
        };
        let defined: Vec<String> = groups
            .appenders
            .iter()
            .map(|(id, group)| named(id, group))
            .collect();
        let references = groups.root.iter().chain(groups.loggers.values().flatten());
        let line_of = |name: &str| {
            let found = references
                .clone()
                .find(|setting| setting.value.contains(name));
            found.map_or(1, |setting| setting.line)
        };
        for name in root
            .appenders
            .iter()
            .chain(loggers.iter().flat_map(|logger| &logger.appenders))
        {
            if !defined.contains(name) {
                self.fault(line_of(name), format!("appender '{name}' is not defined"));
            }
        }
    }

    fn expand(&mut self, entry: Entry<'_>) -> String {
        let mut out = String::new();
        let mut rest = entry.value;
        // `$${…}` is left to the moment of logging by Log4j; here it means nothing different.
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else {
                break;
            };
            out.push_str(before.strip_suffix('$').unwrap_or(before));
            let (name, default) = name
                .split_once(":-")
                .map_or((name, None), |(name, default)| (name, Some(default)));
            let own = self
                .file
                .get(&format!("property.{name}"))
                .filter(|own| !own.contains("${"))
                .map(str::to_owned);
            match own
                .or_else(|| (self.variable)(name))
                .or(default.map(str::to_owned))
            {
                Some(value) => out.push_str(&value),
                None => self.fault(
                    entry.line,
                    format!("{}: '${{{name}}}' is not defined", entry.key),
                ),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn no_effect(&mut self, key: &str, line: u32) {
        self.notes
            .push(FileError::at(line, 1, format!("{key} has no effect here")));
    }

    fn fault(&mut self, line: u32, message: String) {
        self.errors.push(FileError::at(line, 1, message));
    }
}

/// Rolling policies are read as "daily", which is what they are in the files that `create` writes.
fn is_appender_key(path: &str) -> bool {
    matches!(
        path,
        "type"
            | "name"
            | "target"
            | "fileName"
            | "filePattern"
            | "layout.type"
            | "layout.pattern"
            | "append"
    ) || path.starts_with("policies.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "monitorInterval = 5\n\
        rootLogger.level = INFO\n\
        rootLogger.appenderRef.console.ref = console\n\
        rootLogger.appenderRef.log_file.ref = log_file\n\
        logger.activemq.name=org.apache.activemq\n\
        logger.activemq.level=warn\n\
        logger.server.name=org.apache.activemq.artemis.core.server\n\
        logger.server.level=DEBUG\n\
        logger.audit_base.name = org.apache.activemq.audit.base\n\
        logger.audit_base.level = OFF\n\
        logger.audit_base.appenderRef.f.ref = log_file\n\
        logger.audit_base.additivity = false\n\
        appender.console.type=Console\n\
        appender.console.name=console\n\
        appender.console.layout.type=PatternLayout\n\
        appender.console.layout.pattern=%d %-5level [%logger] %msg%n\n\
        appender.log_file.type = RollingFile\n\
        appender.log_file.name = log_file\n\
        appender.log_file.fileName = ${sys:artemis.instance}/log/artemis.log\n\
        appender.log_file.filePattern = ${sys:artemis.instance}/log/artemis.log.%d{yyyy-MM-dd}\n\
        appender.log_file.policies.type = Policies\n";

    fn read(text: &str) -> Result<LogSettings, Vec<FileError>> {
        LogSettings::parse(text, &|name| {
            (name == "sys:artemis.instance").then(|| "/i".to_owned())
        })
    }

    #[test]
    fn what_create_writes_is_understood_without_a_note() {
        let settings = read(CREATED).expect("valid");
        assert_eq!(settings.notes, []);
        assert_eq!(settings.monitor_interval, Some(Duration::from_secs(5)));
        assert_eq!(settings.root.appenders, ["console", "log_file"]);
        let audit = settings
            .loggers
            .iter()
            .find(|logger| logger.name.ends_with("audit.base"))
            .expect("audit");
        assert_eq!(
            (audit.additive, audit.appenders.as_slice()),
            (false, ["log_file".to_owned()].as_slice())
        );
        let file = settings
            .appenders
            .iter()
            .find(|appender| appender.name == "log_file")
            .expect("file");
        let rolled = Some("/i/log/artemis.log.%d{yyyy-MM-dd}".to_owned());
        assert_eq!(
            file.target,
            Target::File {
                path: "/i/log/artemis.log".into(),
                rolled
            }
        );
        assert_eq!(
            settings.appenders[0].pattern,
            "%d %-5level [%logger] %msg%n"
        );
    }

    #[test]
    fn the_longest_dotted_prefix_decides_the_level() {
        let settings = read(CREATED).expect("valid");
        let rows = [
            ("org.apache.activemq.artemis.core.server", Level::Debug),
            ("org.apache.activemq.artemis.core.server.impl", Level::Debug),
            ("org.apache.activemq.artemis.core.serverless", Level::Warn),
            ("org.apache.activemq.audit.base", Level::Off),
            ("org.example", Level::Info),
        ];
        for (logger, level) in rows {
            assert_eq!(settings.level_of(logger), level, "{logger}");
        }
    }

    #[test]
    fn short_forms_properties_and_defaults_are_read() {
        let text = "property.where = /var\nrootLogger = WARN, out\nlogger.a = TRACE\nlogger.a.name = x\n\
                    appender.out.type = File\nappender.out.fileName = ${where}/${env:NAME:-fallback}.log\n";
        let settings = read(text).expect("valid");
        assert_eq!(
            (settings.root.level, settings.level_of("x.y")),
            (Some(Level::Warn), Level::Trace)
        );
        assert_eq!(
            settings.appenders[0].target,
            Target::File {
                path: "/var/fallback.log".into(),
                rolled: None
            }
        );
        assert_eq!(settings.appenders[0].pattern, "%m%n");
    }

    #[test]
    fn what_has_no_effect_is_noted_with_its_line() {
        let text = "rootLogger.level = INFO\nfilter.x.type = Y\nrootLogger.includeLocation = true\n\
                    appender.jms.type = JMS\nappender.c.type = Console\nappender.c.filter.type = Z\n";
        let notes: Vec<(u32, String)> = read(text)
            .expect("valid")
            .notes
            .into_iter()
            .map(|note| (note.line, note.message))
            .collect();
        assert_eq!(
            notes.iter().map(|note| note.0).collect::<Vec<_>>(),
            [2, 3, 4, 6],
            "{notes:?}"
        );
    }

    #[test]
    fn faults_are_reported_together_in_the_order_of_the_file() {
        let text = "rootLogger.level = INFOO\nmonitorInterval = often\nlogger.a.level = INFO\n\
                    rootLogger.appenderRef.x.ref = nowhere\nappender.f.type = File\nappender.g.fileName = ${sys:nope}\n";
        let errors = read(text).expect_err("faults");
        let lines: Vec<u32> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6], "{errors:?}");
        assert!(
            errors[0].message.ends_with("did you mean INFO?"),
            "{}",
            errors[0]
        );
    }
}
