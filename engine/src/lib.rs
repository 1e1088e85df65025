// SPDX-License-Identifier: Apache-2.0
//! The message engine: what a broker *means*, with no I/O.
#![forbid(unsafe_code)]

pub mod address;
pub mod routing;
pub mod security;
pub mod selector;
