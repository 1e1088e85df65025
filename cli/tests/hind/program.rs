// SPDX-License-Identifier: Apache-2.0
//! The `hind` program as its users meet it: started in a folder of its own, judged by what it prints and leaves.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder that commands run in; gone with the value.
pub struct Place {
    folder: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    /// A place with the instance `i`, made by `create i --silent --no-autotune FLAGS`.
    pub fn with_instance(flags: &[&str]) -> Self {
        let place = Self::new();
        let words = ["create", "i", "--silent", "--no-autotune"];
        let done = place.hind(&[words.as_slice(), flags].concat());
        assert_eq!(done.status, 0, "{done:?}");
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect(name);
    }

    pub fn hind(&self, words: &[&str]) -> Done {
        run(self.command(Path::new(env!("CARGO_BIN_EXE_hind")), words))
    }

    /// The instance's own launcher.
    pub fn artemis(&self, words: &[&str]) -> Done {
        run(self.command(&self.path("i/bin/artemis"), words))
    }

    pub fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        for name in [
            "ARTEMIS_INSTANCE",
            "ARTEMIS_INSTANCE_ETC",
            "ARTEMIS_HOME",
            "ARTEMIS_DATA_DIR",
            "JAVA_ARGS",
            "HIND_HOME",
        ] {
            command.env_remove(name);
        }
        command
    }
}

pub fn run(mut command: Command) -> Done {
    let output: Output = command.output().expect("the program starts");
    Done {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
