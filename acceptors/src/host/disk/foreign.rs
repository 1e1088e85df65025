// SPDX-License-Identifier: Apache-2.0
//! Files of Apache ActiveMQ Artemis in a data directory: an operator's messages, which an empty broker must not hide.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

/// Refuses a journal directory with Artemis's journal files, or a bindings directory with its bindings.
///
/// # Errors
/// There is one (named), or the directory cannot be read. That it does not exist is none.
pub fn refuse_journal(directory: &Path, prefix: &str, suffix: &str) -> io::Result<()> {
    refuse(directory, |entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        Ok((name.starts_with(prefix) && name.ends_with(suffix)).then_some(name))
    })
}

/// Refuses a paging directory in which Artemis has left pages: a folder per address, `<n>.page` files in it.
///
/// # Errors
/// As [`refuse_journal`].
pub fn refuse_pages(directory: &Path) -> io::Result<()> {
    refuse(directory, |folder| {
        if !folder.file_type()?.is_dir() {
            return Ok(None);
        }
        for entry in fs::read_dir(folder.path())? {
            let name = entry?.file_name();
            if is_numbered(&name.to_string_lossy(), ".page") {
                let page = Path::new(&folder.file_name()).join(name);
                return Ok(Some(page.display().to_string()));
            }
        }
        Ok(None)
    })
}

/// Refuses a directory in which Artemis has left the bodies of large messages, `<n>.msg`.
///
/// # Errors
/// As [`refuse_journal`].
pub fn refuse_bodies(directory: &Path) -> io::Result<()> {
    refuse(directory, |entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        Ok(is_numbered(&name, ".msg").then_some(name))
    })
}

fn is_numbered(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit()))
}

/// Refuses the directory if `find` names a file in any of its entries.
fn refuse(
    directory: &Path,
    find: impl Fn(&DirEntry) -> io::Result<Option<String>>,
) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(named(directory, &error)),
    };
    for entry in entries {
        let found = entry.and_then(|entry| find(&entry));
        if let Some(name) = found.map_err(|error| named(directory, &error))? {
            return Err(io::Error::other(format!(
                "{} holds files of Apache ActiveMQ Artemis ({name}), which Hind does not read yet: move them away, or \
                 give Hind a data directory of its own",
                directory.display()
            )));
        }
    }
    Ok(())
}

fn named(directory: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot list {}: {error}", directory.display()),
    )
}
