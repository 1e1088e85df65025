// SPDX-License-Identifier: Apache-2.0
//! What is said to the operator, and asked.

use crate::failure::Failure;
use std::fmt;
use std::io::{BufRead, IsTerminal, Write};

/// Prints a line on standard output, formatted as by `format!`.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::terminal::line(format_args!($($text)*)) };
}

/// Prints a line on standard output. A reader that closed early, as `head` does, is not a failure.
pub fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a text that ends its lines itself.
pub fn print(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}

/// Asks for a text. An empty answer is asked again on a terminal.
pub fn ask(option: &str, question: &str) -> Result<String, Failure> {
    loop {
        say!("\n{option}:\n{question}");
        let answer = answer(option)?;
        if !answer.is_empty() {
            return Ok(answer);
        }
    }
}

/// Asks for a password; a terminal does not show it.
pub fn ask_password(option: &str, question: &str) -> Result<String, Failure> {
    loop {
        say!("\n{option}: is mandatory with this configuration:\n{question}");
        let answer = if std::io::stdin().is_terminal() {
            flush();
            rpassword::read_password().map_err(|_| no_answer(option))?
        } else {
            answer(option)?
        };
        if !answer.is_empty() {
            return Ok(answer);
        }
    }
}

/// Asks until the answer is yes or no.
pub fn ask_yes_no(option: &str, question: &str) -> Result<bool, Failure> {
    loop {
        say!("\n{option}:\n{question}, valid values are Y, N, True, False");
        match answer(option)?.to_lowercase().as_str() {
            "y" | "yes" | "true" => return Ok(true),
            "n" | "no" | "false" => return Ok(false),
            _ => {}
        }
    }
}

fn answer(option: &str) -> Result<String, Failure> {
    flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    match read {
        Ok(length) if length > 0 => Ok(answer.trim().to_owned()),
        _ => Err(no_answer(option)),
    }
}

fn flush() {
    // A question that cannot be shown still waits for its answer.
    let _ = std::io::stdout().flush();
}

fn no_answer(option: &str) -> Failure {
    Failure::new(format!(
        "No line found: nobody answers; give {option} on the command line, or --silent"
    ))
}
