// SPDX-License-Identifier: Apache-2.0
//! Puts a new instance on the disk.

use super::files::{Kind, NewFile};
use super::plan::Plan;
use crate::failure::{Failure, Outcome};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

/// Nothing is written where one of the files exists, unless `--force`.
pub fn refuse_to_overwrite(plan: &Plan<'_>, files: &[NewFile]) -> Outcome {
    let taken = files
        .iter()
        .find(|file| file.path.symlink_metadata().is_ok());
    match taken {
        Some(file) if !plan.arguments.force => {
            // Named from where the operator stands.
            let given = file
                .path
                .strip_prefix(&plan.directory)
                .map(|rest| plan.arguments.directory.join(rest));
            let given = given.unwrap_or_else(|_| file.path.clone());
            Err(Failure::new(format!(
                "The file '{}' already exists.  Use --force to overwrite.",
                given.display()
            )))
        }
        _ => Ok(()),
    }
}

pub fn folders(plan: &Plan<'_>) -> Outcome {
    let own = ["bin", "lib", "log", "tmp"].map(|name| plan.directory.join(name));
    for folder in own.iter().chain([&plan.etc, &plan.data]) {
        fs::create_dir_all(folder).map_err(|error| {
            Failure::new(format!(
                "Unable to create the path '{}'. {error}",
                folder.display()
            ))
        })?;
    }
    Ok(())
}

pub fn files(files: &[NewFile]) -> Outcome {
    files
        .iter()
        .try_for_each(|file| write(file).map_err(|error| Failure::io("write", &file.path, &error)))
}

fn write(file: &NewFile) -> std::io::Result<()> {
    let mode = match file.kind {
        Kind::Text => 0o644,
        Kind::Secret => 0o600,
        Kind::Script => 0o755,
    };
    let mut opened = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(&file.path)?;
    // A file that `--force` overwrites keeps its old mode otherwise, before the secret is in it.
    opened.set_permissions(Permissions::from_mode(mode))?;
    opened.write_all(file.text.as_bytes())?;
    opened.sync_all()
}
