// SPDX-License-Identifier: Apache-2.0
//! broker.xml, read once: text in, typed settings or all the errors out.
#![forbid(unsafe_code)]

pub mod masked;
