// SPDX-License-Identifier: Apache-2.0
//! The log: lines on stdout and in a file that is rolled every day, in log4j's pattern
//! `%d %-5level [%logger] %msg%n`, or as JSON.

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Zoned;
use jiff::civil::Date;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
pub use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// What is logged, and where to.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Levels by logger name; a name also stands for all names that continue it after a dot.
    pub levels: Vec<(String, LevelFilter)>,
    /// The level of all other loggers.
    pub root: LevelFilter,
    /// Whether lines go to stdout.
    pub stdout: bool,
    /// A file lines go to as well, rolled every day to `<file>.<date>`.
    pub file: Option<PathBuf>,
    /// JSON instead of log4j's pattern.
    pub json: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            levels: Vec::new(),
            root: LevelFilter::INFO,
            stdout: true,
            file: None,
            json: false,
        }
    }
}

/// Installs the log for the whole process. The first one installed stays.
///
/// # Errors
/// The file cannot be opened, or a log is installed already.
pub fn install(options: LogOptions) -> io::Result<()> {
    let mut outputs: Vec<Box<dyn Output>> = Vec::new();
    if options.stdout {
        outputs.push(Box::new(io::stdout()));
    }
    if let Some(file) = &options.file {
        outputs.push(Box::new(DailyFile::open(file)?));
    }
    let log = Log::new(options, outputs);
    let subscriber = tracing_subscriber::registry().with(log);
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)
}

/// Where lines go.
trait Output: Send {
    /// Writes one line. `today` is the day on which it was written.
    fn line(&mut self, today: Date, line: &str) -> io::Result<()>;
}

impl Output for io::Stdout {
    fn line(&mut self, _today: Date, line: &str) -> io::Result<()> {
        self.write_all(line.as_bytes())?;
        self.flush()
    }
}

/// A file that is rolled every day.
struct DailyFile {
    path: PathBuf,
    file: File,
    day: Date,
}

impl DailyFile {
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let meta = file.metadata()?;
        let day = match meta.modified() {
            Ok(modified) if meta.len() > 0 => Zoned::try_from(modified).map(|it| it.date()),
            _ => Ok(Zoned::now().date()),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            day: day.map_err(io::Error::other)?,
        })
    }

    fn roll(&mut self, today: Date) -> io::Result<()> {
        let mut rolled = self.path.clone().into_os_string();
        rolled.push(format!(".{}", self.day));
        fs::rename(&self.path, rolled)?;
        self.file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        self.day = today;
        Ok(())
    }
}

impl Output for DailyFile {
    fn line(&mut self, today: Date, line: &str) -> io::Result<()> {
        if today != self.day {
            self.roll(today)?;
        }
        self.file.write_all(line.as_bytes())
    }
}

/// The layer that writes lines.
struct Log {
    options: LogOptions,
    outputs: Mutex<Vec<Box<dyn Output>>>,
}

impl Log {
    fn new(mut options: LogOptions, outputs: Vec<Box<dyn Output>>) -> Self {
        // The most specific name first.
        options
            .levels
            .sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self {
            options,
            outputs: Mutex::new(outputs),
        }
    }

    fn level_of(&self, logger: &str) -> LevelFilter {
        let levels = &self.options.levels;
        let matching = levels.iter().find(|(name, _)| {
            logger
                .strip_prefix(name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        matching.map_or(self.options.root, |(_, level)| *level)
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.level_of(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let levels = self.options.levels.iter().map(|(_, level)| *level);
        levels.chain([self.options.root]).max()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let now = Zoned::now();
        let meta = event.metadata();
        let line = if self.options.json {
            json_line(&now, *meta.level(), meta.target(), &message.0)
        } else {
            pattern_line(&now, *meta.level(), meta.target(), &message.0)
        };
        for output in self.outputs.lock().iter_mut() {
            // A log that cannot be written must not stop the broker, and there is nowhere to say so.
            let _ = output.line(now.date(), &line);
        }
    }
}

/// The text of an event; other fields follow it as `name=value`.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        debug_assert!(written.is_ok(), "a String takes everything");
    }
}

/// `%d %-5level [%logger] %msg%n`. What a client sent cannot begin a line of its own.
fn pattern_line(now: &Zoned, level: Level, logger: &str, message: &str) -> String {
    let mut line = format!(
        "{},{:03} {level:<5} [{logger}] ",
        now.strftime("%Y-%m-%d %H:%M:%S"),
        now.millisecond()
    );
    for c in message.chars() {
        if c.is_control() && c != '\t' {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

fn json_line(now: &Zoned, level: Level, logger: &str, message: &str) -> String {
    let mut line = format!(
        "{{\"timestamp\":\"{}.{:03}{}\",\"level\":\"{level}\",\"logger\":\"{logger}\"",
        now.strftime("%Y-%m-%dT%H:%M:%S"),
        now.millisecond(),
        now.strftime("%:z")
    );
    let id = message.split_once(':').map(|(id, _)| id);
    if let Some(id) = id.filter(|id| id.len() == 9 && id.starts_with("AMQ")) {
        line.push_str(",\"id\":\"");
        line.push_str(id);
        line.push('"');
    }
    line.push_str(",\"message\":\"");
    for c in message.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            c if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line.push_str("\"}\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Output for Kept {
        fn line(&mut self, _: Date, line: &str) -> io::Result<()> {
            self.0.lock().push(line.to_owned());
            Ok(())
        }
    }

    fn moment() -> Zoned {
        "2026-11-22T03:04:05.006+01:00[Europe/Vienna]"
            .parse()
            .expect("a moment")
    }

    #[test]
    fn lines_have_log4js_pattern() {
        assert_eq!(
            pattern_line(
                &moment(),
                Level::INFO,
                "a.b",
                "AMQ221007: Server is now active"
            ),
            "2026-11-22 03:04:05,006 INFO  [a.b] AMQ221007: Server is now active\n"
        );
        assert_eq!(
            pattern_line(&moment(), Level::ERROR, "a", "user \"x\n2026 INFO\u{7}\""),
            "2026-11-22 03:04:05,006 ERROR [a] user \"x\\n2026 INFO\\u{7}\"\n"
        );
    }

    #[test]
    fn json_lines_carry_the_id_apart() {
        assert_eq!(
            json_line(&moment(), Level::WARN, "a.b", "AMQ222149: \"q\"\n"),
            "{\"timestamp\":\"2026-11-22T03:04:05.006+01:00\",\"level\":\"WARN\",\"logger\":\"a.b\",\
             \"id\":\"AMQ222149\",\"message\":\"AMQ222149: \\\"q\\\"\\u000a\"}\n"
        );
    }

    #[test]
    fn the_most_specific_logger_decides_what_is_logged() {
        let kept = Kept::default();
        let options = LogOptions {
            levels: vec![
                ("org.a".to_owned(), LevelFilter::WARN),
                ("org.a.core".to_owned(), LevelFilter::DEBUG),
                ("org.b".to_owned(), LevelFilter::OFF),
            ],
            ..LogOptions::default()
        };
        let log = Log::new(options, vec![Box::new(kept.clone())]);
        let subscriber = tracing_subscriber::registry().with(log);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "org.a", "too fine");
            tracing::warn!(target: "org.a", "one");
            tracing::debug!(target: "org.a.core.server", "two");
            tracing::info!(target: "org.a.corex", "another name");
            tracing::error!(target: "org.b.c", "off");
            tracing::info!(target: "elsewhere", "three");
        });
        let lines = kept.0.lock();
        let texts: Vec<_> = lines
            .iter()
            .map(|line| line.rsplit("] ").next().unwrap_or_default().trim_end())
            .collect();
        assert_eq!(texts, ["one", "two", "three"]);
    }

    #[test]
    fn a_file_is_rolled_when_the_day_changes() {
        let directory = std::env::temp_dir().join(format!("hind-log-{}", std::process::id()));
        let path = directory.join("artemis.log");
        let _ = fs::remove_dir_all(&directory);
        let mut file = DailyFile::open(&path).expect("opens");
        let today = file.day;
        let tomorrow = today.tomorrow().expect("there is one");
        file.line(today, "old\n").expect("writes");
        file.line(tomorrow, "new\n").expect("writes");
        let rolled = directory.join(format!("artemis.log.{today}"));
        assert_eq!(fs::read_to_string(rolled).expect("rolled"), "old\n");
        assert_eq!(fs::read_to_string(&path).expect("fresh"), "new\n");
        fs::remove_dir_all(&directory).expect("cleans up");
    }
}
