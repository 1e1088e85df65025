// SPDX-License-Identifier: Apache-2.0
//! `create`: writes an instance that an Artemis operator recognises.

mod acceptors;
mod answers;
mod arguments;
mod broker_xml;
mod files;
mod plan;
mod write;

use crate::failure::{Failure, Outcome};
use crate::perf_journal::{self, Measurement};
use crate::say;
pub use arguments::{Arguments, LoginCheck};
use plan::{JournalTuning, Plan};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many blocks the journal is measured with, as many as the Java tool writes.
const TUNING_WRITES: usize = 250;
/// On a slow disk fewer tries are made than five.
const TUNING_TIME: Duration = Duration::from_secs(1);

pub fn create(arguments: &Arguments) -> Outcome {
    refuse_what_is_not_built(arguments)?;
    let directory = std::path::absolute(&arguments.directory)
        .map_err(|error| Failure::io("find", &arguments.directory, &error))?;
    say!(
        "Creating ActiveMQ Artemis instance at: {}",
        directory.display()
    );
    let plan = write_instance(arguments, directory)?;
    notes(&plan);
    let bin = plan.directory.join("bin");
    say!(
        "\nYou can now start the broker by executing:  \n\n   \"{}\" run\n",
        bin.join("artemis").display()
    );
    say!(
        "Or you can run the broker in the background using:\n\n   \"{}\" start\n",
        bin.join("artemis-service").display()
    );
    Ok(())
}

/// Writes the instance and says nothing about it, but asks what it must know.
pub fn write_instance(arguments: &Arguments, directory: PathBuf) -> Result<Plan<'_>, Failure> {
    let mut plan = Plan::new(arguments, directory)?;
    let files = files::files(&plan)?;
    write::refuse_to_overwrite(&plan, &files)?;
    write::folders(&plan)?;
    if !arguments.journal.no_autotune {
        plan.tuning = tune(&plan)?;
    }
    // Once more, now with the measured figures.
    write::files(&files::files(&plan)?)?;
    Ok(plan)
}

/// Flags whose meaning would be lost if they were accepted.
fn refuse_what_is_not_built(arguments: &Arguments) -> Outcome {
    let jdbc = &arguments.jdbc;
    let with_value = [
        ("--jdbc-bindings-table-name", &jdbc.jdbc_bindings_table_name),
        ("--jdbc-connection-url", &jdbc.jdbc_connection_url),
        ("--jdbc-driver-class-name", &jdbc.jdbc_driver_class_name),
        (
            "--jdbc-large-message-table-name",
            &jdbc.jdbc_large_message_table_name,
        ),
        ("--jdbc-lock-expiration", &jdbc.jdbc_lock_expiration),
        ("--jdbc-lock-renew-period", &jdbc.jdbc_lock_renew_period),
        ("--jdbc-message-table-name", &jdbc.jdbc_message_table_name),
        ("--jdbc-network-timeout", &jdbc.jdbc_network_timeout),
        (
            "--jdbc-node-manager-table-name",
            &jdbc.jdbc_node_manager_table_name,
        ),
        (
            "--jdbc-page-store-table-name",
            &jdbc.jdbc_page_store_table_name,
        ),
    ];
    let with_value = with_value
        .iter()
        .find(|(_, value)| value.is_some())
        .map(|(name, _)| *name);
    let refused = jdbc.jdbc.then_some("--jdbc").or(with_value);
    if let Some(option) = refused {
        return Err(Failure::new(format!(
            "{option}: messages in a database are not built; they are kept in files"
        )));
    }
    if arguments.place.windows {
        return Err(Failure::new(
            "--windows: scripts for Windows are not built yet",
        ));
    }
    if !arguments.place.encoding.eq_ignore_ascii_case("UTF-8") {
        return Err(Failure::new(format!(
            "--encoding {}: text files are written in UTF-8 only",
            arguments.place.encoding
        )));
    }
    Ok(())
}

/// What was written as asked but does not act yet; `run` names the line.
fn notes(plan: &Plan<'_>) {
    let arguments = plan.arguments;
    let retention = arguments
        .journal
        .journal_retention
        .is_some_and(|days| days > 0);
    let later = [
        (plan.is_clustered(), "a cluster connection"),
        (plan.ha_policy().is_some(), "an ha-policy"),
        (arguments.ping.is_some(), "network checks"),
        (retention, "journal retention"),
        (
            arguments.login.security_manager == LoginCheck::Basic,
            "the basic security manager",
        ),
    ];
    for (_, what) in later.iter().filter(|(asked, _)| *asked) {
        eprintln!(
            "Note: {what} is written as asked; this version does not act on it yet, and `run` names its line."
        );
    }
    if plan.default_password {
        eprintln!(
            "Note: the user {} has the default password; change it by `user reset`.",
            plan.user
        );
    }
}

fn tune(plan: &Plan<'_>) -> Result<Option<JournalTuning>, Failure> {
    say!("\nAuto tuning journal ...");
    if plan.arguments.journal.no_fsync {
        say!(
            "...Since you disabled sync and are using MAPPED journal, we are disabling buffer times"
        );
        return Ok(Some(JournalTuning {
            rate: "0".into(),
            timeout: 0,
        }));
    }
    let file = plan.data.join("tuning.tmp");
    let total = fastest(&file, plan).map_err(|error| Failure::io("measure", &file, &error))?;
    let rate = perf_journal::writes_per_millisecond(TUNING_WRITES, total);
    let timeout = perf_journal::buffer_timeout(TUNING_WRITES, total);
    say!(
        "done! Your system can make {rate} writes per millisecond, your journal-buffer-timeout will be {timeout}"
    );
    Ok(Some(JournalTuning { rate, timeout }))
}

fn fastest(file: &Path, plan: &Plan<'_>) -> std::io::Result<Duration> {
    let block_size =
        usize::try_from(plan.arguments.journal.journal_device_block_size).unwrap_or(4096);
    let measurement = Measurement {
        block_size,
        writes: TUNING_WRITES,
        sync: true,
    };
    let (mut best, mut spent) = (Duration::MAX, Duration::ZERO);
    for _ in 0..5 {
        let total = perf_journal::measure(file, measurement)?.total();
        best = best.min(total);
        spent += total;
        if spent > TUNING_TIME {
            break;
        }
    }
    Ok(best)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// The arguments of `create DIR --silent …`.
    pub fn arguments(flags: &str) -> Arguments {
        let words = ["create", "dir", "--silent"]
            .into_iter()
            .chain(flags.split(' ').filter(|word| !word.is_empty()));
        Line::try_parse_from(words).expect("valid flags").arguments
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        for (flags, option) in [
            ("--jdbc", "--jdbc:"),
            ("--jdbc-connection-url x", "--jdbc-connection-url:"),
            ("--windows", "--windows:"),
            ("--encoding UTF-16", "--encoding UTF-16:"),
        ] {
            let failure = refuse_what_is_not_built(&arguments(flags)).expect_err(flags);
            assert!(failure.to_string().starts_with(option), "{failure}");
        }
    }
}
