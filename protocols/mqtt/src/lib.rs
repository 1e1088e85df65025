// SPDX-License-Identifier: Apache-2.0
//! MQTT 3.1, 3.1.1 and 5.0 as a pure connection machine.
#![forbid(unsafe_code)]

pub mod codec;
