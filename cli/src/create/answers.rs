// SPDX-License-Identifier: Apache-2.0
//! What `create` must know and was not told: asked, or guessed with `--silent` as the Java tool guesses.

use super::arguments::Arguments;
use crate::failure::Failure;
use crate::terminal;

/// The guesses of `--silent`.
const USER: &str = "admin";
const PASSWORD: &str = "admin";
const CLUSTER_USER: &str = "cluster-admin";
const CLUSTER_PASSWORD: &str = "password-admin";
const KEY_STORE_PASSWORD: &str = "password";

pub fn user(arguments: &Arguments) -> Result<String, Failure> {
    text(
        arguments,
        arguments.login.user.as_ref(),
        USER,
        "--user",
        "What is the default username?",
    )
}

/// The password, and whether it is the one everybody knows.
pub fn password(arguments: &Arguments) -> Result<(String, bool), Failure> {
    let known = arguments.silent && arguments.login.password.is_none();
    let password = secret(
        arguments,
        arguments.login.password.as_ref(),
        PASSWORD,
        "--password",
        "What is the default password?",
    )?;
    Ok((password, known))
}

/// `--require-login` wins over `--allow-anonymous`.
pub fn allow_anonymous(arguments: &Arguments) -> Result<bool, Failure> {
    if arguments.login.require_login {
        return Ok(false);
    }
    if arguments.login.allow_anonymous || arguments.silent {
        return Ok(true);
    }
    terminal::ask_yes_no(
        "--allow-anonymous | --require-login",
        "Allow anonymous access?",
    )
}

pub fn host(arguments: &Arguments, clustered: bool) -> Result<String, Failure> {
    match &arguments.place.host {
        Some(host) => Ok(host.clone()),
        None if !clustered => Ok("0.0.0.0".to_owned()),
        None => text(
            arguments,
            None,
            "localhost",
            "--host",
            "Host name or address by which the other nodes reach this one?",
        ),
    }
}

pub fn cluster_user(arguments: &Arguments) -> Result<String, Failure> {
    let given = arguments.cluster.cluster_user.as_ref();
    text(
        arguments,
        given,
        CLUSTER_USER,
        "--cluster-user",
        "What is the cluster user?",
    )
}

pub fn cluster_password(arguments: &Arguments) -> Result<String, Failure> {
    let given = arguments.cluster.cluster_password.as_ref();
    secret(
        arguments,
        given,
        CLUSTER_PASSWORD,
        "--cluster-password",
        "What is the cluster password?",
    )
}

pub fn key_password(arguments: &Arguments) -> Result<String, Failure> {
    let given = arguments.web.ssl_key_password.as_ref();
    secret(
        arguments,
        given,
        KEY_STORE_PASSWORD,
        "--ssl-key-password",
        "What is the key store's password?",
    )
}

pub fn trust_password(arguments: &Arguments) -> Result<String, Failure> {
    let given = arguments.web.ssl_trust_password.as_ref();
    secret(
        arguments,
        given,
        KEY_STORE_PASSWORD,
        "--ssl-trust-password",
        "What is the trust store's password?",
    )
}

fn text(
    arguments: &Arguments,
    given: Option<&String>,
    guess: &str,
    option: &str,
    question: &str,
) -> Result<String, Failure> {
    match given {
        Some(text) => Ok(text.clone()),
        None if arguments.silent => Ok(guess.to_owned()),
        None => terminal::ask(option, question),
    }
}

fn secret(
    arguments: &Arguments,
    given: Option<&String>,
    guess: &str,
    option: &str,
    question: &str,
) -> Result<String, Failure> {
    match given {
        Some(text) => Ok(text.clone()),
        None if arguments.silent => Ok(guess.to_owned()),
        None => terminal::ask_password(option, question),
    }
}
