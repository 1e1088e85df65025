// SPDX-License-Identifier: Apache-2.0
#![forbid(unsafe_code)]
//! An instance's configuration: text in, typed settings or a list of faults with their places out.

pub mod file_error;
pub mod login_config;
mod login_tokens;
pub mod properties_file;
