// SPDX-License-Identifier: Apache-2.0
//! Artemis's Core protocol, and HornetQ's, which is its past, as a pure connection machine.
#![forbid(unsafe_code)]

pub mod codec;
