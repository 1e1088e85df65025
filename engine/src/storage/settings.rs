// SPDX-License-Identifier: Apache-2.0
//! What broker.xml says about the journal (manual, chapter Persistence).

/// The journal's settings. Defaults are those of the manual.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalSettings {
    /// `journal-file-size`, bytes of one segment.
    pub file_size: u64,
    /// `journal-compact-min-files`: 0 = never clean; any other number allows it.
    pub compact_min_files: u32,
    /// `journal-compact-percentage`. Kept for broker.xml; what rules is that the log never exceeds twice what is live
    /// plus two segments.
    pub compact_percentage: u8,
    /// `journal-pool-files`: how many released files the host keeps for reuse; −1 = all.
    pub pool_files: i32,
    /// `journal-datasync`: the host really calls `fdatasync`.
    pub datasync: bool,
    /// `persistence-enabled`: without it nothing is ever written, and everything appended counts as stored.
    pub persistence: bool,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            file_size: 10 * 1024 * 1024,
            compact_min_files: 10,
            compact_percentage: 30,
            pool_files: -1,
            datasync: true,
            persistence: true,
        }
    }
}
