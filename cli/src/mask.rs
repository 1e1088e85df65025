// SPDX-License-Identifier: Apache-2.0
//! `mask`: the forms a password takes in the configuration files.

use crate::failure::{Failure, Outcome};
use crate::instance::{Instance, InstanceArgument};
use crate::say;
use hind_config::masked;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The password to be masked.
    #[arg(value_name = "password", allow_hyphen_values = true)]
    password: String,
    /// Whether to use a hash (one-way), for the users file.
    #[arg(long)]
    hash: bool,
    /// The key to be used for masking; the one that broker.xml's password-codec uses.
    #[arg(long)]
    key: Option<String>,
    /// Use the password-codec of the instance's broker.xml. Not built yet.
    #[arg(long)]
    password_codec: bool,
    /// Print additional information.
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    instance: InstanceArgument,
}

pub fn mask(arguments: &Arguments) -> Outcome {
    if arguments.password_codec {
        // The instance is looked for first, so that a wrong place is told before a missing feature.
        let instance = Instance::find(&arguments.instance)?;
        return Err(Failure::new(format!(
            "--password-codec: reading the codec's key from {} is not built yet; give the key by --key",
            instance.etc.join("broker.xml").display()
        )));
    }
    let result = if arguments.hash {
        masked::hash(&arguments.password, random_salt()?)
    } else {
        let key = arguments.key.as_deref().unwrap_or(masked::DEFAULT_KEY);
        masked::mask(&arguments.password, key)
            .map_err(|error| Failure::new(format!("--key: {error}")))?
    };
    say!("result: {result}");
    Ok(())
}

/// The one-way form of a password as the users file holds it.
pub fn stored_hash(password: &str) -> Result<String, Failure> {
    Ok(format!("ENC({})", masked::hash(password, random_salt()?)))
}

fn random_salt() -> Result<[u8; 32], Failure> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt)
        .map_err(|error| Failure::new(format!("the system gives no random bytes: {error}")))?;
    Ok(salt)
}
