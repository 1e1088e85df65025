// SPDX-License-Identifier: Apache-2.0
//! A node driven by hand: situation → outcome.

mod access;
mod accounts;
mod addresses;
mod basics;
mod broker;
mod client;
mod client_sessions;
mod disk_full;
mod expiry;
mod large_files;
mod large_messages;
mod limits;
mod load;
mod paging;
mod retained;
mod transactions;
mod undelivered;
mod wills;
