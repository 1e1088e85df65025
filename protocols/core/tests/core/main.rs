// SPDX-License-Identifier: Apache-2.0
//! The codec against what real clients and brokers said, and against what they never would.

mod confirmations;
mod fuzz;
mod layouts;
mod made;
mod meaning;
mod recorded;
mod recordings;
mod requests;
