// SPDX-License-Identifier: Apache-2.0
//! How much memory the system grants this process: the least of the machine's and of what its control groups allow.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// What the process may use, and who says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memory {
    /// How many bytes.
    pub bytes: u64,
    /// Who says so.
    pub source: MemorySource,
}

/// Who limits the memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MemorySource {
    /// There is no more in the machine.
    Machine,
    /// A control group: the file that says so, `memory.max` (version 2) or `memory.limit_in_bytes` (version 1).
    ControlGroup(PathBuf),
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            MemorySource::Machine => write!(f, "{} bytes of this machine's memory", self.bytes),
            MemorySource::ControlGroup(file) => {
                write!(f, "{} bytes allowed by {}", self.bytes, file.display())
            }
        }
    }
}

impl Memory {
    /// What this process has been granted now; `None` where the system does not say.
    pub fn granted() -> Option<Self> {
        Self::under(Path::new("/"))
    }

    /// The same for the system whose files are seen under `root`.
    fn under(root: &Path) -> Option<Self> {
        let groups = ControlGroups::of_this_process(root)
            .map(|groups| groups.limits(root))
            .unwrap_or_default();
        // The machine first: a limit that is no lower limits nothing.
        let all = machine(root).into_iter().chain(groups);
        all.reduce(|least, next| {
            if next.bytes < least.bytes {
                next
            } else {
                least
            }
        })
    }
}

/// `MemTotal` of `/proc/meminfo`, which counts in KiB.
fn machine(root: &Path) -> Option<Memory> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(Memory {
        bytes: kibibytes * 1024,
        source: MemorySource::Machine,
    })
}

/// Where the control groups of a process are to be looked for.
#[derive(Debug)]
struct ControlGroups {
    membership: String,
    mounts: String,
}

impl ControlGroups {
    fn of_this_process(root: &Path) -> Option<Self> {
        let read = |name: &str| fs::read_to_string(root.join("proc/self").join(name)).ok();
        Some(Self {
            membership: read("cgroup")?,
            mounts: read("mountinfo")?,
        })
    }

    /// The limit of the process's own group and of every group around it, of both versions.
    fn limits(&self, root: &Path) -> Vec<Memory> {
        let mut limits = Vec::new();
        for (group, kind, option, file) in [
            (self.group(|id, _| id == "0"), "cgroup2", None, "memory.max"),
            (
                self.group(|_, controllers| controllers.split(',').any(|name| name == "memory")),
                "cgroup",
                Some("memory"),
                "memory.limit_in_bytes",
            ),
        ] {
            let mount = self
                .mounts
                .lines()
                .find_map(|line| mount(line, kind, option));
            if let (Some(group), Some((top, mount))) = (group, mount) {
                // The group as seen from the mount: one outside of what is mounted is as high as can be looked.
                let below = Path::new(group).strip_prefix(top).unwrap_or(Path::new(""));
                limits.extend(limits_upwards(root, Path::new(mount), below, file));
            }
        }
        limits
    }

    /// The path in the line `id:controllers:path` that is asked for.
    fn group(&self, wanted: impl Fn(&str, &str) -> bool) -> Option<&str> {
        self.membership.lines().find_map(|line| {
            let (id, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            wanted(id, controllers).then_some(path)
        })
    }
}

/// The mounted part and the mount point of a line of `mountinfo` (proc(5)) of that kind and with that option.
fn mount<'a>(line: &'a str, kind: &str, option: Option<&str>) -> Option<(&'a str, &'a str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (top, point) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let right_kind = after.next()? == kind;
    let options = after.nth(1)?;
    let has = |option: &str| options.split(',').any(|it| it == option);
    (right_kind && option.is_none_or(has)).then_some((top, point))
}

fn limits_upwards(root: &Path, mount: &Path, below: &Path, file: &str) -> Vec<Memory> {
    let outwards = below.ancestors().map(|group| mount.join(group).join(file));
    let limit = |path: PathBuf| {
        let seen = root.join(path.strip_prefix("/").unwrap_or(&path));
        // `max`, or a file that is not there, is no limit.
        let bytes = fs::read_to_string(seen).ok()?.trim().parse().ok()?;
        Some(Memory {
            bytes,
            source: MemorySource::ControlGroup(path),
        })
    };
    outwards.filter_map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

    /// A system of these files; what it grants.
    fn granted(files: &[(&str, &str)]) -> Option<String> {
        let root = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("is in a directory")).expect("made");
            fs::write(path, text).expect("written");
        }
        Memory::under(root.path()).map(|memory| memory.to_string())
    }

    #[test]
    fn the_machine_s_memory_counts_where_no_group_limits() {
        let text = granted(&[("proc/meminfo", "MemTotal:    2048 kB\nMemFree: 1 kB\n")]);
        assert_eq!(
            text.as_deref(),
            Some("2097152 bytes of this machine's memory")
        );
        assert_eq!(granted(&[]), None);
    }

    #[test]
    fn version_2_the_lowest_limit_on_the_way_up_counts() {
        let files = |own, around| {
            granted(&[
                ("proc/meminfo", "MemTotal: 2048 kB\n"),
                ("proc/self/cgroup", "0::/a/b\n"),
                ("proc/self/mountinfo", V2),
                ("sys/fs/cgroup/a/b/memory.max", own),
                ("sys/fs/cgroup/a/memory.max", around),
            ])
            .expect("known")
        };
        assert_eq!(
            files("max\n", "1000\n"),
            "1000 bytes allowed by /sys/fs/cgroup/a/memory.max"
        );
        assert_eq!(
            files("900\n", "1000\n"),
            "900 bytes allowed by /sys/fs/cgroup/a/b/memory.max"
        );
        assert_eq!(
            files("max\n", "9000000\n"),
            "2097152 bytes of this machine's memory"
        );
    }

    #[test]
    fn version_2_inside_a_container_the_mount_is_the_group() {
        let text = granted(&[
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", V2),
            ("sys/fs/cgroup/memory.max", "134217728\n"),
        ]);
        assert_eq!(
            text.as_deref(),
            Some("134217728 bytes allowed by /sys/fs/cgroup/memory.max")
        );
    }

    #[test]
    fn version_1_the_memory_controller_is_asked_and_its_no_limit_is_none() {
        let files = |own| {
            granted(&[
                ("proc/meminfo", "MemTotal: 2048 kB\n"),
                ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:hugetlb,memory:/docker/c1\n0::/\n"),
                (
                    "proc/self/mountinfo",
                    "35 31 0:32 /docker/c1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,hugetlb,memory\n\
                     36 31 0:33 / /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n",
                ),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", own),
            ])
            .expect("known")
        };
        assert_eq!(
            files("5000\n"),
            "5000 bytes allowed by /sys/fs/cgroup/memory/memory.limit_in_bytes"
        );
        assert_eq!(
            files("9223372036854771712\n"),
            "2097152 bytes of this machine's memory"
        );
    }

    /// In the shape of a machine with systemd and version 2 only; the optional fields of a mount are there.
    const SYSTEMD: [(&str, &str); 3] = [
        (
            "proc/meminfo",
            "MemTotal:        8046412 kB\nMemFree:          512300 kB\nSwapTotal:             0 kB\n",
        ),
        (
            "proc/self/cgroup",
            "0::/system.slice/brokers.slice/hind.service\n",
        ),
        (
            "proc/self/mountinfo",
            "22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n\
             28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
             33 22 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 master:2 - cgroup2 cgroup2 \
             rw,nsdelegate,memory_recursiveprot\n",
        ),
    ];

    #[test]
    fn version_2_of_a_service_in_a_slice_in_a_slice() {
        let limited = |service, inner, outer| {
            let mut files = SYSTEMD.to_vec();
            files.extend([
                (
                    "sys/fs/cgroup/system.slice/brokers.slice/hind.service/memory.max",
                    service,
                ),
                ("sys/fs/cgroup/system.slice/brokers.slice/memory.max", inner),
                ("sys/fs/cgroup/system.slice/memory.max", outer),
            ]);
            granted(&files).expect("known")
        };
        let none = "max\n";
        let by = |bytes: &str, group: &str| {
            format!("{bytes} bytes allowed by /sys/fs/cgroup/system.slice/{group}memory.max")
        };
        assert_eq!(
            limited(none, none, none),
            "8239525888 bytes of this machine's memory"
        );
        assert_eq!(
            limited("134217728\n", "268435456\n", "536870912\n"),
            by("134217728", "brokers.slice/hind.service/")
        );
        assert_eq!(
            limited("536870912\n", "268435456\n", none),
            by("268435456", "brokers.slice/")
        );
        assert_eq!(
            limited(none, "536870912\n", "268435456\n"),
            by("268435456", "")
        );
        assert_eq!(
            limited("0\n", none, none),
            by("0", "brokers.slice/hind.service/")
        );
    }

    #[test]
    fn version_1_the_limits_of_the_groups_around_count_too() {
        let limited = |own, around| {
            granted(&[
                ("proc/meminfo", "MemTotal:        8046412 kB\n"),
                (
                    "proc/self/cgroup",
                    "12:pids:/user.slice/broker\n11:memory:/user.slice/broker\n1:name=systemd:/user.slice\n",
                ),
                (
                    "proc/self/mountinfo",
                    "40 32 0:36 / /sys/fs/cgroup/pids rw,nosuid shared:20 - cgroup cgroup rw,pids\n\
                     41 32 0:37 / /sys/fs/cgroup/memory rw,nosuid shared:21 - cgroup cgroup rw,memory\n",
                ),
                (
                    "sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "9223372036854771712\n",
                ),
                (
                    "sys/fs/cgroup/memory/user.slice/memory.limit_in_bytes",
                    around,
                ),
                (
                    "sys/fs/cgroup/memory/user.slice/broker/memory.limit_in_bytes",
                    own,
                ),
            ])
            .expect("known")
        };
        assert_eq!(
            limited("9223372036854771712\n", "67108864\n"),
            "67108864 bytes allowed by /sys/fs/cgroup/memory/user.slice/memory.limit_in_bytes"
        );
        assert_eq!(
            limited("33554432\n", "67108864\n"),
            "33554432 bytes allowed by /sys/fs/cgroup/memory/user.slice/broker/memory.limit_in_bytes"
        );
    }

    #[test]
    fn where_both_versions_are_mounted_the_one_with_the_memory_controller_limits() {
        let files = |version_2| {
            let mut files = vec![
                ("proc/meminfo", "MemTotal:        8046412 kB\n"),
                (
                    "proc/self/cgroup",
                    "11:memory:/system.slice/hind.service\n0::/system.slice/hind.service\n",
                ),
                (
                    "proc/self/mountinfo",
                    "33 32 0:28 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n\
                     41 32 0:37 / /sys/fs/cgroup/memory rw shared:21 - cgroup cgroup rw,memory\n",
                ),
                (
                    "sys/fs/cgroup/memory/system.slice/hind.service/memory.limit_in_bytes",
                    "134217728\n",
                ),
            ];
            files.extend(version_2);
            granted(&files).expect("known")
        };
        let version_1 = "134217728 bytes allowed by \
                         /sys/fs/cgroup/memory/system.slice/hind.service/memory.limit_in_bytes";
        assert_eq!(files(None), version_1);
        let name = "sys/fs/cgroup/unified/system.slice/hind.service/memory.max";
        assert_eq!(files(Some((name, "max\n"))), version_1);
        let lower = files(Some((name, "1048576\n")));
        assert!(lower.starts_with("1048576 bytes allowed by /sys/fs/cgroup/unified/"));
    }

    #[test]
    fn files_that_say_nothing_of_use_limit_nothing() {
        for (cgroup, mountinfo, max) in [
            ("", V2, "100\n"),
            ("0::/a\n", "", "100\n"),
            ("0::/a\n", "damaged - cgroup2\n", "100\n"),
            ("no colons\n", V2, "100\n"),
            ("0::/a\n", V2, "a lot\n"),
            ("0::/a\n", V2, "-1\n"),
        ] {
            let text = granted(&[
                ("proc/meminfo", "MemTotal: 1 kB\n"),
                ("proc/self/cgroup", cgroup),
                ("proc/self/mountinfo", mountinfo),
                ("sys/fs/cgroup/a/memory.max", max),
            ]);
            let text = text.expect("known");
            assert_eq!(text, "1024 bytes of this machine's memory", "{cgroup:?}");
        }
    }

    #[test]
    fn this_machine_grants_something() {
        let memory = Memory::granted().expect("a system with /proc");
        assert!(memory.bytes > 1 << 20, "{memory}");
    }
}
