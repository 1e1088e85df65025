// SPDX-License-Identifier: Apache-2.0
//! broker.xml, read once: text in, typed settings or all the errors out.
#![forbid(unsafe_code)]

pub mod authentication;
pub mod bootstrap;
pub mod file_error;
pub mod log4j2;
pub mod login_config;
mod login_tokens;
pub mod masked;
pub mod properties_file;
pub mod users;
