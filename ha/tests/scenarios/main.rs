// SPDX-License-Identifier: Apache-2.0
//! A node driven by hand: situation → outcome.

mod access;
mod accounts;
mod addresses;
mod basics;
mod broker;
mod expiry;
mod large_files;
mod large_messages;
mod load;
mod transactions;
mod undelivered;
