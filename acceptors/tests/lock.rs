// SPDX-License-Identifier: Apache-2.0
//! The kernel lets a lock go with the process that held it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use hind_acceptors::host::lock_file::LockFile;
use tempfile::TempDir;

const DIRECTORY: &str = "HIND_TEST_LOCK_DIRECTORY";

#[test]
#[ignore = "run by the other test in a process of its own"]
fn holds_the_lock_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let _lock = LockFile::lock(directory.as_ref()).expect("locks");
    eprintln!("locked");
    // Until the other process ends or kills this one.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

#[test]
fn a_killed_process_holds_no_lock() {
    let directory = TempDir::new().expect("a directory");
    let mut holder = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "holds_the_lock_until_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(DIRECTORY, directory.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("starts");
    let stderr = BufReader::new(holder.stderr.take().expect("is piped"));
    let locked = stderr.lines().any(|line| line.expect("text") == "locked");
    assert!(locked);
    let refused = LockFile::lock(directory.path()).expect_err("is refused");
    let pid = format!("process {}", holder.id());
    assert!(refused.to_string().contains(&pid), "{refused}");
    holder.kill().expect("is killed");
    holder.wait().expect("ends");
    LockFile::lock(directory.path()).expect("is free");
}
