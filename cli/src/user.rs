// SPDX-License-Identifier: Apache-2.0
//! `user add|list|reset|rm`: edits the two files that the security domain's properties module reads.
//!
//! The broker may run or not: it reads changed files at the next login. The flags of a connection are accepted, for
//! scripts written for the Java broker, and not needed.

mod edit;

use crate::failure::{Failure, Outcome};
use crate::instance::{Instance, InstanceArgument};
use crate::say;
use crate::{mask, terminal};
use edit::{UserFilesOnDisk, WriteFirst};
use std::fmt::Display;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List user(s).
    List(ListArguments),
    /// Add a user.
    Add(PasswordArguments),
    /// Remove an existing user.
    Rm(NameArguments),
    /// Reset user's password or roles.
    Reset(PasswordArguments),
}

#[derive(Debug, clap::Args)]
pub struct ListArguments {
    /// The user to list. Default: all.
    #[arg(long, allow_hyphen_values = true)]
    user_command_user: Option<String>,
    /// List only users that have this role.
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, clap::Args)]
pub struct NameArguments {
    /// The user chosen for the command. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    user_command_user: Option<String>,
    /// Accepted and not needed.
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
}

#[derive(Debug, clap::Args)]
pub struct PasswordArguments {
    /// The user chosen for the command. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    user_command_user: Option<String>,
    /// The password of the chosen user. Default: input.
    #[arg(long, allow_hyphen_values = true)]
    user_command_password: Option<String>,
    /// The user's role(s), separated by comma.
    #[arg(long)]
    role: Option<String>,
    /// Store the password in the clear instead of hashed.
    #[arg(long)]
    plaintext: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// What the Java broker needs to reach itself. Only `silent` acts.
#[derive(Debug, clap::Args)]
struct ConnectionArguments {
    #[arg(long, hide = true)]
    url: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    user: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    password: Option<String>,
    #[arg(long, hide = true)]
    acceptor: Option<String>,
    #[arg(long = "clientID", hide = true)]
    client_id: Option<String>,
    #[arg(long, hide = true)]
    protocol: Option<String>,
    /// Disable all the inputs.
    #[arg(long)]
    silent: bool,
    /// Print additional information.
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    instance: InstanceArgument,
}

pub fn user(command: &Command) -> Outcome {
    match command {
        Command::List(arguments) => list(arguments),
        Command::Add(arguments) => add(arguments),
        Command::Rm(arguments) => remove(arguments),
        Command::Reset(arguments) => reset(arguments),
    }
}

fn list(arguments: &ListArguments) -> Outcome {
    let files = UserFilesOnDisk::find(&Instance::find(&arguments.connection.instance)?)?.read()?;
    let wanted = |name: &String| {
        arguments
            .user_command_user
            .as_ref()
            .is_none_or(|wanted| wanted == name)
    };
    let has_role = |roles: &[String]| {
        arguments
            .role
            .as_ref()
            .is_none_or(|role| roles.contains(role))
    };
    let users: Vec<_> = files
        .list()
        .into_iter()
        .filter(|user| wanted(&user.name) && has_role(&user.roles))
        .collect();
    say!("--- \"user\"(roles) ---");
    for user in &users {
        say!("\"{}\"({})", user.name, user.roles.join(","));
    }
    say!("\n Total: {}", users.len());
    Ok(())
}

fn add(arguments: &PasswordArguments) -> Outcome {
    let name = chosen_user(arguments.user_command_user.as_ref(), &arguments.connection)?;
    let password = arguments.password()?;
    let roles = match &arguments.role {
        Some(roles) => split(roles),
        None if arguments.connection.silent => return Err(missing("--role")),
        None => split(&terminal::ask(
            "--role",
            "What is the user's role(s)? Separate multiple roles with comma.",
        )?),
    };
    let stored = arguments.stored(&password)?;
    UserFilesOnDisk::find(&Instance::find(&arguments.connection.instance)?)?.edit(
        WriteFirst::Roles,
        |files| {
            files
                .add(&name, &stored, &roles)
                .map_err(|error| failed("add", &name, &error))
        },
    )?;
    say!("{name} added successfully.");
    Ok(())
}

/// Without roles the roles stay; with roles and no password the password stays.
fn reset(arguments: &PasswordArguments) -> Outcome {
    let name = chosen_user(arguments.user_command_user.as_ref(), &arguments.connection)?;
    let roles = arguments.role.as_deref().map(split);
    let stored = match (&arguments.user_command_password, &roles) {
        (None, Some(_)) => None,
        _ => Some(arguments.stored(&arguments.password()?)?),
    };
    UserFilesOnDisk::find(&Instance::find(&arguments.connection.instance)?)?.edit(
        WriteFirst::Roles,
        |files| {
            files
                .reset(&name, stored.as_deref(), roles.as_deref())
                .map_err(|error| failed("reset", &name, &error))
        },
    )?;
    say!("{name} reset successfully.");
    Ok(())
}

fn remove(arguments: &NameArguments) -> Outcome {
    let name = chosen_user(arguments.user_command_user.as_ref(), &arguments.connection)?;
    UserFilesOnDisk::find(&Instance::find(&arguments.connection.instance)?)?.edit(
        WriteFirst::Users,
        |files| {
            files
                .remove(&name)
                .map_err(|error| failed("remove", &name, &error))
        },
    )?;
    say!("{name} removed successfully.");
    Ok(())
}

impl PasswordArguments {
    fn password(&self) -> Result<String, Failure> {
        match &self.user_command_password {
            Some(password) => Ok(password.clone()),
            None if self.connection.silent => Err(missing("--user-command-password")),
            None => terminal::ask_password(
                "--user-command-password",
                "What is the password to use for the chosen user command?",
            ),
        }
    }

    fn stored(&self, password: &str) -> Result<String, Failure> {
        if self.plaintext {
            Ok(password.to_owned())
        } else {
            mask::stored_hash(password)
        }
    }
}

fn chosen_user(
    given: Option<&String>,
    connection: &ConnectionArguments,
) -> Result<String, Failure> {
    match given {
        Some(name) => Ok(name.clone()),
        None if connection.silent => Err(missing("--user-command-user")),
        None => terminal::ask(
            "--user-command-user",
            "What is the username for the chosen user command?",
        ),
    }
}

fn split(roles: &str) -> Vec<String> {
    roles
        .split(',')
        .map(|role| role.trim().to_owned())
        .collect()
}

fn missing(option: &str) -> Failure {
    Failure::new(format!("Missing required option: '{option}'"))
}

fn failed(doing: &str, name: &str, reason: &dyn Display) -> Failure {
    Failure::new(format!("Failed to {doing} user {name}. Reason: {reason}"))
}
