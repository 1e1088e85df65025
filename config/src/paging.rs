// SPDX-License-Identifier: Apache-2.0
//! Limits of memory and disk that hold for the whole broker.

use std::time::Duration;

use crate::error::{Effective, Findings, Level, Origin};
use crate::reader::Reader;
use crate::xml::Element;

/// The value in force that says what `global-max-size` comes to where nobody wrote it. Who knows the memory puts the
/// number in the place of the percentage.
pub const COMPUTED_GLOBAL_MAX_SIZE: &str = "global-max-size (computed)";

/// How much memory messages may take altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalMaxSize {
    /// So many bytes.
    Bytes(u64),
    /// So many percent of the memory that the host grants the broker (there being no JVM maximum).
    PercentOfMemory(u8),
}

/// Limits of memory and disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in memory before every address follows its full policy.
    pub global_max_size: GlobalMaxSize,
    /// Messages in memory before every address follows its full policy; `None`: no limit.
    pub global_max_messages: Option<u64>,
    /// Percent of the disk in use before producers are blocked; `None`: no limit.
    pub max_disk_usage: Option<u8>,
    /// Bytes free on the disk below which producers are blocked; where given it rules instead of `max_disk_usage`.
    pub min_disk_free: Option<u64>,
    /// How often the disk is looked at; `None`: never.
    pub disk_scan_period: Option<Duration>,
    /// The longest wait before page files are forced to the disk; written in nanoseconds.
    pub page_sync_timeout: Duration,
}

pub(crate) fn read(core: &Element, buffer_timeout: Duration, findings: &mut Findings) -> Limits {
    let global_max_size = global_max_size(core, findings);
    overridden(core, findings);
    let mut reader = Reader::new(Some(core), "", findings);
    let page_sync_timeout = u64::try_from(buffer_timeout.as_nanos()).unwrap_or(u64::MAX);
    Limits {
        global_max_size,
        global_max_messages: reader.limit("global-max-messages", None),
        max_disk_usage: reader.limit("max-disk-usage", Some(90)),
        min_disk_free: reader.byte_limit("min-disk-free", None),
        disk_scan_period: reader.optional_millis("disk-scan-period", Some(Duration::from_secs(5))),
        page_sync_timeout: Duration::from_nanos(
            reader.number("page-sync-timeout", page_sync_timeout),
        ),
    }
}

/// Where `min-disk-free` is written `max-disk-usage` does not count (manual, chapter Paging, "Minimum Disk Free").
fn overridden(core: &Element, findings: &mut Findings) {
    let free = core.child("min-disk-free").filter(|free| free.text != "-1");
    let usage = core.child("max-disk-usage");
    if let (Some(free), Some(usage)) = (free, usage.filter(|usage| usage.text != "-1")) {
        let text = format!(
            "AMQ224130: The min-disk-free value {} will override the max-disk-usage value {} since both are set.",
            free.text, usage.text
        );
        findings.note(Level::Info, &usage.text_position, &usage.name, text);
    }
}

/// `global-max-size` rules unless it is absent or −1.
fn global_max_size(core: &Element, findings: &mut Findings) -> GlobalMaxSize {
    let mut reader = Reader::new(Some(core), "", findings);
    if let Some(bytes) = reader.byte_limit("global-max-size", None) {
        return GlobalMaxSize::Bytes(bytes);
    }
    let percent = reader.number("global-max-size-percent-of-jvm-max-memory", 50_u8);
    let origin = reader.written("global-max-size-percent-of-jvm-max-memory");
    let origin = origin.map_or(Origin::Default, |(_, position)| {
        Origin::Written(position.clone())
    });
    let value = format!("{percent} % of the memory");
    findings.effective.push(Effective {
        name: COMPUTED_GLOBAL_MAX_SIZE.to_owned(),
        value,
        origin,
    });
    GlobalMaxSize::PercentOfMemory(percent)
}
