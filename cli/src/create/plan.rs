// SPDX-License-Identifier: Apache-2.0
//! What `create` is going to write, decided before anything is written.

use super::acceptors::Ports;
use super::answers;
use super::arguments::Arguments;
use crate::failure::{Failure, Outcome};
use crate::instance;
use std::path::PathBuf;

/// Arguments and answers, checked. Folders are absolute.
#[derive(Debug)]
pub struct Plan<'a> {
    pub arguments: &'a Arguments,
    pub directory: PathBuf,
    pub etc: PathBuf,
    pub data: PathBuf,
    pub home: PathBuf,
    pub host: String,
    pub name: String,
    pub user: String,
    pub password: String,
    /// Whether nobody chose the password.
    pub default_password: bool,
    pub allow_anonymous: bool,
    pub ports: Ports,
    pub cluster: Option<Cluster>,
    pub key_password: Option<String>,
    pub trust_password: Option<String>,
    pub addresses: Vec<AddressPlan>,
    /// Set after the disk was measured.
    pub tuning: Option<JournalTuning>,
}

#[derive(Debug)]
pub struct Cluster {
    pub user: String,
    pub password: String,
    /// `--static-cluster`, or empty for nodes that find each other.
    pub nodes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPlan {
    pub name: String,
    pub routing: Routing,
    /// Whether the address has a queue of its own name.
    pub queue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    Anycast,
    Multicast,
}

/// How fast the disk was.
#[derive(Debug, Clone)]
pub struct JournalTuning {
    /// Writes per millisecond, as printed.
    pub rate: String,
    /// Nanoseconds of one write.
    pub timeout: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaPolicy {
    ReplicationPrimary,
    ReplicationBackup,
    SharedStorePrimary,
    SharedStoreBackup,
}

impl<'a> Plan<'a> {
    /// Checks the arguments and asks for what is missing.
    pub fn new(arguments: &'a Arguments, directory: PathBuf) -> Result<Self, Failure> {
        check_journal(arguments)?;
        check_policy(arguments)?;
        let clustered = is_clustered(arguments);
        let host = answers::host(arguments, clustered)?;
        let ports = Ports::new(arguments)?;
        let addresses = addresses(arguments)?;
        let user = answers::user(arguments)?;
        let (password, default_password) = answers::password(arguments)?;
        let cluster = if clustered {
            Some(cluster(arguments)?)
        } else {
            None
        };
        let web = &arguments.web;
        let key_password = web
            .ssl_key
            .as_ref()
            .map(|_| answers::key_password(arguments))
            .transpose()?;
        let trust = web
            .ssl_trust
            .as_ref()
            .filter(|_| web.ssl_key.is_some() && web.use_client_auth);
        Ok(Self {
            arguments,
            etc: directory.join(&arguments.place.etc),
            data: directory.join(&arguments.place.data),
            home: arguments.place.home.clone().unwrap_or_else(instance::home),
            name: arguments.place.name.clone().unwrap_or_else(|| host.clone()),
            host,
            user,
            password,
            default_password,
            allow_anonymous: answers::allow_anonymous(arguments)?,
            ports,
            cluster,
            key_password,
            trust_password: trust
                .map(|_| answers::trust_password(arguments))
                .transpose()?,
            addresses,
            tuning: None,
            directory,
        })
    }

    pub fn is_clustered(&self) -> bool {
        is_clustered(self.arguments)
    }

    pub fn ha_policy(&self) -> Option<HaPolicy> {
        let cluster = &self.arguments.cluster;
        let backup = cluster.backup || cluster.slave;
        match (cluster.replicated, cluster.shared_store, backup) {
            (true, _, false) => Some(HaPolicy::ReplicationPrimary),
            (true, _, true) => Some(HaPolicy::ReplicationBackup),
            (_, true, false) => Some(HaPolicy::SharedStorePrimary),
            (_, true, true) => Some(HaPolicy::SharedStoreBackup),
            (false, false, _) => None,
        }
    }

    pub fn journal_type(&self) -> &'static str {
        let journal = &self.arguments.journal;
        if journal.aio {
            "ASYNCIO"
        } else if journal.mapped || journal.no_fsync {
            "MAPPED"
        } else {
            "NIO"
        }
    }

    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.arguments.login.role.split(',').map(str::trim)
    }
}

/// High availability needs the cluster's connection.
fn is_clustered(arguments: &Arguments) -> bool {
    let cluster = &arguments.cluster;
    cluster.clustered
        || cluster.replicated
        || cluster.shared_store
        || cluster.static_cluster.is_some()
}

fn cluster(arguments: &Arguments) -> Result<Cluster, Failure> {
    let nodes = arguments
        .cluster
        .static_cluster
        .as_deref()
        .unwrap_or_default();
    Ok(Cluster {
        user: answers::cluster_user(arguments)?,
        password: answers::cluster_password(arguments)?,
        nodes: nodes
            .split(',')
            .map(str::trim)
            .filter(|node| !node.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

fn check_journal(arguments: &Arguments) -> Outcome {
    let journal = &arguments.journal;
    if [journal.aio, journal.mapped, journal.nio]
        .iter()
        .filter(|chosen| **chosen)
        .count()
        > 1
    {
        return Err(Failure::new(
            "You can only select one journal type (--nio | --aio | --mapped).",
        ));
    }
    for (option, value) in [
        (
            "--journal-device-block-size",
            journal.journal_device_block_size,
        ),
        ("--journal-max-io", journal.journal_max_io),
        ("--max-hops", arguments.cluster.max_hops.saturating_add(1)),
    ] {
        if value < 1 {
            return Err(Failure::new(format!(
                "Invalid value for option '{option}': it is too small"
            )));
        }
    }
    Ok(())
}

/// Combinations that the Java tool accepts and turns into something nobody asked for.
fn check_policy(arguments: &Arguments) -> Outcome {
    let cluster = &arguments.cluster;
    if cluster.replicated && cluster.shared_store {
        return Err(Failure::new(
            "You can only select one of --replicated and --shared-store.",
        ));
    }
    if (cluster.backup || cluster.slave) && !cluster.replicated && !cluster.shared_store {
        return Err(Failure::new(
            "--backup needs --replicated or --shared-store.",
        ));
    }
    let limits = &arguments.limits;
    if limits.autocreate && limits.no_autocreate {
        return Err(Failure::new(
            "You can only select one of --autocreate and --no-autocreate.",
        ));
    }
    if limits.blocking && limits.paging {
        return Err(Failure::new(
            "You can only select one of --blocking and --paging.",
        ));
    }
    if arguments
        .login
        .role
        .split(',')
        .any(|role| role.trim().is_empty())
    {
        return Err(Failure::new("--role: a role's name is empty"));
    }
    Ok(())
}

fn addresses(arguments: &Arguments) -> Result<Vec<AddressPlan>, Failure> {
    let mut plans: Vec<AddressPlan> = Vec::new();
    let lists = [
        ("--queues", &arguments.queues, Routing::Anycast, true),
        (
            "--addresses",
            &arguments.addresses,
            Routing::Multicast,
            false,
        ),
    ];
    for (option, list, default, queue) in lists {
        for item in list
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
        {
            let (name, routing) = match item.rsplit_once(':') {
                Some((name, word)) => (name, routing(option, word)?),
                None => (item, default),
            };
            if plans.iter().any(|plan| plan.name == name) {
                return Err(Failure::new(format!("{option}: {name} is named twice")));
            }
            plans.push(AddressPlan {
                name: name.to_owned(),
                routing,
                queue,
            });
        }
    }
    Ok(plans)
}

fn routing(option: &str, word: &str) -> Result<Routing, Failure> {
    match word.to_lowercase().as_str() {
        "anycast" => Ok(Routing::Anycast),
        "multicast" => Ok(Routing::Multicast),
        _ => Err(Failure::new(format!(
            "{option}: Invalid routing type: {word}; anycast or multicast is expected"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::tests::arguments;

    fn refused(flags: &str) -> String {
        let arguments = arguments(flags);
        Plan::new(&arguments, "/i".into())
            .map(|_| ())
            .expect_err(flags)
            .to_string()
    }

    #[test]
    fn contradictions_are_refused() {
        let rows = [
            (
                "--aio --nio",
                "You can only select one journal type (--nio | --aio | --mapped).",
            ),
            (
                "--replicated --shared-store",
                "You can only select one of --replicated and --shared-store.",
            ),
            ("--backup", "--backup needs --replicated or --shared-store."),
            (
                "--blocking --paging",
                "You can only select one of --blocking and --paging.",
            ),
            (
                "--queues q:bad",
                "--queues: Invalid routing type: bad; anycast or multicast is expected",
            ),
            ("--queues q --addresses q", "--addresses: q is named twice"),
            ("--role a,,b", "--role: a role's name is empty"),
        ];
        for (flags, expected) in rows {
            assert_eq!(refused(flags), expected, "{flags}");
        }
    }

    #[test]
    fn silent_guesses_are_those_of_the_java_tool() {
        let arguments = arguments("");
        let plan = Plan::new(&arguments, "/i".into()).expect("valid");
        assert_eq!(
            (
                plan.user.as_str(),
                plan.password.as_str(),
                plan.default_password
            ),
            ("admin", "admin", true)
        );
        assert_eq!(
            (plan.host.as_str(), plan.name.as_str(), plan.allow_anonymous),
            ("0.0.0.0", "0.0.0.0", true)
        );
        assert!(plan.cluster.is_none());
    }

    #[test]
    fn require_login_wins() {
        let arguments = arguments("--allow-anonymous --require-login");
        assert!(
            !Plan::new(&arguments, "/i".into())
                .expect("valid")
                .allow_anonymous
        );
    }
}
