// SPDX-License-Identifier: Apache-2.0
//! `hind` without arguments: a broker to try, in a folder below the current one.

use crate::arguments::{self, Command, Request};
use crate::configuration::{Configuration, Overrides};
use crate::create;
use crate::failure::{Failure, Outcome};
use crate::instance::Instance;
use crate::say;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::Path;

const FOLDER: &str = "hind-instance";

/// Runs `./hind-instance`, which is created on the first start: reachable from this machine only, for everybody on it.
pub fn run() -> Outcome {
    let folder = Path::new(FOLDER);
    if folder.join("etc").join("bootstrap.xml").exists() {
        say!("Starting the instance in ./{FOLDER}.");
    } else {
        create_instance()?;
        say!("Created an instance in ./{FOLDER}.");
    }
    let instance = Instance::at(folder)?;
    let configuration = Configuration::load(&instance, Overrides::default())
        .map_err(|problems| Failure::remarks(&problems))?;
    say!("{}", reach(&configuration));
    say!("{}", access(&configuration));
    crate::perform(command(&["run", "--instance", FOLDER])?)
}

fn create_instance() -> Outcome {
    // Nobody knows this password: guests need none, and `user reset` sets another.
    let password = random_password()?;
    let words = [
        "create",
        FOLDER,
        "--silent",
        "--no-autotune",
        "--name",
        "hind",
        "--host",
        "127.0.0.1",
        "--allow-anonymous",
        "--user",
        "admin",
        "--password",
        &password,
    ];
    let Command::Create(arguments) = command(&words)? else {
        unreachable!("the first word is create");
    };
    let directory = std::path::absolute(FOLDER)
        .map_err(|error| Failure::io("find", Path::new(FOLDER), &error))?;
    create::write_instance(&arguments, directory).map(|_| ())
}

fn command(words: &[&str]) -> Result<Command, Failure> {
    let words: Vec<OsString> = ["hind"].iter().chain(words).map(OsString::from).collect();
    match arguments::parse(&words) {
        Request::Run(Some(command)) => Ok(*command),
        other => Err(Failure::new(format!("{words:?} is no command: {other:?}"))),
    }
}

/// Who can reach the broker, by what its configuration says now.
fn reach(configuration: &Configuration) -> String {
    let acceptors = &configuration.loaded.settings.acceptors;
    let mut hosts: Vec<&str> = acceptors
        .iter()
        .flat_map(|acceptor| &acceptor.hosts)
        .map(String::as_str)
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    let loopback = |host: &&str| {
        *host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    };
    if hosts.iter().all(loopback) {
        "It listens on the loopback address only: no other machine can reach it.".to_owned()
    } else {
        format!(
            "It listens on {}: other machines may reach it.",
            hosts.join(", ")
        )
    }
}

/// Who is let in.
fn access(configuration: &Configuration) -> &'static str {
    match &configuration.realm {
        None => "Security is off: every client may do everything, without a login.",
        Some(realm) if realm.admits_guests() => {
            "Anonymous clients are allowed: nobody needs a password."
        }
        Some(_) => "Clients must log in.",
    }
}

fn random_password() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
