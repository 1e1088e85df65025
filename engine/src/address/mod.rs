// SPDX-License-Identifier: Apache-2.0
//! An address: routing types, queues bound to it, and the settings that rule it.

pub mod matches;
pub mod name;
pub mod routing_type;
pub mod settings;
