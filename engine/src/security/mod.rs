// SPDX-License-Identifier: Apache-2.0
//! Who may do what.

pub mod permissions;
pub mod user;
