// SPDX-License-Identifier: Apache-2.0
//! A node among nodes.
#![forbid(unsafe_code)]

pub mod effect;
pub mod identity;
pub mod input;
