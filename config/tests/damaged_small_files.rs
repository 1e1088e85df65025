// SPDX-License-Identifier: Apache-2.0
//! An instance's small files after random damage: read or refused at a place in the text, never a panic. A failure
//! prints the seed and the text.

use hind_config::bootstrap::Bootstrap;
use hind_config::file_error::FileError;
use hind_config::log4j2::LogSettings;
use hind_config::login_config::LoginConfig;
use hind_config::properties_file::PropertiesFile;
use hind_config::users::{UserFiles, UserTable};

const USERS: &str =
    "# users\nann = ENC(1024:AB:CD)\n\n! more\njo\\ e : x\\u0041\\\n   y\nbob\tz\r\nlast=";
const LOGIN: &str = "/* c */\nactivemq {\n   org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule sufficient\n\
    debug=false // c\n       reload=true\n       org.apache.activemq.jaas.properties.user=\"u\\\"${x}\"\n\
    org.apache.activemq.jaas.properties.role=r;\n   org.apache.activemq.artemis.spi.core.security.jaas.GuestLoginModule required;\n};";
const BOOTSTRAP: &str = "<?xml version=\"1.0\"?>\n<broker xmlns=\"http://activemq.apache.org/schema\">\n  \
    <jaas-security domain=\"activemq\"/>\n  <server configuration=\"file:${x}/a%20b/é/broker.xml\"/>\n  <web path=\"web\"><!-- c -->\n\
    <binding name=\"artemis\"/></web>\n</broker>\n";
const LOG: &str = "monitorInterval = 5\nrootLogger.level = INFO\nrootLogger.appenderRef.c.ref = c\nlogger.a.name=org.a\n\
    logger.a.level=DEBUG\nlogger.b = WARN, c\nlogger.b.name = org.b\nappender.c.type=Console\nappender.c.layout.pattern=%d%n\n\
    appender.f.type = RollingFile\nappender.f.fileName = ${x:-d}/f.log\nappender.f.filePattern = f.%d{yyyy}\n";

/// What damage inserts: characters that mean something somewhere.
const SPLINTERS: [&str; 24] = [
    "\\",
    "\n",
    "\r",
    "=",
    ":",
    "\"",
    "'",
    "{",
    "}",
    ";",
    "${",
    "$",
    "<",
    ">",
    "&",
    "#",
    "%",
    "\u{0}",
    "é",
    "\\u00",
    "/*",
    "//",
    " ",
    "\u{1F600}",
];

/// xorshift64*, so that a seed is a whole run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).expect("31 bits")
            % end.max(1)
    }
}

fn damaged(text: &str, chance: &mut Chance) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=chance.below(4) {
        let at = chance.below(chars.len() + 1);
        match chance.below(5) {
            0 if at < chars.len() => drop(chars.remove(at)),
            1 => chars.truncate(at),
            2 => {
                let from = chance.below(chars.len() + 1);
                let piece: Vec<char> = chars[from.min(at)..from.max(at)].to_vec();
                chars.splice(at..at, piece);
            }
            _ => drop(
                chars
                    .splice(at..at, SPLINTERS[chance.below(SPLINTERS.len())].chars())
                    .count(),
            ),
        }
    }
    chars.into_iter().collect()
}

/// Reads 3,000 damaged texts; every fault must stand in its text. Both outcomes must have been seen.
fn read_damaged<T>(text: &str, read: impl Fn(&str) -> Result<T, Vec<FileError>>) {
    let (mut fine, mut refused) = (0, 0);
    for seed in 1..=3_000 {
        let damaged = damaged(text, &mut Chance(seed));
        let lines = u32::try_from(damaged.split(['\n', '\r']).count()).expect("few lines");
        match read(&damaged) {
            Ok(_) => fine += 1,
            Err(errors) => {
                refused += 1;
                assert!(
                    !errors.is_empty(),
                    "seed {seed}: refused without a reason: {damaged:?}"
                );
                for error in errors {
                    let inside = (1..=lines).contains(&error.line) && error.column >= 1;
                    assert!(
                        inside && !error.message.is_empty(),
                        "seed {seed}: {error} of {damaged:?}"
                    );
                }
            }
        }
    }
    assert!(fine > 0 && refused > 0, "{fine} read, {refused} refused");
}

fn variable(name: &str) -> Option<String> {
    (name == "x").then(|| "/i".to_owned())
}

#[test]
fn damaged_properties_are_read_as_written_or_refused() {
    read_damaged(USERS, |text| {
        let file = PropertiesFile::parse(text)?;
        assert_eq!(file.to_string(), text);
        let mut edited = file.clone();
        edited.set("new", "value");
        let again =
            PropertiesFile::parse(&edited.to_string()).expect("what is written can be read");
        let pairs = |file: &PropertiesFile| -> Vec<(String, String)> {
            file.entries()
                .map(|entry| (entry.key.to_owned(), entry.value.to_owned()))
                .collect()
        };
        assert_eq!(pairs(&again), pairs(&edited), "{text:?}");
        Ok(())
    });
}

#[test]
fn damaged_users_never_let_a_stranger_in() {
    read_damaged(USERS, |text| {
        let files = UserFiles::parse(text, text).map_err(|(users, _)| users)?;
        let table = UserTable::new(&files);
        for password in ["ENC(1024:AB:CD)", "\u{7f}"] {
            assert!(
                !matches!(
                    table.verify("ann", password),
                    hind_config::users::Verdict::Right { .. }
                ) || !text.contains("ann = ENC(1024:AB:CD)")
            );
        }
        Ok(())
    });
}

#[test]
fn damaged_login_config_is_read_or_refused() {
    read_damaged(LOGIN, |text| {
        LoginConfig::parse(text, &variable)?.realm("activemq")
    });
}

#[test]
fn damaged_bootstrap_is_read_or_refused() {
    read_damaged(BOOTSTRAP, |text| Bootstrap::parse(text, &variable));
}

#[test]
fn damaged_log_settings_are_read_or_refused() {
    read_damaged(LOG, |text| LogSettings::parse(text, &variable));
}
