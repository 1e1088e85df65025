// SPDX-License-Identifier: Apache-2.0
//! The folder of one broker: where it is and where its files are.

use crate::failure::Failure;
use crate::profile::Definitions;
use crate::variables;
use clap::Args;
use hind_config::bootstrap::Bootstrap;
use std::path::{Path, PathBuf};

/// How a command is told which instance it is for.
#[derive(Debug, Args)]
pub struct InstanceArgument {
    /// The instance's directory. Default: the one whose bin/artemis was started (ARTEMIS_INSTANCE).
    #[arg(long, value_name = "directory")]
    instance: Option<PathBuf>,
}

/// An instance's folders, absolute.
#[derive(Debug)]
pub struct Instance {
    pub directory: PathBuf,
    pub etc: PathBuf,
    /// What the instance's profile defines for its configuration files.
    pub definitions: Definitions,
}

/// The instance that the launcher or the operator named in the environment.
pub fn from_environment() -> Option<PathBuf> {
    std::env::var_os("ARTEMIS_INSTANCE")
        .filter(|text| !text.is_empty())
        .map(PathBuf::from)
}

impl Instance {
    pub fn find(argument: &InstanceArgument) -> Result<Self, Failure> {
        let named = argument.instance.clone().or_else(from_environment);
        let directory = named.ok_or_else(|| {
            Failure::new(
                "This command works on an instance: start it as DIRECTORY/bin/artemis, or give --instance DIRECTORY",
            )
        })?;
        Self::at(&directory)
    }

    pub fn at(directory: &Path) -> Result<Self, Failure> {
        let directory = std::path::absolute(directory)
            .map_err(|error| Failure::io("find", directory, &error))?;
        if !directory.is_dir() {
            return Err(Failure::new(format!(
                "There is no instance at {}",
                directory.display()
            )));
        }
        // Only the launcher of this very instance knows about an etc folder elsewhere.
        let launched = from_environment().is_some_and(|launched| launched == directory);
        let etc = std::env::var_os("ARTEMIS_INSTANCE_ETC").filter(|_| launched);
        let etc = etc.map_or_else(|| directory.join("etc"), PathBuf::from);
        let definitions = if launched && std::env::var_os("ARTEMIS_INSTANCE_ETC").is_some() {
            Definitions::from_environment()
        } else {
            Definitions::from_profile(&etc)
        };
        Ok(Self {
            directory,
            etc,
            definitions,
        })
    }

    /// `bootstrap.xml`, or the file that the command line names instead.
    pub fn bootstrap_path(&self, configuration: Option<&Path>) -> PathBuf {
        match configuration {
            // Artemis writes the scheme in its own default, `xml:…/etc/bootstrap.xml`.
            Some(path) => {
                let text = path.to_string_lossy();
                PathBuf::from(text.strip_prefix("xml:").unwrap_or(&text))
            }
            None => self.etc.join("bootstrap.xml"),
        }
    }

    pub fn bootstrap(&self, configuration: Option<&Path>) -> Result<Bootstrap, Failure> {
        let path = self.bootstrap_path(configuration);
        let text =
            std::fs::read_to_string(&path).map_err(|error| Failure::io("read", &path, &error))?;
        Bootstrap::parse(&text, &|name| variables::variable(self, name))
            .map_err(|errors| Failure::file(&path, &errors))
    }

    /// A path of a configuration file: relative ones are relative to the instance.
    pub fn resolve(&self, path: &str) -> PathBuf {
        // `etc//broker.xml`, as the Java tool writes it, is shown as everybody else writes it.
        self.directory.join(path).components().collect()
    }
}

/// Where the program is installed.
pub fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("ARTEMIS_HOME").filter(|text| !text.is_empty()) {
        return PathBuf::from(home);
    }
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("/"));
    let home = if folder.ends_with("bin") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    home.to_path_buf()
}
