// SPDX-License-Identifier: Apache-2.0
//! The message engine: what a broker *means*, with no I/O.
#![forbid(unsafe_code)]

pub mod address;
pub mod client_session;
pub mod command;
pub mod engine;
pub mod event;
pub mod gate;
pub mod id;
pub mod index_set;
pub mod large_message;
pub mod message;
pub mod notice;
pub mod protocol;
pub mod queue;
pub mod random;
pub mod retained;
pub mod routing;
pub mod security;
pub mod selector;
pub mod session;
pub mod settings;
pub mod state;
pub mod storage;
pub mod time;
pub mod transaction;
