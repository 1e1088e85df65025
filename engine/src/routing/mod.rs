// SPDX-License-Identifier: Apache-2.0
//! From a message and an address to references on queues.

pub mod wildcard;
