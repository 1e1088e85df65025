// SPDX-License-Identifier: Apache-2.0
//! `man`: manual pages from the same definition as the flags.

use crate::failure::{Failure, Outcome};
use clap::{Command, CommandFactory};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Write one page per command into this directory instead of printing the main page.
    #[arg(long)]
    directory: Option<PathBuf>,
}

pub fn man(arguments: &Arguments) -> Outcome {
    let mut command = crate::arguments::Arguments::command();
    command.build();
    match &arguments.directory {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .map_err(|error| Failure::io("create", directory, &error))?;
            write_pages(&command, "hind", directory)
        }
        None => {
            let page = render(command, "hind")?;
            crate::terminal::print(&page);
            Ok(())
        }
    }
}

/// `hind.1`, `hind-create.1`, `hind-user-add.1` …
fn write_pages(command: &Command, name: &str, directory: &Path) -> Outcome {
    let path = directory.join(format!("{name}.1"));
    let page = render(command.clone(), name)?;
    std::fs::write(&path, page).map_err(|error| Failure::io("write", &path, &error))?;
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        write_pages(sub, &format!("{name}-{}", sub.get_name()), directory)?;
    }
    Ok(())
}

fn render(command: Command, name: &str) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let named = command.name(name.to_owned()).display_name(name.to_owned());
    clap_mangen::Man::new(named)
        .render(&mut page)
        .map_err(|error| Failure::new(format!("cannot render the page of {name}: {error}")))?;
    Ok(page)
}
