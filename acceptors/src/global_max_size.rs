// SPDX-License-Identifier: Apache-2.0
//! `global-max-size`: how many bytes of messages may be in memory before every address follows its full policy.

use hind_config::paging::{COMPUTED_GLOBAL_MAX_SIZE, GlobalMaxSize as Written};
use hind_config::{Effective, Origin, Settings};

use crate::host::lines::Line;
use crate::host::memory::Memory;

/// What is on its way is at most so much, in bytes, however much memory there is.
const BACKLOG_MAX: u64 = 64 << 20;
/// And it may be so much, however little there is.
const BACKLOG_MIN: u64 = 1 << 20;
/// What is on its way may take this part of what messages in memory may take.
const BACKLOG_SHARE: u64 = 8;

/// The limit in force, and where it comes from.
///
/// Artemis takes half of what the JVM may have (manual, chapter Paging, "Global Max Size"); Hind takes half of what
/// the machine has or a control group allows, whichever is less.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GlobalMaxSize {
    /// The limit; `None` when none is written and the memory is not known.
    pub bytes: Option<u64>,
    origin: Origin,
    memory: Option<Memory>,
}

impl GlobalMaxSize {
    /// The limit of these settings on this machine.
    pub fn of(settings: &Settings) -> Self {
        Self::within(settings, Memory::granted())
    }

    /// The limit of these settings with so much memory.
    pub fn within(settings: &Settings, memory: Option<Memory>) -> Self {
        let (bytes, origin) = match settings.limits.global_max_size {
            Written::Bytes(bytes) => (Some(bytes), written(settings)),
            Written::PercentOfMemory(percent) => {
                let share = memory.as_ref().map(|memory| share(memory.bytes, percent));
                let whole = memory
                    .as_ref()
                    .map_or("a memory that is not known".to_owned(), Memory::to_string);
                (share, Origin::Computed(format!("{percent}% of {whole}")))
            }
        };
        Self {
            bytes,
            origin,
            memory,
        }
    }

    /// How many bytes may be on their way to the node or to the disk: little of what messages may take, because nothing
    /// counts them there, and never more than [`BACKLOG_MAX`].
    pub fn backlog_limit(&self) -> u64 {
        let share = self.bytes.map_or(u64::MAX, |bytes| bytes / BACKLOG_SHARE);
        share.clamp(BACKLOG_MIN, BACKLOG_MAX)
    }

    /// What is said of it at start; a warning when it limits nothing.
    pub fn lines(&self) -> Vec<Line> {
        let Some(bytes) = self.bytes else {
            return vec![Line::server_warn(
                "the memory of this machine is not known: global-max-size is unlimited unless it is written"
                    .to_owned(),
            )];
        };
        let said = format!(
            "AMQ221057: Global Max Size is being defined as {bytes} bytes ({})",
            self.origin
        );
        let mut lines = vec![Line::server_info(said)];
        if let Some(memory) = self.memory.as_ref().filter(|memory| bytes > memory.bytes) {
            lines.push(Line::server_warn(format!(
                "AMQ222205: OutOfMemoryError possible! global-max-size is {bytes} bytes, but there are only {memory}"
            )));
        }
        lines
    }

    /// The values in force with the number in the place of what it is computed from.
    pub fn effective(&self, settings: &Settings) -> Vec<Effective> {
        let mut effective = settings.effective().to_vec();
        let computed = effective
            .iter_mut()
            .find(|value| value.name == COMPUTED_GLOBAL_MAX_SIZE);
        if let (Some(value), Some(bytes)) = (computed, self.bytes) {
            value.value = bytes.to_string();
            value.origin = self.origin.clone();
        }
        effective
    }
}

/// So many percent, rounded down.
fn share(bytes: u64, percent: u8) -> u64 {
    let share = u128::from(bytes) * u128::from(percent) / 100;
    u64::try_from(share).unwrap_or(u64::MAX)
}

/// Where `global-max-size` is written.
fn written(settings: &Settings) -> Origin {
    let value = settings
        .effective()
        .iter()
        .find(|value| value.name == "global-max-size");
    value.map_or(Origin::Default, |value| value.origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::lines::Level;
    use crate::host::memory::MemorySource;

    fn settings(inside: &str) -> Settings {
        let text = format!(
            "<configuration><core xmlns=\"urn:activemq:core\">\n{inside}</core></configuration>"
        );
        let loaded = hind_config::load("broker.xml", &mut |_| Ok(text.clone()), &|_| None);
        loaded.expect("valid").settings
    }

    fn memory(bytes: u64) -> Option<Memory> {
        Some(Memory {
            bytes,
            source: MemorySource::ControlGroup("/g/memory.max".into()),
        })
    }

    #[test]
    fn nothing_written_is_half_of_the_memory() {
        let settings = settings("");
        let size = GlobalMaxSize::within(&settings, memory(128 << 20));
        let origin = "50% of 134217728 bytes allowed by /g/memory.max";
        assert_eq!(
            size.lines(),
            [Line::server_info(format!(
                "AMQ221057: Global Max Size is being defined as 67108864 bytes ({origin})"
            ))]
        );
        let effective = size.effective(&settings);
        let value = effective
            .iter()
            .find(|value| value.name == COMPUTED_GLOBAL_MAX_SIZE)
            .expect("in force");
        assert_eq!(
            (value.value.as_str(), value.origin.to_string().as_str()),
            ("67108864", origin)
        );
    }

    #[test]
    fn what_is_written_rules_and_more_than_there_is_warns() {
        let settings = settings("<global-max-size>100M</global-max-size>");
        let roomy = GlobalMaxSize::within(&settings, memory(128 << 20));
        assert_eq!(
            roomy.lines(),
            [Line::server_info(
                "AMQ221057: Global Max Size is being defined as 104857600 bytes (broker.xml:2)"
                    .to_owned()
            )]
        );
        let lines = GlobalMaxSize::within(&settings, memory(64 << 20)).lines();
        assert_eq!(lines[1].level, Level::Warn);
        assert_eq!(
            lines[1].text,
            "AMQ222205: OutOfMemoryError possible! global-max-size is 104857600 bytes, but there are only 67108864 \
             bytes allowed by /g/memory.max"
        );
    }

    #[test]
    fn what_is_on_its_way_follows_the_memory() {
        let backlog = |mebibytes: u64| {
            let size = GlobalMaxSize::within(&settings(""), memory(mebibytes << 20));
            size.backlog_limit() >> 20
        };
        assert_eq!(backlog(128), 8);
        assert_eq!((backlog(4), backlog(1 << 20)), (1, 64));
        let unknown = GlobalMaxSize::within(&settings(""), None);
        assert_eq!(unknown.backlog_limit(), BACKLOG_MAX);
    }

    #[test]
    fn another_share_may_be_asked_for_and_without_a_known_memory_there_is_no_limit() {
        let settings = settings(
            "<global-max-size-percent-of-jvm-max-memory>25</global-max-size-percent-of-jvm-max-memory>",
        );
        assert_eq!(
            GlobalMaxSize::within(&settings, memory(1000)).bytes,
            Some(250)
        );
        let unknown = GlobalMaxSize::within(&settings, None);
        assert_eq!(
            (unknown.bytes, unknown.lines()[0].level),
            (None, Level::Warn)
        );
    }
}
