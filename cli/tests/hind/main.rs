// SPDX-License-Identifier: Apache-2.0
//! The `hind` program from outside: commands in folders of their own.

mod commands;
mod configuration;
mod create;
mod large_messages;
mod mqtt;
mod program;
mod run;
mod users;
