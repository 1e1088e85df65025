// SPDX-License-Identifier: Apache-2.0
//! How full the file systems under a broker's folders are.

use std::io;
use std::path::Path;

use hind_ha::input::DiskUsage;

use crate::options::Directories;

/// Which of several file systems counts: the one that reaches its limit first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fullest {
    /// The one of which the largest share is used (`max-disk-usage`).
    MostUsed,
    /// The one with the least free space (`min-disk-free`).
    LeastFree,
}

impl Fullest {
    /// The fullest of the file systems under these folders; folders that do not exist do not count.
    ///
    /// # Errors
    /// A file system does not say, or there is no folder.
    pub fn measure(self, directories: &Directories) -> io::Result<DiskUsage> {
        let folders = [
            &directories.journal,
            &directories.paging,
            &directories.large_messages,
            &directories.bindings,
        ];
        let there = folders.into_iter().filter(|folder| folder.is_dir());
        let usages = there.map(|folder| usage(folder));
        self.of(usages.collect::<io::Result<Vec<_>>>()?)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn of(self, usages: Vec<DiskUsage>) -> Option<DiskUsage> {
        usages.into_iter().reduce(|fullest, next| {
            let fuller = match self {
                Self::MostUsed => used_parts(next, fullest) > used_parts(fullest, next),
                Self::LeastFree => next.free < fullest.free,
            };
            if fuller { next } else { fullest }
        })
    }
}

/// What is used of `one`, in parts that compare with those of `other` in relation to it.
fn used_parts(one: DiskUsage, other: DiskUsage) -> u128 {
    u128::from(one.total.saturating_sub(one.free)) * u128::from(other.total)
}

fn usage(folder: &Path) -> io::Result<DiskUsage> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(DiskUsage {
        total: stat.f_blocks.saturating_mul(stat.f_frsize),
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_that_reaches_its_limit_first_counts() {
        let disk = |total, free| DiskUsage { total, free };
        let (large, small) = (disk(1000, 100), disk(10, 5));
        for disks in [vec![large, small], vec![small, large]] {
            assert_eq!(Fullest::MostUsed.of(disks.clone()), Some(large));
            assert_eq!(Fullest::LeastFree.of(disks), Some(small));
        }
        assert_eq!(Fullest::MostUsed.of(Vec::new()), None);
    }

    #[test]
    fn every_folder_is_looked_at_and_missing_ones_are_not() {
        let root = tempfile::tempdir().expect("a directory");
        let mut directories = Directories {
            journal: root.path().join("journal"),
            ..Directories::default()
        };
        assert!(Fullest::MostUsed.measure(&directories).is_err());
        directories.paging = root.path().to_path_buf();
        let usage = Fullest::LeastFree.measure(&directories).expect("measured");
        assert!(usage.total >= usage.free && usage.total > 0, "{usage:?}");
    }
}
