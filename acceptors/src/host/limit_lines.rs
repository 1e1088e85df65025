// SPDX-License-Identifier: Apache-2.0
//! What the log says of limits: memory, pages, the disk.

use std::fmt;

use hind_engine::notice::{DiskLimit, Fill, Notice, PageLimit};
use hind_ha::input::DiskUsage;

use super::lines::Line;

/// The line for a notice about a limit; `None` if it is about something else. `disk` is the disk when it was last
/// measured.
pub fn line(notice: &Notice, disk: Option<DiskUsage>) -> Option<Line> {
    Some(match notice {
        Notice::DiskFull(limit) => disk_full(*limit, disk),
        Notice::DiskFree(limit) => disk_free(*limit, disk),
        Notice::GlobalFull(fill) => Line::server_warn(format!(
            "the messages in memory have reached global-max-size or global-max-messages: addresses follow their \
             address-full-policy; {}",
            Global(fill)
        )),
        Notice::GlobalNotFull(fill) => Line::server_info(format!(
            "the messages in memory are under global-max-size and global-max-messages again; {}",
            Global(fill)
        )),
        Notice::PagingStarted { address, fill } => Line::server_info(format!(
            "AMQ222038: Starting paging on address '{address}'; {}",
            Whole(fill)
        )),
        Notice::PagingStopped { address, fill } => Line::server_info(format!(
            "AMQ224108: Stopped paging on address '{address}'; {}",
            Whole(fill)
        )),
        Notice::AddressBlocked { address, fill } => Line::server_warn(format!(
            "AMQ222183: Blocking message production on address '{address}'; {}",
            Whole(fill)
        )),
        Notice::AddressBlockedByDisk { address } => Line::server_warn(format!(
            "AMQ222212: Disk Full! Blocking message production on address '{address}'. Clients will report blocked."
        )),
        Notice::AddressUnblocked { address, fill } => Line::server_info(format!(
            "AMQ221046: Unblocking message production on address '{address}'; {}",
            Whole(fill)
        )),
        Notice::AddressDropping { address, fill } => {
            let why = fill.as_ref().map_or("the disk is full".to_owned(), |fill| {
                Whole(fill).to_string()
            });
            Line::server_warn(format!(
                "AMQ222039: Messages sent to address '{address}' are being dropped; {why}"
            ))
        }
        other => return pages(other),
    })
}

fn pages(notice: &Notice) -> Option<Line> {
    Some(match notice {
        Notice::PageLimitReached { address, limit } => {
            Line::server_warn(page_limit(address, limit))
        }
        Notice::PageLimitReleased { address } => Line::server_info(format!(
            "AMQ224122: Address {address} number of messages is under page limit again, and it should be allowed to \
             page again."
        )),
        Notice::PageReadFailed { address, page, why } => Line::server_warn(format!(
            "page file {page} of address {address} cannot be read: {why}; it will be tried again"
        )),
        Notice::PageDamaged {
            address,
            page,
            what,
            lost,
        } => Line::server_error(format!(
            "AMQ222033: Page file {page} of address {address} had incomplete records: {what}; {lost} messages are lost"
        )),
        Notice::PageSetAside { file } => Line::server_warn(format!(
            "AMQ222030: File {} being renamed to {file} as it was loaded partially. Please verify your data.",
            file.strip_suffix(".damaged").unwrap_or_default()
        )),
        Notice::PageReadsHeld {
            address,
            queue,
            messages,
            bytes,
            messages_max,
            bytes_max,
        } => Line::server_warn(format!(
            "AMQ224127: Message dispatch from paging is blocked. Address {address}/Queue {queue} will not read any \
             more messages from paging until pending messages are acknowledged. There are currently {messages} \
             messages pending ({bytes} bytes) with max reads at maxPageReadMessages({}) and maxPageReadBytes({}). \
             Either increase reading attributes at the address-settings or change your consumers to acknowledge more \
             often.",
            Limit(*messages_max),
            Limit(*bytes_max)
        )),
        _ => return None,
    })
}

fn page_limit(address: &str, limit: &PageLimit) -> String {
    match limit {
        PageLimit::Bytes {
            pages,
            pages_max,
            limit,
            page_size,
        } => format!(
            "AMQ224123: Address {address} has more pages than allowed. System currently has {pages} pages, while the \
             estimated max number of pages is {pages_max} based on the page-limit-bytes ({limit}) / page-size \
             ({page_size})"
        ),
        PageLimit::Messages {
            queue,
            messages,
            limit,
        } => format!(
            "AMQ224120: Queue {queue} on Address {address} has more messages than configured page limit. \
             PageLimitMessages={limit} while currentValue={messages}"
        ),
    }
}

fn disk_full(limit: DiskLimit, disk: Option<DiskUsage>) -> Line {
    let consequence = "System will start blocking producers.";
    Line::server_warn(match limit {
        DiskLimit::MaxDiskUsage => format!(
            "AMQ222210: {} which is beyond the configured <max-disk-usage>. {consequence}",
            usage(disk)
        ),
        DiskLimit::MinDiskFree => format!(
            "AMQ224128: {} which is below the configured <min-disk-free>. {consequence}",
            free(disk)
        ),
    })
}

fn disk_free(limit: DiskLimit, disk: Option<DiskUsage>) -> Line {
    let consequence = "System will unblock producers.";
    match limit {
        DiskLimit::MaxDiskUsage => Line::server_info(format!(
            "AMQ222211: {} which is below the configured <max-disk-usage>. {consequence}",
            usage(disk)
        )),
        DiskLimit::MinDiskFree => Line::server_warn(format!(
            "AMQ224129: {} which is above the configured <min-disk-free>. {consequence}",
            free(disk)
        )),
    }
}

fn free(disk: Option<DiskUsage>) -> String {
    disk.map_or("Free storage space is not known".to_owned(), |disk| {
        format!("Free storage space is at {}", spoken_bytes(disk.free))
    })
}

fn usage(disk: Option<DiskUsage>) -> String {
    let Some(DiskUsage { total, free: left }) = disk else {
        return free(disk);
    };
    let used = total.saturating_sub(left) as f64 / total.max(1) as f64;
    format!(
        "{} of {} total. Usage rate is {:.1}%",
        free(disk),
        spoken_bytes(total),
        used * 100.0
    )
}

/// As Artemis prints sizes: `0B`, `512.0B`, `1.5GB`; units of 1000.
fn spoken_bytes(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let units = ["", "K", "M", "G", "T", "P", "E"];
    let power = bytes.ilog10() / 3;
    let unit = units[power as usize];
    format!(
        "{:.1}{unit}B",
        bytes as f64 / 1000_f64.powi(power.cast_signed())
    )
}

/// A limit as Artemis prints it: −1 for none.
struct Limit(Option<u64>);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => write!(f, "{limit}"),
            None => f.write_str("-1"),
        }
    }
}

/// How full an address and the broker are, in Artemis's words.
struct Whole<'a>(&'a Fill);

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fill = self.0;
        write!(
            f,
            "size={} bytes ({} messages); maxSize={} bytes ({} messages); {}",
            fill.bytes,
            fill.messages,
            Limit(fill.bytes_max),
            Limit(fill.messages_max),
            Global(fill)
        )
    }
}

/// How full the broker is.
struct Global<'a>(&'a Fill);

impl fmt::Display for Global<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fill = self.0;
        write!(
            f,
            "globalSize={} bytes ({} messages); globalMaxSize={} bytes ({} messages);",
            fill.global_bytes,
            fill.global_messages,
            Limit(fill.global_bytes_max),
            Limit(fill.global_messages_max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::lines::Level;
    use hind_engine::id::PageId;

    const DISK: Option<DiskUsage> = Some(DiskUsage {
        total: 500_000_000_000,
        free: 1_500_000_000,
    });

    const FILL: Fill = Fill {
        bytes: 105,
        messages: 3,
        bytes_max: Some(100),
        messages_max: None,
        global_bytes: 200,
        global_messages: 4,
        global_bytes_max: Some(1000),
        global_messages_max: None,
    };

    fn said(notice: &Notice) -> (Level, String) {
        let line = line(notice, DISK).expect("is about a limit");
        (line.level, line.text)
    }

    #[test]
    fn an_address_s_limits_are_said_as_artemis_says_them() {
        let address = || "orders".into();
        let full = "size=105 bytes (3 messages); maxSize=100 bytes (-1 messages); globalSize=200 bytes (4 messages); \
                    globalMaxSize=1000 bytes (-1 messages);";
        let table = [
            (
                Notice::PagingStarted {
                    address: address(),
                    fill: FILL,
                },
                Level::Info,
                "AMQ222038: Starting paging on address 'orders'; ",
            ),
            (
                Notice::PagingStopped {
                    address: address(),
                    fill: FILL,
                },
                Level::Info,
                "AMQ224108: Stopped paging on address 'orders'; ",
            ),
            (
                Notice::AddressBlocked {
                    address: address(),
                    fill: FILL,
                },
                Level::Warn,
                "AMQ222183: Blocking message production on address 'orders'; ",
            ),
            (
                Notice::AddressUnblocked {
                    address: address(),
                    fill: FILL,
                },
                Level::Info,
                "AMQ221046: Unblocking message production on address 'orders'; ",
            ),
            (
                Notice::AddressDropping {
                    address: address(),
                    fill: Some(FILL),
                },
                Level::Warn,
                "AMQ222039: Messages sent to address 'orders' are being dropped; ",
            ),
        ];
        for (notice, level, text) in table {
            assert_eq!(said(&notice), (level, format!("{text}{full}")));
        }
        let disk = Notice::AddressBlockedByDisk { address: address() };
        assert_eq!(
            said(&disk),
            (
                Level::Warn,
                "AMQ222212: Disk Full! Blocking message production on address 'orders'. Clients will report blocked."
                    .to_owned()
            )
        );
        let (_, text) = said(&Notice::AddressDropping {
            address: address(),
            fill: None,
        });
        assert_eq!(
            text,
            "AMQ222039: Messages sent to address 'orders' are being dropped; the disk is full"
        );
        let (level, text) = said(&Notice::GlobalFull(FILL));
        assert!(
            level == Level::Warn && text.ends_with("globalMaxSize=1000 bytes (-1 messages);"),
            "{text}"
        );
    }

    #[test]
    fn the_limits_of_pages_are_said_as_artemis_says_them() {
        let address = || "orders".into();
        let bytes = PageLimit::Bytes {
            pages: 4,
            pages_max: 3,
            limit: 30,
            page_size: 10,
        };
        let messages = PageLimit::Messages {
            queue: "q".into(),
            messages: 8,
            limit: 7,
        };
        let table = [
            (
                Notice::PageLimitReached {
                    address: address(),
                    limit: bytes,
                },
                "AMQ224123: Address orders has more pages than allowed. System currently has 4 pages, while the \
                 estimated max number of pages is 3 based on the page-limit-bytes (30) / page-size (10)",
            ),
            (
                Notice::PageLimitReached {
                    address: address(),
                    limit: messages,
                },
                "AMQ224120: Queue q on Address orders has more messages than configured page limit. \
                 PageLimitMessages=7 while currentValue=8",
            ),
            (
                Notice::PageLimitReleased { address: address() },
                "AMQ224122: Address orders number of messages is under page limit again, and it should be allowed to \
                 page again.",
            ),
            (
                Notice::PageReadFailed {
                    address: address(),
                    page: PageId(9),
                    why: "an error".to_owned(),
                },
                "page file 9 of address orders cannot be read: an error; it will be tried again",
            ),
            (
                Notice::PageDamaged {
                    address: address(),
                    page: PageId(9),
                    what: "cut short".to_owned(),
                    lost: 3,
                },
                "AMQ222033: Page file 9 of address orders had incomplete records: cut short; 3 messages are lost",
            ),
            (
                Notice::PageSetAside {
                    file: "f.damaged".to_owned(),
                },
                "AMQ222030: File f being renamed to f.damaged as it was loaded partially. Please verify your data.",
            ),
        ];
        for (notice, text) in table {
            assert_eq!(said(&notice).1, text);
        }
    }

    #[test]
    fn the_disk_s_limits_are_said_as_artemis_says_them() {
        let table = [
            (
                Notice::DiskFull(DiskLimit::MaxDiskUsage),
                Level::Warn,
                "AMQ222210: Free storage space is at 1.5GB of 500.0GB total. Usage rate is 99.7% which is beyond the \
                 configured <max-disk-usage>. System will start blocking producers.",
            ),
            (
                Notice::DiskFree(DiskLimit::MaxDiskUsage),
                Level::Info,
                "AMQ222211: Free storage space is at 1.5GB of 500.0GB total. Usage rate is 99.7% which is below the \
                 configured <max-disk-usage>. System will unblock producers.",
            ),
            (
                Notice::DiskFull(DiskLimit::MinDiskFree),
                Level::Warn,
                "AMQ224128: Free storage space is at 1.5GB which is below the configured <min-disk-free>. System will \
                 start blocking producers.",
            ),
            (
                Notice::DiskFree(DiskLimit::MinDiskFree),
                Level::Warn,
                "AMQ224129: Free storage space is at 1.5GB which is above the configured <min-disk-free>. System will \
                 unblock producers.",
            ),
        ];
        for (notice, level, text) in table {
            assert_eq!(said(&notice), (level, text.to_owned()));
        }
    }

    #[test]
    fn sizes_read_like_artemis_ones() {
        let table = [
            (0, "0B"),
            (7, "7.0B"),
            (999, "999.0B"),
            (1_000, "1.0KB"),
            (536_870_912, "536.9MB"),
            (u64::MAX, "18.4EB"),
        ];
        for (bytes, words) in table {
            assert_eq!(spoken_bytes(bytes), words);
        }
    }
}
