// SPDX-License-Identifier: Apache-2.0
//! An address: routing types, queues bound to it, and the settings that rule it.

pub(crate) mod disk_full;
pub mod full_policy;
pub mod ledger;
pub mod lifecycle;
pub mod matches;
pub mod name;
mod page_limit;
pub mod pages;
pub mod paging;
pub mod registry;
pub mod routing_type;
pub mod settings;
