// SPDX-License-Identifier: Apache-2.0
//! A node among nodes: the broker as one value, how it becomes active, and what it is to other nodes.
//!
//! Reading order: [`node`], [`input`] and [`effect`], [`activation`], [`identity`].
#![forbid(unsafe_code)]

pub mod activation;
pub mod effect;
pub mod identity;
pub mod input;
pub mod node;
pub mod policy;

pub use node::{Node, Seed, Settings};
